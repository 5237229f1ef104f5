// SPDX-License-Identifier: MIT
// The kernels in plain C++. The source file of each table includes this and compiles it for its own
// instruction set, and uses those kernels for which it has nothing better.
#ifndef CLAMMA_KERNELS_SKELETONS_PORTABLE_H_
#define CLAMMA_KERNELS_SKELETONS_PORTABLE_H_

#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/skeletons/int8_groups.h"

namespace clamma {
namespace {
namespace portable {

constexpr size_t kLanes = 16;

constexpr size_t Min(size_t a, size_t b) { return a < b ? a : b; }

inline float DotWeights(const uint8_t* w, const float* x, size_t n) {
  float sums[kLanes] = {};
  size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) sums[i] = Fma(LoadF32(w + 4 * (k + i)), x[k + i], sums[i]);
  }
  for (size_t i = 0; k + i < n; ++i) sums[i] = Fma(LoadF32(w + 4 * (k + i)), x[k + i], sums[i]);
  return Reduce16(sums);
}

inline void MatmulF32(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                      size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  for (size_t row = row_begin; row < row_end; ++row) {
    const uint8_t* weights = w.data + row * cols * 4;
    for (size_t t = 0; t < x.n_tokens; ++t) {
      out[t * out_stride + row] = DotWeights(weights, x.x + t * cols, cols);
    }
  }
}

inline int32_t DotInt8(const uint8_t* w, const int8_t* q, size_t n) {
  // Reinterprets the pointer instead of converting each uint8_t: GCC 12 takes the converted number
  // for unsigned where there is an instruction for dot products of mixed signs (AVX-VNNI, AVX-512
  // VNNI, i8mm).
  const auto* weights = reinterpret_cast<const int8_t*>(w);
  int32_t sum = 0;
  for (size_t k = 0; k < n; ++k) sum += int32_t{weights[k]} * q[k];
  return sum;
}

inline void MatmulGroups(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                         size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  const size_t groups = cols / x.group;
  for (size_t row = row_begin; row < row_end; ++row) {
    // Scales belong to groups of the whole tensor, and a group may straddle rows.
    const uint64_t first = uint64_t{row} * cols;
    const uint8_t* weights = w.data + first;
    for (size_t t = 0; t < x.n_tokens; ++t) {
      const uint8_t* weight_scale = w.scales + 4 * (first / w.group_size);
      auto in_group = static_cast<size_t>(first % w.group_size);
      float acc = 0;
      for (size_t g = 0; g < groups; ++g) {
        const size_t at = g * x.n_tokens + t;
        const int32_t sum = DotInt8(weights + g * x.group, x.q + at * x.group, x.group);
        acc += static_cast<float>(sum) * LoadF32(weight_scale) * x.scales[at];
        in_group += x.group;
        if (in_group == w.group_size) {
          in_group = 0;
          weight_scale += 4;
        }
      }
      out[t * out_stride + row] = acc;
    }
  }
}

inline void QuantizeGroup(int8_t* q, float* scale_out, int32_t* sum_out, const float* in,
                          size_t group) {
  float largest = 0;
  for (size_t k = 0; k < group; ++k) {
    const float magnitude = in[k] < 0 ? -in[k] : in[k];
    largest = magnitude > largest ? magnitude : largest;
  }
  const float scale = largest / 127.0f;
  int32_t sum = 0;
  for (size_t k = 0; k < group; ++k) {
    float value = scale > 0 ? in[k] / scale : 0.0f;
    // A NaN becomes -127: the conversion below must be defined for any input.
    value = value > -127.0f ? value : -127.0f;
    value = value < 127.0f ? value : 127.0f;
    const auto whole = static_cast<int32_t>(value);
    const float rest = value - static_cast<float>(whole);  // exact
    const int32_t rounded = whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
    q[k] = static_cast<int8_t>(rounded);
    sum += rounded;
  }
  *scale_out = scale;
  *sum_out = -128 * sum;
}

inline void QuantizeGroups(const Int8Groups& out, size_t g_begin, size_t g_end) {
  for (size_t g = g_begin; g < g_end; ++g) {
    for (size_t t = 0; t < out.n_tokens; ++t) {
      const size_t at = g * out.n_tokens + t;
      QuantizeGroup(out.q + at * out.group, out.scales + at, out.sums + at,
                    out.x + t * out.cols + g * out.group, out.group);
    }
  }
}

// The size of Activations::bytes, where q has the layout of Int8Groups.
inline uint64_t Int8Bytes(size_t n_tokens, size_t cols, size_t group) {
  return Int8GroupsBytes(uint64_t{n_tokens} * cols, n_tokens, cols, group);
}

inline Int8Groups PlainGroupsOf(const Activations& x) {
  return Int8GroupsOf(x, uint64_t{x.n_tokens} * x.cols);
}

inline void QuantizeInt8(const Activations& x, size_t begin, size_t end) {
  QuantizeGroups(PlainGroupsOf(x), begin, end);
}

inline void MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                       size_t row_begin, size_t row_end) {
  MatmulGroups(out, out_stride, PlainGroupsOf(x), w, row_begin, row_end);
}

