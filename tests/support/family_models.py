# SPDX-License-Identifier: MIT
"""Small random models of the families that the library runs, made with transformers, and a converter
to GGUF files of type F32."""
import re
from dataclasses import dataclass, field
from importlib import import_module

import gguf
import numpy as np
import torch

VOCABULARY = 96
POSITIONS = 40

BASE = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=80, num_hidden_layers=4,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
            rms_norm_eps=1e-5, pad_token_id=0, bos_token_id=1, eos_token_id=2)

# Of the pairs of a head's 32 elements, some have a scaled frequency, some a mixed one, and with BETAS
# some keep theirs.
YARN = dict(rope_type="yarn", factor=3.0, original_max_position_embeddings=20)
BETAS = dict(beta_fast=2.0, beta_slow=0.5)


@dataclass(frozen=True)
class Family:
    arch: str                    # general.architecture
    module: str                  # in transformers.models
    model: str
    config: str
    numbers: dict                # beyond BASE
    keys: dict = field(default_factory=dict)  # of the file: {name without the architecture: value}
    pairs: bool = False          # queries and keys are reordered so that neighbours are rotated together
    norms_less_one: bool = False # the model adds 1 to the weights of its norms
    off: tuple = ()              # features that print_logits can switch off: each must matter
    without: tuple = ()          # keys that must matter: tested with a file that lacks them
    zeros: tuple = ()            # tensors that must matter: tested with 0 in their place (sinks: -1e30)
    names: dict = field(default_factory=dict)  # of tensors, beyond NAMES
    ablate: str = ""             # what the reference leaves out: "no rotation", "growing queries"
    tokens: int = POSITIONS


YARN_KEYS = {"rope.scaling.type": "yarn", "rope.scaling.factor": 3.0,
             "rope.scaling.original_context_length": 20}
BETA_KEYS = {"rope.scaling.yarn_beta_fast": 2.0, "rope.scaling.yarn_beta_slow": 0.5}


GEMMA_NORMS = {"post_attention_layernorm": "post_attention_norm",
               "pre_feedforward_layernorm": "ffn_norm",
               "post_feedforward_layernorm": "post_ffw_norm"}
LONGROPE = dict(type="longrope", short_factor=[1.0, 1.1, 1.3, 1.6, 2.0, 2.5],
                long_factor=[1.5, 2.0, 3.0, 5.0, 8.0, 12.0])
PHI = dict(partial_rotary_factor=0.75, max_position_embeddings=96,
           original_max_position_embeddings=24, rope_scaling=LONGROPE, rope_theta=100.0,
           sliding_window=17)
PHI_KEYS = {"attention.sliding_window": 17, "rope.dimension_count": 12,
            "rope.scaling.original_context_length": 24,
            "rope.scaling.attn_factor": float(np.sqrt(1 + np.log(4) / np.log(24)))}


def gemma2(more_off=(), **numbers):
    keys = {"attention.sliding_window": 9, "attn_logit_softcapping": 4.0,
            "final_logit_softcapping": 3.0}
    return Family("gemma2", "gemma2", "Gemma2", "Gemma2Config",
                  dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=9,
                       attn_logit_softcapping=4.0, final_logit_softcapping=3.0) | numbers, keys,
                  norms_less_one=True, names=GEMMA_NORMS,
                  off=("halves", "embedding scale", "gelu", "post-norms", "windows",
                       "attention soft cap", "logit soft cap", *more_off))


def gemma3(keys=None, more_off=(), **numbers):
    return Family("gemma3", "gemma3", "Gemma3", "Gemma3TextConfig",
                  dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=9, rope_theta=500.0,
                       rope_local_base_freq=10000.0, num_hidden_layers=8,
                       rope_scaling=dict(rope_type="linear", factor=4.0)) | numbers,
                  {"attention.sliding_window": 9, "rope.scaling.type": "linear",
                   "rope.scaling.factor": 4.0} | (keys or {}),
                  norms_less_one=True, names=GEMMA_NORMS,
                  off=("halves", "embedding scale", "gelu", "post-norms", "windows",
                       "query and key norms", "second rotation", "frequency scale", *more_off))


MOE = {"expert_count": 6, "expert_used_count": 2}

