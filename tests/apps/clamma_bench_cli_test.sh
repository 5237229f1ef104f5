#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_bench_cli_test.sh CLAMMA_BENCH: tests the command line of clamma-bench, its output and its exit
# codes, but not its figures. Prints a line for each check. Exit code: 0 all checks succeed, 1 a check
# fails.
set -euo pipefail

(($# == 1)) || {
  echo "usage: $0 CLAMMA_BENCH" >&2
  exit 2
}
clamma_bench=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
chart=$(realpath "$here/../../bench/chart.py")

program=$clamma_bench seconds=120
# shellcheck source=tests/support/cli_checks.sh
source "$here/../support/cli_checks.sh"
mkdir tmp
export TMPDIR=$work/tmp

nothing_left() { [[ -z $(ls -A tmp) ]]; }

# is_report MODEL TYPE: checks that out is one JSON object about this model, with all figures greater
# than 0.
is_report() {
  python3 - out "$1" "$2" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
figures = """read_gbs int8_gops f32_gflops load_s ttft_s process_ttft_s prefill_tok_s prefill_fraction decode_tok_s
  decode_fraction batch4_tok_s batch8_tok_s batch16_tok_s batch4_fraction batch8_fraction
  batch16_fraction peak_rss_mb file_mb threads prompt_tokens""".split()
bad = [key for key in figures if not isinstance(report.get(key), (int, float)) or report[key] <= 0]
bad += [key for key in ("kernels", "cpu", "version") if not report.get(key)]
if [report["model"], report["type"]] != sys.argv[2:]:
  bad.append("model or type")
sys.exit("wrong: " + ", ".join(bad) if bad else 0)
END
}

# --- What it measures -------------------------------------------------------------------------------

small=(--shape stories260k --repeats 1)
for type in f32 q80; do
  run "${small[@]}" --type $type --json
  tells "$type: succeeds" test "$status" = 0
  tells "$type: a JSON object with all keys" is_report stories260k $type
  tells "$type: nothing on stderr" cmp empty err
  tells "$type: the model is gone" nothing_left
  mv out $type.json
done
python3 "$chart" f32.json q80.json >chart.svg
tells "the chart is XML" python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' chart.svg

run "${small[@]}" --type q80 --threads 1 --kv q8 --context 64 --prompt 20 --keep model.bin
tells "table: succeeds" test "$status" = 0
tells "table: nothing on stderr" cmp empty err
for row in 'memory read' 'int8 peak' 'float peak' 'load' 'first token of a process' 'prompt, 20 tokens' 'generation, 1 session' \
  'generation, 4 sessions' 'generation, 8 sessions' 'generation, 16 sessions' 'peak memory' \
  'model file'; do
  tells "table: $row" grep -q "^$row" out
done
tells "table: the header tells threads and shape" grep -q '1 thread,' out
tells "table: the context asked for" grep -q 'context 64' out
tells "--keep: the model is there" test -s model.bin
tells "--keep: so is its vocabulary" test -s model.bin.tok
tells "--keep: and nothing elsewhere" nothing_left

run "${small[@]}" --type q4_k_m --json -q
tells "GGUF: succeeds" test "$status" = 0
tells "GGUF: a JSON object with all keys" is_report stories260k q4_k_m
tells "GGUF: keys and values in f16" grep -q '"kv": "f16"' out
tells "GGUF: the model is gone" nothing_left
run --shape stories260k --type q8_0 --keep model.gguf --make-only
run model.gguf --repeats 1 --json -q
tells "a GGUF file of one's own: succeeds" test "$status" = 0
tells "a GGUF file of one's own: a JSON object" is_report model.gguf Q8_0
for type in gguf-f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4 q5_k_m; do
  run --shape stories15m --type $type --keep model.gguf --make-only
  tells "$type: is written" test "$status" = 0
  tells "$type: nothing on stdout" cmp empty out
  tells "$type: a GGUF file" grep -q '^GGUF' <(head -c 4 model.gguf)
  tells "$type: no vocabulary beside it" test ! -e model.gguf.tok
done

run model.bin -z model.bin.tok --repeats 1 --json -q
tells "a checkpoint of one's own: succeeds" test "$status" = 0
tells "a checkpoint of one's own: a JSON object" is_report model.bin q80

run --help
tells "--help succeeds" test "$status" = 0
tells "--help: nothing on stderr" cmp empty err
for flag in --help --version --shape --type -z --tokenizer -h --threads --context --prompt --repeats \
  --json --keep --make-only --kv -q --quiet; do
  tells "--help mentions $flag" grep -qE -- "(^|[ ,])$flag([ ,=:]|\$)" out
done
run --version
tells "--version" grep -qE '^clamma-bench [0-9]+\.[0-9]+\.[0-9]+$' out

# --- Refusals and their exit codes -------------------------------------------------------------------

refuses 2 'shape' --shape stories1t
refuses 2 'type' --type iq3_s
refuses 2 'kv' --kv f64
refuses 2 'repeats' --repeats 0
refuses 2 'repeats' --repeats x
refuses 2 'prompt' --prompt -5
refuses 2 'threads' -h x
refuses 2 'context' --context 1
refuses 2 'nope' --nope
refuses 2 'shape' model.bin --shape stories260k
refuses 1 'qwen3-0.6b must be of a type of GGUF files' --shape qwen3-0.6b --type q80
refuses 2 'keep' model.bin --keep other.bin
refuses 2 'keep' --make-only
refuses 2 'checkpoint' -z model.bin.tok
refuses 1 'none\.bin.*No such file' none.bin -z model.bin.tok
refuses 1 'none\.tok.*No such file' model.bin -z none.tok
refuses 1 'empty' empty -z model.bin.tok
refuses 1 'prompt of 5000 .*context of 512' "${small[@]}" --prompt 5000
refuses 1 'cannot write .*no/such: No such file' "${small[@]}" --keep no/such
mkfifo pipe
refuses 1 'cannot write .*pipe: ' "${small[@]}" --keep pipe
tells "what is no file is not removed" test -p pipe
tells "nothing is left of those" nothing_left

# A limit on the size of files stands for a full disk.
command_line=("$clamma_bench" --shape stories15m)
status=0
(
  trap '' XFSZ
  ulimit -f 1000
  exec "${command_line[@]}"
) >out 2>err || status=$?
tells "no room for the model: exit code 1" test "$status" = 1
tells "no room for the model: one message" grep -qxE 'clamma-bench: cannot write .*' err
tells "no room for the model: nothing is left" nothing_left

# --- Signals -----------------------------------------------------------------------------------------

# wait_for_file: waits until the model is being written.
wait_for_file() {
  local tries
  for ((tries = 0; tries < 1000; ++tries)); do
    nothing_left || return 0
    sleep 0.02
  done
  return 1
}

# A shell without job control starts background commands with SIGINT ignored; env restores it.
for delay in 0 2; do
  command_line=("$clamma_bench" --shape stories15m --repeats 1000)
  env --default-signal=INT "${command_line[@]}" >out 2>err &
  running=$!
  wait_for_file || true
  sleep $delay
  kill -INT "$running"
  status=0
  wait "$running" || status=$?
  tells "Ctrl-C after $delay s: exit code 130" test "$status" = 130
  tells "Ctrl-C after $delay s: nothing is left" nothing_left
  tells "Ctrl-C after $delay s: nothing on stderr" cmp empty err
done

command_line=("$clamma_bench" "${small[@]}")
status=0
timeout 120 "${command_line[@]}" >/dev/full 2>err || status=$?
: >out
tells "full device: exit code 3" test "$status" = 3
tells "full device: one message" grep -qxE 'clamma-bench: .*stdout.*' err

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
