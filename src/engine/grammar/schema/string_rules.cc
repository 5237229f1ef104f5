// SPDX-License-Identifier: MIT
// Strings: any, of a length, of a pattern or format, or of several constraints at once.
#include "engine/grammar/schema/compiler.h"
#include "engine/grammar/schema/set_rules.h"
#include "engine/grammar/schema/strings.h"

namespace clamma {
namespace {

// Adds the string's characters where at most one expression constrains it.
bool AddExpression(SchemaCompiler& compiler, const SchemaShape& shape, NodeId* node) {
  bool is_there = false;
  if (shape.patterns.size > 0) {
    if (!ReadPattern(compiler.work, shape.patterns[0], "pattern", true, &compiler.grammar, node,
                     &is_there)) {
      return false;
    }
  } else if (shape.formats.size > 0) {
    if (!ReadFormat(compiler.work, shape.formats[0], true, &compiler.grammar, node, &is_there)) {
      return false;
    }
  }
  return is_there || compiler.AddCharacters(shape.length, node);
}

// Adds what all constraints allow together. Sets *is_there to false if that is nothing.
bool AddIntersection(SchemaCompiler& compiler, const SchemaShape& shape, NodeId* node,
                     bool* is_there) {
  Vec<StringSet> sets;
  StringSet all;
  if (!StringsOfShape(compiler.work, shape, &sets)) return false;
  if (sets.size == 0) return compiler.AddCharacters(shape.length, node);
  if (!IntersectStrings(compiler.work, sets.items, sets.size, &all)) return false;
  *is_there = !all.is_empty();
  if (!*is_there) return true;
  StringSetRules rules(compiler.work, compiler.grammar, all, 1, true);
  return rules.Start() && rules.AddNode(0, node) && rules.Finish();
}

}  // namespace

bool AddStrings(SchemaCompiler& compiler, const SchemaShape& shape, Vec<NodeId>* choices) {
  if ((shape.types & kStringType) == 0 || shape.length.min > shape.length.max) return true;
  const bool is_free = shape.length.min == 0 && shape.length.max == kNoMaximum;
  const size_t n = shape.patterns.size + shape.formats.size;
  NodeId characters = 0, quote = 0, node = 0;
  bool is_there = true;
  const bool done = n == 0 || (n == 1 && is_free)
                        ? AddExpression(compiler, shape, &characters)
                        : AddIntersection(compiler, shape, &characters, &is_there);
  if (!done || !is_there) return done;
  return compiler.nodes.Bytes("\"", &quote) &&
         compiler.nodes.Sequence({quote, characters, quote}, &node) &&
         compiler.nodes.Push(node, choices);
}

}  // namespace clamma
