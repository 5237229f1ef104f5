// SPDX-License-Identifier: MIT
#include "engine/grammar/gbnf.h"

#include <algorithm>

#include "engine/grammar/node_stack.h"
#include "engine/grammar/text_cursor.h"
#include "model/utf8.h"
#include "platform/clock.h"
#include "platform/hash.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr unsigned kMaxNesting = 100;  // of groups

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// Rules by their names, and where they are first used.
class RuleNames {
 public:
  explicit RuleNames(Grammar* grammar) : grammar_(grammar), seed_(SeedFromClock()) {}

  // Returns the rule of that name, which is added if there is none.
  Status Find(std::string_view name, size_t at, RuleId* rule) {
    if (2 * (n_named_ + 1) > slots_.size()) CLAMMA_RETURN_IF_ERROR(Grow());
    size_t slot = SlotOf(name);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      *rule = named_[slots_[slot] - 1].rule;
      if (grammar_->name(*rule) == name) return Status();
    }
    CLAMMA_RETURN_IF_ERROR(grammar_->AddRule(name, rule));
    named_[n_named_++] = {*rule, at};
    slots_[slot] = static_cast<uint32_t>(n_named_);
    return Status();
  }
  // Finds the first name without a rule. Returns false if all are defined.
  bool FindUndefined(RuleId* rule, size_t* first_use) const {
    for (size_t i = 0; i < n_named_; ++i) {
      if (grammar_->IsDefined(named_[i].rule)) continue;
      *rule = named_[i].rule;
      *first_use = named_[i].first_use;
      return true;
    }
    return false;
  }

 private:
  struct Named {
    RuleId rule;
    size_t first_use;
  };

  size_t SlotOf(std::string_view name) const {
    return static_cast<size_t>(SeededHash(seed_, name)) & (slots_.size() - 1);
  }
  Status Grow() {
    const uint64_t size = std::max<uint64_t>(64, uint64_t{2} * slots_.size());
    CLAMMA_RETURN_IF_ERROR(named_.Resize(grammar_->memory(), size));
    CLAMMA_RETURN_IF_ERROR(slots_.Resize(grammar_->memory(), size));
    std::fill_n(slots_.data(), slots_.size(), 0u);
    for (size_t i = 0; i < n_named_; ++i) {
      size_t slot = SlotOf(grammar_->name(named_[i].rule));
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = static_cast<uint32_t>(i + 1);
    }
    return Status();
  }

  Grammar* grammar_;
  uint64_t seed_;
  Array<uint32_t> slots_;  // open-addressing hash table of places in named_ + 1; 0: free
  Array<Named> named_;
  size_t n_named_ = 0;
};

class Parser : private TextCursor {
 public:
  Parser(std::string_view text, bool is_strict, Grammar* grammar, DroppedConstraints* dropped)
      : TextCursor(text),
        is_strict_(is_strict),
        dropped_(dropped),
        grammar_(grammar),
        names_(grammar),
        nodes_(grammar) {}
  Status Run();

 private:
  Status ErrorAt(size_t at, const char* what) const;
  Status Error(const char* what) const { return ErrorAt(at_, what); }

  void SkipSpace(bool newlines);
  void SkipToAlternative();
  std::string_view Name();
  Status ParseRule();
  Status ParseChoice(bool nested, NodeId* node);
  Status ParseSequence(bool nested, NodeId* node);
  bool AtItem() const;
  Status ParseItem(NodeId* node);
  Status ParseGroup(NodeId* node);
  Status ParseReference(NodeId* node);
  Status ParseLiteral(NodeId* node);
  Status ParseClass(NodeId* node);
  Status ParseToken(NodeId* node);
  Status ParseSchema(NodeId* node);
  Status ParseRepeats(bool nested, NodeId* node);
  Status ParseBounds(bool nested, NodeId* node);
  Status ParseNumber(uint32_t* number);
  Status ParseCharacter(uint32_t* code);
  Status ParseEscape(uint32_t* code);

  const bool is_strict_;
  DroppedConstraints* const dropped_;
  unsigned nesting_ = 0;
  uint64_t steps_ = 0;  // of its schemas
  Grammar* grammar_;
  RuleNames names_;
  NodeStack nodes_;
};

