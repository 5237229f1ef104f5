#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# install_test.sh SOURCE_DIR: tests libclamma as a dependency of other projects. Builds it in a
# temporary folder in SOURCE_DIR, and installs it there, static and shared. Builds other projects with
# each installed copy: the apps and the examples with find_package(), the examples also with pkg-config;
# and a project that includes it by add_subdirectory(). Runs all programs if the model is there (see
# test_data.h). Prints a line for each check. Exit code: 0 if all checks succeed. Removes the folder.
set -euo pipefail

(($# == 1)) || {
  echo "usage: $0 SOURCE_DIR" >&2
  exit 2
}
source_dir=$(realpath "$1")
# shellcheck source=scripts/common.sh
source "$source_dir/scripts/common.sh"
work=$(mktemp -d "$source_dir/build-install.XXXXXX") # for the library's build, too
trap 'rm -rf "$work"' EXIT

data=$(find_data "$source_dir")
checkpoint=$data/models/stories260K.bin
dictionary=$data/models/tok512.bin
runnable=yes
[[ -n $data ]] || {
  runnable=no
  echo "skipped: running what was built, as the models are missing"
}

# must NAME COMMAND...: the check NAME succeeds if COMMAND does. The first failure ends the test.
must() {
  local name=$1
  shift
  if ! "$@" >"$work/log" 2>&1 </dev/null; then
    printf 'FAILED  %s\n        command:%s\n' "$name" "$(printf ' %q' "$@")"
    cat "$work/log"
    exit 1
  fi
  printf 'ok      %s\n' "$name"
}

# begins_with GOLDEN COMMAND...: the output of COMMAND begins with the golden text.
begins_with() {
  local golden=$data/golden/$1.txt size
  shift
  size=$(($(wc -c <"$golden") - 1)) # the file's last newline is not part of the text
  "$@" >"$work/out" && cmp <(head -c "$size" "$golden") <(head -c "$size" "$work/out")
}

# prints PATTERN COMMAND...: COMMAND succeeds, and a line of its output matches PATTERN.
prints() {
  local pattern=$1
  shift
  if "$@" >"$work/out" 2>&1 && grep -qE -- "$pattern" "$work/out"; then return; fi
  cat "$work/out"
  return 1
}

# fails COMMAND...: COMMAND does not succeed.
fails() { ! "$@"; }

# is_static PROGRAM, is_shared PROGRAM: how libclamma is linked to it.
is_shared() { readelf -d "$1" | grep 'NEEDED.*libclamma'; }
is_static() { fails is_shared "$1"; }
needs_no_cxx() { fails grep -E 'NEEDED.*(libstdc|libc)\+\+' <(readelf -d "$1"); }

# has_pages FOLDER NAME...: the manual pages NAME.1 and those of the library are there, and no pages of
# other programs. Links lead to pages.
has_pages() {
  local man=$1/share/man page
  shift
  diff <(printf '%s.1\n' "$@" | sort) <(cd "$man/man1" && ls) || return
  ls "$man"/man3/{clamma,clamma-extra,clamma_txf_construct,clamma_session_save}.3 || return
  for page in "$man"/man3/*.3; do
    test -s "$man/$(sed -n '1s/^\.so //p' "$page")" || return
  done
}

# installs BUILD PREFIX NAME: installing BUILD to PREFIX gives the program NAME and its page.
installs() {
  cmake --install "$1" --prefix "$2" && test -x "$2/bin/$3" && test -s "$2/share/man/man1/$3.1"
}

# build_side_by_side BUILD...: builds projects of one or two sources at the same time.
build_side_by_side() { printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 1 cmake --build; }

# serves PROGRAM ARGUMENT...: prints its address, and ends with exit code 0 after a signal.
serves() {
  local url=$work/url pid tries status=0
  : >"$url"
  "$@" --port 0 >"$url" &
  pid=$!
  for ((tries = 0; tries < 300; ++tries)); do
    if [[ -s $url ]] || ! kill -0 $pid; then break; fi
    sleep 0.1
  done
  kill -TERM $pid
  wait $pid || status=$?
  echo "exit code $status"
  grep -E '^Serving http://127\.0\.0\.1:[0-9]+/$' "$url" && ((status == 0))
}

apps=(clamma-gen clamma-gen-multi clamma-chat clamma-bench clamma-get clamma-verify clamma-ws-demo
  clamma-server)

# A small project that uses the installed library.
outside=$work/outside
mkdir -p "$outside"
cp "$source_dir/examples/minimal.c" "$source_dir/examples/wrapper.cc" "$outside"
cat >"$outside/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(outside LANGUAGES C)
find_package(clamma 1.0 REQUIRED)
add_executable(minimal minimal.c)
target_compile_options(minimal PRIVATE -std=c11 -Wall -Wextra -Wpedantic -Werror)
target_link_libraries(minimal PRIVATE clamma::clamma)
enable_language(CXX)
# The target's name in projects that were written for the original library.
add_executable(minimal-by-old-name minimal.c)
target_link_libraries(minimal-by-old-name clamma)
add_executable(wrapper wrapper.cc)
target_compile_features(wrapper PRIVATE cxx_std_20)
target_compile_options(wrapper PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
target_link_libraries(wrapper PRIVATE clamma::clamma)
END

# A project that requires a version of the library.
mkdir -p "$work/version"
cat >"$work/version/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(version LANGUAGES C)
find_package(clamma ${WANTED} REQUIRED)
message(STATUS "found ${clamma_VERSION}")
END

# finds_version PREFIX VERSION: find_package() of that version finds the library in PREFIX.
finds_version() {
  cmake -G Ninja -S "$work/version" -B "$work/version/build-$2" -DCMAKE_PREFIX_PATH="$1" -DWANTED="$2"
}

# check_prefix KIND PREFIX: builds programs with the library in PREFIX, and runs them.
check_prefix() {
  local kind=$1 prefix=$2
  local out=$work/$kind link_flags=() cc=${CC:-cc} cxx=${CXX:-c++} app
  mkdir -p "$out"
  must "$kind: the headers are there" ls "$prefix"/include/{clamma.h,clamma-extra.h,clamma.hpp}

  must "$kind: the manual pages are there" \
    has_pages "$prefix" clamma-gen clamma-gen-multi clamma-chat clamma-bench clamma-get clamma-info \
    clamma-quantize clamma-selftest clamma-verify
  must "$kind: clamma-selftest is there, and all holds" "$prefix/bin/clamma-selftest"

  for app in "${apps[@]}"; do
    must "$kind: $app configures as a project of its own" \
      cmake -G Ninja -S "$source_dir/apps/$app" -B "$out/$app" -DCMAKE_PREFIX_PATH="$prefix"
  done
  must "$kind: the apps build" build_side_by_side "${apps[@]/#/$out/}"
  for app in "${apps[@]}"; do
    must "$kind: $app and its manual page install" installs "$out/$app" "$out/prefix" "$app"
  done
  must "$kind: find_package(clamma 1.0) finds it" finds_version "$prefix" 1.0
  must "$kind: find_package(clamma 1) finds it" finds_version "$prefix" 1
  must "$kind: find_package(clamma 2.0) does not" fails finds_version "$prefix" 2.0
  must "$kind: a project of the examples configures" \
    cmake -G Ninja -S "$outside" -B "$out/examples" -DCMAKE_PREFIX_PATH="$prefix"
  must "$kind: the examples build" cmake --build "$out/examples"

  local pc libdir
  pc=$(find "$prefix" -name clamma.pc)
  must "$kind: clamma.pc is there" test -n "$pc"
  export PKG_CONFIG_PATH=${pc%/*}
  libdir=$(pkg-config --variable=libdir clamma)
  [[ $kind == shared ]] || link_flags=(--static)
  local flags
  read -ra flags <<<"$(pkg-config --cflags --libs "${link_flags[@]}" clamma)"
  must "$kind: the C example builds with pkg-config" \
    "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror "$outside/minimal.c" "${flags[@]}" -o "$out/minimal"
  must "$kind: so does the one in C++" \
    "$cxx" -std=c++20 -Wall -Wextra -Werror "$outside/wrapper.cc" "${flags[@]}" -o "$out/wrapper"

  local gen=$out/clamma-gen/clamma-gen multi=$out/clamma-gen-multi/clamma-gen-multi program
  local programs=()
  for app in "${apps[@]}"; do programs+=("$out/$app/$app"); done
  export LD_LIBRARY_PATH=$libdir
  for program in "${programs[@]}" "$out"/{examples/,}{minimal,wrapper} \
    "$out/examples/minimal-by-old-name"; do
    must "$kind: ${program#"$out/"} is linked as it should be" "is_$kind" "$program"
  done
  must "$kind: a C program needs no C++ library" needs_no_cxx "$out/minimal"
  for program in "${programs[@]}"; do
    must "$kind: ${program##*/} --version" "$program" --version
  done
  [[ $runnable == yes ]] || return 0
  must "$kind: clamma-gen tells the known story" \
    begins_with seed-readme-transcript "$gen" "$checkpoint" -z "$dictionary" -s 1024
  must "$kind: clamma-gen-multi runs" \
    prints '^Total: ' "$multi" "$checkpoint" -z "$dictionary" -s 1024 -o "$out/texts"
  must "$kind: clamma-gen-multi tells the known story" \
    begins_with seed-readme-transcript cat "$out/texts/out0.txt"
  must "$kind: clamma-chat answers" \
    prints . "$out/clamma-chat/clamma-chat" "$checkpoint" -z "$dictionary" -q -t 0 -n 20 -i "Who is Lily?"
  must "$kind: clamma-ws-demo serves" \
    serves "$out/clamma-ws-demo/clamma-ws-demo" "$checkpoint" -z "$dictionary"
  # The server finds a vocabulary beside the checkpoint.
  mkdir -p "$out/model"
  cp "$checkpoint" "$out/model/stories260K.bin"
  cp "$dictionary" "$out/model/stories260K.tokenizer.bin"
  must "$kind: clamma-server serves" serves "$out/clamma-server/clamma-server" "$out/model/stories260K.bin"
  for program in "$out"/{examples/,}{minimal,wrapper}; do
    must "$kind: ${program#"$out/"} tells the known story" \
      begins_with float-greedy-bos "$program" "$checkpoint" "$dictionary" ""
  done
  must "$kind: minimal shows the prompt and what follows it" \
    begins_with float-prompt-greedy "$out/minimal" "$checkpoint" "$dictionary" "Once upon a time, Tom"
}

