// SPDX-License-Identifier: MIT
// Unicode's normalization form C, NFC (https://www.unicode.org/reports/tr15/). Some vocabularies
// require texts in this form.
#ifndef CLAMMA_TOKENIZER_NFC_H_
#define CLAMMA_TOKENIZER_NFC_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Returns false if the text is in NFC, true if it may not be. Takes time linear in its length. Any
// bytes are safe.
bool MayChangeByNfc(std::string_view text);

// A text grows at most by this factor (U+1D160 does).
inline constexpr uint64_t kMaxNfcGrowth = 3;

class NfcNormalizer {
 public:
  // Reserves memory for texts of up to max_bytes bytes.
  Status Reserve(Memory& memory, uint64_t max_bytes);

  // Returns the text in NFC, valid until the next call. Bytes that are not part of a character stay
  // unchanged. Takes time linear in the length of the text.
  std::string_view Normalize(std::string_view text);

 private:
  void Decompose(uint32_t code);
  void Append(uint32_t code);
  void SortMarks(size_t begin, size_t end);
  void Compose();

  Array<uint32_t>
      points_;             // the combining class in the upper 8 bits, the character in the lower 24
  Array<uint32_t> marks_;  // a copy of the points that are being sorted
  Array<char> text_;
  size_t n_points_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_NFC_H_
