// SPDX-License-Identifier: MIT
// "olmo2": OLMo 2, and OLMo 3, which has windows in three of four layers. There are norms only
// after a layer's parts, and one norm for the queries, or keys, of all heads together. The scaling
// of the rotation for long contexts applies to layers without a window.
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr uint32_t kPeriod = 4;  // in layers: see WindowPattern

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kOlmo2Architecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  config.rope_style = RopeStyle::kHalves;
  config.norm_before = false;
  config.norm_after = true;
  config.qk_norm = QkNorm::kAllHeads;
  WindowPattern windows;
  CLAMMA_RETURN_IF_ERROR(windows.Find(keys, config, kPeriod));
  CLAMMA_RETURN_IF_ERROR(ReadLayers(memory, keys, file, [&](uint32_t i, LayerConfig* layer) {
    return windows.SetWithRope(i, layer);
  }));
  if (windows.any()) {
    config.n_ropes = 2;
    config.ropes[1].theta = config.ropes[0].theta;
  }
  return Status();
}

}  // namespace

constinit const Architecture kOlmo2Architecture = {
    .name = "olmo2",
    .tensors = {&kModelNames, &kPostNormNames, &kAttentionNames, &kQkNormNames, &kFeedForwardNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
