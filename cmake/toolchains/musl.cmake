# SPDX-License-Identifier: MIT
# Debian has musl only for C. The library does not link a C++ library, and compiles with the headers of
# libc++, which support musl; GCC's headers are made for glibc.
set(CMAKE_C_COMPILER musl-gcc)
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
file(GLOB libcxx_headers /usr/lib/llvm-*/include/c++/v1)
if(NOT libcxx_headers)
  message(FATAL_ERROR "there are no C++ headers: please install libc++-dev")
endif()
list(GET libcxx_headers 0 libcxx_headers)
execute_process(COMMAND clang++ -print-resource-dir OUTPUT_VARIABLE clang_resources
                OUTPUT_STRIP_TRAILING_WHITESPACE)
string(CONCAT CMAKE_CXX_FLAGS_INIT
       "-nostdinc -nostdinc++ -D_LIBCPP_HAS_MUSL_LIBC -isystem ${libcxx_headers} "
       "-isystem ${clang_resources}/include -isystem /usr/include/x86_64-linux-musl")
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
