# SPDX-License-Identifier: MIT
"""Compares clamma-quantize with export.py: from the same weights and the same SentencePiece model,
both must make the same q80 checkpoint and the same vocabulary, byte for byte. Models of several shapes
are written in the layout of transformers (for export.py) and as GGUF files (for clamma-quantize).
clamma-quantize must also convert a float checkpoint of export.py to the same int8 checkpoint, and to a
GGUF model with the same floats.

Run by test.sh's stage quantize, like quantize_comparison_test.py.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
CONTEXT = 77
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


@dataclass(frozen=True)
class Shape:
    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    tied: bool = False
    epsilon: float = 1e-5
    dtype: type = np.float32
    equal: bool = False  # the classifier has the embedding's values

    @property
    def head(self):
        return self.dim // self.heads


SHAPES = {
    "plain": Shape(64, 192, 3, 8, 2, 340),
    "tied": Shape(128, 256, 2, 4, 4, 330, tied=True),
    "another epsilon": Shape(64, 96, 2, 4, 2, 330, epsilon=1e-6),
    "tied, another epsilon": Shape(64, 344, 2, 4, 1, 330, tied=True, epsilon=1e-3),
    "an odd epsilon": Shape(64, 96, 1, 4, 2, 330, epsilon=3.7e-6),
    "float16": Shape(192, 320, 2, 6, 3, 500, dtype=np.float16),
    "equal classifier": Shape(64, 128, 1, 4, 2, 330, equal=True, epsilon=1e-6),
}
# The names in GGUF files and in transformers' layout; "{}" is the layer.
NAMES = {
    "token_embd": "model.embed_tokens",
    "blk.{}.attn_norm": "model.layers.{}.input_layernorm",
    "blk.{}.attn_q": "model.layers.{}.self_attn.q_proj",
    "blk.{}.attn_k": "model.layers.{}.self_attn.k_proj",
    "blk.{}.attn_v": "model.layers.{}.self_attn.v_proj",
    "blk.{}.attn_output": "model.layers.{}.self_attn.o_proj",
    "blk.{}.ffn_norm": "model.layers.{}.post_attention_layernorm",
    "blk.{}.ffn_gate": "model.layers.{}.mlp.gate_proj",
    "blk.{}.ffn_down": "model.layers.{}.mlp.down_proj",
    "blk.{}.ffn_up": "model.layers.{}.mlp.up_proj",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def weights_of(shape):
    """Returns {(name in GGUF files, layer or None): array}, with rotary pairs side by side."""
    random = np.random.default_rng(23)
    kv = shape.head * shape.kv_heads
    sizes = {"token_embd": (shape.vocab, shape.dim), "output": (shape.vocab, shape.dim),
             "blk.{}.attn_q": (shape.dim, shape.dim), "blk.{}.attn_k": (kv, shape.dim),
             "blk.{}.attn_v": (kv, shape.dim), "blk.{}.attn_output": (shape.dim, shape.dim),
             "blk.{}.ffn_gate": (shape.hidden, shape.dim),
             "blk.{}.ffn_down": (shape.dim, shape.hidden),
             "blk.{}.ffn_up": (shape.hidden, shape.dim)}
    weights = {}
    for name in NAMES:
        if name == "output" and shape.tied:
            continue
        for layer in range(shape.layers) if "{}" in name else (None,):
            size = sizes.get(name, (shape.dim,))
            values = random.standard_normal(size)
            values = values * 0.05 if len(size) == 2 else 1 + 0.1 * values
            weights[name, layer] = values.astype(shape.dtype)
    weights["token_embd", None][3] = 0  # groups of zeros
    if shape.equal:
        weights["output", None] = weights["token_embd", None].copy()
    return weights


def write_transformers(folder, shape, weights):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": shape.dim, "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocab,
        "rms_norm_eps": shape.epsilon, "tie_word_embeddings": shape.tied,
        "max_position_embeddings": CONTEXT}))
    header, data = {}, b""
    for (name, layer), values in weights.items():
        if name.endswith(("attn_q", "attn_k")):  # pairs half a head apart
            rows, cols = values.shape
            values = values.reshape(rows // shape.head, shape.head // 2, 2, cols)
            values = values.transpose(0, 2, 1, 3).reshape(rows, cols)
        content = np.ascontiguousarray(values).tobytes()
        header[NAMES[name].format(layer) + ".weight"] = {
            "dtype": "F16" if values.dtype == np.float16 else "F32", "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    encoded = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)


def pieces_of(count):
    """Returns the (text, score, type) of each piece of a SentencePiece vocabulary."""
    pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    texts = ["\u2581", "\u2581a", "a", "ä", "\u2581\u2581", "the", "\u2581the\u2581x"]
    texts += [f"w{i}" for i in range(count - len(pieces) - len(texts))]
    return pieces + [(text, -0.37 * i, NORMAL) for i, text in enumerate(texts)]


def write_sentencepiece(path, pieces):
    def field(number, content):
        size, encoded = len(content), b""
        while size >= 128:
            encoded += bytes([size & 127 | 128])
            size >>= 7
        return bytes([number << 3 | 2]) + encoded + bytes([size]) + content

    message = b""
    for text, score, kind in pieces:
        message += field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score)
                         + bytes([0x18, kind]))
    message += field(2, bytes([0x18, 2]))  # trained as byte pairs
    message += field(3, bytes([0x20, 0]))  # extra spaces are not removed
    path.write_bytes(message)


def write_gguf(path, shape, weights, pieces, **changes):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(shape.layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.dim)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.head)
    writer.add_tokenizer_model(changes.get("tokenizer", "llama"))
    writer.add_token_list([text for text, _, _ in pieces])
    writer.add_token_scores([score for _, score, _ in pieces])
    writer.add_token_types([kind for _, _, kind in pieces])
    for (name, layer), values in weights.items():
        writer.add_tensor(name.format(layer) + ".weight",
                          values if values.ndim > 1 else values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done


def quantize(*arguments):
    return run(PROGRAMS / "clamma-quantize", *arguments, "-q").stderr


class BesideExport(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name)

    def make(self, shape):
        """Returns the weights and the pieces from which all files of this shape are made."""
        weights, pieces = weights_of(shape), pieces_of(shape.vocab - 5)  # 5 rows have no token
        write_transformers(self.path / "hf", shape, weights)
        write_sentencepiece(self.path / "tokenizer.model", pieces)
        write_gguf(self.path / "model.gguf", shape, weights, pieces)
        return weights, pieces

    def export(self, name, version):
        run(sys.executable, ROOT / "export.py", self.path / name, "--version", version, "--hf",
            self.path / "hf", "--tokenizer", self.path / "tokenizer.model")

    def assert_equal_files(self, ours, theirs):
        a, b = (self.path / ours).read_bytes(), (self.path / theirs).read_bytes()
        self.assertEqual(len(a), len(b), f"{ours}, {theirs}")
        if a != b:
            at = next(i for i in range(len(a)) if a[i] != b[i])
            self.fail(f"{ours} and {theirs} differ from byte {at} on")

    def test_checkpoints_are_those_of_export(self):
        for name, shape in SHAPES.items():
            with self.subTest(name):
                self.setUp()
                self.make(shape)
                self.export("theirs.bin", 2)
                messages = quantize(self.path / "model.gguf", self.path / "ours.bin", "q80")
                self.assertEqual("scaled by" in messages, shape.epsilon != 1e-5, messages)
                self.assert_equal_files("ours.bin", "theirs.bin")
                self.assert_equal_files("ours.tokenizer.bin", "theirs.tokenizer.bin")

    def test_float_checkpoints_become_those_of_export(self):
        for name, shape in SHAPES.items():
            for version in (0, 1):
                with self.subTest(name, version=version):
                    self.setUp()
                    self.make(shape)
                    self.export("float.bin", version)
                    self.export("theirs.bin", 2)
                    quantize(self.path / "float.bin", self.path / "ours.bin", "q80")
                    self.assert_equal_files("ours.bin", "theirs.bin")

    def test_checkpoints_become_gguf_models_of_the_same_weights(self):
        for name, shape in SHAPES.items():
            if shape.epsilon != 1e-5:
                continue
            with self.subTest(name):
                self.setUp()
                weights, pieces = self.make(shape)
                self.export("float.bin", 0)
                quantize(self.path / "float.bin", self.path / "out.gguf", "F32", "-z",
                         self.path / "float.tokenizer.bin")
                reader = gguf.GGUFReader(self.path / "out.gguf")
                tensors = {tensor.name: tensor.data for tensor in reader.tensors}
                self.assertEqual(len(tensors), len(weights))
                for (key, layer), values in weights.items():
                    found = tensors[key.format(layer) + ".weight"]
                    self.assertTrue(np.array_equal(found, values.astype(np.float32)), key)
                texts = reader.get_field("tokenizer.ggml.tokens").contents()
                self.assertEqual(texts, [text for text, _, _ in pieces] + [""] * 5)
                scores = reader.get_field("tokenizer.ggml.scores").contents()
                self.assertEqual(scores, [float(np.float32(s)) for _, s, _ in pieces] + [0.0] * 5)
                kinds = reader.get_field("tokenizer.ggml.token_type").contents()
                self.assertEqual(kinds, [kind for _, _, kind in pieces] + [NORMAL] * 5)


if __name__ == "__main__":
    unittest.main()
