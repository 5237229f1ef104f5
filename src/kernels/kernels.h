// SPDX-License-Identifier: MIT
// The arithmetic of the forward pass: pure functions over ranges, in one table per instruction set.
// A table is chosen once. Kernels do no I/O, take no lock, allocate nothing and know no model.
//
// The order of operations is the same in every table, for every number of threads and every batch,
// so that the results are equal to the bit:
// * A dot product of float weights keeps 16 partial sums: element k goes to sum k mod 16. Each is a
//   chain of Fma() in order of k. They are joined by halves: s[i] += s[i + 8], then 4, 2, 1
//   (Reduce16).
// * A dot product of kInt8Groups is exact within a group of the activations. There, q = x / scale
//   is rounded to nearest, ties away from 0, and scale = max |x| / 127. The groups' results are
//   added in order, each as acc = acc + (float(sum) * weight_scale) * activation_scale.
// * A dot product of quantised blocks is exact within a block. S is the integer sum of the products
//   of weights and activations; in a super-block, each group's sum is multiplied by the group's
//   scale first. Blocks are added in order, acc = Fma(float(S), d * xs, acc). A format with minima
//   then adds acc = Fma(float(sum of the activations), m * xs, acc), or for super-blocks acc =
//   Fma(float(-sum of each group's minimum times its activations), dmin * xs, acc). The activations
//   of a block have the scale xs = max |x| / 127, and q = x * (127 / max |x|) is rounded to
//   nearest, ties to even.
// * SumOrder::kLlama2c follows llama2.c operation by operation, in order of the index, and rounds
//   each result. In an int8 model a difference in the last bit of an activation sometimes becomes a
//   whole step of 1/127, so texts equal to llama2.c's need sums equal to its sums.
#ifndef CLAMMA_KERNELS_KERNELS_H_
#define CLAMMA_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// The type of a matrix's weights.
enum class WeightType : uint8_t {
  kF32,
  kInt8Groups,  // llama2.c: int8 with a float scale per group; a group may straddle rows
  kF16,         // IEEE half precision
  kBF16,        // the upper half of a float
  // GGUF's blocks of 32 columns; see formats/.
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kIQ4_NL,
  kMXFP4,
  // GGUF's super-blocks of 256 columns.
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kQ2_K,
  kQ3_K,
  kIQ4_XS,
};
inline constexpr size_t kWeightTypes = 17;

// The formats in this build: one bit for each type from kF16 on. kF32 and kInt8Groups are always
// there.
inline constexpr uint32_t kFormatsMask = LIBCLAMMA_FORMATS_MASK;
inline constexpr bool kHasGguf = kFormatsMask != 0;
constexpr bool IsInBuild(WeightType type) {
  const auto bit = static_cast<unsigned>(type) - static_cast<unsigned>(WeightType::kF16);
  return type < WeightType::kF16 || (kFormatsMask >> bit & 1) != 0;
}

// A weight matrix as it lies in memory, row-major, at any alignment.
struct Matrix {
  WeightType type = WeightType::kF32;
  const uint8_t* data = nullptr;  // (rows, row_bytes)
  uint32_t rows = 0;
  uint32_t cols = 0;
  uint64_t row_bytes = 0;
  const uint8_t* scales = nullptr;  // kInt8Groups alone: (rows * cols / group_size) float
  uint32_t group_size = 0;          // kInt8Groups alone
};

// Ranges of rows are best cut at multiples of this.
inline constexpr size_t kRowBlock = 32;
// The size of a large batch is best a multiple of this.
inline constexpr size_t kTokenTile = 16;

// The form that activations must have before a matrix of a given type multiplies them.
enum class ActivationKind : uint8_t {
  kFloats,
  kInt8Groups,
  kBlocks32,   // int8 with a scale per 32 columns
  kBlocks256,  // int8 with a scale per 256 columns
};
inline constexpr size_t kActivationKinds = 4;
constexpr ActivationKind KindOf(WeightType type) {
  switch (type) {
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return ActivationKind::kFloats;
    case WeightType::kInt8Groups:
      return ActivationKind::kInt8Groups;
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
    case WeightType::kQ6_K:
    case WeightType::kQ2_K:
    case WeightType::kQ3_K:
    case WeightType::kIQ4_XS:
      return ActivationKind::kBlocks256;
    default:
      return ActivationKind::kBlocks32;
  }
}

