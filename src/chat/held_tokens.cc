// SPDX-License-Identifier: MIT
#include "chat/held_tokens.h"

#include <algorithm>

namespace clamma {
namespace {

// Tokens between two control tokens.
struct Part {
  const TokenId* begin = nullptr;
  const TokenId* end = nullptr;

  size_t size() const { return static_cast<size_t>(end - begin); }
};

// The part from `at` to the next control token or the end.
Part PartAt(const Tokenizer& tokenizer, const TokenId* at, const TokenId* end) {
  Part part = {at, at};
  while (part.end != end && !tokenizer.IsSilent(*part.end)) ++part.end;
  return part;
}

bool SameTokens(const Part& a, const Part& b) {
  return a.size() == b.size() && std::equal(a.begin, a.end, b.begin);
}

bool SameBytes(const Tokenizer& tokenizer, const Part& a, const Part& b) {
  const TokenId* next_a = a.begin;
  const TokenId* next_b = b.begin;
  std::string_view left;
  std::string_view right;
  while (true) {
    while (left.empty() && next_a != a.end) left = tokenizer.Bytes(*next_a++);
    while (right.empty() && next_b != b.end) right = tokenizer.Bytes(*next_b++);
    if (left.empty() || right.empty()) return left.empty() && right.empty();
    const size_t n = std::min(left.size(), right.size());
    if (Front(left, n) != Front(right, n)) return false;
    left.remove_prefix(n);
    right.remove_prefix(n);
  }
}

// Finds parts of `held` in order.
class HeldParts {
 public:
  HeldParts(const Tokenizer& tokenizer, const TokenId* held, size_t n)
      : tokenizer_(tokenizer), at_(held), end_(held + n) {}

  // Returns the next part with the bytes of `part`, after those found before; else `part`.
  Part Find(const Part& part) {
    for (const TokenId* at = at_; at != end_;) {
      const Part held = PartAt(tokenizer_, at, end_);
      at = held.end == end_ ? end_ : held.end + 1;
      if (held.size() == 0 || !SameBytes(tokenizer_, held, part)) continue;
      at_ = at;
      return held;
    }
    return part;
  }

 private:
  const Tokenizer& tokenizer_;
  const TokenId* at_;
  const TokenId* end_;
};

}  // namespace

Status KeepHeldTokens(Memory& memory, const Tokenizer& tokenizer, const TokenId* held,
                      size_t n_held, Array<TokenId>* tokens, size_t* count) {
  Array<TokenId> kept;
  size_t n_kept = 0;
  bool any = false;
  HeldParts parts(tokenizer, held, n_held);
  CLAMMA_RETURN_IF_ERROR(kept.Resize(memory, uint64_t{*count} + n_held));
  if (memory.is_plan()) return Status();
  const TokenId* const end = tokens->data() + *count;
  for (const TokenId* at = tokens->data(); at != end;) {
    const Part part = PartAt(tokenizer, at, end);
    const Part found = part.size() == 0 ? part : parts.Find(part);
    any = any || !SameTokens(part, found);
    n_kept =
        static_cast<size_t>(std::copy(found.begin, found.end, kept.data() + n_kept) - kept.data());
    at = part.end;
    if (at != end) kept[n_kept++] = *at++;
  }
  if (!any) return Status();
  tokens->Swap(kept);
  *count = n_kept;
  return Status();
}

}  // namespace clamma
