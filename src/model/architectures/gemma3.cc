// SPDX-License-Identifier: MIT
// "gemma3": Gemma 3, of text. As Gemma 2, with norms of queries and keys in place of the soft cap
// of scores; five of six layers have a window, and a rotation of their own.
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr uint32_t kPeriod = 6;  // of windows
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
