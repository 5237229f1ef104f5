// SPDX-License-Identifier: MIT
#include "engine/utf8_assembler.h"

#include <algorithm>
#include <cstring>

#include "model/utf8.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

}  // namespace

Status Utf8Assembler::Init(Memory& memory, size_t longest_piece) {
  return buffer_.Resize(memory, LongestOutput(longest_piece));
}

const char* Utf8Assembler::Append(std::string_view first, std::string_view second) {
  const size_t input_size = n_held_ + first.size() + second.size();
  char* input = buffer_.data() + buffer_.size() - input_size;
  std::memcpy(input, held_, n_held_);
  char* const end = std::copy(first.begin(), first.end(), input + n_held_);
  std::copy(second.begin(), second.end(), end);
  n_held_ = 0;

  std::string_view rest(input, input_size);
  char* out = buffer_.data();
  while (!rest.empty()) {
    const Utf8Scan scan = ScanUtf8(rest);
    if (scan.prefix == Utf8Prefix::kIncomplete) {
      n_held_ = scan.length;
      std::memcpy(held_, rest.data(), n_held_);
      break;
    }
    std::string_view shown = Front(rest, scan.length);
    if (scan.prefix == Utf8Prefix::kInvalid || shown[0] == '\0') shown = kReplacement;
    std::memcpy(out, shown.data(), shown.size());
    out += shown.size();
    rest.remove_prefix(scan.length);
  }
  *out = '\0';
  return buffer_.data();
}

void Utf8Assembler::Set(std::string_view held) {
  n_held_ = held.size();
  if (!held.empty()) std::memcpy(held_, held.data(), held.size());
}

const char* Utf8Assembler::Flush() {
  const bool any = n_held_ > 0;
  n_held_ = 0;
  return any ? kReplacement.data() : "";
}

}  // namespace clamma
