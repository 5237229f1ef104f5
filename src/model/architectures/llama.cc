// SPDX-License-Identifier: MIT
// "llama": Llama 2 and 3, and what has their form: TinyLlama, SmolLM and SmolLM2, Mistral 7B. Keys
// and names as llama.cpp's converters write them
// (https://github.com/ggml-org/ggml/blob/master/docs/ gguf.md), which also reorder the rows of
// queries and keys for pairs of neighbours to rotate.
#include <algorithm>

#include "model/architectures/architecture.h"
#include "model/architectures/keys.h"

namespace clamma {
namespace {

constexpr GgufTensorName kTensors[] = {
    {"token_embd.weight", TensorId::kEmbedding, false},
    {"output_norm.weight", TensorId::kOutputNorm, false},
    {"output.weight", TensorId::kOutput, false},
    {"rope_freqs.weight", TensorId::kRopeFactors, false},
    {"attn_norm.weight", TensorId::kAttentionNorm, true},
    {"attn_q.weight", TensorId::kQ, true},
    {"attn_q.bias", TensorId::kQBias, true},
    {"attn_k.weight", TensorId::kK, true},
    {"attn_k.bias", TensorId::kKBias, true},
    {"attn_v.weight", TensorId::kV, true},
    {"attn_v.bias", TensorId::kVBias, true},
    {"attn_output.weight", TensorId::kAttentionOutput, true},
    {"attn_output.bias", TensorId::kAttentionOutputBias, true},
    {"ffn_norm.weight", TensorId::kFfnNorm, true},
    {"ffn_gate.weight", TensorId::kGate, true},
    {"ffn_gate.bias", TensorId::kGateBias, true},
    {"ffn_up.weight", TensorId::kUp, true},
    {"ffn_up.bias", TensorId::kUpBias, true},
    {"ffn_down.weight", TensorId::kDown, true},
    {"ffn_down.bias", TensorId::kDownBias, true},
};

// What a head's numbers are, of all layers or of one.
Status ReadLayer(const ArchitectureKeys& keys, const ModelConfig& config, uint32_t index,
                 LayerConfig* layer) {
  const Gguf::Layer at = {index, config.n_layers};
  CLAMMA_RETURN_IF_ERROR(
      keys.Uint("attention.head_count", at, 1, ModelLimits::kMaxHeads, &layer->n_heads));
  layer->n_kv_heads = layer->n_heads;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("attention.head_count_kv", at, 1, ModelLimits::kMaxHeads,
                                           &layer->n_kv_heads));
  CLAMMA_RETURN_IF_ERROR(
      keys.Uint("feed_forward_length", at, 1, ModelLimits::kMaxDimension, &layer->hidden_dim));
  layer->head_size = config.dim / layer->n_heads;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("attention.key_length", at, 1,
                                           ModelLimits::kMaxDimension, &layer->head_size));
  uint32_t value_size = layer->head_size;
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalUint("attention.value_length", at, 1, ModelLimits::kMaxDimension, &value_size));
  if (value_size != layer->head_size) {
    return Status::Error(StatusCode::kCorrupt,
                         "keys of %u elements and values of %u in a head are not supported: they "
                         "must be equal",
                         static_cast<unsigned>(layer->head_size),
                         static_cast<unsigned>(value_size));
  }
  return Status();
}

Status ReadLlamaConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kLlamaArchitecture.name);
  ModelConfig& config = file->config;
  config.order = SumOrder::kNative;
  CLAMMA_RETURN_IF_ERROR(keys.Uint("block_count", 1, ModelLimits::kMaxLayers, &config.n_layers));
  CLAMMA_RETURN_IF_ERROR(keys.Uint("embedding_length", 1, ModelLimits::kMaxDimension, &config.dim));
  CLAMMA_RETURN_IF_ERROR(keys.Uint("context_length", 1, ModelLimits::kMaxSeqLen, &config.seq_len));
  CLAMMA_RETURN_IF_ERROR(
      keys.PositiveFloat("attention.layer_norm_rms_epsilon", &config.norm_epsilon));
  CLAMMA_RETURN_IF_ERROR(keys.ReadRope(&config));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("expert_count", "mixtures of experts"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("attention.sliding_window", "sliding windows"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessOne("attention.scale"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessOne("embedding_scale"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessOne("residual_scale"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessOne("logit_scale"));
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    LayerConfig layer;
    CLAMMA_RETURN_IF_ERROR(ReadLayer(keys, config, i, &layer));
    CLAMMA_RETURN_IF_ERROR(file->AddLayer(memory, layer));
  }
  config.rope_dims = config.widest.head_size;
  return keys.OptionalUint("rope.dimension_count", 2, ModelLimits::kMaxDimension,
                           &config.rope_dims);
}

}  // namespace

constinit const Architecture kLlamaArchitecture = {
    .name = "llama",
    .tensors = kTensors,
    .n_tensors = sizeof(kTensors) / sizeof(kTensors[0]),
    .read_config = ReadLlamaConfig,
};

}  // namespace clamma
