// SPDX-License-Identifier: MIT
// Tables for NFC, sorted; see scripts/make_nfc_tables.py.
#ifndef CLAMMA_TOKENIZER_NFC_TABLES_H_
#define CLAMMA_TOKENIZER_NFC_TABLES_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// `count` characters from `first` on, whose canonical combining class that is. All others have 0.
struct CombiningRun {
  uint32_t first;
  uint8_t count;
  uint8_t combining;
};
extern const CombiningRun kCombiningRuns[];
extern const size_t kCombiningRunsSize;

// Canonical decompositions but those of Hangul, one step each: from bit 43 the character, bit 42
// whether NFC makes it of its parts again, from bit 21 the first part, from bit 0 the second or 0.
extern const uint64_t kDecompositions[];
extern const size_t kDecompositionsSize;

// Of those that NFC makes: indices into the table above, in order of the parts.
extern const uint16_t kCompositions[];
extern const size_t kCompositionsSize;

// Second parts among these whose combining class is 0.
extern const uint32_t kComposingStarters[];
extern const size_t kComposingStartersSize;

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_NFC_TABLES_H_
