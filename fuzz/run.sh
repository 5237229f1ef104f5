#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz/run.sh BUILD SECONDS [FUZZER...]: runs the fuzzers in BUILD/bin (default: all), each for that
# many seconds. What they find new goes into BUILD/corpus/FUZZER, and an input that fails into BUILD. The
# seeds are this tree's, and the chat templates in the test data. Stops at the first failure, with
# its exit code.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"
(($# >= 2)) || die "usage: fuzz/run.sh BUILD SECONDS [FUZZER...]"
build=$1 seconds=$2
shift 2

# The options of each fuzzer.
declare -A options=(
  [gguf_fuzzer]="-dict=$root/fuzz/gguf.dict -max_len=4096 -timeout=10"
  [gguf_model_fuzzer]="-dict=$root/fuzz/gguf.dict -max_len=16384 -timeout=10"
  [grammar_fuzzer]="-dict=$root/fuzz/grammar.dict -max_len=1024 -timeout=20"
  [json_fuzzer]="-max_len=4096 -timeout=10"
  [json_schema_fuzzer]="-dict=$root/fuzz/json_schema.dict -max_len=2048 -timeout=25"
  [receipt_fuzzer]="-max_len=4096 -timeout=10"
  [template_fuzzer]="-dict=$root/fuzz/template.dict -max_len=4096 -timeout=10"
  [tokenizer_fuzzer]="-max_len=2048 -timeout=10"
)
(($# > 0)) || set -- "${!options[@]}"

# make_seeds FUZZER FOLDER
make_seeds() {
  case $1 in
    gguf_fuzzer | gguf_model_fuzzer) "$build/bin/make_gguf_corpus" "$2" ;;
    receipt_fuzzer) cp "$root"/tests/api/receipts/*.json "$2" ;;
    template_fuzzer)
      local data
      data=$(find_data "$root")
      [[ -z $data ]] || cp "$data"/templates/*.jinja "$2"
      ;;
  esac
}

for fuzzer in "$@"; do
  [[ -n ${options[$fuzzer]-} ]] || die "there is no fuzzer '$fuzzer'"
  corpus=$build/corpus/$fuzzer
  mkdir -p "$corpus"
  make_seeds "$fuzzer" "$corpus"
  say "$fuzzer"
  read -ra with <<<"${options[$fuzzer]}"
  "$build/bin/$fuzzer" "${with[@]}" -max_total_time="$seconds" -artifact_prefix="$build/" \
    -verbosity=0 -print_final_stats=1 "$corpus"
done
