/* SPDX-License-Identifier: MIT
 * From reset to main(), and the symbols that sections.ld defines.
 */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

extern uint32_t stack_bottom[], stack_top[];
extern uint32_t data_begin[], data_end[];
extern const uint32_t data_image[]; /* initial values of data */
extern uint32_t bss_begin[], bss_end[];

#define STACK_PAINT 0xdeadbeefu /* marks stack that was never used */

/* Prepares memory, calls main() and ends the program with its value. The board's own part calls it
 * with the stack set, interrupts off and the FPU on. */
_Noreturn void start_c(void);

/* Handles an exception: writes its name, and ends the program. */
_Noreturn void fault(const char* what);

int main(void);

#endif /* STARTUP_H */
