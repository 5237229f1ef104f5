#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh PROGRAM: runs a program generate-BOARD-MODEL on its board, emulated by QEMU. Standard
# output, standard error and the exit code are those of the program.
set -euo pipefail

if (($# != 1)); then
  echo "run.sh: usage: run.sh PROGRAM, which is named generate-BOARD-MODEL" >&2
  exit 2
fi
case $(basename "$1") in
  generate-mps2-an386-*) qemu=(qemu-system-arm -machine mps2-an386) ;;
  generate-mps3-an547-*) qemu=(qemu-system-arm -machine mps3-an547) ;;
  generate-virt-*) qemu=(qemu-system-riscv32 -machine virt -bios none) ;;
  *)
    echo "run.sh: $1 is not named after a known board: generate-BOARD-MODEL" >&2
    exit 2
    ;;
esac
exec "${qemu[@]}" -display none -monitor none -serial none \
  -semihosting-config enable=on,target=native -kernel "$1" </dev/null
