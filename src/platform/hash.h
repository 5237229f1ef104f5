// SPDX-License-Identifier: MIT
// For hash tables of texts from files.
#ifndef CLAMMA_PLATFORM_HASH_H_
#define CLAMMA_PLATFORM_HASH_H_

#include <cstdint>
#include <string_view>

namespace clamma {

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) from a seed (SeedFromClock()) that no file
// can know, so that none can make its texts collide. All bits are mixed.
inline uint64_t SeededHash(uint64_t seed, std::string_view text) {
  uint64_t hash = seed;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_HASH_H_
