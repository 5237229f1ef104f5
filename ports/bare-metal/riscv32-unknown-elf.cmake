# SPDX-License-Identifier: MIT
# Toolchain file for a 32-bit RISC-V with an FPU: Debian's gcc-riscv64-unknown-elf with picolibc.
#
# Debian has no libstdc++ for it. The library needs only its headers: templates and inline functions
# of <algorithm>, <atomic>, <string_view> and the like. The headers of libstdc++-arm-none-eabi-dev
# have the same compiler release and fit any embedded C library, so they are used here.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # programs need a linker script

set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_CXX_COMPILER riscv64-unknown-elf-g++)
set(CMAKE_ASM_COMPILER riscv64-unknown-elf-gcc)
file(GLOB cxx_headers /usr/include/newlib/c++/*)
if(NOT cxx_headers)
  message(FATAL_ERROR "there are no C++ headers: please install libstdc++-arm-none-eabi-dev")
endif()
set(target "-march=rv32imafc -mabi=ilp32f -mcmodel=medany --specs=picolibc.specs")
# Each function gets its own section, so that the linker drops those that nothing calls. Registers
# are saved by library calls, which makes code smaller.
set(lean "-ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables")
string(APPEND lean " -msave-restore")
set(CMAKE_C_FLAGS_INIT "${target} ${lean}")
set(CMAKE_CXX_FLAGS_INIT
    "${target} ${lean} -isystem ${cxx_headers} -isystem ${cxx_headers}/arm-none-eabi")
set(CMAKE_ASM_FLAGS_INIT "${target}")
