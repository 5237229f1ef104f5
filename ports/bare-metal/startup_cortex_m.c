/* SPDX-License-Identifier: MIT
 * Start-up of a Cortex-M: vector table, FPU. (Arm v7-M Architecture Reference Manual, B1.5 and
 * B3.2.20)
 */
#include "startup.h"

void start(void);

void start(void) {
  volatile uint32_t* const cpacr = (volatile uint32_t*)0xe000ed88u;
  *cpacr |= 0xfu << 20; /* full access to CP10 and CP11, the FPU */
  __asm volatile("dsb\n\tisb" ::: "memory");
  start_c();
}

static void nmi(void) { fault("non-maskable interrupt"); }
static void hard_fault(void) { fault("hard fault"); }
static void other(void) { fault("exception"); }

/* The vector table, which the processor reads at address 0 after reset. */
__attribute__((section(".start"), used)) static const struct {
  uint32_t* stack;
  void (*handlers[15])(void);
} vectors = {stack_top,
             {start, nmi, hard_fault, other, other, other, other, other, other, other, other, other,
              other, other, other}};
