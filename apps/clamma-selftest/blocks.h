// SPDX-License-Identifier: MIT
// Makes rows of weights of any type, of random bytes except for their scales.
#ifndef CLAMMA_APPS_SELFTEST_BLOCKS_H_
#define CLAMMA_APPS_SELFTEST_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/weight_types.h"
#include "random.h"

namespace selftest {

// All types except kInt8Groups, whose scales are stored separately.
inline constexpr clamma::WeightType kBlockTypes[] = {
    clamma::WeightType::kF32,   clamma::WeightType::kF16,  clamma::WeightType::kBF16,
    clamma::WeightType::kQ8_0,  clamma::WeightType::kQ4_0, clamma::WeightType::kQ4_1,
    clamma::WeightType::kQ5_0,  clamma::WeightType::kQ5_1, clamma::WeightType::kIQ4_NL,
    clamma::WeightType::kMXFP4, clamma::WeightType::kQ4_K, clamma::WeightType::kQ5_K,
    clamma::WeightType::kQ6_K,  clamma::WeightType::kQ2_K, clamma::WeightType::kQ3_K,
    clamma::WeightType::kIQ4_XS};

// Makes rows (rows, cols) as in a file, little-endian.
std::vector<uint8_t> MakeRows(clamma::WeightType type, size_t rows, size_t cols, Random* random);

// Makes the same rows as in this machine's matrices: F32, F16 and BF16 are in its own byte order.
std::vector<uint8_t> MakeRowsInMemory(clamma::WeightType type, size_t rows, size_t cols,
                                      Random* random);

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_BLOCKS_H_
