// SPDX-License-Identifier: MIT
// Multiplies out $ref, allOf, anyOf and oneOf, which leaves alternatives, each a set of schemas
// whose other keywords must all hold.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_EXPAND_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_EXPAND_H_

#include "engine/grammar/schema/work.h"

namespace clamma {

// A value is valid by `set` if and only if it is valid by one of the alternatives, none of which
// contains kFalseSchema. Refuses references that lead back to themselves without entering a value,
// and branches of oneOf that do not provably exclude each other.
bool ExpandSchemas(SchemaWork& work, const SchemaSet& set, Vec<SchemaSet>* alternatives);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_EXPAND_H_
