// SPDX-License-Identifier: MIT
// Activations for matrices of quantised blocks: int8 with a scale for each block of 32 columns
// (ActivationKind::kBlocks32) or 256 (kBlocks256), and sums of the int8.
#ifndef CLAMMA_KERNELS_SKELETONS_NATIVE_ACTIVATIONS_H_
#define CLAMMA_KERNELS_SKELETONS_NATIVE_ACTIVATIONS_H_

#include "kernels/int8.h"
#include "kernels/kernels.h"

namespace clamma {

// The scalar table's products (tables/scalar_blocks.cc). All tables have the same layout of
// activations, and use these for matrices of few rows.
extern Kernels::MatmulFunction MatmulBlocks32Plain, MatmulBlocks256Plain;

namespace {
namespace native {

constexpr size_t kSumCols = 16;  // columns in the smallest sum

// The sums of a block's int8: of all 32, or for a super-block, of each 16 columns and of each 32.
template <size_t kCols>
struct BlockSums {
  int16_t of16[kCols / kSumCols];
  int16_t of32[kCols / (2 * kSumCols)];
};
template <>
struct BlockSums<32> {
  int32_t all;
};

// A block's sums of kOf columns each.
template <size_t kOf>
inline const int16_t* SumsOf(const BlockSums<256>& sums) {
  static_assert(kOf == kSumCols || kOf == 2 * kSumCols);
  return kOf == kSumCols ? sums.of16 : sums.of32;
}

// The layout of Activations::bytes. Blocks are outermost, so that everything that multiplies a
// block of weights lies together.
template <size_t kCols>
struct BlockActivations {
  static constexpr size_t kAlignment = 64;

  explicit BlockActivations(const Activations& x)
      : n_tokens(x.n_tokens),
        q(reinterpret_cast<int8_t*>(x.bytes)),
        scales(reinterpret_cast<float*>(x.bytes + Padded(x.n_tokens * x.cols))),
        sums(reinterpret_cast<BlockSums<kCols>*>(
            x.bytes + Padded(x.n_tokens * x.cols) +
            Padded(x.cols / kCols * x.n_tokens * sizeof(float)))) {}

  static uint64_t Bytes(size_t n_tokens, size_t cols, size_t /*group*/) {
    const uint64_t blocks = uint64_t{cols} / kCols * n_tokens;
    return Padded(blocks * kCols) + Padded(blocks * sizeof(float)) +
           Padded(blocks * sizeof(BlockSums<kCols>));
  }

  size_t n_tokens;
  int8_t* q;               // (cols / kCols, n_tokens, kCols)
  float* scales;           // (cols / kCols, n_tokens)
  BlockSums<kCols>* sums;  // (cols / kCols, n_tokens)

 private:
  static constexpr uint64_t Padded(uint64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
};

inline void SumUp(const int8_t* q, BlockSums<32>* sums) {
  sums->all = 0;
  for (size_t k = 0; k < 32; ++k) sums->all += q[k];
}
inline void SumUp(const int8_t* q, BlockSums<256>* sums) {
  for (size_t i = 0; i < 16; ++i) {
    int sum = 0;
    for (size_t k = 0; k < kSumCols; ++k) sum += q[i * kSumCols + k];
    sums->of16[i] = static_cast<int16_t>(sum);
  }
  for (size_t i = 0; i < 8; ++i) {
    sums->of32[i] = static_cast<int16_t>(sums->of16[2 * i] + sums->of16[2 * i + 1]);
  }
}

// Quantises blocks [begin, end) of every token: scale = largest |x| / 127, and q = x * (127 /
// largest |x|) rounded to nearest, ties to even. If a value of a block is not finite, the block's q
// are 0 and its scale is NaN.
template <size_t kCols, typename QuantizeBlock>
inline void QuantizeBlocks(const Activations& x, size_t begin, size_t end,
                           const QuantizeBlock& quantize_block) {
  const BlockActivations<kCols> out(x);
  for (size_t b = begin; b < end; ++b) {
    for (size_t t = 0; t < x.n_tokens; ++t) {
      const size_t at = b * x.n_tokens + t;
      out.scales[at] = quantize_block(out.q + at * kCols, x.x + t * x.cols + b * kCols);
      SumUp(out.q + at * kCols, &out.sums[at]);
    }
  }
}

// Quantises kCols floats in plain C++. Returns their scale.
template <size_t kCols>
inline float QuantizeBlockPlainly(int8_t* q, const float* in) {
  return QuantizeToInt8(q, 1, in, kCols);
}

// QuantizeBlockPlainly() on a vector unit.
template <typename V, size_t kCols>
inline float QuantizeBlock(int8_t* q, const float* in) {
  using Reg = typename V::Reg;
  Reg largest = V::Set1(0);
  Reg zero = V::Set1(0);
#pragma GCC unroll 8
  for (size_t k = 0; k < kCols; k += V::kLanes) {
    const Reg x = V::Load(in + k);
    largest = V::Max(V::Abs(x), largest);
    zero = V::Fma(x, V::Set1(0), zero);
  }
  float zeros[V::kLanes];
  V::Store(zeros, zero);
  bool finite = true;
  for (const float z : zeros) finite = finite && z == 0;
  if (!finite) {
    __builtin_memset(q, 0, kCols);
    return __builtin_nanf("");
  }
  const float max = V::ReduceMax(largest);
  const float inverse = InverseScale(max);
#pragma GCC unroll 8
  for (size_t k = 0; k < kCols; k += V::kLanes) {
    V::StoreInt8(q + k, V::RoundEven(V::Mul(V::Load(in + k), V::Set1(inverse))));
  }
  return inverse > 0 ? max / 127.0f : 0.0f;
}

template <typename V, size_t kCols>
void Quantize(const Activations& x, size_t begin, size_t end) {
  QuantizeBlocks<kCols>(x, begin, end, QuantizeBlock<V, kCols>);
}

template <size_t kCols>
void QuantizePlainly(const Activations& x, size_t begin, size_t end) {
  QuantizeBlocks<kCols>(x, begin, end, QuantizeBlockPlainly<kCols>);
}

}  // namespace native
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_NATIVE_ACTIVATIONS_H_
