# SPDX-License-Identifier: MIT
"""A tensor in a file. Rows are read on demand and never mapped, so that an export needs memory only
for the rows at work, whatever the model's size."""
import math
from typing import NamedTuple, Tuple

import numpy as np

from .errors import ExportError

# The names are those of safetensors. bfloat16, which numpy does not have, is the upper half of a
# float32.
NUMPY_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
BYTES = "U8"  # parts of quantised weights


class StoredTensor(NamedTuple):
    """Row-major elements at `offset` of a file, which must contain all of them."""

    path: str
    name: str
    type: str  # a key of NUMPY_TYPES, or BYTES
    shape: Tuple[int, ...]  # one or two numbers in Llama models
    offset: int  # bytes

    @property
    def rows(self):
        """The number of rows; 1 for a vector."""
        return self.shape[0] if len(self.shape) > 1 else 1

    @property
    def cols(self):
        return math.prod(self.shape[1:]) if len(self.shape) > 1 else math.prod(self.shape)

    def read(self, begin, end):
        """Reads rows [begin, end) as float32 (end - begin, cols)."""
        elements = self._read(begin, end, np.dtype(NUMPY_TYPES[self.type]))
        if self.type == "BF16":
            elements = (elements.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):  # the caller checks for infinite elements
            return elements.astype(np.float32, copy=False)

    def read_bytes(self, begin, end):
        """Reads rows [begin, end) of a tensor of BYTES."""
        return self._read(begin, end, np.dtype(np.uint8))

    def _read(self, begin, end, dtype):
        count = (end - begin) * self.cols
        offset = self.offset + begin * self.cols * dtype.itemsize
        elements = np.fromfile(self.path, dtype, count, offset=offset)
        if elements.size != count:
            raise ExportError(f"{self.path}: cut short in tensor '{self.name}'")
        return elements.reshape(end - begin, self.cols)


def check_extent(path, name, kind, shape, offset, end):
    """Refuses a tensor that has an unknown type or extends beyond `end` of its file."""
    if kind != BYTES:
        check_float(path, name, kind)
    size = math.prod(shape) * np.dtype(NUMPY_TYPES.get(kind, "<u1")).itemsize
    if offset + size > end:
        raise ExportError(f"{path}: damaged or cut short: tensor '{name}' {tuple(shape)} reaches "
                          "beyond its end")
    return size


def check_float(path, name, kind):
    """Refuses a tensor whose type is not one of weights."""
    if kind not in NUMPY_TYPES:
        raise ExportError(f"{path}: tensor '{name}' is of type {kind}: only float weights of 16, "
                          "32 or 64 bits can be exported")
