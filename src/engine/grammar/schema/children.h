// SPDX-License-Identifier: MIT
// Which schemas the values within an object or an array must obey.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_CHILDREN_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_CHILDREN_H_

#include "engine/grammar/schema/shape.h"

namespace clamma {

// The schemas, sorted, of the property `name` of an object that all of `schemas` apply to.
bool PropertySchemas(SchemaWork& work, const SchemaSet& schemas, std::string_view name,
                     Vec<SchemaId>* children);

// ... and of the element `index` of an array.
bool ItemSchemas(SchemaWork& work, const SchemaSet& schemas, size_t index, Vec<SchemaId>* children);

// The number of elements that have schemas of their own; all others have those of that index.
bool CountPrefixItems(SchemaWork& work, const SchemaSet& schemas, size_t* n);

// The value of a keyword that is an object; *dict is nullptr if the schema does not have it.
bool FindObject(SchemaWork& work, SchemaId id, std::string_view keyword, const Dict** dict);

// Whether dialects may disagree about the strings beyond printable ASCII that contain the pattern.
bool IsAmbiguous(std::string_view pattern);
bool IsPrintableAscii(std::string_view text);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_CHILDREN_H_
