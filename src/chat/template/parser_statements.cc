// SPDX-License-Identifier: MIT
#include "chat/chat_template.h"
#include "chat/template/parser.h"
#include "chat/template/parser_nested.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {

Status TemplateError(StatusCode code, std::string_view source, size_t offset, const char* reason) {
  size_t line = 1, begin = 0;
  if (offset > source.size()) offset = source.size();
  for (size_t i = 0; i < offset; ++i) {
    if (source[i] == '\n') {
      ++line;
      begin = i + 1;
    }
  }
  constexpr size_t kMaxExcerpt = 40;
  size_t end = offset;
  while (end < source.size() && end - offset < kMaxExcerpt && source[end] != '\n') ++end;
  return Status::Error(code, "chat template, line %zu, column %zu, at %s: %s", line,
                       offset - begin + 1, Quoted({source.data() + offset, end - offset}).c_str(),
                       reason);
}

bool Parser::FailAt(size_t offset, const char* reason) {
  if (status_.ok()) {
    status_ = TemplateError(StatusCode::kInvalidArgument, source_, offset, reason);
  }
  return false;
}

bool Parser::FailMemory() {
  if (status_.ok()) status_ = Locate("chat template", bump_.status());
  return false;
}

TemplateNode* Parser::New(NodeKind kind, size_t offset) {
  if (++n_nodes_ > TemplateLimits::kMaxNodes) {
    FailAt(offset, "the template has too many parts");
    return nullptr;
  }
  auto* const node = bump_.New<TemplateNode>();
  if (node == nullptr) {
    FailMemory();
    return nullptr;
  }
  node->kind = kind;
  node->offset = static_cast<uint32_t>(offset);
  return node;
}

const Str* Parser::Intern(std::string_view name) {
  const Value* const found = DictFind(*names_, name);
  if (found != nullptr) return found->str;
  const Str* const str = NewStrNoCopy(bump_, name, Origin::kTemplate);
  if (str == nullptr || !DictSet(bump_, *names_, Value::String(str), Value::String(str))) {
    FailMemory();
    return nullptr;
  }
  return str;
}

bool Parser::Advance() {
  if (has_next_) {
    token_ = next_;
    has_next_ = false;
    return true;
  }
  return lexer_.Next(&token_) || Fail(lexer_.reason());
}

bool Parser::Peek() {
  if (has_next_) return true;
  has_next_ = lexer_.Next(&next_);
  return has_next_ || FailAt(next_.offset, lexer_.reason());
}

bool Parser::SkipIf(TokenKind kind, bool* skipped) {
  *skipped = IsKind(kind);
  return !*skipped || Advance();
}

bool Parser::SkipIfName(std::string_view name, bool* skipped) {
  *skipped = IsName(name);
  return !*skipped || Advance();
}

bool Parser::Expect(TokenKind kind, const char* what) {
  return IsKind(kind) ? Advance() : Fail(what);
}

bool Parser::ExpectName(const char* what, const Str** name) {
  if (!IsKind(TokenKind::kName)) return Fail(what);
  *name = Intern(token_.text);
  return *name != nullptr && Advance();
}

const TemplateNode* Parser::Parse() {
  names_ = NewDict(bump_);
  if (names_ == nullptr) {
    FailMemory();
    return nullptr;
  }
  TemplateNode* const root = New(NodeKind::kScope, 0);
  if (root == nullptr || !Advance() || !ParseStatements(0, &root->body)) return nullptr;
  return root;
}

uint32_t Parser::EndingBlock() const {
  static constexpr struct {
    std::string_view name;
    uint32_t end;
  } kEnds[] = {{"endfor", kEndFor},   {"else", kElse},
               {"elif", kElif},       {"endif", kEndIf},
               {"endset", kEndSet},   {"endmacro", kEndMacro},
               {"endcall", kEndCall}, {"endfilter", kEndFilter},
               {"endwith", kEndWith}, {"endgeneration", kEndGeneration}};
  for (const auto& end : kEnds) {
    if (IsName(end.name)) return end.end;
  }
  return 0;
}

// Parses up to the name of a block in `ends`, which is then the current token; 0: up to the end.
bool Parser::ParseStatements(uint32_t ends, TemplateNode** first) {
  Nested nested(this);
  if (!nested.ok()) return false;
  Tail list(first);
  for (;;) {
    const size_t offset = token_.offset;
    TemplateNode* node = nullptr;
    if (IsKind(TokenKind::kEnd)) {
      return ends == 0 || Fail("the template ends inside a block");
    }
    if (IsKind(TokenKind::kData)) {
      node = New(NodeKind::kData, offset);
      Str* const text = NewStrNoCopy(bump_, token_.text, Origin::kTemplate);
      if (node == nullptr || text == nullptr) return FailMemory();
      node->value = Value::String(text);
      if (!Advance()) return false;
    } else if (IsKind(TokenKind::kVariableBegin)) {
      node = New(NodeKind::kPrint, offset);
      if (node == nullptr || !Advance() || !ParseTuple(true, false, &node->items) ||
          !Expect(TokenKind::kVariableEnd, "'}}' is expected")) {
        return false;
      }
    } else {  // kBlockBegin
      if (!Advance()) return false;
      if ((EndingBlock() & ends) != 0) return true;
      if (!ParseStatement(&node) || !Expect(TokenKind::kBlockEnd, "'%}' is expected")) return false;
    }
    list.Add(node);
  }
}

