// SPDX-License-Identifier: MIT
// "gemma": Gemma. Its norms' weights are stored with 1 added.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kGemmaArchitecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  config.rope_style = RopeStyle::kHalves;
  config.glu = GluType::kGelu;
  config.embedding_scale = __builtin_sqrtf(static_cast<float>(config.dim));
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  return ReadLayers(memory, keys, file);
}

}  // namespace

constinit const Architecture kGemmaArchitecture = {
    .name = "gemma",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kFeedForwardNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
