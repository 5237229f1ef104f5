#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_selftest_cli_test.sh PROGRAM SOURCE_DIR: tests the command line and the output of
# clamma-selftest. Prints a line for each check. Exit code: 0 all checks succeed, 1 a check fails, 77 the
# models are missing.
set -uo pipefail

program=$(realpath "$1")
source_dir=$(realpath "$2")
seconds=300
# shellcheck source=tests/support/cli_models.sh
source "$source_dir/tests/support/cli_models.sh"
# shellcheck source=tests/support/cli_checks.sh
source "$source_dir/tests/support/cli_checks.sh"

run
tells "without any file: exit code 0" test "$status" = 0
tells "nothing on stderr" cmp empty err
tells "the version, the system and the compiler" \
  grep -qE '^clamma-selftest 1\.[0-9]+\.[0-9]+: .*, (little|big)-endian, (32|64) bits, (GCC|Clang) [0-9]' out
tells "the CPU" grep -qE '^CPU: .*, [0-9]+ cores?' out
tells "its features" grep -qE '^CPU features: .' out
tables=$(sed -nE 's/^kernel tables that run here: (.*); in use: .*/\1/p' out)
used=$(sed -nE 's/^kernel tables that run here: .*; in use: //p' out)
tells "the tables, the plain one as the last" grep -qE '(^|, )scalar$' <<<"$tables"
tells "the one in use is the best" test "$used" = "${CLAMMA_CPU:-${tables%%,*}}"
for table in ${tables//,/}; do
  [[ $table != scalar ]] || continue
  tells "$table: compared with the plain one" \
    grep -qxE "ok      $table: [0-9]{3,} results equal those of the plain kernels" out
done
receipt='[0-9a-f]{16}-[0-9a-f]{16}'
reversed=$(tr -d ' ' <<<"$tables" | tr ',' '\n' | tac | paste -sd , | sed 's/,/, /g')
for model in 'llama2.c float' 'llama2.c int8' 'GGUF F32' 'GGUF Q4_K' 'GGUF MXFP4'; do
  tells "$model: its receipt by all tables" grep -qxE "ok      $model: $receipt by $reversed" out
done
tells "18 made models" test "$(grep -cE "^ok      (llama2\.c|GGUF) .*: $receipt by " out)" = 18
tells "none failed" grep -qxE '[0-9]+ checks, 0 failed: this machine computes what others do' out
tells "the last line counts the checks" test "$(grep -c '^ok ' out)" = "$(sed -n '$s/ checks.*//p' out)"

# A known model, in three formats.
for name in stories260K stories260K.v1 stories260K.q80; do
  run "$data/models/$name.bin"
  tells "$name: exit code 0" test "$status" = 0
  tells "$name: it is known, with its receipt" \
    grep -qxE "ok      .*$name\.bin \(stories260K[^)]*\): $receipt by $reversed" out
done
known=$(sed -nE "s/^ok      .*\.bin \(.*: ($receipt) by .*/\1/p" out)
run "$data/models/stories260K.q80.bin" --receipt "$known"
tells "its receipt is as expected" test "$status" = 0
wrong=0000000000000000-0000000000000000
run "$data/models/stories260K.q80.bin" --receipt $wrong
tells "another receipt: exit code 3" test "$status" = 3
tells "another receipt: says which table gave which" \
  grep -qxE "FAILED  .*, scalar: the receipt is $known, not $wrong" out
tells "another receipt: each table failed, and the last line asks for a report" \
  grep -qxE "[0-9]+ checks, $(wc -w <<<"$tables") failed: please report this output" out

# An unknown model: one weight differs.
cp "$float" other.bin
printf '\x01\x02' | dd of=other.bin bs=1 seek=50000 conv=notrunc status=none
run other.bin
tells "an unknown model: exit code 0" test "$status" = 0
tells "an unknown model: its receipt by all tables" \
  grep -qxE "ok      other\.bin, of which no receipt is kept: $receipt by $reversed" out

run none.bin
tells "a model that is not there: exit code 1" test "$status" = 1
tells "a model that is not there: the reason" grep -qE '^clamma-selftest: .*none\.bin.*No such file' err
head -c 1000 "$float" >cut.bin
run cut.bin
tells "a damaged model: exit code 1" test "$status" = 1
tells "a damaged model: the reason" grep -qE '^clamma-selftest: cut\.bin: ' err
refuses 2 'no option --nothing' --nothing
refuses 2 'one model is expected' a b
refuses 2 'receipt: 1 required' --receipt
refuses 2 'receipt needs a checkpoint' --receipt $wrong

for flag in --version -V -v; do
  run $flag
  tells "$flag" grep -qxE 'clamma-selftest 1\.[0-9]+\.[0-9]+' out
done
run --help
for flag in --help --version --receipt --write-receipts; do
  tells "--help mentions $flag" grep -qE -- "(^|[ ,])$flag([ ,]|\$)" out
done

status=0
"$program" >/dev/full 2>err || status=$?
tells "a full device as stdout: exit code 3" test "$status" = 3
tells "a full device as stdout: one message" grep -qx 'clamma-selftest: cannot write to stdout' err

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
