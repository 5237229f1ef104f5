#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# header_languages_test.sh CXX SOURCE_DIR: checks in which languages the headers compile with the
# build's compiler. Prints a line for each check. The exit code is 0 if all checks succeed.
set -uo pipefail

cxx=$1
source_dir=$(realpath "$2")
program=$cxx seconds=60
# shellcheck source=tests/support/cli_checks.sh
source "$source_dir/tests/support/cli_checks.sh"

# compile STANDARD HEADER: compiles a header; the compiler's messages are in `err`, without colours.
compile() {
  printf '#include <%s>\nint main() { return 0; }\n' "$2" >source.cc
  GCC_COLORS='' run -std="$1" -Wall -Wextra -Wpedantic -I"$source_dir/include" -fsyntax-only source.cc
}

for standard in c++11 c++17; do
  compile $standard clamma.hpp
  tells "clamma.hpp in $standard is refused" test "$status" != 0
  tells "... by one error" test "$(grep -c 'error' err)" -ge 1 -a "$(grep -cE '(^|: )(fatal )?error: ' err)" = 1
  tells "... that names what it needs" grep -q 'error: .*clamma\.hpp needs C++20 (-std=c++20)' err
  for header in clamma.h clamma-extra.h; do
    compile $standard $header
    tells "$header compiles in $standard" test "$status" = 0
    tells "... without a word" cmp empty err
  done
done
compile c++20 clamma.hpp
tells "clamma.hpp compiles in c++20" test "$status" = 0
tells "... without a word" cmp empty err

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
