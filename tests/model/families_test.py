# SPDX-License-Identifier: MIT
"""Compares the families of models that the library runs with transformers in float32.

A small random model of each family is converted to an F32 file, and its logits at each position are
compared with those of the reference. Windows are shorter than the text, and the text is longer than
the original context. Then each special feature of the family is switched off, one at a time; the
difference must be at least a hundred times the bound, so a model that ignores a feature fails.

Run by test.sh's stage families, with CLAMMA_TEST_PROGRAMS naming the folder of print_logits.
"""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import old_torch  # noqa: F401  before all of transformers
import numpy as np

from family_models import FAMILIES, VOCABULARY, convert, make_model, reference, write_file

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
BOUND = 1e-4
COUNTS = 100 * BOUND


def logits_of(path, tokens, *options):
    done = subprocess.run([PROGRAMS / "print_logits", *options, path, *map(str, tokens)],
                          capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, np.float32).reshape(len(tokens), VOCABULARY).astype(float)


def distances(ours, exact):
    """Returns max |a - b| / max |b| at each position."""
    return np.abs(ours - exact).max(-1) / np.abs(exact).max(-1)


class Families(unittest.TestCase):
    def check(self, name, family, folder):
        path = Path(folder) / "model.gguf"
        seed = sum(name.encode())
        model = make_model(family, seed)
        tensors = convert(family, model)
        write_file(path, family, model, tensors)
        tokens = [1, *np.random.default_rng(seed).integers(3, VOCABULARY, family.tokens - 1)]
        exact = reference(model, tokens)
        ours = logits_of(path, tokens)
        error = distances(ours, exact).max()
        effects = {}
        for what in family.off:
            effects[what] = distances(logits_of(path, tokens, "--off", what), ours).max()
        for what in family.without:
            write_file(path, family, model, tensors, without=(what,))
            effects[what] = distances(logits_of(path, tokens), ours).max()
        for what in family.zeros:
            value = -1e30 if "sinks" in what else 0
            other = {key: np.full_like(values, value) if key.endswith(what) else values
                     for key, values in tensors.items()}
            write_file(path, family, model, other)
            effects[what] = distances(logits_of(path, tokens), ours).max()
        counts = ", ".join(f"{what} {effect:.3f}" for what, effect in effects.items())
        print(f"{name}: {error:.1e}; switched off: {counts or 'nothing'}")
        self.assertLessEqual(error, BOUND)
        for what, effect in effects.items():
            self.assertGreaterEqual(effect, COUNTS, what)

    def test_logits_are_those_of_transformers(self):
        only = os.environ.get("CLAMMA_TEST_FAMILY", "")
        for name, family in FAMILIES.items():
            if only not in name:
                continue
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.check(name, family, folder)


if __name__ == "__main__":
    unittest.main()
