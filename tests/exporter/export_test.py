# SPDX-License-Identifier: MIT
r"""Compares the files that export.py writes with transformers' logits, the weights, and llama2.c's own
files.

    CLAMMA_TEST_PROGRAMS=build-dev/bin PYTHONPATH=tests/support \
      python -m unittest discover -s tests/exporter -p 'export*_test.py' -v
"""
import re
import sys
from pathlib import Path

import numpy as np
import torch

import export_fixtures as fx
from export_fixtures import SHAPES

# For the float versions: the largest difference between a logit of transformers and ours. Up to 2e-5
# was measured, for logits up to 18.
FLOAT_TOLERANCE = 1e-4
# For version 2: the root mean square of the differences, relative to that of the logits. The largest of
# 64 normal numbers is about 2.5 times their deviation, and rounding to steps of 1/127 of it adds noise
# of 0.6 % of the deviation. Weights and activations both have this noise, and ten to fifteen matrices
# are between a token and its logits: 0.6 % * sqrt(2 * 15) = 3.3 %. Up to 4.5 % was measured; misplaced
# weights give more than 100 %.
INT8_TOLERANCE = 0.06
# The same if transformers uses the quantised weights: only activations differ. Up to 3.1 % was measured.
INT8_ACTIVATIONS_TOLERANCE = 0.04


def relative_error(actual, expected):
    return np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected ** 2))