FAMILIES = {
    "llama": Family("llama", "llama", "Llama", "LlamaConfig", {}, pairs=True),
    "llama, yarn": Family("llama", "llama", "Llama", "LlamaConfig",
                          dict(head_dim=32, rope_theta=100.0, rope_scaling=YARN), YARN_KEYS,
                          pairs=True, off=("yarn", "magnitude", "frequency scale")),
    "mixtral": Family("llama", "mixtral", "Mixtral", "MixtralConfig",
                      dict(num_local_experts=6, num_experts_per_tok=2, sliding_window=None), MOE,
                      pairs=True, off=("second expert",)),
    "qwen2": Family("qwen2", "qwen2", "Qwen2", "Qwen2Config", dict(tie_word_embeddings=True),
                    off=("halves",),
                    zeros=("attn_q.bias", "attn_k.bias", "attn_v.bias")),
    "qwen2, yarn": Family("qwen2", "qwen2", "Qwen2", "Qwen2Config",
                          dict(num_attention_heads=2, num_key_value_heads=1, rope_theta=100.0,
                               rope_scaling=YARN), YARN_KEYS,
                          off=("yarn", "magnitude", "frequency scale")),
    "qwen3": Family("qwen3", "qwen3", "Qwen3", "Qwen3Config", dict(head_dim=24),
                    off=("halves", "query and key norms")),
    "qwen3moe": Family("qwen3moe", "qwen3_moe", "Qwen3Moe", "Qwen3MoeConfig",
                       dict(head_dim=24, num_experts=6, num_experts_per_tok=2, norm_topk_prob=True,
                            moe_intermediate_size=48, decoder_sparse_step=1, mlp_only_layers=[]),
                       MOE | {"expert_feed_forward_length": 48},
                       off=("halves", "query and key norms", "second expert")),
    "gemma": Family("gemma", "gemma", "Gemma", "GemmaConfig", dict(head_dim=32),
                    norms_less_one=True, off=("halves", "embedding scale", "gelu")),
    "gemma2": gemma2(),
    "gemma2, 46 layers": gemma2(("attention scale",), num_hidden_layers=46, query_pre_attn_scalar=16),
    "gemma3": gemma3(),
    "gemma3, windows by a number": gemma3({"attention.sliding_window_pattern": 3},
                                          sliding_window_pattern=3),
    "gemma3, windows by a list": gemma3(
        {"attention.sliding_window_pattern": [False, True] * 4},
        layer_types=["full_attention", "sliding_attention"] * 4),
    # transformers, like llama.cpp, ignores a soft cap of its scores.
    "gemma3, soft cap": gemma3({"final_logit_softcapping": 3.0}, ("logit soft cap",),
                               final_logit_softcapping=3.0),
    "gemma3, 62 layers": gemma3(more_off=("attention scale",), num_hidden_layers=62,
                                query_pre_attn_scalar=16),
    "phi3, long": Family("phi3", "phi3", "Phi3", "Phi3Config", PHI, PHI_KEYS,
                         off=("halves", "windows", "magnitude", "long factors",
                              "partial rotation")),
    "phi3, short": Family("phi3", "phi3", "Phi3", "Phi3Config", PHI, PHI_KEYS, tokens=24,
                          off=("halves", "windows", "magnitude", "partial rotation")),
    "phi3, no windows": Family("phi3", "phi3", "Phi3", "Phi3Config",
                               PHI | dict(sliding_window=None),
                               {key: value for key, value in PHI_KEYS.items()
                                if key != "attention.sliding_window"},
                               off=("long factors",)),
    "phi3, plain": Family("phi3", "phi3", "Phi3", "Phi3Config", dict(sliding_window=None),
                          off=("halves",)),
    "mistral3": Family("mistral3", "mistral", "Mistral", "MistralConfig",
                       dict(head_dim=32, rope_theta=100.0, sliding_window=None,
                            rope_scaling=YARN | BETAS | dict(attention_factor=1.0)),
                       YARN_KEYS | BETA_KEYS | {"rope.scaling.yarn_log_multiplier": 1.0,
                                      "attention.temperature_scale": 0.5},
                       pairs=True, ablate="growing queries",
                       without=("rope.scaling.yarn_log_multiplier",),
                       off=("yarn", "frequency scale", "growing queries")),
    "granite": Family("granite", "granite", "Granite", "GraniteConfig",
                      dict(attention_multiplier=0.1, embedding_multiplier=3.0,
                           residual_multiplier=0.4, logits_scaling=5.0, tie_word_embeddings=True),
                      {"attention.scale": 0.1, "embedding_scale": 3.0, "residual_scale": 0.4,
                       "logit_scale": 5.0}, pairs=True,
                      off=("attention scale", "embedding scale", "residual scale", "logit scale")),
    "granite, no rotation": Family("granite", "granite", "Granite", "GraniteConfig",
                                   dict(attention_multiplier=0.1),
                                   {"attention.scale": 0.1, "embedding_scale": 1.0, "residual_scale": 1.0,
                                    "logit_scale": 1.0, "rope.scaling.finetuned": False},
                                   pairs=True, ablate="no rotation", off=("no rotation",)),
    "smollm3": Family("smollm3", "smollm3", "SmolLM3", "SmolLM3Config",
                      dict(tie_word_embeddings=True), pairs=True, off=("no rotation",)),
    "olmo2": Family("olmo2", "olmo2", "Olmo2", "Olmo2Config", {}, names=GEMMA_NORMS,
                    off=("halves", "post-norms", "query and key norms")),
    "olmo3": Family("olmo2", "olmo3", "Olmo3", "Olmo3Config",
                    dict(num_attention_heads=2, num_key_value_heads=1, rope_theta=100.0,
                         rope_scaling=YARN, sliding_window=9),
                    YARN_KEYS | {"attention.sliding_window": 9}, names=GEMMA_NORMS,
                    off=("halves", "post-norms", "query and key norms", "windows",
                         "second rotation", "yarn", "magnitude")),
    "gpt-oss, no yarn": Family("gpt-oss", "gpt_oss", "GptOss", "GptOssConfig",
                               dict(head_dim=32, num_local_experts=6, num_experts_per_tok=2,
                                    intermediate_size=48, sliding_window=9, rope_theta=100.0,
                                    rope_scaling=dict(rope_type="default")),
                               MOE | {"expert_feed_forward_length": 48,
                                      "attention.sliding_window": 9},
                               names={"post_attention_layernorm": "post_attention_norm"}),
    "gpt-oss": Family("gpt-oss", "gpt_oss", "GptOss", "GptOssConfig",
                      dict(head_dim=32, num_local_experts=6, num_experts_per_tok=2,
                           intermediate_size=48, sliding_window=9, rope_theta=100.0,
                           rope_scaling=YARN | dict(truncate=False)),
                      YARN_KEYS | MOE | {"expert_feed_forward_length": 48,
                                           "attention.sliding_window": 9},
                      names={"post_attention_layernorm": "post_attention_norm"},
                      off=("halves", "windows", "yarn", "magnitude", "clamped gate",
                           "second expert", "exact ramp"),
                      zeros=("attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias",
                             "attn_sinks.weight", "ffn_gate_inp.bias", "ffn_gate_exps.bias",
                             "ffn_up_exps.bias", "ffn_down_exps.bias")),
}


