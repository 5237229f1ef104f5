// SPDX-License-Identifier: MIT
#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <cstring>

#include "platform/quoted.h"
#include "platform/sort.h"

namespace clamma {
namespace {

constexpr uint32_t kControlKinds = Kinds(TokenKind::kControl) | Kinds(TokenKind::kUnknown);
constexpr uint32_t kSpecialKinds = kControlKinds | Kinds(TokenKind::kUserDefined);

}  // namespace

// Orders by bytes; a text precedes its extensions. Equal texts are ordered by id, control tokens
// last.
bool SpecialTokens::Before(const Item& a, const Item& b) {
  const int order = std::memcmp(a.text, b.text, std::min(a.length, b.length));
  if (order != 0) return order < 0;
  if (a.length != b.length) return a.length < b.length;
  return a.token < b.token;
}

Status SpecialTokens::Build(Memory& memory, const Vocabulary& vocabulary, uint64_t most) {
  if (memory.is_plan()) return items_.Resize(memory, most);
  uint64_t n = 0;
  const auto is_special = [&](TokenId id) {
    return (Kinds(vocabulary.kind(id)) & kSpecialKinds) != 0 && !vocabulary.IsPadding(id) &&
           !vocabulary.Text(id).empty();
  };
  for (TokenId id = 0; vocabulary.IsValid(id); ++id) {
    if (!is_special(id)) continue;
    if (vocabulary.Text(id).size() > kMaxBytes) {
      return Status::Error(
          StatusCode::kCorrupt,
          "token %d of the vocabulary, %s, has %zu bytes: control and user-defined "
          "tokens have at most %zu",
          id, Quoted(vocabulary.Text(id)).c_str(), vocabulary.Text(id).size(), kMaxBytes);
    }
    ++n;
  }
  CLAMMA_RETURN_IF_ERROR(items_.Resize(memory, n));
  n_items_ = 0;
  for (TokenId id = 0; vocabulary.IsValid(id); ++id) {
    if (!is_special(id)) continue;
    const std::string_view text = vocabulary.Text(id);
    const uint32_t control = (Kinds(vocabulary.kind(id)) & kControlKinds) != 0 ? kControlBit : 0;
    items_[n_items_++] = {text.data(), static_cast<uint32_t>(text.size()),
                          static_cast<uint32_t>(id) | control};
  }
  Sort<Item, Before>(items_.data(), n_items_);
  size_t kept = 0;
  for (size_t i = 0; i < n_items_; ++i) {
    const Item& item = items_[i];
    const bool again = kept > 0 && items_[kept - 1].length == item.length &&
                       ((items_[kept - 1].token ^ item.token) & kControlBit) == 0 &&
                       std::memcmp(items_[kept - 1].text, item.text, item.length) == 0;
    if (!again) items_[kept++] = item;
  }
  n_items_ = kept;
  size_t i = 0;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    first_[byte] = static_cast<uint32_t>(i);
    while (i < n_items_ && static_cast<uint8_t>(items_[i].text[0]) == byte) ++i;
  }
  first_[256] = static_cast<uint32_t>(i);
  return Status();
}

// Returns the byte at *at and advances *at; -1 at the end.
int SpecialTokens::Scan::ByteAt(size_t* at) const {
  if (*at >= text_.size()) return -1;
  if (options_.marks_are_spaces && text_.size() - *at >= kSpaceMark.size() &&
      std::memcmp(text_.data() + *at, kSpaceMark.data(), kSpaceMark.size()) == 0) {
    *at += kSpaceMark.size();
    return ' ';
  }
  return static_cast<uint8_t>(text_[(*at)++]);
}

// Narrows the items [*low, *high), which agree in the first `depth` bytes and are longer, to those
// whose next byte is `byte`.
void SpecialTokens::Narrow(const Item* items, size_t depth, uint8_t byte, size_t* low,
                           size_t* high) {
  const auto byte_of = [depth](const Item& item) { return static_cast<uint8_t>(item.text[depth]); };
  if (*low == *high || (byte_of(items[*low]) == byte && byte_of(items[*high - 1]) == byte)) return;
  const Item* const first = std::partition_point(
      items + *low, items + *high, [&](const Item& item) { return byte_of(item) < byte; });
  const Item* const last = std::partition_point(
      first, items + *high, [&](const Item& item) { return byte_of(item) == byte; });
  *low = static_cast<size_t>(first - items);
  *high = static_cast<size_t>(last - items);
}

// Finds the longest token that begins at `begin`; a control token must not end after `limit`.
bool SpecialTokens::Scan::MatchAt(size_t begin, size_t limit, Match* match) const {
  size_t at = begin;
  int byte = ByteAt(&at);
  if (byte < 0) return false;
  size_t low = tokens_.first_[byte];
  size_t high = tokens_.first_[byte + 1];
  bool found = false;
  for (size_t depth = 1; low < high; ++depth) {
    for (; low < high && tokens_.items_[low].length == depth; ++low) {
      const uint32_t token = tokens_.items_[low].token;
      const bool is_control = (token & kControlBit) != 0;
      if (is_control && at > limit) continue;
      if (found && match->end == at) continue;  // a user-defined token takes precedence
      *match = {begin, at, static_cast<TokenId>(token & ~kControlBit), is_control};
      found = true;
    }
    byte = ByteAt(&at);
    if (byte < 0) break;
    Narrow(tokens_.items_.data(), depth, static_cast<uint8_t>(byte), &low, &high);
  }
  return found;
}

bool SpecialTokens::Scan::Next(Match* match) {
  if (tokens_.n_items_ == 0) return false;
  for (; at_ < text_.size(); ++at_) {
    while (next_data_ < options_.n_data && options_.data[next_data_].end <= at_) ++next_data_;
    size_t limit = options_.control ? text_.size() : 0;
    if (options_.control && next_data_ < options_.n_data) {
      limit = std::min(limit, options_.data[next_data_].begin);  // may lie at or before at_
    }
    if (!MatchAt(at_, limit, match)) continue;
    at_ = match->end;
    return true;
  }
  return false;
}

}  // namespace clamma
