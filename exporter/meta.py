# SPDX-License-Identifier: MIT
"""Reads models in the layout of Meta's code (https://github.com/meta-llama/llama): params.json and
consolidated.00.pth, consolidated.01.pth, ..., one for each GPU that shares the model. Also reads
the checkpoints that llama2.c's train.py writes, which have the same tensors in one file."""
import glob
import os
from dataclasses import replace

from .errors import ExportError, epsilon_of, integer_of, read_json, shown
from .llama import (Config, Matrix, NORM_EPSILON, ROPE_THETA, build_model, check_heads,
                    refuse_leftovers, unused_tables)
from .torch_file import TorchFile

# Kind: name, and the axis along which shards are concatenated (None: each has the whole tensor).
# The embedding is split by columns up to Llama 2, by rows since: its shape shows which.
TENSORS = {
    "token_embedding": ("tok_embeddings.weight", 1),
    "attention_norm": ("layers.{}.attention_norm.weight", None),
    "ffn_norm": ("layers.{}.ffn_norm.weight", None),
    "final_norm": ("norm.weight", None),
    "wq": ("layers.{}.attention.wq.weight", 0),
    "wk": ("layers.{}.attention.wk.weight", 0),
    "wv": ("layers.{}.attention.wv.weight", 0),
    "wo": ("layers.{}.attention.wo.weight", 1),
    "w1": ("layers.{}.feed_forward.w1.weight", 0),
    "w2": ("layers.{}.feed_forward.w2.weight", 1),
    "w3": ("layers.{}.feed_forward.w3.weight", 0),
    "classifier": ("output.weight", 0),
}
# Tables of angles, which are computed from the numbers of the model.
COMPUTED = {"rope.freqs", "freqs_cos", "freqs_sin"}


def open_meta(folder, context):
    """Opens the model in a folder of Meta's. The folder does not specify the context: the default
    is 2048."""
    path = os.path.join(folder, "params.json")
    params = read_json(path)
    _refuse_inexpressible(params, path)
    shards = [file.tensors(file.content) for file in map(TorchFile, _shard_paths(folder))]
    return _build("Meta", path, params, shards, context or 2048)


def open_training_checkpoint(path, context):
    """Opens the model in a checkpoint of llama2.c's train.py."""
    file = TorchFile(path)
    content = file.content
    if not isinstance(content, dict) or not isinstance(content.get("model_args"), dict):
        raise ExportError(f"{path}: not a llama2.c training checkpoint: it has no 'model_args'")
    prefix = "_orig_mod."  # in checkpoints of compiled models
    tensors = {name[len(prefix) if name.startswith(prefix) else 0:]: tensor
               for name, tensor in file.tensors(content.get("model")).items()}
    args = content["model_args"]
    _refuse_inexpressible(args, path)
    context = context or integer_of(args, "max_seq_len", path, default=2048)
    return _build("llama2.c training checkpoint", path, args, [tensors], context)


def _refuse_inexpressible(params, path):
    if params.get("rope_theta", ROPE_THETA) != ROPE_THETA:
        raise ExportError(f"{path}: rope_theta is {shown(params['rope_theta'])}: the formats take "
                          "10000 for granted")
    if params.get("use_scaled_rope"):
        raise ExportError(f"{path}: use_scaled_rope: the formats have no scaled rotary embedding")
    for key in ("moe", "vision_chunk_size", "quantization_args", "lora_args"):
        if params.get(key) not in (None, -1):
            raise ExportError(f"{path}: '{key}' says that this is no plain Llama model")


def _shard_paths(folder):
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "consolidated.*.pth")))
    for index in range(len(paths) or 1):
        expected = os.path.join(folder, f"consolidated.{index:02d}.pth")
        if expected not in paths:
            raise ExportError(f"{expected} is missing")
    return paths


def _build(source, path, params, shards, context):
    config = _config(path, params, shards, context)
    used = set(COMPUTED)

    def find(kind, layer):
        name, axis = TENSORS[kind][0].format(layer), TENSORS[kind][1]
        used.add(name)
        parts = [shard[name] for shard in shards if name in shard]
        if not parts:
            return None
        if len(parts) != len(shards):
            raise ExportError(f"{path}: some shards of the model have no tensor '{name}'")
        if axis is None:
            return Matrix(parts[:1])
        if kind == "token_embedding" and parts[0].shape[1:] == (config.dim,):
            axis = 0
        return Matrix(parts, axis)

    model = build_model(source, path, config, find, may_share=False)
    names = {name for shard in shards for name in shard}
    refuse_leftovers(names, used, path)
    return replace(model, unused=unused_tables(COMPUTED & names))


def _config(path, params, shards, context):
    dim = integer_of(params, "dim", path)
    n_heads = integer_of(params, "n_heads", path, most=2**16)
    n_kv_heads = integer_of(params, "n_kv_heads", path, default=n_heads, most=2**16)
    check_heads(dim, n_heads, n_kv_heads, path)

    # params.json has no hidden dimension, and not always the vocabulary's size: the tensors do.
    def rows(kind):
        name = TENSORS[kind][0].format(0)
        parts = [shard[name] for shard in shards if name in shard]
        if not parts:
            raise ExportError(f"{path}: the model has no tensor '{name}'")
        return parts[0].rows * len(shards)

    _check_shard_count(path, dim, shards)
    vocab_size = integer_of(params, "vocab_size", path, default=-1, least=-1, most=2**21)
    return Config(dim, rows("w1"), integer_of(params, "n_layers", path, most=2**16), n_heads,
                  n_kv_heads, rows("classifier") if vocab_size < 1 else vocab_size, context,
                  epsilon_of(params, "norm_eps", path, NORM_EPSILON))


def _check_shard_count(path, dim, shards):
    wq = shards[0].get(TENSORS["wq"][0].format(0))
    if wq is None or wq.rows * len(shards) == dim or wq.rows == 0 or dim % wq.rows:
        return
    raise ExportError(f"{path}: the model was split into {dim // wq.rows} consolidated.*.pth "
                      f"files, and {len(shards)} {'is' if len(shards) == 1 else 'are'} here")
