# SPDX-License-Identifier: MIT
# Debian's cross compilers for GNU/Linux, and QEMU to run the programs. Set CMAKE_SYSTEM_PROCESSOR,
# `triplet` and `emulator` before including this file.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)
# ctest runs programs with it. QEMU_CPU in the environment names the CPU.
set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator} -L /usr/${triplet})
set(CMAKE_FIND_ROOT_PATH /usr/${triplet})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
