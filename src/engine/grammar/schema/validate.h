// SPDX-License-Identifier: MIT
// Whether a value of the document obeys a schema: for the values of enum and const, beside which
// there may be other keywords.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_VALIDATE_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_VALIDATE_H_

#include "engine/grammar/schema/shape.h"

namespace clamma {

// The values of the shape's enum or const, which it must have, that obey all of its schemas.
// Strings obey a format if they are among those that formats.h has for it.
bool FindCandidates(SchemaWork& work, const SchemaShape& shape, Vec<const Value*>* candidates);

// Counts the same, but ignores $ref, allOf, anyOf, oneOf, patterns and formats: the count is not
// smaller.
bool CountPlainCandidates(SchemaWork& work, const SchemaShape& shape, size_t* n);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_VALIDATE_H_