// Normalises kRows rows. Their sums are independent chains, which run side by side.
template <size_t kRows>
inline void RmsNormRows(float* out, const float* x, const float* weight, size_t n, float epsilon) {
  float sums[kRows] = {};
  for (size_t i = 0; i < n; ++i) {
#pragma GCC unroll 4
    for (size_t r = 0; r < kRows; ++r) sums[r] += x[r * n + i] * x[r * n + i];
  }
  for (size_t r = 0; r < kRows; ++r, out += n, x += n) {
    const float scale = 1.0f / __builtin_sqrtf(sums[r] / static_cast<float>(n) + epsilon);
    for (size_t i = 0; i < n; ++i) out[i] = weight[i] * (scale * x[i]);
  }
}

inline void RmsNorm(float* out, const float* x, const float* weight, size_t n_rows, size_t n,
                    float epsilon) {
  size_t r = 0;
  for (; r + 4 <= n_rows; r += 4) RmsNormRows<4>(out + r * n, x + r * n, weight, n, epsilon);
  for (; r + 2 <= n_rows; r += 2) RmsNormRows<2>(out + r * n, x + r * n, weight, n, epsilon);
  for (; r < n_rows; ++r) RmsNormRows<1>(out + r * n, x + r * n, weight, n, epsilon);
}

inline void Rope(float* x, const float* cosines, const float* sines, size_t n_heads,
                 size_t head_size) {
  for (size_t head = 0; head < n_heads; ++head, x += head_size) {
    for (size_t i = 0; i < head_size / 2; ++i) {
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      x[2 * i] = a * cosines[i] - b * sines[i];
      x[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
  }
}

inline void RopeHalves(float* x, const float* cosines, const float* sines, size_t n_heads,
                       size_t head_size) {
  const size_t half = head_size / 2;
  for (size_t head = 0; head < n_heads; ++head, x += head_size) {
    for (size_t i = 0; i < half; ++i) {
      const float a = x[i];
      const float b = x[half + i];
      x[i] = a * cosines[i] - b * sines[i];
      x[half + i] = a * sines[i] + b * cosines[i];
    }
  }
}

inline void Softmax(float* x, size_t n) {
  float largest = -__builtin_inff();
  for (size_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  for (size_t i = 0; i < n; ++i) x[i] = Exp(x[i] - largest);
  float sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i];
  for (size_t i = 0; i < n; ++i) x[i] /= sum;
}

template <bool kHalf>
inline float LoadKv(const uint8_t* p, size_t i) {
  return kHalf ? LoadHalf(p + 2 * i) : LoadF32(p + 4 * i);
}

// scores[i] = q . key i / sqrt(head_size), for the positions of one page.
template <bool kHalf>
inline void ScoreBlock(float* scores, const float* q, const uint8_t* keys, size_t head_size) {
  float sums[kKvBlock] = {};
  for (size_t d = 0; d < head_size; ++d) {
    for (size_t i = 0; i < kKvBlock; ++i) sums[i] += q[d] * LoadKv<kHalf>(keys, d * kKvBlock + i);
  }
  const float root = __builtin_sqrtf(static_cast<float>(head_size));
  for (size_t i = 0; i < kKvBlock; ++i) scores[i] = sums[i] / root;
}

// Adds the page's first n values, each times its weight.
template <bool kHalf>
inline void MixBlock(float* out, const float* weights, const uint8_t* values, size_t n,
                     size_t head_size) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t d = 0; d < head_size; ++d) {
      out[d] += weights[i] * LoadKv<kHalf>(values, i * head_size + d);
    }
  }
}

// Attends with one query head to n_positions of a kv head, whose keys and values lie `skip` bytes
// after those of kv head 0.
template <bool kHalf>
inline void AttendHead(float* out, float* scores, const float* q, const AttentionInput& in,
                       size_t n_positions, size_t skip) {
  for (size_t first = 0; first < n_positions; first += kKvBlock) {
    const uint8_t* keys = in.blocks[first / kKvBlock] + in.key_offset + skip;
    ScoreBlock<kHalf>(scores + first, q, keys, in.head_size);
  }
  Softmax(scores, n_positions);
  for (size_t d = 0; d < in.head_size; ++d) out[d] = 0;
  for (size_t first = 0; first < n_positions; first += kKvBlock) {
    const size_t n = Min(n_positions - first, kKvBlock);
    const uint8_t* values = in.blocks[first / kKvBlock] + in.value_offset + skip;
    MixBlock<kHalf>(out, scores + first, values, n, in.head_size);
  }
}

template <KvType kType>
inline void Attention(float* out, float* scratch, size_t /*stride*/, const AttentionInput& in,
                      size_t kv_begin, size_t kv_end) {
  const size_t n_heads = in.heads_per_kv_head;
  for (size_t row = 0; row < in.n_rows; ++row) {
    for (size_t head = kv_begin * n_heads; head < kv_end * n_heads; ++head) {
      const size_t at = row * in.row_stride + head * in.head_size;
      AttendHead<kType == KvType::kF16>(out + at, scratch, in.q + at, in, in.n_positions + row,
                                        head / n_heads * in.head_bytes);
    }
  }
}

inline void SwiGlu(float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) gate[i] = gate[i] * (1.0f / (1.0f + Exp(-gate[i]))) * up[i];
}

inline void Add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] += y[i];
}

}  // namespace portable
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_PORTABLE_H_
