// SPDX-License-Identifier: MIT
// A hash function for tables of texts from files.
#ifndef CLAMMA_PLATFORM_HASH_H_
#define CLAMMA_PLATFORM_HASH_H_

#include <cstdint>
#include <string_view>

namespace clamma {

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) with a seed (SeedFromClock()) that files
// cannot know, so that they cannot make texts collide. Then mixes all bits.
inline uint64_t SeededHash(uint64_t seed, std::string_view text) {
  uint64_t hash = seed;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_HASH_H_
