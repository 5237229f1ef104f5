# SPDX-License-Identifier: MIT
"""Tests logits and texts of GGUF models that PyPI's `gguf` writes.

There is a small random llama model for each weight type; together they use all features of the
architecture. Their logits are compared with a forward pass in float64 on the weights as `gguf`
dequantises them, so they differ only by the rounding of activations to int8. A real model, made from
llama2.c's stories260K, must generate llama2.c's texts.

Run by test.sh's stage gguf: python -m unittest discover --start-directory tests/model --pattern
'gguf*_test.py', with CLAMMA_TEST_PROGRAMS naming the folder of print_logits and clamma-gen.
"""
import os
import struct
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from float64_pass import Pass, divergence, log_softmax

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
SHARED = Path(os.environ.get("CLAMMA_TEST_DATA", ROOT / ".." / "shared"))

TOKENS = [1, 300, 317, 262, 280, 311, 300, 299, 301, 270, 318, 265]
VOCABULARY = 320
EPSILON = 1e-5

Type = gguf.GGMLQuantizationType


FLOATS = (Type.F32, Type.F16, Type.BF16)


@dataclass(frozen=True)
class Model:
    """A model's numbers, and its special features."""
    type: Type
    dim: int = 256
    hidden: int = 512
    layers: int = 2
    heads: int = 8
    kv_heads: int = 2
    head: int = 32
    rope_dims: int = 0        # 0: the whole head
    rope_base: float = 10000
    rope_scale: float = 1     # linear scaling: positions are divided by it
    rope_factors: bool = False
    epsilon: float = EPSILON
    attention_biases: bool = False
    ffn_biases: bool = False
    tied: bool = False
    mixed: bool = False       # values and ffn_down in Q6_K, the embedding in Q5_0


MODELS = {
    "F32": Model(Type.F32, dim=72, hidden=100, heads=6, kv_heads=3, head=12),
    "F16": Model(Type.F16, dim=72, hidden=100, heads=6, kv_heads=1, head=12, attention_biases=True,
                 ffn_biases=True),
    "BF16": Model(Type.BF16, dim=72, hidden=100, heads=6, kv_heads=6, head=12, rope_factors=True),
    "Q8_0": Model(Type.Q8_0, dim=96, hidden=160, heads=3, kv_heads=1, tied=True),
    "Q4_0": Model(Type.Q4_0, dim=96, hidden=160, heads=3, kv_heads=3, rope_scale=4),
    "Q4_1": Model(Type.Q4_1, dim=96, hidden=160, heads=4, kv_heads=2, head=48),
    "Q5_0": Model(Type.Q5_0, dim=96, hidden=160, heads=3, kv_heads=1, rope_dims=16),
    "Q5_1": Model(Type.Q5_1, dim=96, hidden=160, heads=3, kv_heads=1, attention_biases=True),
    "IQ4_NL": Model(Type.IQ4_NL, dim=96, hidden=160, heads=3, kv_heads=1, rope_base=500000,
                    rope_factors=True),
    "MXFP4": Model(Type.MXFP4, dim=96, hidden=160, heads=3, kv_heads=1, ffn_biases=True),
    "Q4_K": Model(Type.Q4_K, tied=True),
    "Q5_K": Model(Type.Q5_K, kv_heads=4, rope_scale=2, rope_factors=True),
    "Q6_K": Model(Type.Q6_K, kv_heads=8, attention_biases=True),
    "Q2_K": Model(Type.Q2_K, ffn_biases=True),
    "Q3_K": Model(Type.Q3_K, attention_biases=True, tied=True),
    "IQ4_XS": Model(Type.IQ4_XS, kv_heads=4, rope_dims=16),
    "a mix": Model(Type.Q4_K, mixed=True),
}


# --- Weights at random ----------------------------------------------------------------------------

