// SPDX-License-Identifier: MIT
// "qwen3": Qwen 3. Each head's queries and keys are normalised before they are rotated.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kQwen3Architecture.name);
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &file->config));
  file->config.rope_style = RopeStyle::kHalves;
  file->config.qk_norm = QkNorm::kPerHead;
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  return ReadLayers(memory, keys, file);
}

}  // namespace

constinit const Architecture kQwen3Architecture = {
    .name = "qwen3",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kQkNormNames, &kFeedForwardNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
