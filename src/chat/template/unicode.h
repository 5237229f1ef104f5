// SPDX-License-Identifier: MIT
// Characters with the properties that Python's str uses.
#ifndef CLAMMA_CHAT_TEMPLATE_UNICODE_H_
#define CLAMMA_CHAT_TEMPLATE_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clamma {

// Stands for a byte that is not UTF-8; it counts as a character without a class.
inline constexpr uint32_t kNoCharacter = 0xffffffff;

struct Character {
  uint32_t code_point;
  size_t length;  // bytes
};

Character CharacterAt(std::string_view text, size_t i);      // i < size()
Character CharacterBefore(std::string_view text, size_t i);  // 0 < i
size_t CountCharacters(std::string_view text);
size_t ByteOfCharacter(std::string_view text, size_t index);  // size() if there are fewer
bool IsAscii(std::string_view text);

// The classes of Unicode 14 (Python 3.11): str.isspace(), .isprintable(), .isalpha(), .isdigit(),
// .isupper(), .islower().
bool IsSpace(uint32_t c);
bool IsPrintable(uint32_t c);
bool IsAlpha(uint32_t c);
bool IsDigit(uint32_t c);
bool IsDecimal(uint32_t c);
bool IsNumeric(uint32_t c);
bool IsUpper(uint32_t c);
bool IsLower(uint32_t c);
bool IsTitle(uint32_t c);

// Converts a character as str.lower(), .upper() and .title() do, to up to 3 characters, and returns
// their number. (The caller handles the final sigma.)
enum class Case : uint8_t { kLower, kUpper, kTitle };
size_t Convert(uint32_t c, Case to, uint32_t out[3]);
bool IsCaseIgnorable(uint32_t c);
inline bool IsCased(uint32_t c) { return IsUpper(c) || IsLower(c) || IsTitle(c); }

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_UNICODE_H_
