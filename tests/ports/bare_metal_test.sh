#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bare_metal_test.sh SOURCE_DIR DATA: builds the library for machines without an operating system,
# and compares the texts of emulated boards with the reference. Checks and prints how much memory this
# takes, and checks that reasons name sufficient sizes.
set -euo pipefail

root=$1
data=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

readonly most_code=65536 most_ram=524288

fail() {
  printf 'bare_metal_test.sh: %s\n' "$*" >&2
  exit 1
}

# build PRESET [OPTION...]: configures and builds the preset with these options.
build() {
  local preset=$1
  shift
  (cd "$root" && cmake --preset "$preset" "$@" \
    -DCLAMMA_MODEL="$data/models/stories260K.q80.bin;$data/models/stories260K.bin" \
    -DCLAMMA_VOCABULARY="$data/models/tok512.bin" && cmake --build --preset "$preset") ||
    fail "$preset cannot be built"
}

# run PROGRAM: writes its output to $work/out and $work/errors. Returns its exit code.
run() {
  local status=0
  timeout 900 "$root/ports/bare-metal/run.sh" "$1" >"$work/out" 2>"$work/errors" || status=$?
  return "$status"
}

# check_text GOLDEN: checks that the text begins with the reference, without the newline at its end.
check_text() {
  local golden=$data/golden/$1.txt size
  size=$(($(wc -c <"$golden") - 1))
  ((size > 500)) || fail "$golden is too short"
  cmp <(head -c "$size" "$golden") <(head -c "$size" "$work/out") ||
    fail "the text is not that of $golden"
}

# sum_of PROGRAM SECTION...: prints the number of bytes in these sections.
sum_of() {
  local program=$1
  shift
  size -A "$program" | awk -v wanted=" $* " 'index(wanted, " " $1 " ") { n += $2 } END { print n + 0 }'
}

# check_size PROGRAM: prints how much memory it takes, and checks the limits.
check_size() {
  local name code model ram
  name=$(basename "$1")
  code=$(sum_of "$1" .text .rodata .data .ARM.exidx .init_array)
  model=$(sum_of "$1" .model)
  ram=$(sum_of "$1" .stack .data .bss)
  printf '%s: code %d bytes, model and vocabulary %d bytes, RAM %d bytes\n' \
    "$name" "$code" "$model" "$ram"
  ((code > 10000 && model > 500000 && ram > 100000)) || fail "$name: sections have other names"
  ((code < most_code)) || fail "$name: $code bytes of code, $most_code are too many"
  ((ram < most_ram)) || fail "$name: $ram bytes of RAM, $most_ram are too many"
}

# check_symbols PROGRAM: checks that there is no allocator, no C++ runtime and no stdio.
check_symbols() {
  local symbols found
  symbols=$(nm "$1")
  grep -q ' T main$' <<<"$symbols" || fail "$1: nm finds no main() in it"
  found=$(grep -E ' _*(malloc|free|calloc|realloc|sbrk|aligned_alloc|v?s?n?f?printf|fopen|abort|exit)(_r)?$|_Unwind|__cxa|__gxx|_throw_|terminate|ios_base|_Zn[wa]|_Zd[la]|_ZT[IV]' <<<"$symbols" ||
    true)
  [[ -z $found ]] || fail "$1 has what it should do without: $found"
}

# check_library PRESET: checks that the library uses only those functions of the C library that the
# port's README.md lists, besides the compiler's own: arithmetic, and on RISC-V the saving of registers.
# (Programs do not show this, because a linker leaves out unused callers.)
check_library() {
  local symbols found
  symbols=$(nm "$root/build-$1/lib/libclamma.a")
  grep -q ' T clamma_txf_construct$' <<<"$symbols" || fail "$1: nm finds no library"
  found=$(comm -23 <(awk '$1 == "U" { print $2 }' <<<"$symbols" | sort -u) \
    <(awk 'NF == 3 { print $3 }' <<<"$symbols" | sort -u) |
    grep -vE '^(mem(chr|cmp|cpy|move|set)|strlen|strrchr|__aeabi_[a-z0-9]+|__[a-z]+[sd][if][a-z0-9]*|__riscv_[a-z]+_[0-9]+)$' || true)
  [[ -z $found ]] || fail "$1: the library needs what it should do without: $found"
}

# check_program PROGRAM GOLDEN FOLDER: runs it, with its output in this folder, and checks all of these.
check_program() {
  local work=$3
  mkdir -p "$work"
  run "$1" || fail "$(basename "$1") ended with $?: $(cat "$work/errors")"
  check_text "$2"
  check_size "$1"
  check_symbols "$1"
  sed -n 's/^\([0-9]\)/  \1/p' "$work/errors"
}

