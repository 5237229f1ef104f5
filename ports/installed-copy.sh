#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs libclamma into the system, static and then shared, and uses it as a new user would: a C
# program, built by pkg-config and by find_package(), must generate the golden text. It writes to
# /usr/local, so it is for disposable machines; see fresh-machine.sh. (tests/ports/install_test.sh
# does the same in its own folders.)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
shared=$root/../shared
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$root/examples/minimal.c" "$work/"
cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(story LANGUAGES C)
find_package(clamma REQUIRED)
add_executable(story minimal.c)
target_link_libraries(story PRIVATE clamma::clamma)
END

# generates PROGRAM: whether its output begins with the golden text.
generates() {
  local golden=$shared/golden/float-greedy-bos.txt size
  size=$(($(wc -c <"$golden") - 1)) # the file's last newline is not part of the text
  "$1" "$shared/models/stories260K.bin" "$shared/models/tok512.bin" "" >"$work/out"
  cmp <(head -c "$size" "$golden") <(head -c "$size" "$work/out")
}

cd "$work"
for shared_libs in OFF ON; do
  cmake --fresh -G Ninja -S "$root" -B "build-$shared_libs" -D BUILD_SHARED_LIBS=$shared_libs \
    -D LIBCLAMMA_THREADING=PTHREADS -D LIBCLAMMA_BUILD_APPS=OFF
  cmake --build "build-$shared_libs" -j "$(nproc)"
  cmake --install "build-$shared_libs"
  ldconfig
  # shellcheck disable=SC2046 # several options
  gcc minimal.c $(pkg-config --cflags --libs clamma) -o by-pkg-config
  generates ./by-pkg-config
  cmake --fresh -G Ninja -S . -B story && cmake --build story
  generates story/story
  if [[ $shared_libs == ON ]]; then
    ldd story/story | grep -F libclamma.so
    ldd ./by-pkg-config | grep -F libclamma.so
  fi
  xargs rm <"build-$shared_libs/install_manifest.txt"
  echo "ok: $([[ $shared_libs == ON ]] && echo shared || echo static), by pkg-config and by find_package()"
done
