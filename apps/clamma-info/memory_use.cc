// SPDX-License-Identifier: MIT
#include "memory_use.h"

#include <algorithm>
#include <utility>

#include "kernels/kernels.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "platform/cores.h"
#include "platform/thread_pool.h"

namespace info {
namespace {

using clamma::CheckedAdd;
using clamma::CheckedMultiply;
using clamma::GgufValue;

// The memory of the forward pass, and of weights that cannot be used in place.
std::optional<uint64_t> WorkingMemory(const clamma::ModelFiles& files, clamma::ModelFile&& model,
                                      uint64_t context, unsigned threads) {
  clamma::Memory memory;
  clamma::Weights weights;
  const clamma::Weights::Options options = {};
  if (!weights.Open(memory, std::move(model), files.sources(), files.count(), options).ok()) {
    return std::nullopt;
  }
  clamma::ThreadPool pool;
  threads = threads == 0 ? clamma::UsableCores() : threads;
  if (!pool.Start(memory, std::min(threads, clamma::kMaxThreads)).ok()) return std::nullopt;
  clamma::Memory plan((clamma::Memory::Plan()));
  clamma::Forward forward;
  if (!forward.Init(plan, weights, clamma::SelectKernels(), pool).ok() ||
      !forward.ReserveScores(plan, static_cast<size_t>(context)).ok()) {
    return std::nullopt;
  }
  return memory.bytes_in_use() + plan.planned_bytes();
}

uint64_t TensorBytes(const Facts& facts) {
  uint64_t bytes = 0;
  for (const TensorFacts& tensor : facts.tensors) bytes += tensor.bytes;
  return bytes;
}

// A layer's number: a single one for all layers, or an element of an array.
bool OfLayer(const clamma::Gguf& gguf, const std::string& key, uint64_t layer, uint64_t* out) {
  GgufValue value;
  return gguf.Find(key, &value) && value.Uint(value.is_array ? layer : 0, out);
}

}  // namespace

MemoryUse MeasureMemory(const clamma::ModelFiles& files, clamma::ModelFile&& model,
                        uint64_t context, unsigned threads) {
  MemoryUse use;
  const clamma::ModelConfig& config = model.config;
  use.context = context;
  use.weights = model.bytes;
  const auto positions = static_cast<size_t>(context);
  constexpr bool kGivesBack = true;  // what layers with a window no longer need
  use.kv_q8 = clamma::KvCache::BytesFor(config, clamma::KvType::kQ8, positions, kGivesBack);
  use.kv_f16 = clamma::KvCache::BytesFor(config, clamma::KvType::kF16, positions, kGivesBack);
  use.kv_f32 = clamma::KvCache::BytesFor(config, clamma::KvType::kF32, positions, kGivesBack);
  use.working = WorkingMemory(files, std::move(model), context, threads);
  return use;
}

MemoryUse EstimateMemory(const clamma::ModelFiles& files, const Facts& facts, uint64_t context) {
  MemoryUse use;
  use.estimated = true;
  use.context = context;
  use.weights = TensorBytes(facts);
  const clamma::Gguf& gguf = *files.gguf();
  const std::string front = facts.architecture + ".attention.";
  const uint64_t layers = facts.layers.value_or(0);
  const uint64_t heads = facts.heads.value_or(0);
  if (layers == 0 || layers > clamma::ModelLimits::kMaxLayers || heads == 0 ||
      facts.tensors.empty()) {
    return use;
  }
  uint64_t key = facts.width.value_or(0) / heads;
  uint64_t numbers = 0;  // per position: keys and values of all layers
  uint64_t scales = 0;   // per position: the scales that int8 needs for them
  OfLayer(gguf, front + "key_length", 0, &key);
  uint64_t value = key;
  OfLayer(gguf, front + "value_length", 0, &value);
  for (uint64_t layer = 0; layer < layers; ++layer) {
    uint64_t kv_heads = heads;
    OfLayer(gguf, front + "head_count", layer, &kv_heads);
    OfLayer(gguf, front + "head_count_kv", layer, &kv_heads);
    uint64_t of_layer = 0;
    if (!CheckedAdd(key, value, &of_layer) || !CheckedMultiply(of_layer, kv_heads, &of_layer) ||
        !CheckedAdd(numbers, of_layer, &numbers) || !CheckedAdd(scales, 2 * kv_heads, &scales)) {
      return use;
    }
  }
  uint64_t bytes = 0;
  uint64_t of_scales = 0;
  if (numbers == 0 || !CheckedMultiply(numbers, 4 * context, &bytes) ||
      !CheckedMultiply(scales, 4 * context, &of_scales)) {
    return use;
  }
  use.kv_f32 = bytes;
  use.kv_f16 = bytes / 2;
  use.kv_q8 = bytes / 4 + of_scales;
  return use;
}

}  // namespace info