class Layouts(fx.ExportTestCase):
    """Each model in each layout."""

    def check_logits(self, checkpoint, shape, weights, int8):
        tokens = fx.random_tokens(shape)
        expected = fx.expected_logits(shape, weights, tokens)
        actual = self.logits(checkpoint, tokens, shape.vocab)
        if int8:
            error, tolerance = relative_error(actual, expected), INT8_TOLERANCE
        else:
            error, tolerance = np.abs(actual - expected).max(), FLOAT_TOLERANCE
        print(f"\n    {checkpoint.name}: {error:.3g}", end=" ", file=sys.stderr)
        self.assertLessEqual(error, tolerance, checkpoint.name)

    def check_all_versions(self, name, shape, weights, *arguments, context=77):
        """Exports and compares logits, and for the float versions the weights as well."""
        for version in (0, 1, 2):
            out = self.folder / f"{name}.v{version}.bin"
            printed = self.export(out, *arguments, "--version", version)
            self.check_logits(out, shape, weights, int8=version == 2)
            content = fx.CheckpointReader(out)
            self.assertEqual((content.version, content.context), (version, context))
            self.assertEqual(content.shared, shape.tied)
            if version == 2:
                self.assertEqual(content.group, shape.group)
                self.assertIn(f"int8 in groups of {shape.group}:", printed)
            elif shape.epsilon == 1e-5:
                for key, tensor in weights.items():
                    self.assertTrue(np.array_equal(content.tensors[key], tensor.float()), key)

    def check_same(self, name, *arguments, reference):
        """Another layout of the same weights gives the same file."""
        out = self.folder / f"{name}.bin"
        self.export(out, *arguments, "--version", 1)
        self.assertEqual(out.read_bytes(), reference.read_bytes(), name)

    def check_shape(self, name):
        shape, base = SHAPES[name], self.folder / name.replace(", ", "-").replace(" ", "-")
        weights = fx.random_weights(shape)
        model = fx.huggingface_model(shape, weights)
        model.save_pretrained(base / "single")
        self.check_all_versions(base.name, shape, weights, "--hf", base / "single")
        reference = self.folder / f"{base.name}.v1.bin"

        model.save_pretrained(base / "sharded", max_shard_size="100KB")
        self.assertGreater(len(list((base / "sharded").glob("*.safetensors"))), 2)
        self.check_same("sharded", "--hf", base / "sharded", reference=reference)
        model.save_pretrained(base / "bins", safe_serialization=False, max_shard_size="100KB")
        self.assertGreater(len(list((base / "bins").glob("*.bin"))), 2)
        self.check_same("bins", "--hf", base / "bins", reference=reference)
        model.save_pretrained(base / "bin", safe_serialization=False)
        self.assertTrue((base / "bin" / "pytorch_model.bin").exists())
        self.check_same("bin", "--hf", base / "bin", reference=reference)

        # A head of keys and values must not be split.
        shards = 2 if shape.kv_heads % 2 == 0 else 1
        for axis in (0, 1):
            if axis == 1 or shape.vocab % shards == 0:
                fx.save_meta(base / f"meta{axis}", shape, weights, shards, embedding_axis=axis)
                self.check_same("meta", "--meta-llama", base / f"meta{axis}", "--context", 77,
                                reference=reference)
        for prefix in ("", "_orig_mod."):
            path = base / f"ckpt{prefix}.pt"
            fx.save_training_checkpoint(path, shape, weights, context=77, prefix=prefix)
            self.check_same("training", "--checkpoint", path, reference=reference)

    def test_grouped_queries(self):
        self.check_shape("grouped")

    def test_tied_embeddings(self):
        self.check_shape("tied")

    def test_tied_embeddings_and_another_epsilon(self):
        self.check_shape("tied, other epsilon")

    def test_odd_sizes(self):
        self.check_shape("odd")

    def check_type(self, dtype):
        shape = SHAPES["grouped"]
        weights = fx.cast(fx.random_weights(shape), dtype)
        base = self.folder / str(dtype)
        fx.huggingface_model(shape, weights).save_pretrained(base / "hf", max_shard_size="100KB")
        fx.save_meta(base / "meta", shape, weights)
        self.check_all_versions(f"hf-{dtype}", shape, weights, "--hf", base / "hf")
        self.check_same("meta", "--meta-llama", base / "meta", "--context", 77,
                        reference=self.folder / f"hf-{dtype}.v1.bin")

    def test_bfloat16(self):
        self.check_type(torch.bfloat16)

    def test_float16(self):
        self.check_type(torch.float16)

    def test_float64(self):
        self.check_type(torch.float64)

    def test_dtype_fp16_rounds_the_weights(self):
        shape = SHAPES["odd"]
        weights = fx.random_weights(shape)
        fx.save_meta(self.folder / "for-half", shape, weights, shards=1)
        out = self.folder / "half.bin"
        printed = self.export(out, "--meta-llama", self.folder / "for-half", "--dtype", "fp16")
        self.assertIn("rounded to fp16", printed)
        content = fx.CheckpointReader(out)
        for key, tensor in weights.items():
            self.assertTrue(np.array_equal(content.tensors[key], tensor.half().float()), key)

    def test_equal_classifier_is_stored_once(self):
        """It is, whichever file contains it; a classifier that differs in one weight is not."""
        shape = SHAPES["tied"]
        weights = fx.meta_complete(fx.random_weights(shape))
        weights["classifier", 0] = weights["token_embedding", 0].clone()
        for shared in (True, False):
            if not shared:
                weights["classifier", 0][-1, -1] += 1
            folder = self.folder / f"equal-{shared}"
            fx.save_meta(folder, shape, weights)
            self.export(self.folder / "equal.bin", "--meta-llama", folder)
            self.assertEqual(fx.CheckpointReader(self.folder / "equal.bin").shared, shared)

    def test_context(self):
        shape = SHAPES["tied"]
        fx.save_meta(self.folder / "context", shape, fx.random_weights(shape))
        out = self.folder / "context.bin"
        for arguments, expected in (((), 2048), (("--context", 5), 5)):
            self.export(out, "--meta-llama", self.folder / "context", *arguments)
            content = fx.CheckpointReader(out)
            self.assertEqual(content.context, expected)
            head = shape.head
            angles = np.outer(np.arange(expected), 10000.0 ** (-np.arange(0, head, 2) / head))
            self.assertLess(np.abs(content.rope - [np.cos(angles), np.sin(angles)]).max(), 2e-4)


