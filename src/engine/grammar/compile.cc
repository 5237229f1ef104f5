// SPDX-License-Identifier: MIT
#include "engine/grammar/compile.h"

#include "engine/grammar/gbnf.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/trigger.h"

namespace clamma {
namespace {

Status Parse(Memory& memory, const GrammarText& text, Grammar* grammar,
             DroppedConstraints* dropped) {
  if (text.text.size() > kMaxGrammarText) {
    return Status::Error(StatusCode::kLimit, "a grammar has more than %zu bytes", kMaxGrammarText);
  }
  if (text.source == GrammarSource::kGbnf) {
    return ParseGbnf(text.text, !text.is_loose, grammar, dropped);
  }
  RuleId root = 0;
  if (text.source == GrammarSource::kJsonSchema) {
    CLAMMA_RETURN_IF_ERROR(CompileJsonSchema(memory, text.text, {.is_strict = !text.is_loose},
                                             grammar, &root, dropped));
    grammar->SetRoot(root);
    return Status();
  }
  NodeId body = 0;
  CLAMMA_RETURN_IF_ERROR(grammar->AddRule("root", &root));
  CLAMMA_RETURN_IF_ERROR(ParseRegex(text.text, RegexOptions(), grammar, &body));
  return grammar->DefineRule(root, body);
}

}  // namespace

Status CompileGrammar(Memory& memory, const GrammarText& text, const Tokenizer& tokenizer,
                      Program* program, DroppedConstraints* dropped) {
  Grammar grammar(memory);
  CLAMMA_RETURN_IF_ERROR(Parse(memory, text, &grammar, dropped));
  if (text.trigger_token != kNoToken) {
    CLAMMA_RETURN_IF_ERROR(AddTriggerToken(text.trigger_token, text.repeats, &grammar));
  } else if (!text.trigger.empty()) {
    CLAMMA_RETURN_IF_ERROR(AddTrigger(text.trigger, text.repeats, &grammar));
  }
  return program->Compile(memory, grammar, &tokenizer);
}

}  // namespace clamma
