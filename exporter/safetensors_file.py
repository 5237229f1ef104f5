# SPDX-License-Identifier: MIT
"""Reads .safetensors files.

Format (https://github.com/huggingface/safetensors, README): uint64 length of the header, the
header as JSON ({name: {dtype, shape, data_offsets: [begin, end]}}, offsets counted from the
header's end, and perhaps "__metadata__"), the data; all little-endian, row-major. The safetensors
library is not used as it cannot pass bfloat16, the type of most Llama models, to numpy."""
import json
import os
import struct

from .errors import ExportError, open_input
from .stored_tensor import StoredTensor, check_extent

MOST_HEADER_BYTES = 100_000_000  # the format's own limit


def open_safetensors(path):
    """Returns {name: StoredTensor} of a file. Any bytes are safe."""
    with open_input(path) as file:
        file_size = os.fstat(file.fileno()).st_size
        length = file.read(8)
        header_size = struct.unpack("<Q", length)[0] if len(length) == 8 else 0
        if not 2 <= header_size <= min(MOST_HEADER_BYTES, file_size - 8):
            raise ExportError(f"{path}: not a safetensors file, or cut short")
        header_bytes = file.read(header_size)
    try:
        header = json.loads(header_bytes.decode())
        header.pop("__metadata__", None)
        return {name: _tensor(path, name, entry, 8 + header_size, file_size)
                for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ExportError(f"{path}: not a safetensors file: its header is damaged") from None


def _tensor(path, name, entry, data_start, file_size):
    shape = entry["shape"]
    begin, end = entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (begin, end, *shape)):
        raise ValueError
    size = check_extent(path, name, entry["dtype"], shape, data_start + begin, file_size)
    if end - begin != size:
        raise ExportError(f"{path}: damaged: tensor '{name}' {tuple(shape)} has {end - begin} "
                          f"bytes, and {size} are expected")
    return StoredTensor(path, name, entry["dtype"], tuple(shape), data_start + begin)
