// SPDX-License-Identifier: MIT
// The grammar of a query, and how far its text has matched it.
#ifndef CLAMMA_ENGINE_GRAMMAR_CONSTRAINT_H_
#define CLAMMA_ENGINE_GRAMMAR_CONSTRAINT_H_

#include <cstddef>
#include <cstdint>

#include "engine/grammar/automaton.h"
#include "engine/grammar/compile.h"
#include "engine/grammar/program.h"
#include "engine/grammar/token_masks.h"
#include "engine/grammar/trigger.h"
#include "engine/grammar/vocabulary_trie.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Only one thread at a time may use it.
class Constraint {
 public:
  Constraint() = default;
  Constraint(const Constraint&) = delete;
  Constraint& operator=(const Constraint&) = delete;

  // Begins a text of a grammar that was compiled from `text`. The program, the trie and the
  // tokenizer must outlive this. `stop_tokens` (n_stop_tokens) end the text, as the tokenizer's own
  // ends do.
  Status Init(Memory& memory, const Program& program, const GrammarText& text,
              const Tokenizer& tokenizer, const VocabularyTrie& trie, const TokenId* stop_tokens,
              size_t n_stop_tokens);

  // Finds the tokens that may come next. Those that end the text are among them where the grammar
  // can end. `strips_space`: the next token's leading space is not part of the text. Fails if no
  // token may come next and the text may not end, which only limits can cause.
  Status Find(bool strips_space, TokenMask* mask);
  // Appends a token, which must be an allowed one that does not end the text.
  Status Advance(TokenId token, bool strips_space);
  // Finds the bytes, at most `most`, with which any text goes on; returns their number. They end
  // where the text may end, or where a token that is no text may come.
  size_t FindForcedBytes(char* bytes, size_t most);
  // Whether the trigger has occurred, so that the grammar constrains the text.
  bool is_active() const { return is_active_; }
  // How many bytes of the last token are behind the trigger that it completed.
  size_t behind_trigger() const { return behind_trigger_; }

 private:
  Automaton automaton_;
  TokenMasks masks_;
  const Tokenizer* tokenizer_ = nullptr;
  MatchState state_ = kNoMatch;
  Array<char> trigger_;
  TriggerSearch search_;
  TokenId trigger_token_ = kNoToken;
  bool is_active_ = false;
  size_t behind_trigger_ = 0;
  Array<TokenId> stop_tokens_;
  Array<TokenWord> patched_;  // a mask with the stop tokens
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_CONSTRAINT_H_
