// SPDX-License-Identifier: MIT
// A GGUF file's keys of one architecture: "llama.context_length" and the like.
#ifndef CLAMMA_MODEL_ARCHITECTURES_KEYS_H_
#define CLAMMA_MODEL_ARCHITECTURES_KEYS_H_

#include <cstdint>

#include "model/config.h"
#include "model/files/gguf.h"
#include "platform/status.h"

namespace clamma {

// A key that has a number of each layer.
struct LayerKey {
  char name[128];
  GgufValue value;

  // A missing key leaves *out as it is.
  Status Uint(uint32_t layer, uint32_t least, uint32_t most, uint32_t* out) const {
    return Gguf::GetLayerUint32(name, value, layer, {least, most}, out);
  }
};

// Keys are given without the architecture's name in front. Numbers out of range are errors that
// name the key.
class ArchitectureKeys {
 public:
  // Both must outlive this.
  ArchitectureKeys(const Gguf& gguf, const char* architecture)
      : gguf_(gguf), architecture_(architecture) {}

  Status Uint(const char* key, uint32_t least, uint32_t most, uint32_t* out) const;
  // A missing key leaves *out as it is.
  Status OptionalUint(const char* key, uint32_t least, uint32_t most, uint32_t* out) const;

  // The same for layers: one value for all, or an array with one for each. The key is searched for
  // once, as a file may say that there are many layers, and a plan searches one key after the
  // other.
  Status FindLayers(const char* key, uint32_t n_layers, Gguf::Presence presence,
                    LayerKey* found) const;

  Status PositiveFloat(const char* key, float* out) const;
  // A missing key leaves *out as it is, and so does 0, which says "none".
  Status OptionalPositiveFloat(const char* key, float* out) const;
  Status OptionalBool(const char* key, bool* out) const;
  bool Has(const char* key) const;

  // rope.freq_base and rope.scaling, to ropes[0]: none, linear, YaRN, or longrope, whose factors
  // are tensors; any other kind is refused. What it depends on must be known: seq_len, rope_dims
  // and short_context.
  Status ReadRope(ModelConfig* config) const;
  // Sets the pairs between which YaRN's frequencies are mixed, which most models round.
  Status ReadYarnRamp(bool whole_pairs, ModelConfig* config) const;

  // Refuse a model that wants what is not supported: a key that is there with another value. Of
  // booleans false is 0 and true is 1.
  Status RefuseUnlessZero(const char* key) const;
  Status RefuseUnlessOne(const char* key) const;
  Status RefuseUnlessZeroOrOne(const char* key) const;  // of factors, as 0 says "none"

 private:
  // The number that a key has, or 0 or 1 of a boolean. A missing key leaves *out as it is.
  Status OptionalNumber(const char* full_key, float* out) const;
  Status Unsupported(const char* full_key) const;
  Status ReadYarn(float factor, RopeConfig* rope, ModelConfig* config) const;

  const Gguf& gguf_;
  const char* architecture_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_ARCHITECTURES_KEYS_H_