# --- The models of transformers --------------------------------------------------------------------

def spread(name, parameter, family):
    """Returns (mean, deviation) of a parameter's numbers, such that attention is not uniform, the
    router's choices are clear, and no part dominates the others."""
    if "norm" in name:
        return (0.0 if family.norms_less_one else 1.0), 0.3
    if name.endswith("bias"):
        return 0.0, 0.5
    if "sinks" in name:
        return 1.0, 1.0
    if "embed_tokens" in name:
        return 0.0, 1.0
    fan_in = parameter.shape[-2 if "experts.gate_up" in name or "experts.down" in name else -1]
    times = 1.0
    if any(part in name for part in ("q_proj", "k_proj", "qkv_proj")):
        times = 1.6
    if "router" in name or name.endswith("mlp.gate.weight") or "block_sparse_moe.gate" in name:
        times = 3.0
    return 0.0, times / np.sqrt(fan_in)


def grow_queries(model, beta, original):
    """Multiplies queries as Ministral 3 does, which this version of transformers lacks. It does so before
    they are rotated, which gives the same result."""
    def hook(_module, _inputs, queries):
        positions = torch.arange(queries.shape[1])
        return queries * (1 + beta * torch.log(1 + positions // original))[None, :, None]

    for layer in model.model.layers:
        layer.self_attn.q_proj.register_forward_hook(hook)


def make_model(family, seed):
    configs = import_module(f"transformers.models.{family.module}.configuration_{family.module}")
    models = import_module(f"transformers.models.{family.module}.modeling_{family.module}")
    config = getattr(configs, family.config)(**(BASE | family.numbers))
    config._attn_implementation = "eager"
    model = getattr(models, f"{family.model}ForCausalLM")(config).float().eval()
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            middle, deviation = spread(name, parameter, family)
            values = random.normal(middle, deviation, tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))
    if family.ablate == "no rotation":
        model.model.rotary_emb.inv_freq.zero_()
    if family.ablate == "growing queries":
        grow_queries(model, 0.5, 20)
    return model


def reference(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens]), use_cache=False).logits[0].double().numpy()


