#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and tests libclamma, for this machine or for all supported platforms; see usage().
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"
cd "$root"

usage() {
  cat <<'END'
Usage: ./test.sh                    the Release build and all its tests
       ./test.sh [--full] STAGE...  the named stages
       ./test.sh --full             all stages
       ./test.sh --list             list the stages
       ./test.sh --help

Without arguments it checks that this build works on this machine. This takes a quarter of an
hour on two slow cores, including the installation of packages (compiler, CMake, libraries
of the apps, GoogleTest). Other stages also install the packages that they need: cross
compilers, QEMU, Wine, a browser, PyTorch. Stages leave out tests that take long and add
little there (sweeps under an emulator or a sanitizer; clang-tidy of unchanged sources), or
take turns by the commit (two thirds of the tests under AddressSanitizer).
With --full they leave out nothing; all stages then take hours. Two stages run at a time.

If a stage fails, its log is shown and the others continue. The last line is:
N passed, N failed, N skipped (tests that ctest ran, and one for each stage without such
tests). The exit code is 0 if none failed.
Logs are in build-logs/, builds in build-PRESET/.

Tests with real checkpoints look for them in $CLAMMA_TEST_DATA, else in ../shared.
$CCACHE_DIR is the folder for compiled objects, $CLAMMA_PYTHON_CACHE that for the Python
packages of tests; the defaults are build-ccache and build-python in the tree.
END
}

jobs=$(nproc)
logs=$root/build-logs
chosen=() full=no
# shellcheck source=scripts/stages.sh
source "$root/scripts/stages.sh"

# --- Running the stages -----------------------------------------------------------------------------

# For use inside a stage: skip REASON ends it as skipped; say_more adds to its closing line.
skip() {
  printf '%s' "$*" >"$logs/$stage.skipped"
  exit 0
}
say_more() { printf ', %s' "$*" >>"$logs/$stage.more"; }

passed=0 failed=0 skipped_names=()

# count_tests LOG: adds the tests that ctest ran in a stage to the counts. Fails if there are none.
count_tests() {
  local lines good bad skips
  lines=$(grep -E '^ *[0-9]+/[0-9]+ Test +#[0-9]+: ' "$1") || return 1
  good=$(grep -cE ' Passed +[0-9.]+ sec$' <<<"$lines") || true
  skips=$(grep -E '\*\*\*(Skipped|Not Run \(Disabled\))' <<<"$lines" |
    sed -E 's/^.*#[0-9]+: ([^ ]+) .*/\1/') || true
  [[ -z $skips ]] || while read -r name; do skipped_names+=("$stage: $name"); done <<<"$skips"
  local n_skips=0
  [[ -z $skips ]] || n_skips=$(wc -l <<<"$skips")
  bad=$(($(wc -l <<<"$lines") - good - n_skips))
  passed=$((passed + good))
  failed=$((failed + bad))
  counts=" ($good passed, $bad failed, $n_skips skipped)"
  # If a stage failed although all its tests passed, something else has failed.
  ((bad > 0))
}

# Two stages at a time, because most of them leave a core idle at times, or wait for something.
readonly at_once=2
declare -A running=() started=() # process -> stage; stage -> when it began

# install_packages PACKAGE...: need_packages, one call at a time. Ctrl-C does not end it, because
# apt-get would leave half-installed packages behind.
install_packages() {
  (($# > 0)) || return 0
  (
    trap '' INT TERM
    alone packages need_packages "$@"
  )
}

# start_stage NAME DESCRIPTION: starts a stage in the background, where set -e works; in an || list it
# would be ignored.
start_stage() {
  local stage=$1
  rm -f "$logs/$stage".*
  say "$stage: $2"
  started[$stage]=$SECONDS
  (
    set -e
    local packages
    mapfile -t packages < <(packages_of "$stage" | tr ' ' '\n')
    install_packages "${packages[@]}" # they are installed already, or will be soon
    "stage_$stage"
  ) >"$logs/$stage.log" 2>&1 </dev/null &
  running[$!]=$stage
}

# Waits for one of the running stages.
await_stage() {
  local process status=0
  wait -n -p process "${!running[@]}" || status=$?
  tell_result "${running[$process]}" "$status"
  unset "running[$process]"
}

# tell_result STAGE EXIT_CODE: adds the result to the counts, and prints it.
tell_result() {
  local stage=$1 status=$2 log=$logs/$1.log result counts="" failing_test=no
  count_tests "$log" && failing_test=yes
  if [[ -e $logs/$stage.skipped ]]; then
    result="skipped: $(cat "$logs/$stage.skipped")"
    skipped_names+=("$stage: $(cat "$logs/$stage.skipped")")
  elif ((status == 0)); then
    result=passed
    [[ -n $counts ]] || passed=$((passed + 1))
  else
    result=FAILED
    [[ $failing_test == yes ]] || failed=$((failed + 1))
    if (($(wc -l <"$log") > 500)); then
      echo "... (the whole log: $log)"
    fi
    tail -n 500 "$log"
  fi
  local more=""
  [[ ! -e $logs/$stage.more ]] || more=$(cat "$logs/$stage.more")
  say "$stage: $result in $((SECONDS - started[$stage])) s$counts$more"
}

for argument in "$@"; do
  case $argument in
    --help | -h)
      usage
      exit
      ;;
    --full) full=yes ;;
    --list)
      for entry in "${stages[@]}"; do printf '%-13s %s\n' "${entry%%:*}" "${entry#*:}"; done
      exit
      ;;
    *)
      # Not with a pipe: grep -q ends at the first match, and then writing to the pipe fails.
      grep -q "^$argument:" <<<"$(printf '%s\n' "${stages[@]}")" ||
        die "there is no stage '$argument'; ./test.sh --list shows them"
      chosen+=("$argument")
      ;;
  esac
done
if ((${#chosen[@]} == 0)) && [[ $full == no ]]; then chosen=(release); fi

# is_chosen STAGE: whether to run the stage.
is_chosen() { ((${#chosen[@]} == 0)) || [[ " ${chosen[*]} " == *" $1 "* ]]; }

need_packages ccache g++ cmake ninja-build libcli11-dev nlohmann-json3-dev libedit-dev libgtest-dev \
  libwebsockets-dev libcurl4-openssl-dev binutils pkg-config python3 python3-numpy python3-pip mandoc
mkdir -p "$logs"
rm -f "$logs/result"
mapfile -t packages < <(
  for entry in "${stages[@]}"; do
    ! is_chosen "${entry%%:*}" || packages_of "${entry%%:*}"
  done | tr ' ' '\n' | sort -u
)
# Background processes ignore Ctrl-C.
trap 'trap - INT; kill 0' INT
if ((EUID == 0)) && command -v apt-get >/dev/null; then
  install_packages "${packages[@]}" & # the first stages do not need them
else
  need_packages "${packages[@]}" # sudo may ask for a password, or the user must install them
fi
for entry in "${stages[@]}"; do
  is_chosen "${entry%%:*}" || continue
  ((${#running[@]} < at_once)) || await_stage
  start_stage "${entry%%:*}" "${entry#*:}"
done
while ((${#running[@]} > 0)); do await_stage; done

if ((${#skipped_names[@]} > 0)); then
  say "Skipped:"
  printf '%s\n' "${skipped_names[@]}"
fi
say "total time: $SECONDS s"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "${#skipped_names[@]}" |
  tee "$logs/result"
((failed == 0))
