// SPDX-License-Identifier: MIT
// A checkpoint's tensors, ready for the kernels, in one of three ways: where they lie in memory (a
// mapping, flash), or block by block through a size-limited cache.
#ifndef CLAMMA_MODEL_WEIGHTS_H_
#define CLAMMA_MODEL_WEIGHTS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "model/block_cache.h"
#include "model/byte_source.h"
#include "model/checkpoint.h"
#include "platform/checksum.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Used by one thread at a time, but for cache_stats() and AddSamples().
class Weights {
 public:
  Weights() = default;
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  struct Options {
    bool use_cache = false;       // else source.base is used in place
    size_t cache_limit = 0;       // bytes; 0: none
    bool allow_trailing = false;  // bytes behind the last tensor are no error
  };

  // `source` and what it points to must outlive this.
  Status Open(Memory& memory, const ByteSource& source, const Options& options);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const ModelConfig& config() const { return checkpoint_.config; }

  const float* attention_norm(uint32_t layer) const {  // (dim)
    return norms_.data() + size_t{layer} * config().dim;
  }
  const float* ffn_norm(uint32_t layer) const {  // (dim)
    return norms_.data() + (size_t{config().n_layers} + layer) * config().dim;
  }
  const float* final_norm() const {  // (dim)
    return norms_.data() + 2 * size_t{config().n_layers} * config().dim;
  }

  // Makes a tensor's bytes available until Release(extent).
  Status Acquire(const TensorExtent& extent, Matrix* matrix);
  void Release(const TensorExtent& extent);

  // Writes row `token` of the embedding, as floats, to out (dim).
  Status ReadEmbedding(uint32_t token, float* out);

  // Adds what tells this model from others: the header, the norms and the matrices; where these
  // have more than 4 MiB together, pieces of each. Any thread.
  Status AddSamples(Checksum* checksum) const;

  bool cached() const { return use_cache_; }
  BlockCacheStats cache_stats() const { return cache_.stats(); }

 private:
  uint64_t SampleStep() const;  // from one piece's begin to the next one's
  Status AddSamplesOf(const TensorExtent& extent, uint64_t step, Checksum* checksum) const;
  Status LoadNorms(Memory& memory);
  Status DeclareBlocks(Memory& memory, size_t limit);
  void DeclareBlock(const TensorExtent& extent);

  ByteSource source_;
  Checkpoint checkpoint_;
  Array<float> norms_;  // (2 * n_layers + 1, dim): attention, feed-forward, final
  Array<uint8_t> row_;  // one embedding row as it is in the file, where it is not in memory
  BlockCache cache_;
  bool use_cache_ = false;
};

// Acquire() and Release() as a scope.
class AcquiredMatrix {
 public:
  AcquiredMatrix() = default;
  ~AcquiredMatrix() {
    if (weights_ != nullptr) weights_->Release(extent_);
  }
  AcquiredMatrix(const AcquiredMatrix&) = delete;
  AcquiredMatrix& operator=(const AcquiredMatrix&) = delete;

  Status Acquire(Weights& weights, const TensorExtent& extent) {
    CLAMMA_RETURN_IF_ERROR(weights.Acquire(extent, &matrix_));
    weights_ = &weights;
    extent_ = extent;
    return Status();
  }
  const Matrix& operator*() const { return matrix_; }

 private:
  Weights* weights_ = nullptr;
  TensorExtent extent_;
  Matrix matrix_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_WEIGHTS_H_
