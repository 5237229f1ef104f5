// SPDX-License-Identifier: MIT
// Chat templates of common families, for model files that have none.
#ifndef CLAMMA_CHAT_BUILTIN_TEMPLATES_H_
#define CLAMMA_CHAT_BUILTIN_TEMPLATES_H_

#include <cstddef>
#include <string_view>

namespace clamma {

struct BuiltinTemplate {
  const char* name;    // "llama3": for the user
  const char* source;  // a template
  // Control tokens that a vocabulary has if the model speaks so; nullptr ends them.
  const char* tokens[4];
  const char* architecture;  // of a GGUF file, without which the tokens say nothing; or nullptr
};

// All of them: the first whose tokens exist is guessed.
extern const BuiltinTemplate kBuiltinTemplates[];
extern const size_t kBuiltinTemplateCount;

const BuiltinTemplate* FindBuiltinTemplate(std::string_view name);  // nullptr: unknown

// The family's by what the file says of itself; nullptr: nothing known. `has_piece` says whether
// the vocabulary has a token of this text.
const BuiltinTemplate* GuessTemplate(std::string_view architecture,
                                     bool (*has_piece)(void* opaque, std::string_view piece),
                                     void* opaque);

}  // namespace clamma

#endif  // CLAMMA_CHAT_BUILTIN_TEMPLATES_H_
