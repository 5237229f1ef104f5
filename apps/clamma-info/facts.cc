// SPDX-License-Identifier: MIT
#include "facts.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string_view>

#include "chat_family.h"
#include "kernels/weight_types.h"
#include "platform/endian.h"

namespace info {
namespace {

using clamma::Gguf;
using clamma::GgufTensor;
using clamma::GgufValue;

// general.file_type, as llama.cpp numbers it (llama.h, enum llama_ftype).
const std::map<uint64_t, const char*>& FileTypes() {
  static const std::map<uint64_t, const char*> types = {
      {0, "F32"},      {1, "F16"},      {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
      {8, "Q5_0"},     {9, "Q5_1"},     {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},
      {13, "Q3_K_L"},  {14, "Q4_K_S"},  {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},
      {18, "Q6_K"},    {19, "IQ2_XXS"}, {20, "IQ2_XS"}, {21, "Q2_K_S"}, {22, "IQ3_XS"},
      {23, "IQ3_XXS"}, {24, "IQ1_S"},   {25, "IQ4_NL"}, {26, "IQ3_S"},  {27, "IQ3_M"},
      {28, "IQ2_S"},   {29, "IQ2_M"},   {30, "IQ4_XS"}, {31, "IQ1_M"},  {32, "BF16"},
      {36, "TQ1_0"},   {37, "TQ2_0"},   {38, "MXFP4"}};
  return types;
}

std::string Text(const Gguf& gguf, std::string_view key) {
  GgufValue value;
  std::string_view text;
  return gguf.Find(key, &value) && value.String(&text) ? std::string(text) : std::string();
}

// A number, or the largest number of an array with one for each layer.
std::optional<uint64_t> Number(const Gguf& gguf, const std::string& key, bool* differs = nullptr) {
  GgufValue value;
  if (!gguf.Find(key, &value)) return std::nullopt;
  std::optional<uint64_t> largest;
  for (uint64_t i = 0; i < value.count; ++i) {
    uint64_t number = 0;
    if (!value.Uint(i, &number)) return std::nullopt;
    if (differs != nullptr && largest && *largest != number) *differs = true;
    largest = std::max(largest.value_or(0), number);
  }
  return largest;
}

uint64_t Elements(const GgufTensor& tensor) {
  return tensor.bytes / tensor.type->block_bytes * tensor.type->block_cols;
}

void AddTensors(const clamma::ModelFiles& files, Facts* facts) {
  std::map<std::string, uint64_t> types;
  std::map<std::string, uint64_t> bytes_of;
  uint64_t bytes = 0;
  for (size_t i = 0; i < files.count(); ++i) {
    GgufTensor tensor;
    for (Gguf::Tensors tensors(*files.gguf(i)); tensors.Next(&tensor);) {
      facts->tensors.push_back({std::string(tensor.name),
                                tensor.type->name,
                                {tensor.dims, tensor.dims + tensor.n_dims},
                                tensor.bytes,
                                tensor.offset,
                                i});
      facts->parameters += Elements(tensor);
      bytes += tensor.bytes;
      types[tensor.type->name] += Elements(tensor);
      bytes_of[tensor.type->name] += tensor.bytes;
    }
  }
  facts->types.assign(types.begin(), types.end());
  std::sort(facts->types.begin(), facts->types.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  if (facts->parameters > 0) {
    facts->bits_per_weight =
        8 * static_cast<double>(bytes) / static_cast<double>(facts->parameters);
  }
  const auto main =
      std::max_element(bytes_of.begin(), bytes_of.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (main != bytes_of.end()) facts->file_type = main->first;
}

void AddTokenizer(const Gguf& gguf, Facts* facts) {
  facts->tokenizer = Text(gguf, "tokenizer.ggml.model");
  facts->pre_tokenizer = Text(gguf, "tokenizer.ggml.pre");
  GgufValue value;
  if (gguf.Find("tokenizer.ggml.tokens", &value) && value.is_array) facts->tokens = value.count;
  constexpr std::string_view kFront = "tokenizer.ggml.";
  constexpr std::string_view kEnd = "_token_id";
  std::string_view key;
  for (Gguf::Keys keys(gguf); keys.Next(&key, &value);) {
    uint64_t id = 0;
    if (!key.starts_with(kFront) || !key.ends_with(kEnd) || value.is_array || !value.Uint(0, &id)) {
      continue;
    }
    if (key.size() <= kFront.size() + kEnd.size()) continue;
    const std::string_view name =
        key.substr(kFront.size(), key.size() - kFront.size() - kEnd.size());
    facts->special_tokens.emplace_back(name, id);
  }
}

void AddTemplates(const Gguf& gguf, Facts* facts) {
  GgufValue value;
  std::string_view text;
  if (gguf.Find("tokenizer.chat_template", &value) && value.String(&text)) {
    facts->chat_template = ChatFamilyOf(text);
  }
  constexpr std::string_view kFront = "tokenizer.chat_template.";
  std::string_view key;
  for (Gguf::Keys keys(gguf); keys.Next(&key, &value);) {
    if (key.starts_with(kFront)) facts->named_templates.emplace_back(key.substr(kFront.size()));
  }
}

void AddGguf(const clamma::ModelFiles& files, Facts* facts) {
  const Gguf& gguf = *files.gguf();
  facts->format = "GGUF version " + std::to_string(gguf.version());
  facts->kind = Text(gguf, "general.type");
  if (facts->kind == "model") facts->kind.clear();
  facts->name = Text(gguf, "general.name");
  facts->architecture = Text(gguf, "general.architecture");
  facts->licence = Text(gguf, "general.license");
  AddTensors(files, facts);
  if (const auto number = Number(gguf, "general.file_type")) {
    const auto known = FileTypes().find(*number);
    if (known != FileTypes().end()) facts->file_type = known->second;
  }
  const std::string front = facts->architecture + ".";
  bool* const differ = &facts->layers_differ;
  facts->context = Number(gguf, front + "context_length");
  facts->width = Number(gguf, front + "embedding_length");
  facts->layers = Number(gguf, front + "block_count");
  facts->heads = Number(gguf, front + "attention.head_count", differ);
  facts->kv_heads = Number(gguf, front + "attention.head_count_kv", differ);
  if (!facts->kv_heads) facts->kv_heads = facts->heads;
  facts->hidden = Number(gguf, front + "feed_forward_length", differ);
  facts->experts = Number(gguf, front + "expert_count");
  facts->experts_used = Number(gguf, front + "expert_used_count");
  AddTokenizer(gguf, facts);
  AddTemplates(gguf, facts);
}

void AddCheckpoint(const clamma::ModelFile& model, Facts* facts) {
  const clamma::ModelConfig& config = model.config;
  facts->format = model.format;
  facts->architecture = model.architecture;
  facts->file_type =
      config.group_size == 0 ? "F32" : "int8 in groups of " + std::to_string(config.group_size);
  facts->parameters = model.tensors.parameters();
  facts->bits_per_weight = model.tensors.bits_per_weight();
  facts->types = {{config.group_size == 0 ? "F32" : "int8", facts->parameters}};
  facts->context = config.seq_len;
  facts->width = config.dim;
  facts->layers = config.n_layers;
  facts->heads = config.widest.n_heads;
  facts->kv_heads = config.widest.n_kv_heads;
  facts->hidden = config.widest.hidden_dim;
  facts->tokens = config.vocab_size;
  std::map<clamma::TensorId, size_t> layers;
  const clamma::Status status =
      model.tensors.ForEach([&](clamma::TensorId id, const clamma::TensorPlace& place) {
        std::vector<uint64_t> shape = {place.cols};
        if (!clamma::IsVector(id)) shape.push_back(place.rows);
        // Tensors with the same name come in the order of the layers.
        const bool of_model = id == clamma::TensorId::kOutputNorm ||
                              id == clamma::TensorId::kEmbedding || id == clamma::TensorId::kOutput;
        const std::string layer = "layer " + std::to_string(layers[id]++) + " ";
        const bool is_int8 = place.type == clamma::WeightType::kInt8Groups;
        facts->tensors.push_back({(of_model ? std::string() : layer) + clamma::TensorName(id),
                                  is_int8 ? "int8" : clamma::FactsOf(place.type).name, shape,
                                  place.bytes, place.offset, place.file});
        return clamma::Status();
      });
  (void)status;  // the body never fails
}

}  // namespace

double Real(const GgufValue& value, uint64_t i) {
  if (value.type == clamma::GgufType::kFloat64 && i < value.count) {
    return std::bit_cast<double>(clamma::ReadLe64(value.data + i * 8));
  }
  float number = 0;
  return value.Float(i, &number) ? static_cast<double>(number) : 0;
}

Facts CollectFacts(const clamma::ModelFiles& files, const clamma::ModelFile& model,
                   const clamma::Status& status) {
  Facts facts;
  facts.files = files.count();
  for (size_t i = 0; i < files.count(); ++i) facts.file_bytes += files.sources()[i].size;
  if (files.gguf() != nullptr) {
    AddGguf(files, &facts);
  } else {
    AddCheckpoint(model, &facts);
  }
  if (!status.ok()) facts.unsupported = status.message();
  return facts;
}

}  // namespace info
