// SPDX-License-Identifier: MIT
// Characters as inside of a JSON string (RFC 8259, section 7).
#include <algorithm>

#include "engine/grammar/node_stack.h"
#include "engine/grammar/regex.h"

namespace clamma {
namespace {

// Writes the shortest escape of a character that needs one. Returns its length.
size_t WriteEscape(uint32_t code, char text[8]) {
  static constexpr char kShort[] = "\"\"\\\\\bb\ff\nn\rr\tt";  // a character and its letter
  for (const char* pair = kShort; *pair != '\0'; pair += 2) {
    if (static_cast<uint8_t>(pair[0]) != code) continue;
    text[0] = '\\';
    text[1] = pair[1];
    return 2;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::copy_n("\\u00", 4, text);
  text[4] = kHex[code >> 4];
  text[5] = kHex[code & 15];
  return 6;
}

bool NeedsEscape(uint32_t code) { return code < 0x20 || code == '"' || code == '\\'; }

}  // namespace

Status AddJsonStringClass(const CodeRange* ranges, size_t n, bool negated, Grammar* grammar,
                          NodeId* node) {
  NodeStack choices(grammar);
  CLAMMA_RETURN_IF_ERROR(grammar->AddClass(ranges, n, negated, node));
  // The ranges without the characters that need an escape: those split a range at most twice more.
  Array<CodeRange> plain;
  const GrammarNode all = grammar->node(*node);
  CLAMMA_RETURN_IF_ERROR(plain.Resize(grammar->memory(), all.count + uint64_t{3}));
  size_t n_plain = 0;
  const auto add_plain = [&](CodeRange range, uint32_t first, uint32_t last) {
    const CodeRange part = {std::max(range.first, first), std::min(range.last, last)};
    if (part.first <= part.last) plain[n_plain++] = part;
  };
  for (uint32_t i = 0; i < all.count; ++i) {
    const CodeRange range = grammar->ranges(all)[i];
    add_plain(range, 0x20, '"' - 1);
    add_plain(range, '"' + 1, '\\' - 1);
    add_plain(range, '\\' + 1, kMaxCodePoint);
  }
  for (uint32_t code = 0; code <= '\\'; ++code) {
    const auto contains = [code](const CodeRange& range) {
      return range.first <= code && code <= range.last;
    };
    const CodeRange* const first = grammar->ranges(all);
    if (!NeedsEscape(code) || std::none_of(first, first + all.count, contains)) continue;
    char text[8];
    CLAMMA_RETURN_IF_ERROR(grammar->AddBytes({text, WriteEscape(code, text)}, node));
    CLAMMA_RETURN_IF_ERROR(choices.Push(*node));
  }
  if (n_plain > 0 || choices.size() == 0) {
    CLAMMA_RETURN_IF_ERROR(grammar->AddClass(plain.data(), n_plain, false, node));
    CLAMMA_RETURN_IF_ERROR(choices.Push(*node));
  }
  return choices.PopChoice(0, node);
}

}  // namespace clamma
