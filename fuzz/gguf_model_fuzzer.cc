// SPDX-License-Identifier: MIT
// Opens any bytes as a GGUF model at an address: reads the model and its weights, and encodes and
// decodes with its vocabulary.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "model/model_files.h"
#include "model/weights.h"
#include "platform/checksum.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

namespace {

using clamma::Memory;
using clamma::ModelFile;
using clamma::ModelFiles;
using clamma::Status;
using clamma::TensorId;
using clamma::TensorPlace;
using clamma::Tokenizer;
using clamma::Weights;

// An assert that is on in every build.
void Demand(bool holds) {
  if (!holds) std::abort();
}

// Reads each byte, for the sanitizer; the sum is not used.
volatile unsigned sink = 0;
void Touch(const uint8_t* bytes, uint64_t n) {
  unsigned sum = 0;
  for (uint64_t i = 0; i < n; ++i) sum += bytes[i];
  sink = sum;
}

// Returns whether the status is OK. Demands that a failure has a reason.
bool Works(const Status& status) {
  const std::string_view message = status.message();
  Demand(status.ok() == message.empty());
  for (const char c : message) Demand(c >= 0x20 && c < 0x7f);
  return status.ok();
}

void CheckConfig(const clamma::ModelConfig& config) {
  Demand(config.n_layers > 0 && config.dim > 0 && config.seq_len > 0);
  clamma::KvCount before[2];  // of layers without a window, and with one
  for (uint32_t i = 0; i < config.n_layers; ++i) {
    const clamma::LayerConfig& layer = config.layer(i);
    Demand(layer.n_kv_heads > 0 && layer.n_heads % layer.n_kv_heads == 0);
    Demand(layer.n_heads <= config.widest.n_heads && layer.hidden_dim <= config.widest.hidden_dim);
    Demand(layer.n_kv_heads <= config.widest.n_kv_heads);
    Demand(layer.head_size <= config.widest.head_size && config.rope_dims <= layer.head_size);
    clamma::KvCount& of_kind = before[layer.has_window() ? 1 : 0];
    Demand(config.kv_before(i) == of_kind);
    of_kind = of_kind + layer.kv_count();
  }
  Demand(config.kv_count(config.n_layers, false) == before[0]);
  Demand(config.kv_count(config.n_layers, true) == before[1]);
}

void ReadWeights(Weights& weights) {
  const clamma::ModelConfig& config = weights.config();
  CheckConfig(config);
  constexpr TensorId kMatrices[] = {TensorId::kQ,    TensorId::kK,     TensorId::kV,
                                    TensorId::kGate, TensorId::kUp,    TensorId::kAttentionOutput,
                                    TensorId::kDown, TensorId::kOutput};
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
    for (const TensorId id : kMatrices) {
      const TensorPlace place = weights.MatrixPlace(id, id == TensorId::kOutput ? 0 : layer);
      clamma::AcquiredMatrix acquired;
      Demand(acquired.Acquire(weights, place).ok());
      Demand((*acquired).row_bytes * (*acquired).rows == place.bytes);
      Touch((*acquired).data, place.bytes);
    }
    Demand(weights.Vector(TensorId::kAttentionNorm, layer) != nullptr);
    Demand(weights.Vector(TensorId::kFfnNorm, layer) != nullptr);
  }
  float* row = static_cast<float*>(std::malloc(sizeof(float) * config.dim));
  for (const uint32_t token : {0u, config.vocab_size / 2, config.vocab_size - 1}) {
    Demand(weights.ReadEmbedding(token, row).ok());
  }
  std::free(row);
  clamma::Checksum checksum;
  Demand(weights.AddSamples(&checksum).ok());
}

void UseTokenizer(Memory& memory, const Tokenizer& tokenizer, uint32_t vocab_size,
                  std::string_view text) {
  Demand(tokenizer.vocab_size() <= vocab_size);
  uint32_t never = 0;
  for (clamma::TokenId id = -1; id <= static_cast<clamma::TokenId>(tokenizer.vocab_size()); ++id) {
    const std::string_view bytes = tokenizer.Bytes(id);
    Touch(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (tokenizer.IsValid(id) && !tokenizer.IsGenerated(id)) ++never;
    if (tokenizer.IsSilent(id)) Demand(bytes.empty());
  }
  Demand(never == tokenizer.never_generated());
  for (const clamma::TokenId id : {tokenizer.bos(), tokenizer.eos()}) {
    Demand(id == clamma::kNoToken || (tokenizer.IsValid(id) && tokenizer.EndsText(id)));
  }
  clamma::Array<clamma::TokenId> tokens;
  size_t count = 0;
  Demand(tokenizer.Encode(memory, text, {.bos = true, .dummy_prefix = true}, &tokens, &count).ok());
  for (size_t i = 0; i < count; ++i) Demand(tokenizer.IsValid(tokens[i]));
}

// Opens a model as Transformer::Open() does, in memory or as a plan. Returns whether all succeeded.
bool Open(Memory& memory, const uint8_t* bytes, size_t n, ModelFiles* files, Weights* weights,
          Tokenizer* tokenizer) {
  ModelFile model;
  if (!Works(files->OpenAt(memory, bytes, n)) || !Works(files->ReadModel(&model))) return false;
  if (files->gguf() == nullptr) return false;  // a llama2.c checkpoint
  const Status status =
      weights->Open(memory, std::move(model), files->sources(), files->count(), {});
  Demand(status.ok());
  if (!memory.is_plan()) ReadWeights(*weights);
  return Works(tokenizer->Open(memory, *files->gguf(), weights->config().vocab_size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  Memory memory;
  ModelFiles files;
  Weights weights;
  Tokenizer tokenizer;
  const bool opened = Open(memory, bytes, n, &files, &weights, &tokenizer);
  Memory plan((Memory::Plan()));
  {
    ModelFiles plan_files;
    Weights plan_weights;
    Tokenizer plan_tokenizer;
    const bool planned = Open(plan, bytes, n, &plan_files, &plan_weights, &plan_tokenizer);
    Demand(planned || !opened);
  }
  if (!opened) return 0;
  Demand(memory.bytes_in_use() <= plan.planned_bytes());
  const uint32_t vocab_size = weights.config().vocab_size;
  const std::string_view text(reinterpret_cast<const char*>(bytes), std::min<size_t>(n, 200));
  UseTokenizer(memory, tokenizer, vocab_size, text);
  UseTokenizer(memory, tokenizer, vocab_size, "the hand on a <0x41>");
  return 0;
}
