// SPDX-License-Identifier: MIT
// Generates whole GGUF models of architecture llama: any shape, any weight types, random weights of
// sensible magnitude, and a vocabulary. They are equal on every machine.
//
//   GgufSpec spec = {.type = kQ4_0, .tokens = 290};
//   spec.types["blk.1.attn_v.weight"] = kQ8_0;
//   std::vector<uint8_t> bytes = MakeGguf(spec).Build();
#ifndef CLAMMA_TESTS_SUPPORT_GGUF_MODELS_H_
#define CLAMMA_TESTS_SUPPORT_GGUF_MODELS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf_bytes.h"
#include "random_blocks.h"

namespace clamma_test {

struct GgufSpec {
  uint32_t dim = 64, hidden = 96, layers = 2, heads = 4, kv_heads = 2;
  uint32_t head_size = 0;  // 0: dim / heads, without a key
  uint32_t vocab = 48, context = 64;
  uint32_t type = kF32;  // of all matrices except for
  std::map<std::string, uint32_t> types = {};
  bool tied = false;          // no output.weight
  bool biases = false;        // of all matrices of a layer
  bool rope_factors = false;  // rope_freqs.weight
  float linear_scaling = 0;   // the factor; 0: there is no key
  uint32_t tokens = 0;        // of the vocabulary inside; 0: there is none
  // One number for each layer, in arrays; empty: one number for all.
  std::vector<uint32_t> layer_kv_heads = {}, layer_hidden = {};
  std::set<std::string> without = {};  // keys and tensors to leave out
  uint32_t seed = 1;
  // For other architectures: keys without its name, and tensors of each layer without "blk.N.".
  std::string architecture = "llama";
  std::map<std::string, uint32_t> numbers = {};
  std::map<std::string, float> floats = {};
  std::map<std::string, std::string> texts = {};
  std::vector<std::pair<std::string, std::vector<uint64_t>>> of_layers = {};  // columns first
  std::vector<std::pair<std::string, std::vector<uint64_t>>> of_model = {};
  std::set<std::string> no_layer_has = {};  // tensors of llama's layers to leave out

  uint32_t kv_heads_of(uint32_t layer) const {
    return layer_kv_heads.empty() ? kv_heads : layer_kv_heads[layer];
  }
  uint32_t hidden_of(uint32_t layer) const {
    return layer_hidden.empty() ? hidden : layer_hidden[layer];
  }
  uint32_t width_of_head() const { return head_size == 0 ? dim / heads : head_size; }
};

struct GgufTypeName {
  uint32_t type;
  const char* name;
  uint32_t file_type;  // general.file_type
  clamma::WeightType weight_type;
};
inline constexpr GgufTypeName kGgufTypes[] = {
    {kF32, "F32", 0, clamma::WeightType::kF32},
    {kF16, "F16", 1, clamma::WeightType::kF16},
    {kBF16, "BF16", 32, clamma::WeightType::kBF16},
    {kQ8_0, "Q8_0", 7, clamma::WeightType::kQ8_0},
    {kQ4_0, "Q4_0", 2, clamma::WeightType::kQ4_0},
    {kQ4_1, "Q4_1", 3, clamma::WeightType::kQ4_1},
    {kQ5_0, "Q5_0", 8, clamma::WeightType::kQ5_0},
    {kQ5_1, "Q5_1", 9, clamma::WeightType::kQ5_1},
    {kIQ4_NL, "IQ4_NL", 25, clamma::WeightType::kIQ4_NL},
    {kMXFP4, "MXFP4", 38, clamma::WeightType::kMXFP4},
    {kQ4_K, "Q4_K", 14, clamma::WeightType::kQ4_K},
    {kQ5_K, "Q5_K", 16, clamma::WeightType::kQ5_K},
    {kQ6_K, "Q6_K", 18, clamma::WeightType::kQ6_K},
    {kQ2_K, "Q2_K", 10, clamma::WeightType::kQ2_K},
    {kQ3_K, "Q3_K", 11, clamma::WeightType::kQ3_K},
    {kIQ4_XS, "IQ4_XS", 30, clamma::WeightType::kIQ4_XS},
};
inline const GgufTypeName& NameOfGgufType(uint32_t type) {
  return *std::find_if(std::begin(kGgufTypes), std::end(kGgufTypes),
                       [type](const GgufTypeName& t) { return t.type == type; });
}

// Weights with the same bits for every standard library.
class WeightMaker {
 public:
  // One generator for each tensor, so that leaving one out changes no other.
  WeightMaker(uint32_t seed, std::string_view name) {
    uint32_t hash = 0x811c9dc5u ^ seed;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193u;
    random_.seed(hash);
  }

