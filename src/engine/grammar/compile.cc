// SPDX-License-Identifier: MIT
#include "engine/grammar/compile.h"

#include "engine/grammar/gbnf.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/trigger.h"

namespace clamma {
namespace {

Status Parse(Memory& memory, const GrammarText& text, Grammar* grammar) {
  if (text.text.size() > kMaxGrammarText) {
    return Status::Error(StatusCode::kLimit, "a grammar has more than %zu bytes", kMaxGrammarText);
  }
  if (text.source == GrammarSource::kGbnf) return ParseGbnf(text.text, grammar);
  RuleId root = 0;
  if (text.source == GrammarSource::kJsonSchema) {
    CLAMMA_RETURN_IF_ERROR(
        CompileJsonSchema(memory, text.text, JsonSchemaOptions(), grammar, &root, nullptr));
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
                      Program* program) {
  Grammar grammar(memory);
  CLAMMA_RETURN_IF_ERROR(Parse(memory, text, &grammar));
  if (!text.trigger.empty()) CLAMMA_RETURN_IF_ERROR(AddTrigger(text.trigger, &grammar));
  return program->Compile(memory, grammar, &tokenizer);
}

}  // namespace clamma
