// SPDX-License-Identifier: MIT
// Quantizer: plans the contents of the output file.
#include <algorithm>
#include <cstring>
#include <new>

#include "kernels/weight_types.h"
#include "model/architectures/keys.h"
#include "platform/quoted.h"
#include "quantize/quantizer.h"
#include "tokenizer/llama2c_vocabulary.h"

namespace clamma {
namespace {

constexpr uint32_t kQuantizationVersion = 2;

bool IsFloats(WeightType type) {
  return type == WeightType::kF32 || type == WeightType::kF16 || type == WeightType::kBF16;
}

// The facts that a recipe needs; a missing key is 0.
RecipeModel ModelOf(const Gguf& gguf, const SourceTensors& sources) {
  RecipeModel model;
  std::string_view architecture;
  GgufValue value;
  uint64_t layers = 0;
  if (gguf.GetString("general.architecture", Gguf::Presence::kOptional, &architecture).ok() &&
      gguf.Find(GgufKey(architecture, "block_count").view(), &value) && value.Uint(0, &layers) &&
      layers <= ModelLimits::kMaxLayers) {
    model.n_layers = static_cast<uint32_t>(layers);
  }
  model.tied = true;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].tensor.name == "output.weight") model.tied = false;
  }
  return model;
}

// Whether two tensors have the same bytes.
Status Compare(const ByteSource* sources, const TensorPlace& a, const TensorPlace& b, bool* equal) {
  *equal = a.type == b.type && a.bytes == b.bytes;
  uint8_t x[4096];
  uint8_t y[sizeof(x)];
  for (uint64_t at = 0; *equal && at < a.bytes; at += sizeof(x)) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(sizeof(x), a.bytes - at));
    CLAMMA_RETURN_IF_ERROR(sources[a.file].Read(a.offset + at, x, n));
    CLAMMA_RETURN_IF_ERROR(sources[b.file].Read(b.offset + at, y, n));
    *equal = std::memcmp(x, y, n) == 0;
  }
  return Status();
}

}  // namespace

Status Quantizer::Plan(Memory& memory, const ModelFiles& files, const Options& options) {
  memory_ = &memory;
  files_ = &files;
  options_ = options;
  return makes_checkpoint() ? PlanLlama2cCheckpoint() : PlanGguf();
}

Status Quantizer::PlanGguf() {
  if (files_->gguf() != nullptr) {
    metadata_ = files_->gguf();
    CLAMMA_RETURN_IF_ERROR(sources_.ListGguf(*memory_, *files_));
  } else {
    ModelFile model;
    CLAMMA_RETURN_IF_ERROR(files_->ReadModel(&model));
    CLAMMA_RETURN_IF_ERROR(
        llama2c_metadata_.Build(*memory_, model, options_.vocabulary, options_.vocabulary_bytes));
    metadata_ = &llama2c_metadata_.gguf();
    CLAMMA_RETURN_IF_ERROR(sources_.ListModel(*memory_, model, SourceTensors::Order::kGguf));
  }
  changes_[0] = {"general.quantization_version", kQuantizationVersion};
  changes_[1] = {"general.file_type", options_.recipe->file_type};
  CLAMMA_RETURN_IF_ERROR(PlanTensors());
  CLAMMA_RETURN_IF_ERROR(outputs_.Resize(*memory_, tensors_.size()));
  for (size_t i = 0; i < tensors_.size(); ++i) outputs_[i] = tensors_[i].to;
  return GgufWriter::FileBytes(*metadata_, changes_, 2, {outputs_.data(), outputs_.size()},
                               &file_bytes_);
}

Status Quantizer::PlanLlama2cCheckpoint() {
  ModelFile model;
  CLAMMA_RETURN_IF_ERROR(files_->ReadModel(&model));
  CLAMMA_RETURN_IF_ERROR(PlanCheckpoint(model, &checkpoint_));
  CLAMMA_RETURN_IF_ERROR(FindSharedClassifier(model));
  ScaleForNorms(model.config.norm_epsilon, &checkpoint_);
  checkpoint_type_ = Int8GroupsType(checkpoint_.group_size);
  WriteCheckpointHeader(model, checkpoint_, checkpoint_header_);
  CLAMMA_RETURN_IF_ERROR(PlanVocabulary(model));
  CLAMMA_RETURN_IF_ERROR(sources_.ListModel(*memory_, model, SourceTensors::Order::kCheckpoint));
  CLAMMA_RETURN_IF_ERROR(PlanTensors());
  file_bytes_ = CheckpointBytes();
  return Status();
}

