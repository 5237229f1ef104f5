// SPDX-License-Identifier: MIT
#include "model/files/gguf_model.h"

#include <algorithm>
#include <string_view>

#include "kernels/weight_types.h"
#include "model/architectures/architecture.h"
#include "model/files/file_kind.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr const Architecture* kArchitectures[] = {&kLlamaArchitecture};
constexpr char kArchitectureNames[] = "llama";

// What general.file_type says, as tools of GGUF files write it.
struct FileType {
  uint32_t number;
  const char* name;
};
constexpr FileType kFileTypes[] = {
    {0, "F32"},     {1, "F16"},   {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
    {8, "Q5_0"},    {9, "Q5_1"},  {14, "Q4_K_S"}, {15, "Q4_K_M"}, {16, "Q5_K_S"},
    {17, "Q5_K_M"}, {18, "Q6_K"}, {25, "IQ4_NL"}, {32, "BF16"},   {38, "MXFP4"},
};

Status FindArchitecture(const Gguf& gguf, const Architecture** found) {
  std::string_view name;
  CLAMMA_RETURN_IF_ERROR(gguf.GetString("general.architecture", Gguf::Presence::kRequired, &name));
  for (const Architecture* architecture : kArchitectures) {
    if (name != architecture->name) continue;
    *found = architecture;
    return Status();
  }
  return Status::Error(StatusCode::kCorrupt,
                       "models of architecture %s are not supported: those that are: %s",
                       Quoted(name).c_str(), kArchitectureNames);
}

// A tensor's name, taken apart.
struct ParsedName {
  std::string_view name;  // without "blk.N."
  uint32_t layer = 0;
  bool of_layer = false;
};

ParsedName Parse(std::string_view name) {
  constexpr std::string_view kFront = "blk.";
  if (name.size() <= kFront.size() || !StartsWith(name, kFront)) return {name, 0, false};
  uint64_t layer = 0;
  size_t at = kFront.size();
  for (; at < name.size() && name[at] >= '0' && name[at] <= '9' && layer <= UINT32_MAX; ++at) {
    layer = 10 * layer + static_cast<uint64_t>(name[at] - '0');
  }
  const bool canonical = at == kFront.size() + 1 || name[kFront.size()] != '0';
  if (at == kFront.size() || at >= name.size() || name[at] != '.' || layer > UINT32_MAX ||
      !canonical) {
    return {name, 0, false};
  }
  name.remove_prefix(at + 1);
  return {name, static_cast<uint32_t>(layer), true};
}

WeightType WeightTypeOf(const GgmlType& type) {
  for (size_t i = 0; i < kWeightTypes; ++i) {
    const auto weight_type = static_cast<WeightType>(i);
    if (std::string_view(FactsOf(weight_type).name) == type.name) return weight_type;
  }
  return WeightType::kF32;
}

Status Wrong(const GgufTensor& tensor, const char* what) {
  return Status::Error(StatusCode::kCorrupt, "tensor %s %s", Quoted(tensor.name).c_str(), what);
}

// Adds a tensor of file number `file` to the directory.
Status AddTensor(const Architecture& architecture, const GgufTensor& tensor, size_t file,
                 const ModelConfig& config, Tensors* tensors) {
  const ParsedName parsed = Parse(tensor.name);
  const GgufTensorName* const end = architecture.tensors + architecture.n_tensors;
  const GgufTensorName* known =
      std::find_if(architecture.tensors, end, [&](const GgufTensorName& entry) {
        return entry.of_layer == parsed.of_layer && parsed.name == entry.name;
      });
  if (known == end) {
    return Status::Error(StatusCode::kCorrupt,
                         "tensor %s is not known for architecture %s, and without it the model "
                         "would give other results",
                         Quoted(tensor.name).c_str(), architecture.name);
  }
  if (parsed.layer >= config.n_layers) {
    return Wrong(tensor, "is of a layer that the model does not have");
  }
  const uint64_t cols = tensor.dims[0];
  const uint64_t rows = tensor.dims[1];
  if (tensor.dims[2] != 1 || tensor.dims[3] != 1 || (IsVector(known->id) && rows != 1)) {
    return Wrong(tensor, "has more dimensions than it should");
  }
  if (cols > ModelLimits::kMaxDimension || rows > ModelLimits::kMaxDimension) {
    return Wrong(tensor, "is too large");
  }
  const WeightType type = WeightTypeOf(*tensor.type);
  if (!IsInBuild(type)) {
    return Wrong(tensor, "is of a type that this build leaves out (LIBCLAMMA_FORMATS)");
  }
  if (IsVector(known->id) && type != WeightType::kF32) {
    return Wrong(tensor, "is a vector, and not of type F32");
  }
  tensors->Add(known->id,
               {.type = type,
                .file = static_cast<uint16_t>(file),
                .offset = tensor.offset,
                .bytes = tensor.bytes,
                .rows = static_cast<uint32_t>(rows),
                .cols = static_cast<uint32_t>(cols),
                .row_bytes = RowBytes(type, cols)},
               parsed.layer);
  return Status();
}

Status AddTensors(const Architecture& architecture, const Gguf* const* files, size_t n_files,
                  ModelFile* file) {
  for (size_t i = 0; i < n_files; ++i) {
    GgufTensor tensor;
    for (Gguf::Tensors tensors(*files[i]); tensors.Next(&tensor);) {
      CLAMMA_RETURN_IF_ERROR(AddTensor(architecture, tensor, i, file->config, &file->tensors));
    }
    file->bytes += files[i]->data_end();
  }
  if (!file->tensors.Has(TensorId::kEmbedding)) {
    return Status::Error(StatusCode::kCorrupt, "there is no tensor token_embd.weight");
  }
  return file->tensors.Seal();
}

void ReadFileType(const Gguf& gguf, ModelFile* file) {
  file->file_type = FactsOf(file->config.weight_type).name;
  uint32_t number = UINT32_MAX;
  if (!gguf.GetUint32("general.file_type", Gguf::Presence::kOptional, {}, &number).ok()) return;
  for (const FileType& type : kFileTypes) {
    if (type.number == number) file->file_type = type.name;
  }
}

}  // namespace

