// SPDX-License-Identifier: MIT
// The kernels in plain C++: the reference of every other table, and all there is where no vector
// unit is. The loops over 16 partial sums are written so that compilers vectorise them.
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/math.h"

namespace clamma {
namespace {

constexpr size_t kLanes = 16;

// Sum of a(k) * b(k) over k < n by the 16-partial-sums rule.
template <typename A, typename B>
float Dot(size_t n, const A& a, const B& b) {
  float sums[kLanes] = {};
  size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) sums[i] = Fma(a(k + i), b(k + i), sums[i]);
  }
  for (size_t i = 0; k + i < n; ++i) sums[i] = Fma(a(k + i), b(k + i), sums[i]);
  return Reduce16(sums);
}

float DotWeights(const uint8_t* w, const float* x, size_t n) {
  return Dot(
      n, [w](size_t k) { return LoadF32(w + 4 * k); }, [x](size_t k) { return x[k]; });
}

float DotHalf(const uint8_t* w, const float* x, size_t n) {
  return Dot(
      n, [w](size_t k) { return LoadHalf(w + 2 * k); }, [x](size_t k) { return x[k]; });
}

// Sum of x(k) over k < n by the same rule.
float Sum(const float* x, size_t n) {
  float sums[kLanes] = {};
  size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) sums[i] += x[k + i];
  }
  for (size_t i = 0; k + i < n; ++i) sums[i] += x[k + i];
  return Reduce16(sums);
}

void MatmulF32(float* out, size_t out_stride, const float* x, size_t n_tokens, const Matrix& w,
               size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  for (size_t row = row_begin; row < row_end; ++row) {
    const uint8_t* weights = w.data + row * cols * 4;
    for (size_t t = 0; t < n_tokens; ++t) {
      out[t * out_stride + row] = DotWeights(weights, x + t * cols, cols);
    }
  }
}

int32_t DotInt8(const uint8_t* w, const int8_t* q, size_t n) {
  int32_t sum = 0;
  for (size_t k = 0; k < n; ++k) sum += int32_t{static_cast<int8_t>(w[k])} * q[k];
  return sum;
}

void MatmulQ80(float* out, size_t out_stride, const QuantizedRows& x, size_t n_tokens,
               const Matrix& w, size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  const size_t groups = cols / x.group;
  for (size_t row = row_begin; row < row_end; ++row) {
    const uint64_t first = uint64_t{row} * cols;  // element of the tensor: its groups may straddle rows
    const uint8_t* weights = w.data + first;
    for (size_t t = 0; t < n_tokens; ++t) {
      const int8_t* q = x.q + t * cols;
      const float* scales = x.scales + t * groups;
      const uint8_t* weight_scale = w.scales + 4 * (first / w.group_size);
      auto in_group = static_cast<size_t>(first % w.group_size);
      float acc = 0;
      for (size_t g = 0; g < groups; ++g) {
        const int32_t sum = DotInt8(weights + g * x.group, q + g * x.group, x.group);
        acc = Fma(static_cast<float>(sum), LoadF32(weight_scale) * scales[g], acc);
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

void Quantize(int8_t* q, float* scales, const float* x, size_t n, size_t group) {
  for (size_t g = 0; g < n / group; ++g) {
    const float* in = x + g * group;
    float largest = 0;
    for (size_t k = 0; k < group; ++k) {
      const float magnitude = in[k] < 0 ? -in[k] : in[k];
      largest = magnitude > largest ? magnitude : largest;
    }
    const float scale = largest / 127.0f;
    scales[g] = scale;
    for (size_t k = 0; k < group; ++k) {
      float value = scale > 0 ? in[k] / scale : 0.0f;
      // What is no number becomes -127: the conversion below must be defined for any input.
      value = value > -127.0f ? value : -127.0f;
      value = value < 127.0f ? value : 127.0f;
      q[g * group + k] = static_cast<int8_t>(RoundToEven(value));
    }
  }
}

void RmsNorm(float* out, const float* x, const float* weight, size_t n, float epsilon) {
  const auto at = [x](size_t k) { return x[k]; };
  const float mean_square = Dot(n, at, at) / static_cast<float>(n);
  const float scale = 1.0f / __builtin_sqrtf(mean_square + epsilon);
  for (size_t i = 0; i < n; ++i) out[i] = weight[i] * (scale * x[i]);
}

void Rope(float* x, const float* cosines, const float* sines, size_t n_heads, size_t head_size) {
  for (size_t head = 0; head < n_heads; ++head, x += head_size) {
    for (size_t i = 0; i < head_size / 2; ++i) {
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      x[2 * i] = a * cosines[i] - b * sines[i];
      x[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
  }
}

// One block of up to kKvBlock positions; `largest` and `total` run on from block to block.
template <typename DotKey, typename LoadValue>
void AttendBlock(float* out, size_t head_size, size_t n, const DotKey& dot_key,
                 const LoadValue& load_value, float* largest, float* total) {
  float weights[kKvBlock];
  float top = *largest;
  for (size_t i = 0; i < n; ++i) {
    weights[i] = dot_key(i);
    top = weights[i] > top ? weights[i] : top;
  }
  const float shrink = Exp(*largest - top);
  for (size_t i = 0; i < n; ++i) weights[i] = Exp(weights[i] - top);
  *total = Fma(*total, shrink, Sum(weights, n));
  *largest = top;
  for (size_t d = 0; d < head_size; ++d) out[d] *= shrink;
  for (size_t i = 0; i < n; ++i) {
    for (size_t d = 0; d < head_size; ++d) out[d] = Fma(weights[i], load_value(i, d), out[d]);
  }
}

void Attention(float* out, const AttentionInput& in) {
  const size_t head_size = in.head_size;
  float largest = -__builtin_inff();
  float total = 0;
  for (size_t d = 0; d < head_size; ++d) out[d] = 0;
  for (size_t first = 0; first < in.n_positions; first += kKvBlock) {
    const size_t left = in.n_positions - first;
    const size_t n = left < kKvBlock ? left : kKvBlock;
    const uint8_t* keys = in.blocks[first / kKvBlock] + in.key_offset;
    const uint8_t* values = in.blocks[first / kKvBlock] + in.value_offset;
    if (in.half) {
      AttendBlock(
          out, head_size, n,
          [&](size_t i) { return DotHalf(keys + 2 * i * head_size, in.q, head_size) * in.scale; },
          [&](size_t i, size_t d) { return LoadHalf(values + 2 * (i * head_size + d)); }, &largest,
          &total);
    } else {
      AttendBlock(
          out, head_size, n,
          [&](size_t i) { return DotWeights(keys + 4 * i * head_size, in.q, head_size) * in.scale; },
          [&](size_t i, size_t d) { return LoadF32(values + 4 * (i * head_size + d)); }, &largest,
          &total);
    }
  }
  for (size_t d = 0; d < head_size; ++d) out[d] /= total;
}

void SwiGlu(float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) gate[i] = gate[i] / (1.0f + Exp(-gate[i])) * up[i];
}

void Add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] += y[i];
}

void Softmax(float* x, size_t n) {
  float largest = -__builtin_inff();
  for (size_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  for (size_t i = 0; i < n; ++i) x[i] = Exp(x[i] - largest);
  const float total = Sum(x, n);
  for (size_t i = 0; i < n; ++i) x[i] /= total;
}

}  // namespace

const Kernels kScalarKernels = {
    "scalar", MatmulF32, MatmulQ80, Quantize, RmsNorm, Rope, Attention, SwiGlu, Add, Softmax,
};

}  // namespace clamma
