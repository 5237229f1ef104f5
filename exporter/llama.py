# SPDX-License-Identifier: MIT
"""A Llama model: its numbers, and its matrices built from the tensors of any layout.

Rotary embedding rotates pairs of elements of each query and key head. Meta's code and llama2.c pair
neighbours, (0, 1), (2, 3), ...; Hugging Face transformers pairs element i of a head's first half
with element i of its second. The rows of wq and wk are in the matching order; those from Hugging
Face are reordered to Meta's (Matrix.rotary_head)."""
import math
from dataclasses import dataclass, field, replace
from typing import Dict, List

import numpy as np

from .errors import ExportError, named_in_part
from .stored_tensor import StoredTensor, check_float
from .text_tokens import TextTokens

# Values that the formats, or the library, assume.
NORM_EPSILON = 1e-5
ROPE_THETA = 10000.0

CHUNK_ELEMENTS = 1 << 20  # read and converted at a time, so that they fit in a CPU's cache


@dataclass(frozen=True)
class Config:
    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    vocab_size: int
    seq_len: int
    norm_epsilon: float

    @property
    def head_size(self):
        return self.dim // self.n_heads

    @property
    def kv_dim(self):
        return self.head_size * self.n_kv_heads

    def shape(self, kind):
        """Returns the shape of the tensors of this kind."""
        return {
            "token_embedding": (self.vocab_size, self.dim),
            "attention_norm": (self.dim,), "ffn_norm": (self.dim,), "final_norm": (self.dim,),
            "wq": (self.dim, self.dim), "wk": (self.kv_dim, self.dim),
            "wv": (self.kv_dim, self.dim), "wo": (self.dim, self.dim),
            "w1": (self.hidden_dim, self.dim), "w2": (self.dim, self.hidden_dim),
            "w3": (self.hidden_dim, self.dim), "classifier": (self.vocab_size, self.dim),
        }[kind]


ONCE = ("token_embedding", "final_norm", "classifier")
LAYERED = ("attention_norm", "ffn_norm", "wq", "wk", "wv", "wo", "w1", "w2", "w3")


def check_heads(dim, n_heads, n_kv_heads, path):
    if dim % n_heads or dim // n_heads % 2:
        raise ExportError(f"{path}: dim {dim} does not split into {n_heads} heads of even size")
    if n_heads % n_kv_heads:
        raise ExportError(f"{path}: {n_heads} heads cannot share {n_kv_heads} kv heads")


