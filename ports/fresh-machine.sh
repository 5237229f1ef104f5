#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the README's two commands, and its instructions for installing, on a fresh Debian 12; see
# usage().
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

usage() {
  cat <<'END'
Usage: ports/fresh-machine.sh [--quick | --full] [--keep] [STAGE...]

Makes a minimal Debian 12 in a temporary folder (by debootstrap, about 200 MB, which grow to
some 4 GB), clones the last commit of this tree into it, and runs there, as root, with only
Debian's minimal system:

  ./try.sh                     a story
  the installed copy           cmake --install, static and shared; examples/minimal.c built
                               by pkg-config and by find_package() generates the golden text
  ./test.sh                    or the stages that are named, or none with --quick; with
                               --full, then all other stages

It fails if the scripts forget to install a package. The test data is this machine's
($CLAMMA_TEST_DATA, else ../shared). The network settings (name servers, certificates, PIP_*
variables, apt's transfer settings) are copied as well.

Needs root, a Linux that allows mounts, and debootstrap, which it installs. --keep leaves the
folder, which is in TMPDIR. Exit code: 0 if all succeed.
END
}

quick=no full=no keep=no stages=()
for argument in "$@"; do
  case $argument in
    --quick) quick=yes ;;
    --full) full=yes ;;
    --keep) keep=yes ;;
    --help | -h)
      usage
      exit
      ;;
    -*)
      usage >&2
      die "there is no option '$argument'"
      ;;
    *) stages+=("$argument") ;;
  esac
done
((EUID == 0)) || die "only root can make a system in a folder"

data=$(find_data "$root")
[[ -n $data ]] || die "the models and golden texts are not in ${CLAMMA_TEST_DATA:-$root/../shared}"

need_packages debootstrap git
work=$(mktemp -d "${TMPDIR:-/tmp}/fresh-machine.XXXXXX")
fresh=$work/debian
finish() {
  if [[ $keep == yes ]]; then
    say "left in $work"
  else
    rm -rf --one-file-system "$work"
  fi
}
trap finish EXIT

# --- The machine ----------------------------------------------------------------------------------

# take_over FILE: copies a file of this machine to the same place on the new one.
take_over() {
  [[ -r $1 && -f $1 ]] || return 0
  mkdir -p "$fresh/$(dirname "$1")"
  cp --dereference "$1" "$fresh/$1"
}

make_machine() {
  local sources=/etc/apt/sources.list.d/debian.sources mirror
  mirror=$(sed -nE 's/^URIs: *([^ ]*debian)$/\1/p' "$sources" 2>/dev/null | head -n 1)
  debootstrap --variant=minbase bookworm "$fresh" ${mirror:+"$mirror"}
  local file
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf "$sources"; do take_over "$file"; done
  grep -l 'Acquire::' /etc/apt/apt.conf.d/* | while read -r file; do take_over "$file"; done
  take_over /etc/ssl/certs/ca-certificates.crt
  # Installing ca-certificates makes that file anew from these.
  for file in /usr/local/share/ca-certificates/*.crt; do take_over "$file"; done
  [[ ! -e $fresh/$sources ]] || rm -f "$fresh/etc/apt/sources.list"
}

# Takes over the variables that configure the network, and the files that they name.
network=()
find_network() {
  local name
  while read -r name; do
    network+=("$name=${!name}")
    if [[ ${!name} == /* ]]; then take_over "${!name}"; fi
  done < <(compgen -e | grep -E '^(PIP_.*|.*_(proxy|PROXY)|SSL_CERT_.*|.*_CA_BUNDLE)$')
}

# inside COMMAND...: runs it on the new machine, in a namespace that ends with all of its processes.
inside() {
  # shellcheck disable=SC2016 # expanded by the shell inside
  unshare --mount --pid --fork --kill-child -- bash -c '
    set -e
    fresh=$1
    shift
    mount -t proc proc "$fresh/proc"
    mount -t sysfs sysfs "$fresh/sys"
    mount --rbind /dev "$fresh/dev"
    mount -t tmpfs tmpfs "$fresh/dev/shm"
    exec chroot "$fresh" "$@"' bash "$fresh" \
    /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${network[@]}" "$@"
}

# --- What is done there ---------------------------------------------------------------------------

# step NAME COMMAND...: runs a step, for one line of the result. The first failure ends the script.
step() {
  local name=$1 start=$SECONDS
  shift
  say "$name"
  "$@" || die "$name: failed after $((SECONDS - start)) s"
  results+=("$name: passed in $((SECONDS - start)) s")
}
results=()

in_tree() { inside bash -c 'cd /home/libclamma && exec "$@"' bash "$@"; }

step "a minimal Debian 12" make_machine
find_network
git clone --quiet --no-hardlinks "$root" "$fresh/home/libclamma"
mkdir -p "$fresh/home/shared"
cp -rL "$data/models" "$data/golden" "$fresh/home/shared/"
step "./try.sh" in_tree ./try.sh
step "the installed copy" in_tree ports/installed-copy.sh
if [[ $quick == no ]]; then
  step "./test.sh${stages[*]:+ ${stages[*]}}" in_tree ./test.sh "${stages[@]}"
  if [[ $full == yes ]]; then # except this stage itself
    mapfile -t stages < <("$root/test.sh" --list | sed 's/ .*//' | grep -vxE 'release|fresh-machine')
    step "./test.sh ${stages[*]}" in_tree ./test.sh "${stages[@]}"
  fi
fi
say "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$fresh/etc/os-release")," \
  "commit $(git -C "$fresh/home/libclamma" rev-parse --short HEAD), $(date +%F)"
printf '   %s\n' "${results[@]}"
