// SPDX-License-Identifier: MIT
// Properties that a schema does not name. A grammar cannot express that no two of any number of
// keys are equal; so their first characters must ascend. The keys are split into classes by that
// character, in this order: the empty key; control characters; each character from U+0020 to U+007E
// by itself; all others. An object has at most one key of each class.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_FREE_KEYS_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_FREE_KEYS_H_

#include "engine/grammar/schema/compiler.h"

namespace clamma {

// Adds a node for each class that has a key: `"key":value`, where the key is none of `names` and
// the value obeys what the schemas say about it.
bool AddFreeProperties(SchemaCompiler& compiler, const SchemaShape& shape,
                       const Vec<std::string_view>& names, unsigned level, Vec<NodeId>* classes);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_FREE_KEYS_H_
