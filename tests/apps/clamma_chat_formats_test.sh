#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_chat_formats_test.sh PROGRAM SOURCE_DIR: tests clamma-chat with models of several chat formats:
# templates, thoughts, a full context, sampling, and the commands that change a conversation.
set -uo pipefail

program=$(realpath "$1")
source_dir=$(realpath "$2")
seconds=120
# shellcheck source=tests/support/cli_models.sh
source "$source_dir/tests/support/cli_models.sh"
# shellcheck source=tests/support/cli_checks.sh
source "$source_dir/tests/support/cli_checks.sh"
skipped=0

# chat LINES ARGUMENT...: runs the program with LINES (\n between them) on its standard input.
chat() {
  local lines=$1
  shift
  command_line=("$program" "$@")
  status=0
  printf '%b' "$lines" | timeout "$seconds" "${command_line[@]}" >out 2>err || status=$?
}
# says NAME TEXT: the last chat wrote this text, and ended with exit code 0.
says() {
  tells "$1" test "$(cat out)" = "$(printf '%b' "$2")"
  tells "$1: exit code" test "$status" = 0
}
# ends NAME CODE PATTERN: the last chat ended with exit code CODE, and its stderr matches PATTERN.
ends() {
  tells "$1: exit code $2" test "$status" = "$2"
  tells "$1: stderr" grep -qE -- "$3" err
}
same() { tells "$1" cmp "$2" "$3"; }

PYTHONPATH=$source_dir/tests/apps python3 - <<'EOF' || exit 1
from scripted_model import FLOAT, TEMPLATE, TEXT, UINT, write

thoughts = ["<thi", "nk>", "Let me", " see.", "</", "think>", "\n\n", "It is", " 4."]
write("thinking.gguf", thoughts)
write("opened.gguf", thoughts[2:], mark="<think>",
      template="{% for m in messages %}{{ m.content }}{% endfor %}<think>")