# check_board PRESET BOARD: checks both models side by side, as an emulator uses one core.
check_board() {
  local program=$root/build-$1/bin/generate-$2-stories260K pid status=0
  check_program "$program.q80" q80-s1024-bos "$work/int8" >"$work/log" 2>&1 &
  pid=$!
  check_program "$program" float-s1024-bos "$work/float"
  wait "$pid" || status=$?
  cat "$work/log"
  return "$status"
}

# The first arena is far too small. Each reason names a size with which the next call succeeds.
check_reasons() {
  local arena=1000 calls=0 program=$root/build-bare-cortex-m/bin/generate-mps2-an386-stories260K.q80
  while :; do
    build bare-cortex-m "-DCLAMMA_ARENA_SIZE=$arena" >"$work/build.log" || fail "$(cat "$work/build.log")"
    run "$program" && break
    (($? == 1)) || fail "an arena of $arena bytes: $(cat "$work/errors")"
    printf 'an arena of %d bytes: %s\n' "$arena" "$(tail -n 1 "$work/errors")"
    arena=$(sed -n "s/^out of memory: the arena has $arena bytes, and \([0-9]*\) are needed\$/\1/p" \
      "$work/errors")
    [[ -n $arena ]] || fail "no size is named"
    ((++calls <= 3)) || fail "a size that was named does not do"
  done
  ((calls == 3)) || fail "construction, session and query should each have failed once: $calls"
  printf 'an arena of %d bytes does\n' "$arena"
  check_text q80-s1024-bos
}

# The same library for this machine: what it lacks, it refuses with a reason, and it prints nothing by
# itself.
check_refusals() {
  cmake -S "$root" --preset bare -B "$root/build-bare-host" -DLIBCLAMMA_BARE_METAL=ON
  cmake --build "$root/build-bare-host"
  "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$root/include" "$root/tests/ports/bare_metal_refusals.c" \
    "$root/build-bare-host/lib/libclamma.a" -o "$work/refusals"
  "$work/refusals" "$data/models/stories260K.q80.bin" "$data/models/tok512.bin" 2>"$work/errors" ||
    fail "tests/ports/bare_metal_refusals.c ended with $?"
  [[ ! -s $work/errors ]] || fail "the library wrote to standard error: $(cat "$work/errors")"
}

# The port as a separate project with an installed library, and with relative paths of files.
check_installed() {
  cmake --install "$root/build-bare-cortex-m" --prefix "$work/installed"
  cp -R "$root/ports/bare-metal" "$work/project"
  (cd "$data/models" && cmake -S "$work/project" -B "$work/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=MinSizeRel --toolchain "$work/project/arm-none-eabi.cmake" \
    -DCMAKE_PREFIX_PATH="$work/installed" -DCLAMMA_MODEL=stories260K.q80.bin \
    -DCLAMMA_VOCABULARY=tok512.bin)
  cmake --build "$work/build"
  run "$work/build/generate-mps3-an547-stories260K.q80" || fail "installed: $(cat "$work/errors")"
  check_text q80-s1024-bos
}

# check_processor NAME BOARD OPTION...: checks the int8 model, optimised for speed, on another processor.
check_processor() {
  local name=$1 board=$2
  shift 2
  (cd "$root" && cmake --preset bare-cortex-m -B "build-bare-$name" -DCMAKE_BUILD_TYPE=Release "$@" \
    -DCLAMMA_MODEL="$data/models/stories260K.q80.bin" \
    -DCLAMMA_VOCABULARY="$data/models/tok512.bin" && cmake --build "build-bare-$name")
  run "$root/build-bare-$name/bin/generate-$board-stories260K.q80" || fail "$name: $(cat "$work/errors")"
  check_text q80-s1024-bos
  printf '%s: the text is told\n' "$name"
}

# check_no_float_vectors NAME: checks that the compiler has not used the vector unit for floats: this
# unit flushes subnormal numbers to 0, which would change the texts.
check_no_float_vectors() {
  local code found
  code=$(arm-none-eabi-objdump -d "$root/build-bare-$1/lib/libclamma.a")
  grep -qE '\.f32\s+s' <<<"$code" || fail "$1: objdump finds no floats"
  found=$(grep -E '\.f(16|32)\s+q' <<<"$code" || true)
  [[ -z $found ]] || fail "$1 computes with vectors of floats: $found"
}

check_refusals
build bare-cortex-m -UCLAMMA_ARENA_SIZE
check_library bare-cortex-m
check_board bare-cortex-m mps2-an386
check_board bare-cortex-m mps3-an547
check_installed
check_processor cortex-m55 mps3-an547 -DCLAMMA_TARGET_CPU=cortex-m55
check_no_float_vectors cortex-m55
check_processor cortex-m3 mps2-an386 -DCLAMMA_TARGET_CPU=cortex-m3 -DCLAMMA_FLOAT_ABI=soft
build bare-riscv -UCLAMMA_ARENA_SIZE
check_library bare-riscv
check_board bare-riscv virt
check_reasons
