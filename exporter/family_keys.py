# SPDX-License-Identifier: MIT
"""Converts config.json to the keys of a GGUF file; refuses what these cannot express."""
import math
from dataclasses import dataclass, field
from typing import List, Optional

import numpy as np

from .errors import ExportError, epsilon_of, integer_of, shown

MISSING = object()
MOST_CONTEXT = 2**24
KINDS_OF_LAYERS = {"full_attention", "sliding_attention"}  # keys of rope_parameters


@dataclass
class Config:
    """config.json, or its part about the text model; `defaults` replace missing values."""

    path: str
    values: dict
    defaults: dict
    warnings: List[str] = field(default_factory=list)

    def get(self, key, missing=None):
        value = self.values.get(key, MISSING)
        return self.defaults.get(key, missing) if value is MISSING else value

    def integer(self, key, default=None, least=1, most=2**28):
        return integer_of({key: self.get(key)}, key, self.path, default, least, most)

    def number(self, key, value=MISSING):
        """Returns a finite number above 0, also as float32."""
        value = self.get(key) if value is MISSING else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (
                0 < value < float(np.finfo(np.float32).max)) or np.float32(value) == 0:
            raise ExportError(f"{self.path}: '{key}' is {shown(value)}, not a number above 0")
        return float(value)

    def refuse(self, key, why, value=MISSING):
        value = self.get(key) if value is MISSING else value
        raise ExportError(f"{self.path}: {key} is {shown(value)}: {why}")


@dataclass
class Numbers:
    """The numbers that determine shapes, with the names that families.Tensor.shape uses."""

    dim: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    rope_dims: int
    vocab: int
    experts: int = 0
    expert_ffn: int = 0

    @property
    def q(self):
        return self.heads * self.head_dim

    @property
    def kv(self):
        return self.kv_heads * self.head_dim

    @property
    def qkv(self):
        return self.q + 2 * self.kv

    @property
    def two_ffn(self):
        return 2 * self.ffn


