// SPDX-License-Identifier: MIT
#include "model/tensors.h"

#include <algorithm>
#include <cassert>

#include "platform/arena.h"
#include "platform/sort.h"

namespace clamma {

const char* TensorName(TensorId id) {
  // The names of tensors of all files, and of those that only GGUF files have, whose ids come
  // between these and at the end.
  static constexpr const char* kNames[] = {
      "attention norm",
      "feed-forward norm",
      "output norm",
      "query bias",
      "key bias",
      "value bias",
      "attention output bias",
      "gate bias",
      "down bias",
      "up bias",
      "rope factors",
      "query",
      "key",
      "value",
      "attention output",
      "gate",
      "down",
      "up",
      "embedding",
      "output",
  };
  static constexpr const char* kVectors[] = {
      "long rope factors",
      "attention post-norm",
      "feed-forward post-norm",
      "query norm",
      "key norm",
      "attention sinks",
      "router bias",
      "expert gate bias",
      "expert down bias",
      "expert up bias",
  };
  static constexpr const char* kMatrices[] = {
      "router",
      "expert gate",
      "expert down",
      "expert up",
  };
  constexpr auto kFirstVector = static_cast<size_t>(TensorId::kRopeLongFactors);
  constexpr auto kFirstMatrix = static_cast<size_t>(TensorId::kRouter);
  constexpr size_t kVectorCount = sizeof(kVectors) / sizeof(kVectors[0]);
  static_assert(kFirstVector + kVectorCount == static_cast<size_t>(TensorId::kQ));
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == kFirstMatrix - kVectorCount);
  static_assert(sizeof(kMatrices) / sizeof(kMatrices[0]) == kTensorIds - kFirstMatrix);
  const auto index = static_cast<size_t>(id);
  if (index < kFirstVector) return kNames[index];
  if (kHasGguf && IsVector(id)) return kVectors[index - kFirstVector];
  if (kHasGguf && index >= kFirstMatrix) return kMatrices[index - kFirstMatrix];
  return kNames[index - kVectorCount];
}

void TensorTotals::Add(uint64_t bytes_each, uint64_t n) {
  count += n;
  bytes += bytes_each * n;
  largest = std::max(largest, bytes_each);
  arena_bytes += Arena::CostOf(bytes_each) * n;
}

Status Tensors::Init(Memory& memory, size_t capacity) { return entries_.Resize(memory, capacity); }

void Tensors::Add(TensorId id, const TensorPlace& place, uint32_t layer, uint32_t n_layers) {
  assert(n_entries_ < entries_.size());
  present_ |= Present{1} << static_cast<unsigned>(id);
  parameters_ += place.elements() * n_layers;
  if (!IsVector(id)) bytes_of_type_[static_cast<size_t>(place.type)] += place.bytes * n_layers;
  if (IsVector(id)) {
    floats_ += place.elements() * n_layers;
  } else if (id == TensorId::kEmbedding) {
    embedding_ = place;
  } else {
    others_.Add(place.bytes, n_layers);
    kinds_ |= 1u << static_cast<unsigned>(KindOf(place.type));
  }
  if (entries_.data() != nullptr) entries_[n_entries_++] = {place, 0, layer, n_layers, id};
}

Status Tensors::Seal() {
  Sort<Entry, Entry::Before>(entries_.data(), n_entries_);
  uint64_t floats = 0;
  for (size_t i = 0; i < n_entries_; ++i) {
    Entry& entry = entries_[i];
    if (i > 0 && Key(entry.id, entry.layer) <
                     Key(entries_[i - 1].id, entries_[i - 1].layer) + entries_[i - 1].n_layers) {
      return Status::Error(StatusCode::kCorrupt, "there are two tensors '%s' of layer %u",
                           TensorName(entry.id), static_cast<unsigned>(entry.layer));
    }
    if (!IsVector(entry.id)) continue;
    entry.first_float = static_cast<size_t>(floats);
    floats += entry.first.elements() * entry.n_layers;
  }
  return Status();
}

const Tensors::Entry* Tensors::FindEntry(TensorId id, uint32_t layer) const {
  const Entry* begin = entries_.data();
  const Entry* next =
      std::upper_bound(begin, begin + n_entries_, Key(id, layer),
                       [](uint64_t key, const Entry& e) { return key < Key(e.id, e.layer); });
  if (next == begin) return nullptr;
  const Entry& entry = *(next - 1);
  return entry.id == id && layer - entry.layer < entry.n_layers ? &entry : nullptr;
}

bool Tensors::Find(TensorId id, uint32_t layer, TensorPlace* place) const {
  const Entry* entry = FindEntry(id, layer);
  if (entry == nullptr) return false;
  *place = entry->place(layer - entry->layer);
  return true;
}

bool Tensors::FindFloats(TensorId id, uint32_t layer, size_t* first) const {
  const Entry* entry = FindEntry(id, layer);
  if (entry == nullptr) return false;
  const auto size = static_cast<size_t>(entry->first.elements());
  *first = entry->first_float + (layer - entry->layer) * size;
  return true;
}

TensorTotals Tensors::multiplied() const {
  TensorTotals totals = others_;
  if (!Has(TensorId::kOutput)) totals.Add(embedding_.bytes, 1);
  return totals;
}

double Tensors::bits_per_weight() const {
  const uint64_t bytes = matrix_bytes() + floats_ * sizeof(float);
  return 8 * static_cast<double>(bytes) / static_cast<double>(parameters_);
}

WeightType Tensors::main_type() const {
  return static_cast<WeightType>(std::max_element(bytes_of_type_, bytes_of_type_ + kWeightTypes) -
                                 bytes_of_type_);
}

bool Tensors::IsMultiplied(ActivationKind kind) const {
  if (!Has(TensorId::kOutput) && KindOf(embedding_.type) == kind) return true;
  return (kinds_ >> static_cast<unsigned>(kind) & 1) != 0;
}

}  // namespace clamma
