// SPDX-License-Identifier: MIT
// "granite": Granite 3 and the dense models of Granite 4. They are Llamas with scales; that of the
// logits is a divisor. If the file says that its rotation is not "finetuned", nothing is rotated.
#include "model/architectures/common.h"

namespace clamma {
namespace {

Status ReadScales(const ArchitectureKeys& keys, FamilyConfig& config) {
  CLAMMA_RETURN_IF_ERROR(keys.OptionalPositiveFloat("attention.scale", &config.attention_scale));
  CLAMMA_RETURN_IF_ERROR(keys.OptionalPositiveFloat("embedding_scale", &config.embedding_scale));
  CLAMMA_RETURN_IF_ERROR(keys.OptionalPositiveFloat("residual_scale", &config.residual_scale));
  float divisor = 1.0f;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalPositiveFloat("logit_scale", &divisor));
  config.logit_scale = 1.0f / divisor;
  return Status();
}

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kGraniteArchitecture.name);
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &file->config));
  CLAMMA_RETURN_IF_ERROR(RefuseWindowsAndSoftCaps(keys));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("expert_count"));
  CLAMMA_RETURN_IF_ERROR(keys.RefuseUnlessZero("expert_shared_feed_forward_length"));
  CLAMMA_RETURN_IF_ERROR(ReadScales(keys, file->config));
  bool rotates = true;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalBool("rope.scaling.finetuned", &rotates));
  return ReadLayers(memory, keys, file, [&](uint32_t, LayerConfig* layer) {
    if (!rotates) layer->family.rope = kNoRope;
    return Status();
  });
}

}  // namespace

constinit const Architecture kGraniteArchitecture = {
    .name = "granite",
    .tensors = {&kModelNames, &kNormNames, &kAttentionNames, &kAttentionBiasNames,
                &kFeedForwardNames, &kFeedForwardBiasNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
