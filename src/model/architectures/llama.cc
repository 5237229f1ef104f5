// SPDX-License-Identifier: MIT
// "llama": Llama 2 and 3, and what has their form: TinyLlama, SmolLM and SmolLM2, Mistral 7B. Keys
// and names are as llama.cpp's converters write them, which also reorder the rows of queries and
// keys for pairs of neighbours to rotate
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
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

// Where the numbers are that layers have.
struct LayerKeys {
  LayerKey heads, kv_heads, hidden, key_length, value_length;

  Status Find(const ArchitectureKeys& keys, uint32_t n_layers) {
    const struct {
      const char* name;
      Gguf::Presence presence;
      LayerKey* key;
    } all[] = {{"attention.head_count", Gguf::Presence::kRequired, &heads},
               {"attention.head_count_kv", Gguf::Presence::kOptional, &kv_heads},
               {"feed_forward_length", Gguf::Presence::kRequired, &hidden},
               {"attention.key_length", Gguf::Presence::kOptional, &key_length},
               {"attention.value_length", Gguf::Presence::kOptional, &value_length}};
    for (const auto& entry : all) {
      CLAMMA_RETURN_IF_ERROR(keys.FindLayers(entry.name, n_layers, entry.presence, entry.key));
    }
    return Status();
  }

  Status Read(uint32_t dim, uint32_t index, LayerConfig* layer) const {
    constexpr uint32_t kMaxHeads = ModelLimits::kMaxHeads;
    constexpr uint32_t kMaxDimension = ModelLimits::kMaxDimension;
    CLAMMA_RETURN_IF_ERROR(heads.Uint(index, 1, kMaxHeads, &layer->n_heads));
    layer->n_kv_heads = layer->n_heads;
    CLAMMA_RETURN_IF_ERROR(kv_heads.Uint(index, 1, kMaxHeads, &layer->n_kv_heads));
    CLAMMA_RETURN_IF_ERROR(hidden.Uint(index, 1, kMaxDimension, &layer->hidden_dim));
    layer->head_size = dim / layer->n_heads;
    CLAMMA_RETURN_IF_ERROR(key_length.Uint(index, 1, kMaxDimension, &layer->head_size));
    uint32_t value_size = layer->head_size;
    CLAMMA_RETURN_IF_ERROR(value_length.Uint(index, 1, kMaxDimension, &value_size));
    if (value_size == layer->head_size) return Status();
    return Status::Error(StatusCode::kCorrupt,
                         "keys of %u elements and values of %u in a head are not supported: they "
                         "must be equal",
                         static_cast<unsigned>(layer->head_size),
                         static_cast<unsigned>(value_size));
  }
};

// What all layers have in common.
Status ReadModelConfig(const ArchitectureKeys& keys, ModelConfig* config) {
  config->order = SumOrder::kNative;
  CLAMMA_RETURN_IF_ERROR(keys.Uint("block_count", 1, ModelLimits::kMaxLayers, &config->n_layers));
  CLAMMA_RETURN_IF_ERROR(
      keys.Uint("embedding_length", 1, ModelLimits::kMaxDimension, &config->dim));
  CLAMMA_RETURN_IF_ERROR(keys.Uint("context_length", 1, ModelLimits::kMaxSeqLen, &config->seq_len));
  CLAMMA_RETURN_IF_ERROR(
      keys.PositiveFloat("attention.layer_norm_rms_epsilon", &config->norm_epsilon));
  return keys.ReadRope(config);
}

Status RefuseWhatIsNotSupported(const ArchitectureKeys& keys) {
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("expert_count", "mixtures of experts"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("attention.sliding_window", "sliding windows"));
  for (const char* scale :
       {"attention.scale", "embedding_scale", "residual_scale", "logit_scale"}) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessOne(scale));
  }
  return Status();
}

Status ReadLlamaConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kLlamaArchitecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelConfig(keys, &config));
  CLAMMA_RETURN_IF_ERROR(RefuseWhatIsNotSupported(keys));
  LayerKeys layers;
  CLAMMA_RETURN_IF_ERROR(layers.Find(keys, config.n_layers));
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    LayerConfig layer;
    CLAMMA_RETURN_IF_ERROR(layers.Read(config.dim, i, &layer));
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