# check_lookup GEN: files are looked for in the working directory, then in the model directory.
check_lookup() {
  local gen=$1 here=$work/here
  mkdir -p "$work/models" "$here"
  cp "$checkpoint" "$work/models/stories260K.bin"
  cp "$dictionary" "$work/models/tok512.bin"
  cp "$dictionary" "$work/models/tokenizer.bin"
  cd "$here"
  must "lookup: the model directory" \
    begins_with seed-readme-transcript "$gen" stories260K.bin -z tok512.bin -s 1024
  must "lookup: tokenizer.bin is the default dictionary" \
    begins_with seed-readme-transcript "$gen" stories260K.bin -s 1024
  mkdir -p "$work/asked"
  cp "$checkpoint" "$work/asked/other.bin"
  must "lookup: CLAMMA_MODEL_DIR of the environment" \
    begins_with seed-readme-transcript env CLAMMA_MODEL_DIR="$work/asked" "$gen" other.bin -s 1024
  # A setuid program.
  if ((EUID == 0)) && [[ $(findmnt -n -o OPTIONS -T "$work") != *nosuid* ]]; then
    cp "$gen" "$work/asked/gen"
    chown nobody "$work/asked/gen"
    chmod u+s "$work/asked/gen"
    chmod a+rx "$work" "$work/asked" "$work/models" "$here"
    must "lookup: CLAMMA_MODEL_DIR does not count for a setuid program" \
      prints "neither here nor in $work/models\$" \
      fails env CLAMMA_MODEL_DIR="$work/asked" "$work/asked/gen" other.bin
  fi
  must "lookup: a missing file is not found, and both places are named" \
    prints "none.bin.*$work/models" fails "$gen" none.bin -z tok512.bin
  must "lookup: an absolute path is not looked for elsewhere" fails "$gen" /stories260K.bin -z tok512.bin
  echo "not a checkpoint" >stories260K.bin
  must "lookup: the working directory comes first" \
    prints "^clamma-gen: stories260K.bin: " fails "$gen" stories260K.bin -z tok512.bin
  cd "$work"
}

