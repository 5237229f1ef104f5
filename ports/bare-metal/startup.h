/* SPDX-License-Identifier: MIT
 * From reset to main(), and what sections.ld says of the memory.
 */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

extern uint32_t stack_bottom[], stack_top[];
extern uint32_t data_begin[], data_end[];
extern const uint32_t data_image[]; /* what data begins with */
extern uint32_t bss_begin[], bss_end[];

#define STACK_PAINT 0xdeadbeefu /* what the stack holds where it was never used */

/* Called by the board's own part, on the stack, with interrupts off and the FPU on: prepares
 * memory, calls main() and ends the program with its value. */
_Noreturn void start_c(void);

/* Any exception: says which, and ends the program. */
_Noreturn void fault(const char* what);

int main(void);

#endif /* STARTUP_H */
