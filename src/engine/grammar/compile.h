// SPDX-License-Identifier: MIT
// Compiles the text of a grammar to a Program.
#ifndef CLAMMA_ENGINE_GRAMMAR_COMPILE_H_
#define CLAMMA_ENGINE_GRAMMAR_COMPILE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/grammar/json_schema.h"
#include "engine/grammar/program.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

enum class GrammarSource : uint8_t { kGbnf, kRegex, kJsonSchema };

inline constexpr size_t kMaxGrammarText = size_t{1} << 22;  // bytes

struct GrammarText {
  GrammarSource source = GrammarSource::kGbnf;
  std::string_view text;             // text.data() is nullptr: there is no grammar
  std::string_view trigger;          // the text is free up to it; empty: there is no trigger
  TokenId trigger_token = kNoToken;  // likewise, a token; only one of the two may be given
  bool repeats = false;   // the text is free again behind a match, up to the next trigger
  bool is_loose = false;  // constraints of a schema that are not supported are dropped

  bool operator==(const GrammarText&) const = default;
};

inline bool HasGrammar(const GrammarText& grammar) { return grammar.text.data() != nullptr; }
// Whether the whole text is constrained.
inline bool IsConstrained(const GrammarText& grammar) {
  return HasGrammar(grammar) && grammar.trigger.empty() && grammar.trigger_token == kNoToken;
}

// Compiles a grammar for a vocabulary. The text is not trusted; errors say what is wrong with it,
// and where. The memory also holds temporary data. `dropped` gets the constraints of a loose schema
// that were dropped.
Status CompileGrammar(Memory& memory, const GrammarText& text, const Tokenizer& tokenizer,
                      Program* program, DroppedConstraints* dropped);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_COMPILE_H_