// The activations that a matrix multiplies. The layout of `bytes` is private to the table that
// filled it.
struct Activations {
  const float* x = nullptr;  // (n_tokens, cols)
  uint8_t* bytes = nullptr;  // x as Quantizer::quantize writes it, aligned to 64; kFloats: nullptr
  size_t n_tokens = 0;
  size_t cols = 0;
  size_t group = 0;  // kInt8Groups: columns that share a scale; divides cols and the matrix's group
};

// One value for each of the kSize keys of an enum, such as a table's function for each type.
template <typename Key, size_t kSize, typename Value>
class ByKey {
 public:
  struct Entry {
    Key key;
    Value value;
  };
  constexpr ByKey() = default;
  // Each key must be given exactly once; this is checked when a table is compiled.
  template <size_t kEntries>
  constexpr ByKey(const Entry (&entries)[kEntries]) {  // NOLINT: as a list of initialisers
    static_assert(kEntries == kSize);
    bool given[kSize] = {};
    for (const Entry& entry : entries) {
      const auto at = static_cast<size_t>(entry.key);
      if (given[at]) KeyGivenTwice();
      given[at] = true;
      values_[at] = entry.value;
    }
  }

  constexpr const Value& operator[](Key key) const { return values_[static_cast<size_t>(key)]; }
  constexpr Value& operator[](Key key) { return values_[static_cast<size_t>(key)]; }

 private:
  static void KeyGivenTwice();  // undefined: a call is no constant expression

  Value values_[kSize] = {};
};

// The element type of a KV cache: IEEE single or half precision, or int8 with a scale for each head
// of a position, which only builds with GGUF have; see kv_types.h.
enum class KvType : uint8_t { kF32, kF16, kQ8 };
inline constexpr size_t kKvTypes = 3;

// The order of sums in norms, softmax and attention. A model's file format determines it.
enum class SumOrder : uint8_t {
  kLlama2c,  // for llama2.c files
  kNative,   // for GGUF files; see native_ops.h
};
inline constexpr size_t kSumOrders = 2;

// Which two elements of a head a rotary embedding rotates together.
enum class RopeStyle : uint8_t {
  kPairs,   // 2i and 2i + 1
  kHalves,  // i and i + n / 2; only in GGUF files
};
inline constexpr size_t kRopeStyles = 2;

// The function of a gated linear unit. (Shazeer: GLU Variants Improve Transformer, 2020)
enum class GluType : uint8_t {
  kSilu,
  // Only in the native order:
  kGelu,         // the tanh approximation
  kClampedSilu,  // gpt-oss: bounded, with a steeper gate, and 1 added to the gated value
};
inline constexpr size_t kGluTypes = 3;

inline constexpr size_t kKvBlock = 32;     // positions in a page of the KV cache
inline constexpr size_t kQueryTile = 8;    // most queries that are attended together
inline constexpr size_t kQueryPiece = 64;  // elements in a piece of a query, see attention.h

constexpr size_t BlocksOf(size_t n_positions) { return (n_positions + kKvBlock - 1) / kKvBlock; }

// Scratch that attention needs for scores of `stride` positions, in floats.
constexpr uint64_t AttentionScratch(uint64_t stride, uint64_t head_size) {
  return kQueryTile * (stride + (head_size + kQueryPiece - 1) / kQueryPiece * kQueryPiece);
}

// The query heads of consecutive positions, one row for each position, and the keys and values of
// their session. The keys of a page are (head_size, kKvBlock): its positions lie side by side, so
// that a vector unit computes one score per lane, each in order of the head's elements. The values
// of a page are (kKvBlock, head_size).
struct AttentionInput {
  const float* q = nullptr;  // each row: (n_kv_heads * heads_per_kv_head, head_size)
  // The pages of the KV cache, all that hold positions of the last row.
  const uint8_t* const* blocks = nullptr;
  size_t key_offset = 0;    // bytes from a page's start to the keys of kv head 0
  size_t value_offset = 0;  // bytes from a page's start to the values of kv head 0
  size_t head_bytes = 0;    // bytes from a kv head's keys, or values, to the next one's
  size_t heads_per_kv_head = 0;
  size_t n_rows = 1;
  size_t row_stride = 0;   // floats from one row to the next, in q and in out
  size_t n_positions = 0;  // row r attends to positions 0 .. n_positions + r - 1
  size_t head_size = 0;
  KvType kv_type = KvType::kF32;
  // Only for the native order:
  float scale = 0;               // factor of the scores; 0: 1 / sqrt(head_size)
  size_t window = 0;             // a row attends to its last `window` positions; 0: to all
  float soft_cap = 0;            // bound of the scores, see native_ops.h; 0: none
  const float* sinks = nullptr;  // (n_kv_heads * heads_per_kv_head), or nullptr; see native_ops.h
};

