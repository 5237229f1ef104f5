// SPDX-License-Identifier: MIT
#include "printable.h"

#include <cstdio>

size_t DecodeUtf8(std::string_view text, uint32_t* code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (text.empty()) return 0;
  const uint8_t lead = byte(0);
  *code = lead;
  if (lead < 0x80) return 1;
  const size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < n) return 0;
  *code = lead & (0x7fu >> n);
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    *code = *code << 6 | (byte(i) & 0x3fu);
  }
  const bool surrogate = *code >= 0xd800 && *code < 0xe000;
  const bool overlong = (n == 3 && *code < 0x800) || (n == 4 && *code < 0x10000);
  return surrogate || overlong || *code > 0x10ffff ? 0 : n;
}

bool IsHarmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
         (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

std::string Printable(std::string_view text, size_t most) {
  std::string out;
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t n = DecodeUtf8(text, &code);
    char escaped[16] = "";
    if (n == 0 || (n == 1 && IsHarmful(code) && code != '\n' && code != '\t' && code != '\r')) {
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<uint8_t>(text[0]));
    } else if (code == '\n' || code == '\t' || code == '\r' || code == '\\') {
      std::snprintf(escaped, sizeof(escaped), "\\%c",
                    code == '\n'   ? 'n'
                    : code == '\t' ? 't'
                    : code == '\r' ? 'r'
                                   : '\\');
    } else if (IsHarmful(code)) {
      std::snprintf(escaped, sizeof(escaped), "\\u{%x}", static_cast<unsigned>(code));
    }
    const std::string_view piece =
        escaped[0] != '\0' ? std::string_view(escaped) : text.substr(0, n);
    if (out.size() + piece.size() > most) return out + "...";
    out += piece;
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}
