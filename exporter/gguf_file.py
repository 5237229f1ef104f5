# SPDX-License-Identifier: MIT
"""Writes GGUF files, version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): keys
and values, the list of tensors, and their data at multiples of 32 bytes. Little-endian."""
import struct
from typing import List, NamedTuple, Tuple

import numpy as np

from .errors import ExportError, shown
from .gguf_types import MXFP4, GgufType, TooLarge, encode

VERSION = 3
ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # types of values
# Limits of the library's reader (GgufLimits in src/model/files/gguf.h).
MOST_STRING_BYTES = 16 << 20
MOST_HEADER_BYTES = 56 << 20


class OutTensor(NamedTuple):
    """A tensor to write. source.chunks() yields some rows at a time: floats (rows, cols), or the
    bytes of MXFP4."""

    name: str
    shape: Tuple[int, ...]  # columns last
    type: GgufType
    source: object

    @property
    def elements(self):
        return int(np.prod(self.shape, dtype=object))

    @property
    def bytes(self):
        return self.type.bytes(self.elements // self.shape[-1], self.shape[-1])


def _string(text, key):
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ExportError(f"the text {shown(text)} of {key} is not Unicode") from None
    if len(data) > MOST_STRING_BYTES:
        raise ExportError(f"a text of {key} has {len(data)} bytes, and such long ones are not read")
    return struct.pack("<Q", len(data)) + data


def _value(value, key):
    """Returns (type, bytes) of a non-negative int, a float, a bool or a text."""
    if isinstance(value, bool):
        return BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return UINT32, struct.pack("<I", value)
    if isinstance(value, float):
        return FLOAT32, struct.pack("<f", value)
    return STRING, _string(value, key)


def _array(values, key):
    """Encodes an array of numpy's int32 or float32, or a list of texts or of bools."""
    if isinstance(values, np.ndarray):
        kind = {"i": INT32, "f": FLOAT32}[values.dtype.kind]
        data = values.astype("<i4" if kind == INT32 else "<f4").tobytes()
    elif values and isinstance(values[0], bool):
        kind, data = BOOL, bytes(values)
    else:
        kind, data = STRING, b"".join(_string(text, key) for text in values)
    return struct.pack("<IQ", kind, len(values)) + data


def _key(key, value):
    if isinstance(value, (list, np.ndarray)):
        kind, data = ARRAY, _array(value, key)
    else:
        kind, data = _value(value, key)
    return _string(key, key) + struct.pack("<I", kind) + data


def _aligned(size):
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


class GgufWriter:
    def __init__(self, keys, tensors: List[OutTensor]):
        """A GGUF file. `keys` is {name: value}; keys and tensors are written in their order."""
        self.tensors = tensors
        parts = [struct.pack("<4sIQQ", b"GGUF", VERSION, len(tensors), len(keys))]
        parts += [_key(key, value) for key, value in keys.items()]
        offset = 0
        for tensor in tensors:
            dims = tuple(reversed(tensor.shape))
            parts.append(_string(tensor.name, tensor.name) + struct.pack(
                f"<I{len(dims)}QIQ", len(dims), *dims, tensor.type.id, offset))
            offset += _aligned(tensor.bytes)
        header = b"".join(parts)
        if len(header) > MOST_HEADER_BYTES:
            raise ExportError(f"the metadata would have {len(header)} bytes, and more than "
                              f"{MOST_HEADER_BYTES} are not read")
        self._header = header.ljust(_aligned(len(header)), b"\0")
        self._data_bytes = offset

    def total_bytes(self):
        return len(self._header) + self._data_bytes

    def total_elements(self):
        return sum(tensor.elements for tensor in self.tensors)

    def write(self, out, on_progress):
        """Writes the file. Calls on_progress(count) after each `count` elements."""
        out.write(self._header)
        for tensor in self.tensors:
            written = 0
            for rows in tensor.source.chunks():
                data = memoryview(_encoded(tensor, rows)).cast("B")
                out.write(data)
                written += data.nbytes
                on_progress(data.nbytes // tensor.type.block_bytes * tensor.type.block_cols)
            assert written == tensor.bytes, tensor.name
            out.write(bytes(_aligned(written) - written))


def _encoded(tensor, rows):
    if tensor.type == MXFP4:
        return np.ascontiguousarray(rows)
    try:
        return np.ascontiguousarray(encode(tensor.type, rows))
    except TooLarge:
        raise ExportError(f"{tensor.source.path}: tensor '{tensor.source.name}' has weights beyond "
                          f"what {tensor.type.name} can hold: use --type bf16") from None
