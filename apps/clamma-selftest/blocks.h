// SPDX-License-Identifier: MIT
// Rows of weights of any type, of random bytes but for their scales.
#ifndef CLAMMA_APPS_SELFTEST_BLOCKS_H_
#define CLAMMA_APPS_SELFTEST_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/weight_types.h"
#include "random.h"

namespace selftest {

// All types but kInt8Groups, whose scales lie apart.
inline constexpr clamma::WeightType kBlockTypes[] = {
    clamma::WeightType::kF32,   clamma::WeightType::kF16,  clamma::WeightType::kBF16,
    clamma::WeightType::kQ8_0,  clamma::WeightType::kQ4_0, clamma::WeightType::kQ4_1,
    clamma::WeightType::kQ5_0,  clamma::WeightType::kQ5_1, clamma::WeightType::kIQ4_NL,
    clamma::WeightType::kMXFP4, clamma::WeightType::kQ4_K, clamma::WeightType::kQ5_K,
    clamma::WeightType::kQ6_K,  clamma::WeightType::kQ2_K, clamma::WeightType::kQ3_K,
    clamma::WeightType::kIQ4_XS};

// The rows as a file has them, in little-endian order.
std::vector<uint8_t> MakeRows(clamma::WeightType type, size_t rows, size_t cols, Random* random);

// The same as this machine's matrices have them: F32, F16 and BF16 are in its own byte order.
std::vector<uint8_t> MakeRowsInMemory(clamma::WeightType type, size_t rows, size_t cols,
                                      Random* random);

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_BLOCKS_H_
