// SPDX-License-Identifier: MIT
// "smollm3": SmolLM3. It is a Llama in which every fourth layer does not rotate; its files do not
// say so.
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr uint32_t kPeriod = 4;

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kSmolLm3Architecture.name);
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &file->config));
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  return ReadLayers(memory, keys, file, [&](uint32_t i, LayerConfig* layer) {
    if (i % kPeriod == kPeriod - 1) layer->family.rope = kNoRope;
    return Status();
  });
}

}  // namespace

constinit const Architecture kSmolLm3Architecture = {
    .name = "smollm3",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kAttentionBiasNames,
                &kFeedForwardNames, &kFeedForwardBiasNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
