// SPDX-License-Identifier: MIT
// The tensors of a model that is to be written again: all of them as those of a GGUF file, whatever
// file they are in.
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
  uint16_t file = 0;                   // of the model's
  TensorId id = TensorId::kEmbedding;  // by ListModel() alone
};

// Must stay where it is: tensors refer to names and to a type in it.
class SourceTensors {
 public:
  SourceTensors() = default;
  SourceTensors(const SourceTensors&) = delete;
  SourceTensors& operator=(const SourceTensors&) = delete;

  // All tensors of a GGUF model of any architecture, in the order of its files.
  Status ListGguf(Memory& memory, const ModelFiles& files);

  // Those of a model that the library runs and that has no biases, with the names that GGUF files
  // have for them.
  enum class Order : uint8_t {
    kGguf,        // layer by layer
    kCheckpoint,  // of llama2.c's version 2: kind by kind, the norms first
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
