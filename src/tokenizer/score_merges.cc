// SPDX-License-Identifier: MIT
#include "tokenizer/score_merges.h"

#include <algorithm>

#include "model/utf8.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// Merges at or below this score never happen, as in llama2.c. NaN compares false, so a damaged
// score never merges either.
constexpr float kLowestScore = -1e10f;

// From this many bytes on it pays to scan the vocabulary for pairs of bytes that never merge.
constexpr uint64_t kLongText = 16384;

// The kinds that a merge may result in. Unused tokens are split into their parts again at the end.
constexpr uint32_t kMergeable =
    Kinds(TokenKind::kNormal) | Kinds(TokenKind::kUserDefined) | Kinds(TokenKind::kUnused);

// Heap order: the higher score first, the leftmost of equals.
template <typename Merge>
bool ComesLater(const Merge& a, const Merge& b) {
  if (a.score != b.score) return a.score < b.score;
  return a.left > b.left;
}

}  // namespace

Status ScoreMerger::Reserve(Memory& memory, uint64_t max_bytes) {
  if (max_bytes >= kNone / 2) {
    return Status::Error(StatusCode::kLimit, "a text of %llu bytes is too long to encode",
                         static_cast<unsigned long long>(max_bytes));  // NOLINT: for %llu
  }
  CLAMMA_RETURN_IF_ERROR(text_.Resize(memory, max_bytes));
  CLAMMA_RETURN_IF_ERROR(symbols_.Resize(memory, max_bytes));
  // Each boundary between symbols adds one candidate; each merge removes one and adds at most two.
  CLAMMA_RETURN_IF_ERROR(heap_.Resize(memory, 2 * max_bytes));
  if constexpr (kHasGguf) {
    if (max_bytes >= kLongText) {
      CLAMMA_RETURN_IF_ERROR(unused()->joined.Resize(memory, 256 * 256 / 8));
      if (!memory.is_plan()) MarkJoined();
    }
    if (!splits_unused()) return Status();
    CLAMMA_RETURN_IF_ERROR(unused()->halves.Resize(memory, vocabulary_.size()));
    return unused()->parts.Resize(memory, 2 * (uint64_t{vocabulary_.longest_token()} + 1));
  }
  return Status();
}

void ScoreMerger::MarkJoined() {
  if constexpr (kHasGguf) {
    Array<uint8_t>& joined = unused()->joined;
    for (TokenId id = 0; vocabulary_.IsValid(id); ++id) {
      if ((Kinds(vocabulary_.kind(id)) & kMergeable) == 0) continue;
      const std::string_view text = vocabulary_.Text(id);
      for (size_t i = 1; i < text.size(); ++i) {
        const auto first = static_cast<uint8_t>(text[i - 1]);
        const auto second = static_cast<uint8_t>(text[i]);
        joined[first * 32u + second / 8u] |= static_cast<uint8_t>(1u << second % 8);
      }
    }
  }
}

// Whether no token has this symbol's last byte and the next symbol's first byte side by side. The
// text on either side then merges separately, which keeps the heap small.
bool ScoreMerger::IsApart(uint32_t left) {
  if constexpr (kHasGguf) {
    if (unused()->joined.size() == 0) return false;
    const uint32_t border = symbols_[left + 1].begin;
    const auto first = static_cast<uint8_t>(text_[border - 1]);
    const auto second = static_cast<uint8_t>(text_[border]);
    return (unused()->joined[first * 32u + second / 8u] >> second % 8 & 1) == 0;
  }
  return false;
}

// Copies the text, with a space in place of each U+2581. Returns its bytes.
size_t ScoreMerger::CopyText(std::string_view text, bool dummy_prefix) {
  char* out = text_.data();
  if (dummy_prefix) *out++ = ' ';
  while (!text.empty()) {
    size_t length = 1;
    *out = text[0];
    if (StartsWith(text, kSpaceMark)) {
      length = kSpaceMark.size();
      *out = ' ';
    }
    ++out;
    text.remove_prefix(length);
  }
  return static_cast<size_t>(out - text_.data());
}

void ScoreMerger::Run(std::string_view text, bool dummy_prefix) {
  n_symbols_ = 0;
  heap_size_ = 0;
  Split(CopyText(text, dummy_prefix));
  for (uint32_t i = 0; i + 1 < n_symbols_; ++i) {
    if (!IsApart(i)) {
      Consider(i);
      continue;
    }
    while (heap_size_ > 0) Apply(PopMerge());
  }
  while (heap_size_ > 0) Apply(PopMerge());
  count_ = 0;
  for (uint32_t i = 0; i != kNone; i = symbols_[i].next) {
    const Symbol& symbol = symbols_[i];
    count_ += splits_unused() ? TakeUnused(symbol, nullptr) : CountOf(symbol.token, symbol.length);
  }
}

void ScoreMerger::AddSymbol(uint32_t begin, uint32_t length, TokenId token, bool is_invalid) {
  const auto index = static_cast<uint32_t>(n_symbols_++);
  symbols_[index] = {begin, length, index == 0 ? kNone : index - 1, kNone, token, is_invalid};
  if (index > 0) symbols_[index - 1].next = index;
}

