# SPDX-License-Identifier: MIT
"""The families of models that are written as GGUF: a row for each model_type of Hugging Face
transformers. A row has the architecture's name in GGUF files, the tensors, the defaults of the
config's class in transformers, and the keys and checks that not all families have. Names, keys and
the order of numbers are as llama.cpp's converters write them
(https://github.com/ggml-org/llama.cpp, convert_hf_to_gguf.py); src/model/architectures reads them.
"""
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Tuple

from . import family_keys as keys


class Tensor(NamedTuple):
    gguf: str              # the name in GGUF files; layers add "blk.N." in front
    hf: str                # the name in Hugging Face's; layers add "layers.N." in front
    shape: Tuple[str, ...]  # names of members of Numbers
    form: str = ""         # how it is built: a key of FORMS in family_tensors
    when: str = ""         # if set, it exists only if this key of config.json says so

    @property
    def of_layer(self):
        return self.hf not in MODEL_NAMES


def _weights(gguf, hf, shape, form=""):
    return Tensor(gguf + ".weight", hf + ".weight", shape, form)


def _biases(tensors, when=""):
    return tuple(Tensor(of.gguf.replace(".weight", ".bias"), of.hf.replace(".weight", ".bias"),
                        of.shape[:1], of.form, when) for of in tensors)


def _experts(gate, up, down, front):
    return (_weights("ffn_gate_exps", f"{front}.experts.{{}}.{gate}",
                     ("experts", "expert_ffn", "dim"), "experts"),
            _weights("ffn_up_exps", f"{front}.experts.{{}}.{up}",
                     ("experts", "expert_ffn", "dim"), "experts"),
            _weights("ffn_down_exps", f"{front}.experts.{{}}.{down}",
                     ("experts", "dim", "expert_ffn"), "experts"))


EMBEDDING = _weights("token_embd", "embed_tokens", ("vocab", "dim"))
OUTPUT = _weights("output", "lm_head", ("vocab", "dim"))
MODEL = (EMBEDDING, _weights("output_norm", "norm", ("dim",), "norm"), OUTPUT)
MODEL_NAMES = tuple(tensor.hf for tensor in MODEL)

QKV = (_weights("attn_q", "self_attn.q_proj", ("q", "dim"), "q"),
       _weights("attn_k", "self_attn.k_proj", ("kv", "dim"), "k"),
       _weights("attn_v", "self_attn.v_proj", ("kv", "dim")))
ATTENTION_OUTPUT = (_weights("attn_output", "self_attn.o_proj", ("dim", "q")),)
ATTENTION = QKV + ATTENTION_OUTPUT
FEED_FORWARD = (_weights("ffn_gate", "mlp.gate_proj", ("ffn", "dim")),
                _weights("ffn_up", "mlp.up_proj", ("ffn", "dim")),
                _weights("ffn_down", "mlp.down_proj", ("dim", "ffn")))
OPTIONAL_BIASES = _biases(ATTENTION, "attention_bias") + _biases(FEED_FORWARD, "mlp_bias")
NORMS = (_weights("attn_norm", "input_layernorm", ("dim",), "norm"),
         _weights("ffn_norm", "post_attention_layernorm", ("dim",), "norm"))
POST_NORMS = (_weights("post_attention_norm", "post_attention_layernorm", ("dim",), "norm"),
              _weights("post_ffw_norm", "post_feedforward_layernorm", ("dim",), "norm"))
FOUR_NORMS = (NORMS[0], *POST_NORMS,
              _weights("ffn_norm", "pre_feedforward_layernorm", ("dim",), "norm"))
HEAD_NORMS = (_weights("attn_q_norm", "self_attn.q_norm", ("head_dim",), "norm"),
              _weights("attn_k_norm", "self_attn.k_norm", ("head_dim",), "norm"))
WIDE_NORMS = (_weights("attn_q_norm", "self_attn.q_norm", ("q",)),
              _weights("attn_k_norm", "self_attn.k_norm", ("kv",)))
FUSED = (_weights("attn_qkv", "self_attn.qkv_proj", ("qkv", "dim")),
         _weights("ffn_up", "mlp.gate_up_proj", ("two_ffn", "dim")), FEED_FORWARD[2])
