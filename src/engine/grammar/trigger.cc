// SPDX-License-Identifier: MIT
#include "engine/grammar/trigger.h"

#include <algorithm>

#include "engine/grammar/node_stack.h"
#include "platform/text.h"

namespace clamma {
namespace {

// Returns how many bytes of the trigger the text ends with, when `matched` of them and then `byte`
// have been read. (The length of the trigger is bounded, so a plain search will do.)
size_t MatchedAfter(std::string_view trigger, size_t matched, char byte) {
  for (size_t n = matched + 1; n > 0; --n) {  // trigger[0, n) ends with `byte`
    const size_t shift = matched + 1 - n;
    if (trigger[n - 1] == byte &&
        Front(trigger, n - 1) == std::string_view(trigger.data() + shift, n - 1)) {
      return n;
    }
  }
  return 0;
}

// Sets *rule to one for a match of the root and then, if it `repeats`, for free text.
Status AddMatch(RuleId free, bool repeats, Grammar* grammar, RuleId* rule) {
  *rule = grammar->root();
  if (!repeats) return Status();
  NodeId parts[2];
  NodeId node = 0;
  CLAMMA_RETURN_IF_ERROR(grammar->AddReference(*rule, &parts[0]));
  CLAMMA_RETURN_IF_ERROR(grammar->AddReference(free, &parts[1]));
  CLAMMA_RETURN_IF_ERROR(grammar->AddSequence(parts, 2, &node));
  CLAMMA_RETURN_IF_ERROR(grammar->AddRule("trigger", rule));
  return grammar->DefineRule(*rule, node);
}

}  // namespace

size_t TriggerSearch::Append(std::string_view bytes) {
  if (found()) return 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    matched_ = MatchedAfter(trigger_, matched_, bytes[i]);
    if (found()) return bytes.size() - i - 1;
  }
  return 0;
}

// One rule for each number of bytes of the trigger that have been read, and one for all of them.
Status AddTrigger(std::string_view trigger, bool repeats, Grammar* grammar) {
  if (trigger.empty() || trigger.size() > kMaxTrigger) {
    return Status::Error(StatusCode::kLimit, "a trigger has 1 to %zu bytes, not %zu", kMaxTrigger,
                         trigger.size());
  }
  RuleId rules[kMaxTrigger + 1] = {};
  for (size_t i = 0; i < trigger.size(); ++i) {
    CLAMMA_RETURN_IF_ERROR(grammar->AddRule("trigger", &rules[i]));
  }
  CLAMMA_RETURN_IF_ERROR(AddMatch(rules[0], repeats, grammar, &rules[trigger.size()]));
  NodeStack choices(grammar);
  NodeId node = 0;
  for (size_t i = 0; i < trigger.size(); ++i) {
    CLAMMA_RETURN_IF_ERROR(grammar->AddEmpty(&node));
    CLAMMA_RETURN_IF_ERROR(choices.Push(node));
    for (unsigned value = 0; value <= 256; ++value) {  // the bytes, and control tokens
      const char byte = static_cast<char>(value);
      NodeId parts[2];
      CLAMMA_RETURN_IF_ERROR(value == 256 ? grammar->AddControl(&parts[0])
                                          : grammar->AddBytes({&byte, 1}, &parts[0]));
      const size_t next = value == 256 ? 0 : MatchedAfter(trigger, i, byte);
      CLAMMA_RETURN_IF_ERROR(grammar->AddReference(rules[next], &parts[1]));
      CLAMMA_RETURN_IF_ERROR(grammar->AddSequence(parts, 2, &node));
      CLAMMA_RETURN_IF_ERROR(choices.Push(node));
    }
    CLAMMA_RETURN_IF_ERROR(choices.PopChoice(0, &node));
    CLAMMA_RETURN_IF_ERROR(grammar->DefineRule(rules[i], node));
  }
  grammar->SetRoot(rules[0]);
  return Status();
}

Status AddTriggerToken(TokenId trigger, bool repeats, Grammar* grammar) {
  RuleId free = 0;
  RuleId match = 0;
  CLAMMA_RETURN_IF_ERROR(grammar->AddRule("trigger", &free));
  CLAMMA_RETURN_IF_ERROR(AddMatch(free, repeats, grammar, &match));
  NodeStack choices(grammar);
  NodeId node = 0;
  CLAMMA_RETURN_IF_ERROR(grammar->AddEmpty(&node));
  CLAMMA_RETURN_IF_ERROR(choices.Push(node));
  for (const bool is_other : {true, false}) {
    NodeId parts[2];
    CLAMMA_RETURN_IF_ERROR(grammar->AddToken(trigger, is_other, &parts[0]));
    CLAMMA_RETURN_IF_ERROR(grammar->AddReference(is_other ? free : match, &parts[1]));
    CLAMMA_RETURN_IF_ERROR(grammar->AddSequence(parts, 2, &node));
    CLAMMA_RETURN_IF_ERROR(choices.Push(node));
  }
  CLAMMA_RETURN_IF_ERROR(choices.PopChoice(0, &node));
  CLAMMA_RETURN_IF_ERROR(grammar->DefineRule(free, node));
  grammar->SetRoot(free);
  return Status();
}

}  // namespace clamma
