// SPDX-License-Identifier: MIT
// Tables of characters beyond ASCII, sorted; see scripts/make_chat_unicode.py.
#ifndef CLAMMA_CHAT_TEMPLATE_UNICODE_TABLES_H_
#define CLAMMA_CHAT_TEMPLATE_UNICODE_TABLES_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// first, first + stride, ... `count` of them; a run with stride 2 may interleave with the next.
struct ClassRun {
  uint32_t first;
  uint16_t count;
  uint16_t stride;
};

struct CaseRun {
  uint32_t first;
  uint16_t count;
  uint16_t stride;
  int32_t delta;
};

struct SpecialCase {
  uint32_t code_point;
  uint32_t to;      // a Case
  uint32_t out[3];  // 0 fills up
};

extern const ClassRun kUnprintable[], kAlpha[], kDigit[], kDecimal[], kNumeric[], kUpper[],
    kLower[], kTitle[], kCaseIgnorable[];
extern const size_t kUnprintableSize, kAlphaSize, kDigitSize, kDecimalSize, kNumericSize,
    kUpperSize, kLowerSize, kTitleSize, kCaseIgnorableSize;
extern const CaseRun kToLower[], kToUpper[], kToTitle[];
extern const size_t kToLowerSize, kToUpperSize, kToTitleSize;
extern const SpecialCase kSpecialCases[];
extern const size_t kSpecialCasesSize;

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_UNICODE_TABLES_H_
