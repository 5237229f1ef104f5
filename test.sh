#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds libclamma and tests it, for this machine or in every way that we support; see usage().
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"
cd "$root"

usage() {
  cat <<'END'
Usage: ./test.sh                    the Release build and all its tests
       ./test.sh [--full] STAGE...  the stages that are named
       ./test.sh --full             all stages
       ./test.sh --list             what the stages are
       ./test.sh --help

Without arguments it shows that this build works on this machine: at most ten minutes on two
slow cores, with what it installs (compiler, CMake, libraries of the apps, GoogleTest).
Further stages install what they need: cross compilers, QEMU, Wine, a browser, PyTorch.
Stages leave out what takes long and says little more there (sweeps under an emulator or a
sanitizer; clang-tidy of sources that are not new); --full leaves out nothing, and takes hours
for all stages. Two run at a time.

Shows the log of a stage that fails, goes on with the others, and ends with one line:
N passed, N failed, N skipped (tests that ctest ran, and one for each stage that is not made
of such tests). The exit code is 0 if none failed.
Logs are in build-logs/, builds in build-PRESET/.

Tests of real checkpoints look for them in $CLAMMA_TEST_DATA, else in ../shared.
$CCACHE_DIR keeps compiled objects, $CLAMMA_PYTHON_CACHE the Python packages of tests; the
defaults are build-ccache and build-python in the tree.
END
}

jobs=$(nproc)
logs=$root/build-logs
chosen=() full=no
# shellcheck source=scripts/stages.sh
source "$root/scripts/stages.sh"

# --- Running them -----------------------------------------------------------------------------------

# For use inside a stage: skip WHY ends it as skipped; say_more adds to its closing line.
skip() {
  printf '%s' "$*" >"$logs/$stage.skipped"
  exit 0
}
say_more() { printf ', %s' "$*" >>"$logs/$stage.more"; }

passed=0 failed=0 skipped_names=()

# Adds the tests that ctest ran in a stage to the counts: count_tests LOG; fails if there are none.
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
  # A stage that failed although each of its tests passed has failed by something else.
  ((bad > 0))
}

# Two stages at a time: most of them leave a core idle now and then, or wait for something.
readonly at_once=2
declare -A running=() started=() # the stage of a process, and when a stage began

# install_packages PACKAGE...: as need_packages, for one at a time. Ctrl-C does not end it, as apt-get
# would leave packages behind that are half installed.
install_packages() {
  (($# > 0)) || return 0
  (
    trap '' INT TERM
    alone packages need_packages "$@"
  )
}

# start_stage NAME WHAT: in the background, where set -e holds; in an || list it would be ignored.
start_stage() {
  local stage=$1
  rm -f "$logs/$stage".*
  say "$stage: $2"
  started[$stage]=$SECONDS
  (
    set -e
    local packages
    mapfile -t packages < <(packages_of "$stage" | tr ' ' '\n')
    install_packages "${packages[@]}" # they are there already, or soon
    "stage_$stage"
  ) >"$logs/$stage.log" 2>&1 </dev/null &
  running[$!]=$stage
}

# Waits for one of the stages that are running.
await_stage() {
  local process status=0
  wait -n -p process "${!running[@]}" || status=$?
  tell_result "${running[$process]}" "$status"
  unset "running[$process]"
}

# tell_result STAGE EXIT_CODE: adds it to the counts, and prints how it went.
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
      echo "... (the whole of it: $log)"
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
      # By no pipe: grep -q ends at the first match, and who still writes into one fails by that.
      grep -q "^$argument:" <<<"$(printf '%s\n' "${stages[@]}")" ||
        die "there is no stage '$argument'; ./test.sh --list shows them"
      chosen+=("$argument")
      ;;
  esac
done
if ((${#chosen[@]} == 0)) && [[ $full == no ]]; then chosen=(release); fi

# is_chosen STAGE: whether it is to run.
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
# Whoever is in the background does not hear Ctrl-C.
trap 'trap - INT; kill 0' INT
if ((EUID == 0)) && command -v apt-get >/dev/null; then
  install_packages "${packages[@]}" & # the first stages need none of them
else
  need_packages "${packages[@]}" # as sudo may ask for a password, or somebody must install them
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
say "all of it in $SECONDS s"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "${#skipped_names[@]}" |
  tee "$logs/result"
((failed == 0))
