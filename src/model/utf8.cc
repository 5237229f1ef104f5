// SPDX-License-Identifier: MIT
#include "model/utf8.h"

#include <cstdint>

namespace clamma {

Utf8Scan ScanUtf8(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {Utf8Prefix::kCharacter, 1};
  size_t length = 0;
  // The second byte's range is narrower where a full one would allow overlong forms, surrogates or
  // code points beyond U+10FFFF.
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {Utf8Prefix::kInvalid, 1};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Utf8Prefix::kIncomplete, i};
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < low || byte > high) return {Utf8Prefix::kInvalid, i};
    low = 0x80;
    high = 0xbf;
  }
  return {Utf8Prefix::kCharacter, length};
}

uint32_t DecodeUtf8(const char* bytes, size_t length) {
  const auto lead = static_cast<uint8_t>(bytes[0]);
  if (length == 1) return lead;
  uint32_t code = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) code = code << 6 | (static_cast<uint8_t>(bytes[i]) & 0x3fu);
  return code;
}

size_t EncodeUtf8(uint32_t c, char bytes[4]) {
  if (c < 0x80) {
    bytes[0] = static_cast<char>(c);
    return 1;
  }
  const size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = length; i-- > 1; c >>= 6) bytes[i] = static_cast<char>(0x80 | (c & 0x3f));
  bytes[0] = static_cast<char>((0xf00u >> length & 0xffu) | c);
  return length;
}

}  // namespace clamma
