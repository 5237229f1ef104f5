// SPDX-License-Identifier: MIT
// The forward pass of a Llama model over a batch of positions, of one session or of several.
#ifndef CLAMMA_MODEL_FORWARD_H_
#define CLAMMA_MODEL_FORWARD_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/thread_pool.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// One position to compute. The positions of a session are in ascending order, and all positions
// before them are in `kv` already or earlier in the same batch.
struct ForwardRow {
  TokenId token = 0;
  size_t position = 0;
  KvCache* kv = nullptr;          // must have `position` reserved
  const float* logits = nullptr;  // the result, (vocab_size), valid until the next pass
  bool want_logits = false;       // otherwise `logits` is set to nullptr
};

// The result of a row never depends on the other rows of the batch or on the threads.
class Forward {
 public:
  Forward() = default;
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;

  // The arguments must outlive this; the KV caches of rows will have type kv_type. Allocates the
  // working memory; Run() adds memory for the scores of a longer context. If memory is `scarce`,
  // batches get only as much as is little compared with the weights.
  Status Init(Memory& memory, Weights& weights, const Kernels& kernels, ThreadPool& pool,
              bool scarce = false, KvType kv_type = KvType::kF32);

  size_t max_rows() const { return max_rows_; }      // per batch
  size_t max_logits() const { return max_logits_; }  // rows per batch with want_logits

  // Allocates the memory for the scores of so many positions, so that Run() need not.
  Status ReserveScores(Memory& memory, size_t positions);

  // Runs 1 .. max_rows() rows. On failure (a read error of the cache) the contents of the rows'
  // positions are undefined; everything before them is untouched.
  // If `states` is not nullptr, computes no logits, but sets *states to the rows' states after the
  // last norm (n_rows, dim), which are valid until the next pass; not in builds without GGUF.
  Status Run(ForwardRow* rows, size_t n_rows, const float** states = nullptr);

 private:
  // A matrix to apply, and the place of its results: (n_rows, place.rows).
  struct Linear {
    TensorPlace place;
    float* out;
  };

  // The tensors of a feed-forward part: those of a layer, or of an expert.
  struct FeedForwardTensors {
    TensorId gate, up, down, gate_bias, up_bias, down_bias;
  };
  static constexpr FeedForwardTensors kFeedForward = {TensorId::kGate,   TensorId::kUp,
                                                      TensorId::kDown,   TensorId::kGateBias,
                                                      TensorId::kUpBias, TensorId::kDownBias};
  static constexpr FeedForwardTensors kExpert = {
      TensorId::kExpertGate,     TensorId::kExpertUp,     TensorId::kExpertDown,
      TensorId::kExpertGateBias, TensorId::kExpertUpBias, TensorId::kExpertDownBias};

  // A choice is an expert that a row uses, and its share.
  struct Choice {
    uint32_t expert;
    float share;
  };
  struct ExpertBuffers {
    Array<float> router;         // (max_rows, n_experts)
    Array<Choice> choices;       // (max_rows, n_experts_used), the best expert first
    Array<uint32_t> places;      // (max_rows * n_experts_used): of choices in `states`
    Array<uint32_t> expert_end;  // (n_experts): the end of its rows in `states`
    // (max_rows * n_experts_used, dim): the experts' inputs, then their outputs, expert by expert
    Array<float> states;
  };
  struct NoExpertBuffers {};

  // The activations for matrices of one width, one for each kind that is in use.
  using Inputs = ByKey<ActivationKind, kActivationKinds, Activations>;