  // A number from -1 to 1.
  float Uniform() { return static_cast<float>(random_() >> 8) / 8388608.0f - 1.0f; }

  std::vector<float> Floats(size_t n, float middle, float deviation) {
    std::vector<float> values(n);
    for (float& value : values) value = middle + deviation * Uniform();
    return values;
  }

  // A matrix whose products with ordinary vectors have about the vectors' magnitude.
  std::vector<uint8_t> Matrix(uint32_t type, uint64_t cols, uint64_t rows) {
    const float size = 1.0f / std::sqrt(static_cast<float>(cols));
    if (type == kF32) return FloatBytes(Floats(static_cast<size_t>(cols * rows), 0, 1.7f * size));
    const clamma::WeightType weight_type = NameOfGgufType(type).weight_type;
    const std::pair<float, float> scales = ScalesOf(type);
    const float ratio = scales.second;
    const float unit = size / scales.first;
    const bool floats = type == kF16 || type == kBF16;
    std::vector<uint8_t> bytes(static_cast<size_t>(GgufBytes::BytesOf(type, {cols, rows})));
    FillBlocks(
        weight_type, bytes.data(), bytes.size(),
        [this] { return static_cast<uint8_t>(random_() >> 24); },
        [&] { return floats ? 1.7f * unit * Uniform() : unit * (1.0f + 0.5f * Uniform()); },
        [&] { return ratio * unit * (1.0f + 0.1f * Uniform()); });
    return bytes;
  }

 private:
  // How large a block's numbers are times its scale, and how large a minimum is beside a scale so
  // that a block's middle is near 0.
  static std::pair<float, float> ScalesOf(uint32_t type) {
    switch (type) {
      case kQ8_0:
        return {74.0f, 0.0f};
      case kQ4_0:
        return {4.6f, 0.0f};
      case kQ4_1:
        return {4.6f, -7.5f};
      case kQ5_0:
        return {9.2f, 0.0f};
      case kQ5_1:
        return {9.2f, -15.5f};
      case kIQ4_NL:
        return {65.0f, 0.0f};
      case kMXFP4:
        return {6.0f, 0.0f};
      case kQ4_K:
        return {250.0f, 7.5f};
      case kQ5_K:
        return {500.0f, 15.5f};
      case kQ6_K:
        return {1370.0f, 0.0f};
      case kQ2_K:
        return {15.0f, 1.5f};
      case kQ3_K:
        return {43.0f, 0.0f};
      case kIQ4_XS:
        return {1250.0f, 0.0f};
      default:
        return {1.0f, 0.0f};
    }
  }

