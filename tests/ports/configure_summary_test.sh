#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# configure_summary_test.sh CMAKE SOURCE_DIR: tests the summary at the end of configuring: what is built,
# what is left out, and why. Prints a line for each check. Exit code: 0 if all checks succeed.
set -uo pipefail

program=$1
source_dir=$(realpath "$2")
seconds=300
# shellcheck source=tests/support/cli_checks.sh
source "$source_dir/tests/support/cli_checks.sh"

# configure OPTION...: configures, and writes the summary to the file `summary`.
configure() {
  run -S "$source_dir" -B build "$@"
  sed -n '/^-- libclamma /,/^-- /p' out | grep -vE '^-- Configuring' >summary
}

# No options, and no packages, as on a new machine.
configure -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON
tells "the plain build configures" test "$status" = 0
tells "the version" grep -qE '^-- libclamma 1\.[0-9]+\.[0-9]+$' summary
tells "what kind of library" grep -qxF '  library       static, Release' summary
tells "threads OFF is said, and how to have them" \
  grep -qxF '  threads       OFF: one core computes; LIBCLAMMA_THREADING=PTHREADS uses all of them' summary
tells "what else is built" grep -qxF '  apps          clamma-selftest' summary
missing='clamma-gen, clamma-gen-multi, clamma-chat, clamma-bench, clamma-info, clamma-quantize, '
missing+='clamma-verify, clamma-get, clamma-ws-demo, clamma-server'
tells "apps that are left out, and why" \
  grep -qxF "  left out      $missing: CLI11 and nlohmann-json are not found" summary
tells "tests are off" grep -qxF '  tests         OFF: LIBCLAMMA_BUILD_TESTS=ON builds them' summary

rm -rf build
configure -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON
tells "the package that is missing is named alone" \
  grep -qxF "  left out      $missing: CLI11 is not found" summary

rm -rf build
configure -DLIBCLAMMA_BUILD_APPS=OFF -DLIBCLAMMA_THREADING=PTHREADS -DBUILD_SHARED_LIBS=ON
tells "apps that are switched off" grep -qxF "  left out      $missing: LIBCLAMMA_BUILD_APPS is OFF" summary
tells "threads" grep -qxF '  threads       PTHREADS, up to 16' summary
tells "a shared library" grep -qxF '  library       shared, Release' summary

configure -DLIBCLAMMA_WITH_GRAMMAR=OFF
tells "a feature that is switched off" grep -qxF '  grammar       OFF' summary
tells "a feature that is there" grep -qxF '  prefix cache  ON' summary
configure -DLIBCLAMMA_WITH_GRAMMAR=ON -DLIBCLAMMA_FORMATS=NONE
tells "features without GGUF, and why they are off" \
  test "$(grep -cE '^  (grammar|prefix cache|speculation) +OFF: needs GGUF$' summary)" = 3

rm -rf build
configure -DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON -DLIBCLAMMA_THREADING=PTHREADS
tells "apps that can be built" grep -qE '^  apps +clamma-gen, clamma-gen-multi, clamma-chat, ' summary
tells "without libcurl" grep -qxF '  left out      clamma-get: libcurl is not found' summary
tells "the web demo" grep -qxF '  left out      clamma-ws-demo: LIBCLAMMA_WITH_LWS is OFF' summary
tells "the server" grep -qxF '  left out      clamma-server: LIBCLAMMA_WITH_SERVER is OFF' summary

printf '%d checks, %d failed\n' "$checks" "$failures"
((failures == 0))
