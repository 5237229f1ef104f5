#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the speed of libclamma, llama.cpp and ik_llama.cpp with one GGUF model, in turns.

  bench/peers.py --type q4_0 --shape tinyllama

Makes a model of random weights by clamma-bench, installs both peers (PyPI: xllamacpp and
ik-llama-cpp-python) into a separate environment, and measures the same figures of each engine, with
the same number of threads, and keys and values in f16: one session, a prompt, 8 and 16 sessions
together, and the first token of a process, with a prompt of 16 tokens and the file in memory. Each
turn runs every engine once, in a changing order. The table on stdout has the medians, and the
spread of the turns.

ik_llama.cpp runs twice: with the file as it is, and "repacked", with the weights rearranged as they
are loaded (its option -rtr, which does not map the file, hence the slow first token). Its fused
attention is on for one session and off for several, where it aborts. The peers do not sample;
libclamma does, as it does for users. A peer's first token does not include Python's start.

The Linux wheels of xllamacpp do not include AVX-512 and AMX. On a CPU with AVX-512, the llama.cpp
in its source package is therefore built for this CPU. This takes CMake, Ninja, Clang and some
minutes. (GCC before 14 omits part of the configuration of AMX, and the process ends.) --wheel skips
this.

Other load on the machine distorts the figures; if there is any, run it as
"chrt -f 10 bench/peers.py ...".

Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 130 interrupted.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from common import (HERE, Failure, cache_folder, cores, environment_python, find_program, install,
                    run, run_main, say)

PACKAGES = {"xllamacpp": "2026.10.11549", "ik-llama-cpp-python": "0.1.5"}
OURS = "libclamma"
PEERS = ("llama.cpp", "ik", "ik-repacked")
NAMES = {
    OURS: OURS,
    "llama.cpp": "llama.cpp",
    "ik": "ik_llama.cpp",
    "ik-repacked": "ik_llama.cpp, repacked"
}
FIGURES = {  # key: (label, key of clamma-bench)
    "sessions1": ("one session, tok/s", "decode_tok_s"),
    "prompt": ("prompt of {prompt}, tok/s", "prefill_tok_s"),
    "sessions8": ("8 sessions, tok/s", "batch8_tok_s"),
    "sessions16": ("16 sessions, tok/s", "batch16_tok_s"),
    "first": ("first token, ms", "process_ttft_s"),
}
BEHIND = 0.97  # a smaller ratio to the best peer counts as behind


def cpu_facts():
    """The CPU's name, and its flags."""
    name, flags = "", set()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "model name" and not name:
                    name = value.strip()
                if key.strip() == "flags":
                    flags.update(value.split())
    except OSError:
        pass
    return name, flags


def build_llama(python, folder, flags):
    """Builds llama.cpp's library for a CPU with these flags from the source package of
    xllamacpp, in the folder. The package's own build would include its server, and what that
    fetches."""
    name, version = "xllamacpp", PACKAGES["xllamacpp"]
    with tempfile.TemporaryDirectory(prefix="clamma-peers.") as place:
        run([
            python, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
            "--no-binary", name, "--dest", place, f"{name}=={version}"
        ], f"fetching the source of {name} {version}")
        archive = os.path.join(place, f"{name}-{version}.tar.gz")
        shutil.unpack_archive(archive, place)
        source = os.path.join(place, f"{name}-{version}", "thirdparty", "llama.cpp")
        parts = ("COMMON", "TESTS", "TOOLS", "EXAMPLES", "SERVER", "APP")
        # Clang before 16 defines other macros for the tile unit.
        amx = " ".join(f"-D__{flag.upper()}__=1" for flag in ("amx_tile", "amx_int8")
                       if flag in flags)
        run([
            "cmake", "-S", source, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++", f"-DCMAKE_C_FLAGS={amx}",
            f"-DCMAKE_CXX_FLAGS={amx}", "-DGGML_NATIVE=ON"
        ] + [f"-DLLAMA_BUILD_{part}=OFF" for part in parts], "configuring llama.cpp")
        run(["cmake", "--build", folder, "--target", "llama"], "building llama.cpp")


def peers_python(folder, flags, wheel):
    """The Python of the environment with the peers. Makes the environment if it does not exist."""
    from_source = "avx512f" in flags and not wheel
    folder = os.path.join(folder, "native" if from_source else "wheels")

    def install_one(python, name, version):
        if name == "xllamacpp" and from_source:
            say("building llama.cpp from source for this CPU; --wheel would take the wheel")
            build_llama(python, os.path.join(folder, "llama.cpp"), flags)
        else:
            install(python, name, version)

    return environment_python(folder, PACKAGES, install_one)


def measure_ours(bench, model, options):
    command = [
        bench, model, "--json", "-q", "--repeats", "1", "--kv", "f16", "--threads",
        str(options.threads), "--prompt",
        str(options.prompt)
    ]
    report = json.loads(run(command, "clamma-bench"))
    result = {figure: report[key] for figure, (_, key) in FIGURES.items()}
    result["features"] = f"kernels {report['kernels']}, {report['version']}"
    return result


def measure_peer(python, engine, model, options):
    environment = dict(os.environ, GGML_NO_BACKTRACE="1")
    result = {}
    for what in ("speed", "first"):
        command = [
            python,
            os.path.join(HERE, "peers_worker.py"), engine, model,
            str(options.threads),
            str(options.prompt), what
        ]
        result.update(json.loads(run(command, f"{NAMES[engine]} ({what})", environment)))
    return result


