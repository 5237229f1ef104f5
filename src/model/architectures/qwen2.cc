// SPDX-License-Identifier: MIT
// "qwen2": Qwen 2 and 2.5. Queries, keys and values have biases.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kQwen2Architecture.name);
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &file->config));
  file->config.rope_style = RopeStyle::kHalves;
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  return ReadLayers(memory, keys, file);
}

}  // namespace

constinit const Architecture kQwen2Architecture = {
    .name = "qwen2",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kAttentionBiasNames,
                &kFeedForwardNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
