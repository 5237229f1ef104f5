// SPDX-License-Identifier: MIT
// Makes rules for sets of schemas: one for each set and level of indentation.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_COMPILER_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_COMPILER_H_

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema/nodes.h"
#include "engine/grammar/schema/shape.h"

namespace clamma {

class SchemaCompiler {
 public:
  SchemaCompiler(SchemaWork& with, Grammar& made) : work(with), grammar(made), nodes(with, made) {}

  // Compiles the document. Its texts are those of *root.
  bool Compile(RuleId* root);

  // --- For the parts that compile objects, arrays and strings ---

  // Gives the rule of the values that obey the schemas, which must not contain kFalseSchema.
  // `origin` and `keyword` are where they come from.
  bool RuleOf(const Vec<SchemaId>& schemas, unsigned level, SchemaId origin,
              std::string_view keyword, RuleId* rule);
  // Adds a comma, if there is one, the white space before a part of an object or array at a level,
  // and then the text.
  bool AddBreak(std::string_view before, unsigned level, std::string_view behind, NodeId* node);
  // Adds a text that ends with a colon, and the white space behind it.
  bool AddColon(std::string_view text, NodeId* node);
  // Whether values may be nested this deeply.
  bool IsTooDeep(unsigned level) const {
    return work.options.indent > 0 && level > JsonSchemaLimits::kMaxIndented;
  }
  // Adds any string's characters, min to max of them.
  bool AddCharacters(const SchemaCount& count, NodeId* node);

  SchemaWork& work;
  Grammar& grammar;
  NodeAdder nodes;

 private:
  struct Item {
    SchemaSet schemas;
    unsigned level;
    RuleId rule;
    SchemaId origin;
    std::string_view keyword;
  };
  bool CompileItem(const Item& item);
  bool AddSpaced(std::string_view text, NodeId* node);
  bool CompileAlternative(const SchemaSet& schemas, const Item& item, Vec<NodeId>* choices);
  bool AddSimple(const SchemaShape& shape, Vec<NodeId>* choices);
  void NoteEmpty(const SchemaShape& shape, const Item& item);

  Vec<Item> items_;
  size_t n_done_ = 0;
  RuleId character_ = 0;  // of any character in a string
  bool has_character_ = false;
};

// Each adds the alternatives for values of one type, if there are any.
bool AddCandidates(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level,
                   Vec<NodeId>* choices);
bool AddStrings(SchemaCompiler& compiler, const SchemaShape& shape, Vec<NodeId>* choices);
bool AddArrays(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level,
               Vec<NodeId>* choices);
bool AddObjects(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level,
                Vec<NodeId>* choices);

// Adds a string as JSON: in quotation marks, with the shortest escapes.
bool AddQuoted(SchemaCompiler& compiler, std::string_view text, NodeId* node);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_COMPILER_H_
