// SPDX-License-Identifier: MIT
// The numbers of a model, independent of its file format. Everything that the forward pass does
// beyond a plain Llama is data here.
#ifndef CLAMMA_MODEL_CONFIG_H_
#define CLAMMA_MODEL_CONFIG_H_

#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"

namespace clamma {

// A file with numbers beyond these limits is damaged.
struct ModelLimits {
  static constexpr uint32_t kMaxLayers = 1u << 16;
  static constexpr uint32_t kMaxHeads = 1u << 16;
  static constexpr uint32_t kMaxExperts = 1u << 12;     // the largest in use have 512
  static constexpr uint32_t kMaxExpertsUsed = 1u << 6;  // per position
  static constexpr uint32_t kMaxSeqLen = 1u << 24;     // the longest contexts in use are about 2^20
  static constexpr uint32_t kMinVocabSize = 3;         // unknown, BOS, EOS
  static constexpr uint32_t kMaxVocabSize = 1u << 21;  // the largest in use are about 260,000
  // Keeps every count of rows or columns far from the limits of 32-bit arithmetic.
  static constexpr uint32_t kMaxDimension = 1u << 28;
};

// How positions are converted to angles.
struct RopeConfig {
  float theta = 10000.0f;
  float frequency_scale = 1.0f;  // 1 / f if positions are divided by f
  // YaRN: the first `ramp_begin` pairs of a head keep their frequency, the pairs from `ramp_end` on
  // have it scaled, and between these it is interpolated. Both are in pairs, and need not be whole
  // numbers. (Peng et al.: YaRN, 2023)
  bool yarn = false;
  float ramp_begin = 0;
  float ramp_end = 0;
  float magnitude = 1.0f;  // factor of cosines and sines

  bool operator==(const RopeConfig&) const = default;
};
inline constexpr size_t kMaxRopes = 2;    // per model
inline constexpr uint8_t kNoRope = 0xff;  // for a layer that does not rotate

// How queries and keys are normalised before they are rotated.
enum class QkNorm : uint8_t { kNone, kPerHead, kAllHeads };

// What layers of GGUF models have beyond those of llama2.c.
struct FamilyLayer {
  uint32_t window = 0;  // a position attends to its last `window` positions; 0: to all
  uint8_t rope = 0;     // which of ModelConfig::ropes; kNoRope: none

  bool operator==(const FamilyLayer&) const = default;
};

// FamilyLayer for builds without GGUF; see PlainConfig.
struct PlainLayer {
  static constexpr uint32_t window = 0;  // NOLINT(readability-identifier-naming)
  static constexpr uint8_t rope = 0;     // NOLINT(readability-identifier-naming)

  bool operator==(const PlainLayer&) const = default;
};

// Of keys or of values of a position.
struct KvCount {
  uint64_t elements = 0;
  uint64_t heads = 0;

  KvCount operator*(uint64_t n) const { return {elements * n, heads * n}; }
  KvCount operator+(const KvCount& other) const {
    return {elements + other.elements, heads + other.heads};
  }
  bool operator==(const KvCount&) const = default;
};

// What may differ from layer to layer.
struct LayerConfig {
  uint32_t n_heads = 0;     // query heads
  uint32_t n_kv_heads = 0;  // key and value heads; each serves n_heads / n_kv_heads query heads
  uint32_t head_size = 0;
  uint32_t hidden_dim = 0;  // width of the feed-forward part, or of an expert
  // The sum of kv_count() over the layers before. If some layers have a window and others none,
  // only layers of the same kind count.
  KvCount kv_before = {};

  [[no_unique_address]] std::conditional_t<kHasGguf, FamilyLayer, PlainLayer> family = {};

  bool has_window() const { return kHasGguf && family.window > 0; }

  uint64_t q_dim() const { return uint64_t{n_heads} * head_size; }
  uint64_t kv_dim() const { return uint64_t{n_kv_heads} * head_size; }
  KvCount kv_count() const { return {kv_dim(), n_kv_heads}; }

  bool operator==(const LayerConfig&) const = default;
};

// What GGUF models have beyond those of llama2.c.
struct FamilyConfig {
  RopeStyle rope_style = RopeStyle::kPairs;
  uint8_t n_ropes = 1;
  RopeConfig ropes[kMaxRopes];

