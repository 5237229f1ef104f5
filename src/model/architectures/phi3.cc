// SPDX-License-Identifier: MIT
// "phi3": Phi-3, Phi-3.5 and Phi-4-mini. Queries, keys and values are one tensor, gate and up
// another, and long sequences have other frequency factors. All layers have the file's window, as
// in transformers (models/phi3/modeling_phi3.py).
#include "model/architectures/common.h"

namespace clamma {
namespace {

constexpr GgufTensorName kNames[] = {
    {"rope_factors_short.weight", TensorId::kRopeFactors, false},
    {"rope_factors_long.weight", TensorId::kRopeLongFactors, false},
    {"attn_qkv.weight", TensorId::kQ, true, Fused::kQkv},
    {"attn_output.weight", TensorId::kAttentionOutput, true},
    {"ffn_up.weight", TensorId::kGate, true, Fused::kGateUp},
    {"ffn_down.weight", TensorId::kDown, true},
};

constexpr GgufTensorNames kOwnNames = NamesOf(kNames);

Status ReadConfig(Memory& memory, const Gguf& gguf, ModelFile* file) {
  const ArchitectureKeys keys(gguf, kPhi3Architecture.name);
  ModelConfig& config = file->config;
  CLAMMA_RETURN_IF_ERROR(ReadModelNumbers(keys, &config));
  config.rope_style = RopeStyle::kHalves;
  GgufTensor factors;
  if (gguf.FindTensor("rope_factors_long.weight", &factors)) {
    config.short_context = config.seq_len;
    CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("rope.scaling.original_context_length", 1,
                                             ModelLimits::kMaxSeqLen, &config.short_context));
  }
  uint32_t window = 0;
  CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("attention.sliding_window", 0, UINT32_MAX, &window));
  CLAMMA_RETURN_IF_ERROR(ReadLayers(memory, keys, file, [&](uint32_t, LayerConfig* layer) {
    layer->family.window = window;
    return Status();
  }));
  if (file->layers.size() == 0) return Status();
  return Status::Error(StatusCode::kCorrupt,
                       "layers of different shapes are not supported for architecture phi3");
}

}  // namespace

constinit const Architecture kPhi3Architecture = {
    .name = "phi3",
    .tensors = {&kModelNames, &kNormNames, &kOwnNames},
    .read_config = ReadConfig,
};

}  // namespace clamma
