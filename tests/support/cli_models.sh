# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The models for the tests of command lines. Source it before cli_checks.sh. The caller sets
# `source_dir`. Sets `data`, the folder of models and golden texts, and the paths of the checkpoint
# `float` and its `dictionary`. Ends the test with exit code 77 if they are missing.

# shellcheck source=scripts/common.sh
source "${source_dir:?}/scripts/common.sh"
data=$(find_data "$source_dir")
[[ -n $data ]] || {
  echo "skipped: the models are missing"
  exit 77
}
data=$(realpath "$data")
# shellcheck disable=SC2034 # for the caller
float=$data/models/stories260K.bin
# shellcheck disable=SC2034
dictionary=$data/models/tok512.bin

# The default model (clamma-get default), if it is there: $CLAMMA_TEST_CHAT_MODEL, or in the cache.
# shellcheck disable=SC2034
chat_model=${CLAMMA_TEST_CHAT_MODEL:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/clamma/SmolLM2-135M-Instruct.Q4_1.gguf}
[[ -e $chat_model ]] || chat_model=

# little_endian N: prints the 4 bytes of an int32.
little_endian() {
  local n=$1
  printf '%b' "$(printf '\\x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24 & 255)))"
}

# make_babbler FILE CONTEXT: writes a model that generates "a" without end, so that a test can send
# signals. It is a version 1 checkpoint of one layer with dim and hidden 8 and one head. Only four weights
# are not 0: the final norm, and the embeddings of BOS, "]" and "a" (byte token 100), of which that of "a"
# is the largest.
make_babbler() {
  local file=$1 context=$2 number
  {
    little_endian $((0x616b3432))
    for number in 1 8 8 1 1 1 512 "$context"; do little_endian "$number"; done
    printf '\001' # the classifier is tied to the embedding
  } >"$file"
  local norms=$((8 + 8 + 8)) embeddings=$((512 * 8)) matrices=$((7 * 8 * 8))
  truncate -s $((256 + 4 * (norms + embeddings + matrices))) "$file"
  local one='\x00\x00\x80\x3f' two='\x00\x00\x00\x40'
  poke() { printf '%b' "$2" | dd of="$file" bs=1 seek=$((256 + 4 * $1)) conv=notrunc status=none; }
  poke 16 "$one"                 # final norm
  poke $((24 + 8 * 1)) "$one"    # BOS
  poke $((24 + 8 * 509)) "$one"   # "]", with which a chat's prompt ends
  poke $((24 + 8 * 100)) "$two"  # "a"
}
