// SPDX-License-Identifier: MIT
// The arithmetic of the forward pass: pure functions over ranges, in one table per instruction set,
// chosen once. Kernels do no I/O, take no lock, allocate nothing and know no model.
//
// One order of operations for every table, thread count and batch, so that every one of them gives
// the same bits:
// * A dot product of float weights keeps 16 partial sums, element k in sum k mod 16, each a chain
//   of Fma() in order of k, and joins them by halves: s[i] += s[i + 8], then 4, 2, 1 (Reduce16).
// * A dot product of kInt8Groups is exact within a group of the activations, q = x / scale rounded
//   to nearest, ties away from 0, with scale = max |x| / 127. The groups' results are added in
//   order, each as acc = acc + (float(sum) * weight_scale) * activation_scale.
// * A block of quantised weights is exact, too: S = the integer sum of the products of its numbers
//   with those of the activations, of super-blocks each group's sum times the group's scale. Blocks
//   are added in order, acc = Fma(float(S), d * xs, acc), and where there are minima then
//   acc = Fma(float(sum of the activations), m * xs, acc) or, of super-blocks,
//   acc = Fma(float(-sum of each group's minimum times its activations), dmin * xs, acc).
//   The activations of a block have the scale xs = max |x| / 127 and q = x * (127 / max |x|)
//   rounded to nearest, ties to even.
// * SumOrder::kLlama2c is llama2.c's way, operation by operation and in order of the index, each
//   rounded for itself: an int8 model turns the last bit of an activation into a whole step of
//   1/127 now and then, so that texts equal to llama2.c's need sums equal to its.
#ifndef CLAMMA_KERNELS_KERNELS_H_
#define CLAMMA_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// What the rows of a matrix are made of.
enum class WeightType : uint8_t {
  kF32,
  kInt8Groups,  // llama2.c: int8, and a float scale for each group of them, which may straddle rows
  kF16,         // IEEE half precision
  kBF16,        // the upper half of a float
  // Blocks of 32 columns, as GGUF files have them; see formats/.
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kIQ4_NL,
  kMXFP4,
  // Super-blocks of 256 columns.
  kQ4_K,
  kQ5_K,
  kQ6_K,
};
inline constexpr size_t kWeightTypes = 14;

// What this build has of them: a bit for each from kF16 on. F32 and llama2.c's int8 always are.
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

// Row ranges of a matrix are best cut at multiples of this.
inline constexpr size_t kRowBlock = 32;
// Large batches are best multiples of this.
inline constexpr size_t kTokenTile = 16;

// What activations must be made of before a matrix multiplies them.
enum class ActivationKind : uint8_t {
  kFloats,
  kInt8Groups,
  kBlocks32,   // int8, and a scale for each 32 columns
  kBlocks256,  // int8, and a scale for each 256 columns
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
      return ActivationKind::kBlocks256;
    default:
      return ActivationKind::kBlocks32;
  }
}

// What a matrix multiplies. What `bytes` holds, and in which order, is known to the table alone
// that filled it.
struct Activations {
  const float* x = nullptr;  // (n_tokens, cols)
  uint8_t* bytes = nullptr;  // x as Quantizer::quantize writes it, aligned to 64; kFloats: nullptr
  size_t n_tokens = 0;
  size_t cols = 0;
  size_t group = 0;  // kInt8Groups: columns that share a scale; divides cols and the matrix's group
};

// A value for each of kSize keys, which are an enum's: of a table's functions, one for each type.
template <typename Key, size_t kSize, typename Value>
class ByKey {
 public:
  struct Entry {
    Key key;
    Value value;
  };
  constexpr ByKey() = default;
  // Each key once: checked where a table is compiled.
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
  static void KeyGivenTwice();  // nowhere: no constant can be made of a call

  Value values_[kSize] = {};
};

// What a KV cache is made of: IEEE single or half precision, or int8 with a scale for each head of
// a position, which only builds with GGUF have; see kv_types.h.
enum class KvType : uint8_t { kF32, kF16, kQ8 };
inline constexpr size_t kKvTypes = 3;

// The order in which norms, softmax and attention add up. A model's file format fixes it.
enum class SumOrder : uint8_t {
  kLlama2c,  // of llama2.c files
  kNative,   // of GGUF files: see native_ops.h
};
inline constexpr size_t kSumOrders = 2;

// Which elements of a head a rotary embedding rotates together.
enum class RopeStyle : uint8_t {
  kPairs,   // 2i and 2i + 1
  kHalves,  // i and i + n / 2; of GGUF files alone
};
inline constexpr size_t kRopeStyles = 2;

