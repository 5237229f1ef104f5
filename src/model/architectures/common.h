// SPDX-License-Identifier: MIT
// Shared by architectures: names of tensors in groups, and functions that read numbers.
#ifndef CLAMMA_MODEL_ARCHITECTURES_COMMON_H_
#define CLAMMA_MODEL_ARCHITECTURES_COMMON_H_

#include "model/architectures/architecture.h"
#include "model/architectures/keys.h"

namespace clamma {

extern const GgufTensorNames kModelNames;          // embedding, output and its norm, rope factors
extern const GgufTensorNames kAttentionNames;      // queries, keys, values and output
extern const GgufTensorNames kAttentionBiasNames;  // biases of these
extern const GgufTensorNames kFeedForwardNames;    // gate, up, down
extern const GgufTensorNames kFeedForwardBiasNames;
extern const GgufTensorNames kExpertNames;    // router and experts
extern const GgufTensorNames kNormNames;      // norms before a layer's parts
extern const GgufTensorNames kPostNormNames;  // norms after them
extern const GgufTensorNames kQkNormNames;

// Sets the numbers of the model: dim, layers, context and epsilon.
Status ReadModelNumbers(const ArchitectureKeys& keys, ModelConfig* config);

// Sets the numbers of a mixture of experts. Refuses what is not supported.
Status ReadExperts(const ArchitectureKeys& keys, ModelConfig* config);

// Refuses a model with windows of attention, or with soft caps of scores or logits.
Status RefuseWindowsAndSoftCaps(const ArchitectureKeys& keys);

// 1 / sqrt(dim / heads): the scale of scores in models where it does not depend on the head size.
float ScaleByModelWidth(const ModelConfig& config);

// Reads the numbers of layers.
class LayerNumbers {
 public:
  Status Find(const ArchitectureKeys& keys, const ModelConfig& config);
  Status Read(const ModelConfig& config, uint32_t index, LayerConfig* layer) const;

 private:
  LayerKey heads_, kv_heads_, hidden_, key_length_, value_length_;
};

// Adds all layers to the file; `adjust(index, layer)` sets what a layer has beyond its numbers.
// Then reads how positions are rotated.
template <typename Adjust>
Status ReadLayers(Memory& memory, const ArchitectureKeys& keys, ModelFile* file,
                  const Adjust& adjust) {
  ModelConfig& config = file->config;
  LayerNumbers numbers;
  CLAMMA_RETURN_IF_ERROR(numbers.Find(keys, config));
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    LayerConfig layer;
    CLAMMA_RETURN_IF_ERROR(numbers.Read(config, i, &layer));
    CLAMMA_RETURN_IF_ERROR(adjust(i, &layer));
    CLAMMA_RETURN_IF_ERROR(file->AddLayer(memory, layer));
  }
  config.rope_dims = config.widest.head_size;
  CLAMMA_RETURN_IF_ERROR(
      keys.OptionalUint("rope.dimension_count", 2, ModelLimits::kMaxDimension, &config.rope_dims));
  return keys.ReadRope(&config);
}
inline Status ReadLayers(Memory& memory, const ArchitectureKeys& keys, ModelFile* file) {
  return ReadLayers(memory, keys, file, [](uint32_t, LayerConfig*) { return Status(); });
}

// Which layers attend to a window. There are none if attention.sliding_window is missing or 0.
// Otherwise the first period - 1 of each `period` layers have one. attention.sliding_window_pattern
// replaces the period, or lists for each layer whether it has a window.
class WindowPattern {
 public:
  Status Find(const ArchitectureKeys& keys, const ModelConfig& config, uint32_t period);
  bool any() const { return window_ > 0; }
  Status WindowOf(uint32_t layer, uint32_t* window) const;  // 0: none
  // Sets a layer's window. Layers with a window rotate by ropes[1], the others by ropes[0].
  Status SetWithRope(uint32_t index, LayerConfig* layer) const;

 private:
  uint32_t window_ = 0;
  uint32_t period_ = 0;
  LayerKey pattern_;  // an array, or nothing
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_ARCHITECTURES_COMMON_H_
