# SPDX-License-Identifier: MIT
"""A tensor in a file. Rows are read when they are wanted, and never mapped: so the memory of an
export is that of the rows at work, whatever the model's size."""
import math
from typing import NamedTuple, Tuple

import numpy as np

from .errors import ExportError

# By the names that safetensors gives them. bfloat16, which numpy has not, is the upper half of a
# float32.
NUMPY_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
BYTES = "U8"  # parts of weights that are quantised


class StoredTensor(NamedTuple):
    """Row-major elements at `offset` of a file, which the file is known to hold."""

    path: str
    name: str
    type: str  # a key of NUMPY_TYPES, or BYTES
    shape: Tuple[int, ...]  # one or two numbers in all that Llama models have
    offset: int  # bytes

    @property
    def rows(self):
        """1 for a vector."""
        return self.shape[0] if len(self.shape) > 1 else 1

    @property
    def cols(self):
        return math.prod(self.shape[1:]) if len(self.shape) > 1 else math.prod(self.shape)

    def read(self, begin, end):
        """Rows [begin, end) as float32 (end - begin, cols)."""
        elements = self._read(begin, end, np.dtype(NUMPY_TYPES[self.type]))
        if self.type == "BF16":
            elements = (elements.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):  # the caller looks for what became infinite
            return elements.astype(np.float32, copy=False)

    def read_bytes(self, begin, end):
        """The same of a tensor of BYTES, as they are."""
        return self._read(begin, end, np.dtype(np.uint8))

    def _read(self, begin, end, dtype):
        count = (end - begin) * self.cols
        offset = self.offset + begin * self.cols * dtype.itemsize
        elements = np.fromfile(self.path, dtype, count, offset=offset)
        if elements.size != count:
            raise ExportError(f"{self.path}: cut short in tensor '{self.name}'")
        return elements.reshape(end - begin, self.cols)


def check_extent(path, name, kind, shape, offset, end):
    """Refuses a tensor that is of no known type or reaches beyond `end` of its file."""
    if kind != BYTES:
        check_float(path, name, kind)
    size = math.prod(shape) * np.dtype(NUMPY_TYPES.get(kind, "<u1")).itemsize
    if offset + size > end:
        raise ExportError(f"{path}: damaged or cut short: tensor '{name}' {tuple(shape)} reaches "
                          "beyond its end")
    return size


def check_float(path, name, kind):
    """Refuses a tensor that is not of weights."""
    if kind not in NUMPY_TYPES:
        raise ExportError(f"{path}: tensor '{name}' is of type {kind}: only float weights of 16, "
                          "32 or 64 bits can be exported")
