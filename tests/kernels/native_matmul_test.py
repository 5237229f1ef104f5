#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""native_matmul_test.py [EMULATOR...] PRINT_PRODUCTS: compares the products of matrices of GGUF's weight types
and activations, by every kernel table of this machine, with the law of sums, bit for bit.

This is a second implementation of the law, written from the definition of the formats and
kernels/kernels.h alone: blocks are decoded and summed as exact integers, and each float operation is
rounded once. Where the law gives NaN, the result may be any NaN.
"""
import os
import subprocess
import sys
import unittest

try:
    import numpy as np
except ImportError:
    np = None

PROGRAM = sys.argv[1:]
DEBIANS_PYTHON = "/usr/bin/python3"  # the one that has Debian's python3-numpy
ROWS = (1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 31, 33, 37, 67)
COLS_OF_FLOATS = (1, 7, 15, 16, 17, 31, 33, 48, 100, 255, 256, 259, 530)
MANY_BLOCKS = (4, 5, 9)
IQ4_VALUES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


# --- Float operations, each rounded once ----------------------------------------------------------

def fma(a, b, c):
    """Returns a * b + c of float32, computed as if exactly and rounded to float32 once.

    The product is exact in float64. The sum is rounded there to odd: where it is not exact, to the
    neighbour whose last bit is 1. As float64 has more than twice float32's bits, rounding that to
    float32 gives what rounding the exact sum does (Boldo, Melquiond: Emulation of a FMA and
    correctly rounded sums: proved algorithms using rounding to odd, 2008)."""
    product = a.astype(np.float64) * b.astype(np.float64)
    c = np.broadcast_to(c.astype(np.float64), product.shape)
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)  # exact (Knuth's TwoSum)
    even = total.view(np.int64) & 1 == 0
    inexact = np.isfinite(total) & (error != 0) & even
    odd = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where(inexact, odd, total).astype(np.float32)


def mul(a, b):
    return (a.astype(np.float32) * b.astype(np.float32)).astype(np.float32)


# --- Formats ------------------------------------------------------------------------------------

def half(raw):
    """Returns halves of two bytes each as float32: (..., 2) -> (...)."""
    return np.ascontiguousarray(raw).view("<f2")[..., 0].astype(np.float32)


def int8(raw):
    return np.ascontiguousarray(raw).view(np.int8).astype(np.int64)


def nibbles(raw):
    """Returns the low nibbles, then the high ones: (..., n) -> (..., 2n)."""
    return np.concatenate([raw & 15, raw >> 4], -1).astype(np.int64)


def fifth_bits(raw):
    """Returns bit j of 32 little-endian bits, times 16, for column j: (..., 4) -> (..., 32)."""
    return np.unpackbits(raw, axis=-1, bitorder="little").astype(np.int64) * 16


def decode_q8_0(b):
    return {"d": half(b[..., 0:2]), "q": int8(b[..., 2:])}


def decode_q4_0(b):
    return {"d": half(b[..., 0:2]), "q": nibbles(b[..., 2:]) - 8}


def decode_q4_1(b):
    return {"d": half(b[..., 0:2]), "m": half(b[..., 2:4]), "q": nibbles(b[..., 4:])}


def decode_q5_0(b):
    return {"d": half(b[..., 0:2]), "q": nibbles(b[..., 6:]) + fifth_bits(b[..., 2:6]) - 16}


def decode_q5_1(b):
    return {"d": half(b[..., 0:2]), "m": half(b[..., 2:4]),
            "q": nibbles(b[..., 8:]) + fifth_bits(b[..., 4:8])}


def decode_iq4_nl(b):
    return {"d": half(b[..., 0:2]), "q": np.array(IQ4_VALUES)[nibbles(b[..., 2:])]}


def decode_mxfp4(b):
    values = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])
    exponent = b[..., 0].astype(np.int64)
    d = np.ldexp(1.0, exponent - 128).astype(np.float32)  # exact, even for subnormal float32
    return {"d": d, "q": values[nibbles(b[..., 1:])]}


def decode_scales(a):
    """Returns 8 scales and 8 minima of 6 bits each, from (..., 12)."""
    a = a.astype(np.int64)
    scales = [a[..., j] & 63 for j in range(4)]
    scales += [a[..., j + 4] & 15 | a[..., j - 4] >> 6 << 4 for j in range(4, 8)]
    minima = [a[..., j + 4] & 63 for j in range(4)]
    minima += [a[..., j + 4] >> 4 | a[..., j] >> 6 << 4 for j in range(4, 8)]
    return np.stack(scales, -1), np.stack(minima, -1)


def nibbles_of_64(raw):
    """Returns the low nibbles, then the high ones, of each 32 bytes: (..., 128) -> (..., 256)."""
    return nibbles(raw.reshape(*raw.shape[:-1], 4, 32)).reshape(*raw.shape[:-1], 256)


def decode_q4_k(b):
    scales, minima = decode_scales(b[..., 4:16])
    return {"d": half(b[..., 0:2]), "m": half(b[..., 2:4]), "s": scales, "minima": minima,
            "q": nibbles_of_64(b[..., 16:])}


def decode_q5_k(b):
    block = decode_q4_k(np.concatenate([b[..., :16], b[..., 48:]], -1))
    high = b[..., 16:48].astype(np.int64)
    bits = np.stack([high >> k & 1 for k in range(8)], -2)  # (..., 8 groups, 32)
    block["q"] = block["q"] + 16 * bits.reshape(*b.shape[:-1], 256)
    return block


def decode_q6_k(b):
    parts = []
    for begin in (0, 1):
        low, high = b[..., begin * 64:begin * 64 + 64], b[..., 128 + begin * 32:160 + begin * 32]
        first, second = low[..., :32], low[..., 32:]
        for k, four in enumerate((first & 15, second & 15, first >> 4, second >> 4)):
            parts.append(four.astype(np.int64) | (high >> 2 * k & 3).astype(np.int64) << 4)
    return {"d": half(b[..., 208:210]), "s": int8(b[..., 192:208]),
            "q": np.concatenate(parts, -1) - 32}


def decode_q2_k(b):
    q = np.stack([b[..., 16:80].reshape(*b.shape[:-1], 2, 32) >> 2 * k & 3 for k in range(4)], -2)
    return {"d": half(b[..., 80:82]), "m": half(b[..., 82:84]),
            "s": (b[..., :16] & 15).astype(np.int64), "minima": (b[..., :16] >> 4).astype(np.int64),
            "q": q.reshape(*b.shape[:-1], 256).astype(np.int64)}


def decode_q3_k(b):
    a = b[..., 96:108].astype(np.int64)
    low = nibbles(b[..., 96:104])
    high = np.concatenate([a[..., 8:] >> 2 * k & 3 for k in range(4)], -1)
    bits = np.stack([b[..., :32] >> k & 1 for k in range(8)], -2).reshape(*b.shape[:-1], 256)
    q = np.stack([b[..., 32:96].reshape(*b.shape[:-1], 2, 32) >> 2 * k & 3 for k in range(4)], -2)
    return {"d": half(b[..., 108:110]), "s": (low | high << 4) - 32,
            "q": (q.reshape(*b.shape[:-1], 256) | bits << 2).astype(np.int64) - 4}


def decode_iq4_xs(b):
    h = b[..., 2].astype(np.int64) | b[..., 3].astype(np.int64) << 8
    low = np.stack([b[..., 4:8] & 15, b[..., 4:8] >> 4], -1).reshape(*b.shape[:-1], 8)
    high = np.stack([h >> 2 * j & 3 for j in range(8)], -1)
    q = nibbles(b[..., 8:].reshape(*b.shape[:-1], 8, 16)).reshape(*b.shape[:-1], 256)
    return {"d": half(b[..., 0:2]), "s": (low | high << 4) - 32, "q": np.array(IQ4_VALUES)[q]}


# name: (columns of a block, its bytes, the function that decodes it, the offsets of its halves)
BLOCKS = {
    "Q8_0": (32, 34, "decode_q8_0", (0,)),
    "Q4_0": (32, 18, "decode_q4_0", (0,)),
    "Q4_1": (32, 20, "decode_q4_1", (0, 2)),
    "Q5_0": (32, 22, "decode_q5_0", (0,)),
    "Q5_1": (32, 24, "decode_q5_1", (0, 2)),
    "IQ4_NL": (32, 18, "decode_iq4_nl", (0,)),
    "MXFP4": (32, 17, "decode_mxfp4", ()),
    "Q4_K": (256, 144, "decode_q4_k", (0, 2)),
    "Q5_K": (256, 176, "decode_q5_k", (0, 2)),
    "Q6_K": (256, 210, "decode_q6_k", (208,)),
    "Q2_K": (256, 84, "decode_q2_k", (80, 82)),
    "Q3_K": (256, 110, "decode_q3_k", (108,)),
    "IQ4_XS": (256, 136, "decode_iq4_xs", (0,)),
}
FLOATS = {"F32": 4, "F16": 2, "BF16": 2}


# --- The law --------------------------------------------------------------------------------------

def quantize(x, cols):
    """Quantises blocks of `cols` columns to int8: (tokens, n) -> q (tokens, blocks, cols), scales."""
    x = x.reshape(x.shape[0], -1, cols)
    finite = np.isfinite(x).all(-1)
    largest = np.abs(np.where(finite[..., None], x, 0)).max(-1)
    inverse = np.float32(127) / largest
    usable = finite & np.isfinite(inverse)
    inverse = np.where(usable, inverse, 0).astype(np.float32)
    q = np.rint(mul(np.where(usable[..., None], x, 0), inverse[..., None])).astype(np.int64)
    scales = np.where(usable, largest / np.float32(127), 0).astype(np.float32)
    return q, np.where(finite, scales, np.float32(np.nan))


def dot(a, b):
    """Returns the integer products of a (rows, n) and b (tokens, n). Exact, as they are below 2^53."""
    exact = a.astype(np.float64) @ b.astype(np.float64).T
    return exact.astype(np.int64).T  # (tokens, rows)


def sum_of_block(block, b, q):
    """Returns S and M (or None) of block b, each (tokens, rows)."""
    weights, x = block["q"][:, b], q[:, b]
    if "s" not in block:
        of_x = x.sum(-1)[:, None]
        return dot(weights, x), of_x if "m" in block else None
    group = 256 // block["s"].shape[-1]
    weights = weights * np.repeat(block["s"][:, b], group, -1)
    minima = None
    if "m" in block:
        groups = block["minima"].shape[-1]
        minima = -dot(block["minima"][:, b], x.reshape(x.shape[0], groups, -1).sum(-1))
    return dot(weights, x), minima


def product_of_blocks(name, raw, rows, x):
    cols, size, decode, _ = BLOCKS[name]
    block = globals()[decode](np.frombuffer(raw, np.uint8).reshape(rows, -1, size))
    q, scales = quantize(x, cols)
    out = np.zeros((x.shape[0], rows), np.float32)
    for b in range(q.shape[1]):
        total, minima = sum_of_block(block, b, q)
        assert np.abs(total).max() < 2**31
        scale = scales[:, b][:, None]
        out = fma(total.astype(np.float32), mul(block["d"][:, b], scale), out)
        if minima is not None:
            out = fma(minima.astype(np.float32), mul(block["m"][:, b], scale), out)
    return out


def product_of_floats(name, raw, rows, x):
    if name == "F32":
        weights = np.frombuffer(raw, "<f4")
    elif name == "F16":
        weights = np.frombuffer(raw, "<f2").astype(np.float32)
    else:
        weights = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    weights = weights.reshape(rows, -1)
    sums = np.zeros((x.shape[0], rows, 16), np.float32)
    for begin in range(0, weights.shape[1], 16):
        w, columns = weights[None, :, begin:begin + 16], x[:, None, begin:begin + 16]
        n = w.shape[-1]
        sums[..., :n] = fma(np.broadcast_to(w, sums[..., :n].shape), columns, sums[..., :n])
    for half_of in (8, 4, 2, 1):
        sums = sums[..., :half_of] + sums[..., half_of:]
    return sums[..., 0]


# --- Cases ----------------------------------------------------------------------------------------

class Cases:
    """Random matrices and activations, the same ones in each run."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def halves(self, count, hostile):
        values = self.random.normal(0, 0.02, count).astype("<f2")
        if hostile:
            odd = np.array([0, -0.0, 6e-8, -6e-8, 6.1e-5, 65504, -65504, np.inf, -np.inf, np.nan],
                           "<f2")
            at = self.random.random(count) < 0.2
            values[at] = self.random.choice(odd, at.sum())
        return values.view(np.uint8).reshape(count, 2)

    def weights(self, name, rows, cols, hostile):
        if name in FLOATS:
            return self.float_weights(name, rows * cols, hostile)
        block_cols, size, _, halves = BLOCKS[name]
        count = rows * cols // block_cols
        raw = self.random.integers(0, 256, (count, size), np.uint8)
        if hostile:  # the largest and the smallest sums
            raw[self.random.random(count) < 0.2] = 0xff
            raw[self.random.random(count) < 0.2] = 0
            raw[self.random.random(count) < 0.1] = 0x80
        for at in halves:
            raw[:, at:at + 2] = self.halves(count, hostile)
        if name == "MXFP4" and not hostile:
            raw[:, 0] = self.random.integers(118, 124, count)
        return raw.tobytes()

    def float_weights(self, name, count, hostile):
        values = self.random.normal(0, 0.02, count).astype(np.float32)
        if hostile:
            at = self.random.random(count) < 0.02
            values[at] = self.random.choice([0, -0.0, 1e-40, 3e38, -3e38, np.inf, np.nan], at.sum())
        if name == "F32":
            return values.astype("<f4").tobytes()
        if name == "F16":
            return values.astype("<f2").tobytes()
        return (values.view(np.uint32) >> 16).astype("<u2").tobytes()

    def activations(self, tokens, cols, hostile):
        x = self.random.normal(0, 1, (tokens, cols)).astype(np.float32)
        x *= np.exp2(self.random.integers(-12, 12, (tokens, 1))).astype(np.float32)
        if hostile == "values":
            kinds = self.random.integers(0, 8, tokens)
            x[kinds == 0] = 0
            x[kinds == 1] *= np.float32(1e-39)  # 127 / max is not finite
            x[kinds == 2] = np.sign(x[kinds == 2]) * np.float32(0.37)  # all columns have the largest magnitude
            ties = (self.random.integers(-127, 127, (tokens, cols)) + 0.5).astype(np.float32)
            ties[:, ::32] = 127  # 127 / max is 1, so x.5 occurs and is rounded to even
            x[kinds == 3] = ties[kinds == 3]
            x[kinds == 4] *= np.float32(1e30)
            one = self.random.integers(0, cols, tokens)
            x[kinds == 5, one[kinds == 5]] = np.inf
            x[kinds == 6, one[kinds == 6]] = np.nan
            x[kinds == 7] = -0.0
        return x

    def all_of(self, name):
        """Yields (rows, cols, tokens, alignment, weights, activations) for each case."""
        shapes = [(blocks, tokens) for tokens in range(1, 18) for blocks in (1, 2, 3)]
        shapes += [(blocks, tokens) for tokens in (1, 4, 33) for blocks in MANY_BLOCKS]
        for i, (blocks, tokens) in enumerate(shapes):
            rows = int(self.random.choice(ROWS))
            if name in FLOATS:
                cols = COLS_OF_FLOATS[i % len(COLS_OF_FLOATS)]
            else:
                cols = blocks * BLOCKS[name][0]
            hostile = ("", "", "values", "weights")[i % 4]
            yield (rows, cols, tokens, int(self.random.integers(0, 64)),
                   self.weights(name, rows, cols, hostile == "weights"),
                   self.activations(tokens, cols, hostile))


