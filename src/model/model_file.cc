// SPDX-License-Identifier: MIT
#include "model/model_file.h"

#include <algorithm>
#include <cassert>

#include "platform/format.h"

namespace clamma {
namespace {

Status CheckNumbers(const ModelConfig& config, uint32_t index) {
  const LayerConfig& c = config.layer(index);
  const auto layer = static_cast<unsigned>(index);
  if (c.n_heads == 0 || c.n_kv_heads == 0 || c.head_size == 0 || c.hidden_dim == 0) {
    return Status::Error(StatusCode::kCorrupt, "layer %u has no heads, or no width", layer);
  }
  if (c.n_heads % c.n_kv_heads != 0) {
    return Status::Error(StatusCode::kCorrupt, "layer %u: %u heads cannot share %u kv heads", layer,
                         static_cast<unsigned>(c.n_heads), static_cast<unsigned>(c.n_kv_heads));
  }
  if (config.rope_dims % 2 != 0 || config.rope_dims > c.head_size) {
    return Status::Error(
        StatusCode::kCorrupt, "layer %u: of heads of %u elements %u are to be rotated", layer,
        static_cast<unsigned>(c.head_size), static_cast<unsigned>(config.rope_dims));
  }
  return Status();
}

// The name of a tensor in messages: "blk.1.attn_k.weight", or 'key' of layer 1.
struct Label {
  Label(const ModelFile& file, TensorId id, uint32_t layer, bool of_layer) {
    if constexpr (kHasGguf) {
      char name[64] = "";
      if (file.name_of != nullptr) file.name_of(file, id, layer, name, sizeof(name));
      if (name[0] != '\0') {
        Format(text, sizeof(text), "\"%s\"", name);
        return;
      }
    }
    if (of_layer) {
      Format(text, sizeof(text), "'%s' of layer %u", TensorName(id), static_cast<unsigned>(layer));
    } else {
      Format(text, sizeof(text), "'%s' of the model", TensorName(id));
    }
  }
  char text[100];
};

// Checks the tensors of a layer, or of the model.
struct ShapeCheck {
  const ModelFile& file;
  uint32_t layer;
  bool of_layer = true;
  uint32_t first = layer;  // the index in the directory; for experts, layer * n_experts

  Status Require(TensorId id, uint64_t rows, uint64_t cols) const {
    TensorPlace place;
    if (file.tensors.Find(id, first, &place)) return Allow(id, rows, cols);
    return Status::Error(StatusCode::kCorrupt, "there is no tensor %s",
                         Label(file, id, layer, of_layer).text);
  }

  Status Allow(TensorId id, uint64_t rows, uint64_t cols) const {
    TensorPlace place;
    if (!file.tensors.Find(id, first, &place) || (place.rows == rows && place.cols == cols)) {
      return Status();
    }
    const Label label(file, id, layer, of_layer);
    if (IsVector(id)) {
      return Status::Error(StatusCode::kCorrupt, "tensor %s has %u elements, and %llu are expected",
                           label.text, static_cast<unsigned>(place.cols), Ull{cols});
    }
    return Status::Error(StatusCode::kCorrupt,
                         "tensor %s has %u rows of %u columns, and %llu of %llu are expected",
                         label.text, static_cast<unsigned>(place.rows),
                         static_cast<unsigned>(place.cols), Ull{rows}, Ull{cols});
  }
};

// Checks a layer's norms after its parts, and of queries and keys.
Status CheckNorms(const ShapeCheck& layer, const ModelConfig& config, const LayerConfig& c) {
  if (config.norm_after) {
    CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kAttentionPostNorm, 1, config.dim));
    CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kFfnPostNorm, 1, config.dim));
  }
  if (config.qk_norm == QkNorm::kNone) return Status();
  const bool together = config.qk_norm == QkNorm::kAllHeads;
  CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kQNorm, 1, together ? c.q_dim() : c.head_size));
  return layer.Require(TensorId::kKNorm, 1, together ? c.kv_dim() : c.head_size);
}

// Checks the experts of a layer. All have the same shape and are stored together, so the first
// stands for all.
Status CheckExperts(const ShapeCheck& layer, const ModelConfig& config, uint64_t hidden_dim) {
  CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kRouter, config.n_experts, config.dim));
  CLAMMA_RETURN_IF_ERROR(layer.Allow(TensorId::kRouterBias, 1, config.n_experts));
  const ShapeCheck first = {layer.file, layer.layer, true, layer.layer * config.n_experts};
  CLAMMA_RETURN_IF_ERROR(first.Require(TensorId::kExpertGate, hidden_dim, config.dim));
  CLAMMA_RETURN_IF_ERROR(first.Require(TensorId::kExpertUp, hidden_dim, config.dim));
  CLAMMA_RETURN_IF_ERROR(first.Require(TensorId::kExpertDown, config.dim, hidden_dim));
  CLAMMA_RETURN_IF_ERROR(first.Allow(TensorId::kExpertGateBias, 1, hidden_dim));
  CLAMMA_RETURN_IF_ERROR(first.Allow(TensorId::kExpertUpBias, 1, hidden_dim));
  return first.Allow(TensorId::kExpertDownBias, 1, config.dim);
}

