# SPDX-License-Identifier: MIT
"""The types of weights in the GGUF files that are written. src/kernels/formats describes their
layouts. The bytes are equal to those of clamma-quantize (src/quantize/encode*.cc), which does the
same single-precision operations in the same order."""
from typing import NamedTuple

import numpy as np


class GgufType(NamedTuple):
    name: str
    id: int          # the number of the type in the file
    block_cols: int
    block_bytes: int

    def bytes(self, rows, cols):
        return rows * (cols // self.block_cols) * self.block_bytes


F32 = GgufType("F32", 0, 1, 4)
F16 = GgufType("F16", 1, 1, 2)
BF16 = GgufType("BF16", 30, 1, 2)
Q8_0 = GgufType("Q8_0", 8, 32, 34)
MXFP4 = GgufType("MXFP4", 39, 32, 17)

# The values of --type: the type of most matrices, and general.file_type.
FILE_TYPES = {"f32": (F32, 0), "f16": (F16, 1), "bf16": (BF16, 32), "q8_0": (Q8_0, 7)}

# Small matrices with a large influence, which stay floats.
FLOAT_PARTS = ("_norm.weight", "ffn_gate_inp")


class TooLarge(Exception):
    """A weight is too large for the type."""


def type_of(name, shape, wanted):
    """Returns the type of a tensor in a file whose matrices have the type `wanted`: vectors and
    routers stay floats, and rows that cannot be divided into blocks are F16."""
    if len(shape) == 1 or not name.endswith("weight") or any(
            part in name for part in FLOAT_PARTS) or max(shape[:-1]) == 1:
        return F32
    return F16 if shape[-1] % wanted.block_cols else wanted


def encode(kind, rows):
    """Encodes finite floats (rows, cols) in a type; raises TooLarge if they do not fit."""
    return _ENCODERS[kind.name](np.ascontiguousarray(rows, np.float32))


def _encode_f16(rows):
    with np.errstate(over="ignore"):
        halves = rows.astype("<f2")
    if np.isinf(halves).any():
        raise TooLarge
    return halves


def _encode_bf16(rows):
    bits = rows.view(np.uint32)
    rounded = ((bits + (np.uint32(0x7FFF) + (bits >> 16 & 1))) >> 16).astype("<u2")
    if ((rounded & 0x7FFF) == 0x7F80).any():
        raise TooLarge
    return rounded


# --- Q8_0 ----------------------------------------------------------------------------------------
# The scale of a block is that with the least weighted square error among those that a search
# tries. Arrays are (8, 4, blocks), so that a sum over a block has 4 parts of 8 terms each.

BLOCKS = 1024  # encoded at a time, so that their floats fit in a cache
LARGEST = np.float32(127)
OFFSETS = (-0.5, -0.25, 0.0, 0.25, 0.5)  # the extreme value is tried at 127 + offset
REFINEMENTS = 4
LEAST_VALUE, LARGEST_VALUE = np.float32(2.0**-40), np.float32(2.0**30)
MOST_HALF = np.float32(65504)


def _encode_q8_0(rows):
    blocks = rows.reshape(-1, Q8_0.block_cols)
    out = np.empty((len(blocks), Q8_0.block_bytes), np.uint8)
    for begin in range(0, len(blocks), BLOCKS):
        _encode_blocks(blocks[begin:begin + BLOCKS], out[begin:begin + BLOCKS])
    return out


def _encode_blocks(x, out):
    y = np.ascontiguousarray(x.T)
    largest = np.abs(y).max(0)
    if (largest > LARGEST_VALUE).any():
        raise TooLarge
    # Multiplies by a power of two, so that the largest magnitude is from 1 to 2.
    some = largest >= LEAST_VALUE
    unit = np.where(some, (largest.view(np.uint32) & 0x7F800000).view(np.float32), np.float32(1))
    y *= np.where(some, np.float32(1) / unit, np.float32(0))
    extreme = np.where(some, y[np.abs(y).argmax(0), np.arange(y.shape[1])], np.float32(1))
    w = _weights(y).reshape(8, 4, -1)
    y = y.reshape(8, 4, -1)
    scale = np.where(some, _fit_scale(y, w, extreme), np.float32(0))
    stored = unit * scale
    if (np.abs(stored) > MOST_HALF).any():
        raise TooLarge
    halves = stored.astype("<f2")
    scale = halves.astype(np.float32) / unit
    up = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    out[:, :2] = halves.view(np.uint8).reshape(-1, 2)
    out[:, 2:] = _integers(y, up).astype(np.int8).reshape(Q8_0.block_cols, -1).T.view(np.uint8)


def _weights(y):
    """Returns the weights of the errors of values (32, blocks): the mean square of a block plus the
    value's own, scaled to at most 1."""
    w = y * y
    total = w[0].copy()
    for square in w[1:]:
        total += square
    mean = total / np.float32(len(w))
    largest = mean + w.max(0)
    return np.divide(mean + w, largest, out=np.ones_like(w), where=largest > 0)


def _integers(y, inverse):
    q = y * inverse
    np.minimum(np.maximum(q, -LARGEST, out=q), LARGEST, out=q)
    return np.rint(q, out=q)


def _fit_scale(y, w, extreme):
    """Returns the scale of each block with the least error."""
    best, error = None, None
    for offset in OFFSETS:
        # A scale with the opposite sign would only change the sign of the integers.
        scale, its_error = _evaluate(y, w, np.float32(-LARGEST - np.float32(offset)) / extreme)
        if best is None:
            best, error = scale, its_error
            continue
        better = its_error < error
        best, error = np.where(better, scale, best), np.where(better, its_error, error)
    at = np.arange(len(best))  # the blocks that still improve
    for _ in range(REFINEMENTS):
        scale, its_error = _evaluate(np.ascontiguousarray(y[:, :, at]),
                                     np.ascontiguousarray(w[:, :, at]), np.float32(1) / best[at])
        better = its_error < error[at]
        at = at[better]
        if not len(at):
            break
        best[at], error[at] = scale[better], its_error[better]
    return best


def _evaluate(y, w, inverse):
    """Returns the best scale for the integers that the scale 1 / inverse gives, and its error."""
    scale = np.float32(1) / inverse
    q = _integers(y, inverse)
    r = y - q * scale
    wq = w * q
    sum_qr, sum_qq, sum_rr = _sum(wq * r), _sum(wq * q), _sum(w * r * r)
    # All integers are 0 only in a block of zeros.
    change = np.divide(sum_qr, sum_qq, out=np.zeros_like(sum_qq), where=sum_qq > 0)
    return scale + change, sum_rr - change * sum_qr


def _sum(products):
    parts = products[0].copy()
    for term in products[1:]:
        parts += term
    return (parts[0] + parts[2]) + (parts[1] + parts[3])


_ENCODERS = {"F32": lambda rows: rows.astype("<f4", copy=False), "F16": _encode_f16,
             "BF16": _encode_bf16, "Q8_0": _encode_q8_0}
