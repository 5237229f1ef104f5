// SPDX-License-Identifier: MIT
#include "quantize/source_tensors.h"

#include <iterator>
#include <new>

#include "model/architectures/architecture.h"
#include "platform/format.h"
#include "quantize/recipe.h"

namespace clamma {
namespace {

constexpr size_t kNameBytes = 48;  // "blk.65535.attn_output.weight" has 28

constexpr TensorId kOfLayer[] = {
    TensorId::kAttentionNorm,
    TensorId::kQ,
    TensorId::kK,
    TensorId::kV,
    TensorId::kAttentionOutput,
    TensorId::kFfnNorm,
    TensorId::kGate,
    TensorId::kUp,
    TensorId::kDown,
};
// The order in a checkpoint; a kind that each layer has is followed by the same kind of the next
// layer.
constexpr TensorId kCheckpointKinds[] = {
    TensorId::kAttentionNorm,
    TensorId::kFfnNorm,
    TensorId::kOutputNorm,
    TensorId::kEmbedding,
    TensorId::kQ,
    TensorId::kK,
    TensorId::kV,
    TensorId::kAttentionOutput,
    TensorId::kGate,
    TensorId::kDown,
    TensorId::kUp,
    TensorId::kOutput,
};

// The name of a tensor that llama2.c checkpoints have.
const GgufTensorName& NameOf(TensorId id) {
  const GgufTensorNames* const* lists = kLlamaArchitecture.tensors;
  for (size_t i = 0;; ++i) {
    if (i == (*lists)->count) {
      ++lists;
      i = 0;
    }
    if ((*lists)->names[i].id == id) return (*lists)->names[i];
  }
}

}  // namespace

Status SourceTensors::ListGguf(Memory& memory, const ModelFiles& files) {
  uint64_t count = 0;
  for (size_t i = 0; i < files.count(); ++i) count += files.gguf(i)->n_tensors();
  CLAMMA_RETURN_IF_ERROR(tensors_.Resize(memory, count));
  n_ = 0;
  for (size_t i = 0; i < files.count(); ++i) {
    GgufTensor tensor;
    for (Gguf::Tensors all(*files.gguf(i)); all.Next(&tensor);) {
      SourceTensor& source = *new (&tensors_[n_++]) SourceTensor;
      source.tensor = tensor;
      source.file = static_cast<uint16_t>(i);
    }
  }
  return Status();
}

Status SourceTensors::ListModel(Memory& memory, const ModelFile& model, Order order) {
  const uint64_t layers = model.config.n_layers;
  const uint64_t count = layers * std::size(kOfLayer) + 3;
  if (count > GgufLimits::kTensors) {
    return Status::Error(StatusCode::kLimit, "%llu layers are more than can be written",
                         Ull{layers});
  }
  int8_type_ = Int8GroupsType(model.config.group_size);
  n_ = 0;
  CLAMMA_RETURN_IF_ERROR(tensors_.Resize(memory, count));
  CLAMMA_RETURN_IF_ERROR(names_.Resize(memory, count * kNameBytes));
  if (order == Order::kCheckpoint) {
    for (const TensorId id : kCheckpointKinds) {
      const uint32_t times = NameOf(id).of_layer ? model.config.n_layers : 1;
      for (uint32_t i = 0; i < times; ++i) Add(model, id, i);
    }
    return Status();
  }
  Add(model, TensorId::kEmbedding, 0);
  for (uint32_t i = 0; i < model.config.n_layers; ++i) {
    for (const TensorId id : kOfLayer) Add(model, id, i);
  }
  Add(model, TensorId::kOutputNorm, 0);
  Add(model, TensorId::kOutput, 0);
  return Status();
}

// Adds a tensor, if the model has it: it may have no kOutput, for example.
void SourceTensors::Add(const ModelFile& model, TensorId id, uint32_t layer) {
  TensorPlace place;
  if (!model.tensors.Find(id, layer, &place)) return;
  const GgufTensorName& known = NameOf(id);
  char* const name = names_.data() + n_ * kNameBytes;
  const size_t length = known.of_layer ? Format(name, kNameBytes, "blk.%u.%s",
                                                static_cast<unsigned>(layer), known.name)
                                       : Format(name, kNameBytes, "%s", known.name);
  SourceTensor& source = *new (&tensors_[n_++]) SourceTensor;
  source.id = id;
  source.file = place.file;
  GgufTensor& tensor = source.tensor;
  tensor.name = {name, length};
  tensor.n_dims = IsVector(id) ? 1 : 2;
  tensor.dims[0] = place.cols;
  tensor.dims[1] = place.rows;
  tensor.offset = place.offset;
  tensor.bytes = place.bytes;
  tensor.type = place.type == WeightType::kInt8Groups ? &int8_type_ : FindGgmlType(place.type);
}

}  // namespace clamma