// The function of a gated linear unit. (Shazeer: GLU Variants Improve Transformer, 2020)
enum class GluType : uint8_t {
  kSilu,
  // Of the native order alone:
  kGelu,         // by way of tanh
  kClampedSilu,  // of gpt-oss: bounded, with a steeper gate, and 1 added to what is gated
};
inline constexpr size_t kGluTypes = 3;

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
  // Of the KV cache, all that the last row's positions take.
  const uint8_t* const* blocks = nullptr;
  size_t key_offset = 0;    // bytes from a block's start to the keys of kv head 0
  size_t value_offset = 0;  // the same for its values
  size_t head_bytes = 0;    // from a kv head's keys to the next one's; the same for values
  size_t heads_per_kv_head = 0;
  size_t n_rows = 1;
  size_t row_stride = 0;   // floats from a row to the next, in q and in out
  size_t n_positions = 0;  // row r attends to positions 0 .. n_positions + r - 1
  size_t head_size = 0;
  KvType kv_type = KvType::kF32;
  // Of the native order alone:
  float scale = 0;     // above 0, by which scores are multiplied; 0: 1 / sqrt(head_size)
  size_t window = 0;   // positions that a row attends to, the last ones of its own; 0: all
  float soft_cap = 0;  // above 0: what scores are bounded by, see native_ops.h; 0: nothing
  const float* sinks = nullptr;  // (n_kv_heads * heads_per_kv_head): scores of no position
};

// What depends on the order of sums.
struct OrderKernels {
  // gate[i] = f(gate[i]) * up[i], but see GluType. (n)
  using Glu = void (*)(float* gate, const float* up, size_t n);

  // out (as q) = sum over positions of softmax(q . key / sqrt(head_size)) * value, for the query
  // heads of kv heads [kv_begin, kv_end). `scratch` is attention_scratch() floats, the stride being
  // the last row's positions rounded up to whole blocks, or more.
  using Attention = void (*)(float* out, float* scratch, size_t stride, const AttentionInput& input,
                             size_t kv_begin, size_t kv_end);

  const char* name;  // of the instruction set

  // out[i] = weight[i] * (x[i] / sqrt(mean(x^2) + epsilon)) for each row; out may be x. Rows
  // (n_rows, n), weight (n). (Zhang, Sennrich: Root Mean Square Layer Normalization, 2019)
  void (*rmsnorm)(float* out, const float* x, const float* weight, size_t n_rows, size_t n,
                  float epsilon) = nullptr;
  // x[i] = exp(x[i] - max(x)) / sum. (n) Entries that are no number become 0, if one is.
  void (*softmax)(float* x, size_t n) = nullptr;
  ByKey<GluType, kGluTypes, Glu> glu;
  // x[i] = cap * tanh(x[i] / cap). (n) nullptr where there is none.
  void (*soft_cap)(float* x, size_t n, float cap) = nullptr;
  ByKey<KvType, kKvTypes, Attention> attention;  // kQ8: of the native order alone

  uint64_t (*attention_scratch)(uint64_t stride, uint64_t head_size) = nullptr;
  size_t query_tile = 1;  // queries of a kv head that are best attended together

  // Attention in parts, for threads that share a long context; nullptr where there is none: see
  // native_ops.h.
  void (*attend_segments)(float* states, float* scratch, const AttentionInput& input,
                          size_t kv_begin, size_t kv_end, size_t begin, size_t end) = nullptr;
  void (*merge_states)(float* states, const float* next, size_t n, size_t head_size) = nullptr;
  void (*finish_attention)(float* out, const float* states, const AttentionInput& input,
                           size_t kv_begin, size_t kv_end) = nullptr;
};

struct Kernels {
  using QuantizeFunction = void(const Activations& x, size_t begin, size_t end);

  // Makes activations of one kind; kFloats has none, as these are multiplied as they are.
  struct Quantizer {
    // Bytes of Activations::bytes; never fewer for more tokens.
    uint64_t (*bytes)(size_t n_tokens, size_t cols, size_t group) = nullptr;
    // Writes groups [begin, end) of every token.
    QuantizeFunction* quantize = nullptr;
  };

  // out[t * out_stride + r] = sum over k of w[r][k] * x[t][k], for r in [row_begin, row_end) and
  // t < n_tokens.
  using MatmulFunction = void(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                              size_t row_begin, size_t row_end);
  using Matmul = MatmulFunction*;

  // Rotates the pairs of elements (a, b) of every head, each by its angle: a * cos - b * sin and
  // a * sin + b * cos. x (n_heads, head_size), cosines and sines (head_size / 2). (Su et al.:
  // RoFormer, 2021) The elements of a pair are those that RopeStyle says.
  using Rope = void (*)(float* x, const float* cosines, const float* sines, size_t n_heads,
                        size_t head_size);

  const char* name;
  ByKey<ActivationKind, kActivationKinds, Quantizer> quantizers;
  ByKey<WeightType, kWeightTypes, Matmul> matmul;
  ByKey<SumOrder, kSumOrders, const OrderKernels*> orders;
  ByKey<RopeStyle, kRopeStyles, Rope> rope;
  void (*add)(float* x, const float* y, size_t n);  // x[i] += y[i]. (n)
};

// The tables of this build, the best first; the last one is kScalarKernels.
size_t TableCount();
// Table i, or nullptr if this machine cannot run it. Acquires what the system gives to those alone
// that ask for it.
const Kernels* UsableTable(size_t i);

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
