#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the masks of constrained output with those of the PyPI package llguidance.

  bench/grammars.py --suite ../shared/json-schema

The vocabulary is Llama 3's (128,000 tokens, and two that begin and end texts). The schemas are those
of the official JSON Schema test suite, each with up to three of its valid instances, and realistic
ones that grammar_schemas.py makes from a seed, each with one. A case counts if both sides compile it
and take its instance, written in the form of docs/json-schema.md. Both compile the schema anew for
each case and walk the instance token by token; the mask is computed before each token and at the
end, and nothing is computed ahead. The two sides take turns, each time in a new process.

All times are processor times of the thread that computes, so other programs on the machine count
less; what reading the clock, and calling from Python, takes is subtracted. For each mask, and each
compilation, the least of the rounds counts.

The packages are installed once, with their versions below. It needs the program `grammar_masks`:
configure with -DLIBCLAMMA_BUILD_BENCH=ON.

Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 130 interrupted.
"""
import argparse
import json
import os
import subprocess
import sys

from common import Failure, cache_folder, environment_python, find_program, run, run_main, say

PACKAGES = {
    "llguidance": "1.9.1",
    "tiktoken": "0.14.0",
    "llama-models": "0.3.0",
    "gguf": "0.19.0",
    "jsonschema": "4.26.0",
    "PyYAML": "6.0.4",
    "attrs": "26.1.0",
    "certifi": "2026.10.19.post1",
    "charset-normalizer": "3.5.3",
    "idna": "3.20",
    "jsonschema-specifications": "2025.9.1",
    "numpy": "2.4.6",
    "referencing": "0.37.0",
    "regex": "2026.11.19",
    "requests": "2.34.2",
    "rpds-py": "2026.9.1",
    "tqdm": "4.70.1",
    "typing_extensions": "4.16.0",
    "urllib3": "2.8.0"
}
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "grammars_worker.py")
HEAD = ("cases", "", "masks", "mean", "p50", "p99", "p99.9", "largest", "advance, mean",
        "compile, p50", "p99")


def walk(command, cases, what):
    """One round: the answer for each case."""
    with open(cases, encoding="utf-8") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{what} failed ({done.returncode}): {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def least(rounds):
    """The rounds of one side as one: the least time of each mask, token and compilation."""
    merged = []
    for answers in zip(*rounds):
        first = answers[0]
        if "error" not in first:
            first = dict(first, compile=min(a["compile"] for a in answers))
            for key in ("masks", "advances"):
                first[key] = [min(times) for times in zip(*(a[key] for a in answers))]
        merged.append(first)
    return merged


def quantile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] / 1000


def line_of(name, side, answers):
    masks = [time for answer in answers for time in answer["masks"]]
    advances = [time for answer in answers for time in answer["advances"]]
    compiles = [answer["compile"] for answer in answers]
    cells = [name, side, str(len(masks)), f"{sum(masks) / len(masks) / 1000:.1f}"]
    cells += [f"{quantile(masks, share):.1f}" for share in (.5, .99, .999, 1)]
    cells += [f"{sum(advances) / max(1, len(advances)) / 1000:.1f}"]
    cells += [f"{quantile(compiles, share):.0f}" for share in (.5, .99)]
    return "| " + " | ".join(cells) + " |"


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--suite", metavar="FOLDER", required=True, help="the official suite's draft 2020-12")
    add("--schemas", metavar="N", type=int, default=200, help="realistic schemas (%(default)s)")
    add("--seed", metavar="N", type=int, default=1, help="of these (%(default)s)")
    add("--rounds", metavar="N", type=int, default=3, help="of each side (%(default)s)")
    add("--program", metavar="PATH", help="grammar_masks (default: in a build folder)")
    add("--python", metavar="PATH", help="one that has the packages (default: an environment)")
    return parser.parse_args()


def compare(options, folder):
    program = find_program("grammar_masks", options.program,
                           "build it with -DLIBCLAMMA_BUILD_BENCH=ON, or name it by --program")
    python = options.python or environment_python(cache_folder("clamma-bench-grammars"), PACKAGES)
    vocabulary, cases = os.path.join(folder, "vocabulary.gguf"), os.path.join(folder, "cases")
    run([python, WORKER, "prepare", options.suite, str(options.schemas), str(options.seed),
         vocabulary, cases], "preparing the cases")
    commands = {"llguidance": [python, WORKER, "walk"], "clamma": [program, vocabulary]}
    rounds = {side: [] for side in commands}
    for i in range(options.rounds):
        for side, command in commands.items():
            say(f"round {i + 1}, {side}")
            rounds[side].append(walk(command, cases, side))
    sides = {side: least(answers) for side, answers in rounds.items()}
    with open(cases, encoding="utf-8") as file:
        given = [json.loads(line) for line in file]
    taken = [i for i, case in enumerate(given)
             if all("error" not in side[i] and side[i]["at"] == len(case["tokens"]) + 1
                    for side in sides.values())]
    print("All times in microseconds.\n\n| " + " | ".join(HEAD) + " |\n| " +
          " | ".join(["---"] * len(HEAD)) + " |")
    for name, is_made in (("suite", False), ("realistic", True)):
        chosen = [i for i in taken if given[i]["name"].startswith("realistic") == is_made]
        if not chosen:
            continue
        for side, answers in sides.items():
            print(line_of(f"{name}, {len(chosen)}", side, [answers[i] for i in chosen]))


if __name__ == "__main__":
    sys.exit(run_main(compare, parse_options()))
