// SPDX-License-Identifier: MIT
#include "engine/grammar/regex.h"

#include <algorithm>

#include "engine/grammar/node_stack.h"
#include "engine/grammar/regex_classes.h"
#include "engine/grammar/text_cursor.h"
#include "model/utf8.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr size_t kMaxLength = size_t{1} << 16;  // of an expression, bytes
constexpr unsigned kMaxNesting = 80;            // of groups
constexpr size_t kMaxRanges = size_t{1} << 16;  // of a class

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Where an alternative stands: whether the text begins or ends with it. A search may begin before
// it and end after it.
struct Edges {
  bool begins;
  bool ends;
};

class Parser : private TextCursor {
 public:
  Parser(std::string_view text, const RegexOptions& options, Grammar* grammar)
      : TextCursor(text),
        options_(options),
        grammar_(grammar),
        classes_(grammar->memory()),
        nodes_(grammar) {}
  Status Run(NodeId* node);

 private:
  using TextCursor::Accept;
  bool Accept(std::string_view text) {
    if (!StartsWith({text_.data() + at_, text_.size() - at_}, text)) return false;
    at_ += text.size();
    return true;
  }
  bool AtEndOfAlternative() const { return AtEnd() || Peek() == '|' || Peek() == ')'; }
  bool IsQuantifier(size_t at) const {
    return at < text_.size() &&
           (text_[at] == '*' || text_[at] == '+' || text_[at] == '?' || text_[at] == '{');
  }
  Status ErrorAt(size_t at, const char* what) const;
  Status Error(const char* what) const { return ErrorAt(at_, what); }

  Status ParseChoice(Edges edges, NodeId* node);
  Status ParseAlternative(Edges edges, NodeId* node);
  Edges EdgesOfGroup(Edges edges) const;
  Status ParseTerm(Edges inside, NodeId* node);
  Status ParseAtom(NodeId* node);
  Status ParseGroup(Edges inside, NodeId* node);
  Status ParseQuantifier(NodeId* node);
  bool ParseBounds(uint32_t* min, uint32_t* max);
  bool ParseNumber(uint32_t* number);
  Status PushAnything();

  Status ParseClass(NodeId* node);
  Status ParseClassItem(bool negated, RangeList* ranges, uint32_t* code, bool* is_class);
  Status ParseEscape(bool in_class, bool any, RangeList* ranges, uint32_t* code, bool* is_class);
  Status ParseNamedClass(size_t begin, bool any, RangeList* ranges);
  Status ParseCharacter(uint32_t* code);
  Status ParseHex(size_t begin, size_t digits, uint32_t* code);
  Status ParseUnicodeEscape(size_t begin, uint32_t* code);
  Status AddClass(const RangeList& ranges, bool negated, NodeId* node);

  RegexOptions options_;
  unsigned nesting_ = 0;
  Grammar* grammar_;
  RegexClasses classes_;
  NodeStack nodes_;
};

Status Parser::ErrorAt(size_t at, const char* what) const {
  return Status::Error(StatusCode::kInvalidArgument, "regular expression, column %zu: %s", at + 1,
                       what);
}

Status Parser::Run(NodeId* node) {
  if (text_.size() > kMaxLength) {
    return Status::Error(StatusCode::kLimit, "a regular expression has more than %zu bytes",
                         kMaxLength);
  }
  CLAMMA_RETURN_IF_ERROR(ParseChoice({.begins = true, .ends = true}, node));
  return AtEnd() ? Status() : Error("no group is open here");
}

Status Parser::ParseChoice(Edges edges, NodeId* node) {
  const size_t base = nodes_.size();
  do {
    CLAMMA_RETURN_IF_ERROR(ParseAlternative(edges, node));
    CLAMMA_RETURN_IF_ERROR(nodes_.Push(*node));
  } while (Accept('|'));
  return nodes_.PopChoice(base, node);
}

// Pushes what a search may pass over.
Status Parser::PushAnything() {
  NodeId node = 0;
  if (options_.json_string) {
    CLAMMA_RETURN_IF_ERROR(AddJsonStringClass(nullptr, 0, true, grammar_, &node));
  } else {
    CLAMMA_RETURN_IF_ERROR(grammar_->AddClass(nullptr, 0, true, &node));
  }
  CLAMMA_RETURN_IF_ERROR(grammar_->AddRepeat(node, 0, kUnbounded, &node));
  return nodes_.Push(node);
}