// The vocabulary of a checkpoint stays as it is.
Status Quantizer::PlanVocabulary(const ModelFile& model) {
  const uint32_t vocab_size = model.config.vocab_size;
  if (files_->gguf() != nullptr) {
    return MakeVocabularyFile(*memory_, *files_->gguf(), vocab_size, &vocabulary_, &losses_);
  }
  if (options_.vocabulary == nullptr) return Status();
  Vocabulary checked;
  CLAMMA_RETURN_IF_ERROR(ReadLlama2cVocabulary(*memory_, options_.vocabulary,
                                               options_.vocabulary_bytes, vocab_size,
                                               TextTokensOf(model), &checked));
  CLAMMA_RETURN_IF_ERROR(vocabulary_.Resize(*memory_, options_.vocabulary_bytes));
  std::copy_n(options_.vocabulary, vocabulary_.size(), vocabulary_.data());
  return Status();
}

// A classifier that equals the embedding is left out of the file.
Status Quantizer::FindSharedClassifier(const ModelFile& model) {
  TensorPlace classifier;
  if (!model.tensors.Find(TensorId::kOutput, 0, &classifier)) return Status();
  return Compare(files_->sources(), classifier, model.tensors.embedding(),
                 &checkpoint_.shared_classifier);
}

uint64_t Quantizer::CheckpointBytes() const {
  uint64_t bytes = sizeof(checkpoint_header_);
  for (size_t i = 0; i < tensors_.size(); ++i) bytes += tensors_[i].to.bytes;
  return bytes;
}

Status Quantizer::PlanTensors() {
  RecipeModel model;
  if (metadata_ != nullptr) model = ModelOf(*metadata_, sources_);
  size_t count = 0;
  const auto is_left_out = [&](const SourceTensor& source) {
    return makes_checkpoint() && source.id == TensorId::kOutput && checkpoint_.shared_classifier;
  };
  for (size_t i = 0; i < sources_.size(); ++i) count += is_left_out(sources_[i]) ? 0 : 1;
  CLAMMA_RETURN_IF_ERROR(tensors_.Resize(*memory_, count));
  size_t n = 0;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (is_left_out(sources_[i])) continue;
    QuantizedTensor& tensor = *new (&tensors_[n++]) QuantizedTensor;
    CLAMMA_RETURN_IF_ERROR(PlanOne(model, sources_[i], &tensor));
  }
  return Status();
}

Status Quantizer::PlanOne(const RecipeModel& model, const SourceTensor& source,
                          QuantizedTensor* tensor) {
  const GgufTensor& from = source.tensor;
  tensor->from = from;
  tensor->to = from;
  tensor->file = source.file;
  source_bytes_ += from.bytes;
  if (makes_checkpoint()) {
    tensor->factor = FactorOf(source.id, checkpoint_);
    tensor->plan = PlanCheckpointTensor(from, IsVector(source.id), tensor->factor != 1);
  } else {
    tensor->plan = PlanTensor(*options_.recipe, model, options_.pure, from);
  }
  if (tensor->plan.treatment == Treatment::kCopy) return Status();
  WeightType type = WeightType::kF32;
  if (!FindWeightType(*from.type, &type)) return UnsupportedGgmlType(from.name, from.type->id);
  if (tensor->plan.treatment == Treatment::kEncode && type == tensor->plan.type &&
      type != WeightType::kInt8Groups) {
    tensor->plan.treatment = Treatment::kCopy;  // exact
    return Status();
  }
  source_is_quantised_ = source_is_quantised_ || !IsFloats(type);
  const WeightType target =
      tensor->plan.treatment == Treatment::kFloats ? WeightType::kF32 : tensor->plan.type;
  if (!IsInBuild(target)) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "this build leaves out the type %s (LIBCLAMMA_FORMATS)",
                         FactsOf(target).name);
  }
  tensor->to.type = target == WeightType::kInt8Groups ? &checkpoint_type_ : FindGgmlType(target);
  const uint64_t elements = from.bytes / from.type->block_bytes * from.type->block_cols;
  tensor->to.bytes = elements / tensor->to.type->block_cols * tensor->to.type->block_bytes;
  return Status();
}

}  // namespace clamma
