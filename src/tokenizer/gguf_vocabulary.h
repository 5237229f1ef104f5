// SPDX-License-Identifier: MIT
// The vocabulary in a GGUF file's metadata: tokenizer.ggml.tokens and what goes with them.
#ifndef CLAMMA_TOKENIZER_GGUF_VOCABULARY_H_
#define CLAMMA_TOKENIZER_GGUF_VOCABULARY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

class Gguf;

// What differs between the kinds of vocabularies.
struct GgufVocabularyTraits {
  // The bytes of a token's text; `out` has room for text.size(), or is nullptr. Returns how many.
  size_t (*copy_text)(TokenKind kind, std::string_view text, uint8_t* out);
  bool has_scores;
  bool is_byte_level;       // bytes are tokens of kind kNormal, and unused tokens match no text
  TokenId default_unknown;  // where the file names none
  TokenId default_bos;
  TokenId default_eos;
};

// Reads at most max_tokens tokens (0: any number), and makes them findable. *n_special is how many
// SpecialTokens there can be.
//
// Files give tokens wrong kinds. Those that begin and end texts and turns, by id or by text, are
// control tokens whatever the file says; those that end a text are its ends.
Status ReadGgufVocabulary(Memory& memory, const Gguf& gguf, const GgufVocabularyTraits& traits,
                          uint32_t max_tokens, Vocabulary* vocabulary, uint64_t* n_special);

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_GGUF_VOCABULARY_H_
