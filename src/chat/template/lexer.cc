// SPDX-License-Identifier: MIT
#include "chat/template/lexer.h"

#include "chat/template/unicode.h"
#include "platform/text.h"

namespace clamma {
namespace {

bool IsNameByte(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte >= 0x80 || IsAlpha(byte) || IsDigit(byte) || c == '_';
}

bool IsDigitIn(char c, int base) {
  if (base <= 10) return c >= '0' && c < '0' + base;
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

}  // namespace

bool Lexer::Fail(TemplateToken* token, size_t offset, const char* reason) {
  *token = {TokenKind::kEnd, offset, {}};
  reason_ = reason;
  return false;
}

bool Lexer::Has(size_t i, std::string_view text) const {
  return i <= source_.size() && StartsWith({source_.data() + i, source_.size() - i}, text);
}

size_t Lexer::SkipSpace(size_t i) const {
  while (i < source_.size()) {
    const Character c = CharacterAt(source_, i);
    if (!IsSpace(c.code_point)) break;
    i += c.length;
  }
  return i;
}

bool Lexer::Next(TemplateToken* token) {
  for (;;) {
    if (state_ != State::kRoot) return NextInTag(token);
    bool again = false;
    if (!NextInRoot(token, &again)) return false;
    if (!again) return true;
  }
}

// The first "{{", "{%" or "{#" from i on.
size_t Lexer::FindTag(size_t i) const {
  for (; i + 1 < source_.size(); ++i) {
    const char next = source_[i + 1];
    if (source_[i] == '{' && (next == '{' || next == '%' || next == '#')) return i;
  }
  return source_.size();
}

// The text from `begin` to the tag, without the white space that the tag strips.
std::string_view Lexer::StripBefore(size_t begin, size_t tag, bool is_variable) const {
  const std::string_view text(source_.data() + begin, tag - begin);
  const char sign = At(tag + 2);
  size_t end = text.size();
  if (sign == '-') {
    while (end > 0) {
      const Character c = CharacterBefore(text, end);
      if (!IsSpace(c.code_point)) break;
      end -= c.length;
    }
  } else if (sign != '+' && !is_variable) {
    size_t line = end;
    while (line > 0 && text[line - 1] != '\n') --line;
    if (line > 0 || line_starting_) {
      size_t i = line;
      while (i < end) {
        const Character c = CharacterAt(text, i);
        if (!IsSpace(c.code_point)) break;
        i += c.length;
      }
      if (i == end) end = line;
    }
  }
  return {text.data(), end};
}

// Returns the offset after "+%}", "-%}" or "%}" at i; 0 if none of them is there.
size_t Lexer::EndOfTag(size_t i, char closing, bool trims) const {
  const char end[2] = {closing, '}'};
  const std::string_view mark(end, 2);
  if (At(i) == '-' && Has(i + 1, mark)) return SkipSpace(i + 3);
  if (trims && At(i) == '+' && Has(i + 1, mark)) return i + 3;
  if (!Has(i, mark)) return 0;
  return i + 2 + (trims && At(i + 2) == '\n' ? 1 : 0);
}

bool Lexer::NextInRoot(TemplateToken* token, bool* again) {
  const size_t begin = i_;
  if (begin == source_.size()) {
    *token = {TokenKind::kEnd, begin, {}};
    return true;
  }
  const size_t tag = FindTag(begin);
  if (tag == source_.size()) {
    i_ = tag;
    *token = {TokenKind::kData, begin, {source_.data() + begin, tag - begin}};
    return true;
  }
  const char kind = source_[tag + 1];
  const std::string_view text = StripBefore(begin, tag, kind == '{');
  i_ = tag;
  if (!text.empty()) {  // the tag is for the next call
    *token = {TokenKind::kData, begin, text};
    return true;
  }
  *again = true;
  if (kind == '#') return SkipComment(token);
  if (kind == '%') {
    const size_t content = MatchRawBegin(tag);
    if (content != 0) {
      *again = false;
      return TakeRaw(token, content);
    }
  }
  const char sign = At(tag + 2);
  i_ = tag + (sign == '-' || sign == '+' ? 3 : 2);
  state_ = kind == '{' ? State::kVariable : State::kBlock;
  n_brackets_ = 0;
  *again = false;
  *token = {kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, tag, {}};
  return true;
}

bool Lexer::SkipComment(TemplateToken* token) {
  const size_t tag = i_;
  const char sign = At(tag + 2);
  for (size_t i = tag + (sign == '-' || sign == '+' ? 3 : 2); i < source_.size(); ++i) {
    const size_t end = EndOfTag(i, '#', true);
    if (end == 0) continue;
    i_ = end;
    line_starting_ = source_[end - 1] == '\n';
    return true;
  }
  return Fail(token, tag, "the comment does not end");
}

// Returns the offset after {%[-+] raw %} or {%[-+] raw -%}; 0 if it is not there.
size_t Lexer::MatchRawBegin(size_t tag) const {
  size_t i = tag + 2;
  if (At(i) == '-' || At(i) == '+') ++i;
  i = SkipSpace(i);
  if (!Has(i, "raw")) return 0;
  i = SkipSpace(i + 3);
  return EndOfTag(i, '%', false);
}

size_t Lexer::MatchRawEnd(size_t tag) const {
  size_t i = tag + 2;
  if (At(i) == '-' || At(i) == '+') ++i;
  i = SkipSpace(i);
  if (!Has(i, "endraw")) return 0;
  i = SkipSpace(i + 6);
  return EndOfTag(i, '%', true);
}

bool Lexer::TakeRaw(TemplateToken* token, size_t content) {
  line_starting_ = source_[content - 1] == '\n';
  for (size_t tag = content; tag < source_.size(); ++tag) {
    if (!Has(tag, "{%")) continue;
    const size_t end = MatchRawEnd(tag);
    if (end == 0) continue;
    *token = {TokenKind::kData, content, StripBefore(content, tag, false)};
    i_ = end;
    line_starting_ = source_[end - 1] == '\n';
    return true;
  }
  return Fail(token, i_, "the raw block does not end");
}

bool Lexer::TakeTagEnd(TemplateToken* token) {
  const bool is_block = state_ == State::kBlock;
  const size_t end = EndOfTag(i_, is_block ? '%' : '}', is_block);
  if (end == 0) return false;
  *token = {is_block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, i_, {}};
  i_ = end;
  line_starting_ = source_[end - 1] == '\n';
  state_ = State::kRoot;
  return true;
}

bool Lexer::NextInTag(TemplateToken* token) {
  // Look for the end first: in "-}}" and "-%}" the minus is not an operator.
  if (n_brackets_ == 0 && TakeTagEnd(token)) return true;
  i_ = SkipSpace(i_);
  if (n_brackets_ == 0 && TakeTagEnd(token)) return true;
  if (i_ == source_.size()) {
    *token = {TokenKind::kEnd, i_, {}};
    return true;
  }
  const char c = source_[i_];
  if (c == '"' || c == '\'') {
    for (size_t i = i_ + 1; i < source_.size(); ++i) {
      if (source_[i] == '\\') {
        ++i;
      } else if (source_[i] == c) {
        *token = {TokenKind::kString, i_, {source_.data() + i_, i + 1 - i_}};
        i_ = i + 1;
        return true;
      }
    }
    return Fail(token, i_, "the string does not end");
  }
  return IsNameByte(c) ? TakeWord(token) : TakeOperator(token);
}

// Returns the end of the digits from i on, which may be separated by '_'.
size_t Lexer::SkipDigits(size_t i, int base) const {
  while (IsDigitIn(At(i), base) || (At(i) == '_' && IsDigitIn(At(i + 1), base))) ++i;
  return i;
}

// Returns the end of the float at i; for an integer, the end of the integer.
size_t Lexer::EndOfFloat(size_t i) const {
  const size_t whole = SkipDigits(i, 10);
  if (i > 0 && source_[i - 1] == '.') return whole;  // an index: x.0.1
  size_t end = whole;
  if (At(end) == '.' && IsDigitIn(At(end + 1), 10)) end = SkipDigits(end + 1, 10);
  if ((At(end) | 0x20) != 'e') return end;
  const size_t sign = At(end + 1) == '-' || At(end + 1) == '+' ? 1 : 0;
  return IsDigitIn(At(end + 1 + sign), 10) ? SkipDigits(end + 1 + sign, 10) : end;
}

size_t Lexer::EndOfInteger(size_t i) const {
  if (source_[i] != '0') return SkipDigits(i, 10);
  const char mark = static_cast<char>(At(i + 1) | 0x20);
  const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  const size_t first = i + 2 + (At(i + 2) == '_' ? 1 : 0);
  if (base != 10 && IsDigitIn(At(first), base)) return SkipDigits(first, base);
  ++i;  // only zeros: "01" is the two numbers 0 and 1
  while (At(i) == '0' || (At(i) == '_' && At(i + 1) == '0')) ++i;
  return i;
}

// Numbers and names.
bool Lexer::TakeWord(TemplateToken* token) {
  const size_t begin = i_;
  TokenKind kind = TokenKind::kName;
  if (IsDigitIn(At(begin), 10)) {
    const size_t end = EndOfFloat(begin);
    kind = end > SkipDigits(begin, 10) ? TokenKind::kFloat : TokenKind::kInteger;
    i_ = kind == TokenKind::kFloat ? end : EndOfInteger(begin);
  } else {
    while (i_ < source_.size() && IsNameByte(source_[i_])) ++i_;
  }
  *token = {kind, begin, {source_.data() + begin, i_ - begin}};
  return true;
}

bool Lexer::TakeOperator(TemplateToken* token) {
  static constexpr struct {
    std::string_view text;
    TokenKind kind;
  } kOperators[] = {
      {"//", TokenKind::kFloorDiv},   {"**", TokenKind::kPow},
      {"==", TokenKind::kEq},         {"!=", TokenKind::kNe},
      {">=", TokenKind::kGe},         {"<=", TokenKind::kLe},
      {"+", TokenKind::kAdd},         {"-", TokenKind::kSub},
      {"/", TokenKind::kDiv},         {"*", TokenKind::kMul},
      {"%", TokenKind::kMod},         {"~", TokenKind::kTilde},
      {"[", TokenKind::kLeftBracket}, {"]", TokenKind::kRightBracket},
      {"(", TokenKind::kLeftParen},   {")", TokenKind::kRightParen},
      {"{", TokenKind::kLeftBrace},   {"}", TokenKind::kRightBrace},
      {">", TokenKind::kGt},          {"<", TokenKind::kLt},
      {"=", TokenKind::kAssign},      {".", TokenKind::kDot},
      {":", TokenKind::kColon},       {"|", TokenKind::kPipe},
      {",", TokenKind::kComma},       {";", TokenKind::kSemicolon},
  };
  for (const auto& op : kOperators) {
    if (!Has(i_, op.text)) continue;
    *token = {op.kind, i_, {source_.data() + i_, op.text.size()}};
    if (!TakeBracket(token)) return false;
    i_ += op.text.size();
    return true;
  }
  return Fail(token, i_, "an unexpected character");
}

bool Lexer::TakeBracket(TemplateToken* token) {
  const char c = token->text[0];
  if (c == '(' || c == '[' || c == '{') {
    if (n_brackets_ == kMaxBrackets) return Fail(token, i_, "brackets are nested too deeply");
    brackets_[n_brackets_++] = c == '(' ? ')' : c == '[' ? ']' : '}';
  } else if (c == ')' || c == ']' || c == '}') {
    if (n_brackets_ == 0 || brackets_[n_brackets_ - 1] != c) {
      return Fail(token, i_, "there is no open bracket to close");
    }
    --n_brackets_;
  }
  return true;
}

}  // namespace clamma
