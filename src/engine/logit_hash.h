// SPDX-License-Identifier: MIT
// A hash of logits that is the same on every machine.
#ifndef CLAMMA_ENGINE_LOGIT_HASH_H_
#define CLAMMA_ENGINE_LOGIT_HASH_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// The hash of no logits.
inline constexpr uint64_t kLogitHashStart = 0xcbf29ce484222325u;

// Continues a hash with `logits` (n): FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) over
// their bits in little-endian order. All NaNs count as 0x7fc00000, because machines differ in the
// bits of those that they make.
inline uint64_t AddLogits(uint64_t hash, const float* logits, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const uint32_t bits =
        logits[i] == logits[i] ? __builtin_bit_cast(uint32_t, logits[i]) : 0x7fc00000u;
    for (unsigned shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ (bits >> shift & 0xff)) * 0x100000001b3u;
    }
  }
  return hash;
}

}  // namespace clamma

#endif  // CLAMMA_ENGINE_LOGIT_HASH_H_
