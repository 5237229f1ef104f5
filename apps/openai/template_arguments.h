// SPDX-License-Identifier: MIT
// Reads what a request says to the chat template beside messages and tools.
#ifndef CLAMMA_APPS_OPENAI_TEMPLATE_ARGUMENTS_H_
#define CLAMMA_APPS_OPENAI_TEMPLATE_ARGUMENTS_H_

#include <string>

#include "openai/fields.h"

namespace openai {

// Reads "chat_template_kwargs" and an effort of reasoning, which may be nullptr. Refuses
// "chat_template". Returns a JSON object; "": there is nothing to say.
std::string ReadTemplateArguments(Fields& fields, const std::string* effort);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TEMPLATE_ARGUMENTS_H_
