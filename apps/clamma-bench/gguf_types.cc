// SPDX-License-Identifier: MIT
#include "gguf_types.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace bench {
namespace {

constexpr float kUniformDeviation = 0.28867513f;  // of a number in [0, 1]

// Rounds to the nearest half, ties to even. `value` is finite and within the range of a half.
uint16_t Half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude < 0x38800000) {  // a denormal half
    return static_cast<uint16_t>(sign |
                                 static_cast<uint32_t>(std::nearbyint(std::fabs(value) * 0x1p24f)));
  }
  return static_cast<uint16_t>(sign |
                               (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13);
}

uint16_t BFloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void PutHalf(uint8_t* out, float value) {
  const uint16_t half = Half(value);
  std::memcpy(out, &half, sizeof(half));
}

// Fills exactly `bytes` random bytes.
void FillBytes(uint8_t* out, size_t bytes, Random& random) {
  for (; bytes >= 8; bytes -= 8, out += 8) {
    const uint64_t word = random.Next();
    std::memcpy(out, &word, 8);
  }
  const uint64_t word = random.Next();
  std::memcpy(out, &word, bytes);
}

// A random factor from 0.75 to 1.25 for a scale. VariedOfAnySign() has a random sign, which makes
// values that are not symmetric about 0 symmetric.
float Varied(Random& random) { return 0.75f + 0.5f * Unit(random.Next() >> 32); }
float VariedOfAnySign(Random& random) {
  const float factor = Varied(random);
  return (random.Next() >> 40 & 1) != 0 ? factor : -factor;
}

template <typename Convert>
void FillFloats(uint8_t* out, size_t count, float deviation, Random& random, Convert convert) {
  const float width = deviation / kUniformDeviation;
  for (size_t i = 0; i < count; ++i) {
    const auto value = convert((Unit(random.Next() >> 32) - 0.5f) * width);
    std::memcpy(out + i * sizeof(value), &value, sizeof(value));
  }
}

void FillF32(uint8_t* out, size_t count, float deviation, Random& random) {
  FillFloats(out, count, deviation, random, [](float value) { return value; });
}
void FillF16(uint8_t* out, size_t count, float deviation, Random& random) {
  FillFloats(out, count, deviation, random, Half);
}
void FillBF16(uint8_t* out, size_t count, float deviation, Random& random) {
  FillFloats(out, count, deviation, random, BFloat16);
}

// Blocks of 32 columns: f16 d; f16 m if there is a minimum; random bytes. The integers have a
// standard deviation of kDeviation / 100 and, if there is a minimum, a mean of kMean / 2.
template <size_t kBytes, int kDeviation, int kMean>
void FillBlocks32(uint8_t* out, size_t count, float deviation, Random& random) {
  for (size_t i = 0; i < count; ++i, out += kBytes) {
    const float d = deviation * 100 / kDeviation * VariedOfAnySign(random);
    FillBytes(out + 2, kBytes - 2, random);
    PutHalf(out, d);
    if (kMean != 0) PutHalf(out + 2, -d * kMean / 2);
  }
}

void FillMxfp4(uint8_t* out, size_t count, float deviation, Random& random) {
  // The values' standard deviation is 5.85. The exponent alternates randomly between two
  // neighbouring powers of two, with shares that give the right mean square.
  const float wanted = deviation / 5.8523f;
  const int exponent = std::ilogb(wanted);
  const float share = wanted * wanted * std::ldexp(1.0f, -2 * exponent) / 3 - 1.0f / 3;
  for (size_t i = 0; i < count; ++i, out += 17) {
    const int e = exponent + (Unit(random.Next() >> 32) < share ? 1 : 0) + 128;
    FillBytes(out, 17, random);
    out[0] = static_cast<uint8_t>(std::clamp(e, 0, 254));
  }
}