// Whether a layer does not need a tensor that most layers have.
bool DoesWithout(const ModelConfig& config, TensorId id) {
  const bool norm = id == TensorId::kAttentionNorm || id == TensorId::kFfnNorm;
  const bool dense = id == TensorId::kGate || id == TensorId::kUp || id == TensorId::kDown;
  return (norm && !config.norm_before) || (dense && config.n_experts > 0);
}

Status CheckLayer(const ModelFile& file, uint32_t index) {
  const ModelConfig& config = file.config;
  const LayerConfig& c = config.layer(index);
  const ShapeCheck layer = {file, index};
  const struct {
    TensorId id;
    uint64_t rows, cols;
  } required[] = {
      {TensorId::kAttentionNorm, 1, config.dim},
      {TensorId::kQ, c.q_dim(), config.dim},
      {TensorId::kK, c.kv_dim(), config.dim},
      {TensorId::kV, c.kv_dim(), config.dim},
      {TensorId::kAttentionOutput, config.dim, c.q_dim()},
      {TensorId::kFfnNorm, 1, config.dim},
      {TensorId::kGate, c.hidden_dim, config.dim},
      {TensorId::kUp, c.hidden_dim, config.dim},
      {TensorId::kDown, config.dim, c.hidden_dim},
  };
  for (const auto& r : required) {
    if (kHasGguf && DoesWithout(config, r.id)) continue;
    CLAMMA_RETURN_IF_ERROR(layer.Require(r.id, r.rows, r.cols));
  }
  const struct {
    TensorId id;
    uint64_t size;
  } biases[] = {
      {TensorId::kQBias, c.q_dim()},       {TensorId::kKBias, c.kv_dim()},
      {TensorId::kVBias, c.kv_dim()},      {TensorId::kAttentionOutputBias, config.dim},
      {TensorId::kGateBias, c.hidden_dim}, {TensorId::kUpBias, c.hidden_dim},
      {TensorId::kDownBias, config.dim},
  };
  for (const auto& b : biases) CLAMMA_RETURN_IF_ERROR(layer.Allow(b.id, 1, b.size));
  if constexpr (kHasGguf) {
    CLAMMA_RETURN_IF_ERROR(layer.Allow(TensorId::kSinks, 1, c.n_heads));
    CLAMMA_RETURN_IF_ERROR(CheckNorms(layer, config, c));
    if (config.n_experts > 0) return CheckExperts(layer, config, c.hidden_dim);
  }
  return Status();
}

// A template, so that builds without windows do not compile it.
template <typename Layer>
void WidenWindow(const Layer& layer, Layer* widest) {
  if constexpr (kHasGguf)
    widest->family.window = std::max(widest->family.window, layer.family.window);
}

Status CheckModelTensors(const ModelFile& file) {
  const ModelConfig& config = file.config;
  const ShapeCheck model = {file, 0, false};
  CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kEmbedding, config.vocab_size, config.dim));
  CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kOutputNorm, 1, config.dim));
  CLAMMA_RETURN_IF_ERROR(model.Allow(TensorId::kOutput, config.vocab_size, config.dim));
  if (config.short_context > 0) {
    CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kRopeFactors, 1, config.rope_dims / 2));
    CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kRopeLongFactors, 1, config.rope_dims / 2));
  }
  return model.Allow(TensorId::kRopeFactors, 1, config.rope_dims / 2);
}

}  // namespace

ModelFile::ModelFile() = default;

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
      layers[i].kv_before = widest.kv_count() * i;
    }
  }
  widest.n_heads = std::max(widest.n_heads, layer.n_heads);
  widest.n_kv_heads = std::max(widest.n_kv_heads, layer.n_kv_heads);
  widest.head_size = std::max(widest.head_size, layer.head_size);
  widest.hidden_dim = std::max(widest.hidden_dim, layer.hidden_dim);
  WidenWindow(layer, &widest);
  if (config.layers == nullptr) return Status();  // a plan
  layers[index] = layer;
  layers[index].kv_before = config.kv_count(index, layer.has_window());
  return Status();
}

Status ModelFile::Check() const {
  if (tensors.is_plan()) return Status();
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckNumbers(config, i));
    if (layers.size() == 0) break;  // all are alike
  }
  CLAMMA_RETURN_IF_ERROR(CheckModelTensors(*this));
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckLayer(*this, i));
  }
  return Status();
}

}  // namespace clamma