// The kernels that depend on the order of sums.
struct OrderKernels {
  // gate[i] = f(gate[i]) * up[i]; kClampedSilu differs, see GluType. (n)
  using Glu = void (*)(float* gate, const float* up, size_t n);

  // out (as q) = sum over positions of softmax(q . key / sqrt(head_size)) * value, for the query
  // heads of kv heads [kv_begin, kv_end). `scratch` is attention_scratch() floats. `stride` is at
  // least the number of the last row's positions, rounded up to whole pages.
  using Attention = void (*)(float* out, float* scratch, size_t stride, const AttentionInput& input,
                             size_t kv_begin, size_t kv_end);

  const char* name;  // of the instruction set

  // out[i] = weight[i] * (x[i] / sqrt(mean(x^2) + epsilon)) for each row; out may be x. x and out
  // (n_rows, n), weight (n). (Zhang, Sennrich: Root Mean Square Layer Normalization, 2019)
  void (*rmsnorm)(float* out, const float* x, const float* weight, size_t n_rows, size_t n,
                  float epsilon) = nullptr;
  // x[i] = exp(x[i] - max(x)) / sum. (n) A NaN becomes 0, unless all entries are NaN.
  void (*softmax)(float* x, size_t n) = nullptr;
  ByKey<GluType, kGluTypes, Glu> glu;
  // x[i] = cap * tanh(x[i] / cap). (n) nullptr for kLlama2c.
  void (*soft_cap)(float* x, size_t n, float cap) = nullptr;
  ByKey<KvType, kKvTypes, Attention> attention;  // kQ8: only in the native order

  uint64_t (*attention_scratch)(uint64_t stride, uint64_t head_size) = nullptr;
  size_t query_tile = 1;  // queries of a kv head that are best attended together

  // Attention in parts, for threads that share a long context; see native_ops.h. nullptr for
  // kLlama2c.
  void (*attend_segments)(float* states, float* scratch, const AttentionInput& input,
                          size_t kv_begin, size_t kv_end, size_t begin, size_t end) = nullptr;
  void (*merge_states)(float* states, const float* next, size_t n, size_t head_size) = nullptr;
  void (*finish_attention)(float* out, const float* states, const AttentionInput& input,
                           size_t kv_begin, size_t kv_end) = nullptr;
};

struct Kernels {
  using QuantizeFunction = void(const Activations& x, size_t begin, size_t end);

  // Makes activations of one kind. kFloats has no quantizer: floats are multiplied as they are.
  struct Quantizer {
    // The size of Activations::bytes. It does not shrink as the number of tokens grows.
    uint64_t (*bytes)(size_t n_tokens, size_t cols, size_t group) = nullptr;
    // Writes groups [begin, end) of every token.
    QuantizeFunction* quantize = nullptr;
  };

  // out[t * out_stride + r] = sum over k of w[r][k] * x[t][k], for r in [row_begin, row_end) and t
  // < n_tokens.
  using MatmulFunction = void(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                              size_t row_begin, size_t row_end);
  using Matmul = MatmulFunction*;

  // Rotates each pair of elements (a, b) of every head by its angle: a * cos - b * sin and a * sin
  // + b * cos. RopeStyle says which elements make a pair. x (n_heads, head_size), cosines and sines
  // (head_size / 2). (Su et al.: RoFormer, 2021)
  using Rope = void (*)(float* x, const float* cosines, const float* sines, size_t n_heads,
                        size_t head_size);

  const char* name;
  ByKey<ActivationKind, kActivationKinds, Quantizer> quantizers;
  ByKey<WeightType, kWeightTypes, Matmul> matmul;
  ByKey<SumOrder, kSumOrders, const OrderKernels*> orders;
  ByKey<RopeStyle, kRopeStyles, Rope> rope;
  void (*add)(float* x, const float* y, size_t n);  // x[i] += y[i]. (n)
};

// The number of tables in this build. They are sorted, the best first; the last one is
// kScalarKernels.
size_t TableCount();
// Returns table i, or nullptr if this machine cannot run it. Requests from the system those
// registers that it grants only on request.
const Kernels* UsableTable(size_t i);

// Returns the table that the environment variable CLAMMA_CPU names, if this CPU can run it, else
// the best one.
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
