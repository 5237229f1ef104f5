// SPDX-License-Identifier: MIT
// JSON schemas without memory: allocations of the compiler fail in turn, each of the first 64 and
// then one in so many. Each failure has a reason and leaks nothing.
#include <gtest/gtest.h>

#include <string>

#include "engine/grammar/json_schema.h"
#include "faulty_heap.h"

namespace clamma_test {
namespace {

// Uses every part of the compiler.
constexpr char kSchema[] = R"({
  "$id": "http://h/a/b",
  "type": "object",
  "properties": {
    "date": {"type": "string", "format": "date", "pattern": "^2"},
    "name": {"type": "string", "minLength": 1, "maxLength": 9},
    "count": {"type": "integer", "minimum": 3, "maximum": 1e6, "multipleOf": 7},
    "part": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.75},
    "kind": {"enum": ["a", {"b": [1.5, null]}, "\u00e9"], "not": {}},
    "list": {"type": "array", "prefixItems": [{"$ref": "c#x"}], "items": {"$ref": "#"}}
  },
  "patternProperties": {"^x": {"type": "null"}},
  "oneOf": [{"required": ["date"], "properties": {"kind": {"const": "a"}}},
            {"properties": {"date": false}}],
  "$defs": {"c": {"$id": "c", "$anchor": "x", "type": ["boolean", "null"]}}
})";

clamma::Status Compile() {
  clamma::Memory memory;
  clamma::Grammar grammar(memory);
  clamma::RuleId root = 0;
  clamma::DroppedConstraints dropped;
  return CompileJsonSchema(memory, kSchema, {.is_strict = false, .indent = 0}, &grammar, &root,
                           &dropped);
}

TEST(GrammarAllocFailureSchema, EachFailureHasAReasonAndLeaksNothing) {
  ASSERT_TRUE(Compile().ok()) << Compile().message();
  for (const bool for_good : {false, true}) {
    size_t n = 1;
    for (; n < 100'000; n += 1 + n / 64) {
      const size_t blocks = Heap().live_blocks();
      Heap().FailAllocation(n, for_good);
      const clamma::Status status = Compile();
      const bool failed = Heap().failed();
      Heap().FailAllocation(0);
      EXPECT_EQ(Heap().live_blocks(), blocks);
      if (!failed) {
        EXPECT_TRUE(status.ok()) << status.message();
        break;
      }
      EXPECT_EQ(status.code(), clamma::StatusCode::kOutOfMemory) << n << ": " << status.message();
    }
    EXPECT_GT(n, 64u);
    EXPECT_LT(n, 100'000u);
  }
}

}  // namespace
}  // namespace clamma_test