Status ReadGgufModel(Memory& memory, const Gguf* const* files, size_t n_files, ModelFile* file) {
  const Gguf& first = *files[0];
  for (size_t i = 0; i < n_files; ++i) {
    CLAMMA_RETURN_IF_ERROR(i == 0 ? CheckGgufIsModel(first) : files[i]->CheckTensorTypes());
  }
  const Architecture* architecture = nullptr;
  CLAMMA_RETURN_IF_ERROR(FindArchitecture(first, &architecture));
  *file = ModelFile();
  file->format = "GGUF";
  file->architecture = architecture->name;
  CLAMMA_RETURN_IF_ERROR(architecture->read_config(memory, first, file));
  uint64_t n_tensors = 0;
  for (size_t i = 0; i < n_files; ++i) n_tensors += files[i]->n_tensors();
  CLAMMA_RETURN_IF_ERROR(file->tensors.Init(memory, static_cast<size_t>(n_tensors)));
  CLAMMA_RETURN_IF_ERROR(AddTensors(*architecture, files, n_files, file));
  ModelConfig& config = file->config;
  config.vocab_size = file->tensors.embedding().rows;
  if (config.vocab_size < ModelLimits::kMinVocabSize ||
      config.vocab_size > ModelLimits::kMaxVocabSize) {
    return Status::Error(StatusCode::kCorrupt, "a vocabulary of %u tokens is not supported",
                         static_cast<unsigned>(config.vocab_size));
  }
  config.shared_classifier = !file->tensors.Has(TensorId::kOutput);
  config.weight_type = file->tensors.main_type();
  ReadFileType(first, file);
  file->sampled_bytes = first.header_bytes();
  return file->Check();
}

}  // namespace clamma
