// SPDX-License-Identifier: MIT
#include "model/architectures/keys.h"

#include "platform/format.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

// "llama.context_length"
struct FullKey {
  FullKey(const char* architecture, const char* key) {
    Format(text, sizeof(text), "%s.%s", architecture, key);
  }
  char text[128];
};

}  // namespace

Status ArchitectureKeys::Uint(const char* key, uint32_t least, uint32_t most, uint32_t* out) const {
  return gguf_.GetUint32(FullKey(architecture_, key).text, Gguf::Presence::kRequired, {least, most},
                         out);
}

Status ArchitectureKeys::OptionalUint(const char* key, uint32_t least, uint32_t most,
                                      uint32_t* out) const {
  return gguf_.GetUint32(FullKey(architecture_, key).text, Gguf::Presence::kOptional, {least, most},
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

Status ArchitectureKeys::ReadRope(ModelConfig* config) const {
  const FullKey base(architecture_, "rope.freq_base");
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(base.text, Gguf::Presence::kOptional, &config->rope_theta));
  if (!(config->rope_theta > 0)) {
    return Status::Error(StatusCode::kCorrupt, "the key %s is not above 0", base.text);
  }
  std::string_view type = "linear";
  CLAMMA_RETURN_IF_ERROR(gguf_.GetString(FullKey(architecture_, "rope.scaling.type").text,
                                         Gguf::Presence::kOptional, &type));
  if (type == "none") return Status();
  if (type != "linear") {
    return Status::Error(StatusCode::kCorrupt,
                         "rotary scaling of the kind %s is not supported: only none and linear are",
                         Quoted(type).c_str());
  }
  float factor = 0;  // 0 and 1 say "none"
  // An older name for it.
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(FullKey(architecture_, "rope.scale_linear").text,
                                        Gguf::Presence::kOptional, &factor));
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(FullKey(architecture_, "rope.scaling.factor").text,
                                        Gguf::Presence::kOptional, &factor));
  if (factor < 0) {
    return Status::Error(StatusCode::kCorrupt, "the factor of %s's rotary scaling is below 0",
                         architecture_);
  }
  if (factor > 0) config->rope_frequency_scale = 1.0f / factor;
  return Status();
}

Status ArchitectureKeys::RefuseUnlessZero(const char* key, const char* what) const {
  const FullKey full(architecture_, key);
  float value = 0;
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(full.text, Gguf::Presence::kOptional, &value));
  if (value == 0) return Status();
  return Status::Error(StatusCode::kCorrupt,
                       "%s are not supported in models of architecture %s: %s", what, architecture_,
                       full.text);
}

Status ArchitectureKeys::RefuseUnlessOne(const char* key) const {
  const FullKey full(architecture_, key);
  float value = 1;
  CLAMMA_RETURN_IF_ERROR(gguf_.GetFloat(full.text, Gguf::Presence::kOptional, &value));
  if (value == 0 || value == 1) return Status();
  return Status::Error(StatusCode::kCorrupt, "the key %s is not supported for architecture %s",
                       full.text, architecture_);
}

}  // namespace clamma
