// SPDX-License-Identifier: MIT
// The directory of a model's tensors: type, shape and place for each name and layer.
#ifndef CLAMMA_MODEL_TENSORS_H_
#define CLAMMA_MODEL_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Vectors, which are kept as floats, come first, then matrices. A model's fingerprint, and so every
// saved session, depends on the order: a new id goes to the end of its part.
enum class TensorId : uint8_t {
  kAttentionNorm,  // of a layer, like all that are not marked "of the model"
  kFfnNorm,
  kOutputNorm,  // of the model
  kQBias,
  kKBias,
  kVBias,
  kAttentionOutputBias,
  kGateBias,
  kDownBias,
  kUpBias,
  kRopeFactors,        // of the model: (rope_dims / 2) divisors of the frequencies
  kRopeLongFactors,    // of the model: for sequences longer than config.short_context
  kAttentionPostNorm,  // (dim)
  kFfnPostNorm,        // (dim)
  kQNorm,              // (head_size) or (q_dim), see QkNorm
  kKNorm,              // (head_size) or (kv_dim)
  kSinks,              // (n_heads)
  kRouterBias,         // (n_experts)
  // Of experts, like those marked below: expert e of a layer has the index layer * n_experts + e.
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
  kOutput,           // of the model: (vocab_size, dim); if missing, the embedding is used
  kRouter,           // (n_experts, dim)
  kExpertGate,       // of experts: (hidden_dim, dim)
  kExpertDown,       // of experts: (dim, hidden_dim)
  kExpertUp,         // of experts: (hidden_dim, dim)
};
inline constexpr size_t kTensorIds = static_cast<size_t>(TensorId::kExpertUp) + 1;

// Whether each expert of each layer has such a tensor.
constexpr bool IsOfExperts(TensorId id) {
  return (id >= TensorId::kExpertGateBias && id <= TensorId::kExpertUpBias) ||
         id >= TensorId::kExpertGate;
}

constexpr bool IsVector(TensorId id) { return id < TensorId::kQ; }
const char* TensorName(TensorId id);  // for messages

// A row-major matrix in a file, or a vector, which has one row. For kInt8Groups the scales follow
// the rows directly; element e = row * cols + col has scale e / group_size.
struct TensorPlace {
  WeightType type = WeightType::kF32;
  uint16_t file = 0;    // index among the model's files
  uint64_t offset = 0;  // bytes from the file's start
  uint64_t bytes = 0;   // scales included
  uint32_t rows = 0;
  uint32_t cols = 0;
  uint64_t row_bytes = 0;  // from one row to the next

  uint64_t elements() const { return uint64_t{rows} * cols; }
};

// Sums over tensors.
struct TensorTotals {
  uint64_t count = 0;
  uint64_t bytes = 0;
  uint64_t largest = 0;      // bytes of the largest tensor
  uint64_t arena_bytes = 0;  // what they take of an arena if each is allocated separately

  void Add(uint64_t bytes_each, uint64_t n);
};

// Tensors of one name and shape that are adjacent in a file and belong to successive layers are one
// entry, so that the 65536 layers that a llama2.c file may have take no more memory than two.
// Find() is a binary search: 4 steps for the 12 entries of llama2.c, 10 for a GGUF file of 1000
// tensors, each of which is an entry. This costs far less than multiplying by the first row of the
// tensor.
//
// A plan has only the totals; it cannot find tensors.
class Tensors {
 public:
  // Allocates memory for so many entries.
  Status Init(Memory& memory, size_t capacity);

  // Adds an entry: the tensor of a layer, and those of the n_layers - 1 layers after it. Tensors of
  // the model belong to layer 0. All sizes must have been checked against the file's.
  void Add(TensorId id, const TensorPlace& place, uint32_t layer = 0, uint32_t n_layers = 1);

  // Must be called after the last Add() and before any search. Refuses two tensors of the same name
  // and layer.
  Status Seal();

  bool is_plan() const { return entries_.data() == nullptr; }  // true also before Init()
  bool Has(TensorId id) const { return (present_ >> static_cast<unsigned>(id) & 1) != 0; }

  // Returns false if there is no such tensor.
  bool Find(TensorId id, uint32_t layer, TensorPlace* place) const;

  // Find() for vectors: sets *first to the index of the vector's first float in an array of all
  // vectors.
  bool FindFloats(TensorId id, uint32_t layer, size_t* first) const;

  const TensorPlace& embedding() const { return embedding_; }

  // Calls body(id, place) for each tensor, sorted by name and then by layer. Stops at the first
  // error.
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
  double bits_per_weight() const;                      // average over all tensors
  WeightType main_type() const;                        // the type with the most bytes of matrices
  uint64_t matrix_bytes() const { return others_.bytes + embedding_.bytes; }

  // The totals of matrices that are multiplied. An embedding that is not the classifier is not:
  // only single rows of it are read.
  TensorTotals multiplied() const;
  bool IsMultiplied(ActivationKind kind) const;  // whether one of these needs that kind

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

  Array<Entry> entries_;  // the first n_entries_ are used; sorted by Key() once sealed
  size_t n_entries_ = 0;
  uint64_t floats_ = 0;
  uint64_t parameters_ = 0;
  uint64_t bytes_of_type_[kWeightTypes] = {};  // bytes of matrices
  TensorTotals others_;                        // all matrices except the embedding
  TensorPlace embedding_;
  // One bit for each TensorId; 32 are enough for the ids of builds without GGUF.
  using Present = std::conditional_t<kHasGguf, uint64_t, uint32_t>;
  Present present_ = 0;
  uint32_t kinds_ = 0;  // one bit for each ActivationKind that these matrices need
};
static_assert(kTensorIds <= 64 && static_cast<size_t>(TensorId::kOutput) < 32);

}  // namespace clamma

#endif  // CLAMMA_MODEL_TENSORS_H_
