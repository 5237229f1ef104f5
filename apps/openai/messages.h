// SPDX-License-Identifier: MIT
// Reads the messages of a chat.
#ifndef CLAMMA_APPS_OPENAI_MESSAGES_H_
#define CLAMMA_APPS_OPENAI_MESSAGES_H_

#include <string>
#include <string_view>
#include <vector>

#include "openai/fields.h"
#include "openai/generation.h"
#include "openai/model.h"

namespace openai {

// Throws ApiError.
std::vector<ChatMessage> ReadMessages(Fields& fields, const Model& model);

// The text of a content: a string, or parts that are texts. Throws where a part is an image, a
// sound or a file.
std::string ReadContent(const Value& content, const std::string& path);

// The role as the template knows it: "developer" is "system" to most.
std::string RoleOf(const std::string& role, const Model& model);

// Appends a call to a list of them in the form that templates expect: the arguments, which are a
// text in the API, become an object if they are one.
void AppendToolCall(const std::string& id, const std::string& name, const std::string& arguments,
                    std::string* list);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_MESSAGES_H_