// A search may begin anywhere but at `^`, and end anywhere but at `$`. A group at an edge of the
// text that has anchors gets this in its own alternatives.
Status Parser::ParseAlternative(Edges edges, NodeId* node) {
  const size_t base = nodes_.size();
  bool open_end = edges.ends && options_.search;
  bool open_begin = edges.begins && options_.search;
  bool takes_begin = edges.begins;  // whether the next group may have `^`
  while (edges.begins && Accept('^')) open_begin = takes_begin = false;
  while (!AtEndOfAlternative()) {
    if (edges.ends && Accept('$')) {
      open_end = false;
      if (!AtEndOfAlternative() && Peek() != '$') return Error("\"$\" may stand only at the end");
      continue;
    }
    const Edges inside = EdgesOfGroup({takes_begin, edges.ends});
    if (open_begin && !inside.begins) CLAMMA_RETURN_IF_ERROR(PushAnything());
    open_begin = takes_begin = false;
    if (inside.ends) open_end = false;
    CLAMMA_RETURN_IF_ERROR(ParseTerm(inside, node));
    CLAMMA_RETURN_IF_ERROR(nodes_.Push(*node));
  }
  if (open_begin) CLAMMA_RETURN_IF_ERROR(PushAnything());
  if (open_end) CLAMMA_RETURN_IF_ERROR(PushAnything());
  return nodes_.PopSequence(base, node);
}

// Returns which of these edges a group that begins here handles itself: those whose anchor it
// contains, unless it is repeated or does not end there.
Edges Parser::EdgesOfGroup(Edges edges) const {
  if (Peek() != '(' || (!edges.begins && !edges.ends)) return {false, false};
  Edges found = {false, false};
  size_t depth = 0;
  bool in_class = false;
  size_t i = at_;
  for (; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '\\') {
      ++i;
    } else if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
      if (i + 1 < text_.size() && text_[i + 1] == '^') ++i;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      if (--depth == 0) break;
    }
    if (in_class) continue;
    found.begins |= c == '^';
    found.ends |= c == '$';
  }
  const size_t behind = std::min(i + 1, text_.size());
  if (IsQuantifier(behind)) return {false, false};
  const bool is_last = behind == text_.size() || text_[behind] == '|' || text_[behind] == ')';
  return {edges.begins && found.begins, edges.ends && found.ends && is_last};
}

Status Parser::ParseTerm(Edges inside, NodeId* node) {
  if (IsQuantifier(at_))
    return Error("there is nothing to repeat (a backslash makes it a character)");
  switch (Peek()) {
    case '^':
      return Error("\"^\" may stand only at the beginning");
    case '$':
      return Error("\"$\" may stand only at the end");
    case '(':
      CLAMMA_RETURN_IF_ERROR(ParseGroup(inside, node));
      break;
    case '[':
      CLAMMA_RETURN_IF_ERROR(ParseClass(node));
      break;
    default:
      CLAMMA_RETURN_IF_ERROR(ParseAtom(node));
  }
  return ParseQuantifier(node);
}

// A character, an escape or `.`.
Status Parser::ParseAtom(NodeId* node) {
  RangeList ranges(grammar_->memory());
  uint32_t code = 0;
  bool is_class = false;
  if (Accept('.')) {  // anything but a line's end
    CLAMMA_RETURN_IF_ERROR(ranges.Add('\n', '\n'));
    CLAMMA_RETURN_IF_ERROR(ranges.Add('\r', '\r'));
    CLAMMA_RETURN_IF_ERROR(ranges.Add(0x2028, 0x2029));
    return AddClass(ranges, true, node);
  }
  if (Peek() == '\\') {
    CLAMMA_RETURN_IF_ERROR(ParseEscape(false, false, &ranges, &code, &is_class));
  } else {
    CLAMMA_RETURN_IF_ERROR(ParseCharacter(&code));
  }
  if (!is_class) CLAMMA_RETURN_IF_ERROR(ranges.Add(code, code));
  return AddClass(ranges, false, node);
}

Status Parser::AddClass(const RangeList& ranges, bool negated, NodeId* node) {
  return options_.json_string
             ? AddJsonStringClass(ranges.data(), ranges.size(), negated, grammar_, node)
             : grammar_->AddClass(ranges.data(), ranges.size(), negated, node);
}

Status Parser::ParseGroup(Edges inside, NodeId* node) {
  const size_t begin = at_++;
  if (++nesting_ > kMaxNesting) return ErrorAt(begin, "groups are nested too deeply");
  if (Accept("?=") || Accept("?!")) return ErrorAt(begin, "look-ahead is not supported");
  if (Accept("?<=") || Accept("?<!")) return ErrorAt(begin, "look-behind is not supported");
  if (Accept("?P=")) return ErrorAt(begin, "back references are not supported");
  if (Accept("?P<") || Accept("?<")) {
    while (!AtEnd() && Peek() != '>' && Peek() != ')') ++at_;
    if (!Accept('>')) return ErrorAt(begin, "the group's name is not closed");
  } else if (!Accept("?:") && Peek() == '?') {
    return ErrorAt(begin, "flags and groups of this kind are not supported");
  }
  CLAMMA_RETURN_IF_ERROR(ParseChoice(inside, node));
  --nesting_;
  return Accept(')') ? Status() : ErrorAt(begin, "this group is not closed");
}