void ScoreMerger::Split(size_t size) {
  // substr() is not used: its exception would need the C++ library.
  std::string_view rest(text_.data(), size);
  for (uint32_t at = 0; !rest.empty();) {
    const Utf8Scan scan = ScanUtf8(rest);
    const auto length = static_cast<uint32_t>(scan.length);
    if (scan.prefix == Utf8Prefix::kCharacter) {
      AddSymbol(at, length, vocabulary_.Find({rest.data(), length}, kMergeable), false);
    } else {
      for (uint32_t i = 0; i < length; ++i) AddSymbol(at + i, 1, kNoToken, true);
    }
    at += length;
    rest.remove_prefix(length);
  }
}

void ScoreMerger::Consider(uint32_t left) {
  const Symbol& a = symbols_[left];
  if (a.next == kNone || a.is_invalid || symbols_[a.next].is_invalid) return;
  const uint32_t length = a.length + symbols_[a.next].length;
  if (length > vocabulary_.longest_token()) return;
  const TokenId token = vocabulary_.Find({text_.data() + a.begin, length}, kMergeable);
  if (token < 0) return;
  if (splits_unused()) Remember(a, symbols_[a.next], token);
  const float score = vocabulary_.score(token);
  if (score > kLowestScore) PushMerge({score, left, length, token});
}

// Stores the parts of an unused token, as it was last merged.
void ScoreMerger::Remember(const Symbol& left, const Symbol& right, TokenId token) {
  if constexpr (kHasGguf) {
    if (vocabulary_.kind(token) != TokenKind::kUnused) return;
    unused()->halves[static_cast<size_t>(token)] = {left.token, right.token, left.length, true};
  }
}

void ScoreMerger::PushMerge(const Merge& merge) {
  heap_[heap_size_++] = merge;
  std::push_heap(heap_.data(), heap_.data() + heap_size_, ComesLater<Merge>);
}

ScoreMerger::Merge ScoreMerger::PopMerge() {
  std::pop_heap(heap_.data(), heap_.data() + heap_size_, ComesLater<Merge>);
  return heap_[--heap_size_];
}

void ScoreMerger::Apply(const Merge& merge) {
  Symbol& a = symbols_[merge.left];
  // The candidate is stale if either side has merged since: the length then differs.
  if (a.length == 0 || a.next == kNone || a.length + symbols_[a.next].length != merge.length) {
    return;
  }
  Symbol& b = symbols_[a.next];
  a.length = merge.length;
  a.token = merge.token;
  a.next = b.next;
  b.length = 0;
  if (a.next != kNone) symbols_[a.next].previous = merge.left;
  if (a.previous != kNone) Consider(a.previous);
  Consider(merge.left);
}

// A character without a token becomes one token per byte.
size_t ScoreMerger::CountOf(TokenId token, uint32_t length) { return token >= 0 ? 1 : length; }

size_t ScoreMerger::Emit(uint32_t begin, uint32_t length, TokenId token, TokenId* tokens) const {
  if (token >= 0) {
    tokens[0] = token;
    return 1;
  }
  for (uint32_t i = 0; i < length; ++i) {
    tokens[i] = vocabulary_.byte_token(static_cast<uint8_t>(text_[begin + i]));
  }
  return length;
}

// Emits a symbol, splitting unused tokens until the parts have no parts. With nullptr only counts.
size_t ScoreMerger::TakeUnused(const Symbol& symbol, TokenId* tokens) {
  size_t n = 0;
  if constexpr (kHasGguf) {
    Array<uint32_t>& parts = unused()->parts;
    size_t n_parts = 0;
    uint32_t begin = symbol.begin;
    const auto push = [&](TokenId token, uint32_t length) {
      parts[n_parts++] = static_cast<uint32_t>(token);
      parts[n_parts++] = length;
    };
    push(symbol.token, symbol.length);
    while (n_parts > 0) {
      const uint32_t length = parts[--n_parts];
      const auto token = static_cast<TokenId>(parts[--n_parts]);
      const bool is_unused = token >= 0 && vocabulary_.kind(token) == TokenKind::kUnused;
      if (is_unused && unused()->halves[static_cast<size_t>(token)].is_known) {
        const Halves& halves = unused()->halves[static_cast<size_t>(token)];
        push(halves.right, length - halves.left_length);
        push(halves.left, halves.left_length);
        continue;
      }
      n += tokens == nullptr ? CountOf(token, length) : Emit(begin, length, token, tokens + n);
      begin += length;
    }
  }
  return n;
}

size_t ScoreMerger::Take(TokenId* tokens) {
  size_t n = 0;
  for (uint32_t i = 0; n < count_; i = symbols_[i].next) {
    const Symbol& symbol = symbols_[i];
    n += splits_unused() ? TakeUnused(symbol, tokens + n)
                         : Emit(symbol.begin, symbol.length, symbol.token, tokens + n);
  }
  if (!kHasGguf || vocabulary_.unknown() < 0) return n;
  // A run of unknown characters is one token, as in SentencePiece.
  const TokenId unknown = vocabulary_.unknown();
  TokenId* const end = std::unique(
      tokens, tokens + n, [unknown](TokenId a, TokenId b) { return a == unknown && b == unknown; });
  return static_cast<size_t>(end - tokens);
}

}  // namespace clamma
