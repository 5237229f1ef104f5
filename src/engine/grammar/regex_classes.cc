// SPDX-License-Identifier: MIT
#include "engine/grammar/regex_classes.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace clamma {
namespace {

constexpr CodeRange kDigits[] = {{'0', '9'}};
constexpr CodeRange kWords[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
constexpr CodeRange kSpaces[] = {{'\t', '\r'}, {' ', ' '}};
// White space of ECMA 262 and of Python.
constexpr CodeRange kAnySpaces[] = {{'\t', '\r'},     {0x1c, 0x20},     {0x85, 0x85},
                                    {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
                                    {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                                    {0x3000, 0x3000}, {0xfeff, 0xfeff}};

template <size_t kCount>
Status AddAll(const CodeRange (&added)[kCount], RangeList* ranges) {
  for (const CodeRange& range : added) {
    CLAMMA_RETURN_IF_ERROR(ranges->Add(range.first, range.last));
  }
  return Status();
}

}  // namespace

Status RangeList::Add(uint32_t first, uint32_t last) {
  if (size_ == ranges_.size()) {
    CLAMMA_RETURN_IF_ERROR(ranges_.Resize(*memory_, std::max<uint64_t>(16, uint64_t{2} * size_)));
  }
  ranges_[size_++] = {first, last};
  return Status();
}

Status RangeList::Complement() {
  CodeRange* const begin = ranges_.data();
  std::sort(begin, begin + size_,
            [](const CodeRange& a, const CodeRange& b) { return a.first < b.first; });
  const size_t n = size_;
  uint32_t next = 0;
  for (size_t i = 0; i < n; ++i) {
    if (next < ranges_[i].first) CLAMMA_RETURN_IF_ERROR(Add(next, ranges_[i].first - 1));
    next = std::max(next, ranges_[i].last + 1);
  }
  if (next <= kMaxCodePoint) CLAMMA_RETURN_IF_ERROR(Add(next, kMaxCodePoint));
  std::copy(ranges_.data() + n, ranges_.data() + size_, ranges_.data());
  size_ -= n;
  return Status();
}

Status RegexClasses::Add(RegexClass which, bool any, RangeList* ranges) {
  switch (which) {
    case RegexClass::kDigit:
      return any ? AddCategory(kNumber, ranges) : AddAll(kDigits, ranges);
    case RegexClass::kWord:
      CLAMMA_RETURN_IF_ERROR(AddAll(kWords, ranges));
      return any ? AddCategory(kLetter | kMark | kNumber, ranges) : Status();
    default:
      return any ? AddAll(kAnySpaces, ranges) : AddAll(kSpaces, ranges);
  }
}

Status RegexClasses::AddCategory(uint32_t bits, RangeList* ranges) {
  size_t i = 0;
  while (i < n_entries_ && entries_[i].bits != bits) ++i;
  if (i == n_entries_) {
    const size_t begin = kept_.size();
    uint32_t first = kUnicodeEnd;  // of the range that is open
    for (uint32_t code = 0; code <= kUnicodeEnd; ++code) {
      const bool is_in = code < kUnicodeEnd && (ClassBit(ClassOf(code)) & bits) != 0;
      if (is_in && first == kUnicodeEnd) first = code;
      if (is_in || first == kUnicodeEnd) continue;
      CLAMMA_RETURN_IF_ERROR(kept_.Add(first, code - 1));
      first = kUnicodeEnd;
    }
    entries_[n_entries_++] = {bits, begin, kept_.size()};
  }
  for (size_t k = entries_[i].begin; k < entries_[i].end; ++k) {
    CLAMMA_RETURN_IF_ERROR(ranges->Add(kept_.data()[k].first, kept_.data()[k].last));
  }
  return Status();
}

bool FindCategory(std::string_view name, uint32_t* bits) {
  struct Category {
    std::string_view name;
    std::string_view long_name;
    uint32_t bits;
  };
  static constexpr Category kCategories[] = {
      {"L", "Letter", kLetter},
      {"Lu", "Uppercase_Letter", kUpper},
      {"Ll", "Lowercase_Letter", kLower},
      {"Lt", "Titlecase_Letter", kTitle},
      {"Lm", "Modifier_Letter", ClassBit(CharClass::kModifierLetter)},
      {"Lo", "Other_Letter", ClassBit(CharClass::kOtherLetter)},
      {"M", "Mark", kMark},
      {"N", "Number", kNumber},
      {"P", "Punctuation", kPunctuation},
      {"S", "Symbol", kSymbol}};
  const Category* const category =
      std::find_if(std::begin(kCategories), std::end(kCategories),
                   [&](const Category& c) { return name == c.name || name == c.long_name; });
  if (category == std::end(kCategories)) return false;
  *bits = category->bits;
  return true;
}

}  // namespace clamma
