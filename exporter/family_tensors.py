# SPDX-License-Identifier: MIT
"""Builds the tensors of a GGUF file from those of a model in Hugging Face's layout."""
import re
from dataclasses import dataclass

import numpy as np

from .errors import ExportError, named_in_part
from .families import EMBEDDING, OUTPUT
from .gguf_file import OutTensor
from .gguf_types import F32, MXFP4, type_of
from .llama import CHUNK_ELEMENTS, Matrix
from .stored_tensor import BYTES, StoredTensor, check_float

# Possible prefixes of the text model's tensors; the first that matches counts.
PREFIXES = ("model.language_model.", "language_model.model.", "language_model.", "model.", "")
# Parts of vision models, which are not exported.
OTHER_PARTS = ("vision_tower.", "multi_modal_projector.", "model.vision_tower.",
               "model.multi_modal_projector.")
COMPUTED = re.compile(r"(layers\.\d+\.self_attn\.)?rotary_emb\.(inv_freq|cos_cached|sin_cached)")
QUANTISED = (("_blocks", 16), ("_scales", 1))  # the parts of a tensor in MXFP4, bytes per block


@dataclass(frozen=True)
class Values:
    """A tensor of floats that are computed from the config."""

    name: str
    path: str
    values: np.ndarray

    def chunks(self):
        yield self.values.reshape(1, -1)


@dataclass(frozen=True)
class Transposed:
    """Every `step`th row, from `first` on, of experts' matrices stored as (experts, cols, rows)."""

    tensor: StoredTensor
    first: int
    step: int

    @property
    def name(self):
        return self.tensor.name

    @property
    def path(self):
        return self.tensor.path

    def chunks(self):
        cols = self.tensor.shape[1]
        whole = Matrix([self.tensor._replace(shape=(self.tensor.shape[0] * cols,
                                                    self.tensor.shape[2]))])
        for expert in range(self.tensor.shape[0]):
            rows = whole.rows(expert * cols, (expert + 1) * cols)
            yield rows.T[self.first::self.step]


@dataclass(frozen=True)
class Columns:
    """Every `step`th column of a matrix, from `first` on."""

    matrix: Matrix
    first: int
    step: int

    @property
    def name(self):
        return self.matrix.name

    @property
    def path(self):
        return self.matrix.path

    def chunks(self):
        for rows in self.matrix.chunks():
            yield rows[:, self.first::self.step]


