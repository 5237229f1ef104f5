// SPDX-License-Identifier: MIT
#include "model/architectures/keys.h"

#include <algorithm>

#include "kernels/math.h"
#include "platform/format.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr double kTwoPi = 6.283185307179586;

// A key with the architecture's name: "llama.context_length".
struct FullKey {
  FullKey(const char* architecture, const char* key) {
    Format(text, sizeof(text), "%s.%s", architecture, key);
  }
  char text[128];
};

}  // namespace

Status ArchitectureKeys::Uint(const char* key, uint32_t min, uint32_t max, uint32_t* out) const {
  return gguf_.GetUint32(FullKey(architecture_, key).text, Gguf::Presence::kRequired, {min, max},
                         out);
}

Status ArchitectureKeys::OptionalUint(const char* key, uint32_t min, uint32_t max,
                                      uint32_t* out) const {
  return gguf_.GetUint32(FullKey(architecture_, key).text, Gguf::Presence::kOptional, {min, max},
                         out);
}

Status ArchitectureKeys::FindLayers(const char* key, uint32_t n_layers, Gguf::Presence presence,
                                    LayerKey* found) const {
  Format(found->name, sizeof(found->name), "%s.%s", architecture_, key);
  return gguf_.FindLayers(found->name, n_layers, presence, &found->value);
}

Status ArchitectureKeys::PositiveFloat(const char* key, float* out) const {
  const FullKey full(architecture_, key);
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(full.text, Gguf::Presence::kRequired, out));
  if (*out > 0) return Status();
  return Status::Error(StatusCode::kCorrupt, "the key %s is not above 0", full.text);
}

Status ArchitectureKeys::OptionalPositiveFloat(const char* key, float* out) const {
  const FullKey full(architecture_, key);
  float value = 0;
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(full.text, Gguf::Presence::kOptional, &value));
  if (value < 0) {
    return Status::Error(StatusCode::kCorrupt, "the key %s is below 0", full.text);
  }
  if (value > 0) *out = value;
  return Status();
}

Status ArchitectureKeys::OptionalBool(const char* key, bool* out) const {
  return gguf_.GetBool(FullKey(architecture_, key).text, Gguf::Presence::kOptional, out);
}

bool ArchitectureKeys::Has(const char* key) const {
  GgufValue value;
  return gguf_.Find(FullKey(architecture_, key).text, &value);
}

Status ArchitectureKeys::ReadRope(ModelConfig* config) const {
  const FullKey base(architecture_, "rope.freq_base");
  RopeConfig& rope = config->ropes[0];
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(base.text, Gguf::Presence::kOptional, &rope.theta));
  if (!(rope.theta > 0)) {
    return Status::Error(StatusCode::kCorrupt, "the key %s is not above 0", base.text);
  }
  CLAMMA_RETURN_IF_ERROR(OptionalPositiveFloat("rope.scaling.attn_factor", &rope.magnitude));
  std::string_view type = "linear";
  CLAMMA_RETURN_IF_ERROR(gguf_.GetString(FullKey(architecture_, "rope.scaling.type").text,
                                         Gguf::Presence::kOptional, &type));
  if (type == "none" || (type == "longrope" && config->short_context > 0)) return Status();
  if (type != "linear" && type != "yarn") {
    return Status::Error(StatusCode::kCorrupt,
                         "rotary scaling of the kind %s is not supported for architecture %s: "
                         "none, linear and yarn are",
                         Quoted(type).c_str(), architecture_);
  }
  float factor = 0;  // 0 and 1 mean "none"
  // An older name of rope.scaling.factor.
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(FullKey(architecture_, "rope.scale_linear").text,
                                        Gguf::Presence::kOptional, &factor));
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(FullKey(architecture_, "rope.scaling.factor").text,
                                        Gguf::Presence::kOptional, &factor));
  if (factor < 0) {
    return Status::Error(StatusCode::kCorrupt, "the factor of %s's rotary scaling is below 0",
                         architecture_);
  }
  if (factor > 0) rope.frequency_scale = 1.0f / factor;
  return type == "yarn" ? ReadYarn(factor, &rope, config) : Status();
}

