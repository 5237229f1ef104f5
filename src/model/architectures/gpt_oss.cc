// SPDX-License-Identifier: MIT
// "gpt-oss": gpt-oss 20B and 120B. They have experts with biases and their own gate function,
// attention sinks, and a window in every other layer.
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr uint32_t kPeriod = 2;  // in layers: see WindowPattern

constexpr GgufTensorName kNames[] = {
    {"attn_norm.weight", TensorId::kAttentionNorm, true},
    {"post_attention_norm.weight", TensorId::kFfnNorm, true},  // before the experts
    {"attn_sinks.weight", TensorId::kSinks, true},
    {"ffn_gate_inp.bias", TensorId::kRouterBias, true},
    {"ffn_gate_exps.bias", TensorId::kExpertGateBias, true},
    {"ffn_up_exps.bias", TensorId::kExpertUpBias, true},
    {"ffn_down_exps.bias", TensorId::kExpertDownBias, true},
};

constexpr GgufTensorNames kOwnNames = NamesOf(kNames);

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kGptOssArchitecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  CLAMMA_RETURN_IF_ERROR(ReadExperts(keys, &config));
  config.rope_style = RopeStyle::kHalves;
  config.glu = GluType::kClampedSilu;
  WindowPattern windows;
  CLAMMA_RETURN_IF_ERROR(windows.Find(keys, config, kPeriod));
  CLAMMA_RETURN_IF_ERROR(ReadLayers(memory, keys, file, [&](uint32_t i, LayerConfig* layer) {
    return windows.WindowOf(i, &layer->family.window);
  }));
  return keys.ReadYarnRamp(/*whole_pairs=*/false, &config);
}

}  // namespace

constinit const Architecture kGptOssArchitecture = {
    .name = "gpt-oss",
    .tensors = {&kModelNames, &kAttentionNames, &kAttentionBiasNames, &kExpertNames, &kOwnNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
