// SPDX-License-Identifier: MIT
// Writes a GGUF model again with weights of other types. Tensors are read, encoded by all threads
// and written piece by piece: memory does not grow with the model.
#ifndef CLAMMA_QUANTIZE_QUANTIZER_H_
#define CLAMMA_QUANTIZE_QUANTIZER_H_

#include <cstddef>
#include <cstdint>

#include "model/model_files.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/thread_pool.h"
#include "quantize/byte_sink.h"
#include "quantize/gguf_writer.h"
#include "quantize/imatrix.h"
#include "quantize/recipe.h"

namespace clamma {

// What becomes of a tensor.
struct QuantizedTensor {
  GgufTensor from;
  uint16_t file = 0;  // of the model's
  TensorPlan plan;
  GgufTensor to;  // name, type, dims and bytes
  // Once it is written:
  double error = 0;           // root mean square of the error over that of the values
  double weighted_error = 0;  // the same, each column weighted by its importance
  bool weighted = false;      // the importance matrix has it
};

class Quantizer {
 public:
  struct Options {
    const Recipe* recipe = nullptr;
    bool pure = false;
    const Imatrix* imatrix = nullptr;
    unsigned threads = 0;  // 0: all usable cores
  };

  // After each piece: tensor number `index` is under way, `done` bytes of the sources are read.
  // False: the work ends with a failure.
  struct Progress {
    bool (*report)(void* context, size_t index, uint64_t done) = nullptr;
    void* context = nullptr;
  };

  // Decides on each tensor. `files` must outlive this.
  Status Plan(Memory& memory, const ModelFiles& files, const Options& options);

  size_t count() const { return tensors_.size(); }
  const QuantizedTensor& tensor(size_t i) const { return tensors_[i]; }
  uint64_t source_bytes() const { return source_bytes_; }  // of all tensors
  uint64_t file_bytes() const { return file_bytes_; }      // of the new file
  bool source_is_quantised() const { return source_is_quantised_; }

  // Writes the new file to the sink. Its bytes do not depend on the number of threads.
  Status Write(const ByteSink& sink, const Progress& progress);

 private:
  struct Worker {
    Array<uint8_t> bytes;  // of the source
    Array<float> values;   // decoded
    Array<float> again;    // ... from what was encoded
    Array<float> importance;
  };
  struct UnitResult {
    double error = 0, square = 0, weighted_error = 0, weighted_square = 0;
    Status status;
  };

  Status PlanTensors(const ModelFiles& files);
  Status CopyTensor(const QuantizedTensor& tensor, size_t index, const Progress& progress);
  Status ConvertTensor(QuantizedTensor* tensor, size_t index, const Progress& progress);
  void ConvertUnit(const QuantizedTensor& tensor, WeightType source, WeightType target,
                   uint64_t first, uint64_t n, Worker* worker, uint8_t* out, UnitResult* result);
  Status PrepareWorkers();
  Status Report(size_t index, const Progress& progress) const;

  Memory* memory_ = nullptr;
  const ModelFiles* files_ = nullptr;
  Options options_;
  Array<QuantizedTensor> tensors_;
  Array<GgufTensor> outputs_;
  GgufUint32Key changes_[2];
  uint64_t source_bytes_ = 0;
  uint64_t file_bytes_ = 0;
  bool source_is_quantised_ = false;

  ThreadPool pool_;
  Worker workers_[kMaxThreads];
  Array<uint8_t> out_;
  Array<float> importance_;
  GgufWriter writer_;
  uint64_t done_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_QUANTIZER_H_
