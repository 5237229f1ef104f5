# SPDX-License-Identifier: MIT
"""Reads the files of families_test.py with llama.cpp (PyPI's xllamacpp) as a second opinion.

This shows that our converter and our engine do not share a wrong convention. llama.cpp's
probabilities of the next token are compared with those of transformers at a few positions. Run by
test.sh's stage families.
"""
import contextlib
import os
import tempfile
import unittest
from pathlib import Path

import old_torch  # noqa: F401  before all of transformers
import numpy as np
import xllamacpp

from family_models import FAMILIES, VOCABULARY, convert, make_model, reference, write_file

BOUND = 1e-2
DIFFERENT = {
    "phi3, long": "llama.cpp has no windows for Phi-3",
    "phi3, short": "llama.cpp chooses the factors by its context, and has no windows for Phi-3",
    "gpt-oss": "llama.cpp rounds the ends of YaRN's ramp, which this model does not",
}


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@contextlib.contextmanager
def silence():
    """Drops what a library writes to standard error."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def open_peer(path):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 128
    params.n_parallel = 1
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return xllamacpp.Server(params)


def probabilities(server, tokens):
    """Returns the logarithms of the next token's probabilities."""
    answer = server.handle_completions({
        "prompt": tokens, "n_predict": 1, "n_probs": VOCABULARY, "temperature": 1.0,
        "samplers": [], "cache_prompt": False})
    found = np.full(VOCABULARY, np.nan)
    for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        found[entry["id"]] = entry["logprob"]
    assert not np.isnan(found).any(), "some token has no probability"
    return found


class SecondOpinion(unittest.TestCase):
    def distance(self, name, family, folder):
        path = Path(folder) / "model.gguf"
        seed = sum(name.encode())
        model = make_model(family, seed)
        write_file(path, family, model, convert(family, model))
        tokens = [1, *map(int, np.random.default_rng(seed).integers(3, VOCABULARY,
                                                                    family.tokens - 1))]
        exact = log_softmax(reference(model, tokens))
        with silence():
            server = open_peer(path)
            found = {n: probabilities(server, tokens[:n]) for n in (8, 24, len(tokens))}
            del server
        return max(np.abs(of - exact[n - 1]).max() / np.abs(exact[n - 1]).max()
                   for n, of in found.items())

    def test_llama_cpp_agrees(self):
        for name, family in FAMILIES.items():
            if name in DIFFERENT:
                print(f"{name}: not compared: {DIFFERENT[name]}")
                continue
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                distance = self.distance(name, family, folder)
                print(f"{name}: llama.cpp is {distance:.1e} from transformers")
                self.assertLessEqual(distance, BOUND)


if __name__ == "__main__":
    unittest.main()
