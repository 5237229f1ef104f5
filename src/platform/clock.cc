// SPDX-License-Identifier: MIT
#include "platform/clock.h"

#include <atomic>

namespace clamma {

uint64_t SeedFromClock() {
  // Two calls within one tick of the clock still differ.
  static std::atomic<uint32_t> calls{0};
  uint64_t z = Now() + (uint64_t{calls.fetch_add(1, std::memory_order_relaxed)} << 32);
  // The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
  // generators, 2014) spreads the differing bits over the word.
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return z == 0 ? 1 : z;
}

}  // namespace clamma