# Types that gguf does not write: (bytes of a block, offsets of its halves, deviation of the values if
# these halves are 1).
BLOCKS = {
    Type.IQ4_NL: (18, (0,), 67.4),
    Type.Q4_K: (144, (0, 2), 270),
    Type.Q5_K: (176, (0, 2), 550),
    Type.Q6_K: (210, (208,), 1370),
    Type.Q2_K: (84, (80, 82), 15),
    Type.Q3_K: (110, (108,), 43),
    Type.IQ4_XS: (136, (0,), 1250),
}


def random_blocks(random, kind, rows, cols, deviation):
    """Returns blocks of random bytes with sensible scales."""
    size, halves, width = BLOCKS[kind]
    block_cols = gguf.GGML_QUANT_SIZES[kind][0]
    raw = random.integers(0, 256, (rows, cols // block_cols, size), np.uint8)
    for i, at in enumerate(halves):
        scale = deviation / width * random.uniform(0.7, 1.3, raw.shape[:2])
        if i == 1:  # minima, as large as scales, so that the mean of the values is about 0
            scale *= {Type.Q2_K: 1.5, Type.Q4_K: 7.5}.get(kind, 15.5)
        elif len(halves) == 1:  # scales of either sign, as the mean of the integers is not exactly 0
            scale *= random.choice([-1, 1], raw.shape[:2])
        raw[..., at:at + 2] = scale.astype("<f2")[..., None].view(np.uint8)
    return raw.reshape(rows, -1)


def make_matrix(random, kind, rows, cols, deviation):
    """Returns (the data for a GGUF file, the same in float64)."""
    if kind in BLOCKS:
        data = random_blocks(random, kind, rows, cols, deviation)
    else:
        values = random.normal(0, deviation, (rows, cols)).astype(np.float32)
        data = gguf.quants.quantize(values, kind)
    return data, gguf.quants.dequantize(data, kind).astype(np.float64)


def matrices_of(model):
    """Returns {name of a tensor: (rows, cols, factor of the usual deviation)}."""
    q_dim, kv_dim = model.heads * model.head, model.kv_heads * model.head
    shapes = {"token_embd.weight": (VOCABULARY, model.dim, np.sqrt(model.dim))}
    if not model.tied:
        shapes["output.weight"] = (VOCABULARY, model.dim, 1)
    for i in range(model.layers):
        # Layers add small values to the residual stream, as in trained models.
        shapes.update({
            f"blk.{i}.attn_q.weight": (q_dim, model.dim, 1),
            f"blk.{i}.attn_k.weight": (kv_dim, model.dim, 1),
            f"blk.{i}.attn_v.weight": (kv_dim, model.dim, 1),
            f"blk.{i}.attn_output.weight": (model.dim, q_dim, 0.1),
            f"blk.{i}.ffn_gate.weight": (model.hidden, model.dim, 1),
            f"blk.{i}.ffn_up.weight": (model.hidden, model.dim, 1),
            f"blk.{i}.ffn_down.weight": (model.dim, model.hidden, 0.1),
        })
    return shapes


def vectors_of(model, random):
    """Returns {name of a tensor: float32}."""
    q_dim, kv_dim = model.heads * model.head, model.kv_heads * model.head
    last = random.uniform(0.5, 1.5, model.dim)  # so that logits are about 1, whether tied or not
    vectors = {"output_norm.weight": last / np.sqrt(model.dim) if model.tied else last}
    if model.rope_factors:
        vectors["rope_freqs.weight"] = random.uniform(1, 8, (model.rope_dims or model.head) // 2)
    for i in range(model.layers):
        vectors[f"blk.{i}.attn_norm.weight"] = random.uniform(0.5, 1.5, model.dim)
        vectors[f"blk.{i}.ffn_norm.weight"] = random.uniform(0.5, 1.5, model.dim)
        sizes = {}
        if model.attention_biases:
            sizes.update(attn_q=q_dim, attn_k=kv_dim, attn_v=kv_dim, attn_output=model.dim)
        if model.ffn_biases:
            sizes.update(ffn_gate=model.hidden, ffn_up=model.hidden, ffn_down=model.dim)
        for name, size in sizes.items():
            vectors[f"blk.{i}.{name}.bias"] = random.normal(0, 0.3, size)
    return {name: vector.astype(np.float32) for name, vector in vectors.items()}


def type_of(model, name):
    """Returns the type of a matrix in a model of mixed types."""
    if model.mixed and ("attn_v" in name or "ffn_down" in name or name == "output.weight"):
        return Type.Q6_K
    return Type.Q5_0 if model.mixed and name == "token_embd.weight" else model.type


# --- Files ----------------------------------------------------------------------------------------

def add_vocabulary(writer, tokens, scores, types):
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def any_vocabulary(size):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    tokens += [f"w{i}" for i in range(size - len(tokens))]
    types += [gguf.TokenType.NORMAL] * (size - len(types))
    return tokens, [-float(i) for i in range(size)], types


def write_file(path, model, tensors, vocabulary, context=64):
    """tensors: {name: (data, type)}"""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(model.layers)
    writer.add_context_length(context)
    writer.add_embedding_length(model.dim)
    writer.add_feed_forward_length(model.hidden)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(model.rope_base)
    writer.add_vocab_size(len(vocabulary[0]))
    if model.head * model.heads != model.dim:
        writer.add_key_length(model.head)
        writer.add_value_length(model.head)
    writer.add_rope_dimension_count(model.rope_dims or model.head)
    if model.rope_scale != 1:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(model.rope_scale)
    add_vocabulary(writer, *vocabulary)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_model(path, model, seed):
    """Writes the model. Returns its weights in float64."""
    random = np.random.default_rng(seed)
    tensors, weights = {}, {}
    for name, vector in vectors_of(model, random).items():
        tensors[name], weights[name] = (vector, Type.F32), vector.astype(np.float64)
    for name, (rows, cols, times) in matrices_of(model).items():
        kind = type_of(model, name)
        data, weights[name] = make_matrix(random, kind, rows, cols, times / np.sqrt(cols))
        tensors[name] = (data, kind)
    write_file(path, model, tensors, any_vocabulary(VOCABULARY))
    return weights


# --- The forward pass -----------------------------------------------------------------------------

def logits_of(model, weights, tokens, round_activations=False):
    """A pass with activations in float64, or rounded where a matrix has quantised blocks."""
    def group(name):
        return gguf.GGML_QUANT_SIZES[type_of(model, name)][0] if round_activations else 1

    exact = Pass(model, weights, group)
    return exact.logits(exact.states([tokens]))


# --- Tests ----------------------------------------------------------------------------------------

def run(program, *arguments):
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], capture_output=True,
                          timeout=300, check=False)
    assert done.returncode == 0, f"{program} ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


def distance(ours, exact):
    """Returns (relative root mean square difference of the logits, the smallest one of a position,
    mean KL divergence of the next token), over all positions."""
    squares = ((ours - exact)**2).mean(-1) / (exact**2).mean(-1)
    p, q = log_softmax(exact), log_softmax(ours)
    return np.sqrt(squares.mean()), np.sqrt(squares.min()), divergence(p, q).mean()


class Logits(unittest.TestCase):
    def test_each_weight_type(self):
        for seed, (name, model) in enumerate(MODELS.items()):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.gguf"
                weights = make_model(path, model, seed)
                ours = np.frombuffer(run("print_logits", path, *TOKENS), np.float32)
                ours = ours.reshape(len(TOKENS), VOCABULARY).astype(np.float64)
                rms, _, kl = distance(ours, logits_of(model, weights, TOKENS))
                own, least, _ = distance(ours, logits_of(model, weights, TOKENS, True))
                print(f"{name}: relative RMS {rms:.2e}, KL {kl:.2e}, beyond the rounding of "
                      f"activations {own:.2e}, at least {least:.2e}")
                self.assertLess(rms, 0.01)
                self.assertLess(kl, 1e-3)
                # An activation halfway between two integers may be rounded differently, which
                # changes all later positions.
                self.assertLess(least, 1e-6)
                self.assertLess(own, 1e-6 if model.type in FLOATS else 5e-3)


class Stories(unittest.TestCase):
    """stories260K in GGUF files of several types, with its vocabulary."""

    def setUp(self):
        self.checkpoint = SHARED / "models" / "stories260K.bin"
        if not self.checkpoint.exists():
            self.skipTest(f"{self.checkpoint} is missing")

    def convert(self, path, kind):
        """Writes the model with matrices of this type, or of F16 if its blocks do not divide a
        row."""
        raw = self.checkpoint.read_bytes()
        dim, hidden, layers, heads, kv_heads, size, context = struct.unpack_from("<7i", raw)
        head, at = dim // heads, 28
        tensors = {}

        def take(name, rows, cols, count=layers):
            nonlocal at
            for i in range(count):
                values = np.frombuffer(raw, "<f4", max(rows, 1) * cols, at)
                at += values.nbytes
                fits = cols % gguf.GGML_QUANT_SIZES[kind][0] == 0
                used = Type.F32 if rows == 0 else kind if fits else Type.F16
                shaped = values.reshape(rows, cols) if rows else values
                tensors[f"{name.format(i)}.weight"] = (gguf.quants.quantize(shaped, used), used)

        take("token_embd", size, dim, 1)
        take("blk.{}.attn_norm", 0, dim)
        take("blk.{}.attn_q", dim, dim)
        take("blk.{}.attn_k", kv_heads * head, dim)
        take("blk.{}.attn_v", kv_heads * head, dim)
        take("blk.{}.attn_output", dim, dim)
        take("blk.{}.ffn_norm", 0, dim)
        take("blk.{}.ffn_gate", hidden, dim)
        take("blk.{}.ffn_down", dim, hidden)
        take("blk.{}.ffn_up", hidden, dim)
        take("output_norm", 0, dim, 1)
        model = Model(kind, dim, hidden, layers, heads, kv_heads, head)
        write_file(path, model, tensors, self.vocabulary(size), context)

    def vocabulary(self, size):
        raw = (SHARED / "models" / "tok512.bin").read_bytes()
        tokens, scores, types, at = [], [], [], 4
        for i in range(size):
            score, length = struct.unpack_from("<fi", raw, at)
            text = raw[at + 8:at + 8 + length].decode()
            at += 8 + length
            kind = gguf.TokenType.NORMAL
            if i < 3:
                text = ("<unk>", "<s>", "</s>")[i]
                kind = gguf.TokenType.CONTROL if i else gguf.TokenType.UNKNOWN
            elif i < 259:
                kind = gguf.TokenType.BYTE
            tokens.append(text.replace(" ", "\u2581"))
            scores.append(score)
            types.append(kind)
        return tokens, scores, types

    def tell(self, kind, kv, prompt):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stories.gguf"
            self.convert(path, kind)
            return run("clamma-gen", path, "-q", "-t", "0", "--kv", kv, "-i", prompt)

    def test_float_types_tell_llama2c_s_texts(self):
        for golden, prompt in (("float-greedy-bos", ""),
                               ("float-prompt-greedy", "Once upon a time, Tom")):
            expected = (SHARED / "golden" / f"{golden}.txt").read_bytes().rstrip(b"\n")
            for kind in (Type.F32, Type.F16):
                for kv in ("f32", "f16"):
                    with self.subTest(f"{kind.name}, kv {kv}, {golden}"):
                        self.assertEqual(self.tell(kind, kv, prompt)[:len(expected)], expected)

    def test_q8_0_tells_a_text_that_begins_alike(self):
        expected = (SHARED / "golden" / "float-greedy-bos.txt").read_bytes()
        text = self.tell(Type.Q8_0, "f16", "")
        common = os.path.commonprefix([expected, text])
        print(f"Q8_0: {len(common)} of {len(expected)} bytes as the float model's")
        self.assertGreater(len(common), 40)


if __name__ == "__main__":
    unittest.main()