class Quantization(fx.ExportTestCase):
    def test_weights_and_logits(self):
        for name, shape in SHAPES.items():
            with self.subTest(name):
                self.check(shape)

    def check(self, shape):
        weights = fx.random_weights(shape, seed=2)
        weights["w1", 0][3] = 0  # a whole row, so that some groups contain only zeros
        weights["w1", 1][0] *= 1e-40
        folder = self.folder / f"q{shape.dim}-{shape.hidden}"
        fx.save_training_checkpoint(folder.with_suffix(".pt"), shape, weights)
        outs = [folder.with_suffix(f".v{version}.bin") for version in (1, 2)]
        printed = [self.export(out, "--checkpoint", folder.with_suffix(".pt"), "--version", version)
                   for out, version in zip(outs, (1, 2))]
        exact, quantized = map(fx.CheckpointReader, outs)
        worst = 0
        for key, original in exact.tensors.items():
            errors = np.abs(quantized.tensors[key] - original)
            if key not in quantized.scales:
                self.assertFalse(errors.any(), key)
                continue
            groups = original.reshape(-1, shape.group)
            scales = np.abs(groups).max(axis=1) / np.float32(127)
            self.assertTrue(np.array_equal(quantized.scales[key], scales), key)
            # Half a step, plus the rounding of float32; the smallest numbers may exceed 127.
            most = scales[:, None] * np.float32(0.50001) + np.float32(1e-42)
            self.assertTrue((errors.reshape(groups.shape) <= most).all(), key)
            worst = max(worst, errors.max())
        told = re.search(r"worst quantisation error of a weight: (\S+), in (\S+)\n", printed[1])
        self.assertAlmostEqual(float(told[1]), worst, delta=worst * 1e-5)

        # With the quantised weights, only the rounding of activations differs.
        tokens = fx.random_tokens(shape)
        same = {key: torch.from_numpy(np.array(value)) for key, value in quantized.tensors.items()}
        expected = fx.expected_logits(fx.Shape(**{**vars(shape), "epsilon": 1e-5}), same, tokens)
        error = relative_error(self.logits(outs[1], tokens, shape.vocab), expected)
        print(f"\n    activations: {error:.3g}", end=" ", file=sys.stderr)
        self.assertLessEqual(error, INT8_ACTIVATIONS_TOLERANCE)

    def test_ties_go_to_even(self):
        sys.path.insert(0, str(fx.ROOT))
        from exporter.checkpoint import quantize
        steps = np.array([[127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5]], np.float32)
        weights, scales, error = quantize(steps / 128, 8)
        self.assertEqual(weights.tolist(), [[127, 0, 2, 2, 0, -2, -2, 4]])
        self.assertEqual(scales.tolist(), [np.float32(1 / 128)])
        self.assertEqual(error, 0.5 / 128)


class FilesOfLlama2c(fx.ExportTestCase):
    """The weights of llama2.c's published model give the files that its own exporter made."""

    def test_same_bytes(self):
        legacy = fx.SHARED_MODELS / "stories260K.bin"
        others = [fx.SHARED_MODELS / f"stories260K.{name}.bin" for name in ("v1", "q80")]
        for path in (legacy, *others):
            if not path.exists():
                self.skipTest(f"{path} is missing")
        original = fx.CheckpointReader(legacy)
        weights = {key: torch.from_numpy(np.array(value)) for key, value in
                   original.tensors.items()}
        checkpoint = self.folder / "stories.pt"
        fx.save_training_checkpoint(checkpoint, original.shape, weights, original.context)
        for version, path in enumerate((legacy, *others)):
            out = self.folder / f"stories.v{version}.bin"
            self.export(out, "--checkpoint", checkpoint, "--version", version)
            if version:
                self.assertEqual(out.read_bytes(), Path(path).read_bytes())
                continue
            ours = fx.CheckpointReader(out)
            self.assertEqual(out.stat().st_size, legacy.stat().st_size)
            self.assertEqual(out.read_bytes()[:28], legacy.read_bytes()[:28])
            for key, tensor in original.tensors.items():
                self.assertTrue(np.array_equal(ours.tensors[key], tensor), key)
            # numpy's cosine may round differently from torch's; no reader of the file uses it.
            self.assertLess(np.abs(ours.rope - original.rope).max(), 1e-4)
