// SPDX-License-Identifier: MIT
#ifndef CLAMMA_BENCH_RANDOM_H_
#define CLAMMA_BENCH_RANDOM_H_

#include <cstdint>

namespace bench {

// xorshift64 (Marsaglia, 2003): 8 bytes in a nanosecond or two, and good enough for noise.
class Random {
 public:
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_ = 0x9e3779b97f4a7c15;
};

// Converts 32 random bits to a number in [0, 1].
inline float Unit(uint64_t bits) {
  return static_cast<float>(static_cast<uint32_t>(bits)) * 0x1p-32f;
}

}  // namespace bench

#endif  // CLAMMA_BENCH_RANDOM_H_
