// SPDX-License-Identifier: MIT
#include "tokenizer/nfc.h"

#include <algorithm>

#include "model/utf8.h"
#include "tokenizer/nfc_tables.h"

namespace clamma {
namespace {

constexpr uint32_t kFirstMark = 0x300;  // NFC changes no character below this
constexpr uint32_t kCodeBits = 21;
constexpr uint32_t kCodeMask = (1u << kCodeBits) - 1;
constexpr uint64_t kWhole = uint64_t{1} << 42;

// Points from kFirstByte on, beyond the last character, are bytes that are not part of a character.
constexpr uint32_t kClassShift = 24;
constexpr uint32_t kPointMask = (1u << kClassShift) - 1;
constexpr uint32_t kFirstByte = 0x110000;

// The longest decomposition turns a character of 3 bytes into 4 characters.
constexpr uint64_t kMaxPointsOfByte = 2;

// Hangul (The Unicode Standard, 3.12).
constexpr uint32_t kSyllables = 0xac00;
constexpr uint32_t kLeads = 0x1100;
constexpr uint32_t kVowels = 0x1161;
constexpr uint32_t kTrails = 0x11a7;  // the code before the first
constexpr uint32_t kNumLeads = 19;
constexpr uint32_t kNumVowels = 21;
constexpr uint32_t kNumTrails = 28;  // including "no trail"
constexpr uint32_t kNumSyllables = kNumLeads * kNumVowels * kNumTrails;

// Removes and returns the character, or the byte that is not part of one, at the front of a text.
uint32_t TakePoint(std::string_view* text) {
  const Utf8Scan scan = ScanUtf8(*text);
  const bool character = scan.prefix == Utf8Prefix::kCharacter;
  const size_t length = character ? scan.length : 1;
  const char* const front = text->data();
  text->remove_prefix(length);
  return character ? DecodeUtf8(front, length) : kFirstByte + static_cast<uint8_t>(front[0]);
}

char* WritePoint(uint32_t code, char* out) {
  if (code < kFirstByte) return out + EncodeUtf8(code, out);
  *out = static_cast<char>(code - kFirstByte);
  return out + 1;
}

// The canonical combining class.
uint32_t ClassOfMark(uint32_t code) {
  if (code < kFirstMark) return 0;
  const CombiningRun* const end = kCombiningRuns + kCombiningRunsSize;
  const CombiningRun* run = std::upper_bound(
      kCombiningRuns, end, code, [](uint32_t c, const CombiningRun& r) { return c < r.first; });
  if (run == kCombiningRuns) return 0;
  --run;
  return code - run->first < run->count ? run->combining : 0;
}

// The character's entry of kDecompositions, or 0 if it does not decompose.
uint64_t DecompositionOf(uint32_t code) {
  const uint64_t* const end = kDecompositions + kDecompositionsSize;
  const uint64_t* const found = std::lower_bound(kDecompositions, end, uint64_t{code} << 43);
  return found != end && *found >> 43 == code ? *found : 0;
}

// The character that the two compose to, or 0.
uint32_t Composed(uint32_t first, uint32_t second) {
  if (first - kLeads < kNumLeads && second - kVowels < kNumVowels) {
    return kSyllables + ((first - kLeads) * kNumVowels + (second - kVowels)) * kNumTrails;
  }
  if (first - kSyllables < kNumSyllables && (first - kSyllables) % kNumTrails == 0 &&
      second - kTrails - 1 < kNumTrails - 1) {
    return first + (second - kTrails);
  }
  const uint64_t parts = uint64_t{first} << kCodeBits | second;
  const auto parts_of = [](uint16_t i) { return kDecompositions[i] & (kWhole - 1); };
  const uint16_t* const end = kCompositions + kCompositionsSize;
  const uint16_t* const found = std::lower_bound(
      kCompositions, end, parts, [&](uint16_t i, uint64_t p) { return parts_of(i) < p; });
  if (found == end || parts_of(*found) != parts) return 0;
  return static_cast<uint32_t>(kDecompositions[*found] >> 43);
}

// Whether NFC never changes the character, whatever stands beside it.
bool IsQuiet(uint32_t code) {
  if (code < kFirstMark || code >= kFirstByte) return true;
  if (code - kVowels < kNumVowels || code - kTrails - 1 < kNumTrails - 1) return false;
  if (std::binary_search(kComposingStarters, kComposingStarters + kComposingStartersSize, code)) {
    return false;
  }
  if (ClassOfMark(code) != 0) return false;
  const uint64_t parts = DecompositionOf(code);
  return parts == 0 || (parts & kWhole) != 0;
}

}  // namespace

bool MayChangeByNfc(std::string_view text) {
  while (!text.empty()) {
    if (!IsQuiet(TakePoint(&text))) return true;
  }
  return false;
}

Status NfcNormalizer::Reserve(Memory& memory, uint64_t max_bytes) {
  uint64_t points = 0;
  uint64_t bytes = 0;
  if (!CheckedMultiply(max_bytes, kMaxPointsOfByte, &points) ||
      !CheckedMultiply(max_bytes, kMaxNfcGrowth, &bytes)) {
    points = bytes = UINT64_MAX;
  }
  CLAMMA_RETURN_IF_ERROR(points_.Resize(memory, points));
  CLAMMA_RETURN_IF_ERROR(marks_.Resize(memory, points));
  return text_.Resize(memory, bytes);
}

std::string_view NfcNormalizer::Normalize(std::string_view text) {
  n_points_ = 0;
  while (!text.empty()) Decompose(TakePoint(&text));
  for (size_t begin = 0; begin < n_points_;) {
    size_t end = begin;
    while (end < n_points_ && points_[end] >> kClassShift != 0) ++end;
    if (end - begin > 1) SortMarks(begin, end);
    begin = end + 1;
  }
  Compose();
  char* out = text_.data();
  for (size_t i = 0; i < n_points_; ++i) out = WritePoint(points_[i] & kPointMask, out);
  return {text_.data(), static_cast<size_t>(out - text_.data())};
}

void NfcNormalizer::Append(uint32_t code) {
  points_[n_points_++] = ClassOfMark(code) << kClassShift | code;
}

void NfcNormalizer::Decompose(uint32_t code) {
  if (code - kSyllables < kNumSyllables) {
    const uint32_t i = code - kSyllables;
    Append(kLeads + i / (kNumVowels * kNumTrails));
    Append(kVowels + i / kNumTrails % kNumVowels);
    if (i % kNumTrails != 0) Append(kTrails + i % kNumTrails);
    return;
  }
  // Only the first part can decompose further.
  constexpr size_t kMaxSteps = 4;
  uint32_t seconds[kMaxSteps];
  size_t n = 0;
  for (uint64_t parts = 0; n < kMaxSteps && (parts = DecompositionOf(code)) != 0;) {
    code = static_cast<uint32_t>(parts >> kCodeBits) & kCodeMask;
    const uint32_t second = static_cast<uint32_t>(parts) & kCodeMask;
    if (second != 0) seconds[n++] = second;
  }
  Append(code);
  while (n > 0) Append(seconds[--n]);
}

// Sorts the marks [begin, end) by class; marks of one class stay in order. It goes class by class,
// of which there are 55, so the time is linear in the number of marks.
void NfcNormalizer::SortMarks(size_t begin, size_t end) {
  bool is_there[256] = {};
  bool sorted = true;
  for (size_t i = begin; i < end; ++i) {
    is_there[points_[i] >> kClassShift] = true;
    sorted = sorted && (i == begin || points_[i - 1] >> kClassShift <= points_[i] >> kClassShift);
  }
  if (sorted) return;
  std::copy(points_.data() + begin, points_.data() + end, marks_.data());
  size_t at = begin;
  for (uint32_t combining = 1; combining < 256; ++combining) {
    if (!is_there[combining]) continue;
    for (size_t i = 0; i < end - begin; ++i) {
      if (marks_[i] >> kClassShift == combining) points_[at++] = marks_[i];
    }
  }
}

// A mark can compose with the last starter unless there is a starter, or a mark of the same or a
// higher class, between them.
void NfcNormalizer::Compose() {
  constexpr size_t kNone = ~size_t{0};
  size_t starter = kNone;
  size_t n = 0;
  for (size_t i = 0; i < n_points_; ++i) {
    const uint32_t point = points_[i];
    const uint32_t combining = point >> kClassShift;
    const bool reaches =
        starter != kNone && (n == starter + 1 || points_[n - 1] >> kClassShift < combining);
    const uint32_t whole =
        reaches ? Composed(points_[starter] & kPointMask, point & kPointMask) : 0;
    if (whole != 0) {
      points_[starter] = whole;
      continue;
    }
    if (combining == 0) starter = n;
    points_[n++] = point;
  }
  n_points_ = n;
}

}  // namespace clamma
