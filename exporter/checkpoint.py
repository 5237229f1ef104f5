# SPDX-License-Identifier: MIT
"""Writes llama2.c's three checkpoint formats, which docs/formats.md specifies."""
import struct

import numpy as np

from .errors import ExportError
from .llama import CHUNK_ELEMENTS, ROPE_THETA
from .text_tokens import USUAL

MATRICES = ("wq", "wk", "wv", "wo", "w1", "w2", "w3")
# The order of tensors in the file. "rope" stands for the legacy format's tables of angles.
LEGACY_ORDER = ("token_embedding", "attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1",
                "w2", "w3", "final_norm", "rope", "classifier")
NORMS = ("attention_norm", "ffn_norm", "final_norm")
ORDER = (*NORMS, "token_embedding", *MATRICES, "classifier")

MAGIC = 0x616B3432  # "ak42" as a number
HEADER_BYTES = 256
TEXT_TOKENS_OFFSET = 64
TEXT_TOKENS_MAGIC = 0x736B6F74  # "toks" in the file
GROUP_SIZE = 64
# A scale takes 4 bytes: a weight takes 2 bytes in groups of 4, and 3 or 5 in smaller groups.
LEAST_GROUP_SIZE = 4


def choose_group_size(config):
    """Returns how many weights share a scale: a power of two that divides dim and hidden_dim, the
    lengths of rows, so that no group extends into another row."""
    size = GROUP_SIZE
    while config.dim % size or config.hidden_dim % size:
        size //= 2
    if size < LEAST_GROUP_SIZE:
        raise ExportError(f"the rows of dim {config.dim} and hidden_dim {config.hidden_dim} "
                          f"elements split into groups of {size} only, and int8 is no gain below "
                          f"{LEAST_GROUP_SIZE}: use --version 1")
    return size


class CheckpointWriter:
    """A model as a checkpoint of `version` 0 (legacy), 1 (float) or 2 (int8)."""

    def __init__(self, model, version):
        self.model = model
        self.version = version
        self.group_size = choose_group_size(model.config) if version == 2 else 0
        self.worst_error = 0.0  # the largest error of a weight by quantisation, and where
        self.worst_tensor = ""

    @property
    def kinds(self):
        """Yields the kinds of tensors in the order of the file."""
        order = ORDER if self.version else LEGACY_ORDER
        return [kind for kind in order if kind == "rope" or kind in self.model.matrices]

    def elements(self, kind):
        if kind == "rope":
            return self.model.config.seq_len * self.model.config.head_size
        return sum(rows * cols for rows, cols in (m.shape for m in self.model.matrices[kind]))

    def total_elements(self):
        return sum(map(self.elements, self.kinds))

    def total_bytes(self):
        total = len(self._header())
        for kind in self.kinds:
            elements = self.elements(kind)
            quantized = self.version == 2 and kind not in NORMS
            total += elements + elements // self.group_size * 4 if quantized else elements * 4
        return total

    def write(self, out, on_progress):
        """Writes the file. Calls on_progress(count) after each `count` elements."""
        out.write(self._header())
        for kind in self.kinds:
            if kind == "rope":
                self._write_rope(out, on_progress)
                continue
            for matrix in self.model.matrices[kind]:
                if self.version == 2 and kind not in NORMS:
                    self._write_quantized(out, matrix, on_progress)
                else:
                    _write_float(out, matrix, on_progress)

    def _header(self):
        c, shared = self.model.config, self.model.shared_classifier
        vocab_size = c.vocab_size if self.version or shared else -c.vocab_size
        numbers = struct.pack("<7i", c.dim, c.hidden_dim, c.n_layers, c.n_heads, c.n_kv_heads,
                              vocab_size, c.seq_len)
        if not self.version:
            return numbers
        header = struct.pack("<Ii", MAGIC, self.version) + numbers + struct.pack("<B", shared)
        if self.version == 2:
            header += struct.pack("<i", self.group_size)
        if self.model.text_tokens != USUAL:
            bos, ends = self.model.text_tokens
            header = header.ljust(TEXT_TOKENS_OFFSET, b"\0") + struct.pack(
                f"<I{2 + len(ends)}i", TEXT_TOKENS_MAGIC, -1 if bos is None else bos, len(ends),
                *ends)
        return header.ljust(HEADER_BYTES, b"\0")

    def _write_quantized(self, out, matrix, on_progress):
        scales = []
        for rows in matrix.chunks():
            weights, chunk_scales, error = quantize(rows, self.group_size)
            out.write(weights)
            scales.append(chunk_scales)
            if error > self.worst_error:
                self.worst_error, self.worst_tensor = error, matrix.name
            on_progress(rows.size)
        for chunk_scales in scales:
            out.write(chunk_scales)

    def _write_rope(self, out, on_progress):
        """Yields the cosines (seq_len, head_size / 2), then the sines."""
        c = self.model.config
        half = c.head_size // 2
        exponents = np.arange(half, dtype=np.float32) * np.float32(2) / np.float32(c.head_size)
        frequencies = np.float32(1) / np.float32(ROPE_THETA) ** exponents
        step = max(1, CHUNK_ELEMENTS // half)
        for function in (np.cos, np.sin):
            for begin in range(0, c.seq_len, step):
                positions = np.arange(begin, min(begin + step, c.seq_len), dtype=np.float32)
                angles = function(np.outer(positions, frequencies).astype(np.float32))
                out.write(angles.astype("<f4", copy=False))
                on_progress(angles.size)


def _write_float(out, matrix, on_progress):
    for rows in matrix.chunks():
        out.write(np.ascontiguousarray(rows, "<f4"))
        on_progress(rows.size)


def quantize(rows, group_size):
    """Returns int8 weights (rows, cols), float32 scales (groups), and the largest error.

    Symmetric, like llama2.c's q80: the scale is the group's largest magnitude / 127, and quotients
    are rounded to the nearest integer, ties to even. The scale of a group of zeros is 0."""
    groups = rows.reshape(-1, group_size)
    scales = np.abs(groups).max(axis=1) / np.float32(127)
    divisors = np.where(scales > 0, scales, np.float32(1))[:, None]
    # A quotient exceeds 127 only if its scale is so small that it has lost digits.
    quotients = np.clip(np.rint(groups / divisors), -127, 127)
    error = np.abs(quotients * scales[:, None] - groups).max()
    return quotients.astype(np.int8), scales.astype("<f4", copy=False), float(error)