write("unended.gguf", thoughts[:4])
write("channels.gguf", ["<|channel|>", "analysis", "<|message|>", "Let me", " see.", "<|end|>"],
      then=["<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "It is", " 4."])
write("plain.gguf", ["\n Fine", ", thank you", "."])
write("formatless.gguf", ["Fine"], template=None)
write("guessed.gguf", ["<|im_end|>", "Fine"], template=None, mark="<|im_start|>")
write("strict.gguf", ["Fine", "."], template="{% if messages[0].content == 'no' %}"
      "{{ raise_exception('no is refused') }}{% endif %}" + TEMPLATE)
write("named.gguf", ["Fine", "."], metadata=[("tokenizer.chat_template.quiet", TEXT, "<|silent|>{{ '' }}")])
write("endless.gguf", [f" w{n}." for n in range(50)], endless=True, context=256)
write("sampling.gguf", ["Fine", "."], metadata=[
    ("general.sampling.temp", FLOAT, 0.25), ("general.sampling.top_k", UINT, 7),
    ("general.sampling.top_p", FLOAT, 0.5), ("general.sampling.min_p", FLOAT, 0.125),
    ("general.sampling.penalty_repeat", FLOAT, 1.5)])
write("odd_sampling.gguf", ["Fine", "."], metadata=[
    ("general.sampling.temp", TEXT, "hot"), ("general.sampling.top_p", FLOAT, 7),
    ("general.sampling.top_k", FLOAT, -1), ("general.sampling.min_p", FLOAT, float("nan"))])
EOF

# --- Formats ---
chat 'hi\nho\n' plain.gguf -q
says "a GGUF model talks in its own format" '\n Fine, thank you.\n\n Fine, thank you.'
chat 'hi\n' plain.gguf
ends "a format of its own is nothing to tell" 0 'plain.gguf: GGUF'
tells "... nor are there lines for a terminal" test "$(grep -c /help err)" = 0
chat 'hi\n' formatless.gguf -q
ends "a model without a format" 1 'chat format of this model is unknown: --template'
same "... says nothing" out empty
chat 'hi\n' formatless.gguf -q --template '{{ messages[0].content }}<|answer|>'
says "... but with a template's text" 'Fine'
chat 'hi\n' guessed.gguf
ends "a family's format" 0 'the file has no chat template: using that of chatml'
chat 'hi\n' guessed.gguf -q
tells "... with -q nothing about it" cmp err empty
printf '{{ messages[0].content }}<|answer|>' >my.jinja
chat 'hi\n' formatless.gguf -q --template my.jinja
says "... a template's file" 'Fine'
chat 'hi\n' formatless.gguf -q --template <(cat my.jinja)
says "... or what another program writes" 'Fine'
chat 'hi\n' named.gguf -q --template quiet
says "the name of a further template in the file" ''
chat 'hi\n' plain.gguf -q --template chatml
tells "the name of a family" test "$status" = 0
chat '<|silent|>\n' plain.gguf -q
says "control tokens in a prompt are text" '\n Fine, thank you.'
chat 'no\nyes\n' strict.gguf -q
ends "a template that refuses the messages" 3 'no is refused'
tells "... does so for these alone" test "$(cat out)" = Fine.
chat 'hi\n' plain.gguf -q --template "{{ raise_exception('never') }}"
ends "a template that refuses all of them" 3 'never'
tells "... says so once a prompt" test "$(wc -l <err)" = 1
chat '' plain.gguf -q --template "{{ raise_exception('never') }}"
tells "... and not without one" cmp err empty
chat 'hi\n' plain.gguf -q --template-arguments '{"silent": true}'
says "--template-arguments" ''
refuses 2 'template-arguments is not a JSON object' plain.gguf --template-arguments '{"silent": tru'
refuses 2 'template-arguments is not a JSON object' plain.gguf --template-arguments '["silent"]'
refuses 1 'no chat template "nosuch".*chatml' plain.gguf --template nosuch
refuses 2 '\./nosuch: No such file' plain.gguf --template ./nosuch
refuses 2 'is a folder' plain.gguf --template "$work"
refuses 1 "line 1.*'}}' is expected" plain.gguf --template '{{ x'
truncate -s 2M huge.jinja
refuses 2 'huge.jinja: is no template' plain.gguf --template huge.jinja

# --- Thoughts ---
for think in show dim hide; do
  answer='<think>Let me see.</think>\n\nIt is 4.'
  opened='Let me see.</think>\n\nIt is 4.'
  unended='<think>Let me see.'
  [[ $think != hide ]] || answer='It is 4.' opened='It is 4.' unended=''
  chat 'hi\nho\n' thinking.gguf -q --think $think
  says "--think $think" "$answer\n$answer"
  chat 'hi\n' opened.gguf -q --think $think
  says "--think $think: a template that opens thoughts" "$opened"
  channels='<think>\nLet me see.\n</think>\n\nIt is 4.'
  [[ $think != hide ]] || channels='It is 4.'
  chat 'hi\nho\n' channels.gguf -q --think $think
  says "--think $think: channels" "$channels\n$channels"
  chat 'hi\n' unended.gguf -q --think $think
  says "--think $think: thoughts that do not end" "$unended"
  chat 'hi\n' plain.gguf -q --think $think
  says "--think $think: no thoughts" '\n Fine, thank you.'
done

# --- Sampling ---
settings() { # settings VALUES: the values that /set of the last chat printed, in its order
  tells "$1" test "$(awk '{ print $2 }' err | paste -sd ' ')" = "$2"
}
chat '/set\n' plain.gguf -q
settings "sampling as --help has it" "0.7 0.9 0 0 0 0 0 0 0"
chat '/set\n' sampling.gguf -q
settings "sampling as the file has it" "0.25 0.5 0.125 1.5 0 0 7 0 0"
chat '/set\n' sampling.gguf -q -t 1 --top-k 0 --frequency-penalty 0.5 --presence-penalty 0.25
settings "... and the user" "1 0.5 0.125 1.5 0.5 0.25 0 0 0"
chat '/set\n' odd_sampling.gguf -q
settings "values of the file that make no sense" "0.7 0.9 0 0 0 0 0 0 0"
chat '/set temperature 0.5\n/set topp 1\n/set min-p 0\n/set top-k 9\n/set steps 1\n/set\nhi\n' plain.gguf -q
settings "/set NAME VALUE" "temperature topp min-p top-k steps 0.5 1 0 0 0 0 9 1 0"
says "... counts" '\n Fine'
for wrong in temperature 'temperature x' 'temperature nan' 'temperature 0x1' 'temperature -1' \
  'topp 1.1' 'temperature 1 2' 'steps -1' 'steps 1.5' 'steps 9999999999' 'seed 18446744073709551616' \
  'nothing 1'; do
  chat "/set $wrong\n/set\n" plain.gguf -q
  ends "/set $wrong" 3 '^clamma-chat: (there is no setting )?[a-z-]+( is a|; /set)'
  tells "... changes nothing" grep -qE '^temperature +0.7$' err
done
float_model=("$float" -z "$dictionary")
chat 'Who is Lily?\n' "${float_model[@]}" -n 30 -q -s 5
cp out five
chat '/set seed 5\nWho is Lily?\n/reset\n/set seed 6\n/set seed 5\nWho is Lily?\n' "${float_model[@]}" -n 30 -q -s 4
same "/set seed starts the random numbers anew" <(cat five five) out
chat 'Who is Lily?\n' "${float_model[@]}" -n 30 -q -s 18446744073709551615
cp out largest
chat '/set seed 18446744073709551615\nWho is Lily?\n' "${float_model[@]}" -n 30 -q -s 4
same "... also the largest seed" largest out

# --- Commands ---
chat 'Who is Lily?\nAnd Tom?\n' "${float_model[@]}" -t 0 -n 20 -q
cp out both
head -n 1 both >lily
chat 'Who is Lily?\nAnd Sam?\n/undo\nAnd Tom?\n' "${float_model[@]}" -t 0 -n 20 -q
same "/undo takes back a prompt and its answer" both <(sed 2d out)
chat 'Who is Lily?\n/undo\n/undo\n/regenerate\nWho is Lily?\n' "${float_model[@]}" -t 0 -n 20 -q
ends "/undo of nothing" 3 'there is nothing to take back'
tells "/regenerate of nothing" grep -q 'there is no prompt to answer' err
same "... and what follows is the first turn" out <(cat lily lily)
chat 'Who is Lily?\n/regenerate\nAnd Tom?\n' "${float_model[@]}" -t 0 -n 20 -q
same "/regenerate answers once more" <(sed 1d out) both
chat 'Who is Lily?\n/regenerate\n' "${float_model[@]}" -t 1 -s 3 -n 6 -q
tells "... with other random numbers" test "$(sort -u out | wc -l)" = 2
chat 'Who is Lily?\n' "${float_model[@]}" -t 0 -n 20 -q -y "Be kind."
cp out kindly
chat '/system Be kind.\n/system\nWho is Lily?\n/system ""\n/system\n/reset\nWho is Lily?\n' \
  "${float_model[@]}" -t 0 -n 20 -q
same "/system" <(cat kindly lily) out
tells "... tells it" grep -q 'the system prompt: Be kind\.' err
tells "... or that there is none" grep -q 'there is no system prompt$' err
chat '/system Be\\\nkind.\nWho is Lily?\n' "${float_model[@]}" -t 0 -n 20 -q
cp out lines
chat 'Who is Lily?\n' "${float_model[@]}" -t 0 -n 20 -q -y $'Be\nkind.'
same "/system of several lines" lines out
chat 'Who\\\nis Lily?\n' "${float_model[@]}" -t 0 -n 20 -q
cp out lines
chat '"""Who\nis Lily?"""\n' "${float_model[@]}" -t 0 -n 20 -q
same '""" and \ at the end make several lines one prompt' lines out
chat '"""\nWho\nis Lily?\n"""\n' "${float_model[@]}" -t 0 -n 20 -q
same '... without the newlines next to the quotes' lines out
chat '"""Who\nis Lily?' "${float_model[@]}" -t 0 -n 20 -q
same "... also where the input ends" lines out
chat '"""/quit"""\n""""""\n' "${float_model[@]}" -t 0 -n 20 -q
cp out quoted
chat '//quit\n' "${float_model[@]}" -t 0 -n 20 -q
same "... and are no command" quoted out
chat '/etc/passwd is what?\n' "${float_model[@]}" -t 0 -n 20 -q
cp out path
chat '"""/etc/passwd is what?"""\n' "${float_model[@]}" -t 0 -n 20 -q
same "a path is no command" path out
tells "... and is said" test -s path
printf '%s\n' '"""// main' 'int main() {}"""' >source
"$program" "${float_model[@]}" -t 0 -n 20 -q <source >source_said 2>err
chat '// main\\\nint main() {}\n/* main */\\\nint main() {}\n' "${float_model[@]}" -t 0 -n 20 -q
tells "several lines that begin with slashes are no command" test "$status" = 0
same "... and lose none" source_said <(head -n "$(wc -l <source_said)" out)
chat '//quit\\\nnow\n' "${float_model[@]}" -t 0 -n 20 -q
cp out quit_said
chat '"""/quit\nnow"""\n' "${float_model[@]}" -t 0 -n 20 -q
same "... but // is / before a command's name" quit_said out
chat '/quit\\\nnow\n' "${float_model[@]}" -q
ends "a command's name makes them one" 3 '/quit takes no argument'
chat '/info\nWho is Lily?\n/info\n/undo\n/info\n' "${float_model[@]}" -t 0 -n 20 -q
tells "/info: the turns and tokens" test \
  "$(grep -oE '^[0-9]+ turns?, [0-9]+ of 512' err | paste -sd ';')" = '0 turns, 0 of 512;1 turn, 44 of 512;0 turns, 0 of 512'
tells "/info: the model" grep -q 'stories260K.bin: .*parameters\|stories260K.bin: .*float' err
mkdir home
HOME=$work/home chat 'Who is Lily?\n/save ~/a chat\n' "${float_model[@]}" -t 0 -n 20 -q
tells "~ is the home folder" test -s "home/a chat"
HOME=$work/home chat '/load ~/a chat\nAnd Tom?\n' "${float_model[@]}" -t 0 -n 20 -q
same "... of /load, too" <(sed 1d both) out
for command in /quit /exit /bye; do
  chat "Who is Lily?\n$command\nAnd Tom?\n" "${float_model[@]}" -t 0 -n 20 -q
  same "$command" lily out
done
EDITOR=true chat '/edit x\n' "${float_model[@]}" -q
ends "/edit by a pipe" 3 '/edit needs a terminal'

# --- A full context ---
words() { seq "$1" | awk '{ printf " w%d.", ($1 - 1) % 50 }'; }
chat 'hi\n' endless.gguf -q -t 0 -n 100
says "an answer that is cut" "$(words 100)"
chat 'hi\n' endless.gguf -q -t 0
ends "an answer without an end fills the context once" 0 'the answer has filled the context'
tells "... and is all there" test "$(cat out)" = "$(words 246)"
chat 'hi\nho\nhe\n' endless.gguf -q -t 0 -n 100 -y Kind
tells "an answer goes on where old turns have gone" test "$(cat out)" = \
  "$(words 100; echo; words 100; echo; words 100)"
ends "... which is told behind it" 0 'the oldest 2 turns are forgotten'
chat 'hi\nho\nhe\n/save full.state\n/info\n' endless.gguf -q -t 0 -n 100 -y Kind
tells "... the system prompt stays" grep -aq '"system":"Kind"' full.state
tells "... and the last turns" grep -aq '"he"' full.state
tells "... and the first does not" test "$(grep -ac '"hi"' full.state)" = 0
tells "... within the context" test "$(grep -oE '[0-9]+ of 256' err | cut -d ' ' -f 1)" -le 256
chat 'hi\nho\nhe\n' endless.gguf -q -t 0 -n 100 -c 128
tells "--context: less than the model's" grep -q forgotten err
tells "... all answers are there" test "$(cat out)" = "$(words 100; echo; words 100; echo; words 100)"
refuses 1 'trained for a context of 256: --extend-context' endless.gguf -c 300
chat 'hi\n/info\n' endless.gguf -q -t 0 -c 300 --extend-context
ends "--extend-context" 0 'a context of 256: beyond it.*may make no sense'
tells "... is more" grep -q 'of 300 tokens' err
tells "... that is used" test "$(cat out)" = "$(words 290)"
chat 'hi\n/info\n' endless.gguf -q -t 0 -n 5 -c 200 --extend-context
tells "... and nothing to tell where it is not more" test "$(grep -c beyond err)" = 0

# --- Failures during a chat ---
make_babbler babbler.bin 1000000
command_line=("$program" babbler.bin -z "$dictionary" -m 1 --cache-limit 17000 -q -t 0 -i go)
: >out
timeout "$seconds" "${command_line[@]}" >out 2>&1 </dev/null &
running=$!
for ((tries = 0; tries < 1000; ++tries)); do
  [[ ! -s out ]] || break
  sleep 0.02
done
truncate -s 1000 babbler.bin
status=0
wait "$running" || status=$?
: >err
tells "a model that cannot be read any more: exit code 3" test "$status" = 3
tells "... the answer so far is a line" grep -qxE 'a+' <(head -n 1 out)
tells "... and the reason stands below it" grep -qE '^clamma-chat: the file ends' <(tail -n +2 out)

# --- The default model ---
if [[ -z $chat_model ]]; then
  skipped=$((skipped + 1))
  echo "skipped the default model: it is not there (clamma-get default)"
else
  mkdir -p default/clamma
  ln -s "$(realpath "$chat_model")" default/clamma/SmolLM2-135M-Instruct.Q4_1.gguf
  export XDG_CACHE_HOME=$work/default
  chat 'Write one sentence about the sea.\nMy name is Tom.\nWhat is my name?\n/info\n' -t 0 -n 60
  ends "the default model" 0 '^3 turns, [0-9]+ of 8192 tokens'
  tells "... one sentence about the sea, that ends by itself" \
    grep -qxE '[A-Z][^.]*\bsea\b[^.]*\.' <(head -n 1 out)
  tells "... knows what was said" grep -q Tom <(tail -n 1 out)
  export XDG_CACHE_HOME=$work/cache
fi

printf '%d checks, %d failed, %d skipped\n' "$checks" "$failures" "$skipped"
((failures == 0))
