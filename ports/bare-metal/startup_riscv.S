/* SPDX-License-Identifier: MIT
 * Start-up of a RISC-V in machine mode: stack, FPU, traps. (The RISC-V Instruction Set Manual,
 * volume II)
 */
  .section .start, "ax"
  .globl start
start:
  csrw mie, zero
  csrr t0, mhartid
  bnez t0, others
  la sp, stack_top
  la t0, trap
  csrw mtvec, t0
  li t0, 0x2000 /* mstatus.FS = initial: the FPU is on */
  csrs mstatus, t0
  csrw fcsr, zero
  j start_c

others: /* one core is enough */
  wfi
  j others

  .balign 4
trap:
  la sp, stack_top /* its contents are not needed any more */
  la a0, name
  j fault

  .section .rodata
name:
  .asciz "trap"
