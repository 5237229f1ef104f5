// SPDX-License-Identifier: MIT
#include "model/architectures/common.h"

#include <algorithm>

namespace clamma {
namespace {

// Values of expert_gating_func.
constexpr uint32_t kSoftmax = 1;
constexpr uint32_t kSoftmaxOfChosen = 3;

constexpr GgufTensorName kModel[] = {
    {"token_embd.weight", TensorId::kEmbedding, false},
    {"output_norm.weight", TensorId::kOutputNorm, false},
    {"output.weight", TensorId::kOutput, false},
    {"rope_freqs.weight", TensorId::kRopeFactors, false},
};
constexpr GgufTensorName kAttention[] = {
    {"attn_q.weight", TensorId::kQ, true},
    {"attn_k.weight", TensorId::kK, true},
    {"attn_v.weight", TensorId::kV, true},
    {"attn_output.weight", TensorId::kAttentionOutput, true},
};
constexpr GgufTensorName kAttentionBiases[] = {
    {"attn_q.bias", TensorId::kQBias, true},
    {"attn_k.bias", TensorId::kKBias, true},
    {"attn_v.bias", TensorId::kVBias, true},
    {"attn_output.bias", TensorId::kAttentionOutputBias, true},
};
constexpr GgufTensorName kFeedForward[] = {
    {"ffn_gate.weight", TensorId::kGate, true},
    {"ffn_up.weight", TensorId::kUp, true},
    {"ffn_down.weight", TensorId::kDown, true},
};
constexpr GgufTensorName kFeedForwardBiases[] = {
    {"ffn_gate.bias", TensorId::kGateBias, true},
    {"ffn_up.bias", TensorId::kUpBias, true},
    {"ffn_down.bias", TensorId::kDownBias, true},
};
constexpr GgufTensorName kExperts[] = {
    {"ffn_gate_inp.weight", TensorId::kRouter, true},
    {"ffn_gate_exps.weight", TensorId::kExpertGate, true},
    {"ffn_up_exps.weight", TensorId::kExpertUp, true},
    {"ffn_down_exps.weight", TensorId::kExpertDown, true},
};
constexpr GgufTensorName kNorms[] = {
    {"attn_norm.weight", TensorId::kAttentionNorm, true},
    {"ffn_norm.weight", TensorId::kFfnNorm, true},
};
constexpr GgufTensorName kPostNorms[] = {
    {"post_attention_norm.weight", TensorId::kAttentionPostNorm, true},
    {"post_ffw_norm.weight", TensorId::kFfnPostNorm, true},
};
constexpr GgufTensorName kQkNorms[] = {
    {"attn_q_norm.weight", TensorId::kQNorm, true},
    {"attn_k_norm.weight", TensorId::kKNorm, true},
};

}  // namespace

constinit const GgufTensorNames kModelNames = NamesOf(kModel);
constinit const GgufTensorNames kAttentionNames = NamesOf(kAttention);
constinit const GgufTensorNames kAttentionBiasNames = NamesOf(kAttentionBiases);
constinit const GgufTensorNames kFeedForwardNames = NamesOf(kFeedForward);
constinit const GgufTensorNames kFeedForwardBiasNames = NamesOf(kFeedForwardBiases);
constinit const GgufTensorNames kExpertNames = NamesOf(kExperts);
constinit const GgufTensorNames kNormNames = NamesOf(kNorms);
constinit const GgufTensorNames kPostNormNames = NamesOf(kPostNorms);
constinit const GgufTensorNames kQkNormNames = NamesOf(kQkNorms);

namespace {

// Refuses what a file of any architecture may ask for, but no architecture here supports.
Status RefuseOtherArithmetic(const ArchitectureKeys& keys) {
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessOne("attention.causal"));
  for (const char* key :
       {"attention.clamp_kqv", "attention.max_alibi_bias", "attention.shared_kv_layers",
        "router_logit_softcapping", "swin_norm", "use_parallel_residual"}) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero(key));
  }
  return Status();
}

}  // namespace

Status ReadModelNumbers(const ArchitectureKeys& keys, ModelConfig* config) {
  config->order = SumOrder::kNative;
  CLAMMA_RETURN_IF_ERROR(keys.Uint("block_count", 1, ModelLimits::kMaxLayers, &config->n_layers));
  CLAMMA_RETURN_IF_ERROR(
      keys.Uint("embedding_length", 1, ModelLimits::kMaxDimension, &config->dim));
  CLAMMA_RETURN_IF_ERROR(keys.Uint("context_length", 1, ModelLimits::kMaxSeqLen, &config->seq_len));
  CLAMMA_RETURN_IF_ERROR(
      keys.PositiveFloat("attention.layer_norm_rms_epsilon", &config->norm_epsilon));
  return RefuseOtherArithmetic(keys);
}

