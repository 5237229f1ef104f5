// SPDX-License-Identifier: MIT
// Reads the keys of one architecture from a GGUF file: "llama.context_length" and so on.
#ifndef CLAMMA_MODEL_ARCHITECTURES_KEYS_H_
#define CLAMMA_MODEL_ARCHITECTURES_KEYS_H_

#include <cstdint>

#include "model/config.h"
#include "model/files/gguf.h"
#include "platform/status.h"

namespace clamma {

// A key with a number for each layer, or one for all.
struct LayerKey {
  char name[128];
  GgufValue value;

  // A missing key leaves *out as it is.
  Status Uint(uint32_t layer, uint32_t min, uint32_t max, uint32_t* out) const {
    return Gguf::GetLayerUint32(name, value, layer, {min, max}, out);
  }
};

// Keys are given without the architecture's name. A number out of range is an error that names the
// key.
class ArchitectureKeys {
 public:
  // Both must outlive this.
  ArchitectureKeys(const Gguf& gguf, const char* architecture)
      : gguf_(gguf), architecture_(architecture) {}

  Status Uint(const char* key, uint32_t min, uint32_t max, uint32_t* out) const;
  // A missing key leaves *out as it is.
  Status OptionalUint(const char* key, uint32_t min, uint32_t max, uint32_t* out) const;

  // Finds a key of layers: one value for all, or an array with one for each. It is searched for
  // only once, as a file may have very many layers, and a plan's search goes through all keys.
  Status FindLayers(const char* key, uint32_t n_layers, Gguf::Presence presence,
                    LayerKey* found) const;

  Status PositiveFloat(const char* key, float* out) const;
  // A missing key leaves *out as it is, and so does 0, which means "none".
  Status OptionalPositiveFloat(const char* key, float* out) const;
  Status OptionalBool(const char* key, bool* out) const;
  bool Has(const char* key) const;

  // Reads rope.freq_base and rope.scaling into ropes[0]. The scaling is none, linear, YaRN, or
  // longrope, whose factors are tensors; any other is refused. seq_len, rope_dims and short_context
  // must be set before.
  Status ReadRope(ModelConfig* config) const;
  // Sets the pairs between which YaRN mixes frequencies. Most models round them to whole pairs.
  Status ReadYarnRamp(bool whole_pairs, ModelConfig* config) const;

  // Refuse a model with a key of another value, as this is not supported. Booleans count as 0 and
  // 1.
  Status RefuseUnlessZero(const char* key) const;
  Status RefuseUnlessOne(const char* key) const;
  Status RefuseUnlessZeroOrOne(const char* key) const;  // for factors, where 0 means "none"

 private:
  // Reads a number, or a boolean as 0 or 1. A missing key leaves *out as it is.
  Status OptionalNumber(const char* full_key, float* out) const;
  Status Unsupported(const char* full_key) const;
  Status ReadYarn(float factor, RopeConfig* rope, ModelConfig* config) const;

  const Gguf& gguf_;
  const char* architecture_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_ARCHITECTURES_KEYS_H_
