// SPDX-License-Identifier: MIT
// "mistral3": Ministral 3 and Mistral Small 3. They are Llamas with YaRN; beyond the original
// context, queries grow with the position.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kMistral3Architecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("expert_count"));
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalPositiveFloat("attention.temperature_scale", &config.query_growth));
  config.query_step = config.seq_len;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("rope.scaling.original_context_length", 1,
                                           ModelLimits::kMaxSeqLen, &config.query_step));
  return ReadLayers(memory, keys, file);
}

}  // namespace

constinit const Architecture kMistral3Architecture = {
    .name = "mistral3",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kAttentionBiasNames,
                &kFeedForwardNames, &kFeedForwardBiasNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
