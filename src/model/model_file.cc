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

// Checks tensors of a layer, or of the model.
struct ShapeCheck {
  const Tensors& tensors;
  uint32_t layer;
  const char* where;  // " of layer 3"

  Status Require(TensorId id, uint64_t rows, uint64_t cols) const {
    TensorPlace place;
    if (tensors.Find(id, layer, &place)) return Allow(id, rows, cols);
    return Status::Error(StatusCode::kCorrupt, "there is no tensor '%s'%s", TensorName(id), where);
  }

  Status Allow(TensorId id, uint64_t rows, uint64_t cols) const {
    TensorPlace place;
    if (!tensors.Find(id, layer, &place) || (place.rows == rows && place.cols == cols)) {
      return Status();
    }
    return Status::Error(
        StatusCode::kCorrupt, "the tensor '%s'%s has %u rows of %u, and %llu of %llu are expected",
        TensorName(id), where, static_cast<unsigned>(place.rows), static_cast<unsigned>(place.cols),
        static_cast<unsigned long long>(rows), static_cast<unsigned long long>(cols));
  }
};

// A layer's norms.
Status CheckNorms(const ShapeCheck& layer, const ModelConfig& config, const LayerConfig& c) {
  const bool heads = config.qk_norm == QkNorm::kAllHeads;
  const struct {
    TensorId id;
    bool required;
    uint64_t size;
  } norms[] = {
      {TensorId::kAttentionNorm, config.norm_before, config.dim},
      {TensorId::kFfnNorm, config.norm_before, config.dim},
      {TensorId::kAttentionPostNorm, config.norm_after, config.dim},
      {TensorId::kFfnPostNorm, config.norm_after, config.dim},
      {TensorId::kQNorm, config.qk_norm != QkNorm::kNone, heads ? c.q_dim() : c.head_size},
      {TensorId::kKNorm, config.qk_norm != QkNorm::kNone, heads ? c.kv_dim() : c.head_size},
  };
  for (const auto& norm : norms) {
    if (norm.required) CLAMMA_RETURN_IF_ERROR(layer.Require(norm.id, 1, norm.size));
  }
  return Status();
}

// A layer's feed-forward part or, of a mixture, what its experts have.
Status CheckFeedForward(const ShapeCheck& layer, const ModelConfig& config, uint64_t hidden_dim) {
  if (config.n_experts == 0) {
    CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kGate, hidden_dim, config.dim));
    CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kUp, hidden_dim, config.dim));
    CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kDown, config.dim, hidden_dim));
    CLAMMA_RETURN_IF_ERROR(layer.Allow(TensorId::kGateBias, 1, hidden_dim));
    CLAMMA_RETURN_IF_ERROR(layer.Allow(TensorId::kUpBias, 1, hidden_dim));
    return layer.Allow(TensorId::kDownBias, 1, config.dim);
  }
  CLAMMA_RETURN_IF_ERROR(layer.Require(TensorId::kRouter, config.n_experts, config.dim));
  CLAMMA_RETURN_IF_ERROR(layer.Allow(TensorId::kRouterBias, 1, config.n_experts));
  // A layer's experts have one shape, and are there together.
  const ShapeCheck first = {layer.tensors, layer.layer * config.n_experts, layer.where};
  CLAMMA_RETURN_IF_ERROR(first.Require(TensorId::kExpertGate, hidden_dim, config.dim));
  CLAMMA_RETURN_IF_ERROR(first.Require(TensorId::kExpertUp, hidden_dim, config.dim));
  CLAMMA_RETURN_IF_ERROR(first.Require(TensorId::kExpertDown, config.dim, hidden_dim));
  CLAMMA_RETURN_IF_ERROR(first.Allow(TensorId::kExpertGateBias, 1, hidden_dim));
  CLAMMA_RETURN_IF_ERROR(first.Allow(TensorId::kExpertUpBias, 1, hidden_dim));
  return first.Allow(TensorId::kExpertDownBias, 1, config.dim);
}

Status CheckLayer(const Tensors& tensors, const ModelConfig& config, uint32_t index) {
  const LayerConfig& c = config.layer(index);
  char where[32];
  Format(where, sizeof(where), " of layer %u", static_cast<unsigned>(index));
  const ShapeCheck layer = {tensors, index, where};
  const struct {
    TensorId id;
    uint64_t rows, cols;
  } required[] = {
      {TensorId::kQ, c.q_dim(), config.dim},
      {TensorId::kK, c.kv_dim(), config.dim},
      {TensorId::kV, c.kv_dim(), config.dim},
      {TensorId::kAttentionOutput, config.dim, c.q_dim()},
  };
  for (const auto& r : required) CLAMMA_RETURN_IF_ERROR(layer.Require(r.id, r.rows, r.cols));
  const struct {
    TensorId id;
    uint64_t size;
  } biases[] = {
      {TensorId::kQBias, c.q_dim()},  {TensorId::kKBias, c.kv_dim()},
      {TensorId::kVBias, c.kv_dim()}, {TensorId::kAttentionOutputBias, config.dim},
      {TensorId::kSinks, c.n_heads},
  };
  for (const auto& b : biases) CLAMMA_RETURN_IF_ERROR(layer.Allow(b.id, 1, b.size));
  CLAMMA_RETURN_IF_ERROR(CheckNorms(layer, config, c));
  return CheckFeedForward(layer, config, c.hidden_dim);
}

}  // namespace

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

Status ModelFile::Check() const {
  if (tensors.is_plan()) return Status();
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckNumbers(config, i));
    if (layers.size() == 0) break;  // all are alike
  }
  const ShapeCheck model = {tensors, 0, " of the model"};
  CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kEmbedding, config.vocab_size, config.dim));
  CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kOutputNorm, 1, config.dim));
  CLAMMA_RETURN_IF_ERROR(model.Allow(TensorId::kOutput, config.vocab_size, config.dim));
  CLAMMA_RETURN_IF_ERROR(model.Allow(TensorId::kRopeFactors, 1, config.rope_dims / 2));
  if (config.short_context > 0) {
    CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kRopeFactors, 1, config.rope_dims / 2));
    CLAMMA_RETURN_IF_ERROR(model.Require(TensorId::kRopeLongFactors, 1, config.rope_dims / 2));
  }
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckLayer(tensors, config, i));
  }
  return Status();
}

}  // namespace clamma
