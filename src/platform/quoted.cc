// SPDX-License-Identifier: MIT
#include "platform/quoted.h"

#include <cstdint>
#include <cstring>

namespace clamma {
namespace {

// Writes the escaped byte (at most 4 characters). Returns their number.
size_t Escape(char c, char* out) {
  const auto byte = static_cast<uint8_t>(c);
  if (byte >= 0x20 && byte < 0x7f) {
    size_t n = 0;
    if (c == '"' || c == '\\') out[n++] = '\\';
    out[n++] = c;
    return n;
  }
  out[0] = '\\';
  if (c == '\n' || c == '\t' || c == '\r') {
    out[1] = c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
    return 2;
  }
  out[1] = 'x';
  out[2] = "0123456789abcdef"[byte >> 4];
  out[3] = "0123456789abcdef"[byte & 15];
  return 4;
}

}  // namespace

Quoted::Quoted(std::string_view text) {
  size_t n = 0;
  text_[n++] = '"';
  bool whole = true;
  for (const char c : text) {
    char escaped[4];
    const size_t length = Escape(c, escaped);
    if (n + length > 1 + kMaxBytes) {
      whole = false;
      break;
    }
    std::memcpy(text_ + n, escaped, length);
    n += length;
  }
  std::memcpy(text_ + n, whole ? "\"" : "\"...", whole ? 2 : 5);
}

}  // namespace clamma
