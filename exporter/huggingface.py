# SPDX-License-Identifier: MIT
"""Models in the layout of Hugging Face transformers: config.json, and the tensors in
model.safetensors or pytorch_model.bin, or in several such files that an index names."""
import os

from .errors import ExportError, epsilon_of, integer_of, read_json, shown
from .llama import Config, Matrix, ROPE_THETA, build_model, check_heads, refuse_leftovers
from .safetensors_file import open_safetensors
from .torch_file import TorchFile

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
COMPUTED = "model.layers.{}.self_attn.rotary_emb.inv_freq"  # follows from the numbers
ROTARY = ("wq", "wk")


def open_huggingface(folder, context):
    """The model in a folder by save_pretrained() or from the hub."""
    path = os.path.join(folder, "config.json")
    values = read_json(path)
    config = _config(path, values, context)
    tensors = _open_tensors(folder)
    tied = values.get("tie_word_embeddings", False)
    used = {COMPUTED.format(layer) for layer in range(config.n_layers)}

    def find(kind, layer):
        name = TENSORS[kind].format(layer)
        used.add(name)
        if name not in tensors or (tied and kind == "classifier"):  # as transformers does, too
            return None
        return Matrix([tensors[name]], rotary_head=config.head_size if kind in ROTARY else 0)

    model = build_model("Hugging Face", path, config, find, may_share=tied)
    refuse_leftovers(tensors, used, folder)
    return model


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
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    if not isinstance(rope, dict) or "default" != rope.get(
            "rope_type", rope.get("type", "default")):
        refuse("rope_parameters" if values.get("rope_parameters") else "rope_scaling",
               "the formats have no scaled rotary embedding")
    for theta in (values.get("rope_theta"), rope.get("rope_theta")):
        if theta not in (None, ROPE_THETA):
            raise ExportError(f"{path}: rope_theta is {shown(theta)}: the formats take 10000 for "
                              "granted")


def _open_tensors(folder):
    """{name: StoredTensor} of all files of the model; safetensors if there are both kinds."""
    def open_torch(path):
        file = TorchFile(path)
        return file.tensors(file.content)

    for whole, opener in (("model.safetensors", open_safetensors),
                          ("pytorch_model.bin", open_torch)):
        index = os.path.join(folder, whole + ".index.json")
        if os.path.exists(index):
            return _open_indexed(folder, index, opener)
        if os.path.exists(os.path.join(folder, whole)):
            return opener(os.path.join(folder, whole))
    raise ExportError(f"{folder}: there is no model.safetensors or pytorch_model.bin, nor an "
                      "index (*.index.json) of several of them")


def _open_indexed(folder, index, opener):
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
            isinstance(name, str) and os.path.basename(name) == name and name
            for name in weight_map.values()):
        raise ExportError(f"{index}: no index of tensors: it has no 'weight_map' of file names")
    files = {}
    for name in sorted(set(weight_map.values())):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            raise ExportError(f"{path} is missing, and {os.path.basename(index)} names it")
        files[name] = opener(path)
    tensors = {}
    for name, file in weight_map.items():
        if name not in files[file]:
            raise ExportError(f"{os.path.join(folder, file)}: tensor '{name}' is missing, and "
                              f"{os.path.basename(index)} says that it is here")
        tensors[name] = files[file][name]
    return tensors
