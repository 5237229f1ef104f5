// SPDX-License-Identifier: MIT
// Classes of characters (Unicode 16, see unicode_tables.cc).
#ifndef CLAMMA_TOKENIZER_UNICODE_H_
#define CLAMMA_TOKENIZER_UNICODE_H_

#include <cstddef>
#include <cstdint>

#include "model/utf8.h"

namespace clamma {

// Each character has one class. The values are those in the tables.
enum class CharClass : uint8_t {
  kOther = 0,  // also bytes that are not part of a character
  kUppercase = 1,
  kLowercase = 2,
  kTitlecase = 3,
  kModifierLetter = 4,
  kOtherLetter = 5,
  kMark = 6,
  kNumber = 7,
  kPunctuation = 8,
  kSymbol = 9,
  kSpace = 10,  // White_Space
};

constexpr uint32_t ClassBit(CharClass c) { return 1u << static_cast<unsigned>(c); }

inline constexpr uint32_t kOther = ClassBit(CharClass::kOther);
inline constexpr uint32_t kUpper = ClassBit(CharClass::kUppercase);
inline constexpr uint32_t kLower = ClassBit(CharClass::kLowercase);
inline constexpr uint32_t kTitle = ClassBit(CharClass::kTitlecase);
inline constexpr uint32_t kUncased =
    ClassBit(CharClass::kModifierLetter) | ClassBit(CharClass::kOtherLetter);
inline constexpr uint32_t kLetter = kUpper | kLower | kTitle | kUncased;
inline constexpr uint32_t kMark = ClassBit(CharClass::kMark);
inline constexpr uint32_t kNumber = ClassBit(CharClass::kNumber);
inline constexpr uint32_t kPunctuation = ClassBit(CharClass::kPunctuation);
inline constexpr uint32_t kSymbol = ClassBit(CharClass::kSymbol);
inline constexpr uint32_t kWhite = ClassBit(CharClass::kSpace);
inline constexpr uint32_t kAnyClass = 2 * kWhite - 1;

// Generated tables: kUnicodeBlocks maps each 128 characters to a row of kUnicodeClasses, in which a
// byte has the classes of two characters, the first in the low four bits. Code points from
// kUnicodeEnd on have class kOther.
inline constexpr uint32_t kUnicodeBlock = 128;
inline constexpr uint32_t kUnicodeEnd = 0x110000;
extern const uint8_t kUnicodeBlocks[kUnicodeEnd / kUnicodeBlock];
extern const uint8_t kUnicodeClasses[][kUnicodeBlock / 2];

inline CharClass ClassOf(uint32_t code) {
  if (code >= kUnicodeEnd) return CharClass::kOther;
  const uint8_t pair =
      kUnicodeClasses[kUnicodeBlocks[code / kUnicodeBlock]][code % kUnicodeBlock / 2];
  return static_cast<CharClass>(code % 2 == 0 ? pair & 15 : pair >> 4);
}

inline constexpr uint32_t kNoCode = UINT32_MAX;

struct Char {
  uint32_t code;    // kNoCode: a byte that is not part of a character
  uint32_t bit;     // ClassBit() of its class; 0: the end of the text
  uint32_t length;  // in bytes
};

Char LongFrontChar(const char* at, const char* end);  // FrontChar() of a byte from 0x80 on

// The character at the front of [at, end).
inline Char FrontChar(const char* at, const char* end) {
  if (at == end) return {kNoCode, 0, 0};
  const auto lead = static_cast<uint8_t>(*at);
  return lead < 0x80 ? Char{lead, ClassBit(ClassOf(lead)), 1} : LongFrontChar(at, end);
}

// Returns the end of the characters of these classes at the front of [at, end).
const char* SkipClasses(const char* at, const char* end, uint32_t classes);

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_UNICODE_H_
