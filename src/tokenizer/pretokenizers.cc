// SPDX-License-Identifier: MIT
#include "tokenizer/pretokenizers.h"

#include <algorithm>
#include <iterator>

#include "tokenizer/unicode.h"

// The rules are regular expressions that models publish in tokenizer.json or in packages;
// https://github.com/ggml-org/llama.cpp, src/llama-vocab.cpp, lists them by their names in GGUF
// files. If that list only approximates a model's expression (tekken, gpt-4o), the functions follow
// the model's expression. Each function below matches the expression in its comment as a
// backtracking engine does: it takes the first alternative that matches, not the longest.
namespace clamma {
namespace {

bool IsNewline(uint32_t code) { return code == '\r' || code == '\n'; }

const char* SkipNewlines(const char* at, const char* end, bool slashes) {
  while (at < end && (*at == '\r' || *at == '\n' || (slashes && *at == '/'))) ++at;
  return at;
}

// --- Parts of expressions ---

constexpr uint32_t kLongS = 0x17f;  // folds to s

// 's|'t|'re|'ve|'m|'ll|'d, in any case if `fold`. Returns its end, or nullptr.
const char* MatchContraction(const char* at, const char* end, bool fold) {
  if (end - at < 2 || *at != '\'') return nullptr;
  const auto letter = [&](const Char& c) -> uint32_t {
    if (!fold) return c.code;
    if (c.code == kLongS) return 's';
    return c.code >= 'A' && c.code <= 'Z' ? c.code + ('a' - 'A') : c.code;
  };
  const Char first = FrontChar(at + 1, end);
  const char* const after = at + 1 + first.length;
  const uint32_t a = letter(first);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return after;
  const Char second = FrontChar(after, end);
  const uint32_t b = letter(second);
  const bool two = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
  return two ? after + second.length : nullptr;
}

// \s+(?!\S)|\s+ at white space: all of it, except the last character if other text follows.
const char* MatchSpaces(const char* at, const char* end) {
  const char* const run = SkipClasses(at, end, kWhite);
  if (run == end) return run;
  const char* last = run - 1;
  while ((static_cast<uint8_t>(*last) & 0xc0) == 0x80) --last;
  return last > at ? last : run;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ at white space.
const char* MatchLinesOrSpaces(const char* at, const char* end) {
  const char* newline = SkipClasses(at, end, kWhite);
  while (newline > at && !IsNewline(static_cast<uint8_t>(newline[-1]))) --newline;
  return newline > at ? newline : MatchSpaces(at, end);
}

// \p{N}{1,most} at a number.
const char* MatchNumbers(const char* at, const char* end, int most) {
  for (int i = 0; i < most; ++i) {
    const Char c = FrontChar(at, end);
    if ((c.bit & kNumber) == 0) break;
    at += c.length;
  }
  return at;
}

// --- Whole expressions ---

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// (https://github.com/openai/gpt-2, src/encoder.py)
ptrdiff_t MatchGpt2(const char* at, const char* end) {
  if (const char* const after = MatchContraction(at, end, false); after != nullptr) {
    return after - at;
  }
  const char* const word = *at == ' ' ? at + 1 : at;
  const Char c = FrontChar(word, end);
  constexpr uint32_t kRest = kAnyClass & ~(kWhite | kLetter | kNumber);
  for (const uint32_t classes : {kLetter, kNumber, kRest}) {
    if ((c.bit & classes) != 0) return SkipClasses(word, end, classes) - at;
  }
  return MatchSpaces(at, end) - at;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?W+|\p{N}{1,kNumbers}
// | ?[^\sW\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ where W is the set of kWord: \p{L} or
// [\p{L}\p{M}]. (Llama 3: https://github.com/meta-llama/llama-models, models/llama3/tokenizer.py)
template <int kNumbers, uint32_t kWord>
ptrdiff_t MatchFolded(const char* at, const char* end) {
  if (const char* const after = MatchContraction(at, end, true); after != nullptr) {
    return after - at;
  }
  const Char c = FrontChar(at, end);
  const char* const second = at + c.length;
  const Char next = FrontChar(second, end);
  const bool may_lead = (c.bit & (kLetter | kNumber)) == 0 && !IsNewline(c.code);
  if (may_lead && (next.bit & kWord) != 0) return SkipClasses(second, end, kWord) - at;
  if ((c.bit & kWord) != 0) return SkipClasses(at, end, kWord) - at;
  if ((c.bit & kNumber) != 0) return MatchNumbers(at, end, kNumbers) - at;
  constexpr uint32_t kRest = kAnyClass & ~(kWhite | kWord | kNumber);
  if ((c.bit & kRest) != 0 || (c.code == ' ' && (next.bit & kRest) != 0)) {
    return SkipNewlines(SkipClasses(second, end, kRest), end, false) - at;
  }
  return MatchLinesOrSpaces(at, end) - at;
}

constexpr uint32_t kHead = kUpper | kTitle | kUncased | kMark;  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
constexpr uint32_t kTail = kLower | kUncased | kMark;           // [\p{Ll}\p{Lm}\p{Lo}\p{M}]

// kHead* kTail+: returns its end, or nullptr.
const char* MatchTailed(const char* at, const char* end) {
  const char* const heads = SkipClasses(at, end, kHead);
  if ((FrontChar(heads, end).bit & kTail) != 0) return SkipClasses(heads, end, kTail);
  // Backtrack to the last head that can also be a tail; no later one can.
  for (const char* after = heads; after > at;) {
    const char* front = after - 1;
    while ((static_cast<uint8_t>(*front) & 0xc0) == 0x80) --front;
    if ((FrontChar(front, end).bit & kTail) != 0) return after;
    after = front;
  }
  return nullptr;
}

// [^\r\n\p{L}\p{N}]?kHead*kTail+|[^\r\n\p{L}\p{N}]?kHead+kTail*: returns its end, or nullptr.
const char* MatchCasedWord(const char* at, const char* end) {
  const Char c = FrontChar(at, end);
  const bool may_lead = (c.bit & (kLetter | kNumber)) == 0 && !IsNewline(c.code);
  const char* const second = at + c.length;
  if (may_lead) {
    if (const char* const after = MatchTailed(second, end); after != nullptr) return after;
  }
  if (const char* const after = MatchTailed(at, end); after != nullptr) return after;
  // Without a tail only kHead+ can match.
  if (may_lead && (FrontChar(second, end).bit & kHead) != 0) {
    return SkipClasses(second, end, kHead);
  }
  return (c.bit & kHead) != 0 ? SkipClasses(at, end, kHead) : nullptr;
}

// The expression of MatchCasedWord(), with kSuffixes followed by (?i:'s|'t|'re|'ve|'m|'ll|'d)?,
// then
// |\p{N}{1,kNumbers}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
// (o200k_base of https://github.com/openai/tiktoken; tekken of
// https://github.com/mistralai/mistral-common has no suffixes, and kNumbers is 1)
template <int kNumbers, bool kSuffixes>
ptrdiff_t MatchCased(const char* at, const char* end) {
  if (const char* const word = MatchCasedWord(at, end); word != nullptr) {
    const char* const suffix = kSuffixes ? MatchContraction(word, end, true) : nullptr;
    return (suffix != nullptr ? suffix : word) - at;
  }
  const Char c = FrontChar(at, end);
  if ((c.bit & kNumber) != 0) return MatchNumbers(at, end, kNumbers) - at;
  constexpr uint32_t kRest = kAnyClass & ~(kWhite | kLetter | kNumber);
  const char* const second = at + c.length;
  if ((c.bit & kRest) != 0 || (c.code == ' ' && (FrontChar(second, end).bit & kRest) != 0)) {
    return SkipNewlines(SkipClasses(second, end, kRest), end, true) - at;
  }
  return MatchLinesOrSpaces(at, end) - at;
}

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
// |\s*[\r\n]+|\s+(?!\S)|\s+ (tokenizer.json of DeepSeek-V3)
ptrdiff_t MatchDeepseekV3(const char* at, const char* end) {
  const Char c = FrontChar(at, end);
  const char* const second = at + c.length;
  const Char next = FrontChar(second, end);
  constexpr uint32_t kMarks = kPunctuation | kSymbol;
  if (c.code < 0x80 && (c.bit & kMarks) != 0 && second < end && IsAsciiLetter(*second)) {
    const char* letters = second;
    while (letters < end && IsAsciiLetter(*letters)) ++letters;
    return letters - at;
  }
  const bool may_lead = (c.bit & (kLetter | kMarks)) == 0 && !IsNewline(c.code);
  if (may_lead && (next.bit & (kLetter | kMark)) != 0) {
    return SkipClasses(second, end, kLetter | kMark) - at;
  }
  if ((c.bit & (kLetter | kMark)) != 0) return SkipClasses(at, end, kLetter | kMark) - at;
  if ((c.bit & kMarks) != 0 || (c.code == ' ' && (next.bit & kMarks) != 0)) {
    return SkipNewlines(SkipClasses(second, end, kMarks), end, false) - at;
  }
  if ((c.bit & kWhite) != 0) return MatchLinesOrSpaces(at, end) - at;
  return -static_cast<ptrdiff_t>(c.length);
}

// --- Expressions of one class ---

using CharTest = bool (*)(const Char& c);

bool IsNumber(const Char& c) { return (c.bit & kNumber) != 0; }
bool IsLetter(const Char& c) { return (c.bit & kLetter) != 0; }
bool IsPunctuation(const Char& c) { return (c.bit & kPunctuation) != 0; }
bool IsLineEnd(const Char& c) { return IsNewline(c.code); }
bool IsAsciiSymbol(uint32_t code) {
  return code == '$' || code == '+' || (code >= '<' && code <= '>') || code == '^' || code == '~' ||
         code == '|';
}
bool IsPunctuationOrSymbol(const Char& c) { return IsPunctuation(c) || IsAsciiSymbol(c.code); }
bool IsFalconPunctuation(const Char& c) { return IsPunctuationOrSymbol(c) || c.code == '`'; }

// [一-龥ࠀ-一가-퟿]
bool IsDeepseekEastAsian(const Char& c) {
  return (c.code >= 0x800 && c.code <= 0x9fa5) || (c.code >= 0xac00 && c.code <= 0xd7ff);
}
// [一-龥぀-ゟ゠-ヿ]
bool IsHanOrKana(const Char& c) {
  return (c.code >= 0x4e00 && c.code <= 0x9fa5) || (c.code >= 0x3040 && c.code <= 0x30ff);
}
// [!-/:-~！-／：-～‘-‟　-。]
bool IsDeepseekPunctuation(const Char& c) {
  static constexpr uint32_t kRanges[][2] = {{'!', '/'},       {':', '~'},       {0x2018, 0x201f},
                                            {0x3000, 0x3002}, {0xff01, 0xff0f}, {0xff1a, 0xff5e}};
  return std::any_of(std::begin(kRanges), std::end(kRanges), [&](const uint32_t(&range)[2]) {
    return c.code >= range[0] && c.code <= range[1];
  });
}

// The letters that tokenizer.json of DeepSeek LLM lists: the cased letters of an older Unicode.
constexpr uint32_t kCasedLetters[][2] = {
    {0x0041, 0x005a},   {0x0061, 0x007a},   {0x00b5, 0x00b5},   {0x00c0, 0x00d6},
    {0x00d8, 0x00f6},   {0x00f8, 0x01ba},   {0x01bc, 0x01bf},   {0x01c4, 0x0293},
    {0x0295, 0x02af},   {0x0370, 0x0373},   {0x0376, 0x0376},   {0x0377, 0x0377},
    {0x037b, 0x037d},   {0x037f, 0x037f},   {0x0386, 0x0386},   {0x0388, 0x038a},
    {0x038c, 0x038c},   {0x038e, 0x03a1},   {0x03a3, 0x03f5},   {0x03f7, 0x0481},
    {0x048a, 0x052f},   {0x0531, 0x0556},   {0x10a0, 0x10c5},   {0x13a0, 0x13f5},
    {0x13f8, 0x13fd},   {0x1c90, 0x1cba},   {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},
    {0x1d6b, 0x1d77},   {0x1d79, 0x1d9a},   {0x1e00, 0x1f15},   {0x1f18, 0x1f1d},
    {0x1f20, 0x1f45},   {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},   {0x1f59, 0x1f59},
    {0x1f5b, 0x1f5b},   {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},
    {0x1fb6, 0x1fbc},   {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},
    {0x1fd0, 0x1fd3},   {0x1fd6, 0x1fdb},   {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},
    {0x1ff6, 0x1ffc},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210a, 0x2113},
    {0x2115, 0x2115},   {0x2119, 0x211d},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},
    {0x213c, 0x213f},   {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2183},
    {0x2184, 0x2184},   {0x2c00, 0x2c7b},   {0x2c7e, 0x2ce4},   {0x2ceb, 0x2cee},
    {0x2cf2, 0x2cf2},   {0x2cf3, 0x2cf3},   {0xa640, 0xa66d},   {0xa680, 0xa69b},
    {0xa722, 0xa76f},   {0xa771, 0xa787},   {0xa78b, 0xa78e},   {0xab70, 0xabbf},
    {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xff21, 0xff3a},   {0xff41, 0xff5a},
    {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb}, {0x10c80, 0x10cb2},
    {0x10cc0, 0x10cf2}, {0x118a0, 0x118df}, {0x1e900, 0x1e943},
};
bool IsDeepseekLetter(const Char& c) {
  const auto* const range =
      std::partition_point(std::begin(kCasedLetters), std::end(kCasedLetters),
                           [&](const uint32_t(&letters)[2]) { return letters[1] < c.code; });
  return range != std::end(kCasedLetters) && c.code >= (*range)[0];
}

template <CharTest kTest>
const char* SkipAll(const char* at, const char* end) {
  for (Char c = FrontChar(at, end); c.bit != 0 && kTest(c); c = FrontChar(at, end)) at += c.length;
  return at;
}

// One character of a class.
template <CharTest kTest>
ptrdiff_t MatchOne(const char* at, const char* end) {
  const Char c = FrontChar(at, end);
  const auto length = static_cast<ptrdiff_t>(c.length);
  return kTest(c) ? length : -length;
}

// All characters of a class.
template <CharTest kTest>
ptrdiff_t MatchAll(const char* at, const char* end) {
  const char* const after = SkipAll<kTest>(at, end);
  return after > at ? after - at : -static_cast<ptrdiff_t>(FrontChar(at, end).length);
}

// \s? and all characters of a class.
template <CharTest kTest>
ptrdiff_t MatchSpaced(const char* at, const char* end) {
  const Char c = FrontChar(at, end);
  if ((c.bit & kWhite) != 0) {
    const char* const second = at + c.length;
    const char* const after = SkipAll<kTest>(second, end);
    if (after > second) return after - at;
  }
  return MatchAll<kTest>(at, end);
}

// \p{N}{1,3}
ptrdiff_t MatchThreeNumbers(const char* at, const char* end) {
  const char* const after = MatchNumbers(at, end, 3);
  return after > at ? after - at : -static_cast<ptrdiff_t>(FrontChar(at, end).length);
}

// [0-9][0-9][0-9]
ptrdiff_t MatchThreeDigits(const char* at, const char* end) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (end - at >= 3 && is_digit(at[0]) && is_digit(at[1]) && is_digit(at[2])) return 3;
  return -static_cast<ptrdiff_t>(FrontChar(at, end).length);
}

// \s+$
ptrdiff_t MatchFinalSpaces(const char* at, const char* end) {
  const char* const run = SkipClasses(at, end, kWhite);
  if (run == at) return -static_cast<ptrdiff_t>(FrontChar(at, end).length);
  return run == end ? run - at : at - run;
}

// --- The table ---

constexpr WordMatcher kLlama3 = MatchFolded<3, kLetter>;
constexpr WordMatcher kQwen2 = MatchFolded<1, kLetter>;
constexpr WordMatcher kQwen35 = MatchFolded<1, kLetter | kMark>;
constexpr WordMatcher kO200k = MatchCased<3, true>;
constexpr WordMatcher kTekken = MatchCased<1, false>;

constexpr Pretokenizer Llama3(std::string_view name) {
  return {.name = name,
          .matchers = {kLlama3},
          .ignores_merges = true,
          .adds_bos = true,
          .wants_nfc = false};
}
template <typename... Matchers>
constexpr Pretokenizer Plain(std::string_view name, Matchers... matchers) {
  return {.name = name,
          .matchers = {matchers...},
          .ignores_merges = false,
          .adds_bos = false,
          .wants_nfc = false};
}
constexpr Pretokenizer Digits(std::string_view name) {
  return Plain(name, MatchOne<IsNumber>, MatchGpt2);
}

// The "normalizer" of these models' tokenizer.json is NFC.
constexpr Pretokenizer Nfc(Pretokenizer rule) {
  rule.wants_nfc = true;
  return rule;
}

constexpr Pretokenizer kPretokenizers[] = {
    Plain("default", MatchAll<IsPunctuationOrSymbol>, MatchGpt2, MatchAll<IsNumber>,
          MatchThreeDigits),
    Plain("gpt-2", MatchGpt2),
    Plain("phi-2", MatchGpt2),
    Plain("gigachat", MatchGpt2),
    Plain("mellum", MatchGpt2),
    Plain("mpt", MatchGpt2),
    Nfc(Plain("olmo", MatchGpt2)),
    Plain("jais", MatchGpt2),
    Plain("trillion", MatchGpt2),
    Plain("granite-docling", MatchGpt2),
    Plain("exaone4", MatchGpt2),
    Digits("smollm"),
    Digits("starcoder"),
    Digits("refact"),
    Nfc(Digits("command-r")),
    Digits("codeshell"),
    Digits("exaone"),
    Digits("minerva-7b"),
    Llama3("llama-bpe"),
    Llama3("llama3"),
    Llama3("llama-v3"),
    Llama3("smaug-bpe"),
    Llama3("falcon3"),
    Llama3("falcon-h1"),
    Llama3("pixtral"),
    Llama3("midm-2.0"),
    Llama3("lfm2"),
    Plain("dbrx", kLlama3),
    Plain("chatglm-bpe", kLlama3),
    Plain("glm4", kLlama3),
    Nfc(Plain("qwen2", kQwen2)),
    Plain("deepseek-r1-qwen", kQwen2),
    Plain("stablelm2", kQwen2),
    Plain("megrez", kQwen2),
    Plain("hunyuan", kQwen2),
    Plain("grok-2", kQwen2),
    Plain("kormo", kQwen2),
    Nfc(Plain("qwen35", kQwen35)),
    Plain("gpt-4o", kO200k),
    Plain("llama4", kO200k),
    Plain("minimax-m2", kO200k),
    {.name = "tekken",
     .matchers = {kTekken},
     .ignores_merges = true,
     .adds_bos = true,
     .wants_nfc = false},
    Plain("deepseek-llm", MatchOne<IsLineEnd>, MatchSpaced<IsDeepseekLetter>,
          MatchSpaced<IsDeepseekPunctuation>, MatchFinalSpaces, MatchAll<IsDeepseekEastAsian>,
          MatchAll<IsNumber>),
    Plain("deepseek-coder", MatchOne<IsLineEnd>, MatchSpaced<IsLetter>, MatchSpaced<IsPunctuation>,
          MatchAll<IsDeepseekEastAsian>, MatchOne<IsNumber>),
    Plain("deepseek-v3", MatchThreeNumbers, MatchAll<IsHanOrKana>, MatchDeepseekV3),
    Plain("hunyuan-dense", MatchThreeNumbers, MatchAll<IsHanOrKana>, MatchDeepseekV3),
    Plain("falcon", MatchAll<IsFalconPunctuation>, MatchGpt2, MatchThreeDigits),
};

}  // namespace

