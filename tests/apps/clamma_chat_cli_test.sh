#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_chat_cli_test.sh PROGRAM SOURCE_DIR: tests clamma-chat with pipes, and on a terminal.
set -uo pipefail

program=$(realpath "$1")
source_dir=$(realpath "$2")
seconds=120
# shellcheck source=tests/support/cli_models.sh
source "$source_dir/tests/support/cli_models.sh"
# shellcheck source=tests/support/cli_checks.sh
source "$source_dir/tests/support/cli_checks.sh"

# chat LINES ARGUMENT...: runs the program with LINES (\n between them) on its standard input.
chat() {
  local lines=$1
  shift
  command_line=("$program" "$float" -z "$dictionary" "$@")
  status=0
  printf '%b' "$lines" | timeout "$seconds" "${command_line[@]}" >out 2>err || status=$?
}

# same NAME FILE FILE: the check NAME succeeds if the files are equal.
same() { tells "$1" cmp "$2" "$3"; }
differ() { if cmp -s "$2" "$3"; then verdict "$1" "they are the same"; else verdict "$1" ""; fi; }
# ends NAME CODE PATTERN: the last chat ended with exit code CODE, and its stderr matches PATTERN.
ends() {
  tells "$1: exit code $2" test "$status" = "$2"
  tells "$1: stderr" grep -qE -- "$3" err
}

# --- The session is kept ---
chat 'Who is Lily?\nAnd Tom?\n' -t 0 -n 20 -q
cp out both
tells "two prompts, two answers" test "$(grep -c . both)" -ge 2
tells "the exit code is 0" test "$status" = 0
chat 'And Tom?\n' -t 0 -n 20 -q
cp out tom_alone
chat 'Who is Lily?\n' -t 0 -n 20 -q
cp out lily
same "the first answer is what it is alone" lily <(head -c "$(wc -c <lily)" both)
tail -c +$(($(wc -c <lily) + 1)) both >second
differ "the second depends on the first" tom_alone second
chat 'And Tom?\n' -t 0 -n 20 -q -i "Who is Lily?"
same "-i is a first prompt like any other" both out
chat 'Who is Lily?\r\nAnd Tom?\r\n\r\n/quit\r\nGo on\r\n' -t 0 -n 20 -q
same "lines may end as on Windows" both out
chat 'Who is Lily?\nAnd Tom?\n/quit \nGo on\n' -t 0 -n 20 -q
same "a space behind a command is nothing" both out
chat '  Who is Lily? \t\n\tAnd Tom?  \n   \n' -t 0 -n 20 -q
same "spaces around a prompt are nothing, as the format has it" both out
chat '' -t 0 -n 20 -q -i " Who is Lily?
"
same "... nor around -i" lily out
chat '' -t 0 -n 20 -q -i ""
tells "-i may be empty: there is an answer" test -s out
chat 'Who is Lily?\n/reset\tnow\n/help me\n/quit it\nAnd Tom?\n' -t 0 -n 20 -q
ends "a command that takes no argument" 3 '/reset takes no argument'
tells "... is refused one: /help" grep -q '/help takes no argument' err
tells "... is refused one: /quit" grep -q '/quit takes no argument' err
same "... and nothing else happens" both out
chat 'Who is Lily?\n/reset\nAnd Tom?\n' -t 0 -n 20 -q
same "/reset forgets" <(cat lily tom_alone) out
chat 'Who is Lily?\n/reset\nWho is Lily?\n' -t 0 -n 20 -q -y "Be kind."
half=$(($(wc -c <out) / 2))
same "/reset keeps the system prompt" <(head -c $half out) <(tail -c $half out)
differ "the system prompt counts" lily <(head -c $half out)
chat '\n\n//Tom\n' -t 0 -n 20 -q
cp out slash
chat '' -t 0 -n 20 -q -i "/Tom"
same "// says a line with /, and empty lines say nothing" out slash

# --- Save and load ---
for sampling in "-t 0" "-t 1 -s 7"; do
  read -ra sample <<<"$sampling"
  chat 'Who is Lily?\nAnd Tom?\n' "${sample[@]}" -n 30 -q -y "Be kind."
  cp out whole
  chat 'Who is Lily?\n/save  chat.state \n' "${sample[@]}" -n 30 -q -y "Be kind."
  cp out first
  chat '/load chat.state\nAnd Tom?\n' "${sample[@]}" -n 30 -q
  same "$sampling: a loaded chat goes on as the saved one" whole <(cat first out)
done
tells "nothing else is left" test "$(echo chat.state*)" = chat.state
head -c $(($(wc -c <chat.state) - 1)) chat.state >cut.state
{ head -c 3000 chat.state; printf 'x'; tail -c +3002 chat.state; } >damaged.state
head -c 100000 /dev/urandom >random.state
{ printf '{"format":"clamma-chat 2"'; head -c 20000000 /dev/zero | tr '\0' ' '; tail -c +26 chat.state; } >long.state
sed 's/"format":"clamma-chat 2"/"format":"clamma-chat 1"/' chat.state >older.state
sed 's/"role":"user"/"role":"system"/' chat.state >roles.state
sed 's/{"content":"Who is Lily?","role":"user"},//' chat.state >odd.state
sed 's/"content":"Who is Lily?"/"content":["Who"]/' chat.state >parts.state
for bad in cut damaged random long older roles odd parts none; do
  chat "Who is Lily?\n/load $bad.state\nAnd Tom?\n" -t 0 -n 20 -q
  ends "/load $bad.state" 3 "clamma-chat: $bad.state: "
  same "/load $bad.state leaves the chat as it was" both out