MIXTRAL_EXPERTS = (_weights("ffn_gate_inp", "block_sparse_moe.gate", ("experts", "dim")),
                   *_experts("w1", "w3", "w2", "block_sparse_moe"))
QWEN_EXPERTS = (_weights("ffn_gate_inp", "mlp.gate", ("experts", "dim")),
                *_experts("gate_proj", "up_proj", "down_proj", "mlp"))
_ROUTER = _weights("ffn_gate_inp", "mlp.router", ("experts", "dim"))
GPT_OSS = (NORMS[0], _weights("post_attention_norm", "post_attention_layernorm", ("dim",)),
           Tensor("attn_sinks.weight", "self_attn.sinks", ("heads",)),
           _ROUTER, *_biases((_ROUTER,)),
           *(Tensor(f"ffn_{part}_exps.weight", f"mlp.experts.{source}", shape, part)
             for part, source, shape in (
                 ("gate", "gate_up_proj", ("experts", "expert_ffn", "dim")),
                 ("up", "gate_up_proj", ("experts", "expert_ffn", "dim")),
                 ("down", "down_proj", ("experts", "dim", "expert_ffn")))),
           Tensor("ffn_gate_exps.bias", "mlp.experts.gate_up_proj_bias", ("experts", "expert_ffn"),
                  "gate bias"),
           Tensor("ffn_up_exps.bias", "mlp.experts.gate_up_proj_bias", ("experts", "expert_ffn"),
                  "up bias"),
           Tensor("ffn_down_exps.bias", "mlp.experts.down_proj_bias", ("experts", "dim")))


@dataclass(frozen=True)
class Family:
    arch: str                       # general.architecture
    tensors: Tuple[Tensor, ...]
    defaults: dict                  # those of transformers
    read: Tuple[Callable, ...] = ()  # further keys: each (Config, Numbers) -> {name: value}
    pairs: bool = False             # rows of queries and keys are reordered to rotate neighbours
    norms_less_one: bool = False    # the model adds 1 to the stored weights of norms
    gelu: bool = False
    ropes: Tuple[str, ...] = ("linear", "yarn")  # kinds of rotary scaling
    exact_ramp: bool = False        # the ends of YaRN's ramp are not rounded
    only: dict = field(default_factory=dict)  # keys of config.json, and their only valid values


LLAMA = dict(rms_norm_eps=1e-6, rope_theta=1e4, tie_word_embeddings=False,
             max_position_embeddings=2048, bos_token_id=1, eos_token_id=2)
MISTRAL = LLAMA | dict(max_position_embeddings=131072, num_key_value_heads=8, sliding_window=4096)
QWEN = LLAMA | dict(max_position_embeddings=32768, num_key_value_heads=32, use_sliding_window=False,
                    sliding_window=4096, bos_token_id=None, eos_token_id=None)
GEMMA = LLAMA | dict(max_position_embeddings=8192, tie_word_embeddings=True, head_dim=256,
                     bos_token_id=2, eos_token_id=1)
GEMMA2 = GEMMA | dict(num_attention_heads=8, num_key_value_heads=4, query_pre_attn_scalar=256,
                      sliding_window=4096)
OLMO = LLAMA | dict(rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=50279)
GPT_OSS_YARN = dict(rope_type="yarn", factor=32.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                    original_max_position_embeddings=4096)

PLAIN = MODEL + NORMS + ATTENTION + FEED_FORWARD
LLAMA_TENSORS = PLAIN + OPTIONAL_BIASES
GEMMA_TENSORS = MODEL + FOUR_NORMS + ATTENTION + FEED_FORWARD

