// SPDX-License-Identifier: MIT
// Finds where a text that comes in pieces reaches one of some strings.
#ifndef CLAMMA_ENGINE_STOP_STRINGS_H_
#define CLAMMA_ENGINE_STOP_STRINGS_H_

#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// The text stops before the string that is whole first; of those that end at the same byte, before
// the longest. So it does not matter how the text is cut into pieces. What may be the beginning of
// a string is held back.
class StopStrings {
 public:
  // Copies `n` strings, none empty and each of them UTF-8. On failure what was set before stays.
  Status Set(Memory& memory, const char* const* strings, size_t n);

  bool any() const { return n_ > 0; }

  // Makes room for the next piece, of `size` bytes. (So that Append() cannot fail.)
  Status Reserve(Memory& memory, size_t size);

  // Returns what of the text may be shown now, "" if nothing, and sets *stopped if a string was
  // reached: what follows it in the piece is dropped. A piece is whole characters, of at most the
  // bytes reserved. Valid until the next call.
  const char* Append(const char* piece, bool* stopped);

  // What is held back, which no string follows any more. Valid until the next call.
  const char* Flush();

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
  Array<char> text_;  // what is held back, and the piece
  size_t n_held_ = 0;
  size_t held_at_ = 0;  // where what is held back begins: behind what was shown last
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_STOP_STRINGS_H_
