// SPDX-License-Identifier: MIT
// Random numbers from a seed, the same on every machine.
#ifndef CLAMMA_APPS_SELFTEST_RANDOM_H_
#define CLAMMA_APPS_SELFTEST_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace selftest {

// SplitMix64. (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint8_t Byte() { return static_cast<uint8_t>(Next() >> 56); }

  // From -1 to 1, a multiple of 2^-23: exact in every arithmetic.
  float Uniform() {
    return static_cast<float>(static_cast<int64_t>(Next() >> 40) - 0x800000) * 0x1p-23f;
  }
  std::vector<float> Uniforms(size_t n, float most = 1) {
    std::vector<float> values(n);
    for (float& value : values) value = most * Uniform();
    return values;
  }

 private:
  uint64_t state_;
};

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_RANDOM_H_
