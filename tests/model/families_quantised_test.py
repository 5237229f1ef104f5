# SPDX-License-Identifier: MIT
"""Compares the families of families_test.py, with quantised weights, with transformers.

clamma-quantize makes quantised files from an F32 file. The reference is transformers with the weights
that PyPI's `gguf` reads from these files, and with activations rounded to int8 as in the library: one
scale for each block of columns. An activation halfway between two integers may still be rounded
differently, which changes all later positions. So there are two bounds: a small one for the nearest
position, and one for all positions together, which is about the error from rounding activations at
all. Switching off any feature of a family exceeds the second bound.

Run by test.sh's stage families, with CLAMMA_TEST_PROGRAMS naming the folder of print_logits and
clamma-quantize.
"""
import dataclasses
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import old_torch  # noqa: F401  before all of transformers
import gguf
import numpy as np
import torch

from families_test import PROGRAMS, logits_of
from family_models import BASE, FAMILIES, VOCABULARY, convert, make_model, reference, write_file

NEAREST = 1e-5
BOUND = 1.5  # times the difference between rounded and exact activations
ATTEMPTS = 4  # with other random models, if even the first position has such an activation
FLOATS = {gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16}


def resized(family, times, hidden):
    """Returns the family with `times` the width and heads, and a feed-forward part of this width."""
    numbers, keys = BASE | family.numbers, dict(family.keys)
    for name in ("hidden_size", "num_attention_heads", "num_key_value_heads"):
        numbers[name] *= times
    numbers["intermediate_size"] = hidden
    if "expert_feed_forward_length" in keys:
        keys["expert_feed_forward_length"] = hidden
    if "moe_intermediate_size" in numbers:
        numbers["moe_intermediate_size"] = hidden
    return dataclasses.replace(family, numbers=numbers, keys=keys)


# --- The reference --------------------------------------------------------------------------------

def rounded(x, cols):
    """Returns x as rounded to int8, with a scale for each `cols` columns."""
    blocks = x.reshape(-1, cols)
    largest = blocks.abs().max(-1, keepdim=True).values
    inverse = torch.where(largest == 0, largest, 127 / largest)
    return (torch.round(blocks * inverse) * (largest / 127)).reshape(x.shape)


def rounding(matrices, cols):
    """Matrices of experts that round the activations by which they are multiplied."""
    class Rounding(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, arguments=(), names=None):
            if function in (torch.Tensor.__matmul__, torch.Tensor.matmul):
                x, matrix = arguments
                return rounded(x, cols) @ matrix.as_subclass(torch.Tensor)
            return super().__torch_function__(function, types, arguments, names or {})

    return matrices.as_subclass(Rounding)


def places_of(family, model):
    """Returns {tensor of the file: indices of its weights, counted over all parameters}."""
    total = 0
    with torch.no_grad():
        for parameter in model.parameters():
            numbers = torch.arange(total, total + parameter.numel())
            parameter.copy_(numbers.reshape(parameter.shape))
            total += parameter.numel()
    assert total < 2**24, "float32 does not have these numbers"
    return {name: values.astype(np.int64) for name, values in convert(family, model).items()}


def take_quantised(path, family, model):
    """Sets the model's weights to those of the file. Returns {id of a matrix: columns of its blocks}."""
    weights = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    widths, places = np.zeros(len(weights), np.int32), places_of(family, model)
    for tensor in gguf.GGUFReader(path).tensors:
        if tensor.tensor_type in FLOATS:
            continue
        numbers = places[tensor.name]
        weights[numbers] = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(numbers.shape)
        widths[numbers] = gguf.GGML_QUANT_SIZES[tensor.tensor_type][0]
    begin, cols = 0, {}
    with torch.no_grad():
        for parameter in model.parameters():
            end = begin + parameter.numel()
            parameter.copy_(torch.from_numpy(weights[begin:end].reshape(parameter.shape)))
            if widths[begin] > 0:
                cols[id(parameter)] = int(widths[begin])
            begin = end
    return cols


def round_activations(model, cols):
    """Rounds the activations wherever a matrix in `cols` is multiplied."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            width = cols.get(id(parameter))
            if width is None or isinstance(module, torch.nn.Embedding):
                continue
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(
                    lambda _module, inputs, width=width: (rounded(inputs[0], width),))
            else:
                delattr(module, name)
                setattr(module, name, rounding(parameter.detach(), width))


# --- Tests ----------------------------------------------------------------------------------------

def quantise(source, target, kind):
    subprocess.run([PROGRAMS / "clamma-quantize", source, target, kind, "--pure", "--quiet", "--force",
                    "--threads", "1"], timeout=300, check=True)


def distances(ours, exact):
    """Returns the relative root mean square difference of (all positions, the nearest one)."""
    squares = ((ours - exact)**2).mean(-1) / (exact**2).mean(-1)
    return np.sqrt(squares.mean()), np.sqrt(squares.min())


class QuantisedFamilies(unittest.TestCase):
    def compare(self, family, kind, seed, folder, switches):
        """Returns (difference of all positions, of the nearest one, the error from rounding, {feature:
        difference without it})."""
        plain, path = Path(folder) / "plain.gguf", Path(folder) / "model.gguf"
        model = make_model(family, seed)
        write_file(plain, family, model, convert(family, model))
        quantise(plain, path, kind)
        tokens = [1, *np.random.default_rng(seed).integers(3, VOCABULARY, family.tokens - 1)]
        cols = take_quantised(path, family, model)
        unrounded = reference(model, tokens)
        round_activations(model, cols)
        exact = reference(model, tokens)
        effects = {what: distances(logits_of(path, tokens, "--off", what), exact)[0]
                   for what in switches}
        return *distances(logits_of(path, tokens), exact), distances(unrounded, exact)[0], effects

    def check(self, name, family, kind, folder, switches):
        for attempt in range(ATTEMPTS):
            seed = sum(name.encode()) + 1000 * attempt
            error, nearest, rounding_costs, effects = self.compare(family, kind, seed, folder,
                                                                   switches)
            if nearest <= NEAREST:
                break
        counts = ", ".join(f"{what} {effect:.3f}" for what, effect in effects.items())
        print(f"{name} in {kind}: at the nearest position {nearest:.1e}, all {error:.1e}, where "
              f"rounding costs {rounding_costs:.1e}; without: {counts or 'nothing'}")
        self.assertLessEqual(nearest, NEAREST)
        self.assertLessEqual(error, BOUND * rounding_costs)
        for what, effect in effects.items():
            self.assertGreater(effect, BOUND * rounding_costs, what)

    def test_blocks_of_32_columns(self):
        only = os.environ.get("CLAMMA_TEST_FAMILY", "")
        for name, family in FAMILIES.items():
            if only not in name:
                continue
            for kind in ("Q8_0", "Q4_0"):
                with self.subTest(f"{name} in {kind}"), tempfile.TemporaryDirectory() as folder:
                    self.check(name, resized(family, 1, 96), kind, folder, family.off)

    def test_blocks_of_256_columns(self):
        only = os.environ.get("CLAMMA_TEST_FAMILY", "")
        for name, family in FAMILIES.items():
            if only not in name or family.numbers.get("num_hidden_layers", 0) > 8:
                continue
            for kind in ("Q4_K", "Q6_K"):
                with self.subTest(f"{name} in {kind}"), tempfile.TemporaryDirectory() as folder:
                    self.check(name, resized(family, 4, 256), kind, folder, ())


if __name__ == "__main__":
    unittest.main()
