// SPDX-License-Identifier: MIT
#include "wide_text.h"

#include <cstdint>

static_assert(sizeof(wchar_t) == 4, "a wide character must hold any Unicode character");

namespace {

constexpr char32_t kReplacement = 0xfffd;

bool IsCharacter(char32_t c) { return c < 0x110000 && (c < 0xd800 || c > 0xdfff); }

void Append(char32_t c, std::string* text) {
  const auto add = [text](char32_t byte) { text->push_back(static_cast<char>(byte)); };
  const auto rest = [&](unsigned shift) { add(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xc0 | c >> 6);
    return rest(0);
  }
  if (c < 0x10000) {
    add(0xe0 | c >> 12);
  } else {
    add(0xf0 | c >> 18);
    rest(12);
  }
  rest(6);
  rest(0);
}

// Decodes the character at the front of `text`; *size receives its bytes.
char32_t Decode(std::string_view text, size_t* size) {
  const auto first = static_cast<unsigned char>(text[0]);
  *size = 1;
  if (first < 0x80) return first;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return kReplacement;
  char32_t c = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return kReplacement;
    c = c << 6 | (byte & 0x3fu);
  }
  constexpr char32_t kMin[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kMin[length] || !IsCharacter(c)) return kReplacement;
  *size = length;
  return c;
}

}  // namespace

std::string ToUtf8(std::wstring_view text) {
  std::string utf8;
  for (const wchar_t wide : text) {
    const auto c = static_cast<char32_t>(wide);
    Append(IsCharacter(c) ? c : kReplacement, &utf8);
  }
  return utf8;
}

std::wstring ToWide(std::string_view text) {
  std::wstring wide;
  for (size_t size = 0; !text.empty(); text.remove_prefix(size)) {
    wide += static_cast<wchar_t>(Decode(text, &size));
  }
  return wide;
}
