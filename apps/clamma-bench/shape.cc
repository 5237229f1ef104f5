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
// https://arxiv.org/abs/2407.21783
const NamedShape kShapes[] = {
    {"stories260k", {64, 172, 5, 8, 4, 512, 512, true}},
    {"stories15m", {288, 768, 6, 6, 6, 32000, 256, true}},
    {"stories110m", {768, 2048, 12, 12, 12, 32000, 1024, true}},
    {"smollm2-135m", {576, 1536, 30, 9, 3, 49152, 8192, true, 100000}},
    {"tinyllama-1.1b", {2048, 5632, 22, 32, 4, 32000, 2048, false}},
    {"llama-3.2-1b", {2048, 8192, 16, 32, 8, 128256, 131072, true, 500000}},
    {"llama2-7b", {4096, 11008, 32, 32, 32, 32000, 2048, false}},
};

struct OtherName {
  const char* name;
  const char* shape;
};
constexpr OtherName kOtherNames[] = {{"tinyllama", "tinyllama-1.1b"}, {"llama-7b", "llama2-7b"}};

}  // namespace

uint64_t Shape::layer_weights() const {
  const uint64_t attention = 2 * uint64_t{dim} * dim + 2 * uint64_t{kv_dim()} * dim;
  const uint64_t feed_forward = 3 * uint64_t{hidden_dim} * dim;
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
