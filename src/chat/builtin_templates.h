// SPDX-License-Identifier: MIT
// Chat templates of common model families, for model files that have none.
#ifndef CLAMMA_CHAT_BUILTIN_TEMPLATES_H_
#define CLAMMA_CHAT_BUILTIN_TEMPLATES_H_

#include <cstddef>
#include <string_view>

namespace clamma {

struct BuiltinTemplate {
  const char* name;    // for the user, such as "llama3"
  const char* source;  // the template
  // The control tokens that show that a model uses this format; nullptr ends them.
  const char* tokens[4];
  const char* architecture;  // if not nullptr, the GGUF file must also have this architecture
};

// GuessTemplate() returns the first whose tokens all exist.
extern const BuiltinTemplate kBuiltinTemplates[];
extern const size_t kBuiltinTemplateCount;

const BuiltinTemplate* FindBuiltinTemplate(std::string_view name);  // nullptr: unknown

// Returns the template of the family that the file's architecture and vocabulary show; nullptr:
// unknown. `has_piece` returns whether the vocabulary has a token with this text.
const BuiltinTemplate* GuessTemplate(std::string_view architecture,
                                     bool (*has_piece)(void* opaque, std::string_view piece),
                                     void* opaque);

}  // namespace clamma

#endif  // CLAMMA_CHAT_BUILTIN_TEMPLATES_H_
