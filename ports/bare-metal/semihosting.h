/* SPDX-License-Identifier: MIT
 * Sends text and an exit code to the debugger or to QEMU. (Arm IHI 0100, Semihosting for AArch32
 * and AArch64; RISC-V Semihosting specification). On your own board, write to its UART instead.
 */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

void semihosting_write(const char* text);        /* to standard output; NUL-terminated */
void semihosting_write_errors(const char* text); /* to standard error */
_Noreturn void semihosting_exit(int code);

#endif /* SEMIHOSTING_H */
