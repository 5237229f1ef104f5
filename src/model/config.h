// SPDX-License-Identifier: MIT
// The numbers that make a Llama model, whatever file they came from.
#ifndef CLAMMA_MODEL_CONFIG_H_
#define CLAMMA_MODEL_CONFIG_H_

#include <cstdint>

#include "kernels/kernels.h"

namespace clamma {

struct ModelConfig {
  uint32_t dim = 0;         // width of the residual stream
  uint32_t hidden_dim = 0;  // width of the feed-forward layer
  uint32_t n_layers = 0;
  uint32_t n_heads = 0;     // query heads
  uint32_t n_kv_heads = 0;  // key and value heads; each serves n_heads / n_kv_heads query heads
  uint32_t vocab_size = 0;
  uint32_t seq_len = 0;     // context: most positions a session may use
  uint32_t group_size = 0;  // kInt8Groups: weights that share a scale; else 0
  WeightType weight_type = WeightType::kF32;
  bool shared_classifier = false;  // the classifier is the embedding table
  float norm_epsilon = 1e-5f;
  float rope_theta = 10000.0f;

  uint32_t head_size() const { return dim / n_heads; }
  uint32_t kv_dim() const { return head_size() * n_kv_heads; }
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_CONFIG_H_
