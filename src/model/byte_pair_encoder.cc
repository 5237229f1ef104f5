// SPDX-License-Identifier: MIT
#include "model/byte_pair_encoder.h"

#include <algorithm>
#include <cstring>

#include "model/utf8.h"

namespace clamma {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// Merges at or below this score never happen, as in llama2.c. NaN compares false, so neither do
// those of a damaged dictionary.
constexpr float kLowestScore = -1e10f;

// Heap order: the higher score first, the leftmost of equals.
template <typename Merge>
bool ComesLater(const Merge& a, const Merge& b) {
  if (a.score != b.score) return a.score < b.score;
  return a.left > b.left;
}

}  // namespace

Status BytePairEncoder::Run(Memory& memory, std::string_view text, bool dummy_prefix) {
  if (text.size() >= kNone / 2 - 1) {
    return Status::Error(StatusCode::kLimit, "a text of %zu bytes is too long to encode",
                         text.size());
  }
  const uint64_t size = uint64_t{text.size()} + (dummy_prefix ? 1 : 0);
  CLAMMA_RETURN_IF_ERROR(text_.Resize(memory, size));
  CLAMMA_RETURN_IF_ERROR(symbols_.Resize(memory, size));
  // Each boundary between symbols makes one candidate; each merge takes one and makes at most two.
  CLAMMA_RETURN_IF_ERROR(heap_.Resize(memory, 2 * size));
  if (memory.is_plan()) {
    count_ = text_.size();  // at most
    return Status();
  }
  if (dummy_prefix) text_[0] = ' ';
  std::memcpy(text_.data() + (dummy_prefix ? 1 : 0), text.data(), text.size());
  Split();
  count_ = n_symbols_;
  for (uint32_t i = 0; i + 1 < n_symbols_; ++i) Consider(i);
  while (heap_size_ > 0) Apply(PopMerge());
  return Status();
}

void BytePairEncoder::AddSymbol(uint32_t begin, uint32_t length, TokenId token, bool is_byte) {
  const auto index = static_cast<uint32_t>(n_symbols_++);
  symbols_[index] = {begin, length, index == 0 ? kNone : index - 1, kNone, token, is_byte};
  if (index > 0) symbols_[index - 1].next = index;
}

void BytePairEncoder::Split() {
  // Not by substr(), whose exception would be the one thing to link of the C++ library.
  std::string_view rest(text_.data(), text_.size());
  for (uint32_t at = 0; !rest.empty();) {
    const Utf8Scan scan = ScanUtf8(rest);
    const auto length = static_cast<uint32_t>(scan.length);
    const TokenId token =
        scan.prefix == Utf8Prefix::kCharacter ? tokenizer_.Lookup({rest.data(), length}) : -1;
    if (token >= 0) {
      AddSymbol(at, length, token, false);
    } else {
      for (uint32_t i = 0; i < length; ++i) {
        AddSymbol(at + i, 1, tokenizer_.ByteToken(static_cast<uint8_t>(rest[i])), true);
      }
    }
    at += length;
    rest.remove_prefix(length);
  }
}

void BytePairEncoder::Consider(uint32_t left) {
  const Symbol& a = symbols_[left];
  if (a.next == kNone || a.is_byte || symbols_[a.next].is_byte) return;
  const uint32_t length = a.length + symbols_[a.next].length;
  if (length > tokenizer_.longest_token()) return;
  const TokenId token = tokenizer_.Lookup({text_.data() + a.begin, length});
  if (token < 0) return;
  const float score = tokenizer_.tokens_[static_cast<size_t>(token)].score;
  if (score > kLowestScore) PushMerge({score, left, length, token});
}

void BytePairEncoder::PushMerge(const Merge& merge) {
  heap_[heap_size_++] = merge;
  std::push_heap(heap_.data(), heap_.data() + heap_size_, ComesLater<Merge>);
}

BytePairEncoder::Merge BytePairEncoder::PopMerge() {
  std::pop_heap(heap_.data(), heap_.data() + heap_size_, ComesLater<Merge>);
  return heap_[--heap_size_];
}

void BytePairEncoder::Apply(const Merge& merge) {
  Symbol& a = symbols_[merge.left];
  // Out of date where either side has merged meanwhile: as texts only grow, the length tells.
  if (a.length == 0 || a.next == kNone || a.length + symbols_[a.next].length != merge.length) {
    return;
  }
  Symbol& b = symbols_[a.next];
  a.length = merge.length;
  a.token = merge.token;
  a.next = b.next;
  b.length = 0;
  if (a.next != kNone) symbols_[a.next].previous = merge.left;
  --count_;
  if (a.previous != kNone) Consider(a.previous);
  Consider(merge.left);
}

size_t BytePairEncoder::Take(TokenId* tokens) const {
  size_t n = 0;
  for (uint32_t i = 0; n < count_; i = symbols_[i].next) tokens[n++] = symbols_[i].token;
  return n;
}

}  // namespace clamma
