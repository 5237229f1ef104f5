// SPDX-License-Identifier: MIT
// Puts tokens' bytes together to whole characters.
#ifndef CLAMMA_ENGINE_UTF8_ASSEMBLER_H_
#define CLAMMA_ENGINE_UTF8_ASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Bytes that no character can hold, and NUL, which a C string cannot, come out as U+FFFD.
class Utf8Assembler {
 public:
  // For inputs of up to `longest_piece` bytes.
  Status Init(Memory& memory, size_t longest_piece);

  // The characters that `piece` completes, "" if none; its unfinished end is held back for the next
  // call. Valid until then.
  const char* Append(std::string_view piece) { return Append({}, piece); }
  // The same for a piece in two parts.
  const char* Append(std::string_view first, std::string_view second);

  // What is held back, as U+FFFD; "" if nothing is.
  const char* Flush();

  void Drop() { n_held_ = 0; }

  // What is held back: fewer than 4 bytes. Set() takes what held() gave.
  std::string_view held() const { return {held_, n_held_}; }
  void Set(std::string_view held);

  // Bytes of the longest text that Append() gives for such pieces, its NUL and scratch included.
  static uint64_t LongestOutput(size_t longest_piece) {
    // Each byte of input can become a replacement of three. Behind them: held bytes and the piece.
    return (sizeof(held_) + uint64_t{longest_piece}) * 4 + 1;
  }

 private:
  Array<char> buffer_;  // input and output of one call share it: input at the end
  char held_[4] = {};
  size_t n_held_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_UTF8_ASSEMBLER_H_
