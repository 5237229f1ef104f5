/* SPDX-License-Identifier: MIT
 * The part of the start-up that all boards share.
 */
#include "startup.h"

#include <stddef.h>

#include "semihosting.h"

_Noreturn void start_c(void) {
  const uint32_t* image = data_image;
  for (uint32_t* p = data_begin; p < data_end; ++p) *p = *image++;
  for (uint32_t* p = bss_begin; p < bss_end; ++p) *p = 0;
  /* Paint up to this function's frame, with room for what the loop itself may need. */
  uint32_t* const here = (uint32_t*)__builtin_frame_address(0) - 32;
  for (volatile uint32_t* p = stack_bottom; p < here; ++p) *p = STACK_PAINT;
  semihosting_exit(main());
}

_Noreturn void fault(const char* what) {
  semihosting_write_errors(what);
  semihosting_write_errors(": the program has ended\n");
  semihosting_exit(70);
}
