// SPDX-License-Identifier: MIT
// The layout of Activations::bytes for ActivationKind::kInt8Groups.
#ifndef CLAMMA_KERNELS_SKELETONS_INT8_GROUPS_H_
#define CLAMMA_KERNELS_SKELETONS_INT8_GROUPS_H_

#include "kernels/kernels.h"

namespace clamma {
namespace {

// x[t][g * group + k] ~ q[g][t][k] * scales[g][t]. The groups are outermost, so that everything
// that multiplies a group of weights lies together.
struct Int8Groups {
  int8_t* q;       // (cols / group, n_tokens, group), in [-127, 127]; some tables differ
  float* scales;   // (cols / group, n_tokens)
  int32_t* sums;   // (cols / group, n_tokens): -128 times the sum of the group's q
  const float* x;  // (n_tokens, cols)
  size_t n_tokens;
  size_t cols;
  size_t group;
};

constexpr uint64_t InWholeLines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// The size of Activations::bytes, where q takes q_bytes.
constexpr uint64_t Int8GroupsBytes(uint64_t q_bytes, size_t n_tokens, size_t cols, size_t group) {
  const uint64_t n_groups = uint64_t{n_tokens} * (cols / group);
  return InWholeLines(q_bytes) + InWholeLines(n_groups * sizeof(float)) +
         InWholeLines(n_groups * sizeof(int32_t));
}

inline Int8Groups Int8GroupsOf(const Activations& x, uint64_t q_bytes) {
  const uint64_t n_groups = uint64_t{x.n_tokens} * (x.cols / x.group);
  uint8_t* const scales = x.bytes + InWholeLines(q_bytes);
  uint8_t* const sums = scales + InWholeLines(n_groups * sizeof(float));
  return {reinterpret_cast<int8_t*>(x.bytes),
          reinterpret_cast<float*>(scales),
          reinterpret_cast<int32_t*>(sums),
          x.x,
          x.n_tokens,
          x.cols,
          x.group};
}

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_INT8_GROUPS_H_
