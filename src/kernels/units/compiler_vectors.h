// SPDX-License-Identifier: MIT
// A vector unit for any machine: the vector extensions of GCC and Clang, 16, 32 or 64 bytes wide,
// which the compiler maps to the registers that exist. Tests use it to run the skeletons in every
// width on every machine, and machines without a unit of their own use it as theirs.
#ifndef CLAMMA_KERNELS_UNITS_COMPILER_VECTORS_H_
#define CLAMMA_KERNELS_UNITS_COMPILER_VECTORS_H_

#include "kernels/skeletons/vector.h"
#include "kernels/units/compiler_bytes.h"

namespace clamma {
namespace {

template <size_t kBytes>
struct CompilerVector : CompilerBytes<kBytes> {
  using Reg = typename CompilerTypes<kBytes>::Floats;
  using Int = typename CompilerTypes<kBytes>::Int32s;
  static constexpr size_t kLanes = kBytes / 4;

  // As in the units of these widths, so that tests cover the same code.
  static constexpr bool kWide = kBytes == 64;
  static constexpr size_t kFloatRows = kWide ? 4 : 2;
  static constexpr size_t kFloatTokens = kWide ? 6 : 3;
  static constexpr size_t kFloatRowsOfOne = kWide ? 16 : 4;
  static constexpr size_t kMinPanelTokens = kBytes == 32 ? 13 : kNever;
  static constexpr size_t kRowTiles = kWide ? 2 : 1;
  static constexpr size_t kTokensOfHeldTile = kWide ? 16 : 0;
  static constexpr size_t kTokensAtOnce = kWide ? 8 : 2;
  static constexpr size_t kScoreQueries = kWide ? 8 : 4;
  static constexpr size_t kScoreRegs = kBytes == 16 ? 4 : 2;
  static constexpr size_t kMixQueries = kBytes == 32 ? 2 : 4;
  static constexpr size_t kMixChunks = 4;
  static constexpr size_t kSumQueries = kWide ? 8 : 6;
  static constexpr size_t kSumRegs = kWide ? 16 : 12;

  static Reg Set1(float x) { return x - Reg{}; }  // x - 0 is x, even for -0
  static Reg Load(const float* p) { return FromBytes<Reg>(p); }
  static Reg LoadBytes(const uint8_t* p) { return FromBytes<Reg>(p); }
  static void Store(float* p, Reg x) { __builtin_memcpy(p, &x, sizeof(x)); }
  static Reg LoadFirst(const float* p, size_t n) {
    Reg x = {};
    for (size_t i = 0; i < n; ++i) x[i] = p[i];
    return x;
  }
  static void StoreFirst(float* p, Reg x, size_t n) {
    for (size_t i = 0; i < n; ++i) p[i] = x[i];
  }
  template <bool kHalf>
  static Reg LoadKv(const uint8_t* p, size_t i) {
    if constexpr (!kHalf) return LoadBytes(p + 4 * i);
    return LoadKvFirst<kHalf>(p, i, kLanes);
  }
  template <bool kHalf>
  static Reg LoadKvFirst(const uint8_t* p, size_t i, size_t n) {
    Reg x = {};
    for (size_t k = 0; k < n; ++k) x[k] = portable::LoadKv<kHalf>(p, i + k);
    return x;
  }
  static Int Gather(const uint8_t* base, const int32_t* index) {
    return Base::template Lanes<Int>(
        [&](size_t i) { return LoadElement(base + ptrdiff_t{4} * index[i]); });
  }
  static Reg LoadLanes(const float* p, uint16_t lanes) {
    return Base::template Lanes<Reg>([&](size_t i) { return (lanes >> i & 1) != 0 ? p[i] : 0.0f; });
  }

  static Reg Add(Reg a, Reg b) { return a + b; }
  static Reg Sub(Reg a, Reg b) { return a - b; }
  static Reg Mul(Reg a, Reg b) { return a * b; }
  static Reg Div(Reg a, Reg b) { return a / b; }
  static Reg Fma(Reg a, Reg b, Reg c) {
    return Base::template Lanes<Reg>([&](size_t i) { return clamma::Fma(a[i], b[i], c[i]); });
  }
  static Reg FmaFirst(const uint8_t* a, const float* b, Reg c, size_t n) {
    for (size_t i = 0; i < n; ++i) c[i] = clamma::Fma(LoadF32(a + 4 * i), b[i], c[i]);
    return c;
  }
  static Reg FmaLanes(const uint8_t* a, Reg b, Reg c, uint16_t lanes) {
    for (size_t i = 0; i < kLanes; ++i) {
      if ((lanes >> i & 1) != 0) c[i] = clamma::Fma(LoadF32(a + 4 * i), b[i], c[i]);
    }
    return c;
  }
  static Reg Negate(Reg a) { return (Reg)((Int)a ^ SetInt(INT32_MIN)); }
  static Reg Abs(Reg a) { return (Reg)((Int)a & SetInt(INT32_MAX)); }
  static Reg Max(Reg a, Reg b) { return a > b ? a : b; }
  static Reg Min(Reg a, Reg b) { return a < b ? a : b; }
  static float ReduceMax(Reg a) {
    float max = a[0];
    for (size_t i = 1; i < kLanes; ++i) max = a[i] > max ? a[i] : max;
    return max;
  }
  static Reg Exp(Reg x) {
    return Base::template Lanes<Reg>([&](size_t i) { return clamma::Exp(x[i]); });
  }
  static Reg Join(const Reg (&v)[kLanes][16 / kLanes]) {
    return Base::template Lanes<Reg>([&](size_t i) {
      float sums[16];
      __builtin_memcpy(sums, v[i], sizeof(sums));
      return Reduce16(sums);
    });
  }

