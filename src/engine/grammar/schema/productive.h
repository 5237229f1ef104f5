// SPDX-License-Identifier: MIT
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_PRODUCTIVE_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_PRODUCTIVE_H_

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema/work.h"

namespace clamma {

// Sets *is_productive if the rule matches any text.
bool IsProductive(SchemaWork& work, const Grammar& grammar, RuleId rule, bool* is_productive);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_PRODUCTIVE_H_
