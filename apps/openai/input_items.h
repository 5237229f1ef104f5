// SPDX-License-Identifier: MIT
// Reads the conversation of /v1/responses: "instructions" and "input".
#ifndef CLAMMA_APPS_OPENAI_INPUT_ITEMS_H_
#define CLAMMA_APPS_OPENAI_INPUT_ITEMS_H_

#include <vector>

#include "openai/fields.h"
#include "openai/generation.h"
#include "openai/model.h"

namespace openai {

// Throws ApiError.
std::vector<ChatMessage> ReadInput(Fields& fields, const Model& model);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_INPUT_ITEMS_H_
