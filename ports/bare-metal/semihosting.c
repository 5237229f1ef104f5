/* SPDX-License-Identifier: MIT */
#include "semihosting.h"

#include <stdint.h>
#include <string.h>

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_WRITE = 4, MODE_APPEND = 8 }; /* modes of ":tt": standard output, standard error */
enum { APPLICATION_EXIT = 0x20026 };

static intptr_t call(int operation, const void* arguments) {
#if defined(__arm__)
  register intptr_t r0 __asm("r0") = operation;
  register const void* r1 __asm("r1") = arguments;
  __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
#else
  register intptr_t a0 __asm("a0") = operation;
  register const void* a1 __asm("a1") = arguments;
  __asm volatile(
      ".option push\n\t.option norvc\n\t.balign 16\n\t"
      "slli zero, zero, 0x1f\n\tebreak\n\tsrai zero, zero, 7\n\t"
      ".option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
#endif
}

static void write_to(intptr_t* handle, intptr_t mode, const char* text) {
  if (*handle == 0) {
    const intptr_t arguments[] = {(intptr_t) ":tt", mode, 3};
    *handle = call(SYS_OPEN, arguments);
  }
  const intptr_t arguments[] = {*handle, (intptr_t)text, (intptr_t)strlen(text)};
  call(SYS_WRITE, arguments);
}

void semihosting_write(const char* text) {
  static intptr_t handle;
  write_to(&handle, MODE_WRITE, text);
}

void semihosting_write_errors(const char* text) {
  static intptr_t handle;
  write_to(&handle, MODE_APPEND, text);
}

_Noreturn void semihosting_exit(int code) {
  const intptr_t arguments[] = {APPLICATION_EXIT, code};
  for (;;) call(SYS_EXIT_EXTENDED, arguments);
}
