// SPDX-License-Identifier: MIT
// Splits a template into tokens. White space around tags is handled as in Jinja2 with trim_blocks
// and lstrip_blocks, and without keep_trailing_newline.
#ifndef CLAMMA_CHAT_TEMPLATE_LEXER_H_
#define CLAMMA_CHAT_TEMPLATE_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clamma {

enum class TokenKind : uint8_t {
  kEnd,
  kData,  // text outside of tags
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,  // with its quotes
  kInteger,
  kFloat,
  kAdd,
  kSub,
  kMul,
  kPow,
  kDiv,
  kFloorDiv,
  kMod,
  kTilde,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kAssign,
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
  kDot,
  kComma,
  kColon,
  kPipe,
  kSemicolon,
};

struct TemplateToken {
  TokenKind kind;
  size_t offset;
  std::string_view text;
};

class Lexer {
 public:
  // The lines of the source end in '\n'.
  explicit Lexer(std::string_view source) : source_(source) {}

  // Returns false if the source is invalid: reason() is then the reason, and `token` the place.
  bool Next(TemplateToken* token);
  const char* reason() const { return reason_; }

 private:
  enum class State : uint8_t { kRoot, kVariable, kBlock };
  static constexpr size_t kMaxBrackets = 128;  // nested

  bool Fail(TemplateToken* token, size_t offset, const char* reason);
  bool NextInRoot(TemplateToken* token, bool* again);
  bool NextInTag(TemplateToken* token);
  bool TakeTagEnd(TemplateToken* token);
  bool TakeWord(TemplateToken* token);
  size_t SkipDigits(size_t i, int base) const;
  size_t EndOfFloat(size_t i) const;
  size_t EndOfInteger(size_t i) const;
  bool TakeOperator(TemplateToken* token);
  bool TakeBracket(TemplateToken* token);
  bool SkipComment(TemplateToken* token);
  bool TakeRaw(TemplateToken* token, size_t content);
  size_t MatchRawBegin(size_t tag) const;
  size_t MatchRawEnd(size_t tag) const;
  std::string_view StripBefore(size_t begin, size_t tag, bool is_variable) const;
  size_t SkipSpace(size_t i) const;
  size_t FindTag(size_t i) const;
  size_t EndOfTag(size_t i, char closing, bool trims) const;
  bool Has(size_t i, std::string_view text) const;
  char At(size_t i) const { return i < source_.size() ? source_[i] : '\0'; }

  std::string_view source_;
  size_t i_ = 0;
  State state_ = State::kRoot;
  bool line_starting_ = true;
  char brackets_[kMaxBrackets];
  size_t n_brackets_ = 0;
  const char* reason_ = "";
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_LEXER_H_