  std::mt19937 random_;
};

struct GgufTensorSpec {
  std::string name;
  uint32_t type;
  std::vector<uint64_t> dims;  // columns first
};

// Returns all tensors of a model, in the order of its file.
inline std::vector<GgufTensorSpec> TensorsOf(const GgufSpec& spec) {
  std::vector<GgufTensorSpec> all;
  bool of_llama = true;
  const auto add = [&](const std::string& name, uint32_t type, std::vector<uint64_t> dims) {
    const std::string rest =
        name.compare(0, 4, "blk.") == 0 ? name.substr(name.find('.', 4) + 1) : "";
    if (of_llama && spec.no_layer_has.count(rest) != 0) return;
    if (spec.without.count(name) == 0) all.push_back({name, type, std::move(dims)});
  };
  const auto vector = [&](const std::string& name, uint64_t n) { add(name, kF32, {n}); };
  const auto matrix = [&](const std::string& name, uint64_t cols, uint64_t rows) {
    const auto found = spec.types.find(name);
    add(name, found == spec.types.end() ? spec.type : found->second, {cols, rows});
  };
  // Biases are vectors, also those of experts.
  const auto more = [&](const std::string& name, const std::vector<uint64_t>& dims) {
    const bool is_matrix = dims.size() > 1 && name.find(".bias") == std::string::npos;
    const auto found = spec.types.find(name);
    const uint32_t type = found == spec.types.end() ? spec.type : found->second;
    // Routers are floats in all files.
    add(name, is_matrix && name.find("ffn_gate_inp") == std::string::npos ? type : kF32, dims);
  };
  const uint64_t q_dim = uint64_t{spec.heads} * spec.width_of_head();
  matrix("token_embd.weight", spec.dim, spec.vocab);
  if (spec.rope_factors) vector("rope_freqs.weight", spec.width_of_head() / 2);
  for (uint32_t layer = 0; layer < spec.layers; ++layer) {
    const std::string front = "blk." + std::to_string(layer) + ".";
    const uint64_t kv_dim = uint64_t{spec.kv_heads_of(layer)} * spec.width_of_head();
    const uint64_t hidden = spec.hidden_of(layer);
    const auto linear = [&](const std::string& name, uint64_t cols, uint64_t rows) {
      matrix(front + name + ".weight", cols, rows);
      if (spec.biases) vector(front + name + ".bias", rows);
    };
    vector(front + "attn_norm.weight", spec.dim);
    linear("attn_q", spec.dim, q_dim);
    linear("attn_k", spec.dim, kv_dim);
    linear("attn_v", spec.dim, kv_dim);
    linear("attn_output", q_dim, spec.dim);
    vector(front + "ffn_norm.weight", spec.dim);
    linear("ffn_gate", spec.dim, hidden);
    linear("ffn_up", spec.dim, hidden);
    linear("ffn_down", hidden, spec.dim);
    of_llama = false;
    for (const auto& [name, dims] : spec.of_layers) more(front + name, dims);
    of_llama = true;
  }
  for (const auto& [name, dims] : spec.of_model) more(name, dims);
  vector("output_norm.weight", spec.dim);
  if (!spec.tied) matrix("output.weight", spec.dim, spec.vocab);
  return all;
}

inline std::vector<uint8_t> BytesOf(const GgufSpec& spec, const GgufTensorSpec& tensor) {
  WeightMaker maker(spec.seed, tensor.name);
  size_t n = 1;
  for (const uint64_t dim : tensor.dims) n *= static_cast<size_t>(dim);
  if (tensor.dims.size() > 1 && tensor.name.find(".bias") == std::string::npos) {
    return maker.Matrix(tensor.type, tensor.dims[0], n / tensor.dims[0]);
  }
  if (tensor.name == "rope_freqs.weight") return FloatBytes(maker.Floats(n, 4.0f, 3.0f));
  const bool bias = tensor.name.find(".bias") != std::string::npos;
  return FloatBytes(maker.Floats(n, bias ? 0.0f : 1.0f, bias ? 0.2f : 0.1f));
}

// A SentencePiece vocabulary: unknown, BOS, EOS, the 256 bytes if there is room, pieces of words,
// and at the end an unused token.
inline void AddVocabulary(const GgufSpec& spec, GgufBytes* file) {
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {2, 3, 3};
  const auto add = [&](const std::string& text, int32_t type) {
    if (texts.size() + 1 >= spec.tokens) return;
    texts.push_back(text);
    types.push_back(type);
  };
  for (int byte = 0; byte < 256 && spec.tokens > 270; ++byte) {
    const char* const digits = "0123456789ABCDEF";
    add(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 6);
  }
  const std::string space = "\xe2\x96\x81";
  for (const char* piece : {"e", "t", "a", "n", "h", "d", "o", "s"}) add(piece, 1);
  for (const char* piece : {"", "t", "a", "th", "the", "an", "and", "h"}) add(space + piece, 1);
  for (const char* piece : {"th", "he", "an", "nd", "on", "es"}) add(piece, 1);
  while (texts.size() + 1 < spec.tokens) add(space + "w" + std::to_string(texts.size()), 1);
  texts.emplace_back("<unused>");
  types.push_back(5);
  std::vector<float> scores;
  for (size_t i = 0; i < texts.size(); ++i) scores.push_back(-static_cast<float>(i));
  // Leaving out a key gives a damaged vocabulary.
  const auto wanted = [&](const char* key) { return spec.without.count(key) == 0; };
  if (wanted("tokenizer.ggml.model")) file->Add("tokenizer.ggml.model", "llama");
  if (wanted("tokenizer.ggml.tokens")) file->AddArray("tokenizer.ggml.tokens", texts);
  if (wanted("tokenizer.ggml.scores")) file->AddArray("tokenizer.ggml.scores", scores);
  if (wanted("tokenizer.ggml.token_type")) file->AddArray("tokenizer.ggml.token_type", types);
  const std::pair<const char*, uint32_t> ids[] = {{"tokenizer.ggml.bos_token_id", 1},
                                                  {"tokenizer.ggml.eos_token_id", 2},
                                                  {"tokenizer.ggml.unknown_token_id", 0}};
  for (const auto& [key, id] : ids) {
    if (wanted(key)) file->Add(key, id);
  }
}

inline void AddKeys(const GgufSpec& spec, GgufBytes* file) {
  const std::string arch = spec.architecture + ".";
  const auto wanted = [&](const std::string& key) { return spec.without.count(key) == 0; };
  const auto number = [&](const std::string& key, uint32_t value) {
    if (wanted(key)) file->Add(key, value);
  };
  const auto per_layer = [&](const std::string& key, const std::vector<uint32_t>& of_layers,
                             uint32_t value) {
    if (of_layers.empty()) {
      number(key, value);
    } else if (wanted(key)) {
      file->AddArray(key, of_layers);
    }
  };
  if (wanted("general.architecture")) file->Add("general.architecture", spec.architecture);
  number("general.file_type", NameOfGgufType(spec.type).file_type);
  number(arch + "block_count", spec.layers);
  number(arch + "context_length", spec.context);
  number(arch + "embedding_length", spec.dim);
  per_layer(arch + "feed_forward_length", spec.layer_hidden, spec.hidden);
  number(arch + "attention.head_count", spec.heads);
  per_layer(arch + "attention.head_count_kv", spec.layer_kv_heads, spec.kv_heads);
  if (spec.head_size != 0) {
    number(arch + "attention.key_length", spec.head_size);
    number(arch + "attention.value_length", spec.head_size);
  }
  number(arch + "rope.dimension_count", spec.width_of_head());
  const std::string epsilon = arch + "attention.layer_norm_rms_epsilon";
  if (wanted(epsilon)) file->Add(epsilon, 1e-5f);
  if (spec.linear_scaling != 0) {
    file->Add(arch + "rope.scaling.type", "linear");
    file->Add(arch + "rope.scaling.factor", spec.linear_scaling);
  }
  for (const auto& [key, value] : spec.numbers) number(arch + key, value);
  for (const auto& [key, value] : spec.floats) {
    if (wanted(arch + key)) file->Add(arch + key, value);
  }
  for (const auto& [key, value] : spec.texts) {
    if (wanted(arch + key)) file->Add(arch + key, value);
  }
  if (spec.tokens != 0) AddVocabulary(spec, file);
}

inline GgufBytes MakeGguf(const GgufSpec& spec) {
  GgufBytes file;
  AddKeys(spec, &file);
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
  }
  return file;
}

