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
// https://arxiv.org/abs/2407.21783, and config.json of https://huggingface.co/Qwen/Qwen2.5-1.5B,
// Qwen/Qwen3-0.6B, google/gemma-2b, google/gemma-2-2b, google/gemma-3-1b-it,
// allenai/OLMo-2-0425-1B, ibm-granite/granite-3.3-2b-instruct, HuggingFaceTB/SmolLM3-3B,
// mistralai/Ministral-3-3B-Instruct-2512, microsoft/Phi-4-mini-instruct, and Qwen/Qwen3-30B-A3B,
// mistralai/Mixtral-8x7B-v0.1 and openai/gpt-oss-20b, of which two layers are made
constexpr NamedShape kShapes[] = {
    {"stories260k", {64, 172, 5, 8, 4, 512, 512, true}},
    {"stories15m", {288, 768, 6, 6, 6, 32000, 256, true}},
    {"stories110m", {768, 2048, 12, 12, 12, 32000, 1024, true}},
    {"smollm2-135m", {576, 1536, 30, 9, 3, 49152, 8192, true, 100000}},
    {"tinyllama-1.1b", {2048, 5632, 22, 32, 4, 32000, 2048, false}},
    {"llama-3.2-1b", {2048, 8192, 16, 32, 8, 128256, 131072, true, 500000}},
    {"llama2-7b", {4096, 11008, 32, 32, 32, 32000, 2048, false}},
    {"qwen2.5-1.5b",
     {.dim = 1536,
      .hidden_dim = 8960,
      .layers = 28,
      .heads = 12,
      .kv_heads = 2,
      .vocab_size = 151936,
      .context = 32768,
      .shared_classifier = true,
      .rope_base = 1e6f,
      .architecture = "qwen2",
      .biases = true}},
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
    {"gemma-2b",
     {.dim = 2048,
      .hidden_dim = 16384,
      .layers = 18,
      .heads = 8,
      .kv_heads = 1,
      .vocab_size = 256000,
      .context = 8192,
      .shared_classifier = true,
      .architecture = "gemma",
      .head_size = 256}},
    {"gemma2-2b",
     {.dim = 2304,
      .hidden_dim = 9216,
      .layers = 26,
      .heads = 8,
      .kv_heads = 4,
      .vocab_size = 256000,
      .context = 8192,
      .shared_classifier = true,
      .architecture = "gemma2",
      .head_size = 256,
      .window = 4096,
      .post_norms = true,
      .floats = {{"attn_logit_softcapping", 50}, {"final_logit_softcapping", 30}}}},
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
    {"olmo2-1b",
     {.dim = 2048,
      .hidden_dim = 8192,
      .layers = 16,
      .heads = 16,
      .kv_heads = 16,
      .vocab_size = 100352,
      .context = 4096,
      .rope_base = 5e5f,
      .architecture = "olmo2",
      .wide_qk_norms = true,
      .norms_before = false,
      .post_norms = true}},
    {"granite-3.3-2b",
     {.dim = 2048,
      .hidden_dim = 8192,
      .layers = 40,
      .heads = 32,
      .kv_heads = 8,
      .vocab_size = 49159,
      .context = 131072,
      .shared_classifier = true,
      .rope_base = 1e7f,
      .architecture = "granite",
      .floats = {{"attention.scale", 0.015625f},
                 {"embedding_scale", 12},
                 {"residual_scale", 0.22f},
                 {"logit_scale", 8}}}},
    {"smollm3-3b",
     {.dim = 2048,
      .hidden_dim = 11008,
      .layers = 36,
      .heads = 16,
      .kv_heads = 4,
      .vocab_size = 128256,
      .context = 65536,
      .shared_classifier = true,
      .rope_base = 5e6f,
      .architecture = "smollm3"}},
    {"ministral3-3b",
     {.dim = 3072,
      .hidden_dim = 9216,
      .layers = 26,
      .heads = 32,
      .kv_heads = 8,
      .vocab_size = 131072,
      .context = 262144,
      .shared_classifier = true,
      .rope_base = 1e6f,
      .architecture = "mistral3",
      .head_size = 128,
      .floats = {{"attention.temperature_scale", 0.1f}},
      .yarn_factor = 16,
      .yarn_context = 16384}},
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
    {"mixtral-8x7b-2layers",
     {.dim = 4096,
      .hidden_dim = 14336,
      .layers = 2,
      .heads = 32,
      .kv_heads = 8,
      .vocab_size = 32000,
      .context = 32768,
      .rope_base = 1e6f,
      .experts = 8,
      .experts_used = 2}},
    {"gpt-oss-20b-2layers",
     {.dim = 2880,
      .hidden_dim = 2880,
      .layers = 2,
      .heads = 64,
      .kv_heads = 8,
      .vocab_size = 201088,
      .context = 131072,
      .rope_base = 150000,
      .architecture = "gpt-oss",
      .head_size = 64,
      .window = 128,
      .biases = true,
      .yarn_factor = 32,
      .yarn_context = 4096,
      .experts = 32,
      .experts_used = 4}},
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
  return Shape();
}

uint32_t Int8GroupSize(const Shape& shape) {
  uint32_t size = kGroupSize;
  while (shape.dim % size != 0 || shape.hidden_dim % size != 0) size /= 2;
  return size;
}

}  // namespace bench