def ratio(figure, ours, peer):
    """How many times as fast as the peer ours is."""
    return peer / ours if figure == "first" else ours / peer


def number(figure, value):
    if figure == "first":
        return f"{1000 * value:.0f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def table(samples, options):
    """The Markdown table of the medians and the turns' spread."""
    engines = [engine for engine in (OURS, ) + PEERS if samples.get(engine)]
    peers = [engine for engine in engines if engine != OURS]
    compare = OURS in engines and peers
    medians = {
        engine: {
            figure: statistics.median(turn[figure] for turn in samples[engine])
            for figure in FIGURES
        }
        for engine in engines
    }
    head = [""] + [NAMES[engine] for engine in engines]
    if compare:
        head += ["ours / " + NAMES[engine] for engine in peers] + ["ours / best peer"]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for figure, (label, _) in FIGURES.items():
        row = [label.format(prompt=options.prompt)]
        for engine in engines:
            values = [turn[figure] for turn in samples[engine]]
            cell = number(figure, medians[engine][figure])
            if len(values) > 1:
                cell += f" ({number(figure, min(values))}-{number(figure, max(values))})"
            row.append(cell)
        if compare:
            ratios = [ratio(figure, medians[OURS][figure], medians[peer][figure]) for peer in peers]
            row += [f"{value:.2f}" for value in ratios]
            least = min(ratios)
            row.append(f"**{least:.2f}**" if least < BEHIND else f"{least:.2f}")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def measure(bench, python, model, options):
    """Samples of each engine. An engine that fails is reported and left out from then on."""
    samples = {engine: [] for engine in options.engines}
    engines = list(options.engines)
    start = time.monotonic()
    for turn in range(options.turns):
        for engine in engines[turn % len(engines):] + engines[:turn % len(engines)]:
            say(f"turn {turn + 1} of {options.turns}, {NAMES[engine]} "
                f"({time.monotonic() - start:.0f} s so far)")
            try:
                sample = (measure_ours(bench, model, options) if engine == OURS else measure_peer(
                    python, engine, model, options))
            except Failure as failure:
                say(str(failure))
                engines.remove(engine)
                if not engines:
                    raise Failure("no engine is left") from failure
                continue
            samples[engine].append(sample)
            say(", ".join(f"{figure} {number(figure, sample[figure])}" for figure in FIGURES))
    return samples


def read_through(path):
    """Brings the file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--type",
        default="q4_0",
        help="type of the weights, as clamma-bench names it (default: %(default)s)")
    add("--shape", default="tinyllama", help="shape of the model, likewise (default: %(default)s)")
    add("--model", metavar="FILE", help="a GGUF model to measure instead of a random one")
    add("--keep", metavar="FILE", help="write the random model to FILE and keep it")
    add("--threads", type=int, default=cores(), help="threads of each engine (default: %(default)s)")
    add("--prompt", type=int, default=512, help="tokens of the prompt (default: %(default)s)")
    add("--turns", type=int, default=5, help="how often each engine runs (default: %(default)s)")
    add("--engines",
        default=",".join((OURS, ) + PEERS),
        metavar="LIST",
        help="engines to measure, separated by commas (default: %(default)s)")
    add("--bench", metavar="PATH", help="clamma-bench (default: in build/bin, or as installed)")
    add("--environment",
        metavar="FOLDER",
        default=cache_folder("libclamma-peers"),
        help="where the peers are installed (default: %(default)s)")
    add("--wheel",
        action="store_true",
        help="on a CPU with AVX-512, use the wheel of xllamacpp, which does not use AVX-512")
    add("--json", metavar="FILE", help="write all samples to FILE")
    options = parser.parse_args()
    options.engines = options.engines.split(",")
    for engine in options.engines:
        if engine not in NAMES:
            parser.error(f"--engines: {engine} is none of {', '.join(NAMES)}")
    for name, least in (("threads", 1), ("turns", 1), ("prompt", 2)):
        if getattr(options, name) < least:
            parser.error(f"--{name}: at least {least}")
    if options.model and options.keep:
        parser.error("--keep needs a model that is made, not --model")
    return options


def compare(options, folder):
    """Makes the model in the folder, measures, and prints the result."""
    peers = [engine for engine in options.engines if engine != OURS]
    bench = ""
    if OURS in options.engines or not options.model:
        bench = find_program("clamma-bench", options.bench,
                             "build the default preset, or name it by --bench")
    cpu, flags = cpu_facts()
    python = peers_python(options.environment, flags, options.wheel) if peers else ""
    model = options.model or options.keep or os.path.join(folder, "model.gguf")
    if not options.model:
        say(f"writing a model of shape {options.shape}, type {options.type}")
        run([
            bench, "--shape", options.shape, "--type", options.type, "--keep", model, "--make-only",
            "-q"
        ], "clamma-bench")
    read_through(model)
    samples = measure(bench, python, model, options)
    what = os.path.basename(model) if options.model else f"{options.shape}, {options.type}"
    print(f"{what}: {os.path.getsize(model) / 1e6:.0f} MB, {options.threads} threads, medians of "
          f"{options.turns} turns (least-most), {cpu}\n")
    print(table(samples, options) + "\n")
    for engine in options.engines:
        if samples[engine]:
            print(f"* {NAMES[engine]}: {samples[engine][-1]['features'].strip(' |')}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "model": what,
                    "cpu": cpu,
                    "threads": options.threads,
                    "packages": PACKAGES,
                    "samples": samples
                },
                file,
                indent=2)


if __name__ == "__main__":
    sys.exit(run_main(compare, parse_options()))
