// SPDX-License-Identifier: MIT
// Reads the vocabulary in a GGUF file's metadata: tokenizer.ggml.tokens and related keys.
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

// The differences between the kinds of vocabularies.
struct GgufVocabularyTraits {
  // Writes the bytes of a token's text to out (text.size()), which may be nullptr. Returns their
  // number.
  size_t (*copy_text)(TokenKind kind, std::string_view text, uint8_t* out);
  bool has_scores;
  bool is_byte_level;       // bytes are tokens of kind kNormal, and unused tokens match no text
  TokenId default_unknown;  // these are used if the file names none
  TokenId default_bos;
  TokenId default_eos;
};

// Reads at most max_tokens tokens (0: any number), and builds their index. *n_special receives an
// upper bound of the number of SpecialTokens.
//
// Some files give tokens wrong kinds. So tokens that begin or end texts and turns, known by their
// id or text, become control tokens whatever kind the file gives them; those that end a text are
// marked as its ends.
Status ReadGgufVocabulary(Memory& memory, const Gguf& gguf, const GgufVocabularyTraits& traits,
                          uint32_t max_tokens, Vocabulary* vocabulary, uint64_t* n_special);

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_GGUF_VOCABULARY_H_
