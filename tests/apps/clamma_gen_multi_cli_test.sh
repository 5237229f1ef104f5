#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_gen_multi_cli_test.sh CLAMMA_GEN_MULTI CLAMMA_GEN SOURCE_DIR: tests the command line of
# clamma-gen-multi, its output and its exit codes, and compares its texts with those of clamma-gen.
# Prints a line for each check. Exit code: 0 all checks succeed, 1 a check fails, 77 the models are
# missing (test_data.h says where they are looked for).
set -euo pipefail

(($# == 3)) || {
  echo "usage: $0 CLAMMA_GEN_MULTI CLAMMA_GEN SOURCE_DIR" >&2
  exit 2
}
clamma_gen_multi=$(realpath "$1")
clamma_gen=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
source_dir=$3
# shellcheck source=tests/support/cli_models.sh
source "$here/../support/cli_models.sh"
program=$clamma_gen_multi seconds=60
# shellcheck source=tests/support/cli_checks.sh
source "$here/../support/cli_checks.sh"
skipped=0

with=("$float" -z "$dictionary")

# expect SEED ARGUMENT...: sets $expected to a file with the text that clamma-gen writes for this seed.
# Each file is made once.
expect() {
  local seed=$1 key
  shift
  key=$(printf '%s\n' "$seed" "$@" | md5sum)
  expected=$work/expected-${key%% *}
  [[ -s $expected ]] || "$clamma_gen" "${with[@]}" -q -s "$seed" "$@" >"$expected"
}

# same_texts NAME COUNT SEED ARGUMENT...: the files 0 .. COUNT-1 in texts/ have the texts of clamma-gen
# for the seeds SEED, SEED+1 and so on.
same_texts() {
  local name=$1 count=$2 seed=$3 i
  shift 3
  for ((i = 0; i < count; ++i)); do
    expect $((seed + i)) "$@"
    tells "$name: text $i" cmp "$expected" "texts/out$i.txt"
  done
}

# one_failed NAME PATTERN: of 3 sessions only session 1 failed, with a message that names its file and
# matches PATTERN. Call it after a run with `-c 3 -s 5`.
one_failed() {
  tells "$1: exit code 3" test "$status" = 3
  tells "$1: one message" test "$(wc -l <err)" = 1
  tells "$1: it names the file and the reason" grep -qE "^clamma-gen-multi: texts/out1\.txt: $2" err
  tells "$1: a summary of all" test "$(grep -cE "$end_line" out)" = 3
  local seed file
  for file in 0 2; do
    seed=$((5 + file))
    expect $seed
    tells "$1: text $file is whole" cmp "$expected" "texts/out$file.txt"
  done
}

readonly end_line='^Session [0-9]+: [0-9]+ tokens, tok/s: [0-9]+\.[0-9]{3}$'
readonly query_line='^Session [0-9]+: [0-9]+\.[0-9]{3} MB, temperature [0-9.]+, top-p [0-9.]+, seed [0-9]+, in '

# --- The texts ----------------------------------------------------------------------------------------

run "${with[@]}" -o texts -s 5
tells "no prompt: succeeds" test "$status" = 0
tells "no prompt: nothing on stderr" cmp empty err
tells "no prompt: two texts, the folder is made" test "$(ls texts)" = $'out0.txt\nout1.txt'
same_texts "no prompt" 2 5
tells "summary: the banner" grep -qxE '☙ Clamma ❧ stories260K.bin: .*float.* \(mapped\), [0-9]+ bytes' out
tells "summary: the banner has two lines" grep -qE '^dim 64, .* [0-9]+ threads?( \(.*\))?$' <(sed -n 2p out)
tells "summary: one line for each session at the start" test "$(grep -cE "$query_line" out)" = 2
for i in 0 1; do
  tells "summary: size, temperature, top-p and seed as they were given, and the file of $i" grep -qxE \
    "Session $i: 0\.665 MB, temperature 1, top-p 0\.9, seed $((5 + i)), in texts/out$i\.txt" out
done
tells "summary: nothing else" test "$(wc -l <out)" = 7
tells "summary: a line for each" test "$(grep -cE "$end_line" out)" = 2
tells "summary: the total" \
  grep -qE '^Total: [0-9]+ tokens, tok/s: [0-9]+\.[0-9]{3}, [0-9]+\.[0-9]{3} s$' out
# shellcheck disable=SC2016 # for awk
tells "summary: the total is the sum" awk '
  /^Session .* tokens,/ { sum += $3 } /^Total/ { total = $2 } END { exit sum == 0 || sum != total }' out
tells "new files are their owner's alone" test "$(stat -c %a texts/out0.txt)" = 600

prompt="Sally was having a nice day. "
inode=$(stat -c %i texts/out0.txt)
head -c 5000 /dev/zero >texts/out0.txt
run "${with[@]}" -o texts -s 100 -c 8 -i "$prompt"
tells "8 with a prompt: succeeds" test "$status" = 0
same_texts "8 with a prompt" 8 100 -i "$prompt"
tells "an earlier file is written anew, in place" test "$(stat -c %i texts/out0.txt)" = "$inode"

run "${with[@]}" -o texts -c 1 -n 5 -t 0.80 -p 0.123 -s 7
tells "temperature and top-p as they were written" \
  grep -qxE 'Session 0: 0\.665 MB, temperature 0\.8, top-p 0\.123, seed 7, in texts/out0\.txt' out

run "${with[@]}" --output texts --count 16 --seed 1024 -n 60 -t 0.8 -m 1
tells "16: succeeds" test "$status" = 0
same_texts "16" 16 1024 -n 60 -t 0.8

run "${with[@]}" -o texts -c 1 -s 3 -y "A tale." -i "One day" --kv f16
same_texts "1, with a system text" 1 3 -y "A tale." -i "One day" --kv f16

run "${with[@]}" -o texts -c 3 -s 3 -i "One day" --kv q8
same_texts "3, with keys and values in int8" 3 3 -i "One day" --kv q8

run "${with[@]}" -o texts -s 18446744073709551615 -n 5
tells "the last seed of all is followed by the first" \
  test "$(sed -nE 's/.*seed ([0-9]+), in .*/\1/p' out | paste -sd ' ')" = "18446744073709551615 1"
run "${with[@]}" -o texts -c 5 -n 5
tells "without a seed each is different" test "$(grep -oE 'seed [1-9][0-9]*' out | sort -u | wc -l)" = 5
seed=$(sed -nE '/seed /{s/.*seed ([0-9]+), in .*/\1/p;q}' out)
same_texts "without a seed: told again" 5 "$seed" -n 5

cp "$float" here.bin
cp "$dictionary" tokenizer.bin
run here.bin -o texts -i "$prompt" -c 8 -s 100
tells "the default dictionary: succeeds" test "$status" = 0
same_texts "the default dictionary" 8 100 -i "$prompt"

run --help
tells "--help succeeds" test "$status" = 0
tells "--help: nothing on stderr" cmp empty err
for flag in --help --version -z --tokenizer -t --temperature -p --topp -s --seed -n --steps -c --count \
  -o --output -i --prompt -y --system -h --threads -m --mode --cache-limit --kv; do
  tells "--help mentions $flag" grep -qE -- "(^|[ ,])$flag([ ,=:]|\$)" out
done
tells "--help tells the default folder" grep -qE -- '--output.*/tmp' out
tells "--help tells the exit codes" grep -q 'Exit codes: 0 done' out
for flag in --version -V -v; do
  run $flag
  tells "$flag" grep -qxE 'clamma-gen-multi 1\.[0-9]+\.[0-9]+' out
  tells "$flag: succeeds" test "$status" = 0
done
refuses 2 '^clamma-gen-multi: -h, --threads is the number of compute threads: a number must follow' -h
refuses 2 '-h, --threads is the number of compute threads: .*here\.bin is not a whole number' -h here.bin

# --- Refusals and their exit codes -----------------------------------------------------------------

mkdir kept
echo "an earlier text" >kept/out0.txt
into_kept=("${with[@]}" -o kept)
refuses 1 'no model is named.*clamma-get default'
refuses 2 'count: at least 1 is needed' "${into_kept[@]}" -c 0
refuses 2 'count' "${into_kept[@]}" -c -1
refuses 2 'count' "${into_kept[@]}" -c x
refuses 2 'count' "${into_kept[@]}" -c 99999999999
refuses 2 'count' "${into_kept[@]}" -c
refuses 2 '-c 65.*up to 64 sessions' "${into_kept[@]}" -c 65
refuses 1 'none\.bin.*No such file' none.bin -z "$dictionary" -o kept
refuses 1 'positions.*512' "${into_kept[@]}" -i "$(printf 'hello %.0s' {1..600})"
tells "what is refused leaves earlier texts alone" test "$(cat kept/*)" = "an earlier text"
refuses 1 '^clamma-gen-multi: empty: ' "${with[@]}" -o empty
refuses 1 '^clamma-gen-multi: empty/folder: ' "${with[@]}" -o empty/folder
refuses 1 '^clamma-gen-multi: /proc/folder: ' "${with[@]}" -o /proc/folder

# --- Files that cannot be written -------------------------------------------------------------------

# with_obstacle NAME PATTERN COMMAND...: COMMAND makes a texts/out1.txt that only ends session 1.
with_obstacle() {
  local name=$1 pattern=$2
  shift 2
  rm -rf texts
  mkdir texts
  "$@" texts/out1.txt
  run "${with[@]}" -o texts -c 3 -s 5
  one_failed "$name" "$pattern"
  tells "$name: only those that write are listed at the start" test "$(grep -cE "$query_line" out)" = 2
  tells "$name: nothing is written there" test "$(cat victim)" = "not yours"
}
echo "not yours" >victim
with_obstacle "a folder in the way" "Is a directory" mkdir
with_obstacle "a link" "is a symbolic link" ln -s ../victim
with_obstacle "a link to nothing" "is a symbolic link" ln -s ../nothing
tells "a link to nothing: and nothing is made" test ! -e nothing
with_obstacle "a link to a full device" "is a symbolic link" ln -s /dev/full
with_obstacle "a hard link" "has another name" ln victim
with_obstacle "a pipe that nobody reads" "not a regular file" mkfifo
if ((EUID == 0)); then
  with_obstacle "another user's file" "belongs to another user" install -o 65534 empty
else
  with_obstacle "a file that may not be written" "Permission denied" install -m 0 empty
fi

rm -rf texts
mkdir texts
cp "$float" texts/out1.txt
run texts/out1.txt -z "$dictionary" -o texts -c 3 -s 5
one_failed "the model in the way" "is the model"
tells "the model in the way: stays" cmp -s "$float" texts/out1.txt

rm -rf texts
mkdir texts
exec 9>texts/out1.txt
flock 9
run "${with[@]}" -o texts -c 3 -s 5
one_failed "being written by another" "is being written by another process"
exec 9>&-

run "${with[@]}" -o texts -c 3 -s 5
tells "all is well again: succeeds" test "$status" = 0
same_texts "all is well again" 3 5
rm texts/*
mkdir texts/out{0,1}.txt
run "${with[@]}" -o texts
tells "no file at all: exit code 3" test "$status" = 3
tells "no file at all: a message for each" test "$(wc -l <err)" = 2

# A limit on the size of files, between the sizes of the texts, stands for a full disk.
rm -rf texts
run "${with[@]}" -o texts -c 8 -s 100
mapfile -t sizes < <(stat -c %s texts/*.txt | sort -n)
limit=${sizes[3]}
too_long=$(printf '%s\n' "${sizes[@]}" | awk -v limit="$limit" '$1 > limit' | wc -l)
command_line=(prlimit --fsize="$limit" "$clamma_gen_multi" "${with[@]}" -o texts -c 8 -s 100)
status=0
timeout 60 "${command_line[@]}" >/dev/null 2>err || status=$?
: >out
tells "a limit of $limit bytes: exit code 3" test "$status" = 3
tells "a limit of $limit bytes: $too_long messages" \
  test "$(grep -cxE 'clamma-gen-multi: texts/out[0-7].txt: File too large' err)" = "$too_long"
tells "a limit of $limit bytes: nothing else on stderr" test "$(wc -l <err)" = "$too_long"
for i in {0..7}; do
  expect $((100 + i))
  tells "a limit of $limit bytes: text $i up to it" cmp <(head -c "$limit" "$expected") "texts/out$i.txt"
done

# A disk of one page, if one can be mounted: the first text fills it.
own_mounts=()
for try in "unshare -m" "unshare -rm"; do
  read -ra words <<<"$try"
  ! "${words[@]}" mount -t tmpfs -o size=4k none "$work/texts" 2>/dev/null || own_mounts=("${words[@]}")
done
if ((${#own_mounts[@]} > 0)); then
  # shellcheck disable=SC2016 # for the inner shell
  command_line=("${own_mounts[@]}" sh -c 'mount -t tmpfs -o size=4k none texts
    "$@"; status=$?; cat texts/out0.txt >text; exit $status' sh
    "$clamma_gen_multi" "${with[@]}" -o texts -c 2 -s 5)
  status=0
  timeout 60 "${command_line[@]}" >out 2>err || status=$?
  tells "a full disk: exit code 3" test "$status" = 3
  tells "a full disk: one message" \
    test "$(cat err)" = "clamma-gen-multi: texts/out1.txt: No space left on device"
  expect 5
  tells "a full disk: the other text is whole" cmp "$expected" text
else
  skipped=$((skipped + 1))
  echo "skipped a full disk: no file system can be mounted here"
fi

command_line=("$clamma_gen_multi" "${with[@]}" -o texts -s 5)
status=0
timeout 60 "${command_line[@]}" >/dev/full 2>err || status=$?
: >out
tells "a full device as stdout: exit code 3" test "$status" = 3
tells "a full device as stdout: one message" grep -qxE 'clamma-gen-multi: .*stdout.*' err
same_texts "a full device as stdout" 2 5
rm texts/*
status=0
timeout 60 "${command_line[@]}" <&- >&- 2>&- || status=$?
: >err
tells "no standard streams: exit code 3" test "$status" = 3
same_texts "no standard streams: and nothing strays into a text" 2 5

# --- While it runs ------------------------------------------------------------------------------------

make_babbler babbler.bin 1000000
babble=("$clamma_gen_multi" babbler.bin -z "$dictionary" -t 0 -i "" -o texts)

# all_grow: waits until each of 3 texts has grown.
all_grow() {
  local i size tries
  for i in 0 1 2; do
    size=$(stat -c %s "texts/out$i.txt" 2>/dev/null || echo 0)
    for ((tries = 0; tries < 1000; ++tries)); do
      (($(stat -c %s "texts/out$i.txt" 2>/dev/null || echo 0) <= size)) || continue 2
      sleep 0.01
    done
    return 1
  done
}

rm texts/*
command_line=("${babble[@]}" -n 0 -c 3)
# A shell without job control starts background commands with SIGINT ignored; env restores it.
env --default-signal=INT "${command_line[@]}" >out 2>err &
running=$!
tells "the texts appear while it runs" all_grow
timeout 60 tail -n +1 -f texts/out1.txt >tailed 2>/dev/null &
tail=$!
tells "the texts grow" all_grow
tells "the texts grow on" all_grow
tells "the start is told at once" test "$(grep -cE "$query_line" out)" = 3
tells "it still runs" kill -0 "$running"
kill -INT "$running"
status=0
wait "$running" || status=$?
tells "Ctrl-C: exit code 130" test "$status" = 130
tells "Ctrl-C: a summary" test "$(grep -cE "$end_line" out)" = 3
tells "Ctrl-C: a total" grep -q '^Total: ' out
tells "Ctrl-C: nothing on stderr" cmp empty err
tells "Ctrl-C: the line is ended" test "$(tail -c 1 texts/out2.txt | od -An -c | tr -d ' ')" = '\n'
for ((tries = 0; tries < 500; ++tries)); do
  ! cmp -s tailed texts/out1.txt || break
  sleep 0.02
done
tells "tail -f has seen it all" cmp tailed texts/out1.txt
kill "$tail"
wait "$tail" 2>/dev/null || true

# --- On a terminal --------------------------------------------------------------------------------------

# on_terminal ARGUMENT...: see terminal.py.
on_terminal() {
  command_line=("$here/terminal.py" "$@")
  status=0
  : >err
  timeout 60 "${command_line[@]}" >out || status=$?
}
# live PATTERN COUNT: checks that COUNT live lines match.
live() { test "$(grep -cE "$1" out)" = "$2"; }
readonly live_line='^ *[0-9]+: +[0-9]+ tokens, +[0-9.]+ tok/s, '
# sane NAME: the cursor is at the beginning of a line, below the summary, and no line was wrapped.
sane() {
  tells "$1: the cursor is at the beginning of a line" grep -qx 'cursor: 0' out
  tells "$1: the summary is whole" test "$(grep -cE "$end_line" out)" = "$2"
}

on_terminal --interrupt writing 12 40 80 "${babble[@]}" -n 0 -c 3
tells "terminal, Ctrl-C: exit code 130" test "$status" = 130
tells "terminal: drawn again and again" test "$(sed -n 's/^moves up: //p' out)" -ge 3
tells "terminal, Ctrl-C: a line for each, once" live "${live_line}interrupted\$" 3
tells "terminal, Ctrl-C: none is left over" live "$live_line" 3
sane "terminal, Ctrl-C" 3

on_terminal 40 80 "${babble[@]}" -n 600 -c 3
tells "terminal: succeeds" test "$status" = 0
tells "terminal: a line for each, once" live '^  [0-2]:    600 tokens, .*limit reached$' 3
tells "terminal: none is left over" live "$live_line" 3
sane "terminal" 3

on_terminal --interrupt more 4 5 80 "${babble[@]}" -n 0 -c 8
tells "terminal of 5 rows: exit code 130" test "$status" = 130
tells "terminal of 5 rows: drawn again and again" test "$(sed -n 's/^moves up: //p' out)" -ge 3
tells "terminal of 5 rows: three sessions, once" live "$live_line" 3
tells "terminal of 5 rows: the others are counted" live '^\.\.\. and 5 more$' 1
sane "terminal of 5 rows" 8

on_terminal 1 80 "${babble[@]}" -n 600 -c 3
tells "terminal of 1 row: no live lines" live "$live_line|more" 0
sane "terminal of 1 row" 3

on_terminal 40 60 "$clamma_gen_multi" "${with[@]}" -n 20 -c 3 -o texts
tells "terminal of 60 columns: a line for each, once" live "${live_line}limit reached\$" 3
on_terminal 40 20 "${babble[@]}" -n 600 -c 3
tells "terminal of 20 columns: cut, not broken" live '^  [0-2]:    600 tokens,$' 3

# Resizing while it runs, for both kinds of terminals: each line is there once, and nothing else is lost
# or left over.
for kind in "" --breaks-anew; do
  # shellcheck disable=SC2086 # one option or none
  on_terminal $kind --resize writing 6 40 60 --resize tokens 6 40 30 --resize tokens 6 24 50 \
    --resize tokens 6 40 100 --interrupt tokens 9 40 90 "${babble[@]}" -n 0 -c 3
  tells "resized${kind:+, $kind}: exit code 130" test "$status" = 130
  tells "resized${kind:+, $kind}: a line for each, once" live "${live_line}interrupted\$" 3
  tells "resized${kind:+, $kind}: none is left over, nor a part of one" live '^ *[0-9]+: |^[a-z ]*tok/s' 3
  tells "resized${kind:+, $kind}: the lines above are there" live '^Session [0-2]: [0-9]+\.[0-9]+ MB' 3
  sane "resized${kind:+, $kind}" 3
done

rm texts/out1.txt
mkdir texts/out1.txt
on_terminal 40 80 "${babble[@]}" -n 600 -c 3
tells "terminal, a file that fails: exit code 3" test "$status" = 3
tells "terminal, a file that fails: its message" grep -q '^clamma-gen-multi: texts/out1.txt: ' out
tells "terminal, a file that fails: its state" live '^  1:      0 tokens, .*failed$' 1
tells "terminal, a file that fails: a line for each" live "$live_line" 3
sane "terminal, a file that fails" 3
rmdir texts/out1.txt

on_terminal 40 80 env TERM=dumb "${babble[@]}" -n 600 -c 3
tells "terminal that cannot: no live lines" live "$live_line" 0
sane "terminal that cannot" 3

printf '%d checks, %d failed, %d skipped\n' "$checks" "$failures" "$skipped"
((failures == 0))
