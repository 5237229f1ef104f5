# SPDX-License-Identifier: MIT
"""The code that the tests of export.py share: models in every layout, made with torch and
transformers; runs of export.py; and a reader of its results that shares no code with it."""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
SHARED_MODELS = Path(os.environ.get("CLAMMA_TEST_DATA", ROOT / ".." / "shared")) / "models"

transformers.logging.set_verbosity_error()


@dataclass(frozen=True)
class Shape:
    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    tied: bool
    epsilon: float
    group: int  # that version 2 must choose

    @property
    def head(self):
        return self.dim // self.heads


SHAPES = {
    # Queries share kv heads, 64 does not divide hidden, and the format cannot store this epsilon.
    "grouped": Shape(64, 96, 3, 8, 2, 320, False, 1e-6, 32),
    "tied": Shape(128, 256, 2, 4, 4, 258, True, 1e-5, 64),
    "tied, other epsilon": Shape(64, 128, 2, 4, 1, 128, True, 1e-3, 64),
    "odd": Shape(192, 344, 2, 6, 3, 300, False, 1e-5, 8),
}

# Names in Meta's layout and in Hugging Face's, and the axis along which Meta's shards are split.
NAMES = {
    "token_embedding": ("tok_embeddings", "model.embed_tokens", 1),
    "attention_norm": ("layers.{}.attention_norm", "model.layers.{}.input_layernorm", None),
    "wq": ("layers.{}.attention.wq", "model.layers.{}.self_attn.q_proj", 0),
    "wk": ("layers.{}.attention.wk", "model.layers.{}.self_attn.k_proj", 0),
    "wv": ("layers.{}.attention.wv", "model.layers.{}.self_attn.v_proj", 0),
    "wo": ("layers.{}.attention.wo", "model.layers.{}.self_attn.o_proj", 1),
    "ffn_norm": ("layers.{}.ffn_norm", "model.layers.{}.post_attention_layernorm", None),
    "w1": ("layers.{}.feed_forward.w1", "model.layers.{}.mlp.gate_proj", 0),
    "w2": ("layers.{}.feed_forward.w2", "model.layers.{}.mlp.down_proj", 1),
    "w3": ("layers.{}.feed_forward.w3", "model.layers.{}.mlp.up_proj", 0),
    "final_norm": ("norm", "model.norm", None),
    "classifier": ("output", "lm_head", 0),
}
ONCE = ("token_embedding", "final_norm", "classifier")


def shape_of(kind, s):
    kv = s.head * s.kv_heads
    return {"token_embedding": (s.vocab, s.dim), "classifier": (s.vocab, s.dim),
            "wq": (s.dim, s.dim), "wk": (kv, s.dim), "wv": (kv, s.dim), "wo": (s.dim, s.dim),
            "w1": (s.hidden, s.dim), "w2": (s.dim, s.hidden), "w3": (s.hidden, s.dim),
            }.get(kind, (s.dim,))


