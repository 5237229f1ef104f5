// SPDX-License-Identifier: MIT
// "qwen3moe": Qwen 3 with experts. The shares of the experts in use are renormalised, which equals
// the softmax of their logits alone.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kQwen3MoeArchitecture.name);
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &file->config));
  CLAMMA_RETURN_IF_ERROR(ReadExperts(keys, &file->config));
  file->config.rope_style = RopeStyle::kHalves;
  file->config.qk_norm = QkNorm::kPerHead;
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  return ReadLayers(memory, keys, file);
}

}  // namespace

constinit const Architecture kQwen3MoeArchitecture = {
    .name = "qwen3moe",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kQkNormNames, &kExpertNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