@dataclass(frozen=True)
class Matrix:
    """A matrix (a vector has one row), read as float32. Its parts are concatenated along `axis`."""

    parts: List[StoredTensor]
    axis: int = 0
    rotary_head: int = 0  # > 0: the rows of each head of this size are reordered, see above
    half: bool = False    # elements are first rounded to fp16,
    factor: float = 1.0   # then multiplied by this,
    summand: float = 0.0  # and then this is added

    @property
    def path(self):
        return self.parts[0].path

    @property
    def name(self):
        return self.parts[0].name

    @property
    def shape(self):
        """(rows, cols)"""
        rows, cols = self.parts[0].rows, self.parts[0].cols
        count = len(self.parts)
        return (rows * count, cols) if self.axis == 0 else (rows, cols * count)

    def chunks(self):
        """Yields all rows in order, some at a time; refuses elements that are not finite."""
        rows, cols = self.shape
        step = max(1, CHUNK_ELEMENTS // cols)
        if self.rotary_head:
            step = self.rotary_head * max(1, step // self.rotary_head)
        for begin in range(0, rows, step):
            yield self.rows(begin, min(begin + step, rows))

    def rows(self, begin, end):
        """Returns the rows [begin, end): whole heads, if rows are reordered."""
        return self._finish(self._read(begin, end))

    def _read(self, begin, end):
        if self.axis == 1:
            return np.concatenate([part.read(begin, end) for part in self.parts], axis=1)
        pieces, start = [], 0
        for part in self.parts:
            first, last = max(begin, start), min(end, start + part.rows)
            if first < last:
                pieces.append(part.read(first - start, last - start))
            start += part.rows
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _finish(self, rows):
        self._check_finite(rows, "infinite weights or some that are no numbers")
        if self.rotary_head:
            heads = rows.reshape(-1, 2, self.rotary_head // 2, rows.shape[1])
            rows = heads.transpose(0, 2, 1, 3).reshape(rows.shape)
        with np.errstate(over="ignore", invalid="ignore"):  # an infinite result is refused later
            if self.half:
                rows = rows.astype(np.float16).astype(np.float32)
                self._check_finite(rows, "weights beyond what fp16 can hold (65504): leave out "
                                         "--dtype fp16")
            if self.factor != 1.0:
                rows = rows * np.float32(self.factor)
                self._check_finite(rows, "weights too large to be scaled")
        if self.summand != 0.0:
            rows = rows + np.float32(self.summand)
        return rows

    def _check_finite(self, rows, what):
        if not np.isfinite(rows).all():
            raise ExportError(f"{self.parts[0].path}: tensor '{self.name}' has {what}")


@dataclass(frozen=True)
class Model:
    source: str                         # for messages
    path: str                           # the file that has its numbers
    config: Config
    matrices: Dict[str, List[Matrix]]   # by kind: one for each layer, or one
    shared_classifier: bool             # if true, `matrices` has no "classifier"
    inputs: List[str]                   # the files that are read
    text_tokens: TextTokens = TextTokens()
    warnings: List[str] = field(default_factory=list)
    unused: List[str] = field(default_factory=list)  # unused tensors: a line for each group

    def rounded_to_half(self):
        return self._change(self.matrices, {"half": True})

    def with_usual_norm_epsilon(self):
        """Returns an equivalent model with an epsilon of 1e-5 in its norms, which the formats
        assume, and the factor by which its residual stream is scaled.

        rmsnorm(s x) with epsilon s^2 e equals rmsnorm(x) with epsilon e, and only the norms read
        the stream. So everything that is added to it is scaled: the embedding, wo and w2. A shared
        classifier is scaled with the embedding, for which the last norm compensates."""
        factor = math.sqrt(NORM_EPSILON / self.config.norm_epsilon)
        if math.isclose(factor, 1.0, rel_tol=1e-6):
            return self, 1.0
        model = self
        for kind in ("token_embedding", "wo", "w2"):
            model = model._change([kind], {"factor": factor})
        if self.shared_classifier:
            model = model._change(["final_norm"], {"factor": 1.0 / factor})
        return replace(model, config=replace(self.config, norm_epsilon=NORM_EPSILON)), factor

    def _change(self, kinds, changes):
        changed = {kind: [replace(matrix, **changes) for matrix in self.matrices[kind]]
                   for kind in kinds}
        return replace(self, matrices={**self.matrices, **changed})


def build_model(source, path, config, find, may_share):
    """Builds a model from find(kind, layer), which returns a Matrix, or None if there is no such
    tensor. The classifier is shared if it is missing and `may_share`, or if it equals the
    embedding."""
    matrices = {}
    for kind in ONCE + LAYERED:
        matrices[kind] = []
        for layer in range(config.n_layers if kind in LAYERED else 1):
            matrix = find(kind, layer)
            if matrix is None:
                if kind == "classifier" and may_share:
                    continue
                raise ExportError(f"{path}: the model has no tensor for {kind}"
                                  + (f" of layer {layer}" if kind in LAYERED else ""))
            _check_shape(matrix, config.shape(kind))
            matrices[kind].append(matrix)
    classifier = matrices["classifier"]
    shared = not classifier or _equal(classifier[0], matrices["token_embedding"][0])
    if shared:
        del matrices["classifier"]
    inputs = {part.path for kind in matrices.values() for matrix in kind for part in matrix.parts}
    return Model(source, path, config, matrices, shared, [path, *sorted(inputs)])


def _check_shape(matrix, expected):
    for part in matrix.parts:
        check_float(part.path, part.name, part.type)
    shape = matrix.shape if len(expected) == 2 else matrix.shape[1:]
    dimensions = {len(part.shape) for part in matrix.parts}
    if shape != expected or dimensions != {len(expected)}:
        stored = " and ".join(str(part.shape) for part in matrix.parts)
        raise ExportError(f"{matrix.parts[0].path}: tensor '{matrix.name}' is {stored}, and the "
                          f"model's numbers ask for {expected}")


def _equal(a, b):
    if a.parts == b.parts:
        return True
    return all(np.array_equal(x, y) for x, y in zip(a.chunks(), b.chunks()))


def refuse_leftovers(names, used, path):
    """Refuses the model if some of `names` are not in `used`: the formats cannot store them."""
    left = sorted(set(names) - set(used))
    if left:
        more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        raise ExportError(f"{path}: tensor '{left[0]}'{more} has no place in a Llama model of "
                          f"these formats")


def unused_tables(names):
    """Returns the line about unused tables that are computed from the numbers of a model."""
    return [f"{named_in_part(names)}: the model's numbers say the same"] if names else []
