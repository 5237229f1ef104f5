// SPDX-License-Identifier: MIT
#include "made_models.h"

#include <bit>
#include <cstddef>
#include <string_view>
#include <utility>

#include "blocks.h"
#include "kernels/kernels.h"
#include "random.h"

namespace selftest {
namespace {

using clamma::WeightType;

constexpr uint32_t kDim = 256;
constexpr uint32_t kHidden = 256;
constexpr uint32_t kLayers = 2;
constexpr uint32_t kHeads = 4;
constexpr uint32_t kKvHeads = 2;
constexpr uint32_t kKvDim = kDim / kHeads * kKvHeads;
constexpr uint32_t kVocabulary = 96;
constexpr uint32_t kContext = 64;
constexpr uint32_t kGroup = 64;  // of int8

class Bytes {
 public:
  Bytes& Text(std::string_view text) {
    for (const char c : text) U8(static_cast<uint8_t>(c));
    return *this;
  }
  Bytes& U8(uint8_t number) { return Le(number, 1); }
  Bytes& U32(uint32_t number) { return Le(number, 4); }
  Bytes& U64(uint64_t number) { return Le(number, 8); }
  Bytes& F32(float number) { return U32(std::bit_cast<uint32_t>(number)); }
  Bytes& Floats(const std::vector<float>& numbers) {
    for (const float number : numbers) F32(number);
    return *this;
  }
  Bytes& Append(const std::vector<uint8_t>& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  void PadTo(size_t size) { bytes_.resize(size); }
  void Align(size_t alignment) { PadTo((bytes_.size() + alignment - 1) / alignment * alignment); }
  size_t size() const { return bytes_.size(); }
  std::vector<uint8_t> Take() { return std::move(bytes_); }

 private:
  Bytes& Le(uint64_t number, size_t n) {
    for (size_t i = 0; i < n; ++i) bytes_.push_back(static_cast<uint8_t>(number >> (8 * i)));
    return *this;
  }

  std::vector<uint8_t> bytes_;
};

// The weights of a norm, near 1.
std::vector<float> Norm(Random* random) {
  std::vector<float> weights = random->Uniforms(kDim, 0x1p-2f);
  for (float& weight : weights) weight += 1;
  return weights;
}

// The header of llama2.c's versions 1 and 2, and the norms after it.
Bytes Llama2cBegin(uint32_t version, Random* random) {
  Bytes file;
  file.U32(0x616b3432).U32(version);
  for (const uint32_t number : {kDim, kHidden, kLayers, kHeads, kKvHeads, kVocabulary, kContext}) {
    file.U32(number);
  }
  file.U8(1);  // the classifier is the embedding
  if (version == 2) file.U32(kGroup);
  file.PadTo(256);
  for (uint32_t i = 0; i < 2 * kLayers + 1; ++i) file.Floats(Norm(random));
  return file;
}

// The number of weights of each matrix, in the order of llama2.c's files; a kind's layers are
// together.
constexpr uint32_t kLlama2cSizes[] = {kVocabulary * kDim, kDim* kDim,   kKvDim* kDim,
                                      kKvDim* kDim,       kDim* kDim,   kHidden* kDim,
                                      kDim* kHidden,      kHidden* kDim};

std::vector<uint8_t> MakeLlama2cFloat() {
  Random random(1);
  Bytes file = Llama2cBegin(1, &random);
  for (const uint32_t& size : kLlama2cSizes) {
    const uint32_t times = &size == kLlama2cSizes ? 1 : kLayers;
    file.Floats(random.Uniforms(size_t{size} * times, 0x1p-3f));
  }
  return file.Take();
}

std::vector<uint8_t> MakeLlama2cInt8() {
  Random random(2);
  Bytes file = Llama2cBegin(2, &random);
  for (const uint32_t& size : kLlama2cSizes) {
    const uint32_t times = &size == kLlama2cSizes ? 1 : kLayers;
    for (uint32_t t = 0; t < times; ++t) {
      for (uint32_t i = 0; i < size; ++i) file.U8(random.Byte());
      for (uint32_t i = 0; i < size / kGroup; ++i)
        file.F32(0x1p-10f * (1.5f + 0.5f * random.Uniform()));
    }
  }
  return file.Take();
}

// --- GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) ---

// ggml's number of a tensor type.
uint32_t GgmlId(WeightType type) {
  switch (type) {
    case WeightType::kF16:
      return 1;
    case WeightType::kQ4_0:
      return 2;
    case WeightType::kQ4_1:
      return 3;
    case WeightType::kQ5_0:
      return 6;
    case WeightType::kQ5_1:
      return 7;
    case WeightType::kQ8_0:
      return 8;
    case WeightType::kQ2_K:
      return 10;
    case WeightType::kQ3_K:
      return 11;
    case WeightType::kQ4_K:
      return 12;
    case WeightType::kQ5_K:
      return 13;
    case WeightType::kQ6_K:
      return 14;
    case WeightType::kIQ4_NL:
      return 20;
    case WeightType::kIQ4_XS:
      return 23;
    case WeightType::kBF16:
      return 30;
    case WeightType::kMXFP4:
      return 39;
    default:
      return 0;  // F32
  }
}

struct Tensor {
  std::string name;
  uint32_t cols = 0;
  uint32_t rows = 0;  // 0: a norm
};

std::vector<Tensor> Tensors() {
  std::vector<Tensor> all = {{"token_embd", kDim, kVocabulary}};
  for (uint32_t layer = 0; layer < kLayers; ++layer) {
    const Tensor of_layer[] = {
        {"attn_norm", kDim, 0},      {"attn_q", kDim, kDim},      {"attn_k", kDim, kKvDim},
        {"attn_v", kDim, kKvDim},    {"attn_output", kDim, kDim}, {"ffn_norm", kDim, 0},
        {"ffn_gate", kDim, kHidden}, {"ffn_up", kDim, kHidden},   {"ffn_down", kHidden, kDim}};
    for (const Tensor& tensor : of_layer) {
      all.push_back(tensor);
      all.back().name = "blk." + std::to_string(layer) + "." + tensor.name;
    }
  }
  all.push_back({"output_norm", kDim, 0});
  all.push_back({"output", kDim, kVocabulary});
  return all;
}

void AddText(std::string_view text, Bytes* file) { file->U64(text.size()).Text(text); }

void AddKey(std::string_view key, uint32_t value, Bytes* file) {
  AddText(key, file);
  file->U32(4).U32(value);  // a uint32
}

std::vector<uint8_t> MakeGguf(WeightType type) {
  Random random(3 + static_cast<uint64_t>(type));
  const std::vector<Tensor> tensors = Tensors();
  std::vector<std::vector<uint8_t>> data;
  data.reserve(tensors.size());
  for (const Tensor& tensor : tensors) {
    data.push_back(tensor.rows == 0 ? Bytes().Floats(Norm(&random)).Take()
                                    : MakeRows(type, tensor.rows, tensor.cols, &random));
  }
  constexpr size_t kAlignment = 32;
  Bytes file;
  file.Text("GGUF").U32(3).U64(tensors.size()).U64(8);
  AddText("general.architecture", &file);
  file.U32(8);
  AddText("llama", &file);
  AddKey("llama.context_length", kContext, &file);
  AddKey("llama.embedding_length", kDim, &file);
  AddKey("llama.block_count", kLayers, &file);
  AddKey("llama.feed_forward_length", kHidden, &file);
  AddKey("llama.attention.head_count", kHeads, &file);
  AddKey("llama.attention.head_count_kv", kKvHeads, &file);
  AddText("llama.attention.layer_norm_rms_epsilon", &file);
  file.U32(6).F32(0x1p-16f);  // a float
  uint64_t offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    AddText(tensors[i].name + ".weight", &file);
    file.U32(tensors[i].rows == 0 ? 1 : 2).U64(tensors[i].cols);
    if (tensors[i].rows != 0) file.U64(tensors[i].rows);
    file.U32(tensors[i].rows == 0 ? 0 : GgmlId(type)).U64(offset);
    offset += (data[i].size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  for (const std::vector<uint8_t>& bytes : data) {
    file.Align(kAlignment);
    file.Append(bytes);
  }
  return file.Take();
}

}  // namespace

std::vector<MadeModel> MakeModels() {
  std::vector<MadeModel> models;
  models.push_back({"llama2.c float", MakeLlama2cFloat()});
  models.push_back({"llama2.c int8", MakeLlama2cInt8()});
  if constexpr (clamma::kHasGguf) {
    for (const WeightType type : kBlockTypes) {
      if (!clamma::IsInBuild(type)) continue;
      models.push_back({std::string("GGUF ") + clamma::FactsOf(type).name, MakeGguf(type)});
    }
  }
  return models;
}

}  // namespace selftest
