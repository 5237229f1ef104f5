// SPDX-License-Identifier: MIT
// What `pattern`, `format` and patternProperties allow, as sets of strings.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRINGS_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRINGS_H_

#include "engine/grammar/schema/shape.h"
#include "engine/grammar/schema/string_set.h"

namespace clamma {

// The strings in which the pattern is found. *set is nullptr if the pattern is not supported and
// was dropped. `keyword` is what it belongs to.
bool StringsOfPattern(SchemaWork& work, const SchemaText& pattern, std::string_view keyword,
                      const StringSet** set);

// The strings of a format (formats.h); *set is nullptr if it does not constrain, or was dropped.
bool StringsOfFormat(SchemaWork& work, const SchemaText& format, const StringSet** set);

// Reads the expression of a pattern or of a format that constrains, as a node of `grammar`;
// is_json: with the escapes of a JSON string. *is_there is false if it does not constrain, or was
// dropped.
bool ReadPattern(SchemaWork& work, const SchemaText& pattern, std::string_view keyword,
                 bool is_json, Grammar* grammar, NodeId* node, bool* is_there);
bool ReadFormat(SchemaWork& work, const SchemaText& format, bool is_json, Grammar* grammar,
                NodeId* node, bool* is_there);

// All sets that a string of the shape is in, its length included where that is limited.
bool StringsOfShape(SchemaWork& work, const SchemaShape& shape, Vec<StringSet>* sets);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRINGS_H_
