#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_verify_cli_test.sh CLAMMA_VERIFY CLAMMA_GEN SOURCE_DIR: tests receipts: how clamma-gen
# writes and clamma-verify verifies them. Prints a line for each check. Exit code: 0 all checks succeed,
# 1 a check fails, 77 the models are missing.
set -euo pipefail

(($# == 3)) || {
  echo "usage: $0 CLAMMA_VERIFY CLAMMA_GEN SOURCE_DIR" >&2
  exit 2
}
clamma_verify=$(realpath "$1") clamma_gen=$(realpath "$2") source_dir=$(realpath "$3")
here=$(realpath "$(dirname "$0")")

# shellcheck source=tests/support/cli_models.sh
source "$here/../support/cli_models.sh"
program=$clamma_verify seconds=60
# shellcheck source=tests/support/cli_checks.sh
source "$here/../support/cli_checks.sh"

kept=$source_dir/tests/api/receipts
models=${data:?}/models
export CLAMMA_MODEL_DIR=$models # receipts name files without a folder

# differs PATTERN ARGUMENT...: ends with exit code 3, a line that begins with DIFFERS and matches
# PATTERN, and the verdict.
differs() {
  local pattern=$1 name
  shift
  name="differs: $pattern"
  run "$@"
  if ((status != 3)); then
    verdict "$name" "exit code $status, not 3"
  elif ! grep -qE -- "^DIFFERS  $pattern" out; then
    verdict "$name" "stdout does not match"
  elif [[ $(tail -n 1 out) != "not equal" ]]; then
    verdict "$name" "the last line is another"
  else
    verdict "$name" ""
  fi
}

# equal NAME ARGUMENT...: ends with exit code 0, and everything is equal.
equal() {
  local name=$1
  shift
  run "$@"
  if ((status != 0)); then
    verdict "$name" "exit code $status"
  elif grep -q DIFFERS out || ! tail -n 1 out | grep -qE '^equal: [0-9]+ tokens, 20.*Z, by clamma [0-9.]+$'; then
    verdict "$name" "not everything is equal"
  else
    verdict "$name" ""
  fi
}

# change RECEIPT FIELD EXPRESSION: writes changed.json, in which the field has the value of the Python
# expression, where `v` is its old value. The checksum is correct.
change() {
  python3 - "$@" <<'PY'
import hashlib, json, sys
path, field, expression = sys.argv[1:]
receipt = json.load(open(path))
receipt[field] = eval(expression, {"v": receipt[field]})
del receipt["sha256"]
body = "{\n" + "".join(
  f'  "{k}": {json.dumps(v, separators=(",", ":"), ensure_ascii=False)},\n' for k, v in receipt.items())
open("changed.json", "w").write(body + f'  "sha256": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n')
PY
}

# --- The kept receipts ----------------------------------------------------------------------------------

for name in stories260K stories260K_q80 stories260K_f16; do
  for options in "-h 1" "-h 2" "-h 2 -m 1"; do
    # shellcheck disable=SC2086 # words
    equal "kept: $name $options" "$kept/$name.json" $options
  done
  CLAMMA_CPU=scalar equal "kept: $name by plain kernels" "$kept/$name.json"
done
if [[ -n $chat_model ]]; then
  equal "kept: a chat" "$kept/smollm2.json" "$(realpath "$chat_model")" -h 2
else
  echo "skipped kept: a chat: the default model is missing"
fi
receipt=$kept/stories260K.json
run "$receipt" -q
tells "-q: only the verdict" test "$(wc -l <out)" = 1

# --- New ones -------------------------------------------------------------------------------------------

# generate FILE ARGUMENT...: runs clamma-gen, which writes a receipt.
generate() {
  local file=$1
  shift
  program=$clamma_gen run "${float:?}" -z "${dictionary:?}" -q -n 12 --receipt "$file" "$@"
  tells "clamma-gen writes $file" test "$status" = 0
}

mkdir folder
generate folder/new.json -i "Lily" -s 3
equal "a new one" folder/new.json
tells "the date is that of today" grep -q "\"date\": \"$(date -u +%Y-)" folder/new.json
cp "$float" folder/other.bin
cp "$dictionary" folder/
equal "the model may have another name" folder/new.json folder/other.bin
tells "... which is shown" grep -q '^equal    model other.bin: ' out
(cd folder && mv other.bin stories260K.bin)
CLAMMA_MODEL_DIR=/nowhere equal "the model beside the receipt" folder/new.json
generate begins.json -s 3 -t 0
equal "without a prompt, greedy" begins.json
generate hashed.json -i "Secret dog" -y "A story." -s 3 --hash-prompt
no_secret() { ! grep -qE 'Secret|"prompt_ids": \[' hashed.json; }
tells "only a hash: the prompt is not in it" no_secret
equal "only a hash, with the prompt" hashed.json -i "Secret dog" -y "A story."
differs 'prompt: the receipt has only its SHA-256: -i and -y give the texts' hashed.json
differs 'prompt: its SHA-256 is not the one in the receipt' hashed.json -i "Secret cat" -y "A story."
differs 'prompt: its SHA-256 is not the one in the receipt' hashed.json -i "Secret dog"
program=$clamma_gen
refuses 2 'date' "$float" --receipt x.json --date 2026-12-01
refuses 2 'receipt' "$float" --date 2026-12-01T00:00:00Z
refuses 2 'receipt' "$float" --hash-prompt
refuses 2 'receipt' "$float" --receipt x.json --regex "[a-z ]*"
cp "$dictionary" folder/stories260K.tokenizer.bin
refuses 1 'needs -z' folder/stories260K.bin --receipt x.json
refuses 1 'not UTF-8' "$float" -z "$dictionary" --receipt x.json -i $'\377'
tells "... and no receipt is written" test ! -e x.json
run "$float" -z "$dictionary" -q -n 3 --receipt /nowhere/x.json
tells "a receipt that cannot be written: exit code 3" test "$status" = 3
tells "... and the reason" grep -q '^clamma-gen: /nowhere/x.json: No such file' err
program=$clamma_verify

# --- Changes, each with a correct checksum --------------------------------------------------------------

change "$receipt" seed v
tells "the checksum is the one that is written" cmp changed.json "$receipt"
change "$receipt" ids 'v[:7] + [v[7] ^ 1] + v[8:]'
differs 'sampling: token 7 \(position 12, id 445, ".*"\) is not what is sampled: that is id 444, ' changed.json
tells "... and the logits part behind it" grep -qE '^DIFFERS  logits: they differ from token 8 \(position 13, id ' out
change "$receipt" hashes 'v[:5] + ["0" * 16] + v[6:]'
differs 'logits: they differ from token 5 \(position 10, id 268, ".*"\) on: [0-9a-f]{16} here, 0{16} in the receipt' changed.json
change "$receipt" seed v+1
differs 'sampling: token [0-9]+ ' changed.json
tells "... and the logits are equal" grep -q '^equal    logits: 24 tokens' out
change "$receipt" sampling '{**v, "temperature": 0.0}'
differs 'sampling: token [0-9]+ ' changed.json
change "$receipt" kv '"f16"'
differs 'logits: they differ from token 0 ' changed.json
change "$receipt" sum_order v+1
differs 'order of sums: 1 here, 2 in the receipt' changed.json
change "$receipt" query '{**v, "prompt": "Twice upon a time"}'
differs 'prompt: its text is not what prompt_ids stand for' changed.json
change "$receipt" prompt_ids 'v[:-1] + [300]'
differs 'prompt: its text is not' changed.json
tells "... and the logits part" grep -q '^DIFFERS  logits: they differ from token 0 ' out
change "$receipt" model '[{**v[0], "sha256": "0" * 64}]'
differs 'model stories260K.bin: b0a507e7[0-9a-f]* here, 0{64} in the receipt' changed.json
tells "... and nothing is computed" test "$(grep -c logits out)" = 0
change "$receipt" model 'v * 2'
differs 'model: 1 files here, 2 in the receipt' changed.json
change "$receipt" vocabulary '{**v, "sha256": "0" * 64}'
differs 'vocabulary tok512.bin: 037cb335[0-9a-f]* here, 0{64} in the receipt' changed.json
change "$receipt" ids 'v[:7] + [512] + v[8:]'
differs 'tokens: the id 512 at 7 is not a token' changed.json
change "$receipt" prompt_ids 'v + [2147483647]'
differs 'prompt: the id 2147483647 at [0-9]+ is not a token' changed.json
change "$receipt" context 20
differs 'tokens: 29, more than the context of 20' changed.json
change "$receipt" model '[{**v[0], "name": "nothing.bin"}]'
run changed.json
tells "a model that is nowhere: exit code 1" test "$status" = 1
tells "... and the reason" grep -qx 'clamma-verify: nothing.bin: No such file or directory' err
mkfifo pipe.bin
change "$receipt" model '[{**v[0], "name": "pipe.bin"}]'
run changed.json
tells "a model that is a pipe: exit code 1" test "$status" = 1
tells "... and the reason" grep -qx 'clamma-verify: pipe.bin: not a regular file' err
run "$receipt" /dev/zero
tells "a model that is a device: exit code 1" test "$status" = 1
tells "... and the reason" grep -qx 'clamma-verify: /dev/zero: not a regular file' err

mkfifo pipe.json
run pipe.json
tells "a receipt that is a pipe without a writer: exit code 1" test "$status" = 1
tells "... and the reason" grep -qx 'clamma-verify: pipe.json: a pipe that no process writes to' err
cat "$receipt" >pipe.json &
run pipe.json
wait $!
tells "a receipt through a pipe: equal" test "$status" = 0

# --- Changes that break the checksum --------------------------------------------------------------------

for edit in s/2026-12-01/2026-12-02/ 's/"library": "/&9/' 's/"seed": 1/&1/' 's/"top_k":0/"top_k":600/'; do
  sed "$edit" "$receipt" >changed.json
  differs 'receipt: its checksum is wrong: it was changed after it was written' changed.json
done

# --- What is not a receipt -----------------------------------------------------------------------------

refuses 1 'none\.json: No such file' none.json
refuses 1 'empty: is not a receipt' empty
refuses 1 'stories260K\.bin: is not a receipt' "$float"
refuses 1 'is a directory|Is a directory' .
head -c 700 "$receipt" >cut.json
refuses 1 'cut\.json: is not a receipt' cut.json
sed '/"kv"/d' "$receipt" >cut.json
refuses 1 'kv: is missing' cut.json
sed 's/"stories260K.bin"/"..\/stories260K.bin"/' "$receipt" >bad.json
refuses 1 'model: is not the name of a file' bad.json
sed 's/"kv"/"\\u001b[2J": 1, "kv"/' "$receipt" >bad.json
refuses 1 'x1b\[2J: is not a field of a receipt' bad.json
head -c 40000000 /dev/zero >huge.json
refuses 1 'huge\.json: is too long for a receipt' huge.json
refuses 2 'receipt'
refuses 2 'nope' "$receipt" --nope

command_line=("$clamma_verify" "$receipt")
status=0
timeout 60 "${command_line[@]}" >/dev/full 2>err || status=$?
: >out
tells "full device: exit code 1" test "$status" = 1

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