Status Parser::ParseQuantifier(NodeId* node) {
  if (!IsQuantifier(at_)) return Status();
  const size_t begin = at_;
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  switch (text_[at_++]) {
    case '+':
      min = 1;
      break;
    case '?':
      max = 1;
      break;
    case '{':
      if (!ParseBounds(&min, &max)) return ErrorAt(begin, "{m}, {m,} or {m,n} is expected");
      break;
    default:
      break;
  }
  Accept('?');  // "lazy" changes what a search finds first, not what matches
  if (IsQuantifier(at_)) return Error("a repetition cannot be repeated");
  const Status status = grammar_->AddRepeat(*node, min, max, node);
  return status.ok() || status.code() == StatusCode::kOutOfMemory
             ? status
             : ErrorAt(begin, status.message());
}

bool Parser::ParseBounds(uint32_t* min, uint32_t* max) {
  if (!ParseNumber(min)) return false;
  *max = *min;
  if (Accept(',')) {
    *max = kUnbounded;
    if (IsDigit(Peek()) && !ParseNumber(max)) return false;
  }
  return Accept('}');
}

bool Parser::ParseNumber(uint32_t* number) {
  const size_t begin = at_;
  uint32_t value = 0;
  for (; IsDigit(Peek()); ++at_) {
    value = std::min(value * 10 + static_cast<uint32_t>(Peek() - '0'), 100'000'000u);
  }
  *number = value;
  return at_ > begin;
}

Status Parser::ParseClass(NodeId* node) {
  const size_t begin = at_++;
  const bool negated = Accept('^');
  if (Peek() == ']') return ErrorAt(begin, "an empty class, or one that begins with \"]\"");
  RangeList ranges(grammar_->memory());
  while (!Accept(']')) {
    if (AtEnd()) return ErrorAt(begin, "this class is not closed");
    const size_t at = at_;
    uint32_t first = 0;
    bool is_class = false;
    CLAMMA_RETURN_IF_ERROR(ParseClassItem(negated, &ranges, &first, &is_class));
    uint32_t last = first;
    if (Peek() == '-' && Peek(1) != ']') {
      ++at_;
      if (AtEnd()) return ErrorAt(begin, "this class is not closed");
      bool ends_in_class = false;
      if (!is_class) {
        CLAMMA_RETURN_IF_ERROR(ParseClassItem(negated, &ranges, &last, &ends_in_class));
      }
      if (is_class || ends_in_class) return ErrorAt(at, "a range of classes");
      if (last < first) return ErrorAt(at, "the range ends before it begins");
    }
    if (!is_class) CLAMMA_RETURN_IF_ERROR(ranges.Add(first, last));
    if (ranges.size() > kMaxRanges) return ErrorAt(begin, "this class has too many ranges");
  }
  return AddClass(ranges, negated, node);
}

// Reads a character, or a class, whose ranges are added.
Status Parser::ParseClassItem(bool negated, RangeList* ranges, uint32_t* code, bool* is_class) {
  if (Peek() == '\\') return ParseEscape(true, negated, ranges, code, is_class);
  if (Peek() == '[' && (Peek(1) == ':' || Peek(1) == '.' || Peek(1) == '=')) {
    return Error("classes such as [:alpha:] are not supported");
  }
  return ParseCharacter(code);
}

// `any`: the class is negated, so that the ranges must contain what the class has in any dialect.
Status Parser::ParseEscape(bool in_class, bool any, RangeList* ranges, uint32_t* code,
                           bool* is_class) {
  static constexpr char kNames[] = "t\tn\nv\vf\fr\r";  // a letter and its character
  const size_t begin = at_++;
  if (AtEnd()) return ErrorAt(begin, "a backslash is the last character");
  const char c = text_[at_++];
  for (const char* pair = kNames; *pair != '\0'; pair += 2) {
    if (c != pair[0]) continue;
    *code = static_cast<uint8_t>(pair[1]);
    return Status();
  }
  switch (c) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 's':
    case 'S':
    case 'p':
    case 'P':
      *is_class = true;
      return ParseNamedClass(begin, any, ranges);
    case 'x':
      return ParseHex(begin, 2, code);
    case 'u':
      return ParseUnicodeEscape(begin, code);
    case 'c':
      if (!IsLetter(Peek())) return ErrorAt(begin, "\\c needs a letter");
      *code = static_cast<uint8_t>(text_[at_++]) % 32u;
      return Status();
    case '0':
      if (IsDigit(Peek())) return ErrorAt(begin, "octal escapes are not supported");
      *code = 0;
      return Status();
    case 'b':
      if (!in_class) return ErrorAt(begin, "word boundaries (\\b) are not supported");
      *code = '\b';
      return Status();
    case 'B':
      return ErrorAt(begin, "word boundaries (\\B) are not supported");
    case 'k':
      return ErrorAt(begin, "back references (\\k) are not supported");
    default:
      break;
  }
  if (IsDigit(c)) {
    return ErrorAt(
        begin, in_class ? "octal escapes are not supported" : "back references are not supported");
  }
  if (IsLetter(c) || static_cast<uint8_t>(c) >= 0x80 || static_cast<uint8_t>(c) < 0x20) {
    return ErrorAt(begin, "this escape is not supported");
  }
  *code = static_cast<uint8_t>(c);
  return Status();
}

