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
// https://arxiv.org/abs/2307.09288
const NamedShape kShapes[] = {
    {"stories260k", {64, 172, 5, 8, 4, 512, 512, true}},
    {"stories15m", {288, 768, 6, 6, 6, 32000, 256, true}},
    {"stories110m", {768, 2048, 12, 12, 12, 32000, 1024, true}},
    {"tinyllama-1.1b", {2048, 5632, 22, 32, 4, 32000, 2048, false}},
    {"llama2-7b", {4096, 11008, 32, 32, 32, 32000, 2048, false}},
};

}  // namespace

uint64_t Shape::layer_weights() const {
  const uint64_t attention = 2 * uint64_t{dim} * dim + 2 * uint64_t{kv_dim()} * dim;
  const uint64_t feed_forward = 3 * uint64_t{hidden_dim} * dim;
  return layers * (attention + feed_forward);
}

uint64_t Shape::classifier_weights() const { return uint64_t{vocab_size} * dim; }

uint64_t Shape::bytes_of(uint64_t weights) const {
  return int8() ? weights + weights / group_size * sizeof(float) : weights * sizeof(float);
}

uint64_t Shape::bytes_per_token() const {
  const uint64_t norms = (2 * uint64_t{layers} + 1) * dim * sizeof(float);
  return bytes_of(layer_weights() + classifier_weights() + dim) + norms;
}

const std::vector<std::string>& ShapeNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const NamedShape& named : kShapes) all.emplace_back(named.name);
    return all;
  }();
  return names;
}

Shape FindShape(const std::string& name, bool int8) {
  for (const NamedShape& named : kShapes) {
    if (name != named.name) continue;
    Shape shape = named.shape;
    if (!int8) return shape;
    shape.group_size = kGroupSize;
    while (shape.dim % shape.group_size != 0 || shape.hidden_dim % shape.group_size != 0) {
      shape.group_size /= 2;
    }
    return shape;
  }
  return {};
}

}  // namespace bench