done
chat "Who is Lily?\n/load .\n/save /nowhere/x\n/save\n/load\n/nothing\nAnd Tom?\n" -t 0 -n 20 -q
ends "what cannot be saved or loaded" 3 'no file'
tells "... nor saved there" grep -q '/nowhere/x: No such file' err
tells "... nor without a name" grep -q '/save needs a file' err
tells "an unknown command is told" grep -q 'there is no /nothing' err
same "... and the chat goes on" both out
# Only the messages matter: the state after them just saves the time to process them again.
sed 's/"system":"Be kind."/"system":""/' chat.state >changed.state
chat "/load changed.state\nAnd Tom?\n" -t 0 -n 20 -q
cp out changed
chat '/load chat.state\n/system ""\nAnd Tom?\n' -t 0 -n 20 -q
same "a chat whose messages were changed goes on with these" changed out
chat 'Who is Lily?\n/save plain.state\n' -t 1 -s 7 -n 30 -q
sed 's/Who is Lily?/Who is Sam?/' plain.state >sam.state
chat "/load sam.state\n/save sam2.state\n" -q
tells "... which are saved again" grep -aq 'Who is Sam?' sam2.state
# Messages that do not fit in the context are forgotten, as in any chat.
many=$(printf 'because %.0s' {1..2000})
sed "1s/Who is Lily?/$many/" plain.state >many.state
chat "/load many.state\nAnd Tom?\n" -t 0 -n 20 -q
ends "a saved chat longer than the context" 0 'the oldest turn is forgotten'
same "... goes on without its oldest turns" tom_alone out
touch behind && ln -s behind link && mkfifo pipe && mkdir folder
chat "Who is Lily?\n/save pipe\n/load pipe\n/save folder\n/save link\nAnd Tom?\n" -t 0 -n 20 -q
ends "what is no file" 3 'clamma-chat: pipe: is no file'
tells "... stays as it was" test -p pipe
tells "... as does a link" test -L link
tells "... and a folder is none, either" grep -q 'folder: is no file' err
tells "... and no part of a file is left" test "$(echo pipe* folder* link*)" = "pipe folder link"
chat '/load behind\nAnd Tom?\n' -t 0 -n 20 -q
same "what a link points to is saved" second out

echo "of somebody's own" >letter
chat "Who is Lily?\n/save letter\n/save behind\nAnd Tom?\n" -t 0 -n 20 -q
ends "a file that is no saved chat" 3 'clamma-chat: letter: is there, and no saved chat'
tells "... stays" grep -q "of somebody's own" letter
tells "... and one that is, is saved over" grep -q 'saved to behind' err

# --- The context is full ---
prompts=
for i in {1..40}; do prompts+="Tell me of Lily and Tom, number $i\n"; done
chat "$prompts" -t 1 -s 3 -n 40 -q -y "Be kind."
ends "a long chat" 0 'the oldest (turn is|[0-9]+ turns are) forgotten'
tells "a long chat: all answers are there" test "$(grep -c . out)" -ge 40
chat "Who is Lily?\nAnd Tom?\nGo on\n" -t 1 -s 3 -q
ends "answers without an end" 0 'forgotten|has filled the context'
long=$(printf 'Lily and Tom went out. %.0s' {1..200})
chat "Who is Lily?\n$long\nAnd Tom?\n" -t 0 -n 20 -q
ends "a prompt beyond the context" 3 'prompt takes|takes at least'
same "... changes nothing" both out
# Too long for the context only together with the system prompt.
kind=$(printf 'Be kind to all. %.0s' {1..15})
chat 'Who is Lily?\nAnd Tom?\n' -t 0 -n 20 -q -y "$kind"
cp out kindly
chat "Who is Lily?\n${long:0:3450}\nAnd Tom?\n" -t 0 -n 20 -q -y "$kind"
ends "a prompt beyond what the system prompt leaves" 3 'prompt takes|takes at least'
same "... changes nothing" kindly out

# --- Errors of input and output ---
chat 'a\0b\nWho is Lily?\n' -t 0 -n 20 -q
ends "a NUL" 3 'NUL'
same "... is not said" lily out
command_line=("$program" "$float" -z "$dictionary" -i Lily -n 20 -q)
status=0
"${command_line[@]}" >/dev/full 2>err </dev/null || status=$?
ends "a full disk" 3 'cannot write to stdout'
command_line=("$program" "$float" -z "$dictionary" -m 1 -n 20 -q)
status=0
timeout "$seconds" "${command_line[@]}" <&- >out 2>err || status=$?
tells "no stdin at all is an input that has ended" test "$status" = 0
tells "... of which nothing is said" cmp out empty
tells "... nor told" cmp err empty
refuses 1 'no model is named.*clamma-get default' --temperature 1
refuses 1 'none.bin' none.bin
run --help
tells "--help" grep -q 'system' out

# --- On a terminal ---
make_babbler babbler 200000
python3 "$source_dir/tests/apps/clamma_chat_terminal.py" "$program" "$float" babbler "$dictionary" >terminal 2>&1
terminal_status=$?
while read -r line; do tells "terminal: $line" test "${line%% *}" = ok; done <terminal
tells "terminal: all was seen" test "$terminal_status" = 0

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
