// SPDX-License-Identifier: MIT
// "gemma2": Gemma 2. There are norms before and after a layer's parts, soft caps, and a window in
// every other layer.
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr uint32_t kPeriod = 2;  // in layers: see WindowPattern
constexpr uint32_t kLayersOf27B = 46;

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kGemma2Architecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  config.rope_style = RopeStyle::kHalves;
  config.glu = GluType::kGelu;
  config.norm_after = true;
  config.embedding_scale = __builtin_sqrtf(static_cast<float>(config.dim));
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalPositiveFloat("attn_logit_softcapping", &config.attention_soft_cap));
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalPositiveFloat("final_logit_softcapping", &config.logit_soft_cap));
  WindowPattern windows;
  CLAMMA_RETURN_IF_ERROR(windows.Find(keys, config, kPeriod));
  CLAMMA_RETURN_IF_ERROR(ReadLayers(memory, keys, file, [&](uint32_t i, LayerConfig* layer) {
    return windows.WindowOf(i, &layer->family.window);
  }));
  if (config.n_layers == kLayersOf27B) config.attention_scale = ScaleByModelWidth(config);
  return Status();
}

}  // namespace

constinit const Architecture kGemma2Architecture = {
    .name = "gemma2",
    .tensors = {&kModelNames, &kNormNames, &kPostNormNames, &kAttentionNames, &kFeedForwardNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
