// SPDX-License-Identifier: MIT
#include "model/model_file.h"

#include <algorithm>
#include <cassert>

namespace clamma {

Status ModelFile::AddLayer(Memory& memory, const LayerConfig& layer) {
  assert(n_added < config.n_layers);
  const uint32_t index = n_added++;
  LayerConfig& widest = config.widest;
  if (index == 0) widest = layer;
  if (layers.size() == 0) {
    if (layer == widest) return Status();
    CLAMMA_RETURN_IF_ERROR(layers.Resize(memory, config.n_layers));
    config.layers = layers.data();
    for (uint32_t i = 0; i < index && config.layers != nullptr; ++i) {
      layers[i] = widest;
      layers[i].kv_before = i * widest.kv_dim();
    }
  }
  widest.n_heads = std::max(widest.n_heads, layer.n_heads);
  widest.n_kv_heads = std::max(widest.n_kv_heads, layer.n_kv_heads);
  widest.head_size = std::max(widest.head_size, layer.head_size);
  widest.hidden_dim = std::max(widest.hidden_dim, layer.hidden_dim);
  if (config.layers == nullptr) return Status();  // a plan
  layers[index] = layer;
  layers[index].kv_before = layers[index - 1].kv_before + layers[index - 1].kv_dim();
  return Status();
}

}  // namespace clamma
