// SPDX-License-Identifier: MIT
#include "engine/grammar/constraint.h"

#include <algorithm>

namespace clamma {

Status Constraint::Init(Memory& memory, const Program& program, const GrammarText& text,
                        const Tokenizer& tokenizer, const VocabularyTrie& trie,
                        const TokenId* stop_tokens, size_t n_stop_tokens) {
  tokenizer_ = &tokenizer;
  CLAMMA_RETURN_IF_ERROR(automaton_.Init(memory, program));
  CLAMMA_RETURN_IF_ERROR(masks_.Init(memory, trie, tokenizer));
  CLAMMA_RETURN_IF_ERROR(trigger_.Resize(memory, text.trigger.size()));
  std::copy(text.trigger.begin(), text.trigger.end(), trigger_.data());
  search_ = TriggerSearch({trigger_.data(), trigger_.size()});
  trigger_token_ = text.trigger_token;
  is_active_ = IsConstrained(text);
  CLAMMA_RETURN_IF_ERROR(stop_tokens_.Resize(memory, n_stop_tokens));
  std::copy_n(stop_tokens, n_stop_tokens, stop_tokens_.data());
  CLAMMA_RETURN_IF_ERROR(patched_.Resize(memory, n_stop_tokens > 0 ? trie.n_words() : 0));
  state_ = automaton_.start();
  return Status();
}

Status Constraint::Find(bool strips_space, TokenMask* mask) {
  Status status = masks_.Find(automaton_, state_, strips_space, mask);
  if (status.code() == StatusCode::kLimit) {  // states of earlier tokens may fill the automaton
    CLAMMA_RETURN_IF_ERROR(automaton_.Trim(&state_));
    status = masks_.Find(automaton_, state_, strips_space, mask);
  }
  CLAMMA_RETURN_IF_ERROR(status);
  const bool can_end = automaton_.CanEnd(state_);
  if (stop_tokens_.size() > 0) {
    std::copy_n(mask->allowed, patched_.size(), patched_.data());
    for (size_t i = 0; i < stop_tokens_.size(); ++i) {
      const TokenId token = stop_tokens_[i];
      if (!tokenizer_->IsGenerated(token)) continue;
      can_end ? AddToken(patched_.data(), token) : RemoveToken(patched_.data(), token);
    }
    const TokenWord* const end = patched_.data() + patched_.size();
    mask->allowed = patched_.data();
    mask->any = std::any_of(mask->allowed, end, [](TokenWord word) { return word != 0; });
  }
  if (mask->any || can_end) return Status();
  return Status::Error(StatusCode::kLimit,
                       "no token of the vocabulary continues the grammar's text");
}

Status Constraint::Advance(TokenId token, bool strips_space) {
  MatchState next = state_;
  Status status = masks_.Advance(automaton_, token, strips_space, &next);
  if (status.code() == StatusCode::kLimit) {
    CLAMMA_RETURN_IF_ERROR(automaton_.Trim(&state_));
    next = state_;
    status = masks_.Advance(automaton_, token, strips_space, &next);
  }
  CLAMMA_RETURN_IF_ERROR(status);
  state_ = next;
  std::string_view bytes = tokenizer_->Bytes(token);
  if (bytes.empty()) search_.Interrupt();
  if (strips_space && !bytes.empty() && bytes[0] == ' ') bytes.remove_prefix(1);
  behind_trigger_ = search_.Append(bytes);
  is_active_ |= trigger_token_ == kNoToken ? search_.found() : trigger_token_ == token;
  return Status();
}

// A limit that is reached ends them, too.
size_t Constraint::FindForcedBytes(char* bytes, size_t most) {
  automaton_.ResetWork();
  MatchState state = state_;
  for (size_t n = 0; n < most; ++n) {
    if (automaton_.CanEnd(state) || automaton_.HasTokenEdges(state)) return n;
    MatchState only = kNoMatch;
    for (unsigned byte = 0; byte < 256; ++byte) {
      MatchState next = kNoMatch;
      if (!automaton_.Next(state, static_cast<uint8_t>(byte), &next).ok()) return n;
      if (next == kNoMatch) continue;
      if (only != kNoMatch) return n;
      only = next;
      bytes[n] = static_cast<char>(byte);
    }
    if (only == kNoMatch) return n;
    state = only;
  }
  return most;
}

}  // namespace clamma
