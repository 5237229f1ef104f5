#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clamma_chat_screen_test.sh PROGRAM SOURCE_DIR: tests what clamma-chat leaves on the screen of a
# terminal: see clamma_chat_screen.py.
set -uo pipefail

program=$(realpath "$1")
source_dir=$(realpath "$2")
# shellcheck source=tests/support/cli_models.sh
source "$source_dir/tests/support/cli_models.sh"
# shellcheck source=tests/support/cli_checks.sh
source "$source_dir/tests/support/cli_checks.sh"

command_line=("$source_dir/tests/apps/clamma_chat_screen.py" "$program" "$float" "$dictionary")
"${command_line[@]}" >scenes 2>&1
status=$?
: >out
: >err
while read -r line; do tells "$line" test "${line%% *}" = ok; done <scenes
tells "all was seen" test "$status" = 0

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
