#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds libclamma and lets a small model tell a story. Works on a fresh Debian 12.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
  cat <<'END'
Usage: ./try.sh [PROMPT]

Installs what the build needs, builds the library and clamma-gen in build/, fetches a
model of 1 MB if there is none, and continues PROMPT. Without PROMPT the model opens a
story of its own; an empty PROMPT ("") starts a text with nothing.

The model is taken from the first of these that has it: $CLAMMA_TEST_DATA (or models/ in
it), ../shared/models, models/, /var/lib/clamma-models; else it is downloaded to models/.
END
}

readonly checkpoint=stories260K.bin dictionary=tok512.bin
readonly checkpoint_sum=b0a507e7ad0f626624f17112325e66691f9076d622e1d3274d103d00299f2696
readonly dictionary_sum=037cb335abb25d1fa9e8ecae30ed2a3a8ace9302862ebcdc05d51a6bbb10c312
readonly published=https://huggingface.co/karpathy/tinyllamas/resolve/main/stories260K

# The folder that has the model, or nothing.
find_model() {
  local dir given=${CLAMMA_TEST_DATA:-}
  for dir in ${given:+"$given/models" "$given"} "$root/../shared/models" "$root/models" \
    /var/lib/clamma-models; do
    if [[ -r $dir/$checkpoint && -r $dir/$dictionary ]]; then
      if [[ $dir == "$root/../"* ]]; then dir=$(cd "$dir" && pwd); fi
      printf '%s' "$dir"
      return
    fi
  done
}

# download FILE SHA256: into models/, whole and verified or not at all.
download() {
  local file=$root/models/$1 sum
  [[ ! -e $file ]] || return 0
  say "Downloading $published/$1"
  curl --fail --location --progress-bar --connect-timeout 20 \
    --output "$file.part" "$published/$1" ||
    die "$1 could not be downloaded. Is there a network? You can also put the files" \
      "$checkpoint and $dictionary into $root/models yourself, and start again."
  sum=$(sha256sum "$file.part")
  if [[ ${sum%% *} != "$2" ]]; then
    rm -f "$file.part"
    die "$1 is not the published file: its sha256 is ${sum%% *}, and should be $2"
  fi
  mv "$file.part" "$file"
}

case ${1-} in
  --help | -h)
    usage
    exit
    ;;
esac
if (($# > 1)); then
  usage >&2
  die "one prompt is expected: put it in quotes"
fi

need_packages g++ cmake ninja-build libcli11-dev nlohmann-json3-dev libedit-dev libwebsockets-dev \
  pkg-config

log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "Building in build/ (the first time takes about a minute)"
cd "$root"
quietly "$log" cmake --preset default || die "the build could not be configured"
quietly "$log" cmake --build --preset default || die "the build failed"
cd "$OLDPWD"

models=$(find_model)
if [[ -z $models ]]; then
  need_packages curl ca-certificates
  mkdir -p "$root/models"
  download "$checkpoint" "$checkpoint_sum"
  download "$dictionary" "$dictionary_sum"
  models=$root/models
fi

# Shorter where the user stands at the top of the tree.
command=(build/bin/clamma-gen "${models#"$root/"}/$checkpoint" -z "${models#"$root/"}/$dictionary")
[[ $PWD -ef $root ]] || command=("$root/build/bin/clamma-gen" "$models/$checkpoint" -z "$models/$dictionary")
(($# == 0)) || command+=(-i "$1")
say "Telling a story with $models/$checkpoint"
"${command[@]}"

say "Go on by yourself (--help lists the options):"
line=
for word in "${command[@]}"; do
  if [[ $word =~ ^[A-Za-z0-9_./-]+$ ]]; then line+=" $word"; else line+=" ${word@Q}"; fi
done
printf '%s\n' "${line# }"