# --- The converter ---------------------------------------------------------------------------------

NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.qkv_proj": "attn_qkv",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.sinks": "attn_sinks", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up", "mlp.gate": "ffn_gate_inp",
    "block_sparse_moe.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp",
}
EXPERT_NAMES = {"w1": "gate", "w2": "down", "w3": "up", "gate_proj": "gate", "down_proj": "down",
                "up_proj": "up"}


def for_pairs(values, heads):
    """Reorders rows (or a bias) whose halves are rotated together, so that neighbours are."""
    return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def split_gpt_oss(front, kind, values):
    """Returns the tensors of all experts of a layer. In the source, gate and up alternate."""
    if kind == "gate_up_proj":
        turned = values.swapaxes(1, 2)
        return {f"{front}.ffn_gate_exps.weight": turned[:, 0::2],
                f"{front}.ffn_up_exps.weight": turned[:, 1::2]}
    if kind == "gate_up_proj_bias":
        return {f"{front}.ffn_gate_exps.bias": values[:, 0::2],
                f"{front}.ffn_up_exps.bias": values[:, 1::2]}
    if kind == "down_proj":
        return {f"{front}.ffn_down_exps.weight": values.swapaxes(1, 2)}
    return {f"{front}.ffn_down_exps.bias": values}


def convert_layer(family, config, index, rest, values, experts):
    """Returns {name: values} for a tensor of a layer. Adds that of a single expert to `experts`."""
    front = f"blk.{index}"
    if match := re.fullmatch(r"\w+\.experts\.(\d+)\.(\w+)\.weight", rest):
        name = f"{front}.ffn_{EXPERT_NAMES[match[2]]}_exps.weight"
        experts.setdefault(name, {})[int(match[1])] = values
        return {}
    if rest.startswith("mlp.experts."):
        return split_gpt_oss(front, rest.removeprefix("mlp.experts."), values)
    base, dot, kind = rest.rpartition(".")
    if rest == "self_attn.sinks":
        base, kind = rest, "weight"
    if family.pairs and base == "self_attn.q_proj":
        values = for_pairs(values, config.num_attention_heads)
    if family.pairs and base == "self_attn.k_proj":
        values = for_pairs(values, config.num_key_value_heads)
    return {f"{front}.{(NAMES | family.names)[base]}.{kind}": values}


def convert(family, model):
    """Returns {name: values} of the file."""
    config, tensors, experts = model.config, {}, {}
    fixed = {"model.embed_tokens.weight": "token_embd.weight",
             "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if family.norms_less_one and "norm" in name:
            values = values + np.float32(1)
        if name in fixed:
            tensors[fixed[name]] = values
            continue
        _, _, index, rest = name.split(".", 3)
        tensors |= convert_layer(family, config, index, rest, values, experts)
    for name, parts in experts.items():
        tensors[name] = np.stack([parts[i] for i in range(len(parts))])
    if (scaling := getattr(config, "rope_scaling", None)) and "short_factor" in scaling:
        tensors["rope_factors_short.weight"] = np.array(scaling["short_factor"], np.float32)
        tensors["rope_factors_long.weight"] = np.array(scaling["long_factor"], np.float32)
    return tensors


def write_file(path, family, model, tensors, without=()):
    config = model.config
    writer = gguf.GGUFWriter(path, family.arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    if getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    for key, value in family.keys.items():
        if key in without:
            continue
        key = f"{family.arch}.{key}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    add_vocabulary(writer)
    for name, values in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer):
    types = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2
    types += [gguf.TokenType.NORMAL] * (VOCABULARY - 3)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(VOCABULARY - 3)])
    writer.add_token_scores([-float(i) for i in range(VOCABULARY)])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