Status Parser::ErrorAt(size_t at, const char* what) const {
  const std::string_view before = Front(text_, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  size_t begin = at;
  while (begin > 0 && text_[begin - 1] != '\n') --begin;
  return Status::Error(StatusCode::kInvalidArgument, "grammar, line %zu, column %zu: %s",
                       static_cast<size_t>(line), at - begin + 1, what);
}

// Skips white space and comments; line breaks only if `newlines` is set.
void Parser::SkipSpace(bool newlines) {
  while (!AtEnd()) {
    const char c = text_[at_];
    if (c == '#') {
      while (!AtEnd() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
    } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
      ++at_;
    } else {
      return;
    }
  }
}

Status Parser::Run() {
  SkipSpace(true);
  while (!AtEnd()) {
    CLAMMA_RETURN_IF_ERROR(ParseRule());
    SkipSpace(true);
  }
  RuleId root = 0;
  size_t first_use = 0;
  if (names_.FindUndefined(&root, &first_use)) {
    char what[160];
    Format(what, sizeof(what), "the rule %s is not defined", Quoted(grammar_->name(root)).c_str());
    return ErrorAt(first_use, what);
  }
  if (!grammar_->FindRule("root", &root)) {
    return Status::Error(StatusCode::kInvalidArgument, "grammar: there is no rule \"root\"");
  }
  grammar_->SetRoot(root);
  return Status();
}

std::string_view Parser::Name() {
  const size_t begin = at_;
  while (!AtEnd() && IsNameChar(text_[at_])) ++at_;
  return {text_.data() + begin, at_ - begin};
}

Status Parser::ParseRule() {
  const size_t begin = at_;
  const std::string_view name = Name();
  if (name.empty()) return Error("the name of a rule is expected");
  RuleId rule = 0;
  CLAMMA_RETURN_IF_ERROR(names_.Find(name, begin, &rule));
  if (grammar_->IsDefined(rule)) {
    char what[160];
    Format(what, sizeof(what), "the rule %s is defined twice", Quoted(name).c_str());
    return ErrorAt(begin, what);
  }
  SkipSpace(false);
  for (const char c : std::string_view("::=")) {
    if (!Accept(c)) return Error("\"::=\" is expected");
  }
  SkipSpace(true);
  NodeId body = 0;
  CLAMMA_RETURN_IF_ERROR(ParseChoice(false, &body));
  if (!AtEnd() && Peek() != '\n' && Peek() != '\r') {
    return Error(Peek() == ')' ? "no group is open here" : "the end of the line is expected");
  }
  return grammar_->DefineRule(rule, body);
}

// Outside of groups, too, the next line may begin with "|".
void Parser::SkipToAlternative() {
  const size_t at = at_;
  SkipSpace(true);
  if (Peek() != '|') at_ = at;
}

Status Parser::ParseChoice(bool nested, NodeId* node) {
  const size_t base = nodes_.size();
  do {
    SkipSpace(true);
    CLAMMA_RETURN_IF_ERROR(ParseSequence(nested, node));
    CLAMMA_RETURN_IF_ERROR(nodes_.Push(*node));
    if (!nested) SkipToAlternative();
  } while (Accept('|'));
  return nodes_.PopChoice(base, node);
}

// Whether the next character begins a part of a sequence.
bool Parser::AtItem() const {
  const char c = Peek();
  return IsNameChar(c) || c == '"' || c == '[' || c == '(' || c == '.' || c == '<' || c == '!' ||
         c == '%';
}

Status Parser::ParseSequence(bool nested, NodeId* node) {
  const size_t base = nodes_.size();
  while (AtItem()) {
    CLAMMA_RETURN_IF_ERROR(ParseItem(node));
    SkipSpace(nested);
    CLAMMA_RETURN_IF_ERROR(ParseRepeats(nested, node));
    CLAMMA_RETURN_IF_ERROR(nodes_.Push(*node));
  }
  const char c = Peek();
  if (c == '*' || c == '+' || c == '?' || c == '{') return Error("there is nothing to repeat");
  return nodes_.PopSequence(base, node);
}

Status Parser::ParseItem(NodeId* node) {
  switch (Peek()) {
    case '"':
      return ParseLiteral(node);
    case '[':
      return ParseClass(node);
    case '(':
      return ParseGroup(node);
    case '<':
    case '!':
      return ParseToken(node);
    case '%':
      return ParseSchema(node);
    case '.':
      ++at_;
      return grammar_->AddClass(nullptr, 0, true, node);
    default:
      return ParseReference(node);
  }
}

Status Parser::ParseGroup(NodeId* node) {
  const size_t begin = at_++;
  if (++nesting_ > kMaxNesting) return ErrorAt(begin, "groups are nested too deeply");
  CLAMMA_RETURN_IF_ERROR(ParseChoice(true, node));
  --nesting_;
  if (Accept(')')) return Status();
  return AtEnd() ? ErrorAt(begin, "this group is not closed") : Error("\")\" is expected");
}

Status Parser::ParseReference(NodeId* node) {
  const size_t begin = at_;
  const std::string_view name = Name();
  RuleId rule = 0;
  CLAMMA_RETURN_IF_ERROR(names_.Find(name, begin, &rule));
  return grammar_->AddReference(rule, node);
}

Status Parser::ParseLiteral(NodeId* node) {
  const size_t begin = at_++;
  const size_t base = nodes_.size();
  size_t plain = at_;  // characters without escapes become one node
  const auto push_plain = [&] {
    if (plain == at_) return Status();
    CLAMMA_RETURN_IF_ERROR(grammar_->AddBytes({text_.data() + plain, at_ - plain}, node));
    return nodes_.Push(*node);
  };
  while (Peek() != '"') {
    if (AtEnd()) return ErrorAt(begin, "this text is not closed");
    uint32_t code = 0;
    if (Peek() != '\\') {
      CLAMMA_RETURN_IF_ERROR(ParseCharacter(&code));
      continue;
    }
    CLAMMA_RETURN_IF_ERROR(push_plain());
    CLAMMA_RETURN_IF_ERROR(ParseEscape(&code));
    plain = at_;
    char bytes[4];
    CLAMMA_RETURN_IF_ERROR(grammar_->AddBytes({bytes, EncodeUtf8(code, bytes)}, node));
    CLAMMA_RETURN_IF_ERROR(nodes_.Push(*node));
  }
  CLAMMA_RETURN_IF_ERROR(push_plain());
  ++at_;
  return nodes_.PopSequence(base, node);
}

Status Parser::ParseClass(NodeId* node) {
  const size_t begin = at_++;
  const bool negated = Accept('^');
  Array<CodeRange> ranges;
  size_t n = 0;
  while (!Accept(']')) {
    if (AtEnd()) return ErrorAt(begin, "this class is not closed");
    if (n == ranges.size()) {
      CLAMMA_RETURN_IF_ERROR(
          ranges.Resize(grammar_->memory(), std::max<uint64_t>(16, uint64_t{2} * n)));
    }
    const size_t at = at_;
    CodeRange range = {};
    CLAMMA_RETURN_IF_ERROR(ParseCharacter(&range.first));
    range.last = range.first;
    if (Peek() == '-' && Peek(1) != ']') {
      ++at_;
      if (AtEnd()) return ErrorAt(begin, "this class is not closed");
      CLAMMA_RETURN_IF_ERROR(ParseCharacter(&range.last));
    }
    if (range.last < range.first) return ErrorAt(at, "the range ends before it begins");
    ranges[n++] = range;
  }
  return grammar_->AddClass(ranges.data(), n, negated, node);
}

// <name>, whose token has that name with its brackets, or <[id]>.
Status Parser::ParseToken(NodeId* node) {
  const bool negated = Accept('!');
  const size_t begin = at_;
  if (!Accept('<')) return Error("a token such as <name> or <[id]> is expected");
  if (Accept('[')) {
    uint32_t id = 0;
    CLAMMA_RETURN_IF_ERROR(ParseNumber(&id));
    if (!Accept(']') || !Accept('>')) return Error("\"]>\" is expected");
    return grammar_->AddToken(static_cast<TokenId>(id), negated, node);
  }
  while (!AtEnd() && Peek() != '>' && Peek() != '\n') ++at_;
  if (!Accept('>')) return ErrorAt(begin, "this token is not closed");
  return grammar_->AddTokenName({text_.data() + begin, at_ - begin}, negated, node);
}

// %json and a JSON schema, an object.
Status Parser::ParseSchema(NodeId* node) {
  const size_t begin = at_;
  for (const char c : std::string_view("%json")) {
    if (!Accept(c)) return ErrorAt(begin, "\"%json\" is expected");
  }
  SkipSpace(true);
  const size_t schema = at_;
  if (Peek() != '{') return Error("a JSON schema, an object, is expected");
  bool in_string = false;
  for (size_t depth = 0;;) {
    if (AtEnd()) return ErrorAt(schema, "this schema is not closed");
    const char c = text_[at_++];
    if (in_string) {
      if (c == '\\' && !AtEnd()) ++at_;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      break;
    }
  }
  RuleId rule = 0;
  const Status status = CompileJsonSchema(
      grammar_->memory(), {text_.data() + schema, at_ - schema},
      {.is_strict = is_strict_, .may_space = true, .steps = &steps_}, grammar_, &rule, dropped_);
  if (status.code() == StatusCode::kInvalidArgument) return ErrorAt(schema, status.message());
  CLAMMA_RETURN_IF_ERROR(status);
  return grammar_->AddReference(rule, node);
}

Status Parser::ParseRepeats(bool nested, NodeId* node) {
  for (;;) {
    if (Accept('*')) {
      CLAMMA_RETURN_IF_ERROR(grammar_->AddRepeat(*node, 0, kUnbounded, node));
    } else if (Accept('+')) {
      CLAMMA_RETURN_IF_ERROR(grammar_->AddRepeat(*node, 1, kUnbounded, node));
    } else if (Accept('?')) {
      CLAMMA_RETURN_IF_ERROR(grammar_->AddRepeat(*node, 0, 1, node));
    } else if (Accept('{')) {
      CLAMMA_RETURN_IF_ERROR(ParseBounds(nested, node));
    } else {
      return Status();
    }
    SkipSpace(nested);
  }
}

// {m}, {m,} or {m,n}, behind the brace.
Status Parser::ParseBounds(bool nested, NodeId* node) {
  const size_t begin = at_ - 1;
  uint32_t min = 0;
  SkipSpace(nested);
  CLAMMA_RETURN_IF_ERROR(ParseNumber(&min));
  uint32_t max = min;
  SkipSpace(nested);
  if (Accept(',')) {
    SkipSpace(nested);
    max = kUnbounded;
    if (Peek() != '}') CLAMMA_RETURN_IF_ERROR(ParseNumber(&max));
    SkipSpace(nested);
  }
  if (!Accept('}')) return Error("\"}\" is expected");
  const Status status = grammar_->AddRepeat(*node, min, max, node);
  return status.ok() || status.code() == StatusCode::kOutOfMemory
             ? status
             : ErrorAt(begin, status.message());
}

Status Parser::ParseNumber(uint32_t* number) {
  const size_t begin = at_;
  uint32_t value = 0;
  for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
    value = value * 10 + static_cast<uint32_t>(Peek() - '0');
    if (value > 100'000'000) return ErrorAt(begin, "this number is too large");
  }
  if (at_ == begin) return Error("a number is expected");
  *number = value;
  return Status();
}

