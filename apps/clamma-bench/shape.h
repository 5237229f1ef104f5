// SPDX-License-Identifier: MIT
// The dimensions of a model, and the weights and bytes that a token uses.
#ifndef CLAMMA_BENCH_SHAPE_H_
#define CLAMMA_BENCH_SHAPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// A key of an architecture, without its name.
struct FloatKey {
  const char* name = nullptr;
  float value = 0;
};

struct Shape {
  uint32_t dim = 0;
  uint32_t hidden_dim = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t vocab_size = 0;
  uint32_t context = 0;
  bool shared_classifier = false;
  float rope_base = 10000;
  // Features of other families, whose models are GGUF files.
  const char* architecture = "llama";
  uint32_t head_size = 0;      // 0: dim / heads
  uint32_t window = 0;         // of layers that have one; 0: there are none
  bool qk_norms = false;       // per head
  bool wide_qk_norms = false;  // or of all heads together
  bool norms_before = true;    // before attention and the feed-forward part
  bool post_norms = false;     // behind them
  bool biases = false;         // of queries, keys and values
  FloatKey floats[4] = {};     // further keys; the unused ones have no name
  float yarn_factor = 0;       // 0: rotary frequencies are not scaled
  uint32_t yarn_context = 0;   // positions before scaling
  bool fused = false;          // queries, keys and values in one matrix, gate and up in another
  uint32_t rope_dims = 0;      // 0: the head size
  uint32_t experts = 0;        // each has hidden_dim; 0: there are none
  uint32_t experts_used = 0;   // per position
  uint64_t gguf_weights = 0;   // layer_weights() of a GGUF model; 0: computed from the values above
  uint32_t group_size = 0;     // llama2.c's int8 weights that share a scale; 0: other weights
  uint64_t gguf_bytes = 0;     // bytes of a GGUF model read for a token; 0: a llama2.c model
  bool gguf_int8 = false;      // a GGUF model whose matrices are multiplied as integers

  bool is(std::string_view name) const { return architecture == name; }
  // Whether the model can be a llama2.c file.
  bool is_llama() const { return is("llama") && experts == 0; }
  uint32_t width_of_head() const { return head_size != 0 ? head_size : dim / heads; }
  uint32_t q_dim() const { return width_of_head() * heads; }
  uint32_t kv_dim() const { return width_of_head() * kv_heads; }
  bool int8() const { return group_size != 0 || gguf_int8; }
  uint64_t layer_weights() const;       // in all matrices of all layers that a position uses
  uint64_t classifier_weights() const;  // in the last matrix
  // The bytes of `weights` llama2.c weights, with their scales.
  uint64_t bytes_of(uint64_t weights) const;
  // The bytes read for a token: every matrix, the norms and a row of the embedding.
  uint64_t bytes_per_token() const;
};

// The names that FindShape() accepts: smallest first, then further names for some of them.
const std::vector<std::string>& ShapeNames();

// The named shape, for float weights.
Shape FindShape(const std::string& name);

// The group size of llama2.c's int8 weights: 64, halved until it divides the rows.
uint32_t Int8GroupSize(const Shape& shape);

}  // namespace bench

#endif  // CLAMMA_BENCH_SHAPE_H_