@dataclass(frozen=True)
class MxFp4:
    """Every `step`th row, from `first` on, of experts' matrices (experts, rows, cols) in blocks of
    32 columns, each of 16 bytes and a scale. Byte j of a block has the columns 2 j and 2 j + 1, and
    in the GGUF file j and j + 16; the lower half of a byte comes first."""

    blocks: StoredTensor
    scales: StoredTensor
    first: int
    step: int

    @property
    def name(self):
        return self.blocks.name

    @property
    def path(self):
        return self.blocks.path

    def chunks(self):
        experts, rows, groups = self.scales.shape
        blocks = self.blocks._replace(shape=(experts * rows, groups * 16))
        scales = self.scales._replace(shape=(experts * rows, groups))
        step = self.step * max(1, CHUNK_ELEMENTS // blocks.cols)
        for begin in range(0, experts * rows, step):
            end = min(begin + step, experts * rows)
            pairs = blocks.read_bytes(begin, end)[self.first::self.step].reshape(-1, groups, 16)
            columns = np.stack([pairs & 15, pairs >> 4], axis=3).reshape(-1, groups, 32)
            out = np.empty((len(columns), groups, MXFP4.block_bytes), np.uint8)
            out[:, :, 0] = scales.read_bytes(begin, end)[self.first::self.step]
            out[:, :, 1:] = columns[:, :, :16] | columns[:, :, 16:] << 4
            yield out


class TensorReader:
    """Finds the tensors of a family's model one after the other."""

    def __init__(self, path, tensors, family, config):
        self._path = path
        self._family = family
        self._config = config
        self._tied = bool(config.get("tie_word_embeddings"))
        self._used = set()
        self.unused = []
        self._tensors = self._with_short_names(tensors)
        if self._tied and EMBEDDING.hf not in self._tensors and OUTPUT.hf in self._tensors:
            # A file may have either of two tied tensors.
            self._tensors[EMBEDDING.hf] = self._tensors.pop(OUTPUT.hf)

    @property
    def paths(self):
        return {tensor.path for tensor in self._tensors.values()}

    @property
    def types(self):
        return {"MXFP4" if tensor.type == BYTES else tensor.type
                for tensor in self._tensors.values()}

    def _with_short_names(self, tensors):
        """Removes the prefix of all names; omits computed tensors and those of other parts."""
        short, computed, others = {}, [], []
        for name, tensor in tensors.items():
            if self._config.get("vision_config") is not None and name.startswith(OTHER_PARTS):
                others.append(name)
                continue
            rest = next(name[len(prefix):] for prefix in PREFIXES if name.startswith(prefix))
            if COMPUTED.fullmatch(rest):
                computed.append(name)
                continue
            if rest in short:
                raise ExportError(f"{self._path}: tensors '{short[rest].name}' and '{name}' are "
                                  f"both '{rest}'")
            short[rest] = tensor
        if computed:
            self.unused.append(f"{named_in_part(computed)}: the model's numbers say the same")
        if others:
            self.unused.append(f"{named_in_part(others)}: of what sees")
        return short

    def vocabulary(self):
        """Returns the number of rows of the embedding."""
        return self._find(EMBEDDING.hf).rows

    def read(self, numbers, wanted):
        """Returns all tensors, a list of OutTensor. Refuses the model if a tensor is missing, has
        another shape, or is unknown."""
        self._numbers = numbers
        self._wanted = wanted
        found = []
        for tensor in self._family.tensors:
            if tensor.when and not self._config.get(tensor.when):
                continue
            if tensor == OUTPUT and not self._has_output():
                continue
            for layer in range(numbers.layers) if tensor.of_layer else (None,):
                found.append(self._read(tensor, layer))
        left = sorted(set(self._tensors) - self._used)
        if left:
            more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
            raise ExportError(f"{self._path}: tensor '{self._tensors[left[0]].name}'{more} has no "
                              f"place in a {self._family.arch} model")
        # Layer by layer, in the order in which readers use them.
        return sorted(found, key=lambda tensor: _layer_of(tensor.name))

    def _has_output(self):
        if not self._tied:
            return True
        if OUTPUT.hf not in self._tensors:
            return False
        shape = self._numbers.vocab, self._numbers.dim
        output, embedding = (Matrix([self._find_floats(name, shape)])
                             for name in (OUTPUT.hf, EMBEDDING.hf))
        if all(np.array_equal(a, b) for a, b in zip(output.chunks(), embedding.chunks())):
            return False
        self._config.warnings.append(f"{self._config.path} says tie_word_embeddings, and "
                                     "lm_head.weight differs from the embedding: it is exported as "
                                     "it is, as today's transformers takes it")
        return True

    def _find(self, name):
        if name not in self._tensors:
            raise ExportError(f"{self._path}: the model has no tensor '{name}'")
        self._used.add(name)
        return self._tensors[name]

    def _find_floats(self, name, shape):
        tensor = self._find(name)
        check_float(tensor.path, tensor.name, tensor.type)
        self._check_shape(tensor, shape)
        return tensor

    @staticmethod
    def _check_shape(tensor, shape):
        if tensor.shape != shape:
            raise ExportError(f"{tensor.path}: tensor '{tensor.name}' is {tensor.shape}, and the "
                              f"model's numbers ask for {shape}")

    def _read(self, tensor, layer):
        front, hf = ("", tensor.hf) if layer is None else (f"blk.{layer}.", f"layers.{layer}."
                                                           + tensor.hf)
        shape = tuple(getattr(self._numbers, name) for name in tensor.shape)
        make = FORMS.get(tensor.form, TensorReader._plain)
        source = make(self, tensor.form, hf, shape)
        kind = MXFP4 if isinstance(source, MxFp4) else type_of(tensor.gguf, shape, self._wanted)
        return OutTensor(front + tensor.gguf, shape, kind, source)

    def _plain(self, form, hf, shape):
        summand = 1.0 if form == "norm" and self._family.norms_less_one else 0.0
        return Matrix([self._find_floats(hf, shape)], summand=summand)

    def _rotary(self, form, hf, shape):
        stored = self._find_floats(hf, shape)
        if not self._family.pairs:
            return Matrix([stored])
        if len(shape) == 1:  # a bias: its elements are reordered like rows
            stored = stored._replace(shape=(*shape, 1))
        return Matrix([stored], rotary_head=self._numbers.head_dim)

    def _experts(self, _form, hf, shape):
        return Matrix([self._find_floats(hf.format(expert), shape[1:])
                       for expert in range(shape[0])])

    def _gpt_oss(self, form, hf, shape):
        """The rows of gate and up alternate in one tensor."""
        first, step = {"gate": (0, 2), "up": (1, 2), "down": (0, 1)}[form]
        experts, rows, cols = shape
        if hf in self._tensors:
            return Transposed(self._find_floats(hf, (experts, cols, rows * step)), first, step)
        parts = []
        for end, size in QUANTISED:
            part = self._find(hf + end)
            blocks = (experts, rows * step, cols // 32)
            self._check_shape(part, blocks if size == 1 else (*blocks, size))
            if part.type != BYTES or cols % 32:
                raise ExportError(f"{part.path}: tensor '{part.name}' is of type {part.type}, with "
                                  f"rows of {cols}: not in MXFP4")
            parts.append(part)
        return MxFp4(*parts, first, step)

    def _gpt_oss_bias(self, form, hf, shape):
        stored = self._find_floats(hf, (shape[0], 2 * shape[1]))
        return Columns(Matrix([stored]), 0 if form == "gate bias" else 1, 2)


FORMS = {"q": TensorReader._rotary, "k": TensorReader._rotary, "experts": TensorReader._experts,
         "gate": TensorReader._gpt_oss, "up": TensorReader._gpt_oss, "down": TensorReader._gpt_oss,
         "gate bias": TensorReader._gpt_oss_bias, "up bias": TensorReader._gpt_oss_bias}


def _layer_of(name):
    """The key by which tensors are sorted: the embedding, the layers, the rest."""
    layer = re.match(r"blk\.(\d+)\.", name)
    if layer:
        return int(layer[1])
    return -1 if name == EMBEDDING.gguf else 2**31


def made_tensors(path, values):
    """Returns the tensors whose values are computed from the config."""
    return [OutTensor(name, numbers.shape, F32, Values(name, path, numbers))
            for name, numbers in values.items()]
