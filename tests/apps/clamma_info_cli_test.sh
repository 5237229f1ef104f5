#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_info_cli_test.sh CLAMMA_INFO CLAMMA_BENCH SOURCE_DIR: tests the command line and the
# output of clamma-info. Prints a line for each check. Exit code: 0 all checks succeed, 1 a check fails,
# 77 the models are missing.
set -euo pipefail

(($# == 3)) || {
  echo "usage: $0 CLAMMA_INFO CLAMMA_BENCH SOURCE_DIR" >&2
  exit 2
}
clamma_info=$(realpath "$1") clamma_bench=$(realpath "$2") source_dir=$(realpath "$3")
here=$(realpath "$(dirname "$0")")

# shellcheck source=tests/support/cli_models.sh
source "$here/../support/cli_models.sh"
program=$clamma_info seconds=60
# shellcheck source=tests/support/cli_checks.sh
source "$here/../support/cli_checks.sh"

no() { ! "$@"; }

# json EXPRESSION: checks a Python expression about `j`, the JSON object in out.
json() {
  python3 -c 'import json, sys
j = json.load(open("out"))
t = {t["name"]: t for t in j.get("tensors", [])}
m = {m["key"]: m for m in j.get("metadata", [])}
sys.exit(0 if eval(f"({sys.argv[1]})") else 1)' "$1"
}

# --- llama2.c's files ---------------------------------------------------------------------------------

run "${float:?}"
tells "a checkpoint: succeeds" test "$status" = 0
tells "a checkpoint: nothing on stderr" cmp empty err
for line in 'format +llama2\.c legacy, 1\.06 MB' 'architecture +llama' 'runs +yes' 'parameters +260032' \
  'file type +F32, 32\.00 bits per weight \(F32 100\.0 %\)' 'context +512 positions' 'layers +5' \
  'heads +8, 4 of keys and values' 'memory +at a context of 512 positions' \
  '  1 session +[0-9.]+ MB in q8, [0-9.]+ MB in f16, [0-9.]+ MB in f32' \
  '  4 sessions +[0-9.]+ MB in q8, [0-9.]+ MB in f16, [0-9.]+ MB in f32'; do
  tells "a checkpoint: $line" grep -qE "^$line" out
done
run "$float" --json --tensors --context 64 --sessions 3 -h 1
tells "a checkpoint: JSON" json 'j["parameters"] == 260032 and j["context"] == 512 and j["runs"]'
tells "a checkpoint: keys and values" json 'j["memory"]["kv_f32_bytes"] in range(40960 * 2, 40960 * 2 + 200)'
tells "a checkpoint: sessions" json '(lambda m: m["sessions_f16_bytes"] ==
  m["weights_bytes"] + m["working_bytes"] + 3 * m["kv_f16_bytes"])(j["memory"])'
tells "a checkpoint: tensors" json 't["embedding"]["shape"] == [64, 512] and len(t) == 47'
tells "a checkpoint: places" json 't["embedding"]["offset"] == 28 and t["embedding"]["bytes"] == 131072'
run "${data:?}/models/stories260K.q80.bin"
tells "int8: its groups" grep -q 'int8 in groups of' out

# --- GGUF files ---------------------------------------------------------------------------------------

"$clamma_bench" --shape stories15m --type q4_k_m --keep model.gguf --make-only -q
export XDG_CACHE_HOME=$PWD/cache
run
tells "no file, and no default model: exit code 1" test "$status" = 1
tells "... by one line that gets it" grep -qxE 'clamma-info: .*"clamma-get default" gets it.*' err
mkdir -p cache/clamma
ln -s "$PWD/model.gguf" cache/clamma/SmolLM2-135M-Instruct.Q4_1.gguf
for name in "" default; do
  run $name
  tells "the default model, by '$name'" grep -qx "file  *$PWD/cache/clamma/SmolLM2-135M-Instruct.Q4_1.gguf" out
done
run model.gguf --tensors --metadata
tells "GGUF: succeeds" test "$status" = 0
for line in 'format +GGUF version 3, ' 'file type +Q4_K_M, [0-9.]+ bits per weight \(' \
  'tokenizer +llama, .*32000 tokens' 'chat template +none' '  general\.architecture: string = "llama"' \
  '  tokenizer\.ggml\.tokens: string\[\] = \[.*, \.\.\. 32000 in all\]$' \
  '  blk\.0\.ffn_down\.weight +[A-Z0-9_]+ +768 x 288 +[0-9]+ +[0-9]+$'; do
  tells "GGUF: $line" grep -qE "^$line" out
