/* SPDX-License-Identifier: MIT
 * Text and an exit code to whoever runs the program: a debugger or QEMU. (Arm IHI 0100, Semihosting
 * for AArch32 and AArch64; RISC-V Semihosting specification). On a board of your own, write to its
 * UART in place of this.
 */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

void semihosting_write(const char* text);        /* to standard output; NUL-terminated */
void semihosting_write_errors(const char* text); /* to standard error */
_Noreturn void semihosting_exit(int code);

#endif /* SEMIHOSTING_H */