Status Parser::ParseCharacter(uint32_t* code) {
  if (Peek() == '\\') return ParseEscape(code);
  const Utf8Scan scan = ScanUtf8({text_.data() + at_, text_.size() - at_});
  if (scan.prefix != Utf8Prefix::kCharacter) return Error("this is not UTF-8");
  *code = DecodeUtf8(text_.data() + at_, scan.length);
  at_ += scan.length;
  return Status();
}

Status Parser::ParseEscape(uint32_t* code) {
  struct Escape {
    char name;
    char value;
    uint8_t digits;
  };
  static constexpr Escape kEscapes[] = {
      {'n', '\n', 0}, {'t', '\t', 0}, {'r', '\r', 0}, {'\\', '\\', 0}, {'"', '"', 0},
      {'[', '[', 0},  {']', ']', 0},  {'^', '^', 0},  {'-', '-', 0},   {'/', '/', 0},
      {'x', 0, 2},    {'u', 0, 4},    {'U', 0, 8}};
  const size_t begin = at_++;
  const auto* const end = kEscapes + sizeof(kEscapes) / sizeof(*kEscapes);
  const auto* const found =
      std::find_if(kEscapes, end, [&](const Escape& e) { return !AtEnd() && e.name == Peek(); });
  if (found == end) return ErrorAt(begin, "this escape is not known");
  ++at_;
  *code = static_cast<uint8_t>(found->value);
  for (unsigned i = 0; i < found->digits; ++i, ++at_) {
    const int digit = HexDigit(Peek());
    if (digit < 0) return ErrorAt(begin, "an escape has too few hexadecimal digits");
    *code = *code << 4 | static_cast<uint32_t>(digit);
  }
  if (*code > kMaxCodePoint || (*code >= 0xd800 && *code <= 0xdfff)) {
    return ErrorAt(begin, "an escape is not a character of Unicode");
  }
  return Status();
}

}  // namespace

Status ParseGbnf(std::string_view text, bool is_strict, Grammar* grammar,
                 DroppedConstraints* dropped) {
  return Parser(text, is_strict, grammar, dropped).Run();
}

}  // namespace clamma