# check_subdirectory: libclamma inside another project, whose own settings must not change.
check_subdirectory() {
  local host=$work/host
  mkdir -p "$host"
  cp "$source_dir/examples/minimal.c" "$host"
  cat >"$host/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(host LANGUAGES C CXX)
add_subdirectory(${CLAMMA_SOURCE} clamma)
add_executable(minimal minimal.c)
target_link_libraries(minimal PRIVATE clamma::clamma)
if(CMAKE_BUILD_TYPE OR TARGET clamma-gen)
  message(FATAL_ERROR "build type '${CMAKE_BUILD_TYPE}', or apps that nobody asked for")
endif()
END
  must "subdirectory: the project configures" \
    cmake -G Ninja -S "$host" -B "$host/build" -DCLAMMA_SOURCE="$source_dir" \
    -DLIBCLAMMA_THREADING=PTHREADS
  must "subdirectory: its program builds" cmake --build "$host/build" --target minimal
  [[ $runnable == yes ]] || return 0
  must "subdirectory: the program tells the known story" \
    begins_with float-greedy-bos "$host/build/minimal" "$checkpoint" "$dictionary" ""
}

# Both kinds use one build folder, as their objects are the same and only linking differs.
configure=(cmake -G Ninja -S "$source_dir" -B "$work" -DCMAKE_BUILD_TYPE=Release
  -DLIBCLAMMA_THREADING=PTHREADS -DLIBCLAMMA_MODEL_DIR="$work/models")
for kind in static shared; do
  shared=OFF
  [[ $kind == static ]] || shared=ON
  must "$kind: libclamma configures" \
    "${configure[@]}" -DBUILD_SHARED_LIBS=$shared -DCMAKE_INSTALL_PREFIX="$work/$kind/libclamma"
  must "$kind: libclamma builds" cmake --build "$work"
  must "$kind: libclamma installs" cmake --install "$work"
  check_prefix "$kind" "$work/$kind/libclamma"
done
[[ $runnable == no ]] || check_lookup "$work/static/clamma-gen/clamma-gen"
check_subdirectory
echo "all hold"