// Reads what YaRN has beyond the factor. (transformers: modeling_rope_utils.py)
Status ArchitectureKeys::ReadYarn(float factor, RopeConfig* rope, ModelConfig* config) const {
  CLAMMA_RETURN_IF_ERROR(RefuseUnlessZeroOrOne("rope.scaling.yarn_ext_factor"));
  rope->yarn = true;
  CLAMMA_RETURN_IF_ERROR(ReadYarnRamp(/*whole_pairs=*/true, config));
  if (!(factor > 1)) return Status();
  const auto log_factor = static_cast<float>(LogDouble(static_cast<double>(factor)));
  float of_magnitude = 0;  // reduces the growth of the magnitude
  float times = 1.0f;
  CLAMMA_RETURN_IF_ERROR(OptionalPositiveFloat("rope.scaling.yarn_log_multiplier", &of_magnitude));
  CLAMMA_RETURN_IF_ERROR(OptionalPositiveFloat("rope.scaling.yarn_attn_factor", &times));
  rope->magnitude *= times * (1.0f + 0.1f * log_factor) / (1.0f + 0.1f * of_magnitude * log_factor);
  return Status();
}

Status ArchitectureKeys::ReadYarnRamp(bool whole_pairs, ModelConfig* config) const {
  RopeConfig& rope = config->ropes[0];
  if (!rope.yarn) return Status();
  uint32_t original = config->seq_len;
  float fast = 32.0f;  // turns within the original context
  float slow = 1.0f;
  CLAMMA_RETURN_IF_ERROR(
      OptionalUint("rope.scaling.original_context_length", 1, ModelLimits::kMaxSeqLen, &original));
  CLAMMA_RETURN_IF_ERROR(OptionalPositiveFloat("rope.scaling.yarn_beta_fast", &fast));
  CLAMMA_RETURN_IF_ERROR(OptionalPositiveFloat("rope.scaling.yarn_beta_slow", &slow));
  const double log_theta = LogDouble(static_cast<double>(rope.theta));
  const auto dims = static_cast<double>(config->rope_dims);
  // The pair that makes so many turns in the original context, clamped to [0, dims - 1]. (Not all
  // of these are pairs.)
  const auto pair_of = [&](float turns, bool up) {
    const double wave = static_cast<double>(original) / (static_cast<double>(turns) * kTwoPi);
    double pair = dims * LogDouble(wave) / (2 * log_theta);
    if (!(pair > 0)) return 0.0f;
    pair = std::min(pair, dims - 1);
    const auto floor = static_cast<double>(static_cast<uint32_t>(pair));
    if (whole_pairs) pair = up && floor < pair ? floor + 1 : floor;
    return static_cast<float>(pair);
  };
  rope.ramp_begin = pair_of(fast, false);
  rope.ramp_end = pair_of(slow, true);
  return Status();
}

Status ArchitectureKeys::OptionalNumber(const char* full_key, float* out) const {
  bool truth = false;
  GgufValue value;
  if (!gguf_.Find(full_key, &value) || !value.Bool(0, &truth)) {
    return gguf_.GetFloat(full_key, Gguf::Presence::kOptional, out);
  }
  *out = truth ? 1 : 0;
  return Status();
}

Status ArchitectureKeys::Unsupported(const char* full_key) const {
  return Status::Error(StatusCode::kCorrupt,
                       "the value of key \"%s\" is not supported in models of architecture %s",
                       full_key, architecture_);
}

Status ArchitectureKeys::RefuseUnlessZero(const char* key) const {
  const FullKey full(architecture_, key);
  float value = 0;
  CLAMMA_RETURN_IF_ERROR(OptionalNumber(full.text, &value));
  return value == 0 ? Status() : Unsupported(full.text);
}

Status ArchitectureKeys::RefuseUnlessOne(const char* key) const {
  const FullKey full(architecture_, key);
  float value = 1;
  CLAMMA_RETURN_IF_ERROR(OptionalNumber(full.text, &value));
  return value == 1 ? Status() : Unsupported(full.text);
}

Status ArchitectureKeys::RefuseUnlessZeroOrOne(const char* key) const {
  const FullKey full(architecture_, key);
  float value = 1;
  CLAMMA_RETURN_IF_ERROR(OptionalNumber(full.text, &value));
  return value == 0 || value == 1 ? Status() : Unsupported(full.text);
}

}  // namespace clamma