  Status Embed(const ForwardRow* rows, size_t n_rows);
  Status AttentionLayer(uint32_t layer, const ForwardRow* rows, size_t n_rows);
  Status FeedForwardLayer(uint32_t layer, size_t n_rows);
  Status FeedForward(const FeedForwardTensors& tensors, uint32_t index, const float* x,
                     size_t n_rows, size_t hidden_dim, float* out);
  // The least number of indices for a thread, if each takes so many multiplications.
  static size_t GrainFor(size_t work_per_index) {
    constexpr size_t kWork = 65536;  // for which waking another thread pays
    return std::max<size_t>(1, kWork / std::max<size_t>(work_per_index, 1));
  }
  // Calls body(first, n) for ranges of rows that cover [0, n_rows), on all threads. `work` is that
  // of a row in multiplications.
  template <typename Body>
  void ForEachRows(size_t n_rows, size_t work, const Body& body) {
    constexpr size_t kSideBySide = 4;  // rows that kernels normalise together
    pool_->ParallelFor((n_rows + kSideBySide - 1) / kSideBySide, GrainFor(kSideBySide * work),
                       [&](size_t begin, size_t end, unsigned /*worker*/) {
                         const size_t first = begin * kSideBySide;
                         body(first, std::min(end * kSideBySide, n_rows) - first);
                       });
  }
  void FinishPart(TensorId post_norm, uint32_t layer, size_t n_rows);
  uint64_t ExpertFloats() const;
  Status InitExperts(Memory& memory);
  Status MixExperts(uint32_t layer, const float* x, size_t n_rows);
  void ChooseExperts(size_t n_rows);
  void SortChoices(size_t n_rows);
  void MixOutputs(size_t row);
  Status Classify(ForwardRow* rows, size_t n_rows);
  void FinishLogits(size_t n_rows);
  const float* AddAndNormalize(const float* weight, size_t n_rows);
  void AddBias(TensorId id, uint32_t layer, float* x, size_t n_rows, size_t n);
  size_t RopeCount() const;
  size_t RopeTables() const;
  void SetRopeFrequencies();
  void SetAngles(const ForwardRow& row, size_t index);
  void Rotate(float* x, const float* cosines, const float* sines, size_t n_heads,
              size_t head_size) const;
  void NormalizeHeads(TensorId norm, uint32_t layer, float* x, size_t n_heads);
  float QueryScale(size_t position) const;
  void RotateAndStore(uint32_t layer, const ForwardRow* rows, size_t n_rows);
  void Attend(uint32_t layer, const ForwardRow* rows, size_t n_rows);
  void AttendRows(uint32_t layer, const ForwardRow* rows, size_t begin, size_t end, size_t kv_begin,
                  size_t kv_end, float* scratch);
  template <size_t kCount>
  Status Apply(const Linear (&linears)[kCount], const float* x, size_t n_rows);
  void Multiply(const Linear* linears, const Matrix* matrices, size_t count, const Inputs& inputs);
  uint64_t QuantizedBytes(ActivationKind kind, size_t n_rows) const;
  size_t GroupOf(ActivationKind kind, size_t cols) const;
  Activations Quantize(ActivationKind kind, const float* x, size_t n_rows, size_t cols);

  Memory* memory_ = nullptr;
  Weights* weights_ = nullptr;
  const Kernels* kernels_ = nullptr;
  const OrderKernels* order_ = nullptr;      // one of kernels_->orders
  const OrderKernels* attention_ = nullptr;  // the one whose attention serves the KV type
  ThreadPool* pool_ = nullptr;
  ModelConfig config_;
  size_t max_rows_ = 0;
  size_t max_logits_ = 0;

  // Where sizes depend on the layer, these are for the widest one; rows of narrower layers lie
  // closer together.
  Array<float> rope_frequency_;  // (RopeTables(), rope_dims / 2)
  Array<float> cosines_;         // (RopeCount(), max_rows, rope_dims / 2)
  Array<float> sines_;           // (RopeCount(), max_rows, rope_dims / 2)
  Array<float> x_;               // (max_rows, dim): the residual stream
  Array<float> normed_;          // (max_rows, dim): the input of a layer's part, then its output
  Array<float> q_;               // (max_rows, q_dim)
  Array<float> k_;               // (max_rows, kv_dim)
  Array<float> v_;               // (max_rows, kv_dim)
  Array<float> attended_;        // (max_rows, q_dim)
  Array<float> scores_;          // (threads, AttentionScratch(scores_stride_, head_size))
  size_t scores_stride_ = 0;     // positions, in whole pages
  Array<float> gate_;            // (max_rows, hidden_dim), also for experts
  Array<float> up_;              // (max_rows, hidden_dim)
  Array<float> logits_;          // (max_logits, vocab_size)
  [[no_unique_address]] std::conditional_t<kHasGguf, ExpertBuffers, NoExpertBuffers> experts_;
  // Activations::bytes for max_rows rows of any width. Empty for kinds that no matrix needs.
  Array<uint8_t> quantized_[kActivationKinds];
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_FORWARD_H_
