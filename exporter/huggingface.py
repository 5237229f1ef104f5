# SPDX-License-Identifier: MIT
"""Reads models in the layout of Hugging Face transformers: config.json, generation_config.json, and
the tensors in model.safetensors or pytorch_model.bin, or in several such files with an index."""
import os
from dataclasses import replace

from .errors import ExportError, epsilon_of, integer_of, read_json, shown
from .llama import (Config, Matrix, ROPE_THETA, build_model, check_heads, refuse_leftovers,
                    unused_tables)
from .text_tokens import read_text_tokens
from .weight_files import WeightFiles, files_of_model

TENSORS = {
    "token_embedding": "model.embed_tokens.weight",
    "attention_norm": "model.layers.{}.input_layernorm.weight",
    "ffn_norm": "model.layers.{}.post_attention_layernorm.weight",
    "final_norm": "model.norm.weight",
    "wq": "model.layers.{}.self_attn.q_proj.weight",
    "wk": "model.layers.{}.self_attn.k_proj.weight",
    "wv": "model.layers.{}.self_attn.v_proj.weight",
    "wo": "model.layers.{}.self_attn.o_proj.weight",
    "w1": "model.layers.{}.mlp.gate_proj.weight",
    "w2": "model.layers.{}.mlp.down_proj.weight",
    "w3": "model.layers.{}.mlp.up_proj.weight",
    "classifier": "lm_head.weight",
}
COMPUTED = "model.layers.{}.self_attn.rotary_emb.inv_freq"  # computed from the config
PREFIX = "model."
ROTARY = ("wq", "wk")


def open_huggingface(folder, context):
    """Opens the model in a folder that save_pretrained() wrote, or that is from the hub."""
    path = os.path.join(folder, "config.json")
    values = read_json(path)
    config = _config(path, values, context)
    text_tokens, warnings = read_text_tokens(folder, values, path, config.vocab_size)
    files = WeightFiles(folder, values.get("transformers_weights"))
    tensors = _with_full_names(files.tensors, config.n_layers, folder)
    tied = bool(values.get("tie_word_embeddings", False))
    computed = {COMPUTED.format(layer) for layer in range(config.n_layers)}
    used = set(computed)

    def find(kind, layer):
        name = TENSORS[kind].format(layer)
        used.add(name)
        if name not in tensors and tied and kind == "token_embedding":
            name = TENSORS["classifier"]  # a file may have either of two tied tensors
        if name not in tensors:
            return None
        return Matrix([tensors[name]], rotary_head=config.head_size if kind in ROTARY else 0)

    model = build_model("Hugging Face", path, config, find, may_share=tied)
    refuse_leftovers(tensors, used, folder)
    if tied and not model.shared_classifier:
        warnings.append(f"{path} says tie_word_embeddings, and lm_head.weight differs from the "
                        "embedding: it is exported as it is, as today's transformers takes it")
    return replace(model, text_tokens=text_tokens, warnings=warnings,
                   inputs=sorted({*files_of_model(folder), *model.inputs}),
                   unused=files.unused + unused_tables(computed & set(tensors)))


def _with_full_names(tensors, n_layers, folder):
    """Renames the tensors as in the whole model. Names in a file of the base model (LlamaModel)
    have no "model." in front, and those in a file of a larger model may have it twice. Like
    rename_source_key() of transformers (src/transformers/core_model_loading.py), this adds or
    removes it if the result is a name that the model has."""
    known = {name.format(layer) for layer in range(n_layers)
             for name in (*TENSORS.values(), COMPUTED)}
    renamed = {}
    for name, tensor in tensors.items():
        full = name
        if name.startswith(PREFIX) and name[len(PREFIX):] in known:
            full = name[len(PREFIX):]
        elif PREFIX + name in known:
            full = PREFIX + name
        if full in renamed:
            raise ExportError(f"{folder}: tensors '{renamed[full].name}' and '{name}' are both "
                              f"'{full}'")
        renamed[full] = tensor
    return renamed


def _config(path, values, context):
    _refuse_inexpressible(path, values)
    dim = integer_of(values, "hidden_size", path)
    n_heads = integer_of(values, "num_attention_heads", path, most=2**16)
    n_kv_heads = integer_of(values, "num_key_value_heads", path, default=n_heads, most=2**16)
    check_heads(dim, n_heads, n_kv_heads, path)
    head_dim = integer_of(values, "head_dim", path, default=dim // n_heads)
    if head_dim != dim // n_heads:
        raise ExportError(f"{path}: head_dim is {head_dim}: the formats have only heads of "
                          f"hidden_size / num_attention_heads = {dim // n_heads}")
    return Config(dim, integer_of(values, "intermediate_size", path),
                  integer_of(values, "num_hidden_layers", path, most=2**16), n_heads, n_kv_heads,
                  integer_of(values, "vocab_size", path, least=3, most=2**21),
                  context or integer_of(values, "max_position_embeddings", path, default=2048,
                                        most=2**24),
                  epsilon_of(values, "rms_norm_eps", path, 1e-6))  # LlamaConfig's default


def _refuse_inexpressible(path, values):
    def refuse(key, why):
        raise ExportError(f"{path}: {key} is {shown(values[key])}: {why}")

    if values.get("model_type") != "llama":
        raise ExportError(f"{path} says model_type {shown(values.get('model_type'))}: only Llama "
                          "models ('llama') can be exported")
    if values.get("quantization_config") is not None:
        raise ExportError(f"{path}: the model is quantised already (quantization_config): export "
                          "the one that it was made from")
    if values.get("hidden_act", "silu") not in ("silu", "swish"):
        refuse("hidden_act", "the formats have only 'silu'")
    for key in ("attention_bias", "mlp_bias"):
        if values.get(key):
            refuse(key, "the formats have no biases")
    if values.get("partial_rotary_factor") not in (None, 1.0):
        refuse("partial_rotary_factor", "the formats turn whole heads")
    # transformers 5 has both of these in rope_parameters.
    thetas = [values.get("rope_theta")]
    for key in ("rope_parameters", "rope_scaling"):
        rope = values.get(key) or {}
        if not isinstance(rope, dict) or "default" != rope.get(
                "rope_type", rope.get("type", "default")) or any(
                isinstance(value, dict) for value in rope.values()):
            refuse(key, "the formats have no scaled rotary embedding")
        thetas.append(rope.get("rope_theta"))
    for theta in thetas:
        if theta not in (None, ROPE_THETA):
            raise ExportError(f"{path}: rope_theta is {shown(theta)}: the formats take 10000 for "
                              "granted")
