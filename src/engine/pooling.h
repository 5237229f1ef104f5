// SPDX-License-Identifier: MIT
// How a model's states become embeddings.
#ifndef CLAMMA_ENGINE_POOLING_H_
#define CLAMMA_ENGINE_POOLING_H_

#include "engine/transformer.h"
#include "platform/status.h"

namespace clamma {

// Which of a text's states become its embedding; values as in clamma-extra.h.
enum class Pooling : int { kLast = 0, kMean = 1, kFirst = 2 };

// Gets the pooling that the model's file states. If it states none, sets *pooling to kLast and
// *is_stated to false.
Status ReadPooling(const Transformer& transformer, Pooling* pooling, bool* is_stated);

// Refuses a model that was made for embeddings, and not to generate text: its logits mean nothing.
Status CheckGeneratesText(const Transformer& transformer);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_POOLING_H_
