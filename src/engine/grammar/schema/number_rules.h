// SPDX-License-Identifier: MIT
// The texts of numbers. Integers have no fraction and no exponent; numbers with bounds have no
// exponent; numbers with a divisor are integers.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_NUMBER_RULES_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_NUMBER_RULES_H_

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema/shape.h"

namespace clamma {

// Adds the alternatives for the numbers that the shape allows, if it allows any.
bool AddNumbers(SchemaWork& work, Grammar& grammar, const SchemaShape& shape, Vec<NodeId>* choices);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_NUMBER_RULES_H_
