// SPDX-License-Identifier: MIT
#include "tokenizer/unicode.h"

#include <string_view>

namespace clamma {

Char LongFrontChar(const char* at, const char* end) {
  const Utf8Scan scan = ScanUtf8({at, static_cast<size_t>(end - at)});
  if (scan.prefix != Utf8Prefix::kCharacter) return {kNoCode, kOther, 1};
  const uint32_t code = DecodeUtf8(at, scan.length);
  return {code, ClassBit(ClassOf(code)), static_cast<uint32_t>(scan.length)};
}

const char* SkipClasses(const char* at, const char* end, uint32_t classes) {
  for (Char c = FrontChar(at, end); (c.bit & classes) != 0; c = FrontChar(at, end)) at += c.length;
  return at;
}

}  // namespace clamma