// The same model in `count` files, as the usual splitter writes them: all keys are in the first.
inline std::vector<GgufBytes> MakeSplitGguf(const GgufSpec& spec, uint16_t count) {
  const std::vector<GgufTensorSpec> tensors = TensorsOf(spec);
  std::vector<GgufBytes> files(count);
  for (uint16_t i = 0; i < count; ++i) {
    if (i == 0) AddKeys(spec, &files[i]);
    files[i].Add("split.no", i).Add("split.count", count);
    files[i].Add("split.tensors.count", static_cast<int32_t>(tensors.size()));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    files[i * count / tensors.size()].AddTensor(tensors[i].name, tensors[i].type, tensors[i].dims,
                                                BytesOf(spec, tensors[i]));
  }
  return files;
}

// A model of one type, as narrow as the type allows, and one of several types, like files of the
// kind Q4_K_M.
inline GgufSpec SpecOfType(uint32_t type) {
  GgufSpec spec = {.type = type};
  if (BlockOf(type).cols == 256) {
    spec.dim = spec.hidden = 256;
    spec.layers = 1;
  }
  return spec;
}
inline GgufSpec MixedSpec() {
  GgufSpec spec = {.dim = 256,
                   .hidden = 512,
                   .layers = 2,
                   .heads = 4,
                   .kv_heads = 1,
                   .vocab = 67,
                   .type = kQ4_K,
                   .biases = true,
                   .rope_factors = true};
  spec.types["blk.0.attn_v.weight"] = kQ6_K;
  spec.types["blk.1.attn_v.weight"] = kQ5_0;
  spec.types["blk.1.attn_k.weight"] = kQ8_0;
  spec.types["blk.0.ffn_down.weight"] = kQ6_K;
  spec.types["blk.1.ffn_down.weight"] = kF16;
  spec.types["blk.1.ffn_up.weight"] = kIQ4_NL;
  spec.types["token_embd.weight"] = kQ5_K;
  spec.types["output.weight"] = kQ6_K;
  return spec;
}

// A shape with everything else that there may be: a separate head size, layers that differ, and so
// on.
inline GgufSpec UnusualSpec() {
  return {.dim = 64,
          .layers = 3,
          .heads = 4,
          .head_size = 24,
          .vocab = 53,
          .type = kQ8_0,
          .tied = true,
          .linear_scaling = 2.5f,
          .layer_kv_heads = {2, 4, 1},
          .layer_hidden = {96, 64, 160}};
}

struct NamedGguf {
  std::string name;
  GgufSpec spec;
};
inline std::vector<NamedGguf> GgufModels() {
  std::vector<NamedGguf> models;
  for (const GgufTypeName& type : kGgufTypes) {
    models.push_back({type.name, SpecOfType(type.type)});
  }
  models.push_back({"mixed", MixedSpec()});
  models.push_back({"unusual", UnusualSpec()});
  return models;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_GGUF_MODELS_H_
