// SPDX-License-Identifier: MIT
// Assembles whole characters from the bytes of tokens.
#ifndef CLAMMA_ENGINE_UTF8_ASSEMBLER_H_
#define CLAMMA_ENGINE_UTF8_ASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Invalid bytes, and NUL, which a C string cannot contain, become U+FFFD.
class Utf8Assembler {
 public:
  // Allocates memory for pieces of up to `longest_piece` bytes.
  Status Init(Memory& memory, size_t longest_piece);

  // Returns the characters that are complete with `piece`, "" if there are none. The bytes of an
  // unfinished character at its end are held back. The result is valid until the next call.
  const char* Append(std::string_view piece) { return Append({}, piece); }
  // The same for a piece in two parts.
  const char* Append(std::string_view first, std::string_view second);

  // Returns U+FFFD if bytes are held back, which are then dropped; else "".
  const char* Flush();

  void Drop() { n_held_ = 0; }

  // The bytes that are held back, fewer than 4. Set() accepts only what held() returned.
  std::string_view held() const { return {held_, n_held_}; }
  void Set(std::string_view held);

  // The size of the buffer for such pieces: the longest result with its NUL, and the input.
  static uint64_t LongestOutput(size_t longest_piece) {
    // Each byte of input can become a U+FFFD of 3 bytes. The input itself is at the buffer's end.
    return (sizeof(held_) + uint64_t{longest_piece}) * 4 + 1;
  }

 private:
  Array<char> buffer_;  // the output of a call at its beginning, the input at its end
  char held_[4] = {};
  size_t n_held_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_UTF8_ASSEMBLER_H_
