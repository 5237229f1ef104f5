// SPDX-License-Identifier: MIT
// The operations on bytes of the compiler's vectors, for kernels of quantised formats: nibbles,
// exact dot products, computed lane by lane. See unit.h for the contract.
#ifndef CLAMMA_KERNELS_UNITS_COMPILER_BYTES_H_
#define CLAMMA_KERNELS_UNITS_COMPILER_BYTES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/half.h"

namespace clamma {
namespace {

// Defined outside of templates: GCC ignores a vector size that depends on a template parameter.
template <size_t kBytes>
struct CompilerTypes;
#define CLAMMA_COMPILER_TYPES(bytes)                            \
  template <>                                                   \
  struct CompilerTypes<bytes> {                                 \
    typedef float Floats __attribute__((vector_size(bytes)));   \
    typedef int32_t Int32s __attribute__((vector_size(bytes))); \
  }
CLAMMA_COMPILER_TYPES(16);
CLAMMA_COMPILER_TYPES(32);
CLAMMA_COMPILER_TYPES(64);
#undef CLAMMA_COMPILER_TYPES

template <size_t kBytes>
struct CompilerBytes {
  using Reg = typename CompilerTypes<kBytes>::Floats;
  using Int = typename CompilerTypes<kBytes>::Int32s;
  using Scale = Int;
  static constexpr size_t kLanes = kBytes / 4;

  static constexpr size_t kNativeTokens = 4;
  static constexpr size_t kNativeTiles = 2;
  // As in the units of these widths, so that tests cover the same code.
  static constexpr bool kSignedWeights = kBytes == 16;
  // Whether zero points are subtracted from the weights, by SubBytes(), not from their sums. Only
  // units with kSignedWeights may do so.
  static constexpr bool kCentresWeights = false;
  static constexpr int kMaxWeight = kBytes == 32 ? 32767 / (2 * 127) : 255;
  static constexpr size_t MaxDepth(int max_weight) {
    return kBytes == 32 ? 32767u / (2u * 127u * static_cast<unsigned>(max_weight)) : 64;
  }

  static Int SetBytes(uint8_t x) { return Int{} + static_cast<int32_t>(x * 0x01010101u); }
  static Int And(Int a, Int b) { return a & b; }
  static Int Or(Int a, Int b) { return a | b; }
  static Int Xor(Int a, Int b) { return a ^ b; }
  static Int ShiftLeft(Int a, size_t n) {
    return ByBytes([&](size_t i, size_t k) { return Byte(a[i], k) << n; });
  }
  static Int ShiftRight(Int a, size_t n) {
    return ByBytes([&](size_t i, size_t k) { return Byte(a[i], k) >> n; });
  }
  static Int LowNibbles(Int a) { return And(a, SetBytes(15)); }
  static Int HighNibbles(Int a) { return ShiftRight(a, 4); }
  static Int LookUp(const int8_t (&table)[16], Int index) {
    return ByBytes(
        [&](size_t i, size_t k) { return static_cast<uint8_t>(table[Byte(index[i], k) & 15]); });
  }
  template <size_t kStep>
  static Int SpreadBits(Int bits) {
    return ByBytes([&](size_t i, size_t k) {
      return (static_cast<uint32_t>(bits[i]) >> (4 * kStep + k) & 1) * 16;
    });
  }

  static Reg LoadF16(const uint8_t* p) { return LoadHalves(p, 2); }
  static Reg LoadBF16(const uint8_t* p) {
    return Lanes<Reg>([&](size_t i) {
      uint16_t upper = 0;
      __builtin_memcpy(&upper, p + 2 * i, sizeof(upper));
      return __builtin_bit_cast(float, uint32_t{upper} << 16);
    });
  }
  // The two bytes after each number must be readable, too.
  static Reg LoadHalves(const uint8_t* p, size_t stride) {
    return Lanes<Reg>([&](size_t i) { return LoadHalf(p + i * stride); });
  }
  static Reg LowHalves(Int a) {
    return Lanes<Reg>([&](size_t i) { return HalfToFloat(static_cast<uint16_t>(a[i])); });
  }
  static Reg HighHalves(Int a) {
    return Lanes<Reg>([&](size_t i) {
      return HalfToFloat(static_cast<uint16_t>(static_cast<uint32_t>(a[i]) >> 16));
    });
  }

  template <size_t kPair>
  static Int PairOfBytes(Int a) {
    return Lanes<Int>([&](size_t i) {
      return static_cast<int32_t>(Byte(a[i], 2 * kPair) | Byte(a[i], 2 * kPair + 1) << 16);
    });
  }
  template <size_t kPair>
  static Int PairOfSignedBytes(Int a) {
    return Lanes<Int>([&](size_t i) {
      const auto low = static_cast<uint32_t>(SignedByte(a[i], 2 * kPair));
      const auto high = static_cast<uint32_t>(SignedByte(a[i], 2 * kPair + 1));
      return static_cast<int32_t>((low & 0xffff) | high << 16);
    });
  }
  static Int MulPairs(Int a, Int b) {
    return (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
  }

  static Int Dot4(Int w, Int x) { return AddDot4(Int{}, w, x); }
  static Int AddDot4(Int sums, Int w, Int x) {
    return Lanes<Int>([&](size_t i) {
      int32_t sum = sums[i];
      for (size_t k = 0; k < 4; ++k) {
        const int32_t weight =
            kSignedWeights ? SignedByte(w[i], k) : static_cast<int32_t>(Byte(w[i], k));
        sum += weight * SignedByte(x[i], k);
      }
      return sum;
    });
  }
  static Scale SetScale(int x) { return Int{} + x; }
  template <size_t kByte>
  static Scale ScaleOfByte(Int a) {
    return Lanes<Int>([&](size_t i) { return static_cast<int32_t>(Byte(a[i], kByte)); });
  }
  template <size_t kByte>
  static Scale SignedScaleOfByte(Int a) {
    return Lanes<Int>([&](size_t i) { return SignedByte(a[i], kByte); });
  }
  static Int Fold(Int total, Int sums) { return total + sums; }
  static Int Fold(Int total, Int sums, Scale scale) { return total + sums * scale; }

  // Adding 1.5 * 2^23 rounds a number of small magnitude to an integer.
  static Int RoundEven(Reg x) {
    const Reg magic = Reg{} + 0x1.8p23f;
    return __builtin_convertvector((x + magic) - magic, Int);
  }
  static Int SubInt(Int a, Int b) { return a - b; }
  template <int kBits>
  static Int ShiftLanesLeft(Int a) {
    return a << kBits;
  }

 protected:
  template <typename T, typename F>
  static T Lanes(const F& f) {
    T x;
    for (size_t i = 0; i < kLanes; ++i) x[i] = f(i);
    return x;
  }

 private:
  // Byte k of a lane counts from the least significant one, whatever this machine's byte order.
  static uint32_t Byte(int32_t lane, size_t k) {
    return static_cast<uint32_t>(lane) >> (8 * k) & 0xff;
  }
  static int32_t SignedByte(int32_t lane, size_t k) { return static_cast<int8_t>(Byte(lane, k)); }
  template <typename F>
  static Int ByBytes(const F& f) {
    return Lanes<Int>([&](size_t i) {
      uint32_t lane = 0;
      for (size_t k = 0; k < 4; ++k) lane |= (static_cast<uint32_t>(f(i, k)) & 0xff) << (8 * k);
      return static_cast<int32_t>(lane);
    });
  }
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_COMPILER_BYTES_H_