// Parses the end of a block's opening tag, and the statements after it.
bool Parser::ParseBody(uint32_t ends, TemplateNode** first) {
  bool skipped = false;
  return SkipIf(TokenKind::kColon, &skipped) && Expect(TokenKind::kBlockEnd, "'%}' is expected") &&
         ParseStatements(ends, first);
}

bool Parser::ParseBodyToEnd(uint32_t end, TemplateNode** first) {
  return ParseBody(end, first) && Advance();
}

bool Parser::ParseStatement(TemplateNode** node) {
  if (!IsKind(TokenKind::kName)) return Fail("the name of a block is expected");
  static constexpr struct {
    std::string_view name;
    bool (Parser::*parse)(TemplateNode** node);
  } kStatements[] = {{"for", &Parser::ParseFor},
                     {"if", &Parser::ParseIf},
                     {"set", &Parser::ParseSet},
                     {"macro", &Parser::ParseMacro},
                     {"call", &Parser::ParseCallBlock},
                     {"filter", &Parser::ParseFilterBlock},
                     {"with", &Parser::ParseWith},
                     {"print", &Parser::ParsePrint},
                     {"break", &Parser::ParseLoopControl},
                     {"continue", &Parser::ParseLoopControl},
                     {"generation", &Parser::ParseGeneration}};
  for (const auto& statement : kStatements) {
    if (IsName(statement.name)) return (this->*statement.parse)(node);
  }
  return RefuseStatement();
}

bool Parser::RefuseStatement() {
  if (EndingBlock() != 0 || IsName("endraw")) return Fail("there is no open block to end");
  static constexpr std::string_view kUnsupported[] = {
      "block", "extends", "include", "import", "from", "autoescape", "do", "debug", "trans"};
  for (const std::string_view name : kUnsupported) {
    if (IsName(name)) return Fail("this statement is not supported in chat templates");
  }
  return Fail("an unknown statement");
}

bool Parser::ParsePrint(TemplateNode** node) {
  *node = New(NodeKind::kPrint, token_.offset);
  if (*node == nullptr || !Advance()) return false;
  Tail items(&(*node)->items);
  for (bool is_first = true; !IsKind(TokenKind::kBlockEnd); is_first = false) {
    TemplateNode* item = nullptr;
    if (!is_first && !Expect(TokenKind::kComma, "',' is expected")) return false;
    if (!ParseExpression(&item)) return false;
    items.Add(item);
  }
  return true;
}

bool Parser::ParseFor(TemplateNode** node) {
  *node = New(NodeKind::kFor, token_.offset);
  if (*node == nullptr || !Advance()) return false;
  ++for_targets_;
  if (!ParseTarget(false, &(*node)->a)) return false;
  if (!IsName("in")) return Fail("'in' is expected");
  if (!Advance() || !ParseTuple(false, false, &(*node)->b)) return false;
  bool has_condition = false;
  if (!SkipIfName("if", &has_condition)) return false;
  if (has_condition && !ParseExpression(&(*node)->c)) return false;
  if (IsName("recursive")) return Fail("recursive loops are not supported");
  ++loops_;
  if (!ParseBody(kEndFor | kElse, &(*node)->body)) return false;
  --loops_;
  const bool has_else = IsName("else");
  if (!Advance()) return false;
  if (has_else && !ParseBodyToEnd(kEndFor, &(*node)->other)) return false;
  --for_targets_;
  return true;
}

bool Parser::ParseIf(TemplateNode** node) {
  *node = New(NodeKind::kIf, token_.offset);
  if (*node == nullptr) return false;
  Tail branches(&(*node)->items);
  for (;;) {
    TemplateNode* const branch = New(NodeKind::kBranch, token_.offset);
    if (branch == nullptr) return false;
    branches.Add(branch);
    if (IsName("else")) return Advance() && ParseBodyToEnd(kEndIf, &branch->body);
    if (!Advance() || !ParseTuple(false, false, &branch->a) ||
        !ParseBody(kElif | kElse | kEndIf, &branch->body)) {
      return false;
    }
    if (IsName("endif")) return Advance();
  }
}

