# SPDX-License-Identifier: MIT
"""overhead.py CLAMMA_GEN MODEL [TOKENIZER]: what the package takes beside the library.

Generates the same text with clamma-gen's speed as the measure: 1 thread, and the best of several
runs. Prints microseconds a token of wall and CPU time. The CPU time of a process includes all its
threads.
"""

import asyncio
import re
import resource
import subprocess
import sys
import time

import clamma

_RUNS = 20
_QUERY = {"limit": 256, "seed": 1024, "logit_bias": {1: -1e9, 2: -1e9}}


def best(call):
    """The least (wall, CPU) seconds a token of a call that returns a number of tokens."""
    walls, cpus = [], []
    for _ in range(_RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        tokens = call()
        walls.append((time.perf_counter() - wall) / tokens)
        cpus.append((time.process_time() - cpu) / tokens)
    return min(walls), min(cpus)


def of_program(program, path, tokenizer):
    """The same of clamma-gen: what it reports, and the CPU time of 255 more tokens."""
    command = [program, path, "-h", "1", "-s", "1024", "-p", "0.9", "-i", ""]
    if tokenizer:
        command += ["-z", tokenizer]

    def run(tokens):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run([*command, "-n", str(tokens)], capture_output=True, check=True).stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu, float(re.search(rb"achieved tok/s: ([0-9.]+)", said)[1]) if tokens > 1 else 0

    short = min(run(1)[0] for _ in range(_RUNS))
    long = [run(256) for _ in range(_RUNS)]
    return 1 / max(speed for _, speed in long), (min(cpu for cpu, _ in long) - short) / 255


def main():
    program, path, *tokenizer = sys.argv[1:]
    model = clamma.Model(path, tokenizer=tokenizer[0] if tokenizer else "", threads=1)

    def generate():
        return len(model.generate("", **_QUERY).token_ids)

    def stream():
        running = model.stream("", **_QUERY)
        for _ in running:
            pass
        return len(running.result.token_ids)

    async def astream():
        running = model.stream("", **_QUERY)
        async for _ in running:
            pass
        return len(running.result.token_ids)

    rows = {
        "clamma-gen": of_program(program, path, (tokenizer or [""])[0]),
        "generate": best(generate),
        "for in stream": best(stream),
        "async for in stream": best(lambda: asyncio.run(astream())),
    }
    print(f"{'microseconds a token':<22} {'wall':>8} {'CPU':>8}")
    for name, (wall, cpu) in rows.items():
        print(f"{name:<22} {wall * 1e6:8.2f} {cpu * 1e6:8.2f}")


if __name__ == "__main__":
    main()
