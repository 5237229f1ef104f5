// SPDX-License-Identifier: MIT
#include "model/files/gguf_model.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "kernels/weight_types.h"
#include "model/architectures/architecture.h"
#include "model/files/file_kind.h"
#include "platform/format.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlamaArchitecture,   &kGemmaArchitecture,   &kGemma2Architecture,   &kGemma3Architecture,
    &kGptOssArchitecture,  &kGraniteArchitecture, &kMistral3Architecture, &kOlmo2Architecture,
    &kPhi3Architecture,    &kQwen2Architecture,   &kQwen3Architecture,    &kQwen3MoeArchitecture,
    &kSmolLm3Architecture,
};

// The names of the values of general.file_type, as GGUF tools write them.
struct FileType {
  uint32_t number;
  const char* name;
};
constexpr FileType kFileTypes[] = {
    {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},
    {9, "Q5_1"},    {10, "Q2_K"},   {21, "Q2_K_S"}, {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"},
    {14, "Q4_K_S"}, {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}, {18, "Q6_K"},   {25, "IQ4_NL"},
    {30, "IQ4_XS"}, {32, "BF16"},   {38, "MXFP4"},
};

// Returns null if none has this name.
const Architecture* ArchitectureOf(std::string_view name) {
  for (const Architecture* architecture : kArchitectures) {
    if (name == architecture->name) return architecture;
  }
  return nullptr;
}

Status FindArchitecture(const Gguf& gguf, const Architecture** found) {
  std::string_view name;
  CLAMMA_RETURN_IF_ERROR(gguf.GetString("general.architecture", Gguf::Presence::kRequired, &name));
  *found = ArchitectureOf(name);
  if (*found != nullptr) return Status();
  char names[256] = "";
  size_t size = 0;
  for (const Architecture* architecture : kArchitectures) {
    Format(names + size, sizeof(names) - size, "%s%s", size == 0 ? "" : ", ", architecture->name);
    size += std::strlen(names + size);
  }
  return Status::Error(StatusCode::kCorrupt,
                       "models of architecture %s are not supported: those that are: %s",
                       Quoted(name).c_str(), names);
}

// A tensor's name, split into its parts.
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

const GgufTensorName* FindName(const Architecture& architecture, const ParsedName& parsed) {
  for (const GgufTensorNames* list : architecture.tensors) {
    for (size_t i = 0; list != nullptr && i < list->count; ++i) {
      const GgufTensorName& entry = list->names[i];
      if (entry.of_layer == parsed.of_layer && parsed.name == entry.name) return &entry;
    }
  }
  return nullptr;
}

// Implements ModelFile::name_of. A part of a fused tensor has the name of the whole.
void NameOf(const ModelFile& file, TensorId id, uint32_t layer, char* out, size_t size) {
  const auto holds = [id](const GgufTensorName& entry) {
    if (entry.id == id) return true;
    if (entry.fused == Fused::kQkv) return id == TensorId::kK || id == TensorId::kV;
    return entry.fused == Fused::kGateUp && id == TensorId::kUp;
  };
  const Architecture* architecture = ArchitectureOf(file.architecture);
  if (architecture == nullptr) return;
  const GgufTensorName* found = nullptr;
  // An architecture's own names follow the common ones.
  for (const GgufTensorNames* list : architecture->tensors) {
    for (size_t i = 0; list != nullptr && i < list->count; ++i) {
      if (holds(list->names[i])) found = &list->names[i];
    }
  }
  if (found == nullptr) return;
  if (found->of_layer) {
    Format(out, size, "blk.%u.%s", static_cast<unsigned>(layer), found->name);
  } else {
    Format(out, size, "%s", found->name);
  }
}

// Checks the shape and type of tensor `id`: one matrix or vector, or one for each expert.
Status CheckTensor(const GgufTensor& tensor, TensorId id, WeightType type,
                   const ModelConfig& config) {
  const bool of_experts = IsOfExperts(id);
  const bool is_vector = IsVector(id);
  const uint64_t n_experts = tensor.dims[is_vector ? 1 : 2];
  const uint64_t beyond = is_vector ? tensor.dims[2] : 1;
  if (tensor.dims[3] != 1 || beyond != 1 || (!of_experts && n_experts != 1)) {
    return Wrong(tensor, "has more dimensions than it should");
  }
  if (of_experts && (config.n_experts == 0 || n_experts != config.n_experts)) {
    return Wrong(tensor, "is not of as many experts as the model has");
  }
  if (tensor.dims[0] > ModelLimits::kMaxDimension || tensor.dims[1] > ModelLimits::kMaxDimension) {
    return Wrong(tensor, "is too large");
  }
  if (!IsInBuild(type)) {
    return Wrong(tensor, "is of a type that this build leaves out (LIBCLAMMA_FORMATS)");
  }
  if (is_vector && type != WeightType::kF32) {
    return Wrong(tensor, "is a vector, and not of type F32");
  }
  return Status();
}

// Adds the parts of a fused matrix, each with its rows.
Status AddParts(const GgufTensor& tensor, const GgufTensorName& known, const LayerConfig& layer,
                uint32_t index, TensorPlace place, Tensors* tensors) {
  struct Part {
    TensorId id;
    uint64_t rows;
  };
  const Part qkv[] = {{TensorId::kQ, layer.q_dim()},
                      {TensorId::kK, layer.kv_dim()},
                      {TensorId::kV, layer.kv_dim()}};
  const Part gate_up[] = {{TensorId::kGate, layer.hidden_dim}, {TensorId::kUp, layer.hidden_dim}};
  const bool is_qkv = known.fused == Fused::kQkv;
  const Part* const parts = is_qkv ? qkv : gate_up;
  const size_t n_parts = is_qkv ? 3 : 2;
  uint64_t rows = 0;
  for (size_t i = 0; i < n_parts; ++i) rows += parts[i].rows;
  if (rows != place.rows) {
    return Status::Error(StatusCode::kCorrupt,
                         "tensor %s has %u rows, and its parts have %llu together",
                         Quoted(tensor.name).c_str(), static_cast<unsigned>(place.rows), Ull{rows});
  }
  for (size_t i = 0; i < n_parts; ++i) {
    place.rows = static_cast<uint32_t>(parts[i].rows);
    place.bytes = place.rows * place.row_bytes;
    tensors->Add(parts[i].id, place, index);
    place.offset += place.bytes;
  }
  return Status();
}

// Adds a tensor of file number `file` to the directory.
Status AddTensor(const Architecture& architecture, const GgufTensor& tensor, size_t file,
                 const ModelConfig& config, Tensors* tensors) {
  const ParsedName parsed = Parse(tensor.name);
  const GgufTensorName* known = FindName(architecture, parsed);
  if (known == nullptr) {
    return Status::Error(StatusCode::kCorrupt,
                         "tensor %s is not known for architecture %s, and without it the model "
                         "would give other results",
                         Quoted(tensor.name).c_str(), architecture.name);
  }
  if (parsed.layer >= config.n_layers) {
    return Wrong(tensor, "is of a layer that the model does not have");
  }
  const WeightType type = WeightTypeOf(*tensor.type);
  CLAMMA_RETURN_IF_ERROR(CheckTensor(tensor, known->id, type, config));
  const uint32_t count = IsOfExperts(known->id) ? config.n_experts : 1;
  const uint64_t rows = IsVector(known->id) ? 1 : tensor.dims[1];
  const TensorPlace place = {.type = type,
                             .file = static_cast<uint16_t>(file),
                             .offset = tensor.offset,
                             .bytes = tensor.bytes / count,
                             .rows = static_cast<uint32_t>(rows),
                             .cols = static_cast<uint32_t>(tensor.dims[0]),
                             .row_bytes = RowBytes(type, tensor.dims[0])};
  if (known->fused != Fused::kNo) {
    return AddParts(tensor, *known, config.layer(parsed.layer), parsed.layer, place, tensors);
  }
  tensors->Add(known->id, place, parsed.layer * count, count);
  return Status();
}

// The number of entries that the files' tensors take in the directory.
uint64_t CountEntries(const Architecture& architecture, const Gguf* const* files, size_t n_files) {
  uint64_t n = 0;
  for (size_t i = 0; i < n_files; ++i) {
    n += files[i]->n_tensors();
    GgufTensor tensor;
    for (Gguf::Tensors tensors(*files[i]); tensors.Next(&tensor);) {
      const GgufTensorName* known = FindName(architecture, Parse(tensor.name));
      if (known != nullptr && known->fused != Fused::kNo) n += known->fused == Fused::kQkv ? 2 : 1;
    }
  }
  return n;
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
    return Status::Error(StatusCode::kCorrupt, "there is no tensor \"token_embd.weight\"");
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
  file->name_of = NameOf;
  CLAMMA_RETURN_IF_ERROR(architecture->read_config(memory, first, file));
  const uint64_t n_entries = CountEntries(*architecture, files, n_files);
  CLAMMA_RETURN_IF_ERROR(file->tensors.Init(memory, static_cast<size_t>(n_entries)));
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
