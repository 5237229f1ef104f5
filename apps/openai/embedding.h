// SPDX-License-Identifier: MIT
// /v1/embeddings.
#ifndef CLAMMA_APPS_OPENAI_EMBEDDING_H_
#define CLAMMA_APPS_OPENAI_EMBEDDING_H_

#include <string>
#include <vector>

#include "openai/call.h"
#include "openai/fields.h"
#include "openai/model.h"

namespace openai {

struct EmbeddingRequest {
  const Model* model = nullptr;
  // Of each input one of the two, as the request has texts or tokens.
  std::vector<std::string> texts;
  std::vector<std::vector<tok_id_t>> tokens;
  bool as_base64 = false;
};

// Throws ApiError. `fields` is the body, of which "model" has been read.
EmbeddingRequest ReadEmbeddingRequest(Fields& fields, const Model& model);

// Computes the embeddings and answers. Takes passes over the weights. Throws ApiError.
void Embed(const EmbeddingRequest& request, Call& call);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_EMBEDDING_H_
