// SPDX-License-Identifier: MIT
// Facts of weight types, and rows of them as floats.
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

// Not of kInt8Groups, whose scales lie apart: its block is one column of one byte.
const WeightTypeFacts& FactsOf(WeightType type);

// Bytes of a row of `cols` columns, which are a multiple of block_cols.
inline uint64_t RowBytes(WeightType type, uint64_t cols) {
  const WeightTypeFacts& facts = FactsOf(type);
  return cols / facts.block_cols * facts.block_bytes;
}

// Writes `cols` weights at `row`, as floats, to out: of F16 and BF16 exactly; of blocks
// Fma(float(q), d, m), or of super-blocks Fma(float(q), d * s, -(dmin * m)). Not for kInt8Groups.
// The row is in the byte order of files.
void DequantizeRow(WeightType type, const uint8_t* row, size_t cols, float* out);

}  // namespace clamma

#endif  // CLAMMA_KERNELS_WEIGHT_TYPES_H_
