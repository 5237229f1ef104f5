// SPDX-License-Identifier: MIT
// Encodes floats as the weight types of GGUF files. The scales of each block are chosen for a small
// error.
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

// Encodes x (cols), where cols is a multiple of the type's block, to out (RowBytes(type, cols)), in
// the byte order of files. Minimises the sum of importance[c] * (x[c] - decoded[c])^2,
// approximately. importance (cols), each value finite and at least 0, may be nullptr: then all
// columns have the same, except that for Q8_0 and IQ4_NL the importance of a value is its square
// plus the mean square of its block. Each block is encoded independently, and the result is the
// same on every machine. Unless the result is kOk, the contents of `out` are undefined.
EncodeResult EncodeRow(WeightType type, const float* x, const float* importance, size_t cols,
                       uint8_t* out);

// Encodes x (cols) as llama2.c's int8: the integers to q (cols), and the scales of groups of
// `group` values, which divides cols, to scales (cols / group), floats in the byte order of files.
// A scale is the group's largest magnitude / 127. Integers are rounded to nearest, ties to even, so
// the bytes are the same as those of llama2.c's export.py and of this project's export.py.
EncodeResult EncodeInt8Groups(const float* x, uint32_t group, size_t cols, uint8_t* q,
                              uint8_t* scales);

// Decodes elements [first, first + n) of such a matrix to out (n). `q` points to these elements,
// `scales` to the scale of the first one.
void DecodeInt8Groups(const uint8_t* q, const uint8_t* scales, uint32_t group, uint64_t first,
                      size_t n, float* out);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_ENCODE_H_
