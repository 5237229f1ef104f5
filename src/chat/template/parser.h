// SPDX-License-Identifier: MIT
// Parses a template's source to its syntax tree. The grammar is that of Jinja2 3.1 (its parser.py).
#ifndef CLAMMA_CHAT_TEMPLATE_PARSER_H_
#define CLAMMA_CHAT_TEMPLATE_PARSER_H_

#include <cstddef>
#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/lexer.h"
#include "chat/template/node.h"
#include "platform/status.h"

namespace clamma {

// Makes an error "line 3, column 7, at "...": reason" for a place in a template.
Status TemplateError(StatusCode code, std::string_view source, size_t offset, const char* reason);

class Parser {
 public:
  // The source's lines end in '\n'. The source and the bump must outlive the tree.
  Parser(Bump& bump, std::string_view source) : bump_(bump), source_(source), lexer_(source) {}

  // Returns nullptr on failure: see status().
  const TemplateNode* Parse();
  const Status& status() const { return status_; }

 private:
  // A list under construction.
  struct Tail {
    explicit Tail(TemplateNode** first) : end(first) {}
    void Add(TemplateNode* node) {
      *end = node;  // NOLINT(clang-analyzer-core.NullDereference): it is a node's member
      end = &node->next;
    }
    TemplateNode** end;
  };
  class Nested;  // counts the nesting

  bool Fail(const char* reason) { return FailAt(token_.offset, reason); }
  bool FailAt(size_t offset, const char* reason);
  bool FailMemory();
  TemplateNode* New(NodeKind kind, size_t offset);
  const Str* Intern(std::string_view name);

  bool Advance();
  bool IsKind(TokenKind kind) const { return token_.kind == kind; }
  bool IsName(std::string_view name) const {
    return token_.kind == TokenKind::kName && token_.text == name;
  }
  bool SkipIf(TokenKind kind, bool* skipped);
  bool SkipIfName(std::string_view name, bool* skipped);
  bool Expect(TokenKind kind, const char* what);
  bool ExpectName(const char* what, const Str** name);

  // parser_statements.cc. The names of blocks that end a list of statements, as bits.
  enum : uint32_t {
    kEndFor = 1,
    kElse = 2,
    kElif = 4,
    kEndIf = 8,
    kEndSet = 16,
    kEndMacro = 32,
    kEndCall = 64,
    kEndFilter = 128,
    kEndWith = 256,
    kEndGeneration = 512
  };
  uint32_t EndingBlock() const;
  bool ParseStatements(uint32_t ends, TemplateNode** first);
  bool ParseBody(uint32_t ends, TemplateNode** first);
  bool ParseBodyToEnd(uint32_t end, TemplateNode** first);
  bool ParseStatement(TemplateNode** node);
  bool ParsePrint(TemplateNode** node);
  bool ParseFor(TemplateNode** node);
  bool ParseIf(TemplateNode** node);
  bool ParseSet(TemplateNode** node);
  bool ParseMacro(TemplateNode** node);
  bool ParseCallBlock(TemplateNode** node);
  bool ParseFilterBlock(TemplateNode** node);
  bool ParseWith(TemplateNode** node);
  bool ParseLoopControl(TemplateNode** node);
  bool ParseGeneration(TemplateNode** node);
  bool ParseSignature(TemplateNode* macro);
  bool ParseFunctionBody(TemplateNode* macro, uint32_t end);
  bool RefuseStatement();

  // parser_expressions.cc.
  bool ParseTarget(bool allows_namespace, TemplateNode** node);
  bool ParseTargetItem(bool allows_namespace, TemplateNode** node);
  bool ParseExpression(TemplateNode** node);
  bool ParseTuple(bool allows_conditional, bool is_in_parentheses, TemplateNode** node);
  bool ParseBinary(int min_precedence, TemplateNode** node);
  bool ParseOperands(int precedence, TemplateNode** node);
  int PrecedenceHere();
  bool ParseUnary(bool with_filter, TemplateNode** node);
  bool ParsePrimary(TemplateNode** node);
  bool ParseNamed(TemplateNode** node);
  bool ParseStrings(TemplateNode** node);
  bool ParseNumber(TemplateNode** node);
  bool ParseListLiteral(TemplateNode** node);
  bool ParseDictLiteral(TemplateNode** node);
  bool ParsePostfix(TemplateNode** node, bool with_filter);
  bool ParseSubscript(Tail* chain);
  bool ParseSubscribed(TemplateNode** node);
  bool ParseArguments(TemplateNode** first);
  bool ParseArgument(Tail* arguments, unsigned* stage);
  bool ParseFilters(Tail* chain, bool first_has_pipe);
  bool ParseTest(Tail* chain);
  bool Unescape(std::string_view quoted, size_t offset, char* out, size_t* size);
  bool ParseEscape(std::string_view text, size_t* i, size_t offset, char* out, size_t* size);

  Bump& bump_;
  std::string_view source_;
  Lexer lexer_;
  TemplateToken token_{};
  TemplateToken next_{};
  bool has_next_ = false;
  bool Peek();  // sets next_

  size_t n_nodes_ = 0;
  unsigned nesting_ = 0;
  unsigned loops_ = 0;             // loops around this place, within the innermost macro
  unsigned for_targets_ = 0;       // not 0: inside a loop's target, which must not be `loop`
  TemplateNode* macro_ = nullptr;  // the innermost macro around this place; `other` is the next
  Dict* names_ = nullptr;
  Status status_;
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_PARSER_H_
