// SPDX-License-Identifier: MIT
#include "openai/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace openai {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

bool IsPlain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

void AppendControl(unsigned char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\b':
      *out += "\\b";
      return;
    case '\f':
      *out += "\\f";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      *out += "\\u00";
      *out += kHexDigits[c >> 4];
      *out += kHexDigits[c & 15];
  }
}

template <typename T>
void AppendShortest(T number, std::string* out) {
  if (!std::isfinite(number)) {
    *out += "null";
    return;
  }
  std::array<char, 64> digits = {};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  const std::string_view text(digits.data(), static_cast<size_t>(end - digits.data()));
  *out += text;
  if (text.find_first_of(".e") == std::string_view::npos) *out += ".0";
}

}  // namespace

// By RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
size_t CharacterAt(std::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = at(0);
  if (text.empty() || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return 0;
  if (lead < 0x80) return 1;
  const size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < low || at(1) > high) return 0;
  for (size_t i = 2; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = CharacterAt(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

void AppendEscaped(std::string_view text, std::string* out) {
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && IsPlain(static_cast<unsigned char>(text[plain]))) ++plain;
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto c = static_cast<unsigned char>(text[0]);
    size_t size = 1;
    if (c < 0x80) {
      AppendControl(c, out);
    } else if (const size_t character = CharacterAt(text); character != 0) {
      size = character;
      out->append(text.substr(0, size));
    } else {
      *out += "\xef\xbf\xbd";
    }
    text.remove_prefix(size);
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  AppendEscaped(text, out);
  *out += '"';
}

void AppendNumber(double number, std::string* out) { AppendShortest(number, out); }
void AppendNumber(float number, std::string* out) { AppendShortest(number, out); }

}  // namespace openai
