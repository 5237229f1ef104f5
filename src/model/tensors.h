// SPDX-License-Identifier: MIT
// The directory of a model's tensors: for each name and layer its type, its shape and its place.
#ifndef CLAMMA_MODEL_TENSORS_H_
#define CLAMMA_MODEL_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Vectors, which are kept as floats, and then matrices. A model's fingerprint, and so every saved
// session, depends on the order: new ones go to the end of their part.
enum class TensorId : uint8_t {
  kAttentionNorm,  // of a layer, as all that is not said to be of the model
  kFfnNorm,
  kOutputNorm,  // of the model
  kQBias,
  kKBias,
  kVBias,
  kAttentionOutputBias,
  kGateBias,
  kDownBias,
  kUpBias,
  kRopeFactors,        // of the model: (rope_dims / 2) that frequencies are divided by
  kRopeLongFactors,    // of the model: the same once a sequence is longer than config.short_context
  kAttentionPostNorm,  // (dim)
  kFfnPostNorm,        // (dim)
  kQNorm,              // (head_size) or (q_dim), see QkNorm
  kKNorm,              // (head_size) or (kv_dim)
  kSinks,              // (n_heads)
  kRouterBias,         // (n_experts)
  // Of experts, as all that says so: expert e of a layer has the index layer * n_experts + e.
  kExpertGateBias,  // (hidden_dim)
  kExpertDownBias,  // (dim)
  kExpertUpBias,    // (hidden_dim)

  kQ,                // (q_dim, dim)
  kK,                // (kv_dim, dim)
  kV,                // (kv_dim, dim)
  kAttentionOutput,  // (dim, q_dim)
  kGate,             // (hidden_dim, dim)
  kDown,             // (dim, hidden_dim)
  kUp,               // (hidden_dim, dim)
  kEmbedding,        // of the model: (vocab_size, dim)
  kOutput,           // of the model: (vocab_size, dim); without it the embedding
  kRouter,           // (n_experts, dim)
  kExpertGate,       // of experts: (hidden_dim, dim)
  kExpertDown,       // of experts: (dim, hidden_dim)
  kExpertUp,         // of experts: (hidden_dim, dim)
};
inline constexpr size_t kTensorIds = static_cast<size_t>(TensorId::kExpertUp) + 1;

// Whether there is one for each expert of each layer.
constexpr bool IsOfExperts(TensorId id) {
  return (id >= TensorId::kExpertGateBias && id <= TensorId::kExpertUpBias) ||
         id >= TensorId::kExpertGate;
}

constexpr bool IsVector(TensorId id) { return id < TensorId::kQ; }
const char* TensorName(TensorId id);  // for messages

// A row-major matrix in a file, or a vector, which has one row. kInt8Groups: the rows, and directly
// behind them the scales; element e = row * cols + col has scale e / group_size.
struct TensorPlace {
  WeightType type = WeightType::kF32;
  uint16_t file = 0;    // of those that make a model
  uint64_t offset = 0;  // bytes from the file's start
  uint64_t bytes = 0;   // all of it
  uint32_t rows = 0;
  uint32_t cols = 0;
  uint64_t row_bytes = 0;  // from a row to the next

  uint64_t elements() const { return uint64_t{rows} * cols; }
};

// Sums over tensors.
struct TensorTotals {
  uint64_t count = 0;
  uint64_t bytes = 0;
  uint64_t largest = 0;      // bytes
  uint64_t arena_bytes = 0;  // that they would take of an arena, each allocated for itself

  void Add(uint64_t bytes_each, uint64_t n);
};

// Tensors of one name that lie one behind the other, of successive layers and of one shape, are one
// entry: the 65536 layers that a llama2.c file may have take no more memory than two. Find() costs
// a binary search in the entries, which is 4 steps for llama2.c's at most 12, and 10 for a GGUF
// file of 1000 tensors, each an entry: far less than the first row of what is found.
//
// On a plan there are totals, and nothing can be found.
class Tensors {
 public:
  // Takes memory for so many entries.
  Status Init(Memory& memory, size_t capacity);

  // Adds an entry: the tensor of a layer, and those of the n_layers - 1 layers after it. What is of
  // the model is of layer 0. All sizes must have been held against the file's.
  void Add(TensorId id, const TensorPlace& place, uint32_t layer = 0, uint32_t n_layers = 1);

  // Ends the additions, and must stand before any look-up. Refuses two tensors of one name and
  // layer.
  Status Seal();

  bool is_plan() const { return entries_.data() == nullptr; }  // or has no memory yet
  bool Has(TensorId id) const { return (present_ >> static_cast<unsigned>(id) & 1) != 0; }

  // False if there is none.
  bool Find(TensorId id, uint32_t layer, TensorPlace* place) const;

  // The same for vectors, and where the first float is if all vectors' floats stand one behind the
  // other.
  bool FindFloats(TensorId id, uint32_t layer, size_t* first) const;

  const TensorPlace& embedding() const { return embedding_; }

  // Calls body(id, place) for each tensor, in order of names and then of layers, and stops where
  // that fails.
  template <typename Body>
  Status ForEach(const Body& body) const {
    for (size_t i = 0; i < n_entries_; ++i) {
      for (uint32_t n = 0; n < entries_[i].n_layers; ++n) {
        CLAMMA_RETURN_IF_ERROR(body(entries_[i].id, entries_[i].place(n)));
      }
    }
    return Status();
  }

  uint64_t floats() const { return floats_; }          // of all vectors
  uint64_t parameters() const { return parameters_; }  // elements of all tensors
  double bits_per_weight() const;                      // of all tensors on average
  WeightType main_type() const;                        // of the matrices that take the most bytes
  uint64_t matrix_bytes() const { return others_.bytes + embedding_.bytes; }

  // Of the matrices that are multiplied. An embedding that is no classifier is not: single rows are
  // read of it.
  TensorTotals multiplied() const;
  bool IsMultiplied(ActivationKind kind) const;  // whether one of them is of a type of that kind

 private:
  struct Entry {
    TensorPlace first;
    size_t first_float;  // vectors: see FindFloats()
    uint32_t layer;
    uint32_t n_layers;
    TensorId id;

    static bool Before(const Entry& a, const Entry& b) {
      return Key(a.id, a.layer) < Key(b.id, b.layer);
    }
    TensorPlace place(uint32_t index) const {
      TensorPlace place = first;
      place.offset += first.bytes * index;
      return place;
    }
  };

  static uint64_t Key(TensorId id, uint32_t layer) {
    return uint64_t{static_cast<uint8_t>(id)} << 32 | layer;
  }
  const Entry* FindEntry(TensorId id, uint32_t layer) const;

  Array<Entry> entries_;  // filled up to n_entries_; by Key() once sealed
  size_t n_entries_ = 0;
  uint64_t floats_ = 0;
  uint64_t parameters_ = 0;
  uint64_t bytes_of_type_[kWeightTypes] = {};  // matrices
  TensorTotals others_;                        // matrices but for the embedding
  TensorPlace embedding_;
  // Bit of each TensorId; those that only GGUF files have come last.
  using Present = std::conditional_t<kHasGguf, uint64_t, uint32_t>;
  Present present_ = 0;
  uint32_t kinds_ = 0;  // bit of each ActivationKind of matrices but for the embedding
};
static_assert(kTensorIds <= 64 && static_cast<size_t>(TensorId::kOutput) < 32);

}  // namespace clamma

#endif  // CLAMMA_MODEL_TENSORS_H_
