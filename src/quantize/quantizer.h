// SPDX-License-Identifier: MIT
// Writes a model with weights of other types, as a GGUF file or as a llama2.c checkpoint ("q80").
// Tensors are read, encoded by all threads and written piece by piece, so memory does not grow with
// the model, except for the scales of a checkpoint's largest matrix.
#ifndef CLAMMA_QUANTIZE_QUANTIZER_H_
#define CLAMMA_QUANTIZE_QUANTIZER_H_

#include <cstddef>
#include <cstdint>

#include "model/model_files.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/thread_pool.h"
#include "quantize/byte_sink.h"
#include "quantize/checkpoint.h"
#include "quantize/encode.h"
#include "quantize/gguf_writer.h"
#include "quantize/imatrix.h"
#include "quantize/llama2c_metadata.h"
#include "quantize/piece_writer.h"
#include "quantize/recipe.h"
#include "quantize/source_tensors.h"
#include "quantize/vocabulary_file.h"

namespace clamma {

// A tensor, and how it is converted.
struct QuantizedTensor {
  GgufTensor from;
  uint16_t file = 0;  // index in the model's files
  float factor = 1;   // multiplies its weights
  TensorPlan plan;
  GgufTensor to;  // name, type, dims and bytes
  // Set once it is written:
  double error = 0;           // root mean square of the error divided by that of the values
  double weighted_error = 0;  // the same, with each column weighted by its importance
  bool weighted = false;      // the importance matrix contains it
};

class Quantizer {
 public:
  struct Options {
    const Recipe* recipe = nullptr;
    bool pure = false;
    const Imatrix* imatrix = nullptr;
    unsigned threads = 0;  // 0: all usable cores
    // The vocabulary of a checkpoint, in llama2.c's format. A GGUF model, which needs it, will
    // contain it; another checkpoint will have it beside it.
    const uint8_t* vocabulary = nullptr;
    uint64_t vocabulary_bytes = 0;
  };

  // Called after each piece: tensor number `index` is being converted, and `done` bytes of the
  // sources are read. If it returns false, Write() fails.
  struct Progress {
    bool (*report)(void* context, size_t index, uint64_t done) = nullptr;
    void* context = nullptr;
  };

  // Plans the conversion of each tensor. `files` must outlive the object; the vocabulary is used
  // only during the call.
  Status Plan(Memory& memory, const ModelFiles& files, const Options& options);

  size_t count() const { return tensors_.size(); }
  const QuantizedTensor& tensor(size_t i) const { return tensors_[i]; }
  uint64_t source_bytes() const { return source_bytes_; }  // of all tensors
  uint64_t file_bytes() const { return file_bytes_; }      // of the output file
  bool source_is_quantised() const { return source_is_quantised_; }

  // Whether the output is a checkpoint, not a GGUF file. The caller then writes vocabulary(),
  // unless it is empty, to a file beside it.
  bool makes_checkpoint() const { return options_.recipe->type == WeightType::kInt8Groups; }
  const Array<uint8_t>& vocabulary() const { return vocabulary_; }
  const VocabularyLosses& vocabulary_losses() const { return losses_; }
  const CheckpointPlan& checkpoint() const { return checkpoint_; }

  // Writes the output file to the sink. Its bytes do not depend on the number of threads.
  Status Write(const ByteSink& sink, const Progress& progress);

 private:
  struct Worker {
    Array<uint8_t> bytes;  // of the source
    Array<float> values;   // decoded
    Array<float> again;    // encoded, and decoded again
    Array<float> importance;
  };
  struct UnitResult {
    double error = 0, square = 0, weighted_error = 0, weighted_square = 0;
    Status status;

    void Add(const UnitResult& other);
  };
  // A part of a tensor: elements [first, first + n).
  struct Unit {
    const QuantizedTensor& tensor;
    WeightType source, target;
    uint64_t first, n;
    uint8_t* out;
  };

  Status PlanGguf();
  Status PlanLlama2cCheckpoint();
  Status PlanVocabulary(const ModelFile& model);
  Status FindSharedClassifier(const ModelFile& model);
  Status PlanTensors();
  Status PlanOne(const RecipeModel& model, const SourceTensor& source, QuantizedTensor* tensor);
  uint64_t CheckpointBytes() const;
  Status WriteHeader();
  Status WriteTensor(size_t index, const Progress& progress);
  Status CopyTensor(const QuantizedTensor& tensor, size_t index, const Progress& progress);
  Status ConvertTensor(QuantizedTensor* tensor, size_t index, const Progress& progress);
  Status ConvertPiece(const QuantizedTensor& tensor, uint64_t first, uint64_t n, UnitResult* sum);
  void ConvertUnit(const Unit& unit, Worker* worker, UnitResult* result);
  Status ReadUnit(const Unit& unit, Worker* worker) const;
  const float* ImportanceOf(const Unit& unit, Worker* worker) const;
  EncodeResult EncodeUnit(const Unit& unit, const float* importance, Worker* worker);
  Status PrepareWorkers();
  Status Report(size_t index, const Progress& progress) const;

  Memory* memory_ = nullptr;
  const ModelFiles* files_ = nullptr;
  Options options_;
  Llama2cMetadata llama2c_metadata_;  // of a GGUF file made from a checkpoint
  const Gguf* metadata_ = nullptr;    // of the output file; nullptr: it is a checkpoint
  SourceTensors sources_;
  CheckpointPlan checkpoint_;
  uint8_t checkpoint_header_[kLlama2cHeaderBytes] = {};
  GgmlType checkpoint_type_;
  Array<uint8_t> vocabulary_;
  VocabularyLosses losses_;
  Array<QuantizedTensor> tensors_;
  Array<GgufTensor> outputs_;
  GgufUint32Key changes_[2];
  uint64_t source_bytes_ = 0;
  uint64_t file_bytes_ = 0;
  bool source_is_quantised_ = false;

  ThreadPool pool_;
  Worker workers_[kMaxThreads];
  Array<uint8_t> out_;
  Array<uint8_t> scales_;  // of a checkpoint's matrix: they are written after its weights
  Array<float> importance_;
  PieceWriter pieces_;
  GgufWriter writer_;
  uint64_t done_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_QUANTIZER_H_
