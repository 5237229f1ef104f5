// SPDX-License-Identifier: MIT
// A model's tensors, ready for the kernels. Matrices are used where they lie in memory (a mapping,
// flash), or block by block through a size-limited cache. Vectors are kept as floats.
#ifndef CLAMMA_MODEL_WEIGHTS_H_
#define CLAMMA_MODEL_WEIGHTS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "model/block_cache.h"
#include "model/byte_source.h"
#include "model/config.h"
#include "model/model_file.h"
#include "model/tensors.h"
#include "platform/checksum.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// One thread at a time may use it; any thread may call cache_stats() and AddSamples().
class Weights {
 public:
  Weights() = default;
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  struct Options {
    bool use_cache = false;       // false: the bytes at source.base are used in place
    size_t cache_limit = 0;       // in bytes; 0: no limit
    bool allow_trailing = false;  // bytes after the last tensor are no error
  };

  static constexpr size_t kMaxFiles = 1024;  // per model

  // Opens a model of a single file. What `source` points to must outlive this.
  Status Open(Memory& memory, const ByteSource& source, const Options& options);

  // Opens a model whose files `sources` have been read into `file` already. They are in the order
  // of TensorPlace::file. file.Check() must have succeeded.
  Status Open(Memory& memory, ModelFile&& file, const ByteSource* sources, size_t n_sources,
              const Options& options);

  const ModelFile& file() const { return file_; }
  const ModelConfig& config() const { return file_.config; }

  // A norm, a bias and so on; nullptr if the model has none.
  const float* Vector(TensorId id, uint32_t layer = 0) const;

  // A matrix that must be in the model. kOutput may also be the embedding.
  TensorPlace MatrixPlace(TensorId id, uint32_t layer = 0) const;

  // Makes a tensor's bytes available until Release(place).
  Status Acquire(const TensorPlace& place, Matrix* matrix);
  void Release(const TensorPlace& place);

  // Writes row `token` of the embedding to out (dim) as floats.
  Status ReadEmbedding(uint32_t token, float* out);

  // Adds what distinguishes this model from others: the header, the vectors and the matrices. Of
  // matrices of more than 4 MiB together, it adds pieces of each. Any thread may call it.
  Status AddSamples(Checksum* checksum) const;

  bool cached() const { return use_cache_; }
  BlockCacheStats cache_stats() const { return cache_.stats(); }

 private:
  Status OpenFiles(Memory& memory, const ByteSource* sources, size_t n_sources,
                   const Options& options);
  uint64_t SampleStep() const;  // bytes from the start of one piece to the next
  Status AddSamplesOf(const TensorPlace& place, uint64_t step, Checksum* checksum) const;
  Status LoadVectors(Memory& memory);
  Status DeclareBlocks(Memory& memory, size_t limit);
  Status ReadInt8Row(const TensorPlace& place, uint32_t row, float* out);
  Status ReadRow(const TensorPlace& place, uint32_t row, float* out);
  Status Read(const TensorPlace& place, uint64_t at, void* destination, size_t n) const {
    return sources_[place.file].Read(place.offset + at, destination, n);
  }

  Array<ByteSource> sources_;  // (files)
  ModelFile file_;
  Array<float> vectors_;  // all vectors, in the order of Tensors::ForEach()
  Array<uint8_t> row_;    // an embedding row as in the file, if that is not in memory
  BlockCache cache_;
  bool use_cache_ = false;
};

// Acquires a matrix, and releases it at the end of the scope.
class AcquiredMatrix {
 public:
  AcquiredMatrix() = default;
  ~AcquiredMatrix() {
    if (weights_ != nullptr) weights_->Release(place_);
  }
  AcquiredMatrix(const AcquiredMatrix&) = delete;
  AcquiredMatrix& operator=(const AcquiredMatrix&) = delete;

  Status Acquire(Weights& weights, const TensorPlace& place) {
    CLAMMA_RETURN_IF_ERROR(weights.Acquire(place, &matrix_));
    weights_ = &weights;
    place_ = place;
    return Status();
  }
  const Matrix& operator*() const { return matrix_; }

 private:
  Weights* weights_ = nullptr;
  TensorPlace place_;
  Matrix matrix_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_WEIGHTS_H_
