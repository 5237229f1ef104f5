// SPDX-License-Identifier: MIT
#include "shape.h"

namespace bench {
namespace {

struct NamedShape {
  const char* name;
  Shape shape;
};

constexpr uint32_t kGroupSize = 64;

// Sources: https://huggingface.co/karpathy/tinyllamas, https://github.com/jzhang38/TinyLlama,
// https://huggingface.co/HuggingFaceTB/SmolLM2-135M, https://arxiv.org/abs/2307.09288,
// https://arxiv.org/abs/2407.21783, and config.json of https://huggingface.co/Qwen/Qwen3-0.6B,
// google/gemma-3-1b-it, microsoft/Phi-4-mini-instruct, Qwen/Qwen3-30B-A3B, of which two layers are
// made
const NamedShape kShapes[] = {
    {"stories260k", {64, 172, 5, 8, 4, 512, 512, true}},
    {"stories15m", {288, 768, 6, 6, 6, 32000, 256, true}},
    {"stories110m", {768, 2048, 12, 12, 12, 32000, 1024, true}},
    {"smollm2-135m", {576, 1536, 30, 9, 3, 49152, 8192, true, 100000}},
    {"tinyllama-1.1b", {2048, 5632, 22, 32, 4, 32000, 2048, false}},
    {"llama-3.2-1b", {2048, 8192, 16, 32, 8, 128256, 131072, true, 500000}},
    {"llama2-7b", {4096, 11008, 32, 32, 32, 32000, 2048, false}},
    {"qwen3-0.6b",
     {.dim = 1024,
      .hidden_dim = 3072,
      .layers = 28,
      .heads = 16,
      .kv_heads = 8,
      .vocab_size = 151936,
      .context = 40960,
      .shared_classifier = true,
      .rope_base = 1e6f,
      .architecture = "qwen3",
      .head_size = 128,
      .qk_norms = true}},
    {"gemma3-1b",
     {.dim = 1152,
      .hidden_dim = 6912,
      .layers = 26,
      .heads = 4,
      .kv_heads = 1,
      .vocab_size = 262144,
      .context = 32768,
      .shared_classifier = true,
      .rope_base = 1e6f,
      .architecture = "gemma3",
      .head_size = 256,
      .window = 512,
      .qk_norms = true,
      .post_norms = true}},
    {"phi4-mini",
     {.dim = 3072,
      .hidden_dim = 8192,
      .layers = 32,
      .heads = 24,
      .kv_heads = 8,
      .vocab_size = 200064,
      .context = 131072,
      .shared_classifier = true,
      .architecture = "phi3",
      .fused = true,
      .rope_dims = 96}},
    {"qwen3-30b-a3b-2layers",
     {.dim = 2048,
      .hidden_dim = 768,
      .layers = 2,
      .heads = 32,
      .kv_heads = 4,
      .vocab_size = 151936,
      .context = 40960,
      .rope_base = 1e6f,
      .architecture = "qwen3moe",
      .head_size = 128,
      .qk_norms = true,
      .experts = 128,
      .experts_used = 8}},
};

struct OtherName {
  const char* name;
  const char* shape;
};
constexpr OtherName kOtherNames[] = {{"tinyllama", "tinyllama-1.1b"}, {"llama-7b", "llama2-7b"}};

}  // namespace

uint64_t Shape::layer_weights() const {
  if (gguf_weights != 0) return gguf_weights;
  const uint64_t attention = 2 * uint64_t{q_dim()} * dim + 2 * uint64_t{kv_dim()} * dim;
  const uint64_t router = uint64_t{experts} * dim;
  const uint64_t feed_forward =
      3 * uint64_t{hidden_dim} * dim * (experts == 0 ? 1 : experts_used) + router;
  return layers * (attention + feed_forward);
}

uint64_t Shape::classifier_weights() const { return uint64_t{vocab_size} * dim; }

uint64_t Shape::bytes_of(uint64_t weights) const {
  return group_size != 0 ? weights + weights / group_size * sizeof(float) : weights * sizeof(float);
}

uint64_t Shape::bytes_per_token() const {
  const uint64_t norms = (2 * uint64_t{layers} + 1) * dim * sizeof(float);
  if (gguf_bytes != 0) return gguf_bytes;
  return bytes_of(layer_weights() + classifier_weights() + dim) + norms;
}

const std::vector<std::string>& ShapeNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const NamedShape& named : kShapes) all.emplace_back(named.name);
    for (const OtherName& other : kOtherNames) all.emplace_back(other.name);
    return all;
  }();
  return names;
}

Shape FindShape(const std::string& name) {
  std::string usual = name;
  for (const OtherName& other : kOtherNames) {
    if (name == other.name) usual = other.shape;
  }
  for (const NamedShape& named : kShapes) {
    if (usual == named.name) return named.shape;
  }
  return {};
}

uint32_t Int8GroupSize(const Shape& shape) {
  uint32_t size = kGroupSize;
  while (shape.dim % size != 0 || shape.hidden_dim % size != 0) size /= 2;
  return size;
}

}  // namespace bench