// \d, \D and so on, and \p{...}, behind their letter.
Status Parser::ParseNamedClass(size_t begin, bool any, RangeList* ranges) {
  const char c = text_[at_ - 1];
  const bool complement = c >= 'A' && c <= 'Z';
  const bool all = any != complement;  // whether what any dialect has is wanted of what is named
  RangeList named(grammar_->memory());
  if (c == 'p' || c == 'P') {
    uint32_t bits = 0;
    const size_t name = at_ + 1;
    while (!AtEnd() && Peek() != '}') ++at_;
    if (AtEnd() || text_[name - 1] != '{' ||
        !FindCategory({text_.data() + name, at_ - name}, &bits)) {
      return ErrorAt(begin,
                     "of \\p{...}, only the categories L, Lu, Ll, Lt, Lm, Lo, M, N, P and S "
                     "are supported");
    }
    ++at_;
    CLAMMA_RETURN_IF_ERROR(classes_.AddCategory(bits, &named));
  } else {
    const char small = static_cast<char>(c | 0x20);
    const RegexClass which = small == 'd'   ? RegexClass::kDigit
                             : small == 'w' ? RegexClass::kWord
                                            : RegexClass::kSpace;
    CLAMMA_RETURN_IF_ERROR(classes_.Add(which, all, &named));
  }
  if (complement) CLAMMA_RETURN_IF_ERROR(named.Complement());
  for (size_t i = 0; i < named.size(); ++i) {
    CLAMMA_RETURN_IF_ERROR(ranges->Add(named.data()[i].first, named.data()[i].last));
  }
  return Status();
}

Status Parser::ParseCharacter(uint32_t* code) {
  const Utf8Scan scan = ScanUtf8({text_.data() + at_, text_.size() - at_});
  if (scan.prefix != Utf8Prefix::kCharacter) return Error("this is not UTF-8");
  *code = DecodeUtf8(text_.data() + at_, scan.length);
  at_ += scan.length;
  return Status();
}

Status Parser::ParseHex(size_t begin, size_t digits, uint32_t* code) {
  *code = 0;
  for (size_t i = 0; i < digits; ++i, ++at_) {
    const int digit = HexDigit(Peek());
    if (digit < 0) return ErrorAt(begin, "an escape has too few hexadecimal digits");
    *code = *code << 4 | static_cast<uint32_t>(digit);
  }
  return Status();
}

// \uXXXX, two of them that are a surrogate pair, or \u{X...}, behind the `u`.
Status Parser::ParseUnicodeEscape(size_t begin, uint32_t* code) {
  if (Accept('{')) {
    size_t digits = 0;
    while (digits < 8 && HexDigit(Peek(digits)) >= 0) ++digits;
    if (digits == 0 || digits > 6) return ErrorAt(begin, "\\u{...} needs 1 to 6 digits");
    CLAMMA_RETURN_IF_ERROR(ParseHex(begin, digits, code));
    if (!Accept('}')) return ErrorAt(begin, "\\u{ is not closed");
  } else {
    CLAMMA_RETURN_IF_ERROR(ParseHex(begin, 4, code));
    if (*code >= 0xd800 && *code <= 0xdbff && Accept("\\u")) {
      uint32_t low = 0;
      CLAMMA_RETURN_IF_ERROR(ParseHex(begin, 4, &low));
      if (low < 0xdc00 || low > 0xdfff) return ErrorAt(begin, "half of a surrogate pair");
      *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  if (*code >= 0xd800 && *code <= 0xdfff) return ErrorAt(begin, "half of a surrogate pair");
  return *code <= kMaxCodePoint ? Status() : ErrorAt(begin, "not a character of Unicode");
}

}  // namespace

Status ParseRegex(std::string_view expression, const RegexOptions& options, Grammar* grammar,
                  NodeId* node) {
  return Parser(expression, options, grammar).Run(node);
}

}  // namespace clamma