// f16 d, dmin; six bits each of eight scales and minima; the rest. The integers have a mean of
// kMean / 2.
template <size_t kBytes, int kDeviation, int kMean>
void FillSuperBlocksWithMinima(uint8_t* out, size_t count, float deviation, Random& random) {
  constexpr float kScaleDeviation = 48.4f;  // root mean square of 32 .. 63
  for (size_t i = 0; i < count; ++i, out += kBytes) {
    FillBytes(out, kBytes, random);
    const float d = deviation * 100 / kDeviation / kScaleDeviation * Varied(random);
    PutHalf(out, d);
    PutHalf(out + 2, d * kMean / 2);
    uint8_t scales[8];
    uint8_t minima[8];
    for (size_t j = 0; j < 8; ++j) {
      const uint64_t bits = random.Next() >> 24;
      scales[j] = static_cast<uint8_t>(32 + bits % 32);
      minima[j] = static_cast<uint8_t>(std::min<uint64_t>(63, scales[j] - 1 + (bits >> 8) % 3));
    }
    uint8_t* packed = out + 4;
    for (size_t j = 0; j < 4; ++j) {
      packed[j] = static_cast<uint8_t>(scales[j] | scales[j + 4] >> 4 << 6);
      packed[j + 4] = static_cast<uint8_t>(minima[j] | minima[j + 4] >> 4 << 6);
      packed[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
    }
  }
}

void FillQ6K(uint8_t* out, size_t count, float deviation, Random& random) {
  constexpr float kScaleDeviation = 97.3f;  // root mean square of 64 .. 127
  for (size_t i = 0; i < count; ++i, out += 210) {
    FillBytes(out, 192, random);
    for (size_t j = 0; j < 16; ++j) {
      const uint64_t bits = random.Next() >> 24;
      const auto scale = static_cast<int8_t>(64 + bits % 64);
      out[192 + j] = static_cast<uint8_t>((bits >> 8 & 1) != 0 ? scale : -scale);
    }
    PutHalf(out + 208, deviation / 18.48f / kScaleDeviation * Varied(random));
  }
}

// As above, of Q2_K: four bits each of sixteen scales and minima, which lie first.
void FillQ2K(uint8_t* out, size_t count, float deviation, Random& random) {
  constexpr float kScaleDeviation = 11.7f;  // root mean square of 8 .. 15
  for (size_t i = 0; i < count; ++i, out += 84) {
    FillBytes(out, 84, random);
    const float d = deviation / 1.118f / kScaleDeviation * Varied(random);
    for (size_t j = 0; j < 16; ++j) {
      const uint64_t bits = random.Next() >> 24;
      const auto scale = static_cast<uint8_t>(8 + bits % 8);
      const auto min = static_cast<uint8_t>(std::min<uint64_t>(15, scale - 1 + (bits >> 8) % 3));
      out[j] = static_cast<uint8_t>(scale | min << 4);
    }
    PutHalf(out + 80, d);
    PutHalf(out + 82, d * 1.5f);
  }
}

// All bits at random but d: scales are from -32 to 31.
void FillQ3K(uint8_t* out, size_t count, float deviation, Random& random) {
  constexpr float kScaleDeviation = 18.47f;  // root mean square of -32 .. 31
  for (size_t i = 0; i < count; ++i, out += 110) {
    FillBytes(out, 110, random);
    PutHalf(out + 108, deviation / 2.345f / kScaleDeviation * Varied(random));
  }
}

void FillIQ4XS(uint8_t* out, size_t count, float deviation, Random& random) {
  constexpr float kScaleDeviation = 18.47f;  // root mean square of -32 .. 31
  for (size_t i = 0; i < count; ++i, out += 136) {
    FillBytes(out, 136, random);
    PutHalf(out, deviation / 67.44f / kScaleDeviation * Varied(random));
  }
}

constexpr GgufType kF16 = {1, 1, 2, FillF16};
constexpr GgufType kBF16 = {30, 1, 2, FillBF16};
constexpr GgufType kQ8V0 = {8, 32, 34, FillBlocks32<34, 7390, 0>};
constexpr GgufType kQ4V0 = {2, 32, 18, FillBlocks32<18, 464, 0>};
constexpr GgufType kQ4V1 = {3, 32, 20, FillBlocks32<20, 461, 15>};
constexpr GgufType kQ5V0 = {6, 32, 22, FillBlocks32<22, 925, 0>};
constexpr GgufType kQ5V1 = {7, 32, 24, FillBlocks32<24, 923, 31>};
constexpr GgufType kIQ4NL = {20, 32, 18, FillBlocks32<18, 6744, 0>};
constexpr GgufType kMXFP4 = {39, 32, 17, FillMxfp4};
constexpr GgufType kQ4K = {12, 256, 144, FillSuperBlocksWithMinima<144, 461, 15>};
constexpr GgufType kQ5K = {13, 256, 176, FillSuperBlocksWithMinima<176, 923, 31>};
constexpr GgufType kQ6K = {14, 256, 210, FillQ6K};
constexpr GgufType kQ2K = {10, 256, 84, FillQ2K};
constexpr GgufType kQ3K = {11, 256, 110, FillQ3K};
constexpr GgufType kIQ4XS = {23, 256, 136, FillIQ4XS};

// The name "f32" without a prefix means llama2.c's format.
constexpr GgufKind kKinds[] = {
    {"gguf-f32", 0, &kGgufF32, &kGgufF32, false},
    {"f16", 1, &kF16, &kF16, false},
    {"bf16", 32, &kBF16, &kBF16, false},
    {"q8_0", 7, &kQ8V0, &kQ8V0, true},
    {"q4_0", 2, &kQ4V0, &kQ4V0, true},
    {"q4_1", 3, &kQ4V1, &kQ4V1, true},
    {"q5_0", 8, &kQ5V0, &kQ5V0, true},
    {"q5_1", 9, &kQ5V1, &kQ5V1, true},
    {"q4_k", 14, &kQ4K, &kQ4K, true},
    {"q5_k", 16, &kQ5K, &kQ5K, true},
    {"q6_k", 18, &kQ6K, &kQ6K, true},
    {"q2_k", 10, &kQ2K, &kQ2K, true},
    {"q3_k", 11, &kQ3K, &kQ3K, true},
    {"iq4_nl", 25, &kIQ4NL, &kIQ4NL, true},
    {"iq4_xs", 30, &kIQ4XS, &kIQ4XS, true},
    {"mxfp4", 38, &kMXFP4, &kMXFP4, true},
    {"q4_k_m", 15, &kQ4K, &kQ6K, true},
    {"q5_k_m", 17, &kQ5K, &kQ6K, true},
};

}  // namespace

const GgufType kGgufF32 = {0, 1, 4, FillF32};

std::vector<std::string> GgufKindNames() {
  std::vector<std::string> names;
  for (const GgufKind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

const GgufKind* FindGgufKind(const std::string& name) {
  for (const GgufKind& kind : kKinds) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

const GgufType& TypeForCols(const GgufType& type, uint32_t cols) {
  if (cols % type.cols == 0) return type;
  if (cols % 32 != 0) return kF16;
  if (&type == &kQ2K || &type == &kQ3K || &type == &kIQ4XS) return kIQ4NL;
  return &type == &kQ4K ? kQ5V0 : &type == &kQ5K ? kQ5V1 : kQ8V0;
}

}  // namespace bench
