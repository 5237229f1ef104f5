// SPDX-License-Identifier: MIT
// Whether schemas contradict each other.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_EMPTINESS_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_EMPTINESS_H_

#include "engine/grammar/schema/work.h"

namespace clamma {

// Sets *is_empty if it is found, without looking deeply, that no value obeys the schemas. Ignores
// the schemas' own $ref, allOf, anyOf and oneOf, which have been multiplied out.
bool IsProvablyEmpty(SchemaWork& work, const SchemaSet& schemas, bool* is_empty);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_EMPTINESS_H_
