// SPDX-License-Identifier: MIT
// For the tests of native_ops.h: every table that this machine can run, and the vector kernels over
// units of plain arrays, so that all widths are tested on every machine.
#ifndef CLAMMA_TESTS_NATIVE_FIXTURE_H_
#define CLAMMA_TESTS_NATIVE_FIXTURE_H_

#include <string>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/native_ops.h"
#include "kernels/skeletons/native_attention.h"

namespace clamma_test {

template <size_t kLanesOfUnit, size_t kQueries, size_t kRegs>
struct ArrayUnit {
  struct Reg {
    float of[kLanesOfUnit];
  };
  static constexpr size_t kLanes = kLanesOfUnit;
  static constexpr size_t kSumQueries = kQueries;
  static constexpr size_t kSumRegs = kRegs;

  template <typename F>
  static Reg Make(const F& f) {
    Reg result;
    for (size_t i = 0; i < kLanes; ++i) result.of[i] = f(i);
    return result;
  }
  static Reg Set1(float x) {
    return Make([=](size_t) { return x; });
  }
  static Reg LoadFirst(const float* p, size_t n) {
    return Make([=](size_t i) { return i < n ? p[i] : 0.0f; });
  }
  static Reg Load(const float* p) { return LoadFirst(p, kLanes); }
  static void StoreFirst(float* p, Reg x, size_t n) {
    for (size_t i = 0; i < n; ++i) p[i] = x.of[i];
  }
  static void Store(float* p, Reg x) { StoreFirst(p, x, kLanes); }
  template <bool kHalf>
  static Reg LoadKvFirst(const uint8_t* p, size_t i, size_t n) {
    return Make([=](size_t k) { return k < n ? clamma::portable::LoadKv<kHalf>(p, i + k) : 0.0f; });
  }
  template <bool kHalf>
  static Reg LoadKv(const uint8_t* p, size_t i) {
    return LoadKvFirst<kHalf>(p, i, kLanes);
  }

  template <typename F>
  static Reg Map(Reg a, Reg b, const F& f) {
    return Make([&](size_t i) { return f(a.of[i], b.of[i]); });
  }
  static Reg Add(Reg a, Reg b) {
    return Map(a, b, [](float x, float y) { return x + y; });
  }
  static Reg Sub(Reg a, Reg b) {
    return Map(a, b, [](float x, float y) { return x - y; });
  }
  static Reg Mul(Reg a, Reg b) {
    return Map(a, b, [](float x, float y) { return x * y; });
  }
  static Reg Div(Reg a, Reg b) {
    return Map(a, b, [](float x, float y) { return x / y; });
  }
  static Reg Max(Reg a, Reg b) {
    return Map(a, b, [](float x, float y) { return x > y ? x : y; });
  }
  static Reg Min(Reg a, Reg b) {
    return Map(a, b, [](float x, float y) { return x < y ? x : y; });
  }
  static Reg Fma(Reg a, Reg b, Reg c) {
    return Make([&](size_t i) { return std::fma(a.of[i], b.of[i], c.of[i]); });
  }
  static Reg Negate(Reg a) {
    return Make([&](size_t i) { return -a.of[i]; });
  }
  static Reg Abs(Reg a) {
    return Make([&](size_t i) { return std::fabs(a.of[i]); });
  }
  static Reg ToPower(Reg a) {
    return Make(
        [&](size_t i) { return std::bit_cast<float>(std::bit_cast<uint32_t>(a.of[i]) << 23); });
  }
  static Reg IfNegative(Reg sign, Reg a, Reg b) {
    return Make([&](size_t i) { return std::signbit(sign.of[i]) ? a.of[i] : b.of[i]; });
  }
  static float ReduceMax(Reg a) {
    float largest = a.of[0];
    for (const float x : a.of) largest = x > largest ? x : largest;
    return largest;
  }
  static float ReduceAdd(Reg a) {
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) a.of[i] += a.of[i + half];
    }
    return a.of[0];
  }
};

// As NEON, AVX2 and AVX-512 have it, and as none has. Not under sanitizers, for which they take
// minutes to compile: what they are made of is checked in the other tables.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
inline const clamma::OrderKernels kArrayTables[] = {
    clamma::native::OrderOf<ArrayUnit<4, 6, 24>>("arrays4"),
    clamma::native::OrderOf<ArrayUnit<8, 6, 12>>("arrays8"),
    clamma::native::OrderOf<ArrayUnit<16, 8, 16>>("arrays16"),
    clamma::native::OrderOf<ArrayUnit<8, 5, 4>>("arrays8few"),
};
#endif

inline std::vector<const clamma::OrderKernels*> NativeTables() {
  std::vector<const clamma::OrderKernels*> tables = {&clamma::kScalarNativeOrder};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (const clamma::OrderKernels& table : kArrayTables) tables.push_back(&table);
#endif
  for (const clamma::Kernels* usable : Tables()) {
    const std::string name = usable->name;
#if defined(__x86_64__)
    if (name == "avx2") tables.push_back(&clamma::kAvx2NativeOrder);
    if (name.rfind("avx512", 0) == 0) tables.push_back(&clamma::kAvx512NativeOrder);
#elif defined(__AARCH64EL__)
    if (name == "neon") tables.push_back(&clamma::kNeonNativeOrder);
#endif
  }
  return tables;
}

class NativeTest : public testing::TestWithParam<const clamma::OrderKernels*> {
 protected:
  const clamma::OrderKernels& ops_ = *GetParam();
  const clamma::OrderKernels& scalar_ = clamma::kScalarNativeOrder;
};

inline std::string NameOfNative(const testing::TestParamInfo<const clamma::OrderKernels*>& table) {
  return table.param->name;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_NATIVE_FIXTURE_H_