done
tells "GGUF: long arrays are cut" test "$(wc -c <out)" -lt 20000
run model.gguf --metadata --all --json
tells "--all: arrays are whole" json 'len(m["tokenizer.ggml.tokens"]["value"]) == 32000'

# gguf FILE KEYS TENSORS: writes a GGUF file. KEYS and TENSORS are Python expressions: lists of
# (key, value) and of (name, type, dims).
gguf() {
  python3 - "$@" <<'PY'
import struct, sys
def text(s):
  s = s if isinstance(s, bytes) else s.encode()
  return struct.pack("<Q", len(s)) + s
def value(v):
  if isinstance(v, bool): return struct.pack("<I?", 7, v)
  if isinstance(v, int): return struct.pack("<II", 4, v)
  if isinstance(v, float): return struct.pack("<If", 6, v)
  if isinstance(v, list):
    inner = [value(x) for x in v]
    return struct.pack("<I", 9) + inner[0][:4] + struct.pack("<Q", len(v)) + b"".join(x[4:] for x in inner)
  return struct.pack("<I", 8) + text(v)
keys, tensors = eval(sys.argv[2]), eval(sys.argv[3])
block = {0: (1, 4), 1: (1, 2), 10: (256, 84), 24: (1, 1)}
out, offset = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)), 0
for k, v in keys: out += text(k) + value(v)
for name, kind, dims in tensors:
  out += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
  out += struct.pack("<IQ", kind, offset)
  n = 1
  for d in dims: n *= d
  offset += (n // block[kind][0] * block[kind][1] + 31) // 32 * 32
out += bytes(-len(out) % 32) + bytes(offset)
open(sys.argv[1], "wb").write(out)
PY
}

gguf other.gguf '[("general.architecture", "mamba9"), ("mamba9.block_count", 4), ("mamba9.context_length", 1000),
  ("mamba9.attention.head_count", 8), ("mamba9.attention.head_count_kv", [0, 2, 0, 4]),
  ("mamba9.embedding_length", 256), ("general.license", "apache-2.0"), ("mamba9.feed_forward_length", 512),
  ("tokenizer.chat_template", "{{ \"<|im_start|>\" }}"), ("tokenizer.chat_template.tools", "x"),
  ("tokenizer.ggml.bos_token_id", 7)]' '[("a.weight", 10, [256, 4]), ("b.weight", 0, [256])]'
run other.gguf
tells "another architecture: succeeds" test "$status" = 0
for line in 'architecture +mamba9' 'runs +no: ' 'chat template +chatml, also "tools"' 'licence +apache-2\.0' \
  'special tokens +bos 7' 'parameters +1280' 'heads +8, 4 of keys and values at most' \
  'memory +at a context of 1000 positions, estimated'; do
  tells "another architecture: $line" grep -qE "^$line" out
done
run other.gguf --json
tells "another architecture: keys and values" json 'j["memory"]["kv_f16_bytes"] == 1000 * 2 * 64 * 6'
tells "another architecture: int8 with scales" json 'j["memory"]["kv_q8_bytes"] == 1000 * (64 * 6 + 2 * 4 * 6)'
tells "another architecture: working memory is not known" json 'j["memory"]["working_bytes"] is None'

# One of two layers has a window of 64 positions, of which it keeps 2 pages, 8 more, and those of a pass.
gguf windows.gguf '[("general.architecture", "gemma2"), ("gemma2.block_count", 2), ("gemma2.context_length", 8192),
  ("gemma2.embedding_length", 32), ("gemma2.feed_forward_length", 32), ("gemma2.attention.head_count", 2),
  ("gemma2.attention.head_count_kv", 1), ("gemma2.attention.layer_norm_rms_epsilon", 1e-6),
  ("gemma2.attention.sliding_window", 64), ("tokenizer.ggml.model", "llama"),
  ("tokenizer.ggml.tokens", ["<unk>", "<s>", "</s>", "a"]), ("tokenizer.ggml.scores", [0.0, 0.0, 0.0, 0.0])]' '[
  ("token_embd.weight", 0, [32, 4]), ("output_norm.weight", 0, [32])] + [(f"blk.{i}.{name}.weight", 0, dims)
  for i in (0, 1) for name, dims in [("attn_q", [32, 32]), ("attn_k", [32, 16]), ("attn_v", [32, 16]),
  ("attn_output", [32, 32]), ("ffn_gate", [32, 32]), ("ffn_up", [32, 32]), ("ffn_down", [32, 32])] +
  [(norm, [32]) for norm in ("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")]]'
