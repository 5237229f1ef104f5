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

}  // namespace clamma
