# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Functions for try.sh, test.sh and others. Source this file, do not run it. Expects set -euo pipefail.

say() { printf '== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs the command with its output in LOG, and shows LOG only on failure.
quietly() {
  local log=$1 status=0
  shift
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status != 0)); then
    cat "$log" >&2
    printf '%s: this failed: %s\n' "$(basename "$0")" "$*" >&2
  fi
  return "$status"
}

# find_data TREE: prints the folder with the models and golden texts for the tests of the tree (see
# tests/support/test_data.h), or nothing.
find_data() {
  local data=${CLAMMA_TEST_DATA:-$1/../shared}
  [[ -d $data/models ]] || data=$data/..
  if [[ -e $data/models/stories260K.bin && -e $data/models/tok512.bin && -d $data/golden ]]; then
    printf '%s' "$data"
  fi
}

# commit_number: prints a number that depends only on the commit; 0 if there is none.
commit_number() {
  local commit
  commit=$(git rev-parse HEAD 2>/dev/null) || commit=0
  echo $((16#${commit:0:8}))
}

# missing_packages PACKAGE...: prints the packages that are not installed, one per line.
missing_packages() {
  local installed
  # dpkg-query fails if it does not know a package, but still prints the others.
  # shellcheck disable=SC2016 # the braces are dpkg-query's own
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  local package
  for package in "$@"; do
    grep -qxF "installed $package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# has_what PACKAGE: whether the needed part of a Debian package is present, whatever its source.
has_what() {
  case $1 in
    binutils) command -v nm && command -v readelf ;;
    chromium-driver) command -v chromedriver ;;
    ca-certificates | libc6-dbg) true ;;
    g++-mingw-w64-x86-64) command -v x86_64-w64-mingw32-g++ ;;
    g++-*) command -v "${1#g++-}-g++" ;;
    googletest) [[ -e /usr/src/googletest/googletest/CMakeLists.txt ]] ;;
    gcc-arm-none-eabi) command -v arm-none-eabi-g++ ;;
    gcc-riscv64-unknown-elf) command -v riscv64-unknown-elf-g++ ;;
    libc++-dev | libc++abi-dev) echo '#include <vector>' | clang++ -stdlib=libc++ -x c++ -E - ;;
    libcurl4-openssl-dev) echo '#include <curl/curl.h>' | g++ -x c++ -E - ;;
    libcli11-dev) echo '#include <CLI/CLI.hpp>' | g++ -x c++ -E - ;;
    libnewlib-arm-none-eabi) echo '#include <string.h>' | arm-none-eabi-gcc --specs=nano.specs -E - ;;
    libstdc++-arm-none-eabi-dev) echo '#include <algorithm>' | arm-none-eabi-g++ -x c++ -E - ;;
    libclang-rt-dev) echo 'int main() {}' | clang++ -fsanitize=address -x c++ -o /dev/null - ;;
    libedit-dev) echo '#include <histedit.h>' | g++ -x c++ -E - ;;
    libgtest-dev) echo '#include <gtest/gtest.h>' | g++ -x c++ -E - ;;
    libwebsockets-dev) echo '#include <libwebsockets.h>' | g++ -x c++ -E - ;;
    musl-tools) command -v musl-gcc ;;
    ninja-build) command -v ninja ;;
    qemu-user) command -v qemu-aarch64 ;;
    picolibc-riscv64-unknown-elf)
      echo '#include <string.h>' | riscv64-unknown-elf-gcc --specs=picolibc.specs -E -
      ;;
    qemu-system-misc) command -v qemu-system-riscv32 ;;
    python3-torch) /usr/bin/python3 -c 'import torch' ;;
    python3-pip) /usr/bin/python3 -c 'import pip' ;;
    python3-venv) /usr/bin/python3 -c 'import ensurepip, venv' ;;
    python3-selenium | python3-websocket) /usr/bin/python3 -c "import ${1#python3-}" ;;
    wine64) command -v wine ;;
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

# need_packages PACKAGE...: installs the missing packages. Fast and silent if none is missing.
need_packages() {
  local missing=() package
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    for package in "$@"; do
      has_what "$package" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    die "this system has no apt-get: please install the equivalents of these Debian packages," \
      "and start again: ${missing[*]}"
  fi

  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) && return
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "packages are missing, but the user is not root and there is no sudo. As root, run:" \
        "apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing Debian packages: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y
    -o DPkg::Lock::Timeout=300)
  local log
  log=$(mktemp)
  # sudo asks for a password on the terminal, not on the standard input that quietly() closes.
  quietly "$log" "${apt[@]}" update || die "the package lists could not be updated"
  quietly "$log" "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    die "these packages could not be installed: ${missing[*]}"
  rm -f "$log"
}