Status ReadExperts(const ArchitectureKeys& keys, ModelConfig* config) {
  CLAMMA_RETURN_IF_ERROR(
      keys.Uint("expert_count", 1, ModelLimits::kMaxExperts, &config->n_experts));
  CLAMMA_RETURN_IF_ERROR(keys.Uint("expert_used_count", 1,
                                   std::min(config->n_experts, ModelLimits::kMaxExpertsUsed),
                                   &config->n_experts_used));
  for (const char* key : {"expert_shared_count", "expert_shared_feed_forward_length",
                          "leading_dense_block_count", "interleave_moe_layer_step"}) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero(key));
  }
  // A softmax over all experts or over the chosen ones gives the same, as the weights are divided
  // by their sum.
  uint32_t gating = kSoftmax;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("expert_gating_func", 0, UINT32_MAX, &gating));
  if (gating != kSoftmax && gating != kSoftmaxOfChosen) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("expert_gating_func"));
  }
  for (const char* key : {"expert_group_count", "expert_weights_scale"}) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZeroOrOne(key));
  }
  return keys.RefuseUnlessOne("expert_weights_norm");
}

Status RefuseWindowsAndSoftCaps(const ArchitectureKeys& keys) {
  for (const char* key :
       {"attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping"}) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero(key));
  }
  return Status();
}

float ScaleByModelWidth(const ModelConfig& config) {
  return 1.0f / __builtin_sqrtf(static_cast<float>(config.dim) /
                                static_cast<float>(config.widest.n_heads));
}

Status LayerNumbers::Find(const ArchitectureKeys& keys, const ModelConfig& config) {
  constexpr auto kRequired = Gguf::Presence::kRequired;
  constexpr auto kOptional = Gguf::Presence::kOptional;
  // Experts may have a width of their own; otherwise it is that of the feed-forward part.
  bool has_expert_width = false;
  if (config.n_experts > 0) has_expert_width = keys.Has("expert_feed_forward_length");
  const struct {
    const char* name;
    Gguf::Presence presence;
    LayerKey* key;
  } all[] = {{"attention.head_count", kRequired, &heads_},
             {"attention.head_count_kv", kOptional, &kv_heads_},
             {has_expert_width ? "expert_feed_forward_length" : "feed_forward_length", kRequired,
              &hidden_},
             {"attention.key_length", kOptional, &key_length_},
             {"attention.value_length", kOptional, &value_length_}};
  for (const auto& entry : all) {
    CLAMMA_RETURN_IF_ERROR(keys.FindLayers(entry.name, config.n_layers, entry.presence, entry.key));
  }
  return Status();
}

Status LayerNumbers::Read(const ModelConfig& config, uint32_t index, LayerConfig* layer) const {
  constexpr uint32_t kMaxHeads = ModelLimits::kMaxHeads;
  constexpr uint32_t kMaxDimension = ModelLimits::kMaxDimension;
  CLAMMA_RETURN_IF_ERROR(heads_.Uint(index, 1, kMaxHeads, &layer->n_heads));
  layer->n_kv_heads = layer->n_heads;
  CLAMMA_RETURN_IF_ERROR(kv_heads_.Uint(index, 1, kMaxHeads, &layer->n_kv_heads));
  CLAMMA_RETURN_IF_ERROR(hidden_.Uint(index, 1, kMaxDimension, &layer->hidden_dim));
  layer->head_size = config.dim / layer->n_heads;
  CLAMMA_RETURN_IF_ERROR(key_length_.Uint(index, 1, kMaxDimension, &layer->head_size));
  uint32_t value_size = layer->head_size;
  CLAMMA_RETURN_IF_ERROR(value_length_.Uint(index, 1, kMaxDimension, &value_size));
  if (value_size == layer->head_size) return Status();
  return Status::Error(StatusCode::kCorrupt,
                       "layer %u: heads with keys of %u elements and values of %u are not "
                       "supported: %s and %s must be equal",
                       static_cast<unsigned>(index), static_cast<unsigned>(layer->head_size),
                       static_cast<unsigned>(value_size), key_length_.name, value_length_.name);
}

Status WindowPattern::Find(const ArchitectureKeys& keys, const ModelConfig& config,
                           uint32_t period) {
  period_ = period;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("attention.sliding_window", 0, UINT32_MAX, &window_));
  constexpr const char* kPattern = "attention.sliding_window_pattern";
  CLAMMA_RETURN_IF_ERROR(
      keys.FindLayers(kPattern, config.n_layers, Gguf::Presence::kOptional, &pattern_));
  if (pattern_.value.data == nullptr || pattern_.value.is_array) return Status();
  return keys.OptionalUint(kPattern, 1, ModelLimits::kMaxLayers, &period_);
}

Status WindowPattern::WindowOf(uint32_t layer, uint32_t* window) const {
  bool has_one = layer % period_ < period_ - 1;
  if (pattern_.value.data != nullptr && pattern_.value.is_array &&
      !pattern_.value.Bool(layer, &has_one)) {
    uint32_t number = 0;  // integers are accepted as well
    CLAMMA_RETURN_IF_ERROR(pattern_.Uint(layer, 0, 1, &number));
    has_one = number == 1;
  }
  *window = has_one ? window_ : 0;
  return Status();
}

Status WindowPattern::SetWithRope(uint32_t index, LayerConfig* layer) const {
  CLAMMA_RETURN_IF_ERROR(WindowOf(index, &layer->family.window));
  layer->family.rope = layer->family.window > 0 ? 1 : 0;
  return Status();
}

}  // namespace clamma
