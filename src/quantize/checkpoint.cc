// SPDX-License-Identifier: MIT
#include "quantize/checkpoint.h"

#include <cmath>
#include <cstring>

#include "platform/endian.h"
#include "platform/format.h"

namespace clamma {
namespace {

// Values that the format assumes.
constexpr float kRopeTheta = 10000.0f;
constexpr double kNormEpsilon = 1e-5;

constexpr uint32_t kMagic = 0x616b3432;  // "ak42" as a number
constexpr uint32_t kVersion = 2;
// A scale takes 4 bytes, so a weight takes 2 bytes in groups of 4, and 3 or 5 bytes in smaller
// groups.
constexpr uint32_t kMinGroup = 4;

Status Refuse(const char* what) {
  return Status::Error(StatusCode::kInvalidArgument, "q80 checkpoints cannot express it: %s", what);
}

Status CheckLayers(const ModelConfig& config) {
  for (uint32_t i = 1; config.layers != nullptr && i < config.n_layers; ++i) {
    LayerConfig layer = config.layer(i);
    layer.kv_before = config.layer(0).kv_before;
    if (layer == config.layer(0)) continue;
    char what[96];
    Format(what, sizeof(what), "layer %u has other heads or another width than layer 0",
           static_cast<unsigned>(i));
    return Refuse(what);
  }
  return Status();
}

Status CheckHeads(const ModelConfig& config) {
  const LayerConfig& layer = config.widest;
  char what[160];
  if (layer.q_dim() != config.dim) {
    Format(what, sizeof(what),
           "%u heads of %u elements (attention.key_length) are not its width %u",
           static_cast<unsigned>(layer.n_heads), static_cast<unsigned>(layer.head_size),
           static_cast<unsigned>(config.dim));
    return Refuse(what);
  }
  if (config.rope_dims == layer.head_size) return Status();
  Format(what, sizeof(what), "%u of the %u elements of a head are rotated (rope.dimension_count)",
         static_cast<unsigned>(config.rope_dims), static_cast<unsigned>(layer.head_size));
  return Refuse(what);
}

// The file cannot express the features of architectures other than llama.
Status CheckArchitecture(const ModelFile& model) {
  if (std::strcmp(model.architecture, "llama") != 0) {
    char what[96];
    Format(what, sizeof(what), "it is of architecture %s, and not llama", model.architecture);
    return Refuse(what);
  }
  return model.config.n_experts > 0 ? Refuse("it is a mixture of experts") : Status();
}

Status CheckRope(const ModelFile& model) {
  const RopeConfig& rope = model.config.ropes[0];
  if (rope.theta != kRopeTheta) {
    char what[96];
    const auto theta = static_cast<double>(rope.theta);
    const bool fits = theta >= 0 && theta < 1e18;
    Format(what, sizeof(what), "its rotary base (rope.freq_base) is %s%llu, and not 10000",
           fits ? "" : "above ", Ull{fits ? static_cast<uint64_t>(theta) : uint64_t{1} << 62});
    return Refuse(what);
  }
  if (rope.frequency_scale != 1.0f || rope.yarn) {
    return Refuse("its rotary positions are scaled (rope.scaling)");
  }
  if (model.tensors.Has(TensorId::kRopeFactors)) {
    return Refuse("it has factors of rotary frequencies (rope_freqs.weight)");
  }
  return Status();
}

Status CheckBiases(const Tensors& tensors) {
  for (const TensorId id :
       {TensorId::kQBias, TensorId::kKBias, TensorId::kVBias, TensorId::kAttentionOutputBias,
        TensorId::kGateBias, TensorId::kUpBias, TensorId::kDownBias}) {
    if (!tensors.Has(id)) continue;
    char what[96];
    Format(what, sizeof(what), "it has biases (%s)", TensorName(id));
    return Refuse(what);
  }
  return Status();
}

// Chooses a power of two that divides the rows of every matrix, which have dim or hidden_dim
// elements.
Status ChooseGroup(const ModelConfig& config, uint32_t* group) {
  const auto dim = static_cast<unsigned>(config.dim);
  const auto hidden = static_cast<unsigned>(config.widest.hidden_dim);
  *group = kMaxCheckpointGroup;
  while (dim % *group != 0 || hidden % *group != 0) *group /= 2;
  if (*group >= kMinGroup) return Status();
  char what[160];
  Format(what, sizeof(what),
         "rows of %u and %u elements only split into groups of %u, and int8 saves "
         "nothing in groups of less than %u",
         dim, hidden, static_cast<unsigned>(*group), static_cast<unsigned>(kMinGroup));
  return Refuse(what);
}

// The shortest decimal number that rounds to `value` as a float: 1e-6, not 9.99999997e-07.
// export.py reads this number, and the factors must be the same.
double ShortestDecimal(float value) {
  double power = 1;  // of ten; exact up to 10^22, so the quotients below are rounded only once
  for (int places = 0; places <= 22; ++places) {
    const double digits = std::floor(static_cast<double>(value) * power + 0.5);
    if (digits >= 1e9) break;  // nine digits distinguish all floats
    if (static_cast<float>(digits / power) == value) return digits / power;
    power *= 10;
  }
  return static_cast<double>(value);
}

}  // namespace

Status PlanCheckpoint(const ModelFile& model, CheckpointPlan* plan) {
  CLAMMA_RETURN_IF_ERROR(CheckArchitecture(model));
  CLAMMA_RETURN_IF_ERROR(CheckLayers(model.config));
  CLAMMA_RETURN_IF_ERROR(CheckHeads(model.config));
  CLAMMA_RETURN_IF_ERROR(CheckRope(model));
  CLAMMA_RETURN_IF_ERROR(CheckBiases(model.tensors));
  plan->shared_classifier = model.config.shared_classifier;
  return ChooseGroup(model.config, &plan->group_size);
}

void ScaleForNorms(float norm_epsilon, CheckpointPlan* plan) {
  const double factor = std::sqrt(kNormEpsilon / ShortestDecimal(norm_epsilon));
  const double difference = factor < 1 ? 1 - factor : factor - 1;
  if (difference <= 1e-6 * (factor < 1 ? 1 : factor)) return;  // 1e-5 as a float
  plan->stream_factor = static_cast<float>(factor);
  if (plan->shared_classifier) plan->final_norm_factor = static_cast<float>(1 / factor);
}

float FactorOf(TensorId id, const CheckpointPlan& plan) {
  switch (id) {
    case TensorId::kEmbedding:
    case TensorId::kAttentionOutput:
    case TensorId::kDown:
      return plan.stream_factor;
    case TensorId::kOutputNorm:
      return plan.final_norm_factor;
    default:
      return 1;
  }
}

void WriteCheckpointHeader(const ModelFile& model, const CheckpointPlan& plan,
                           uint8_t (&header)[kLlama2cHeaderBytes]) {
  const ModelConfig& config = model.config;
  const LayerConfig& layer = config.widest;
  const uint32_t numbers[] = {kMagic,           kVersion,          config.dim,
                              layer.hidden_dim, config.n_layers,   layer.n_heads,
                              layer.n_kv_heads, config.vocab_size, config.seq_len};
  std::memset(header, 0, sizeof(header));
  uint8_t* out = header;
  for (const uint32_t number : numbers) {
    WriteLe32(out, number);
    out += 4;
  }
  *out++ = plan.shared_classifier ? 1 : 0;
  WriteLe32(out, plan.group_size);
  const TextTokens* const tokens = TextTokensOf(model);
  if (tokens == nullptr) return;
  out = header + kTextTokensOffset;
  WriteLe32(out, kTextTokensMagic);
  WriteLe32(out + 4, static_cast<uint32_t>(tokens->bos));
  WriteLe32(out + 8, tokens->n_ends);
  for (uint32_t i = 0; i < tokens->n_ends; ++i) {
    WriteLe32(out + 12 + size_t{4} * i, static_cast<uint32_t>(tokens->ends[i]));
  }
}

}  // namespace clamma
