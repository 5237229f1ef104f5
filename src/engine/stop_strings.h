// SPDX-License-Identifier: MIT
// Finds the first stop string in a text that arrives in pieces.
#ifndef CLAMMA_ENGINE_STOP_STRINGS_H_
#define CLAMMA_ENGINE_STOP_STRINGS_H_

#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// The text stops before the string that ends first; if several end at the same byte, before the
// longest. So the result does not depend on how the text is cut into pieces. Text that may be the
// beginning of a string is held back.
class StopStrings {
 public:
  // Copies `n` strings, which must be UTF-8 and not empty. On failure the previous strings stay.
  Status Set(Memory& memory, const char* const* strings, size_t n);

  bool any() const { return n_ > 0; }

  // Makes room for pieces of up to `size` bytes, so that Append() cannot fail.
  Status Reserve(Memory& memory, size_t size);

  // Returns the text that may be shown, "" if there is none. If a string was reached, sets *stopped
  // and drops the rest of the piece. A piece consists of whole characters, and is at most as long
  // as reserved. The returned text is valid until the next call.
  const char* Append(const char* piece, bool* stopped);

  // Returns the text that is held back, for when no further piece follows. It is valid until the
  // next call.
  const char* Flush();

  // Forgets all strings, and returns the text that was held back, as Flush() does.
  const char* End() {
    n_ = 0;
    return Flush();
  }

  void Swap(StopStrings& other);

 private:
  // A string's place in bytes_.
  struct Entry {
    size_t offset;
    size_t size;
  };

  size_t LongestEndingAt(size_t end) const;
  size_t LongestBegunAtTheEnd() const;

  Array<char> bytes_;
  Array<Entry> entries_;  // [0, n_)
  size_t n_ = 0;
  size_t longest_ = 0;
  Array<char> text_;    // the text shown last, and the text that is held back
  size_t n_held_ = 0;   // bytes that are held back
  size_t held_at_ = 0;  // where they begin in text_
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_STOP_STRINGS_H_
