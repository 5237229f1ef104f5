# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The code that the tests of command lines share, which source it. The caller sets `program`, and
# `seconds`, the time limit of a run. Each check prints a line and is counted. The working directory is
# an empty folder, which is removed at the end.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
touch empty
export XDG_CACHE_HOME=$work/cache # no models there

checks=0 failures=0
command_line=() status=0

# run ARGUMENT...: runs the program. Its output is then in `out` and `err`, its exit code in $status.
run() {
  command_line=("${program:?}" "$@")
  status=0
  timeout "${seconds:?}" "${command_line[@]}" >out 2>err </dev/null || status=$?
}

# verdict NAME RESULT: reports a check. RESULT is empty if it succeeded; otherwise it says what is wrong.
verdict() {
  checks=$((checks + 1))
  if [[ -z $2 ]]; then
    printf 'ok      %s\n' "$1"
    return
  fi
  failures=$((failures + 1))
  printf 'FAILED  %s: %s\n' "$1" "$2"
  printf '        command:%.400s\n' "$(printf ' %q' "${command_line[@]}")"
  printf '        exit code: %d\n' "$status"
  head -c 3000 out | cat -v | awk '{ print "        stdout: " $0 }'
  head -c 1000 err | cat -v | awk '{ print "        stderr: " $0 }'
}

# tells NAME COMMAND...: the check NAME succeeds if COMMAND does.
tells() {
  local name=$1
  shift
  if "$@"; then verdict "$name" ""; else verdict "$name" "not so: $*"; fi
}

# refuses CODE PATTERN ARGUMENT...: the program ends with exit code CODE, and prints only one line on
# stderr, which matches PATTERN.
refuses() {
  local code=$1 pattern=$2 name
  shift 2
  name="refuses:$(printf ' %.40s' "${@##*/}")"
  run "$@"
  if ((status != code)); then
    verdict "$name" "exit code $status, not $code"
  elif [[ -s out ]]; then
    verdict "$name" "something on stdout"
  elif (($(wc -l <err) != 1)); then
    verdict "$name" "$(wc -l <err) lines on stderr, not one"
  elif ! grep -qE -- "$pattern" err; then
    verdict "$name" "stderr does not match '$pattern'"
  else
    verdict "$name" ""
  fi
}
