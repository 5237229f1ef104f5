// SPDX-License-Identifier: MIT
// Unicode's normalization form C (https://www.unicode.org/reports/tr15/), which some vocabularies
// expect of texts.
#ifndef CLAMMA_TOKENIZER_NFC_H_
#define CLAMMA_TOKENIZER_NFC_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// False: the text is in NFC. True: it may not be. Linear in its length, any bytes are safe.
bool MayChangeByNfc(std::string_view text);

// A text becomes at most so many times as long (U+1D160 does).
inline constexpr uint64_t kMaxNfcGrowth = 3;

class NfcNormalizer {
 public:
  // For texts of up to so many bytes.
  Status Reserve(Memory& memory, uint64_t max_bytes);

  // The text in NFC, valid until the next one. Bytes of no character stay as they are. Linear in
  // the length of the text.
  std::string_view Normalize(std::string_view text);

 private:
  void Decompose(uint32_t code);
  void Append(uint32_t code);
  void SortMarks(size_t begin, size_t end);
  void Compose();

  Array<uint32_t> points_;  // the class in the upper 8 bits, the character in the lower 24
  Array<uint32_t> marks_;   // some of these, while they are sorted
  Array<char> text_;
  size_t n_points_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_NFC_H_
