// SPDX-License-Identifier: MIT
// "llama": Llama 2 and 3, and models of the same form: TinyLlama, SmolLM and SmolLM2, Mistral 7B,
// and with experts, Mixtral. The converter reorders the rows of queries and keys so that adjacent
// elements are rotated together.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kLlamaArchitecture.name);
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &file->config));
  uint32_t n_experts = 0;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("expert_count", 0, UINT32_MAX, &n_experts));
  if (n_experts > 0) CLAMMA_RETURN_IF_ERROR(ReadExperts(keys, &file->config));
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  for (const char* scale :
       {"attention.scale", "embedding_scale", "residual_scale", "logit_scale"}) {
    CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZeroOrOne(scale));
  }
  return ReadLayers(memory, keys, file);
}

}  // namespace

constinit const Architecture kLlamaArchitecture = {
    .name = "llama",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kAttentionBiasNames,
                &kFeedForwardNames, &kFeedForwardBiasNames, &kExpertNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
