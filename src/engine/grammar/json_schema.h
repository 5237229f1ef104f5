// SPDX-License-Identifier: MIT
// Compiles a JSON schema (draft 2020-12) to a grammar. Every text that the grammar matches is
// valid; docs/json-schema.md states which valid texts it matches. In short: properties in the
// schema's order, then free ones, no key twice, the shortest escapes, and no white space, except
// for what the options ask for.
#ifndef CLAMMA_ENGINE_GRAMMAR_JSON_SCHEMA_H_
#define CLAMMA_ENGINE_GRAMMAR_JSON_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/grammar/grammar.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

struct JsonSchemaLimits {
  static constexpr size_t kMaxMemory = size_t{64} << 20;  // bytes, while it compiles
  static constexpr uint64_t kMaxSteps = 20'000'000;       // about a second
  static constexpr size_t kMaxAlternatives = 512;         // of anyOf and oneOf, multiplied out
  static constexpr unsigned kMaxInPlace = 64;      // $ref, allOf, anyOf, oneOf within each other
  static constexpr size_t kMaxStates = 1 << 14;    // of what a string, number or key obeys
  static constexpr unsigned kMaxIndented = 16;     // levels, if texts are indented
  static constexpr unsigned kMaxIndent = 16;       // columns a level
  static constexpr size_t kMaxReported = 1 << 16;  // bytes of paths
};

struct JsonSchemaOptions {
  bool is_strict = true;   // refuse constraints that are not supported; else drop and report them
  unsigned indent = 0;     // columns a level; 0: no white space
  bool may_space = false;  // without an indentation: a space may follow each comma and colon
  uint64_t* steps = nullptr;  // counts the work, which several schemas share; nullptr: nobody asks
};

// The constraints that were dropped: their JSON pointers, one per line. If they are too long, the
// last ones are left out.
struct DroppedConstraints {
  Array<char> paths;
  size_t n_bytes = 0;
  uint32_t count = 0;
};

// Adds rules to the grammar; *root matches the texts of the schema. `dropped` may be nullptr.
// Refuses, by JSON pointer, malformed keywords, constraints that are not supported, references that
// leave the document, and schemas for which no text is valid. After a failure the grammar must not
// be used.
Status CompileJsonSchema(Memory& memory, std::string_view schema, const JsonSchemaOptions& options,
                         Grammar* grammar, RuleId* root, DroppedConstraints* dropped);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_JSON_SCHEMA_H_