def tables_of(output, at, shape):
    """Returns {table: products} of the case that begins at `at`, and where it ends."""
    tables, size = {}, 4 * shape[0] * shape[1]
    while output[at:at + 1] != b"\n":
        end = output.index(b"\n", at)
        name = output[at:end].decode()
        tables[name] = np.frombuffer(output[end + 1:end + 1 + size], np.float32).reshape(shape)
        at = end + 1 + size
    return tables, at + 1


class NativeMatmul(unittest.TestCase):
    def check(self, name):
        cases = list(Cases(len(name) * 1000 + ord(name[1])).all_of(name))
        text = b"".join(
            f"{name} {rows} {cols} {tokens} {alignment}\n".encode() + weights + x.tobytes()
            for rows, cols, tokens, alignment, weights, x in cases)
        done = subprocess.run(PROGRAM, input=text, capture_output=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        at = 0
        for rows, cols, tokens, alignment, weights, x in cases:
            tables, at = tables_of(done.stdout, at, (tokens, rows))
            self.assertIn("scalar", tables)
            law = product_of_floats if name in FLOATS else product_of_blocks
            expected = law(name, weights, rows, x)
            for table, products in tables.items():
                same = (products.view(np.uint32) == expected.view(np.uint32)) | (
                    np.isnan(products) & np.isnan(expected))
                if not same.all():
                    token, row = np.argwhere(~same)[0]
                    self.fail(f"{table}: {name}, {rows} rows, {cols} columns, {tokens} tokens, "
                              f"alignment {alignment}: {(~same).sum()} differ, the first one of "
                              f"row {row}, token {token}: {products[token, row]!r}, not "
                              f"{expected[token, row]!r}")
        self.assertEqual(at, len(done.stdout))

    def test_fma_is_rounded_once(self):
        def one(a, b, c):
            return float(fma(*(np.array([v], np.float32) for v in (a, b, c)))[0])
        # Rounded to float64, the sum is halfway between two float32; the exact sum is not.
        self.assertEqual(one(1 + 2**-23, 1 - 2**-23, 2**24 + 2), 2**24 + 2)
        self.assertEqual(one(1 + 2**-12, 1 + 2**-12, 2**24), 2**24 + 2)
        self.assertEqual(one(2**-60, 1, 1 + 2**-23), 1 + 2**-23)
        self.assertEqual(one(2**-12 + 2**-30, 2**-12, 1), 1 + 2**-23)
        self.assertEqual(one(2**-12 - 2**-30, 2**-12, 1), 1)
        self.assertEqual(one(2**-75, 2**-75, 2**-149), 2**-148)
        self.assertEqual(one(3e38, 3e38, -np.inf), -np.inf)


for _name in (*FLOATS, *BLOCKS):
    setattr(NativeMatmul, f"test_{_name.lower()}", lambda self, name=_name: self.check(name))


def main():
    if np is None:
        if sys.executable != DEBIANS_PYTHON and os.access(DEBIANS_PYTHON, os.X_OK):
            os.execv(DEBIANS_PYTHON, [DEBIANS_PYTHON, *sys.argv])
        print("skipped: there is no numpy (Debian: python3-numpy)")
        return 77
    np.seterr(all="ignore")
    done = unittest.main(argv=sys.argv[:1], exit=False)
    return 0 if done.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