run windows.gguf --json
tells "windows: succeeds" test "$status" = 0
tells "windows: pages beyond them are not counted" \
  json 'j["memory"]["kv_f16_bytes"] == (256 + 2 + 8 + 6) * 32 * 2 * 16 * 2 + 2 * 256 * 8'

gguf vocabulary.gguf '[("general.architecture", "llama"), ("tokenizer.ggml.model", "gpt2"),
  ("tokenizer.ggml.pre", "qwen2"), ("tokenizer.ggml.tokens", ["a", "b"])]' '[]'
run vocabulary.gguf
tells "a vocabulary alone: succeeds" test "$status" = 0
tells "a vocabulary alone: the tokenizer" grep -qE '^tokenizer +gpt2, pre qwen2, 2 tokens$' out
tells "a vocabulary alone: no memory" no grep -q '^memory' out

# Text from a file must not control the terminal.
gguf hostile.gguf '[("general.architecture", "x\x1b[2J"), ("general.name", b"\x1b]0;t\x07\xff\xc2\x9b1m\n\\"),
  ("k\x1b[31m", ["\x07\u202e", "b"]), ("general.license", "\x7f" * 9999), ("x\x1b[2J.block_count", 4294967295),
  ("x\x1b[2J.attention.head_count", 4294967295), ("x\x1b[2J.context_length", 4294967295),
  ("x\x1b[2J.embedding_length", 4294967295), ("tokenizer.ggml.\x1bc_token_id", 1)]' \
  '[("t\x1b[1m", 0, [8]), ("\xe2", 1, [1, 1, 1, 1])]'
for options in "--metadata --tensors" "--metadata --tensors --all" "--json --metadata --tensors --all"; do
  # shellcheck disable=SC2086 # words
  run hostile.gguf $options
  tells "hostile texts, $options: succeeds" test "$status" = 0
  tells "hostile texts, $options: no control character" no grep -qaP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' out
  [[ $options != --json* ]] || tells "hostile texts: JSON" json 'j["licence"] == 9999 * "\x7f" and
    j["name"] == "\x1b]0;t\x07\ufffd\x9b1m\n\\" and m["k\x1b[31m"]["value"][0] == "\x07\u202e"'
  tells "hostile texts, $options: no odd line" test "$(grep -cv '^[ a-z{}"]*' out)" = 0
done

# A file truncated anywhere, or with damaged bytes, gives an exit code, not a signal.
bad=0
for n in 0 1 3 4 8 20 24 30 60 100 200 300 400 500; do
  head -c $n hostile.gguf >cut.gguf
  run cut.gguf --tensors --metadata
  ((status <= 1)) || bad=$((bad + 1))
  cp hostile.gguf damaged
  printf '\377\377\377' | dd of=damaged bs=1 seek="$n" conv=notrunc status=none
  run damaged --tensors --metadata
  ((status <= 1)) || bad=$((bad + 1))
done
tells "damaged files: exit code 0 or 1" test "$bad" = 0

# --- Refusals -------------------------------------------------------------------------------------------

printf '<!DOCTYPE html><html></html>' >page
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n' >pointer
refuses 1 'empty: the file is empty' empty
refuses 1 'page.*web page' page
refuses 1 'cli_test\.sh.*a text file' "$here/clamma_info_cli_test.sh"
refuses 1 'clamma-info: .*clamma-info: .*a program or a library' "$clamma_info"
refuses 1 'pointer.*Git LFS pointer' pointer
refuses 1 'none.*No such file' none
refuses 1 'cut short' cut.gguf
refuses 1 'not a regular file' .
refuses 2 'nope' model.gguf --nope
refuses 2 '--context: .*16777217 not in range' model.gguf --context 16777217
refuses 2 '--context: .*99999999999 not in range' model.gguf --context 99999999999
refuses 2 '--sessions: 0 is too few' model.gguf --sessions 0
refuses 2 '--sessions: 0 is too few' none --sessions 00
refuses 2 '--sessions: x is not a whole number' model.gguf --sessions x

run --help
for flag in --help --version --tensors --metadata --all --json --context --sessions --threads; do
  tells "--help mentions $flag" grep -qE -- "(^|[ ,])$flag([ ,=:]|\$)" out
done
command_line=("$clamma_info" model.gguf)
status=0
timeout 60 "${command_line[@]}" >/dev/full 2>err || status=$?
: >out
tells "full device: exit code 1" test "$status" = 1

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
