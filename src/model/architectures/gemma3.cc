// SPDX-License-Identifier: MIT
// "gemma3": the text part of Gemma 3. It is like Gemma 2, but has norms of queries and keys instead
// of the soft cap of scores. Five of six layers have a window, and their own rotation.
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr uint32_t kPeriod = 6;  // in layers: see WindowPattern
constexpr uint32_t kLayersOf27B = 62;
constexpr float kWindowTheta = 10000.0f;

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kGemma3Architecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  config.rope_style = RopeStyle::kHalves;
  config.glu = GluType::kGelu;
  config.norm_after = true;
  config.qk_norm = QkNorm::kPerHead;
  config.embedding_scale = __builtin_sqrtf(static_cast<float>(config.dim));
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalPositiveFloat("attn_logit_softcapping", &config.attention_soft_cap));
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalPositiveFloat("final_logit_softcapping", &config.logit_soft_cap));
  config.n_ropes = 2;
  config.ropes[1].theta = kWindowTheta;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalPositiveFloat("rope.freq_base_swa", &config.ropes[1].theta));
  WindowPattern windows;
  CLAMMA_RETURN_IF_ERROR(windows.Find(keys, config, kPeriod));
  CLAMMA_RETURN_IF_ERROR(ReadLayers(memory, keys, file, [&](uint32_t i, LayerConfig* layer) {
    return windows.SetWithRope(i, layer);
  }));
  if (config.n_layers == kLayersOf27B) config.attention_scale = ScaleByModelWidth(config);
  return Status();
}

}  // namespace

constinit const Architecture kGemma3Architecture = {
    .name = "gemma3",
    .tensors = {&kModelNames, &kNormNames, &kPostNormNames, &kAttentionNames, &kQkNormNames,
                &kFeedForwardNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
