// SPDX-License-Identifier: MIT
// Embeddings of texts: the model's states after its last norm, pooled.
#ifndef CLAMMA_ENGINE_EMBEDDING_H_
#define CLAMMA_ENGINE_EMBEDDING_H_

#include <cstddef>

#include "engine/guards.h"
#include "engine/pooling.h"
#include "engine/token_lists.h"
#include "engine/transformer.h"
#include "model/kv_cache.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Embeds texts in their order, several in each pass. An embedding does not depend on the other
// texts, or on where passes end.
class Embedding {
 public:
  // Writes the embeddings to `out` (texts.count(), dim), and divides them by their Euclidean length
  // if `normalizes`. All must outlive this.
  Embedding(Transformer& transformer, const TokenLists& texts, Pooling pooling, bool normalizes,
            float* out);

  Status Init();
  bool done() const { return text_ == texts_.count(); }
  size_t processed() const { return processed_; }  // positions ...
  size_t total() const { return texts_.total(); }  // ... of this many
  Status RunPart(TurnHeld held);                   // unless it is done

 private:
  // Each text of a pass has a KV cache, whose smallest size is a page of each layer.
  static constexpr size_t kMaxTexts = 8;  // in a pass

  KvCache& KvOf(size_t text) { return kvs_[text % kMaxTexts]; }
  Status FillRows(size_t* n_rows);
  Status TakeStates(const float* states, size_t n_rows);
  void Pool(size_t text, size_t position, const float* state);
  Status Finish(size_t text);

  Transformer& transformer_;
  const TokenLists& texts_;
  const Pooling pooling_;
  const bool normalizes_;
  float* const out_;     // (texts_.count(), dim)
  size_t text_ = 0;      // the first text that is not finished
  size_t position_ = 0;  // its next position
  size_t processed_ = 0;
  KvCache kvs_[kMaxTexts];  // those of the unfinished texts
  Array<double> sums_;      // (dim): kMean: of the states of the unfinished text
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_EMBEDDING_H_