  bool norm_before = true;  // norms before a layer's two parts
  bool norm_after = false;  // norms after them, before they are added to the residual stream
  QkNorm qk_norm = QkNorm::kNone;
  GluType glu = GluType::kSilu;
  float embedding_scale = 1.0f;
  float residual_scale = 1.0f;  // factor of what a layer's parts add
  float logit_scale = 1.0f;
  float attention_scale = 0;     // factor of scores; 0: 1 / sqrt(head_size)
  float attention_soft_cap = 0;  // see AttentionInput; 0: none
  float logit_soft_cap = 0;      // applied after logit_scale; 0: none
  // Queries are multiplied by 1 + query_growth * ln(1 + floor(position / query_step)).
  float query_growth = 0;
  uint32_t query_step = 1;
  // Sequences longer than this rotate all positions by kRopeLongFactors instead of kRopeFactors; 0:
  // no sequence does.
  uint32_t short_context = 0;
  // For mixtures of experts; 0: layers have a single feed-forward part.
  uint32_t n_experts = 0;
  uint32_t n_experts_used = 0;  // per position
};

// FamilyConfig for builds without GGUF: constants, so that no code is generated for other values.
// NOLINTBEGIN(readability-identifier-naming): names of FamilyConfig
// NOLINTBEGIN(readability-identifier-naming): the names of the members that they replace
struct PlainConfig {
  static constexpr RopeStyle rope_style = RopeStyle::kPairs;
  static constexpr uint8_t n_ropes = 1;
  static constexpr RopeConfig ropes[1] = {{}};
  // NOLINTEND(readability-identifier-naming)
  static constexpr bool norm_before = true;
  static constexpr bool norm_after = false;
  static constexpr QkNorm qk_norm = QkNorm::kNone;
  static constexpr GluType glu = GluType::kSilu;
  static constexpr float embedding_scale = 1.0f;
  static constexpr float residual_scale = 1.0f;
  static constexpr float logit_scale = 1.0f;
  static constexpr float attention_scale = 0;
  static constexpr float attention_soft_cap = 0;
  static constexpr float logit_soft_cap = 0;
  static constexpr float query_growth = 0;
  static constexpr uint32_t query_step = 1;
  static constexpr uint32_t short_context = 0;
  static constexpr uint32_t n_experts = 0;
  static constexpr uint32_t n_experts_used = 0;
};
// NOLINTEND(readability-identifier-naming)

// A copy shares the layers, which ModelFile owns.
struct ModelConfig : std::conditional_t<kHasGguf, FamilyConfig, PlainConfig> {
  uint32_t dim = 0;  // width of the residual stream
  uint32_t n_layers = 0;
  uint32_t vocab_size = 0;
  uint32_t seq_len = 0;                       // context: the most positions of a session
  uint32_t group_size = 0;                    // kInt8Groups: weights that share a scale; else 0
  WeightType weight_type = WeightType::kF32;  // type of most weights
  bool shared_classifier = false;             // the classifier is the embedding table
  SumOrder order = SumOrder::kLlama2c;
  float norm_epsilon = 1e-5f;
  uint32_t rope_dims = 0;  // the first elements of a head that are rotated; even

  // The maximum of each number over all layers; if all layers are alike, the numbers of each.
  LayerConfig widest;
  const LayerConfig* layers = nullptr;  // (n_layers); nullptr: all are alike, or this is a plan

  const LayerConfig& layer(uint32_t index) const {
    return layers == nullptr ? widest : layers[index];
  }

  // LayerConfig::kv_before of a layer.
  KvCount kv_before(uint32_t index) const {
    return layers == nullptr ? widest.kv_count() * index : layers[index].kv_before;
  }

  // The sum of kv_count() over those of the first `count` layers that have a window, or over those
  // that have none.
  KvCount kv_count(uint32_t count, bool with_window) const {
    with_window = kHasGguf && with_window;
    if (layers == nullptr) {
      return widest.kv_count() * (widest.has_window() == with_window ? count : 0);
    }
    if (!kHasGguf) return layers[count - 1].kv_before + layers[count - 1].kv_count();
    for (uint32_t i = count; i-- > 0;) {
      if (layers[i].has_window() == with_window) return layers[i].kv_before + layers[i].kv_count();
    }
    return {};
  }
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_CONFIG_H_