  static Reg ToPower(Reg x) { return (Reg)((Int)x << 23); }
  static Reg IfNegative(Reg sign, Reg a, Reg b) { return (Int)sign < 0 ? a : b; }
  static float ReduceAdd(Reg a) {
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) a[i] += a[i + half];
    }
    return a[0];
  }

  static Int SetInt(int32_t x) { return x + Int{}; }
  static Int AddInt(Int a, Int b) { return a + b; }
  static int32_t ReduceAddInt(Int a) {
    int32_t sum = 0;
    for (size_t i = 0; i < kLanes; ++i) sum += a[i];
    return sum;
  }
  static Reg ToFloat(Int a) { return __builtin_convertvector(a, Reg); }
  // See avx512.h.
  static Int RoundAway(Reg x) {
    const Int sign = (Int)x & SetInt(INT32_MIN);
    return __builtin_convertvector(x + (Reg)(sign | (Int)Set1(0x1.fffffep-2f)), Int);
  }
  static Reg AsFloat(Int a) { return (Reg)a; }
  static void StoreInt8(int8_t* p, Int x) {
    for (size_t i = 0; i < kLanes; ++i) p[i] = static_cast<int8_t>(x[i]);
  }
  template <size_t kSteps>
  static void LoadTransposed(Int* v, const uint8_t* rows, size_t stride) {
    for (size_t s = 0; s < kSteps; ++s) {
      v[s] = Base::template Lanes<Int>(
          [&](size_t r) { return LoadElement(rows + r * stride + 4 * s); });
    }
  }

  // The bytes of a step, by their place in memory. The widest unit has them unsigned, as avx512.h
  // does.
  template <size_t kSteps>
  struct Tile {
    void Load(const uint8_t* rows, size_t stride) {
      for (size_t s = 0; s < kSteps; ++s) {
        for (size_t k = 0; k < 4; ++k) {
          steps[s][k] = Base::template Lanes<Int>([&](size_t r) {
            const uint8_t byte = rows[r * stride + 4 * s + k];
            return kWide ? int32_t{byte} ^ 0x80 : int32_t{static_cast<int8_t>(byte)};
          });
        }
      }
    }

    Int steps[kSteps][4];
  };
  static Int StartSum(int32_t x_sum) { return SetInt(kWide ? x_sum : 0); }
  template <bool kHeld, size_t kSteps, size_t kTiles, size_t kTokens, typename Between>
  static void Dot(Int (&sums)[kTokens][kTiles], const Tile<kSteps> (&tiles)[kTiles],
                  const int8_t* q, size_t stride, const Between& between) {
    for (size_t s = 0; s < kSteps; ++s) {
      if constexpr (kHeld) between();
      for (size_t t = 0; t < kTokens; ++t) {
        for (size_t r = 0; r < kTiles; ++r) {
          for (size_t k = 0; k < 4; ++k) {
            sums[t][r] += tiles[r].steps[s][k] * SetInt(q[t * stride + 4 * s + k]);
          }
        }
      }
    }
  }
  template <size_t kGroup, size_t kAhead>
  static Int DotGroups(const uint8_t* weights, const int8_t* q, const int32_t* /*x_sums*/) {
    PrefetchLine<CacheLevel::kPassing>(weights + kAhead);
    return Base::template Lanes<Int>(
        [&](size_t g) { return portable::DotInt8(weights + g * kGroup, q + g * kGroup, kGroup); });
  }

 private:
  using Base = CompilerBytes<kBytes>;
  template <typename T>
  static T FromBytes(const void* p) {
    T x;
    __builtin_memcpy(&x, p, sizeof(x));
    return x;
  }
  static int32_t LoadElement(const uint8_t* p) { return FromBytes<int32_t>(p); }
};

static_assert(Unit<CompilerVector<16>> && Unit<CompilerVector<32>> && Unit<CompilerVector<64>>);

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_COMPILER_VECTORS_H_