def random_weights(shape, seed=1):
    """Returns {(kind, layer): tensor}, with rotary pairs side by side, as Meta and llama2.c have them. The
    weights are large enough for logits of several units, which an error in any tensor changes."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for kind in NAMES:
        if kind == "classifier" and shape.tied:
            continue
        for layer in range(1 if kind in ONCE else shape.layers):
            size = shape_of(kind, shape)
            values = torch.randn(size, generator=generator)
            if len(size) == 1:
                values = 1 + values * 0.2
            elif kind == "token_embedding":
                values = values * (0.3 if shape.tied else 0.05)
            else:
                values = values / size[1] ** 0.5
            weights[kind, layer] = values
    return weights


def cast(weights, dtype):
    return {key: value.to(dtype) for key, value in weights.items()}


def rotate_for_huggingface(matrix, head):
    """Returns the rows of wq or wk in transformers' order (as its conversion script for Llama does)."""
    rows, cols = matrix.shape
    return matrix.view(rows // head, head // 2, 2, cols).transpose(1, 2).reshape(rows, cols)


def huggingface_model(shape, weights):
    """Returns a model of transformers with these weights, in their type."""
    config = transformers.LlamaConfig(
        hidden_size=shape.dim, intermediate_size=shape.hidden, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        vocab_size=shape.vocab, rms_norm_eps=shape.epsilon, tie_word_embeddings=shape.tied,
        max_position_embeddings=77, attn_implementation="eager")
    model = transformers.LlamaForCausalLM(config)
    state = {}
    for (kind, layer), tensor in weights.items():
        if kind in ("wq", "wk"):
            tensor = rotate_for_huggingface(tensor, shape.head)
        state[NAMES[kind][1].format(layer) + ".weight"] = tensor
    if shape.tied:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = model.to(weights["final_norm", 0].dtype)
    model.load_state_dict(state)
    model.tie_weights()
    return model.eval()


def save_meta(folder, shape, weights, shards=2, embedding_axis=1, **params):
    """Parts of rows stay views, so several shards contain the whole storage, with offsets."""
    folder.mkdir(parents=True)
    content = {"dim": shape.dim, "n_layers": shape.layers, "n_heads": shape.heads,
               "norm_eps": shape.epsilon, "vocab_size": -1, "multiple_of": 32, **params}
    if shape.kv_heads != shape.heads:
        content["n_kv_heads"] = shape.kv_heads
    (folder / "params.json").write_text(json.dumps(content))
    for shard in range(shards):
        state = {"rope.freqs": torch.ones(shape.head // 2)}
        for (kind, layer), tensor in meta_complete(weights).items():
            name, _, axis = NAMES[kind]
            if kind == "token_embedding":
                axis = embedding_axis
            part = tensor if axis is None else tensor.chunk(shards, axis)[shard].contiguous()
            state[name.format(layer) + ".weight"] = part
        torch.save(state, folder / f"consolidated.{shard:02d}.pth")


def meta_complete(weights):
    """Returns the weights with a classifier, which Meta's layout always has."""
    if ("classifier", 0) in weights:
        return weights
    return {**weights, ("classifier", 0): weights["token_embedding", 0]}


def save_training_checkpoint(path, shape, weights, context=99, prefix="_orig_mod."):
    state = {prefix + NAMES[kind][0].format(layer) + ".weight": tensor
             for (kind, layer), tensor in meta_complete(weights).items()}
    parameters = [torch.nn.Parameter(state[prefix + "norm.weight"].clone())]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    parameters[0].sum().backward()
    optimizer.step()
    torch.save({"model": state, "optimizer": optimizer.state_dict(),
                "model_args": {"dim": shape.dim, "n_layers": shape.layers, "n_heads": shape.heads,
                               "n_kv_heads": shape.kv_heads, "vocab_size": shape.vocab,
                               "multiple_of": 32, "max_seq_len": context, "dropout": 0.0,
                               "norm_eps": shape.epsilon},
                "iter_num": 3, "best_val_loss": torch.tensor(1.5), "config": {"device": "cpu"}},
               path)


def train_dictionary(path, lines, **changes):
    """Writes a small SentencePiece model, NAME.model, trained as Llama's was."""
    options = {"model_type": "bpe", "vocab_size": 700, "byte_fallback": True,
               "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
               "split_digits": True, "character_coverage": 0.9999, "minloglevel": 2, **changes}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(path.with_suffix("")), **options)


# --- Runs ----------------------------------------------------------------------------------------

def blocked_imports(folder):
    """Returns an environment in which packages that export.py does not need cannot be imported."""
    block = Path(folder) / "blocked"
    block.mkdir(exist_ok=True)
    for name in ("torch", "safetensors", "sentencepiece", "transformers", "google"):
        (block / f"{name}.py").write_text(f"raise ImportError('{name} is not to be used')\n")
    return {**os.environ, "PYTHONPATH": str(block)}


class ExportTestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._temporary = tempfile.TemporaryDirectory(prefix="clamma-export-")
        cls.addClassCleanup(cls._temporary.cleanup)
        cls.folder = Path(cls._temporary.name)
        cls.environment = blocked_imports(cls.folder)

    def command(self, *arguments):
        return [sys.executable, str(ROOT / "export.py"), *map(str, arguments)]

    def run_export(self, *arguments, **options):
        return subprocess.run(self.command(*arguments), env=self.environment, text=True,
                              capture_output=True, timeout=300, check=False, **options)

    def export(self, out, *arguments):
        """Expects success. Returns the output."""
        result = self.run_export(out, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def assert_refused(self, result, reason, code=1):
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("export.py: "), lines[0])
        self.assertIn(reason, lines[0])

    def logits(self, checkpoint, tokens, vocab):
        """Returns the logits that libclamma computes: (tokens, vocab)."""
        result = subprocess.run([PROGRAMS / "print_logits", checkpoint, *map(str, tokens)],
                                capture_output=True, timeout=300, check=False)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return np.frombuffer(result.stdout, "<f4").reshape(len(tokens), vocab)


def expected_logits(shape, weights, tokens):
    with torch.no_grad():
        model = huggingface_model(shape, cast(weights, torch.float32))
        return model(torch.tensor([tokens])).logits[0].numpy()


def random_tokens(shape, count=48):
    return [1, *np.random.default_rng(5).integers(0, shape.vocab, count - 1).tolist()]


# --- Reading checkpoints ---------------------------------------------------------------------------

class CheckpointReader:
    """The header and the tensors of a checkpoint, as docs/formats.md describes them.
    tensors: {(kind, layer): array} in float32; scales: {(kind, layer): array}, for version 2."""

    def __init__(self, path):
        data = Path(path).read_bytes()
        self.version = 0
        self.group = 0
        if struct.unpack_from("<I", data)[0] == 0x616B3432:
            self.version, *numbers, self.shared = struct.unpack_from("<i7iB", data, 4)
            if self.version == 2:
                (self.group,) = struct.unpack_from("<i", data, 37)
            start = 41 if self.version == 2 else 37
            assert not any(data[start:256]), "the rest of the header is not 0"
            self._at = 256
        else:
            numbers = list(struct.unpack_from("<7i", data))
            self.shared = numbers[5] > 0
            numbers[5] = abs(numbers[5])
            self._at = 28
        dim, hidden, layers, heads, kv_heads, vocab, self.context = numbers
        self.shape = Shape(dim, hidden, layers, heads, kv_heads, vocab, bool(self.shared), 1e-5, 0)
        self._data = data
        self.tensors, self.scales, self.rope = {}, {}, None
        self._read_all()
        assert self._at == len(data), "bytes are left over"

    def _read_all(self):
        matrices = ["wq", "wk", "wv", "wo"], ["w1", "w2", "w3"]
        if self.version == 0:
            order = ["token_embedding", "attention_norm", *matrices[0], "ffn_norm", *matrices[1],
                     "final_norm", "rope", "classifier"]
        else:
            order = ["attention_norm", "ffn_norm", "final_norm", "token_embedding", *matrices[0],
                     *matrices[1], "classifier"]
        for kind in order:
            if kind == "rope":
                self.rope = self._floats((2, self.context, self.shape.head // 2))
            elif kind != "classifier" or not self.shared:
                for layer in range(1 if kind in ONCE else self.shape.layers):
                    self.tensors[kind, layer] = self._tensor(kind, layer)

    def _tensor(self, kind, layer):
        size = shape_of(kind, self.shape)
        if self.version != 2 or len(size) == 1:
            return self._floats(size)
        weights = self._take("i1", size[0] * size[1]).astype(np.float32)
        scales = self.scales[kind, layer] = self._take("<f4", weights.size // self.group)
        return (weights.reshape(-1, self.group) * scales[:, None]).reshape(size)

    def _floats(self, size):
        return self._take("<f4", int(np.prod(size))).reshape(size)

    def _take(self, dtype, count):
        values = np.frombuffer(self._data, dtype, count, self._at)
        self._at += values.nbytes
        return values
