// SPDX-License-Identifier: MIT
#include "engine/stop_strings.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "model/utf8.h"

namespace clamma {
namespace {

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Scan scan = ScanUtf8(text);
    if (scan.prefix != Utf8Prefix::kCharacter) return false;
    text.remove_prefix(scan.length);
  }
  return true;
}

}  // namespace

Status StopStrings::Set(Memory& memory, const char* const* strings, size_t n) {
  StopStrings fresh;
  uint64_t total = 0;
  for (size_t i = 0; i < n; ++i) {
    if (strings[i] == nullptr || strings[i][0] == '\0' || !IsUtf8(strings[i])) {
      return Status::Error(StatusCode::kInvalidArgument,
                           "stop string %zu is NULL, empty or not UTF-8", i);
    }
    const size_t size = std::strlen(strings[i]);
    total += size;
    fresh.longest_ = std::max(fresh.longest_, size);
  }
  CLAMMA_RETURN_IF_ERROR(fresh.bytes_.Resize(memory, total));
  CLAMMA_RETURN_IF_ERROR(fresh.entries_.Resize(memory, n));
  fresh.n_ = n;
  size_t offset = 0;
  for (size_t i = 0; i < n && !memory.is_plan(); ++i) {
    const size_t size = std::strlen(strings[i]);
    std::memcpy(fresh.bytes_.data() + offset, strings[i], size);
    fresh.entries_[i] = {offset, size};
    offset += size;
  }
  Swap(fresh);
  return Status();
}

void StopStrings::Swap(StopStrings& other) {
  bytes_.Swap(other.bytes_);
  entries_.Swap(other.entries_);
  text_.Swap(other.text_);
  std::swap(n_, other.n_);
  std::swap(longest_, other.longest_);
  std::swap(n_held_, other.n_held_);
  std::swap(held_at_, other.held_at_);
}

// The text that is held back is shorter than the longest string. Two bytes are for the NULs after
// the text to show and after the text that is held back.
Status StopStrings::Reserve(Memory& memory, size_t size) {
  const uint64_t needed = uint64_t{longest_} + size + 2;
  if (n_ == 0 || needed <= text_.size()) return Status();
  return text_.Resize(memory, needed);
}

// Returns the size of the longest string with which the text before `end` ends; 0: none.
size_t StopStrings::LongestEndingAt(size_t end) const {
  size_t longest = 0;
  for (size_t i = 0; i < n_; ++i) {
    const Entry& entry = entries_[i];
    if (entry.size > end || entry.size <= longest) continue;
    const char* begin = text_.data() + end - entry.size;
    if (std::memcmp(begin, bytes_.data() + entry.offset, entry.size) == 0) longest = entry.size;
  }
  return longest;
}

// Returns how many bytes at the end of the text may be the beginning of a string.
size_t StopStrings::LongestBegunAtTheEnd() const {
  for (size_t size = std::min(longest_ - 1, n_held_); size > 0; --size) {
    const char* begin = text_.data() + n_held_ - size;
    for (size_t i = 0; i < n_; ++i) {
      const Entry& entry = entries_[i];
      if (entry.size > size && std::memcmp(begin, bytes_.data() + entry.offset, size) == 0) {
        return size;
      }
    }
  }
  return 0;
}

const char* StopStrings::Append(const char* piece, bool* stopped) {
  char* text = text_.data();
  std::memmove(text, text + held_at_, n_held_);
  held_at_ = 0;
  for (; *piece != '\0'; ++piece) {
    text[n_held_++] = *piece;
    const size_t found = LongestEndingAt(n_held_);
    if (found == 0) continue;
    *stopped = true;
    text[n_held_ - found] = '\0';
    n_held_ = 0;
    return text;
  }
  const size_t kept = LongestBegunAtTheEnd();
  const size_t shown = n_held_ - kept;
  std::memmove(text + shown + 1, text + shown, kept);
  text[shown] = '\0';
  held_at_ = shown + 1;
  n_held_ = kept;
  return text;
}

const char* StopStrings::Flush() {
  if (n_held_ == 0) return "";
  char* text = text_.data() + held_at_;
  text[n_held_] = '\0';
  n_held_ = 0;
  return text;
}

}  // namespace clamma
