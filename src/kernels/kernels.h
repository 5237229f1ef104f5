// SPDX-License-Identifier: MIT
// The arithmetic of the forward pass: pure functions over row ranges, in one table per instruction
// set, chosen once. Kernels do no I/O, take no lock, allocate nothing and know no model.
//
// One order of operations for every table, thread count and batch, so that every one of them gives
// the same bits:
// * A dot product of float weights keeps 16 partial sums, element k in sum k mod 16, each a chain
// of
//   Fma() in order of k, and joins them by halves: s[i] += s[i + 8], then 4, 2, 1 (Reduce16).
// * An int8 dot product is exact within a group, and the groups' results are added in order, each
// as
//   acc = acc + (float(sum) * weight_scale) * activation_scale.
// * Everything else is done as llama2.c does it, operation by operation and in order of the index,
//   each rounded for itself: an int8 model turns the last bit of an activation into a whole step of
//   1/127 now and then, so that texts equal to llama2.c's need sums equal to its.
#ifndef CLAMMA_KERNELS_KERNELS_H_
#define CLAMMA_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// A weight matrix as it lies in memory, row-major, at any alignment.
struct Matrix {
  const uint8_t* data = nullptr;    // (rows, cols): float, or int8 where group_size != 0
  const uint8_t* scales = nullptr;  // int8: (rows * cols / group_size) float
  uint32_t rows = 0;
  uint32_t cols = 0;
  uint32_t group_size = 0;
};

// Activations quantised to int8 by the quantize kernel: x[t][k] ~ q[t][k] * scales[t][k / group].
struct QuantizedRows {
  const int8_t* q = nullptr;      // (n_tokens, cols), values in [-127, 127]
  const float* scales = nullptr;  // (n_tokens, cols / group)
  size_t group = 0;               // divides cols, and the matrix's group_size
};

inline constexpr size_t kKvBlock = 32;  // positions in a block of the KV cache

// One query head against the keys and values of one kv head. Keys lie with the positions of a block
// side by side, (head_size, kKvBlock), so that a vector unit computes the scores of as many
// positions at a time, each in order of the head's elements; values lie position by position,
// (kKvBlock, head_size).
struct AttentionInput {
  const float* q = nullptr;                // (head_size)
  const uint8_t* const* blocks = nullptr;  // (ceil(n_positions / kKvBlock)) blocks of the KV cache
  size_t key_offset = 0;                   // bytes from a block's start to this head's keys
  size_t value_offset = 0;                 // the same for its values
  size_t n_positions = 0;                  // positions 0 .. n_positions - 1 are attended to
  size_t head_size = 0;
  bool half = false;  // keys and values are IEEE half precision, else float
};

struct Kernels {
  const char* name;

  // out[t * out_stride + r] = sum over k of w[r][k] * x[t * cols + k], for r in [row_begin,
  // row_end) and t < n_tokens.
  void (*matmul_f32)(float* out, size_t out_stride, const float* x, size_t n_tokens,
                     const Matrix& w, size_t row_begin, size_t row_end);
  void (*matmul_q80)(float* out, size_t out_stride, const QuantizedRows& x, size_t n_tokens,
                     const Matrix& w, size_t row_begin, size_t row_end);

  // q[k] = x[k] / scale rounded to nearest, ties away from 0, scale = max |x| / 127, for each group
  // of x (n).
  void (*quantize)(int8_t* q, float* scales, const float* x, size_t n, size_t group);

  // out[i] = weight[i] * (x[i] / sqrt(mean(x^2) + epsilon)); out may be x. (n)
  // (Zhang, Sennrich: Root Mean Square Layer Normalization, 2019)
  void (*rmsnorm)(float* out, const float* x, const float* weight, size_t n, float epsilon);

  // Turns each pair (x[2i], x[2i+1]) of every head by its angle. x (n_heads, head_size), cosines
  // and sines (head_size / 2). (Su et al.: RoFormer, 2021)
  void (*rope)(float* x, const float* cosines, const float* sines, size_t n_heads,
               size_t head_size);

  // out (head_size) = sum over positions of softmax(q . key / sqrt(head_size)) * value. `scores` is
  // scratch: (n_positions, rounded up to whole blocks).
  void (*attention)(float* out, float* scores, const AttentionInput& input);

  // gate[i] = gate[i] * sigmoid(gate[i]) * up[i]. (n) (Shazeer: GLU Variants Improve Transformer)
  void (*swiglu)(float* gate, const float* up, size_t n);

  // x[i] += y[i]. (n)
  void (*add)(float* x, const float* y, size_t n);

  // x[i] = exp(x[i] - max(x)) / sum. (n) Entries that are no number become 0, if one is.
  void (*softmax)(float* x, size_t n);
};

// The best table for this CPU.
const Kernels& SelectKernels();

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
#endif

}  // namespace clamma

#endif  // CLAMMA_KERNELS_KERNELS_H_
