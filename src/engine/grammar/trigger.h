// SPDX-License-Identifier: MIT
// A grammar that begins after the first occurrence of a trigger, up to which the text is free.
#ifndef CLAMMA_ENGINE_GRAMMAR_TRIGGER_H_
#define CLAMMA_ENGINE_GRAMMAR_TRIGGER_H_

#include <cstddef>
#include <string_view>

#include "engine/grammar/grammar.h"
#include "platform/status.h"

namespace clamma {

inline constexpr size_t kMaxTrigger = 256;  // bytes

// Gives the grammar a new root: any bytes and control tokens, up to the first occurrence of the
// trigger (1 to kMaxTrigger bytes), and then what the old root matches. A text may also end before
// the trigger. If it `repeats`, the text is free again behind a match, up to the next occurrence.
Status AddTrigger(std::string_view trigger, bool repeats, Grammar* grammar);
// Likewise for a token, whatever its text is.
Status AddTriggerToken(TokenId trigger, bool repeats, Grammar* grammar);

// Follows a text up to the first occurrence of a trigger.
class TriggerSearch {
 public:
  TriggerSearch() = default;
  // A trigger of 0 bytes occurs at once. `trigger` must outlive this.
  explicit TriggerSearch(std::string_view trigger) : trigger_(trigger) {}
  // Returns the number of bytes behind its end, 0 if it has occurred before.
  size_t Append(std::string_view bytes);
  // A token without text: an occurrence of the trigger cannot continue across it.
  void Interrupt() {
    if (!found()) matched_ = 0;
  }
  bool found() const { return matched_ == trigger_.size(); }

 private:
  std::string_view trigger_;
  size_t matched_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_TRIGGER_H_
