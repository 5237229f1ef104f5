// SPDX-License-Identifier: MIT
// Names and sizes of the weight types, and dequantisation of rows.
#ifndef CLAMMA_KERNELS_WEIGHT_TYPES_H_
#define CLAMMA_KERNELS_WEIGHT_TYPES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace clamma {

struct WeightTypeFacts {
  const char* name;     // as GGUF tools write it
  uint32_t block_cols;  // columns of a block
  uint32_t block_bytes;
};

// For kInt8Groups, whose scales lie apart, a block is one column of one byte.
const WeightTypeFacts& FactsOf(WeightType type);

// The bytes of a row of `cols` columns, a multiple of block_cols.
inline uint64_t RowBytes(WeightType type, uint64_t cols) {
  const WeightTypeFacts& facts = FactsOf(type);
  return cols / facts.block_cols * facts.block_bytes;
}

// Writes the `cols` weights at `row` to out as floats. F16 and BF16 are converted exactly; a weight
// of a block becomes Fma(float(q), d, m), of a super-block Fma(float(q), d * s, -(dmin * m)). Not
// for kInt8Groups. The row is in the byte order of files, little-endian.
void DequantizeRow(WeightType type, const uint8_t* row, size_t cols, float* out);

}  // namespace clamma

#endif  // CLAMMA_KERNELS_WEIGHT_TYPES_H_
