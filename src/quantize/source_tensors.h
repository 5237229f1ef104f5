// SPDX-License-Identifier: MIT
// Lists the tensors of the source model in the form of a GGUF file, whatever its format is.
#ifndef CLAMMA_QUANTIZE_SOURCE_TENSORS_H_
#define CLAMMA_QUANTIZE_SOURCE_TENSORS_H_

#include <cstddef>
#include <cstdint>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "model/model_files.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

struct SourceTensor {
  GgufTensor tensor;
  uint16_t file = 0;                   // index in the model's files
  TensorId id = TensorId::kEmbedding;  // set only by ListModel()
};

// Must not be moved: the tensors refer to names and to a type in it.
class SourceTensors {
 public:
  SourceTensors() = default;
  SourceTensors(const SourceTensors&) = delete;
  SourceTensors& operator=(const SourceTensors&) = delete;

  // Lists all tensors of a GGUF model of any architecture, in the order of its files.
  Status ListGguf(Memory& memory, const ModelFiles& files);

  // Lists the tensors of a model that the library runs and that has no biases, with their names in
  // GGUF files.
  enum class Order : uint8_t {
    kGguf,        // layer by layer
    kCheckpoint,  // as in llama2.c's version 2: kind by kind, the norms first
  };
  Status ListModel(Memory& memory, const ModelFile& model, Order order);

  size_t size() const { return n_; }
  const SourceTensor& operator[](size_t i) const { return tensors_[i]; }

 private:
  void Add(const ModelFile& model, TensorId id, uint32_t layer);

  Array<SourceTensor> tensors_;
  Array<char> names_;
  size_t n_ = 0;
  GgmlType int8_type_;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_SOURCE_TENSORS_H_
