#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares clamma-server with llama.cpp's server under load, in turns.

  bench/server_load.py

Both serve the default model to 16 sessions with 2 threads, keys and values in f16, and their prefix
caches as they are by default. Requests have 512 tokens and get 128; locust makes them on the same
machine, and what it uses of the CPU is in the table. There are three loads: a closed loop of 16
users; the same, where the requests share their first three quarters; and an open loop, in which requests
arrive at 70 % of the rate that the slower server had in the first one.

The peer is PyPI's xllamacpp: its wheel, which is for AVX2. locust and it are installed into a
separate environment.

Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 130 interrupted.
"""
import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

from common import (HERE, Failure, cache_folder, cores, environment_python, find_program, run, run_main,
                    say)

PACKAGES = {"locust": "2.47.0", "xllamacpp": "2026.10.11549"}
OURS, PEER = "clamma-server", "llama.cpp"
LOADS = ("closed loop", "closed loop, shared beginning", "open loop")


def install(python, name, version):
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{name}=={version}"],
        f"installing {name} {version}")


def free_port():
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


@contextlib.contextmanager
def serving(command, port):
    """Runs a server until it answers; yields its address."""
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(url + "/health", timeout=5).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > end:
                        raise Failure(f"{command[0]} does not serve") from None
                    time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def commands(options, python, model, port):
    context = options.input + options.output + 16
    return {
        OURS: [find_program("clamma-server", options.program, "build it, or name it by --program"), model,
               "--port", str(port), "--sessions", str(options.users), "-c", str(context), "--threads",
               str(options.threads), "--kv", "f16", "--log", "off", "--max-waiting", "1000", "--drain", "0"],
        PEER: [python, os.path.join(HERE, "server_load_peer.py"), model, str(port), str(options.threads),
               str(options.users), str(context)]}


def measure_one(options, python, model, server, load, rate, turn):
    port = free_port()
    with serving(commands(options, python, model, port)[server], port) as url:
        worker = {"url": url, "users": options.users if rate == 0 else 4 * options.users, "rate": rate,
                  "warm": options.warm, "seconds": options.seconds, "input": options.input,
                  "output": options.output, "shared": options.input * 3 // 4 if "shared" in load else 0, "seed": turn + 1}
        result = json.loads(run([python, os.path.join(HERE, "server_load_worker.py"), json.dumps(worker)],
                                f"{server}, {load}").splitlines()[-1])
    if result["failures"]:
        raise Failure(f"{server}, {load}: {result['failures']}")
    say(f"{load}, {server}: {result['tokens_s']:.0f} tok/s")
    return result


def median(results, key, factor=1.0, digits=0):
    values = [result[key] for result in results if result[key] is not None]
    return f"{factor * statistics.median(values):.{digits}f}" if values else "-"


def print_table(results):
    print("| load | server | tok/s | first token, ms: median | p99 | between tokens, ms: median | p99 | "
          "generator, cores |\n|---|---|---:|---:|---:|---:|---:|---:|")
    for (load, server), each in results.items():
        print(f"| {load} | {server} | {median(each, 'tokens_s')} | {median(each, 'first_50', 1000)} | "
              f"{median(each, 'first_99', 1000)} | {median(each, 'between_50', 1000, 1)} | "
              f"{median(each, 'between_99', 1000, 1)} | {median(each, 'generator_cores', 1, 2)} |")
    for load in LOADS[:2]:
        rates = [statistics.median(r["tokens_s"] for r in results[load, server]) for server in (OURS, PEER)]
        if all(rates):
            print(f"\n{load}: {rates[0] / rates[1]:.2f} times {PEER}'s")


def measure(options, _):
    python = environment_python(options.environment, PACKAGES, install)
    model = options.model or run([find_program("clamma-get", None, "build it, or name a --model"), "default"],
                                 "clamma-get default").strip()
    results = {(load, server): [] for load in LOADS for server in (OURS, PEER)}
    for load in LOADS:
        rate = 0.0
        if load == LOADS[2]:
            rate = 0.7 * min(statistics.median(r["tokens_s"] for r in results[LOADS[0], server])
                             for server in (OURS, PEER)) / options.output
            say(f"open loop: {rate:.2f} requests a second")
        for turn in range(options.turns):
            for server in (OURS, PEER) if turn % 2 == 0 else (PEER, OURS):
                results[load, server].append(
                    measure_one(options, python, model, server, load, rate, turn))
    print_table(results)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", metavar="FILE", help="(default: the one that `clamma-get default` downloads)")
    add("--program", metavar="PATH", help="clamma-server (default: in build/bin or build-dev/bin)")
    add("--turns", type=int, default=3, help="(default: %(default)s)")
    add("--seconds", type=int, default=60, help="of each measurement (default: %(default)s)")
    add("--warm", type=int, default=15, help="seconds before it (default: %(default)s)")
    add("--users", type=int, default=16, help="also sessions (default: %(default)s)")
    add("--threads", type=int, default=min(2, cores()), help="(default: %(default)s)")
    add("--input", type=int, default=512, help="tokens of a request (default: %(default)s)")
    add("--output", type=int, default=128, help="tokens of an answer (default: %(default)s)")
    add("--environment", metavar="FOLDER", default=cache_folder("libclamma-server-load"),
        help="where the packages are installed (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_main(measure, parse_options()))
