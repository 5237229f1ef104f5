// SPDX-License-Identifier: MIT
// Ranges of code points as ranges of the bytes of UTF-8.
#ifndef CLAMMA_ENGINE_GRAMMAR_UTF8_RANGES_H_
#define CLAMMA_ENGINE_GRAMMAR_UTF8_RANGES_H_

#include <cstddef>
#include <cstdint>

#include "engine/grammar/grammar.h"
#include "model/utf8.h"

namespace clamma {

struct ByteRange {
  uint8_t low;
  uint8_t high;
};

// Characters whose first byte is in the first range, the second byte in the second one, and so on.
struct Utf8Sequence {
  size_t length;
  ByteRange bytes[4];
};

// Splits a range of code points, which has no surrogates, into sequences, in order.
class Utf8Splitter {
 public:
  explicit Utf8Splitter(CodeRange range) : range_(range) {}

  // Returns false at the end.
  bool Next(Utf8Sequence* sequence) {
    if (range_.first > range_.last) return false;
    const uint32_t first = range_.first;
    uint32_t last = range_.last;
    // Characters of the same length...
    for (const uint32_t end : {0x7fu, 0x7ffu, 0xffffu}) {
      if (first <= end && last > end) last = end;
    }
    // ... whose further bytes are all those that there are, from some byte on.
    for (unsigned shift = 6; shift <= 18 && first > 0x7f; shift += 6) {
      const uint32_t low_bits = (1u << shift) - 1;
      if ((first & ~low_bits) == (last & ~low_bits)) break;
      if ((first & low_bits) != 0) {
        last = first | low_bits;
      } else if ((last & low_bits) != low_bits) {
        last = (last & ~low_bits) - 1;
      }
    }
    char low[4];
    char high[4];
    sequence->length = EncodeUtf8(first, low);
    EncodeUtf8(last, high);
    for (size_t i = 0; i < sequence->length; ++i) {
      sequence->bytes[i] = {static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])};
    }
    range_.first = last + 1;
    return true;
  }

 private:
  CodeRange range_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_UTF8_RANGES_H_
