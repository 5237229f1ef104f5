// SPDX-License-Identifier: MIT
#include "chat/template/unicode.h"

#include <algorithm>

#include "chat/template/unicode_tables.h"
#include "model/utf8.h"
#include "tokenizer/unicode.h"

namespace clamma {
namespace {

bool IsIn(const ClassRun* runs, size_t n, uint32_t c) {
  size_t low = 0;
  while (low < n) {  // find the last run that begins at or before c
    const size_t middle = low + (n - low) / 2;
    if (runs[middle].first <= c) {
      low = middle + 1;
    } else {
      n = middle;
    }
  }
  if (low == 0) return false;
  const ClassRun& run = runs[low - 1];
  const uint32_t offset = c - run.first;
  return offset % run.stride == 0 && offset / run.stride < run.count;
}

bool HasClass(uint32_t c, uint32_t classes) { return (ClassBit(ClassOf(c)) & classes) != 0; }

// Whether a character of Unicode 14 has the class, or is one of the exceptions and has not.
bool IsOfClass(uint32_t c, uint32_t classes, const ClassRun* exceptions, size_t n) {
  return (HasClass(c, classes) && IsPrintable(c)) != IsIn(exceptions, n, c);
}

struct CaseTable {
  const CaseRun* runs;
  size_t n;
};

CaseTable TableOf(Case to) {
  switch (to) {
    case Case::kLower:
      return {kToLower, kToLowerSize};
    case Case::kUpper:
      return {kToUpper, kToUpperSize};
    case Case::kTitle:
      return {kToTitle, kToTitleSize};
  }
  return {nullptr, 0};
}

// Sets *out if the table has c.
bool ConvertByRuns(const CaseTable& table, uint32_t c, uint32_t* out) {
  for (size_t i = 0; i < table.n && table.runs[i].first <= c; ++i) {
    const CaseRun& run = table.runs[i];
    const uint32_t offset = c - run.first;
    if (offset % run.stride != 0 || offset / run.stride >= run.count) continue;
    *out = static_cast<uint32_t>(static_cast<int32_t>(c) + run.delta);
    return true;
  }
  return false;
}

bool IsAsciiIn(uint32_t c, char first, char last) {
  return c >= static_cast<uint32_t>(first) && c <= static_cast<uint32_t>(last);
}

}  // namespace

Character CharacterAt(std::string_view text, size_t i) {
  const auto lead = static_cast<uint8_t>(text[i]);
  if (lead < 0x80) return {lead, 1};
  const size_t left = text.size() - i;
  const Utf8Scan scan = ScanUtf8({text.data() + i, left < 4 ? left : 4});
  if (scan.prefix != Utf8Prefix::kCharacter) return {kNoCharacter, 1};
  return {DecodeUtf8(text.data() + i, scan.length), scan.length};
}

Character CharacterBefore(std::string_view text, size_t i) {
  for (size_t length = 4; length > 1; --length) {
    if (length > i) continue;
    const Character c = CharacterAt({text.data(), i}, i - length);
    if (c.length == length) return c;
  }
  const auto byte = static_cast<uint8_t>(text[i - 1]);
  return {byte < 0x80 ? byte : kNoCharacter, 1};
}

size_t CountCharacters(std::string_view text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); i += CharacterAt(text, i).length) ++n;
  return n;
}

size_t ByteOfCharacter(std::string_view text, size_t index) {
  size_t i = 0;
  for (; index > 0 && i < text.size(); --index) i += CharacterAt(text, i).length;
  return i;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

bool IsSpace(uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool IsPrintable(uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7f;
  if (c == kNoCharacter) return false;
  const bool is_exception = IsIn(kPrintableExceptions, kPrintableExceptionsSize, c);
  return HasClass(c, kOther | kWhite) == is_exception;
}

bool IsAlpha(uint32_t c) {
  if (c < 0x80) return IsAsciiIn(c | 0x20, 'a', 'z');
  return HasClass(c, kLetter) && IsPrintable(c);  // those newer than Unicode 14 are unprintable
}

bool IsDigit(uint32_t c) { return c < 0x80 ? IsAsciiIn(c, '0', '9') : IsIn(kDigit, kDigitSize, c); }

bool IsDecimal(uint32_t c) {
  return c < 0x80 ? IsAsciiIn(c, '0', '9') : IsIn(kDecimal, kDecimalSize, c);
}

bool IsNumeric(uint32_t c) {
  if (c < 0x80) return IsAsciiIn(c, '0', '9');
  return IsOfClass(c, kNumber, kNumericExceptions, kNumericExceptionsSize);
}

bool IsUpper(uint32_t c) {
  if (c < 0x80) return IsAsciiIn(c, 'A', 'Z');
  return IsOfClass(c, kUpper, kUpperExceptions, kUpperExceptionsSize);
}

bool IsLower(uint32_t c) {
  if (c < 0x80) return IsAsciiIn(c, 'a', 'z');
  return IsOfClass(c, kLower, kLowerExceptions, kLowerExceptionsSize);
}

bool IsTitle(uint32_t c) { return HasClass(c, kTitle) && IsPrintable(c); }

bool IsCaseIgnorable(uint32_t c) {
  if (c < 0x80) return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`';
  return IsIn(kCaseIgnorable, kCaseIgnorableSize, c);
}

size_t Convert(uint32_t c, Case to, uint32_t out[3]) {
  out[0] = c;
  if (c < 0x80) {
    if (to == Case::kLower && IsUpper(c)) out[0] = c + 0x20;
    if (to != Case::kLower && IsLower(c)) out[0] = c - 0x20;
    return 1;
  }
  for (size_t i = 0; i < kSpecialCasesSize; ++i) {
    const SpecialCase& special = kSpecialCases[i];
    if (special.code_point != c || special.to != static_cast<uint32_t>(to)) continue;
    for (size_t k = 0; k < 3; ++k) out[k] = special.out[k];
    return special.out[2] != 0 ? 3 : 2;
  }
  if (ConvertByRuns(TableOf(to), c, out)) return 1;
  if (to == Case::kTitle) ConvertByRuns(TableOf(Case::kUpper), c, out);
  return 1;
}

}  // namespace clamma
