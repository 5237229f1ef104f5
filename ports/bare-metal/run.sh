#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh PROGRAM: runs a program tell-BOARD-MODEL on its board, emulated by QEMU. Standard output,
# standard error and the exit code are the program's.
set -euo pipefail

if (($# != 1)); then
  echo "run.sh: usage: run.sh PROGRAM, one that is called tell-BOARD-MODEL" >&2
  exit 2
fi
case $(basename "$1") in
  tell-mps2-an386-*) qemu=(qemu-system-arm -machine mps2-an386) ;;
  tell-mps3-an547-*) qemu=(qemu-system-arm -machine mps3-an547) ;;
  tell-virt-*) qemu=(qemu-system-riscv32 -machine virt -bios none) ;;
  *)
    echo "run.sh: $1 does not say for which board it is: tell-BOARD-MODEL" >&2
    exit 2
    ;;
esac
exec "${qemu[@]}" -display none -monitor none -serial none \
  -semihosting-config enable=on,target=native -kernel "$1" </dev/null
