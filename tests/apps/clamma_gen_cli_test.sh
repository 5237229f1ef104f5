#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_gen_cli_test.sh CLAMMA_GEN SOURCE_DIR: tests the command line of clamma-gen, its output and its
# exit codes. Prints a line for each check. Exit code: 0 all checks succeed, 1 a check fails, 77 the
# models are missing (test_data.h says where they are looked for).
set -euo pipefail

(($# == 2)) || {
  echo "usage: $0 CLAMMA_GEN SOURCE_DIR" >&2
  exit 2
}
clamma_gen=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
source_dir=$2

# shellcheck source=tests/support/cli_models.sh
source "$here/../support/cli_models.sh"
program=$clamma_gen seconds=60
# shellcheck source=tests/support/cli_checks.sh
source "$here/../support/cli_checks.sh"
skipped=0

# begins_with GOLDEN: out, to which clamma-gen has added a newline, begins with the golden text.
begins_with() {
  local size
  size=$(($(wc -c <"$1") - 1)) # the file's last newline is not part of the text
  cmp -s <(head -c "$size" "$1") <(head -c "$size" out) && [[ $(tail -c 1 out | od -An -c) == *'\n' ]]
}

# story NAME GOLDEN MODEL ARGUMENT...: checks for exit code 0 and the golden text on stdout.
story() {
  local name=$1 golden=$data/golden/$2.txt model=$data/models/$3
  shift 3
  if [[ ! -e $golden || ! -e $model ]]; then
    skipped=$((skipped + 1))
    printf 'skipped %s: %s or %s is missing\n' "$name" "$golden" "$model"
    return
  fi
  run "$model" -z "$dictionary" "$@"
  if ((status != 0)); then
    verdict "$name" "exit code $status"
  elif ! begins_with "$golden"; then
    verdict "$name" "$(cmp "$golden" out 2>&1 | head -n 1)"
  else
    verdict "$name" ""
  fi
}

# Vocabularies that are not named: that beside the model is used, whatever other folders contain.
mkdir models
cp "$float" models/mine.bin
cp "$dictionary" models/mine.tokenizer.bin
echo "no vocabulary" >tokenizer.bin
run models/mine.bin -q -s 1024
tells "NAME.tokenizer.bin beside the model" begins_with "$data/golden/seed-readme-transcript.txt"
CLAMMA_MODEL_DIR=$PWD/models run mine.bin -q -s 1024
tells "CLAMMA_MODEL_DIR: model and vocabulary" begins_with "$data/golden/seed-readme-transcript.txt"
CLAMMA_MODEL_DIR=$PWD/nowhere run mine.bin -q
tells "CLAMMA_MODEL_DIR: the reason names it" grep -qF "neither here nor in $PWD/nowhere or /" err
rm -r models tokenizer.bin

make_babbler babbler.bin 1000000
make_babbler babbler64.bin 64

# --- The texts that llama2.c gives ----------------------------------------------------------------

story "float greedy" float-greedy-bos stories260K.bin -t 0 -i ""
story "float seed 1024" float-s1024-bos stories260K.bin -s 1024 -i ""
story "float prompt greedy" float-prompt-greedy stories260K.bin -t 0 -i "Once upon a time, Tom"
story "float t 0.8 p 0.5 s 42" float-prompt-t08-p05-s42 stories260K.bin \
  -t 0.8 -p 0.5 -s 42 -i "The little dog"
story "float t 1 p 1 s 7" float-prompt-t1-p1-s7 stories260K.bin -t 1.0 -p 1.0 -s 7 -i "Lily"
story "no prompt, as the original's README" seed-readme-transcript stories260K.bin -s 1024
story "version 1 greedy" float-greedy-bos stories260K.v1.bin -t 0 -i ""
story "version 1 seed 1024" float-s1024-bos stories260K.v1.bin -s 1024 -i ""
story "int8 greedy" q80-greedy-bos stories260K.q80.bin -t 0 -i ""
story "int8 seed 1024" q80-s1024-bos stories260K.q80.bin -s 1024 -i ""
story "int8 prompt greedy" q80-prompt-greedy stories260K.q80.bin -t 0 -i "Once upon a time, Tom"

for threads in 1 2 3; do
  story "float, $threads threads" float-s1024-bos stories260K.bin -s 1024 -i "" -h "$threads"
  story "int8, $threads threads" q80-s1024-bos stories260K.q80.bin -s 1024 -i "" -h "$threads"
done
story "float, malloc cache" float-s1024-bos stories260K.bin -s 1024 -i "" -m 1
story "float, small malloc cache" float-s1024-bos stories260K.bin -s 1024 -i "" -m 1 \
  --cache-limit 140000
story "float, cache limit with a unit" float-s1024-bos stories260K.bin -s 1024 -i "" -m 1 \
  --cache-limit 200K
story "int8, malloc cache" q80-s1024-bos stories260K.q80.bin -s 1024 -i "" -m 1
story "int8, small malloc cache" q80-s1024-bos stories260K.q80.bin -s 1024 -i "" -m 1 \
  --cache-limit 140000

# --- What goes to stdout and to stderr -------------------------------------------------------------

run "$float" -z "$dictionary" -s 1024
cp out expected
tells "the figures are on stderr" grep -qE '^achieved tok/s: [0-9]+' err
tells "the banner is on stderr" grep -qxE '☙ Clamma ❧ stories260K.bin: .*float.* \(mapped\), [0-9]+ bytes' err
tells "the banner has two lines, the session one" test "$(sed -n 3p err | grep -cE '^Session: ')" = 1
tells "the session's line" \
  grep -qxE 'Session: 0\.665 MB, temperature 1, top-p 0\.9, seed 1024' err
tells "the seed is on stderr" grep -q 'seed 1024' err
run "$float" -z "$dictionary" -s 1024 -q
tells "-q: the same text" cmp expected out
tells "-q: nothing on stderr" cmp empty err

# on_terminal ARGUMENT...: like run, but on a terminal.
on_terminal() {
  command_line=(python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$program" "$@")
  status=0
  TERM=xterm timeout "${seconds:?}" "${command_line[@]}" >out 2>err </dev/null || status=$?
}
if command -v python3 >/dev/null; then
  long=$(printf 'Lily went to the park. %.0s' {1..50})
  on_terminal "$float" -z "$dictionary" -t 0 -n 5 -i "$long"
  tells "a terminal: how far a long prompt has been processed" \
    grep -qE $'^\rprompt: [0-9]+ of 452 tokens\r' out
  tells "a terminal: that line is erased before the text" \
    grep -qF $' of 452 tokens\r\e[KLily went to the park. ' out
  on_terminal "$float" -z "$dictionary" -t 0 -n 5 -i "$long" -q
  tells "a terminal, -q: nothing of that" grep -qE '^Lily went to the park\. ' out
  on_terminal "$float" -z "$dictionary" -t 0 -n 5 -i "Lily went to the park."
  tells "a terminal: a short prompt is not reported" grep -qE '^Lily went to the park\.' out
fi

run "$float" --tokenizer "$dictionary" --seed 1024 --temperature 1.0 --topp 0.9 --steps 256 \
  --threads 2 --mode 0 --kv auto --top-k 0 --min-p 0 --repetition-penalty 0 --quiet
tells "long names: the same text" cmp expected out
tells "long names: nothing on stderr" cmp empty err
run "$float" -z "$dictionary" -t 0.7 -p 0.5 -s 3 -n 30 -i "One day" -y "A tale." -h 1 -m 1 -q
cp out short
run --quiet --mode 1 --threads 1 --system "A tale." --prompt "One day" --steps 30 --seed 3 \
  --topp 0.5 --temperature 0.7 --tokenizer "$dictionary" "$float"
tells "short and long names, in any order" cmp short out
tells "the system text is not printed" grep -q '^One day' out

prompt=$'Größe 猫 🐱 "x" \\n\ttab'
run "$float" -z "$dictionary" -t 0 -n 3 -q -i "$prompt"
printf '%s' "$prompt" >prompt
tells "a UTF-8 prompt is echoed as it is" cmp -n "$(wc -c <prompt)" prompt out
run "$float" -z "$dictionary" -t 0 -n 3 -q -i "$(printf 'bad \xff\xfe bytes')"
tells "so is one that is no UTF-8" cmp -n 12 <(printf 'bad \xff\xfe bytes') out

run babbler.bin -z "$dictionary" -t 0 -n 10 -i "" -q
tells "-n 10: ten tokens" cmp <(printf 'aaaaaaaaaa\n') out
run babbler64.bin -z "$dictionary" -t 0 -n 0 -i "" -q
tells "-n 0: until the context is full" cmp <(printf '%064d\n' 0 | tr 0 a) out
tells "a full context is no failure" test "$status" = 0
run babbler64.bin -z "$dictionary" -t 0 -n 1000 -i "" -q
tells "-n 1000: the context ends it, too" cmp <(printf '%064d\n' 0 | tr 0 a) out

run "$float" -z "$dictionary" -t 0 -i "" -q --regex '[0-9]{3}-[A-Z]{2}'
tells "--regex: the text matches" grep -qxE '[0-9]{3}-[A-Z]{2}' out
run "$float" -z "$dictionary" -t 0 -i "" -q --grammar 'root ::= "<" [a-c]{5} ">"'
tells "--grammar: a text is the grammar" grep -qxE '<[a-c]{5}>' out
printf 'root ::= "[" x "]"\nx ::= [xyz]{4}\n' >xyz.gbnf
run "$float" -z "$dictionary" -t 0 -i "" -q --grammar xyz.gbnf
tells "--grammar: a file has the grammar" grep -qxE '\[[xyz]{4}\]' out
printf '{"type": "object", "properties": {"n": {"enum": [7]}, "ok": {"type": "boolean"}}, "required": ["n", "ok"], "additionalProperties": false}' >schema.json
run "$float" -z "$dictionary" -t 0 -i "" -q --json-schema schema.json
tells "--json-schema: the text is valid" grep -qxE '\{"n":7,"ok":(true|false)\}' out
run "$float" -z "$dictionary" -t 0 -i "Once" -q --regex ' [0-9]{3}!' --grammar-trigger named
tells "--grammar-trigger: the grammar begins there" grep -qE 'named [0-9]{3}!$' out

run --help
tells "--help succeeds" test "$status" = 0
tells "--help: nothing on stderr" cmp empty err
for flag in --help --version -z --tokenizer -t --temperature -p --topp -s --seed -n --steps \
  -i --prompt -y --system -h --threads -m --mode --cache-limit --kv --top-k --min-p \
  --repetition-penalty --frequency-penalty --presence-penalty --pre -f --file --chat --template \
  -q --quiet --grammar --regex --grammar-trigger --json-schema; do
  tells "--help mentions $flag" grep -qE -- "(^|[ ,])$flag([ ,=:]|\$)" out
done
for flag in --version -V -v; do
  run $flag
  tells "$flag" grep -qxE 'clamma-gen 1\.[0-9]+\.[0-9]+' out
  tells "$flag succeeds" test "$status" = 0
done
refuses 2 '^clamma-gen: -h, --threads is the number of compute threads: a number must follow' -h

# --- Refusals and their exit codes -----------------------------------------------------------------

head -c 500000 "$float" >truncated.bin
head -c 3 "$float" >stump.bin
head -c 100 "$dictionary" >truncated.tok
head -c 100000 /dev/zero >zeros.bin
with=(-z "$dictionary")

refuses 1 'no model is named.*clamma-get default'
refuses 2 'nope' --nope "$float"
refuses 2 'surplus' "$float" "${with[@]}" surplus
refuses 2 'tokenizer' "$float" -z
refuses 2 'temperature.*abc' "$float" "${with[@]}" -t abc
refuses 2 'temperature' "$float" "${with[@]}" -t -1
refuses 2 'temperature' "$float" "${with[@]}" -t nan
refuses 2 'temperature' "$float" "${with[@]}" -t inf
refuses 2 'topp' "$float" "${with[@]}" -p nan
refuses 2 'topp' "$float" "${with[@]}" -p x
refuses 2 'steps' "$float" "${with[@]}" -n -1
refuses 2 'steps' "$float" "${with[@]}" -n 1.5
refuses 2 'steps' "$float" "${with[@]}" -n 99999999999999999999
refuses 2 'seed' "$float" "${with[@]}" -s -5
refuses 2 'threads' "$float" "${with[@]}" -h -3
refuses 2 'threads' "$float" "${with[@]}" -h
refuses 2 'mode' "$float" "${with[@]}" -m 7
refuses 2 'cache-limit' "$float" "${with[@]}" -m 1 --cache-limit 12qq
refuses 2 'kv' "$float" "${with[@]}" --kv f64
refuses 2 'top-k' "$float" "${with[@]}" --top-k -1
refuses 2 'min-p' "$float" "${with[@]}" --min-p 2
refuses 2 'repetition-penalty' "$float" "${with[@]}" --repetition-penalty nan

mkfifo dead
refuses 2 'dead: a pipe that no process writes to' "$float" "${with[@]}" --json-schema dead
refuses 2 'dead: a pipe that no process writes to' "$float" "${with[@]}" --grammar dead
refuses 2 'dead: a pipe that no process writes to' "$float" "${with[@]}" --file dead
refuses 2 'dead: a pipe that no process writes to' "$float" "${with[@]}" --chat -i x --template ./dead
run "$float" "${with[@]}" -q --json-schema <(sleep 2 && printf '{"const": "once"}')
tells "--json-schema: a pipe whose writer takes its time" grep -qx '"once"' out
refuses 2 'none\.gbnf.*No such file' "$float" "${with[@]}" --grammar none.gbnf
refuses 2 'grammar.*regex|regex.*grammar' "$float" "${with[@]}" --grammar xyz.gbnf --regex x
refuses 1 'regular expression, column 1: look-ahead' "$float" "${with[@]}" --regex '(?=x)'

refuses 1 'none\.bin.*No such file' none.bin "${with[@]}"
refuses 1 'no vocabulary of 512 tokens: .*tokenizer\.bin' "$float"
refuses 1 'none\.tok.*No such file' "$float" -z none.tok
refuses 1 'not a regular file' "$work" "${with[@]}"
refuses 1 'not a regular file' "$float" -z "$work"
refuses 1 'truncated\.bin.*cut short' truncated.bin "${with[@]}"
refuses 1 'truncated\.bin.*cut short' truncated.bin "${with[@]}" -m 1
refuses 1 'stump\.bin' stump.bin "${with[@]}"
refuses 1 'zeros\.bin' zeros.bin "${with[@]}"
refuses 1 'empty' empty "${with[@]}"
refuses 1 'tok512\.bin' "$dictionary" "${with[@]}"
refuses 1 'truncated\.tok' "$float" -z truncated.tok
refuses 1 'empty' "$float" -z empty
refuses 1 'cache limit of 10 bytes' "$float" "${with[@]}" -m 1 --cache-limit 10
[[ ! -e $data/models/tokenizer.bin ]] ||
  refuses 1 'tokenizer\.bin.*512' "$float" -z "$data/models/tokenizer.bin"
refuses 1 'positions.*512' "$float" "${with[@]}" -i "$(printf 'hello %.0s' {1..600})"

# --- Where the prompt comes from ---------------------------------------------------------------------

run "$float" "${with[@]}" -t 0 -n 20 -q -i $'The little\n dog'
cp out expected
# with_input TEXT ARGUMENT...: like run, with TEXT on stdin.
with_input() {
  local text=$1
  shift
  command_line=("$program" "$@")
  status=0
  printf '%b' "$text" | timeout "$seconds" "${command_line[@]}" >out 2>err || status=$?
}
with_input 'The little\n dog' "$float" - "${with[@]}" -t 0 -n 20 -q
tells "-: the prompt is what stdin has" cmp expected out
with_input 'The little\n dog\n' "$float" "${with[@]}" -t 0 -n 20 -q -
tells "-: but for the newline at its end" cmp expected out
with_input 'The little\n dog\r\n' "$float" "${with[@]}" -t 0 -n 20 -q --file -
tells "--file -: likewise, as on Windows" cmp expected out
printf 'The little\n dog\n' >prompt
run "$float" "${with[@]}" -t 0 -n 20 -q --file prompt
tells "--file FILE" cmp expected out
run "$float" "${with[@]}" -t 0 -n 20 -q -f /dev/null
cp out nothing
run "$float" "${with[@]}" -t 0 -n 20 -q -i ""
tells "an empty file is an empty prompt" cmp nothing out
printf 'a\0b' >nul
refuses 2 'nul: has a NUL' "$float" "${with[@]}" --file nul
refuses 2 'none: No such file' "$float" "${with[@]}" --file none
refuses 2 'Is a directory' "$float" "${with[@]}" --file "$work"
refuses 2 '"a .*b" is one argument too many: --prompt TEXT.*stdin' "$float" $'a \e[1m b' "${with[@]}"
refuses 2 'not expected: -' "$float" Hello -
refuses 2 'not expected: Hello' "$float" - Hello
refuses 2 'only one' "$float" - "${with[@]}" -i x
refuses 2 'only one' "$float" - "${with[@]}" --file prompt
refuses 2 'file' "$float" "${with[@]}" --file prompt -i x
refuses 1 'no model is named.*clamma-get default' -

# --- One turn of a chat -------------------------------------------------------------------------------

run "$float" "${with[@]}" -t 0 -n 20 -q -i "[INST] Who is Lily? [/INST]"
tail -c +28 out >expected
run "$float" "${with[@]}" -t 0 -n 20 -q --chat -i "Who is Lily?"
tells "--chat: the answer alone, of a turn in the model's format" cmp expected out
run "$float" "${with[@]}" -t 0 -n 20 -q --chat -i "Who is Lily?" -y "Be kind."
cp out kindly
run "$float" "${with[@]}" -t 0 -n 20 -q -i $'[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nWho is Lily? [/INST]'
tells "--chat --system" cmp kindly <(tail -c +$((1 + 54)) out)
printf '{%% for m in messages %%}%s says: {{ m.content }}{%% endfor %%}' '{{ m.role }}' >my.jinja
run "$float" "${with[@]}" -t 0 -n 20 -q -i "user says: Who is Lily?"
tail -c +24 out >expected
run "$float" "${with[@]}" -t 0 -n 20 -q --chat -i "Who is Lily?" --template my.jinja
tells "--template FILE" cmp expected out
run "$float" "${with[@]}" -t 0 -n 20 -q --chat -i "Who is Lily?" --template "$(cat my.jinja)"
tells "--template TEXT" cmp expected out
run "$float" "${with[@]}" -t 0 -n 20 -q -i $'<|im_start|>user\nWho is Lily?<|im_end|>\n<|im_start|>assistant\n'
tail -c +63 out >expected
run "$float" "${with[@]}" -t 0 -n 20 -q --chat -i "Who is Lily?" --template chatml
tells "--template NAME" cmp expected out
refuses 2 'chat needs a prompt' "$float" "${with[@]}" --chat
refuses 2 'template requires.*chat' "$float" "${with[@]}" --template chatml -i x
refuses 1 'no chat template "nosuch".*chatml' "$float" "${with[@]}" --chat -i x --template nosuch
refuses 2 '\./nosuch: No such file' "$float" "${with[@]}" --chat -i x --template ./nosuch
refuses 2 'is a folder' "$float" "${with[@]}" --chat -i x --template "$work"
refuses 1 "line 1.*'}}' is expected" "$float" "${with[@]}" --chat -i x --template '{{ x'
refuses 1 'no, thanks' "$float" "${with[@]}" --chat -i x --template "{{ raise_exception('no, thanks') }}"

# --- The default model --------------------------------------------------------------------------------

if [[ -z $chat_model ]]; then
  skipped=$((skipped + 1))
  echo "skipped the default model: it is not there (clamma-get default)"
else
  mkdir -p default/clamma && ln -s "$(realpath "$chat_model")" default/clamma/SmolLM2-135M-Instruct.Q4_1.gguf
  export XDG_CACHE_HOME=$work/default
  run -q -t 0 -n 6 -i "The capital of France is"
  tells "without a model: the default one" grep -q '^The capital of France is Paris' out
  run -q -t 0 --chat -i "Write one sentence about the sea."
  tells "one sentence about the sea" grep -qxE '[A-Z][^.]*\bsea\b[^.]*\.' out
  tells "... and no more" test "$(wc -l <out)" = 1
  with_input 'Write one sentence about the sea.\n' -q -t 0 --chat -
  tells "- without a model" grep -qxE '[A-Z][^.]*\bsea\b[^.]*\.' out
  export XDG_CACHE_HOME=$work/cache
fi

# --- Signals and closed pipes ------------------------------------------------------------------------

command_line=("$clamma_gen" babbler.bin -z "$dictionary" -t 0 -n 0 -i "" -q)
: >out
set +o pipefail
status=$(timeout 60 "${command_line[@]}" 2>err | head -c 10 >out; echo "${PIPESTATUS[0]}")
set -o pipefail
tells "closed pipe: exit code 3" test "$status" = 3
tells "closed pipe: one message" grep -qxE 'clamma-gen: .*stdout.*' err
tells "closed pipe: the reader got its part" test "$(wc -c <out)" = 10

status=0
timeout 60 "${command_line[@]}" >/dev/full 2>err || status=$?
: >out
tells "full device: exit code 3" test "$status" = 3
tells "full device: one message" grep -qxE 'clamma-gen: .*stdout.*' err

status=0
timeout 60 "${command_line[@]}" >&- 2>err || status=$?
tells "no stdout: exit code 3" test "$status" = 3
tells "no stdout: one message" grep -qxE 'clamma-gen: .*stdout.*' err

# wait_for_text FILE: waits until the file is not empty.
wait_for_text() {
  local tries
  for ((tries = 0; tries < 1000; ++tries)); do
    [[ ! -s $1 ]] || return 0
    sleep 0.02
  done
  return 1
}

# A shell without job control starts background commands with SIGINT ignored; env restores it.
: >out
env --default-signal=INT "${command_line[@]}" >out 2>err &
running=$!
wait_for_text out || true
kill -INT "$running"
status=0
wait "$running" || status=$?
tells "Ctrl-C: exit code 130" test "$status" = 130
tells "Ctrl-C: the line is ended" test "$(tail -c 1 out | od -An -c | tr -d ' ')" = '\n'
tells "Ctrl-C: nothing on stderr" cmp empty err

# The same while nobody reads its output, so that the signal interrupts a write.
mkfifo pipe
exec 9<>pipe
timeout 0.5 yes >&9 || true # full
env --default-signal=INT "${command_line[@]}" >pipe 2>err 9>&- &
running=$!
blocked=no
for ((tries = 0; tries < 1000; ++tries)); do
  if [[ $(cut -d ' ' -f 3 "/proc/$running/stat" 2>/dev/null) == S ]]; then
    sleep 0.1 # asleep twice, without using time in between: it waits for the pipe
    before=$(cut -d ' ' -f 14,15 "/proc/$running/stat")
    sleep 0.1
    [[ $(cut -d ' ' -f 14,15 "/proc/$running/stat") != "$before" ]] || {
      blocked=yes
      break
    }
  fi
  sleep 0.02
done
kill -INT "$running"
sleep 0.2
cat <&9 >out &
reader=$!
status=0
wait "$running" || status=$?
kill "$reader" 2>/dev/null || true
wait "$reader" 2>/dev/null || true
exec 9>&-
tells "Ctrl-C while the reader sleeps (blocked: $blocked): exit code 130" test "$status" = 130

printf '%d checks, %d failed, %d skipped\n' "$checks" "$failures" "$skipped"
((failures == 0))
