#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the loss of clamma-quantize's models with that of ik_llama.cpp's of the same types.

  bench/quantizers.py --text /usr/share/common-licenses/GPL-3

The model is SmolLM2-135M-Instruct with weights in float, as bench/perplexity.py makes it. For types
with blocks of 256 columns it is widened with zeros from 576 columns to 768, which does not change
its function. Both quantisers make a model of each type (if the type is not a mix, with the same
type for all matrices), and libclamma runs both over the same tokens.

The table on stdout has the perplexities, and the mean difference of the loss per token (ours minus
theirs, in nats: if negative, ours is better) with its standard error. As the differences are taken
token by token, their standard error is far smaller than that of either perplexity.

The packages are those of bench/perplexity.py. It needs 2.5 GB for temporary files (in the folder
that TMPDIR names), half an hour on two cores, and the programs `perplexity` and `clamma-quantize`:
configure with -DLIBCLAMMA_BUILD_BENCH=ON.

Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 130 interrupted.
"""
import argparse
import math
import os
import sys
import time

from common import find_program, run, run_main, say
from perplexity import (MIXES, REFERENCE, WIDE, WIDENED, Bench, add_scoring_options,
                        check_scoring_options)

TYPES = ("Q8_0", "Q4_0", "IQ4_NL", "Q6_K", "Q5_K", "Q4_K", "Q4_K_M")
HEAD = ("type", "bits a weight, ours", "theirs", "perplexity, ours", "theirs",
        "loss a token, ours less theirs", "standard error")


class Comparison(Bench):
    """Compares models of one type by both quantisers."""

    def __init__(self, options, folder):
        options.variants = [kind for kind in options.types if kind in WIDE]
        super().__init__(options, folder)
        self.quantizer = find_program("clamma-quantize", options.quantizer,
                                      "build it, or name it by --quantizer")

    def losses(self, *models):
        """For each model: (loss, tokens, sum of squared differences from the first model's)."""
        lines = run([
            self.program,
            str(self.options.threads),
            str(self.options.window),
            self.file("tokens")
        ] + list(models), "perplexity").splitlines()
        return [(loss, count, squares)
                for loss, count, _, squares in (map(float, line.split()) for line in lines)]

    def bits(self, model):
        return self.worker("facts", model)["bits"]

    def measure(self, kind):
        """A row of the table."""
        source = self.file(WIDENED if kind in WIDE else REFERENCE)
        ours, theirs = self.file("ours"), self.file("theirs")
        pure = [] if kind in MIXES else ["--pure"]
        run([self.paths["quantiser"]] + pure +
            [source, theirs, kind, str(self.options.threads)], f"their quantiser, {kind}")
        run([self.quantizer, source, ours, kind, "--force", "-q"] + pure, f"ours, {kind}")
        (loss, count, _), (our_loss, _, squares) = self.losses(theirs, ours)
        mean = (our_loss - loss) / count
        variance = max(0.0, squares / count - mean * mean) * count / (count - 1)
        return {
            "type": kind,
            "bits": (self.bits(ours), self.bits(theirs)),
            "perplexity": (math.exp(our_loss / count), math.exp(loss / count)),
            "difference": mean,
            "error": math.sqrt(variance / count)
        }


def line_of(row):
    cells = [row["type"]] + [f"{bits:.2f}" for bits in row["bits"]]
    cells += [f"{value:.3f}" for value in row["perplexity"]]
    cells += [f"{row['difference']:+.5f}", f"{row['error']:.5f}"]
    return "| " + " | ".join(cells) + " |"


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--text",
        metavar="FILE",
        required=True,
        help="the text to score, UTF-8; any Debian has /usr/share/common-licenses/GPL-3")
    add_scoring_options(add, 8)
    add("--types",
        metavar="LIST",
        default=";".join(TYPES),
        help="types to measure, separated by semicolons (default: %(default)s)")
    add("--quantizer", metavar="PATH", help="clamma-quantize (default: likewise)")
    options = parser.parse_args()
    options.types = [kind.strip() for kind in options.types.split(";")]
    for kind in options.types:
        if kind not in TYPES:
            parser.error(f"--types: {kind} is none of {'; '.join(TYPES)}")
    check_scoring_options(parser, options)
    return options


def compare(options, folder):
    """Makes the models in the folder, measures, and prints the result."""
    bench = Comparison(options, folder)
    start = time.monotonic()
    scored = options.windows * (options.window - 1)
    ((loss, count, _), ) = bench.losses(bench.file(REFERENCE))
    print(f"SmolLM2-135M-Instruct, {scored} tokens of {os.path.basename(options.text)} in "
          f"{options.windows} windows of {options.window}; SHA-256 of their ids: "
          f"{bench.tokens['sha256'][:16]}...; perplexity in F32: {math.exp(loss / count):.3f}\n")
    print("| " + " | ".join(HEAD) + " |\n| " + " | ".join(["---"] * len(HEAD)) + " |", flush=True)
    for kind in options.types:
        say(f"{kind} ({time.monotonic() - start:.0f} s so far)")
        print(line_of(bench.measure(kind)), flush=True)


if __name__ == "__main__":
    sys.exit(run_main(compare, parse_options()))
