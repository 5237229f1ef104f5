// SPDX-License-Identifier: MIT
// /tokenize, /detokenize and /apply-template. Each returns the body of the answer.
#ifndef CLAMMA_APPS_OPENAI_TOKEN_ENDPOINTS_H_
#define CLAMMA_APPS_OPENAI_TOKEN_ENDPOINTS_H_

#include <string>

#include "openai/fields.h"
#include "openai/model.h"

namespace openai {

std::string Tokenize(Fields& fields, const Model& model);
std::string Detokenize(Fields& fields, const Model& model);
std::string ApplyTemplate(Fields& fields, const Model& model);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOKEN_ENDPOINTS_H_