bool Parser::ParseSet(TemplateNode** node) {
  const size_t offset = token_.offset;
  TemplateNode* target = nullptr;
  bool has_value = false;
  if (!Advance() || !ParseTarget(true, &target) || !SkipIf(TokenKind::kAssign, &has_value)) {
    return false;
  }
  *node = New(has_value ? NodeKind::kSet : NodeKind::kSetBlock, offset);
  if (*node == nullptr) return false;
  (*node)->a = target;
  if (has_value) return ParseTuple(true, false, &(*node)->b);
  Tail filters(&(*node)->items);
  return ParseFilters(&filters, true) && ParseBodyToEnd(kEndSet, &(*node)->body);
}

bool Parser::ParseSignature(TemplateNode* macro) {
  if (!Expect(TokenKind::kLeftParen, "'(' is expected")) return false;
  Tail parameters(&macro->items);
  bool has_defaults = false;
  for (bool is_first = true; !IsKind(TokenKind::kRightParen); is_first = false) {
    if (!is_first && !Expect(TokenKind::kComma, "',' is expected")) return false;
    TemplateNode* const parameter = New(NodeKind::kParameter, token_.offset);
    bool has_default = false;
    if (parameter == nullptr || !ExpectName("a parameter's name is expected", &parameter->name) ||
        !SkipIf(TokenKind::kAssign, &has_default)) {
      return false;
    }
    if (has_default && !ParseExpression(&parameter->a)) return false;
    if (!has_default && has_defaults) {
      return Fail("a parameter without a default follows one with a default");
    }
    has_defaults = has_default;
    parameters.Add(parameter);
  }
  return Advance();
}

// Parses the body of a macro. It is a separate function, so loops around it do not count.
bool Parser::ParseFunctionBody(TemplateNode* macro, uint32_t end) {
  macro->other = macro_;
  macro_ = macro;
  const unsigned loops = loops_;
  loops_ = 0;
  if (!ParseBodyToEnd(end, &macro->body)) return false;
  loops_ = loops;
  macro_ = macro->other;
  return true;
}

bool Parser::ParseMacro(TemplateNode** node) {
  *node = New(NodeKind::kMacro, token_.offset);
  return *node != nullptr && Advance() &&
         ExpectName("the macro's name is expected", &(*node)->name) && ParseSignature(*node) &&
         ParseFunctionBody(*node, kEndMacro);
}

bool Parser::ParseCallBlock(TemplateNode** node) {
  const size_t offset = token_.offset;
  *node = New(NodeKind::kCallBlock, offset);
  TemplateNode* const macro = *node == nullptr ? nullptr : New(NodeKind::kMacro, offset);
  if (macro == nullptr || !Advance()) return false;
  (*node)->b = macro;
  if (IsKind(TokenKind::kLeftParen) && !ParseSignature(macro)) return false;
  const size_t call_offset = token_.offset;
  if (!ParseExpression(&(*node)->a)) return false;
  const TemplateNode* last = (*node)->a->kind == NodeKind::kChain ? (*node)->a->items : nullptr;
  while (last != nullptr && last->next != nullptr) last = last->next;
  if (last == nullptr || last->kind != NodeKind::kCall) {
    return FailAt(call_offset, "a call is expected");
  }
  return ParseFunctionBody(macro, kEndCall);
}

bool Parser::ParseFilterBlock(TemplateNode** node) {
  *node = New(NodeKind::kFilterBlock, token_.offset);
  if (*node == nullptr || !Advance()) return false;
  Tail filters(&(*node)->items);
  return ParseFilters(&filters, false) && ParseBodyToEnd(kEndFilter, &(*node)->body);
}

bool Parser::ParseWith(TemplateNode** node) {
  *node = New(NodeKind::kWith, token_.offset);
  if (*node == nullptr || !Advance()) return false;
  Tail items(&(*node)->items);
  for (bool is_first = true; !IsKind(TokenKind::kBlockEnd); is_first = false) {
    TemplateNode *target = nullptr, *value = nullptr;
    if (!is_first && !Expect(TokenKind::kComma, "',' is expected")) return false;
    if (!ParseTarget(false, &target) || !Expect(TokenKind::kAssign, "'=' is expected") ||
        !ParseExpression(&value)) {
      return false;
    }
    items.Add(target);
    items.Add(value);
  }
  return ParseBodyToEnd(kEndWith, &(*node)->body);
}

bool Parser::ParseLoopControl(TemplateNode** node) {
  if (loops_ == 0) return Fail("this is not inside a loop");
  *node = New(IsName("break") ? NodeKind::kBreak : NodeKind::kContinue, token_.offset);
  return *node != nullptr && Advance();
}

// The tag `generation` of transformers is a macro that is called at once.
bool Parser::ParseGeneration(TemplateNode** node) {
  *node = New(NodeKind::kScope, token_.offset);
  TemplateNode* const macro = *node == nullptr ? nullptr : New(NodeKind::kMacro, token_.offset);
  if (macro == nullptr || !Advance() || !ParseFunctionBody(macro, kEndGeneration)) return false;
  (*node)->body = macro->body;
  return true;
}

}  // namespace clamma
