# SPDX-License-Identifier: MIT
# Toolchain file for Cortex-M, by default with an FPU: Debian's gcc-arm-none-eabi, newlib and its
# libstdc++ headers. Code for a Cortex-M4 also runs on an M7, M33 and M55.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CLAMMA_TARGET_CPU cortex-m4 CACHE STRING "The argument of -mcpu=")
set(CLAMMA_FLOAT_ABI hard CACHE STRING "The argument of -mfloat-abi=: soft if there is no FPU")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CLAMMA_TARGET_CPU CLAMMA_FLOAT_ABI)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # programs need a linker script

set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
set(target "-mcpu=${CLAMMA_TARGET_CPU} -mthumb -mfloat-abi=${CLAMMA_FLOAT_ABI}")
# Each function gets its own section, so that the linker drops those that nothing calls.
set(lean "-ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables")
set(CMAKE_C_FLAGS_INIT "${target} ${lean}")
set(CMAKE_CXX_FLAGS_INIT "${target} ${lean}")
set(CMAKE_ASM_FLAGS_INIT "${target}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=nano.specs")
