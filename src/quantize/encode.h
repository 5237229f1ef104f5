// SPDX-License-Identifier: MIT
// From floats to the types of weights that GGUF files have: each block gets the scales that leave
// the least error.
#ifndef CLAMMA_QUANTIZE_ENCODE_H_
#define CLAMMA_QUANTIZE_ENCODE_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace clamma {

enum class EncodeResult : uint8_t {
  kOk,
  kNotFinite,  // a value is infinite or not a number
  kTooLarge,   // a value is beyond what the type can hold
};

// Whether EncodeRow() can write the type: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K,
// Q6_K, IQ4_NL.
bool CanEncode(WeightType type);

// Writes `cols` values, a multiple of the type's block, as blocks to out (RowBytes(type, cols)), in
// the byte order of files. The sum of importance[c] * (x[c] - decoded[c])^2 is made small;
// importance (cols), each finite and from 0 on, may be nullptr: all columns count alike, but for
// Q8_0 and IQ4_NL, where each value counts by its square plus the mean square of its block. Blocks do
// not depend on each other, and the result depends on the arguments alone: it is the same on every
// machine. Unless the result is kOk, what is in `out` means nothing.
EncodeResult EncodeRow(WeightType type, const float* x, const float* importance, size_t cols,
                       uint8_t* out);

// The same as llama2.c's int8: `cols` integers to q, and the scales of groups of `group` values,
// which divides cols, to scales (cols / group), floats in the byte order of files. A scale is the
// group's largest magnitude / 127; integers are rounded to nearest, ties to even, so that the bytes
// are those of llama2.c's export.py and of ours.
EncodeResult EncodeInt8Groups(const float* x, uint32_t group, size_t cols, uint8_t* q,
                              uint8_t* scales);

// Writes elements [first, first + n) of such a matrix to out (n). `q` are those elements, `scales`
// begin with the scale of the first.
void DecodeInt8Groups(const uint8_t* q, const uint8_t* scales, uint32_t group, uint64_t first,
                      size_t n, float* out);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_ENCODE_H_
