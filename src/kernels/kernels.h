// SPDX-License-Identifier: MIT
// The arithmetic of the forward pass: pure functions over ranges, in one table per instruction set,
// chosen once. Kernels do no I/O, take no lock, allocate nothing and know no model.
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

// Row ranges of a matrix are best cut at multiples of this.
inline constexpr size_t kRowBlock = 32;

// Activations quantised to int8, x[t][g * group + k] ~ q[g][t][k] * scales[g][t]: group by group,
// so that all that meets a group of weights lies together.
struct QuantizedRows {
  int8_t* q = nullptr;         // (cols / group, n_tokens, group), values in [-127, 127]
  float* scales = nullptr;     // (cols / group, n_tokens)
  int32_t* offsets = nullptr;  // (cols / group, n_tokens): -128 * the sum of the group's q
  size_t n_tokens = 0;
  size_t cols = 0;
  size_t group = 0;  // divides cols, and the matrix's group_size
  // If so, q is as the table's kernels take it instead: in an order of their own,
  // Kernels::packed_bytes a number. See Packs().
  bool packed = false;
};

// A table that packs may want tokens in whole packs, the rest of the last one being 0.
inline constexpr size_t kLargestPack = 16;  // of tokens
constexpr size_t PackSize(size_t n_tokens) {
  return n_tokens <= 4 ? 4 : n_tokens <= 8 ? 8 : kLargestPack;
}
// Rounded up to whole packs.
constexpr size_t InPacks(size_t n_tokens) {
  const size_t size = PackSize(n_tokens);
  return (n_tokens + size - 1) / size * size;
}

inline constexpr size_t kKvBlock = 32;     // positions in a block of the KV cache
inline constexpr size_t kQueryTile = 8;    // queries whose scores are held at a time
inline constexpr size_t kQueryPiece = 64;  // elements by which they are copied side by side

constexpr size_t BlocksOf(size_t n_positions) { return (n_positions + kKvBlock - 1) / kKvBlock; }

// Floats that attention takes as scratch for scores of `stride` positions.
constexpr uint64_t AttentionScratch(uint64_t stride, uint64_t head_size) {
  return kQueryTile * (stride + (head_size + kQueryPiece - 1) / kQueryPiece * kQueryPiece);
}

// The query heads of consecutive positions, a row each, against the keys and values of their
// session. Keys lie with the positions of a block side by side, (head_size, kKvBlock), so that a
// vector unit computes the scores of as many positions at a time, each in order of the head's
// elements; values lie position by position, (kKvBlock, head_size).
struct AttentionInput {
  const float* q = nullptr;  // of each row (n_kv_heads * heads_per_kv_head, head_size)
  const uint8_t* const* blocks =
      nullptr;              // of the KV cache, all that the last row's positions take
  size_t key_offset = 0;    // bytes from a block's start to the keys of kv head 0
  size_t value_offset = 0;  // the same for its values
  size_t head_bytes = 0;    // from a kv head's keys to the next one's; the same for values
  size_t heads_per_kv_head = 0;
  size_t n_rows = 1;
  size_t row_stride = 0;   // floats from a row to the next, in q and in out
  size_t n_positions = 0;  // row r attends to positions 0 .. n_positions + r - 1
  size_t head_size = 0;
  bool half = false;  // keys and values are IEEE half precision, else float
};

struct Kernels {
  const char* name;

  // out[t * out_stride + r] = sum over k of w[r][k] * x[t * cols + k], for r in [row_begin,
  // row_end) and t < n_tokens.
  void (*matmul_f32)(float* out, size_t out_stride, const float* x, size_t n_tokens,
                     const Matrix& w, size_t row_begin, size_t row_end);
  void (*matmul_q80)(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                     size_t row_begin, size_t row_end);

  // What Packs() tells; nullptr: never.
  bool (*packs)(size_t n_tokens, size_t group);

  // Quantises groups [g_begin, g_end) of every row of x (n_tokens, cols): q = x / scale rounded to
  // nearest, ties away from 0, scale = max |x| / 127.
  void (*quantize)(const QuantizedRows& out, const float* x, size_t g_begin, size_t g_end);

  // out[i] = weight[i] * (x[i] / sqrt(mean(x^2) + epsilon)) for each row; out may be x. Rows
  // (n_rows, n), weight (n). (Zhang, Sennrich: Root Mean Square Layer Normalization, 2019)
  void (*rmsnorm)(float* out, const float* x, const float* weight, size_t n_rows, size_t n,
                  float epsilon);

  // Turns each pair (x[2i], x[2i+1]) of every head by its angle. x (n_heads, head_size), cosines
  // and sines (head_size / 2). (Su et al.: RoFormer, 2021)
  void (*rope)(float* x, const float* cosines, const float* sines, size_t n_heads,
               size_t head_size);

  // out (as q) = sum over positions of softmax(q . key / sqrt(head_size)) * value, for the query
  // heads of kv heads [kv_begin, kv_end). `scratch` is what AttentionScratch() tells, the stride
  // being the last row's positions rounded up to whole blocks, or more.
  void (*attention)(float* out, float* scratch, size_t stride, const AttentionInput& input,
                    size_t kv_begin, size_t kv_end);

  // gate[i] = gate[i] * sigmoid(gate[i]) * up[i]. (n) (Shazeer: GLU Variants Improve Transformer)
  void (*swiglu)(float* gate, const float* up, size_t n);

  // x[i] += y[i]. (n)
  void (*add)(float* x, const float* y, size_t n);

  // x[i] = exp(x[i] - max(x)) / sum. (n) Entries that are no number become 0, if one is.
  void (*softmax)(float* x, size_t n);

  size_t packed_bytes = 1;  // that a packed number takes in QuantizedRows::q
};

// Whether a table's quantize and matmul_q80 take so many tokens sooner if they are packed: amx four
// columns by four (amx_tiles.h), avx2 as 16 bits (avx2_q80.h).
inline bool Packs(const Kernels& kernels, size_t n_tokens, size_t group) {
  return kernels.packs != nullptr && kernels.packs(n_tokens, group);
}

// Bytes of QuantizedRows::q for up to n_tokens rows, packed or not.
inline uint64_t QuantizedBytes(const Kernels& kernels, size_t n_tokens, uint64_t cols) {
  return kernels.packs == nullptr ? n_tokens * cols
                                  : InPacks(n_tokens) * cols * kernels.packed_bytes;
}

// Writes the tables that can be used, the best first, and nullptr in the rest. Acquires what the
// system gives to those alone that ask for it.
inline constexpr size_t kMostTables = 6;
void UsableKernels(const Kernels* (&tables)[kMostTables]);

// The table that the environment variable CLAMMA_CPU names, if this CPU can run it; else the best.
const Kernels& SelectKernels();

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvxVnniKernels;
extern const Kernels kAmxKernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512ZenKernels;
#elif defined(__AARCH64EL__)
extern const Kernels kNeonKernels;
extern const Kernels kNeonDotKernels;
#endif

}  // namespace clamma

#endif  // CLAMMA_KERNELS_KERNELS_H_
