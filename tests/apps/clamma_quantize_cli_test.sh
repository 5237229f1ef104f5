#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_quantize_cli_test.sh CLAMMA_QUANTIZE CLAMMA_BENCH CLAMMA_INFO CLAMMA_GEN SOURCE_DIR:
# tests the command line of clamma-quantize, its output and its exit codes. Prints a line for each
# check; checks of real models are skipped by name if these are missing. Exit code: 0 all checks
# succeed, 1 a check fails.
set -euo pipefail

(($# == 5)) || {
  echo "usage: $0 CLAMMA_QUANTIZE CLAMMA_BENCH CLAMMA_INFO CLAMMA_GEN SOURCE_DIR" >&2
  exit 2
}
clamma_quantize=$(realpath "$1") clamma_bench=$(realpath "$2") clamma_info=$(realpath "$3")
clamma_gen=$(realpath "$4")
here=$(realpath "$(dirname "$0")")
# shellcheck source=scripts/common.sh
source "$5/scripts/common.sh"
data=$(find_data "$5")
[[ -z $data ]] || data=$(realpath "$data")

program=$clamma_quantize seconds=120
# shellcheck source=tests/support/cli_checks.sh
source "$here/../support/cli_checks.sh"

"$clamma_bench" --shape stories15m --type f16 --keep model.gguf --make-only -q
source_sum=$(sha256sum <model.gguf)

nothing_left() { ! ls ./*.part >/dev/null 2>&1; }
source_is_whole() { [[ $(sha256sum <model.gguf) == "$source_sum" ]]; }
no() { ! "$@"; }

# --- What it writes -----------------------------------------------------------------------------------

for type in F32 BF16 Q8_0 Q6_K Q5_K_M Q5_K_S Q5_K Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_K IQ4_NL Q4_1 q4_0; do
  run model.gguf small.gguf $type --force
  tells "$type: succeeds" test "$status" = 0
  tells "$type: a line for each tensor, and a summary" test "$(wc -l <out)" = 58
  tells "$type: nothing is left beside it" nothing_left
  "$clamma_info" small.gguf --json >info.json
  name=$(tr 'q' 'Q' <<<"$type")
  [[ $name != *_K ]] || [[ $name == Q6_K ]] || name+=_S # the nearest kind that GGUF has a number for
  tells "$type: the file says so" grep -q "\"file_type\": \"$name\"" info.json
  tells "$type: and runs" grep -q '"runs": true' info.json
done
tells "vectors are copied" grep -qE '^blk\.0\.attn_norm\.weight +288 +F32 +copied$' out
tells "an error a matrix" grep -qE '^blk\.0\.attn_q\.weight +288 x 288 +F16 +Q4_0 +error 0\.0[0-9]+$' out
tells "sizes" grep -qE '^56 tensors, 15191712 weights: 30\.4 MB to .* MB, .* bits per weight$' out

run model.gguf a.gguf Q4_K_M -q -h 1
tells "-q: nothing on stdout" cmp empty out
tells "other types than wanted are said" grep -qE 'tensors are Q5_0 in place of Q4_K' err
run model.gguf b.gguf Q4_K_M -q -h 3
tells "threads change no byte" cmp a.gguf b.gguf
run a.gguf again.gguf Q8_0
tells "a source that is quantised: a warning" grep -q 'warning: .*already quantised' err
tells "... and it succeeds" test "$status" = 0
run model.gguf pure.gguf Q4_0 --pure
tells "--pure: the output as well" grep -qE '^token_embd\.weight .* Q4_0 +error' out

run model.gguf dry.gguf Q4_K_M --dry-run
tells "--dry-run: succeeds" test "$status" = 0
tells "--dry-run: a line for each tensor" grep -qE '^blk\.5\.ffn_down\.weight +768 x 288 +F16 +Q6_K' out
tells "--dry-run: no file" test ! -e dry.gguf
tells "--dry-run: no error is claimed" no grep -q error out

printf 'A quick fox. %.0s' {1..80} >text
run model.gguf eval.gguf Q8_0 --eval text -q
tells "--eval: succeeds" test "$status" = 0
tells "--eval: perplexity" grep -qE \
  '^perplexity over [0-9]+ tokens: [0-9.]+ \+- [0-9.]+ before, [0-9.]+ \+- [0-9.]+ after$' out
tells "--eval: the loss" grep -qE '^loss a token: [+-][0-9.]+ \+- [0-9.]+ nats$' out

# An importance matrix for another tensor alone, in the old format.
printf '\1\0\0\0\1\0\0\0x\1\0\0\0\1\0\0\0\0\0\200?' >other.dat
run model.gguf imatrix.gguf Q4_0 --imatrix other.dat
tells "--imatrix: succeeds" test "$status" = 0
tells "--imatrix: tensors without one are told" grep -q 'does not contain 43 tensors' err

# --- Checkpoints of llama2.c ----------------------------------------------------------------------------

"$clamma_bench" --shape stories260k --type f32 --keep float.bin --make-only -q
cp float.bin.tok tokenizer.bin

# says MODEL ARGUMENT...: prints the greedy text of clamma-gen.
says() { "$clamma_gen" "$1" -t 0 -n 60 -i "ab cd" "${@:2}" 2>/dev/null; }

run float.bin f32.gguf F32
tells "a checkpoint becomes a GGUF model" test "$status" = 0
tells "... by the tokenizer.bin that is there" grep -qE '^47 tensors, 260032 weights: 1\.04 MB to ' out
tells "... whose weights are copied" grep -qE '^blk\.4\.ffn_down\.weight +172 x 64 +F32 +copied$' out
tells "... and that says the same, without another file" \
  test "$(says f32.gguf --kv f32)" = "$(says float.bin)"
run float.bin named.gguf F32 -z float.bin.tok -q
tells "-z: the same file" cmp f32.gguf named.gguf
run float.bin small.gguf Q4_K_M --force -q
tells "a checkpoint in four bits" test "$status" = 0
"$clamma_info" small.gguf --json >info.json
tells "... runs" grep -q '"runs": true' info.json
run float.bin eval.bin q80 --eval text -q
tells "q80 --eval: succeeds" test "$status" = 0
tells "q80 --eval: the loss" grep -qE '^loss a token: [+-][0-9.]+ \+- [0-9.]+ nats$' out

run float.bin q80.bin q80
tells "q80: succeeds" test "$status" = 0
tells "q80: a line for each tensor, and a summary" grep -qE '^47 tensors, 260032 weights: 1\.04 MB to 521\.' out
tells "q80: the vocabulary stays where it is" test ! -e q80.tokenizer.bin
tells "q80: ... and goes with it" test -n "$(says q80.bin)"
run f32.gguf from_gguf.bin q80 -q -h 3
tells "q80 of the GGUF model: the same file" cmp q80.bin from_gguf.bin
# In the vocabulary that clamma-bench writes, the longest length is always 8.
tells "... with the vocabulary beside it" cmp -i 4 tokenizer.bin from_gguf.tokenizer.bin
run float.bin both.bin q80 -z float.bin.tok -q
tells "q80 -z: the vocabulary beside it as well" cmp tokenizer.bin both.tokenizer.bin
run q80.bin decoded.gguf F32 -q
tells "int8 becomes floats, with a warning" grep -q 'warning: .*already quantised' err
run decoded.gguf again.bin q80 -q
tells "... and those the same int8 again" cmp q80.bin again.bin
tells "nothing is left beside them" nothing_left

refuses 1 'from_gguf\.bin exists already.*--force' f32.gguf from_gguf.bin q80
rm from_gguf.bin
refuses 1 'from_gguf\.tokenizer\.bin exists already.*--force' f32.gguf from_gguf.bin q80
refuses 1 'tokenizer\.bin is an input' float.bin tokenizer.bin F32 --force
refuses 1 'vocabulary is inside.*-z' f32.gguf x.gguf Q8_0 -z float.bin.tok
refuses 1 'none.*No such file' float.bin x.gguf Q8_0 -z none
refuses 1 'empty.*empty' float.bin x.gguf Q8_0 -z empty
refuses 1 'q80.*--imatrix' float.bin x.bin q80 --imatrix other.dat
refuses 1 'another model' float.bin x.gguf Q8_0 -z text
mv tokenizer.bin aside
refuses 1 'no vocabulary of 512 tokens: .*beside the checkpoint.*-z' float.bin x.gguf Q8_0
mkdir beside
cp float.bin beside/model.bin
cp aside beside/model.tokenizer.bin
cp text tokenizer.bin
run beside/model.bin found.gguf F32 -q
tells "a vocabulary beside the checkpoint, by its name" cmp f32.gguf found.gguf
mv beside/model.tokenizer.bin beside/tokenizer.bin
run beside/model.bin found.gguf F32 -q --force
tells "... and by the usual one" cmp f32.gguf found.gguf
refuses 1 'is an input' beside/model.bin beside/tokenizer.bin F32 --force
rm beside/tokenizer.bin
refuses 1 'tokenizer\.bin is no vocabulary, or damaged.*-z' beside/model.bin x.gguf Q8_0
rm tokenizer.bin
head -c 100000 float.bin >cut.bin
refuses 1 'cut short' cut.bin x.gguf Q8_0 -z aside
tells "nothing was written for those" test ! -e x.gguf

if [[ -z $data ]]; then
  echo "skipped a real checkpoint: the models are missing"
else
  dictionary=$data/models/tok512.bin
  for model in stories260K.bin stories260K.v1.bin; do
    run "$data/models/$model" real.gguf F32 -z "$dictionary" --force -q
    for arguments in '-t 0 -i ""' '-t 0 -i "Once upon a time, Tom"' '-t 1 -p 1 -s 7 -i Lily'; do
      eval "set -- -n 256 $arguments"
      "$clamma_gen" "$data/models/$model" -z "$dictionary" "$@" >expected 2>/dev/null
      "$clamma_gen" real.gguf --kv f32 "$@" >out 2>err
      tells "$model $arguments: the same text" cmp expected out
    done
  done
  run "$data/models/stories260K.bin" real.bin q80 -q
  run real.gguf real_gguf.bin q80 -q
  tells "a real checkpoint: the same int8 from both" cmp real.bin real_gguf.bin
  tells "... as llama2.c's own export has it" cmp real.bin "$data/models/stories260K.q80.bin"
fi
run --help
tells "--help succeeds" test "$status" = 0
for flag in --help --version --tokenizer --imatrix --pure --eval --dry-run --force --threads --quiet; do
  tells "--help mentions $flag" grep -qE -- "(^|[ ,])$flag([ ,=:]|\$)" out
done
run --version
tells "--version" grep -qE '^clamma-quantize [0-9]+\.[0-9]+\.[0-9]+$' out

# --- Refusals and their exit codes -------------------------------------------------------------------

refuses 2 'type' model.gguf x.gguf Q3_X
refuses 2 'type' model.gguf x.gguf
refuses 2 'nope' model.gguf x.gguf Q4_0 --nope
refuses 2 'threads' model.gguf x.gguf Q4_0 -h x
refuses 1 'none\.gguf.*No such file' none.gguf x.gguf Q4_0
refuses 1 'empty.*empty file' empty x.gguf Q4_0
refuses 1 'exists already.*--force' model.gguf a.gguf Q4_0
refuses 1 'model\.gguf is an input' model.gguf model.gguf Q4_0
refuses 1 'model\.gguf is an input' model.gguf ./model.gguf Q4_0 --force
ln model.gguf hard.gguf
ln -s model.gguf soft.gguf
refuses 1 'hard\.gguf is an input' model.gguf hard.gguf Q4_0 --force
refuses 1 'soft\.gguf is an input' model.gguf soft.gguf Q4_0 --force
ln model.gguf x.gguf.part
refuses 1 'x\.gguf\.part is an input' x.gguf.part x.gguf Q4_0
refuses 1 'x\.gguf\.part is an input' model.gguf x.gguf Q4_0
rm x.gguf.part
mkdir folder
refuses 1 'folder is a folder' model.gguf folder Q4_0 --force
refuses 1 'name of the file to write is empty' model.gguf '' Q4_0
refuses 1 'not a regular file' model.gguf /dev/null Q4_0 --force
refuses 3 'No such file' model.gguf no/such.gguf Q4_0
refuses 1 'importance matrix' model.gguf x.gguf Q4_0 --imatrix text
refuses 1 'none.*No such file' model.gguf x.gguf Q4_0 --imatrix none
refuses 1 'none' model.gguf x.gguf Q4_0 --eval none
mkfifo dead
refuses 1 'dead: a pipe that no process writes to' model.gguf x.gguf Q4_0 --eval dead
refuses 1 'text is empty' model.gguf x.gguf Q4_0 --eval empty
mkfifo pipe.gguf.part
refuses 3 'not a regular file|No such device' model.gguf pipe.gguf Q4_0
tells "what is no file is not removed" test -p pipe.gguf.part
rm pipe.gguf.part
head -c 100000 model.gguf >cut.gguf
refuses 1 'cut short' cut.gguf x.gguf Q4_0
tells "nothing was written for those" test ! -e x.gguf
tells "nothing is left of those" nothing_left
tells "the source is as it was" source_is_whole

# A tensor with a value that is not finite.
offset=$("$clamma_info" model.gguf --json --tensors | python3 -c 'import json, sys
print(next(t["offset"] for t in json.load(sys.stdin)["tensors"] if t["name"] == "blk.3.ffn_up.weight"))')
cp model.gguf damaged.gguf
printf '\0\176' | dd of=damaged.gguf bs=1 seek=$((offset + 1000)) conv=notrunc status=none
refuses 3 'blk\.3\.ffn_up\.weight.*not a number' damaged.gguf x.gguf Q4_0
tells "a damaged tensor: nothing is left" nothing_left
tells "a damaged tensor: no file" test ! -e x.gguf

# A limit on the size of files stands for a full disk.
command_line=("$clamma_quantize" model.gguf full.gguf F32)
status=0
(
  ulimit -f 3000
  exec "${command_line[@]}"
) >out 2>err || status=$?
tells "no room: exit code 3" test "$status" = 3
tells "no room: one message, and how much is needed" grep -qE 'cannot write .*needs [0-9.]+ MB' err
tells "no room: nothing is left" nothing_left

# --- Signals -----------------------------------------------------------------------------------------

"$clamma_bench" --shape stories110m --type f16 --keep large.gguf --make-only -q
for signal in INT TERM; do
  command_line=("$clamma_quantize" large.gguf interrupted.gguf IQ4_NL)
  env --default-signal=$signal "${command_line[@]}" >out 2>err &
  running=$!
  for ((tries = 0; tries < 500; ++tries)); do
    [[ ! -s interrupted.gguf.part ]] || break
    sleep 0.02
  done
  kill -$signal "$running"
  status=0
  wait "$running" || status=$?
  tells "$signal: exit code" test "$status" = $((128 + $(kill -l $signal)))
  tells "$signal: nothing is left" nothing_left
  tells "$signal: no file" test ! -e interrupted.gguf
done

command_line=("$clamma_quantize" model.gguf device.gguf Q8_0)
status=0
timeout 120 "${command_line[@]}" >/dev/full 2>err || status=$?
: >out
tells "full device: exit code 3" test "$status" = 3
tells "full device: one message" grep -qE 'clamma-quantize: .*stdout' err

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
