// SPDX-License-Identifier: MIT
#include <cstring>

#include "chat/template/decimal.h"
#include "chat/template/parser.h"
#include "chat/template/parser_nested.h"
#include "model/utf8.h"
#include "platform/text.h"

namespace clamma {
namespace {

// From the lowest precedence to the highest.
constexpr int kOrPrecedence = 1;
constexpr int kAndPrecedence = 2;
constexpr int kNotPrecedence = 3;
constexpr int kComparePrecedence = 4;
constexpr int kAddPrecedence = 5;
constexpr int kConcatPrecedence = 6;
constexpr int kMultiplyPrecedence = 7;
constexpr int kPowerPrecedence = 8;
constexpr int kFailed = -1;

int PrecedenceOf(TokenKind kind) {
  switch (kind) {
    case TokenKind::kEq:
    case TokenKind::kNe:
    case TokenKind::kLt:
    case TokenKind::kLe:
    case TokenKind::kGt:
    case TokenKind::kGe:
      return kComparePrecedence;
    case TokenKind::kAdd:
    case TokenKind::kSub:
      return kAddPrecedence;
    case TokenKind::kTilde:
      return kConcatPrecedence;
    case TokenKind::kMul:
    case TokenKind::kDiv:
    case TokenKind::kFloorDiv:
    case TokenKind::kMod:
      return kMultiplyPrecedence;
    case TokenKind::kPow:
      return kPowerPrecedence;
    default:
      return 0;
  }
}

NodeKind KindOf(int precedence) {
  switch (precedence) {
    case kOrPrecedence:
      return NodeKind::kOr;
    case kAndPrecedence:
      return NodeKind::kAnd;
    case kComparePrecedence:
      return NodeKind::kCompare;
    case kConcatPrecedence:
      return NodeKind::kConcat;
    default:
      return NodeKind::kMath;
  }
}

bool IsLiteralName(std::string_view name) {
  return name == "true" || name == "True" || name == "false" || name == "False" || name == "none" ||
         name == "None";
}

}  // namespace

// --- Targets of assignments ---

bool Parser::ParseTargetItem(bool allows_namespace, TemplateNode** node) {
  if (IsKind(TokenKind::kLeftParen)) {
    if (!Advance() || !ParseTarget(false, node)) return false;
    return Expect(TokenKind::kRightParen, "')' is expected");
  }
  if (!IsKind(TokenKind::kName) || IsLiteralName(token_.text)) return Fail("a name is expected");
  if (for_targets_ > 0 && IsName("loop")) return Fail("'loop' cannot be assigned to in a loop");
  *node = New(NodeKind::kName, token_.offset);
  bool has_attribute = false;
  if (*node == nullptr || !ExpectName("a name is expected", &(*node)->name)) return false;
  if (!allows_namespace) return true;
  if (!SkipIf(TokenKind::kDot, &has_attribute)) return false;
  if (!has_attribute) return true;
  const Str* attribute = nullptr;
  (*node)->kind = NodeKind::kNamespaceTarget;
  if (!ExpectName("an attribute's name is expected", &attribute)) return false;
  (*node)->value = Value::String(attribute);
  return true;
}

bool Parser::ParseTarget(bool allows_namespace, TemplateNode** node) {
  Nested nested(this);
  if (!nested.ok() || !ParseTargetItem(allows_namespace, node)) return false;
  if (!IsKind(TokenKind::kComma)) return true;
  // A successful call has set *node. NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
  TemplateNode* const tuple = New(NodeKind::kTuple, (*node)->offset);
  if (tuple == nullptr) return false;
  Tail items(&tuple->items);
  items.Add(*node);
  *node = tuple;
  for (bool skipped = true;;) {
    if (!SkipIf(TokenKind::kComma, &skipped)) return false;
    if (!skipped || IsName("in") || IsKind(TokenKind::kAssign) || IsKind(TokenKind::kBlockEnd) ||
        IsKind(TokenKind::kRightParen)) {
      return true;
    }
    TemplateNode* item = nullptr;
    if (!ParseTargetItem(allows_namespace, &item)) return false;
    items.Add(item);
  }
}

// --- Operators ---

// a if b else c if d else e, and a if b. This is a loop, because such chains may be long.
bool Parser::ParseExpression(TemplateNode** node) {
  if (!ParseBinary(kOrPrecedence, node)) return false;
  TemplateNode** slot = node;
  while (IsName("if")) {
    TemplateNode* const conditional = New(NodeKind::kConditional, token_.offset);
    if (conditional == nullptr) return false;
    conditional->a = *slot;
    *slot = conditional;
    bool has_else = false;
    if (!Advance() || !ParseBinary(kOrPrecedence, &conditional->b) ||
        !SkipIfName("else", &has_else)) {
      return false;
    }
    if (has_else && !ParseBinary(kOrPrecedence, &conditional->c)) return false;
    if (has_else) slot = &conditional->c;
  }
  return true;
}

bool Parser::ParseTuple(bool allows_conditional, bool is_in_parentheses, TemplateNode** node) {
  const size_t offset = token_.offset;
  TemplateNode* first = nullptr;
  Tail items(&first);
  bool is_tuple = false;
  for (;;) {
    if (is_tuple && !Advance()) return false;
    if (IsKind(TokenKind::kVariableEnd) || IsKind(TokenKind::kBlockEnd) ||
        IsKind(TokenKind::kRightParen) || (!allows_conditional && IsName("recursive"))) {
      break;
    }
    TemplateNode* item = nullptr;
    if (allows_conditional ? !ParseExpression(&item) : !ParseBinary(kOrPrecedence, &item)) {
      return false;
    }
    items.Add(item);
    if (!IsKind(TokenKind::kComma)) break;
    is_tuple = true;
  }
  if (!is_tuple && first != nullptr) {
    *node = first;
    return true;
  }
  if (!is_tuple && !is_in_parentheses) return Fail("an expression is expected");
  *node = New(NodeKind::kTuple, offset);
  if (*node == nullptr) return false;
  (*node)->items = first;
  return true;
}

// The precedence of the operator at this place, 0 if there is none.
int Parser::PrecedenceHere() {
  if (token_.kind != TokenKind::kName) return PrecedenceOf(token_.kind);
  if (IsName("or")) return kOrPrecedence;
  if (IsName("and")) return kAndPrecedence;
  if (IsName("in")) return kComparePrecedence;
  if (!IsName("not")) return 0;
  if (!Peek()) return kFailed;
  return next_.kind == TokenKind::kName && next_.text == "in" ? kComparePrecedence : 0;
}

bool Parser::ParseBinary(int min_precedence, TemplateNode** node) {
  Nested nested(this);
  if (!nested.ok()) return false;
  if (min_precedence <= kNotPrecedence && IsName("not")) {
    *node = New(NodeKind::kNot, token_.offset);
    if (*node == nullptr || !Advance() || !ParseBinary(kNotPrecedence, &(*node)->a)) return false;
  } else if (!ParseUnary(true, node)) {
    return false;
  }
  for (;;) {
    const int precedence = PrecedenceHere();
    if (precedence == kFailed) return false;
    if (precedence == 0 || precedence < min_precedence) return true;
    if (!ParseOperands(precedence, node)) return false;
  }
}

// Joins *node and the operands that follow it, with operators of this precedence, to one list.
bool Parser::ParseOperands(int precedence, TemplateNode** node) {
  TemplateNode* const list = New(KindOf(precedence), token_.offset);
  if (list == nullptr) return false;
  Tail items(&list->items);
  items.Add(*node);
  *node = list;
  for (;;) {
    const int here = PrecedenceHere();
    if (here == kFailed) return false;
    if (here != precedence) return true;
    const TokenKind op = token_.kind;
    const bool is_name = op == TokenKind::kName;
    const bool is_negated = IsName("not");
    const size_t offset = token_.offset;
    TemplateNode* operand = nullptr;
    if (!Advance() || (is_negated && !Advance()) || !ParseBinary(precedence + 1, &operand)) {
      return false;
    }
    // The operator needs its own node, because an operand may itself be a list.
    TemplateNode* const item = New(NodeKind::kOperand, offset);
    if (item == nullptr) return false;
    item->op = op;
    item->is_in = is_name;
    item->is_negated = is_negated;
    item->a = operand;
    items.Add(item);
  }
}

bool Parser::ParseUnary(bool with_filter, TemplateNode** node) {
  if (IsKind(TokenKind::kSub) || IsKind(TokenKind::kAdd)) {
    Nested nested(this);
    const NodeKind kind = IsKind(TokenKind::kSub) ? NodeKind::kNegative : NodeKind::kPositive;
    TemplateNode* const sign = New(kind, token_.offset);
    if (!nested.ok() || sign == nullptr || !Advance() || !ParseUnary(false, &sign->a)) return false;
    *node = sign;
  } else if (!ParsePrimary(node)) {
    return false;
  }
  return ParsePostfix(node, with_filter);
}

// --- Names and literals ---

bool Parser::ParsePrimary(TemplateNode** node) {
  switch (token_.kind) {
    case TokenKind::kName:
      return ParseNamed(node);
    case TokenKind::kString:
      return ParseStrings(node);
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return ParseNumber(node);
    case TokenKind::kLeftParen:
      return Advance() && ParseTuple(true, true, node) &&
             Expect(TokenKind::kRightParen, "')' is expected");
    case TokenKind::kLeftBracket:
      return ParseListLiteral(node);
    case TokenKind::kLeftBrace:
      return ParseDictLiteral(node);
    default:
      return Fail("an expression is expected");
  }
}

bool Parser::ParseNamed(TemplateNode** node) {
  const std::string_view name = token_.text;
  const bool is_literal = IsLiteralName(name);
  *node = New(is_literal ? NodeKind::kConst : NodeKind::kName, token_.offset);
  if (*node == nullptr) return false;
  if (is_literal) {
    const char c = static_cast<char>(name[0] | 0x20);
    (*node)->value = c == 'n' ? Value::None() : Value::Bool(c == 't');
    return Advance();
  }
  for (TemplateNode* macro = macro_; macro != nullptr; macro = macro->other) {
    macro->uses_caller = macro->uses_caller || name == "caller";
    macro->uses_varargs = macro->uses_varargs || name == "varargs";
    macro->uses_kwargs = macro->uses_kwargs || name == "kwargs";
  }
  return ExpectName("a name is expected", &(*node)->name);
}

// Adjacent strings are concatenated.
bool Parser::ParseStrings(TemplateNode** node) {
  *node = New(NodeKind::kConst, token_.offset);
  const Str* all = *node == nullptr ? nullptr : NewStrNoCopy(bump_, {}, Origin::kTemplate);
  if (all == nullptr) return FailMemory();
  while (IsKind(TokenKind::kString)) {
    auto* const bytes = bump_.New<char>(token_.text.size() + all->size);
    if (bytes == nullptr) return FailMemory();
    if (all->size > 0) std::memcpy(bytes, all->data, all->size);
    size_t size = all->size;
    if (!Unescape(token_.text, token_.offset, bytes, &size)) return false;
    all = NewStrNoCopy(bump_, {bytes, size}, Origin::kTemplate);
    if (all == nullptr) return FailMemory();
    if (!Advance()) return false;
  }
  (*node)->value = Value::String(all);
  return true;
}

// Decodes a string as Jinja2 does: Python's unicode-escape.
bool Parser::Unescape(std::string_view quoted, size_t offset, char* out, size_t* size) {
  for (size_t i = 1; i + 1 < quoted.size();) {
    if (quoted[i] != '\\') {
      out[(*size)++] = quoted[i++];
      continue;
    }
    ++i;
    if (!ParseEscape({quoted.data(), quoted.size() - 1}, &i, offset, out, size)) return false;
  }
  return true;
}

// Decodes the escape after a backslash, at *i.
bool Parser::ParseEscape(std::string_view text, size_t* i, size_t offset, char* out, size_t* size) {
  static constexpr char kNames[] = "abfnrtv\\'\"";
  static constexpr char kBytes[] = "\a\b\f\n\r\t\v\\'\"";
  const char c = text[*i];
  if (c == '\n') {  // a continued line
    ++*i;
    return true;
  }
  for (size_t k = 0; k + 1 < sizeof(kNames); ++k) {
    if (c == kNames[k]) {
      out[(*size)++] = kBytes[k];
      ++*i;
      return true;
    }
  }
  uint32_t code = 0;
  if (c >= '0' && c <= '7') {
    for (int k = 0; k < 3 && *i < text.size() && text[*i] >= '0' && text[*i] <= '7'; ++k, ++*i) {
      code = code * 8 + static_cast<uint32_t>(text[*i] - '0');
    }
  } else if (c == 'x' || c == 'u' || c == 'U') {
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    for (size_t k = 1; k <= digits; ++k) {
      const int digit = *i + k < text.size() ? HexDigit(text[*i + k]) : -1;
      if (digit < 0) return FailAt(offset, "an escape of a string has too few digits");
      code = code << 4 | static_cast<uint32_t>(digit);
    }
    *i += digits + 1;
  } else if (c == 'N') {
    return FailAt(offset, "characters by name are not supported");
  } else {
    out[(*size)++] = '\\';
    if (static_cast<uint8_t>(c) < 0x80) {  // an unknown escape stays as it is
      out[(*size)++] = c;
      ++*i;
      return true;
    }
    return FailAt(offset, "a backslash stands before a character that is not ASCII");
  }
  if ((code >= 0xd800 && code < 0xe000) || code > 0x10ffff) {
    return FailAt(offset, "an escape in a string is not a character");
  }
  *size += EncodeUtf8(code, out + *size);
  return true;
}

bool Parser::ParseNumber(TemplateNode** node) {
  *node = New(NodeKind::kConst, token_.offset);
  auto* const digits = bump_.New<char>(token_.text.size());
  if (*node == nullptr || digits == nullptr) return FailMemory();
  size_t n = 0;
  for (const char c : token_.text) {
    if (c != '_') digits[n++] = c;
  }
  if (IsKind(TokenKind::kFloat)) {
    (*node)->value = Value::Float(0);
    if (!ParseDouble({digits, n}, &(*node)->value.real)) return Fail("a number is expected");
    return Advance();
  }
  const char mark = n > 1 ? static_cast<char>(digits[1] | 0x20) : '0';
  const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  int64_t integer = 0;
  for (size_t i = base == 10 ? 0 : 2; i < n; ++i) {
    if (__builtin_mul_overflow(integer, int64_t{base}, &integer) ||
        __builtin_add_overflow(integer, int64_t{HexDigit(digits[i])}, &integer)) {
      return Fail("integers beyond 64 bits are not supported");
    }
  }
  (*node)->value = Value::Int(integer);
  return Advance();
}

bool Parser::ParseListLiteral(TemplateNode** node) {
  *node = New(NodeKind::kList, token_.offset);
  if (*node == nullptr || !Advance()) return false;
  Tail items(&(*node)->items);
  for (bool is_first = true; !IsKind(TokenKind::kRightBracket); is_first = false) {
    if (!is_first && !Expect(TokenKind::kComma, "',' or ']' is expected")) return false;
    if (IsKind(TokenKind::kRightBracket)) break;
    TemplateNode* item = nullptr;
    if (!ParseExpression(&item)) return false;
    items.Add(item);
  }
  return Advance();
}

bool Parser::ParseDictLiteral(TemplateNode** node) {
  *node = New(NodeKind::kDict, token_.offset);
  if (*node == nullptr || !Advance()) return false;
  Tail items(&(*node)->items);
  for (bool is_first = true; !IsKind(TokenKind::kRightBrace); is_first = false) {
    if (!is_first && !Expect(TokenKind::kComma, "',' or '}' is expected")) return false;
    if (IsKind(TokenKind::kRightBrace)) break;
    TemplateNode *key = nullptr, *value = nullptr;
    if (!ParseExpression(&key) || !Expect(TokenKind::kColon, "':' is expected") ||
        !ParseExpression(&value)) {
      return false;
    }
    items.Add(key);
    items.Add(value);
  }
  return Advance();
}

// --- Operations on a value ---

// Attributes, elements and calls; after them, filters, tests and calls.
bool Parser::ParsePostfix(TemplateNode** node, bool with_filter) {
  TemplateNode* first = nullptr;
  Tail chain(&first);
  const size_t offset = token_.offset;
  bool in_filters = false;
  for (;;) {
    if (!in_filters && (IsKind(TokenKind::kDot) || IsKind(TokenKind::kLeftBracket))) {
      if (!ParseSubscript(&chain)) return false;
    } else if (IsKind(TokenKind::kLeftParen)) {
      TemplateNode* const call = New(NodeKind::kCall, token_.offset);
      if (call == nullptr || !ParseArguments(&call->items)) return false;
      chain.Add(call);
    } else if (with_filter && IsKind(TokenKind::kPipe)) {
      in_filters = true;
      if (!ParseFilters(&chain, true)) return false;
    } else if (with_filter && IsName("is")) {
      in_filters = true;
      if (!ParseTest(&chain)) return false;
    } else {
      break;
    }
  }
  if (first == nullptr) return true;
  TemplateNode* const all = New(NodeKind::kChain, offset);
  if (all == nullptr) return false;
  all->a = *node;
  all->items = first;
  *node = all;
  return true;
}

bool Parser::ParseSubscript(Tail* chain) {
  const size_t offset = token_.offset;
  const bool is_dot = IsKind(TokenKind::kDot);
  if (!Advance()) return false;
  if (is_dot && IsKind(TokenKind::kName)) {
    TemplateNode* const attribute = New(NodeKind::kAttribute, offset);
    if (attribute == nullptr || !ExpectName("a name is expected", &attribute->name)) return false;
    chain->Add(attribute);
    return true;
  }
  TemplateNode* node = nullptr;
  if (is_dot) {
    if (!IsKind(TokenKind::kInteger)) return Fail("a name or a number is expected");
    node = New(NodeKind::kElement, offset);
    if (node == nullptr || !ParseNumber(&node->a)) return false;
  } else {
    if (!ParseSubscribed(&node)) return false;
    if (IsKind(TokenKind::kComma)) return Fail("elements by several indices are not supported");
    if (!Expect(TokenKind::kRightBracket, "']' is expected")) return false;
  }
  chain->Add(node);
  return true;
}

bool Parser::ParseSubscribed(TemplateNode** node) {
  *node = New(NodeKind::kElement, token_.offset);
  if (*node == nullptr) return false;
  if (!IsKind(TokenKind::kColon)) {
    if (!ParseExpression(&(*node)->a)) return false;
    if (!IsKind(TokenKind::kColon)) return true;
  }
  (*node)->kind = NodeKind::kSlice;
  if (!Advance()) return false;
  const auto ends = [this] {
    return IsKind(TokenKind::kRightBracket) || IsKind(TokenKind::kComma);
  };
  if (!ends() && !IsKind(TokenKind::kColon) && !ParseExpression(&(*node)->b)) return false;
  bool has_step = false;
  if (!SkipIf(TokenKind::kColon, &has_step)) return false;
  return !has_step || ends() || ParseExpression(&(*node)->c);
}

bool Parser::ParseArguments(TemplateNode** first) {
  if (!Advance()) return false;  // '('
  Tail arguments(first);
  unsigned stage = 0;
  for (bool is_first = true; !IsKind(TokenKind::kRightParen); is_first = false) {
    if (!is_first && !Expect(TokenKind::kComma, "',' or ')' is expected")) return false;
    if (IsKind(TokenKind::kRightParen)) break;
    if (!ParseArgument(&arguments, &stage)) return false;
  }
  return Advance();
}

// The order of arguments is: plain, keyword, *list, **dict; keywords may also follow *list.
bool Parser::ParseArgument(Tail* arguments, unsigned* stage) {
  constexpr unsigned kKeywords = 1, kStar = 2, kStarStar = 3;
  const size_t offset = token_.offset;
  const bool is_star = IsKind(TokenKind::kMul), is_star_star = IsKind(TokenKind::kPow);
  TemplateNode* node = nullptr;
  if (is_star || is_star_star) {
    if (*stage >= (is_star ? kStar : kStarStar)) return Fail("arguments in the wrong order");
    *stage = is_star ? kStar : kStarStar;
    node = New(is_star ? NodeKind::kStarArgument : NodeKind::kStarKeywords, offset);
    if (node == nullptr || !Advance() || !ParseExpression(&node->a)) return false;
    arguments->Add(node);
    return true;
  }
  if (IsKind(TokenKind::kName)) {
    if (!Peek()) return false;
    if (next_.kind == TokenKind::kAssign) {
      if (*stage == kStarStar) return Fail("arguments in the wrong order");
      if (*stage < kKeywords) *stage = kKeywords;
      node = New(NodeKind::kKeyword, offset);
      if (node == nullptr || !ExpectName("a name is expected", &node->name) || !Advance() ||
          !ParseExpression(&node->a)) {
        return false;
      }
      arguments->Add(node);
      return true;
    }
  }
  if (*stage != 0) return Fail("arguments in the wrong order");
  if (!ParseExpression(&node)) return false;
  arguments->Add(node);
  return true;
}

bool Parser::ParseFilters(Tail* chain, bool first_has_pipe) {
  for (bool has_pipe = first_has_pipe; !has_pipe || IsKind(TokenKind::kPipe); has_pipe = true) {
    if (has_pipe && !Advance()) return false;
    TemplateNode* const filter = New(NodeKind::kFilter, token_.offset);
    if (filter == nullptr || !ExpectName("a filter's name is expected", &filter->name)) {
      return false;
    }
    if (IsKind(TokenKind::kLeftParen) && !ParseArguments(&filter->items)) return false;
    chain->Add(filter);
  }
  return true;
}

bool Parser::ParseTest(Tail* chain) {
  if (!Advance()) return false;  // "is"
  bool is_negated = false;
  if (!SkipIfName("not", &is_negated)) return false;
  TemplateNode* const test = New(NodeKind::kTest, token_.offset);
  if (test == nullptr || !ExpectName("a test's name is expected", &test->name)) return false;
  test->is_negated = is_negated;
  chain->Add(test);
  switch (token_.kind) {
    case TokenKind::kLeftParen:
      return ParseArguments(&test->items);
    case TokenKind::kName:
      if (IsName("else") || IsName("or") || IsName("and")) return true;
      if (IsName("is")) return Fail("tests cannot be chained");
      [[fallthrough]];
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kFloat:
    case TokenKind::kLeftBracket:
    case TokenKind::kLeftBrace:
      return ParsePrimary(&test->items) && ParsePostfix(&test->items, false);
    default:
      return true;
  }
}

}  // namespace clamma