def read_numbers(config, vocab, context):
    """Reads the Numbers of a model. `vocab` is the number of rows of the embedding, `context` the
    number of positions that the file is to have, or None."""
    dim = config.integer("hidden_size")
    heads = config.integer("num_attention_heads", most=2**16)
    kv_heads = config.integer("num_key_value_heads", default=heads, most=2**16)
    if heads % kv_heads:
        raise ExportError(f"{config.path}: {heads} heads cannot share {kv_heads} kv heads")
    if config.get("head_dim") is None and dim % heads:
        raise ExportError(f"{config.path}: hidden_size {dim} does not split into {heads} heads")
    head_dim = config.integer("head_dim", default=dim // heads)
    stated = config.integer("max_position_embeddings", most=MOST_CONTEXT)
    numbers = Numbers(dim, config.integer("intermediate_size"),
                      config.integer("num_hidden_layers", most=2**16), heads, kv_heads, head_dim,
                      context or stated, _rope_dims(config, head_dim), vocab)
    stated_vocab = config.integer("vocab_size", default=vocab, most=2**21)
    if stated_vocab != vocab:
        config.refuse("vocab_size", f"the embedding has {vocab} rows")
    return numbers


def _rope_dims(config, head_dim):
    rope = rope_of(config)
    part = rope.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    if part is None:
        part = 1.0
    dims = int(head_dim * config.number("partial_rotary_factor", part))
    if dims % 2 or not 2 <= dims <= head_dim:
        raise ExportError(f"{config.path}: {dims} of a head's {head_dim} elements cannot be "
                          "rotated")
    if dims != head_dim and "partial_rotary_factor" not in config.defaults:
        config.refuse("partial_rotary_factor", "this family turns whole heads", part)
    return dims


def common_keys(config, numbers):
    """Returns the keys that all architectures have, except those of the rotation."""
    epsilon = epsilon_of({"rms_norm_eps": config.get("rms_norm_eps")}, "rms_norm_eps", config.path,
                         None)
    return {
        "block_count": numbers.layers,
        "context_length": numbers.context,
        "embedding_length": numbers.dim,
        "feed_forward_length": numbers.ffn,
        "attention.head_count": numbers.heads,
        "attention.head_count_kv": numbers.kv_heads,
        "attention.key_length": numbers.head_dim,
        "attention.value_length": numbers.head_dim,
        "attention.layer_norm_rms_epsilon": config.number("rms_norm_eps", epsilon),
        "vocab_size": numbers.vocab,
    }


# --- Rotation ------------------------------------------------------------------------------------

def rope_of(config):
    """Returns the parameters of the rotation. transformers 5 has them in rope_parameters. If that
    has an object for each kind of layers, returns those of layers with full attention."""
    for key in ("rope_parameters", "rope_scaling"):
        if not isinstance(config.get(key) or {}, dict):
            config.refuse(key, "the rotary scaling must be an object")
    rope = config.get("rope_parameters") or {}
    if KINDS_OF_LAYERS & set(rope):
        rope = rope.get("full_attention")
        if not isinstance(rope, dict):
            config.refuse("rope_parameters", "there must be an object for full_attention")
    if not rope:
        return config.get("rope_scaling") or {}
    other = config.values.get("rope_scaling")
    if other and _scaling(rope) != _scaling(other):
        config.refuse("rope_parameters", f"rope_scaling says otherwise ({shown(other)})", rope)
    return rope


def _scaling(rope):
    """Returns what rope_parameters or rope_scaling says of the scaling."""
    kind = rope.get("rope_type", rope.get("type")) or "default"
    values = {key: value for key, value in rope.items() if value is not None and key not in (
        "type", "rope_theta", "partial_rotary_factor")}
    return values | {"rope_type": kind}


def _check_window_rope(config, theta, family):
    """Refuses a rotation of layers with windows that readers do not have. (Gemma 3's is that of
    window_theta().)"""
    rope = (config.get("rope_parameters") or {}).get("sliding_attention")
    if rope is None or family.arch == "gemma3":
        return
    # In OLMo 3 only the rotation of the other layers is scaled.
    expected = rope_of(config) if family.arch != "olmo2" else {}
    if not isinstance(rope, dict) or _scaling(rope) != _scaling(expected) or (
            rope.get("rope_theta", theta) != theta):
        config.refuse("rope_parameters", f"layers with windows of a {family.arch} model have no "
                                         "rotation of their own")


def rope_keys(config, numbers, family):
    """Returns (keys, {name: values of a tensor})."""
    rope = rope_of(config)
    theta = rope.get("rope_theta", config.get("rope_theta"))
    keys = {"rope.dimension_count": numbers.rope_dims,
            "rope.freq_base": config.number("rope_theta", theta)}
    _check_window_rope(config, theta, family)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind in ("default", None):
        return keys, {}
    if kind not in family.ropes:
        config.refuse("rope_scaling", f"of a {family.arch} model only {' and '.join(family.ropes)} "
                                      "can be exported", rope)
    of_kind = {"linear": _linear, "yarn": _yarn, "llama3": _llama3, "longrope": _longrope,
               "su": _longrope}[kind]
    more, tensors = of_kind(config, numbers, rope, family)
    return keys | more, tensors


def _linear(config, _numbers, rope, _family):
    return {"rope.scaling.type": "linear",
            "rope.scaling.factor": config.number("factor", rope.get("factor"))}, {}


def _original(config, rope):
    value = rope.get("original_max_position_embeddings") or config.get("max_position_embeddings")
    return integer_of({"original_max_position_embeddings": value},
                      "original_max_position_embeddings", config.path, least=2,
                      most=MOST_CONTEXT)


def _yarn(config, _numbers, rope, family):
    factor = config.number("factor", rope.get("factor"))
    if bool(rope.get("truncate", True)) == family.exact_ramp:
        config.refuse("truncate", f"{family.arch} models in GGUF files are of the other kind",
                      rope.get("truncate", True))
    keys = {"rope.scaling.type": "yarn", "rope.scaling.factor": factor,
            "rope.scaling.original_context_length": _original(config, rope)}
    for key, default in (("beta_fast", 32.0), ("beta_slow", 1.0)):
        value = config.number(key, rope.get(key) or default)
        if value != default:
            keys[f"rope.scaling.yarn_{key}"] = value
    return keys | _yarn_magnitude(config, rope, factor, family), {}


def _yarn_magnitude(config, rope, factor, family):
    """Readers multiply queries and keys by 1 + 0.1 log(factor), unless another key is present."""
    def magnitude(times):
        return 1 + 0.1 * times * math.log(factor) if factor > 1 else 1.0

    given = rope.get("attention_factor")
    mscale, of_all = rope.get("mscale"), rope.get("mscale_all_dim")
    if given is None and mscale and of_all:
        of_all = config.number("mscale_all_dim", of_all)
        if mscale == 1 and family.arch == "mistral3":  # its readers know this key
            return {"rope.scaling.yarn_log_multiplier": of_all}
        given = magnitude(config.number("mscale", mscale)) / magnitude(of_all)
    if given is None:
        return {}
    given = config.number("attention_factor", given) / magnitude(1)
    return {} if math.isclose(given, 1) else {"rope.scaling.attn_factor": given}


def _llama3(config, numbers, rope, _family):
    """Returns Llama 3's factors, by which the frequencies of a head's pairs are divided."""
    factor, low, high = (config.number(key, rope.get(key)) for key in (
        "factor", "low_freq_factor", "high_freq_factor"))
    if not low < high:
        config.refuse("high_freq_factor", "it must be above low_freq_factor", high)
    original = _original(config, rope)
    base = config.number("rope_theta", rope.get("rope_theta", config.get("rope_theta")))
    wave = 2 * np.pi * base ** (np.arange(0, numbers.rope_dims, 2) / numbers.rope_dims)
    smooth = np.clip((original / wave - low) / (high - low), 0, 1)
    factors = 1 / ((1 - smooth) / factor + smooth)
    return {}, {"rope_freqs.weight": factors.astype(np.float32)}


def _longrope(config, numbers, rope, _family):
    tensors = {}
    for name in ("short", "long"):
        values = rope.get(f"{name}_factor")
        if not isinstance(values, list) or len(values) != numbers.rope_dims // 2:
            config.refuse(f"{name}_factor", f"there must be {numbers.rope_dims // 2} numbers",
                          values)
        tensors[f"rope_factors_{name}.weight"] = np.array(
            [config.number(f"{name}_factor", value) for value in values], np.float32)
    key = "original_max_position_embeddings"
    original = _original(config, {key: rope.get(key) or config.get(key)})
    factor = rope.get("attention_factor")
    if factor is None:
        grown = config.integer("max_position_embeddings") / original
        factor = math.sqrt(1 + math.log(grown) / math.log(original)) if grown > 1 else 1.0
    return {"rope.scaling.original_context_length": original,
            "rope.scaling.attn_factor": config.number("attention_factor", factor)}, tensors


# --- Keys of single families ---------------------------------------------------------------------

def experts(config, numbers):
    count = "num_local_experts" if config.get("num_local_experts") is not None else "num_experts"
    numbers.experts = config.integer(count, most=2**16)
    of_their_own = config.get("moe_intermediate_size") is not None
    numbers.expert_ffn = config.integer("moe_intermediate_size") if of_their_own else numbers.ffn
    keys = {"expert_count": numbers.experts,
            "expert_used_count": config.integer("num_experts_per_tok", most=numbers.experts)}
    return keys | {"expert_feed_forward_length": numbers.expert_ffn}


def window_of(config) -> Optional[int]:
    if not config.get("use_sliding_window", True) or config.get("sliding_window") is None:
        return None
    return config.integer("sliding_window")


def shorten_to_window(config, numbers):
    """These architectures have no windows in GGUF files, so the context is limited to the window,
    within which there is no difference."""
    window = window_of(config)
    kinds = config.get("layer_types")
    if window is None or (isinstance(kinds, list) and "sliding_attention" not in kinds):
        return {}
    # The first max_window_layers layers of Qwen have none.
    if kinds is None and "max_window_layers" in config.defaults and (
            config.integer("max_window_layers", least=0) >= numbers.layers):
        return {}
    if numbers.context > window:
        config.warnings.append(f"{config.path}: layers see {window} positions back "
                               f"(sliding_window), which the file cannot express: its context is "
                               f"{window}, and not {numbers.context}")
        numbers.context = window
    return {"context_length": numbers.context}


def window_of_all_layers(config, _numbers):
    window = window_of(config)
    return {} if window is None else {"attention.sliding_window": window}


@dataclass(frozen=True)
class Windows:
    """All layers but the last of each `period` layers attend to a window, unless layer_types says
    otherwise."""

    period: int

    def __call__(self, config, numbers):
        window = window_of(config)
        pattern = self._pattern(config, numbers.layers)
        if not any(pattern):
            return {}
        if window is None:
            config.refuse("sliding_window", "layers with windows must say how long these are")
        keys = {"attention.sliding_window": window}
        if pattern != [i % self.period < self.period - 1 for i in range(numbers.layers)]:
            keys["attention.sliding_window_pattern"] = pattern
        return keys

    def _pattern(self, config, layers):
        kinds = config.get("layer_types")
        if kinds is None:
            period = config.integer("sliding_window_pattern", default=self.period)
            none = config.get("sliding_window") is None
            return [i % period < period - 1 and not none for i in range(layers)]
        if not isinstance(kinds, list) or len(kinds) != layers or not set(
                map(str, kinds)) <= {"sliding_attention", "full_attention"}:
            config.refuse("layer_types", f"not a list of the kinds of {layers} layers")
        return [kind == "sliding_attention" for kind in kinds]


def window_theta(config, _numbers):
    """Gemma 3 has a rotation base of 10000 in layers with a window."""
    rope = config.get("rope_parameters")
    rope = rope.get("sliding_attention") if isinstance(rope, dict) else None
    if not isinstance(rope, dict):
        rope = {}
    if rope.get("rope_type", "default") != "default":
        config.refuse("rope_parameters", "only the rotation of full layers can be scaled", rope)
    theta = config.number("rope_local_base_freq",
                          rope.get("rope_theta", config.get("rope_local_base_freq")))
    return {} if theta == 10000.0 else {"rope.freq_base_swa": theta}


def soft_caps(config, _numbers):
    return {key: config.number(name) for key, name in (
        ("attn_logit_softcapping", "attn_logit_softcapping"),
        ("final_logit_softcapping", "final_logit_softcapping")) if config.get(name) is not None}


@dataclass(frozen=True)
class ScoreScale:
    """Scores are divided by the square root of the head's size or, in models of `layers_of_27b`
    layers, of hidden_size / num_attention_heads. GGUF files have no key for this: readers go by
    the number of layers."""

    layers_of_27b: int

    def __call__(self, config, numbers):
        expected = numbers.head_dim
        if numbers.layers == self.layers_of_27b:
            expected = numbers.dim / numbers.heads
        if config.number("query_pre_attn_scalar") != expected:
            config.refuse("query_pre_attn_scalar", f"readers of the file take {expected:g} for "
                                                   "granted")
        return {}


def growing_queries(config, _numbers):
    rope = rope_of(config)
    beta = rope.get("llama_4_scaling_beta")
    return {} if not beta else {
        "attention.temperature_scale": config.number("llama_4_scaling_beta", beta),
        # From this position on they grow; YaRN writes the same.
        "rope.scaling.original_context_length": _original(config, rope)}


def granite_scales(config, _numbers):
    return {"attention.scale": config.number("attention_multiplier"),
            "embedding_scale": config.number("embedding_multiplier"),
            "residual_scale": config.number("residual_multiplier"),
            "logit_scale": config.number("logits_scaling")}


@dataclass(frozen=True)
class NoRope:
    """The last of each `period` layers has no rotation, for which GGUF files have no key."""

    period: int

    def __call__(self, config, numbers):
        expected = [int((i + 1) % self.period != 0) for i in range(numbers.layers)]
        given = config.get("no_rope_layers")
        if given is not None and given != expected:
            config.refuse("no_rope_layers", "readers of the file take it that every "
                                            f"{self.period}th layer has no rotation")
        if given is None and config.integer("no_rope_layer_interval",
                                            default=self.period) != self.period:
            config.refuse("no_rope_layer_interval", f"readers of the file take {self.period}")
        return {}