FAMILIES = {
    "llama": Family("llama", LLAMA_TENSORS, LLAMA, pairs=True, ropes=("linear", "yarn", "llama3")),
    "mistral": Family("llama", PLAIN, MISTRAL, (keys.shorten_to_window,), pairs=True),
    "mixtral": Family("llama", MODEL + NORMS + ATTENTION + MIXTRAL_EXPERTS,
                      MISTRAL | dict(rms_norm_eps=1e-5, rope_theta=1e6, sliding_window=None,
                                     num_local_experts=8, num_experts_per_tok=2),
                      (keys.shorten_to_window, keys.experts), pairs=True),
    "ministral3": Family("mistral3", PLAIN, MISTRAL | dict(sliding_window=None),
                         (keys.shorten_to_window, keys.growing_queries), pairs=True),
    "qwen2": Family("qwen2", PLAIN + _biases(QKV), QWEN | dict(max_window_layers=28),
                    (keys.shorten_to_window,)),
    "qwen3": Family("qwen3", PLAIN + HEAD_NORMS, QWEN | dict(head_dim=128, max_window_layers=28),
                    (keys.shorten_to_window,)),
    "qwen3_moe": Family("qwen3moe", MODEL + NORMS + ATTENTION + HEAD_NORMS + QWEN_EXPERTS,
                        QWEN | dict(num_key_value_heads=4, num_experts=128, num_experts_per_tok=8,
                                    norm_topk_prob=False, decoder_sparse_step=1,
                                    moe_intermediate_size=768),
                        (keys.shorten_to_window, keys.experts),
                        only=dict(norm_topk_prob=True, decoder_sparse_step=1,
                                    mlp_only_layers=[])),
    "gemma": Family("gemma", PLAIN, GEMMA, norms_less_one=True, gelu=True),
    "gemma2": Family("gemma2", GEMMA_TENSORS,
                     GEMMA2 | dict(attn_logit_softcapping=50.0, final_logit_softcapping=30.0),
                     (keys.Windows(2), keys.soft_caps, keys.ScoreScale(46)), norms_less_one=True,
                     gelu=True, only=dict(use_bidirectional_attention=False)),
    "gemma3_text": Family("gemma3", GEMMA_TENSORS + HEAD_NORMS,
                          GEMMA2 | dict(max_position_embeddings=131072, rope_theta=1e6,
                                        rope_local_base_freq=1e4, vocab_size=262208,
                                        hidden_size=2304, intermediate_size=9216,
                                        num_hidden_layers=26),
                          (keys.Windows(6), keys.window_theta, keys.soft_caps, keys.ScoreScale(62)),
                          norms_less_one=True, gelu=True,
                          only=dict(use_bidirectional_attention=False)),
    "phi3": Family("phi3", MODEL + NORMS + FUSED + ATTENTION_OUTPUT,
                   LLAMA | dict(rms_norm_eps=1e-5, max_position_embeddings=4096,
                                original_max_position_embeddings=4096, partial_rotary_factor=1.0,
                                eos_token_id=32000),
                   (keys.window_of_all_layers,), ropes=("longrope", "su")),
    "granite": Family("granite", LLAMA_TENSORS,
                      LLAMA | dict(attention_multiplier=1.0, embedding_multiplier=1.0,
                                   residual_multiplier=1.0, logits_scaling=1.0),
                      (keys.granite_scales,), pairs=True,
                      only=dict(position_embedding_type="rope")),
    "smollm3": Family("smollm3", LLAMA_TENSORS,
                      LLAMA | dict(rope_theta=2e6, tie_word_embeddings=True,
                                   max_position_embeddings=32768, num_key_value_heads=4,
                                   use_sliding_window=False, bos_token_id=128000,
                                   eos_token_id=128001),
                      (keys.shorten_to_window, keys.NoRope(4)), pairs=True),
    "gpt_oss": Family("gpt-oss", MODEL + ATTENTION + _biases(ATTENTION) + GPT_OSS,
                      LLAMA | dict(rms_norm_eps=1e-5, rope_theta=150000.0, head_dim=64,
                                   max_position_embeddings=131072, num_key_value_heads=8,
                                   sliding_window=128, num_local_experts=128,
                                   num_experts_per_tok=4, rope_scaling=GPT_OSS_YARN,
                                   bos_token_id=None, eos_token_id=None),
                      (keys.Windows(2), keys.experts), exact_ramp=True,
                      only=dict(swiglu_limit=7.0)),
    "olmo2": Family("olmo2", MODEL + POST_NORMS + ATTENTION + WIDE_NORMS + FEED_FORWARD, OLMO),
    "olmo3": Family("olmo2", MODEL + POST_NORMS + ATTENTION + WIDE_NORMS + FEED_FORWARD,
                    OLMO | dict(sliding_window=4096), (keys.Windows(4),)),
}
