// SPDX-License-Identifier: MIT
#include "tokenizer/unicode.h"

#include <string_view>

namespace clamma {

Char LongFrontChar(const char* at, const char* end) {
  const auto lead = static_cast<uint8_t>(*at);
  const Utf8Scan scan = ScanUtf8({at, static_cast<size_t>(end - at)});
  if (scan.prefix != Utf8Prefix::kCharacter) return {kNoCode, kOther, 1};
  const auto length = static_cast<uint32_t>(scan.length);
  uint32_t code = lead & (0x7fu >> length);
  for (uint32_t i = 1; i < length; ++i) code = code << 6 | (static_cast<uint8_t>(at[i]) & 0x3fu);
  return {code, ClassBit(ClassOf(code)), length};
}

const char* SkipClasses(const char* at, const char* end, uint32_t classes) {
  for (Char c = FrontChar(at, end); (c.bit & classes) != 0; c = FrontChar(at, end)) at += c.length;
  return at;
}

}  // namespace clamma