const Pretokenizer* FindPretokenizer(std::string_view name) {
  for (const Pretokenizer& rule : kPretokenizers) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

WordSplitter::WordSplitter(const Pretokenizer& rule, std::string_view text) : rule_(rule) {
  while (n_levels_ < kMaxSplits && rule.matchers[n_levels_] != nullptr) ++n_levels_;
  for (Level& level : levels_) level = {text.data(), text.data(), nullptr, 0};
  levels_[0].end = text.data() + text.size();
}

// Returns the next word of a level that is not at its end.
// NOLINTNEXTLINE(readability-convert-member-functions-to-static): Level is private
std::string_view WordSplitter::Cut(Level* level, WordMatcher matcher) {
  const char* const begin = level->at;
  ptrdiff_t length = level->match == begin ? level->length : matcher(begin, level->end);
  level->match = nullptr;
  if (length <= 0) {
    const char* at = begin;
    while (length <= 0 && (at -= length) != level->end) length = matcher(at, level->end);
    level->match = at;
    level->length = length;
    length = at - begin;
  }
  level->at = begin + length;
  return {begin, static_cast<size_t>(length)};
}

bool WordSplitter::Next(std::string_view* word) {
  size_t depth = n_levels_;
  while (depth > 0 && levels_[depth - 1].at == levels_[depth - 1].end) --depth;
  if (depth == 0) return false;
  *word = Cut(&levels_[depth - 1], rule_.matchers[depth - 1]);
  for (; depth < n_levels_; ++depth) {
    levels_[depth] = {word->data(), word->data() + word->size(), nullptr, 0};
    *word = Cut(&levels_[depth], rule_.matchers[depth]);
  }
  return true;
}

}  // namespace clamma
