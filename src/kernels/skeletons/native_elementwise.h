// SPDX-License-Identifier: MIT
// The norm, softmax, gates and soft cap of native_ops.h for any vector unit V.
#ifndef CLAMMA_KERNELS_SKELETONS_NATIVE_ELEMENTWISE_H_
#define CLAMMA_KERNELS_SKELETONS_NATIVE_ELEMENTWISE_H_

#include "kernels/skeletons/native_portable.h"
#include "kernels/skeletons/vector.h"

namespace clamma {
namespace {
namespace native {

using portable::Min;
using portable::native::kMinusInfinity;

// ExpNative(), with the same operations.
template <typename V>
[[gnu::always_inline]] inline typename V::Reg Exp(typename V::Reg x) {
  using Reg = typename V::Reg;
  using C = ExpNativeConstants;
  // Min() and Max() return the second operand if one is NaN, so that a NaN in x remains.
  const Reg bounded = V::Max(V::Set1(-C::kLargest), V::Min(V::Set1(C::kLargest), x));
  const Reg magic = V::Set1(C::kMagic);
  const Reg shifted = V::Fma(bounded, V::Set1(C::kLog2E), magic);
  const Reg n = V::Sub(shifted, magic);
  const Reg r = V::Fma(n, V::Set1(C::kLn2Low), V::Fma(n, V::Set1(C::kLn2High), bounded));
  Reg sum = V::Set1(C::kTerms[4]);
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) sum = V::Fma(sum, r, V::Set1(C::kTerms[3 - i]));
  const Reg one = V::Set1(1.0f);
  sum = V::Fma(V::Fma(sum, r, one), r, one);
  return V::Mul(sum, V::ToPower(shifted));
}

// The 16 partial sums of a row.
template <typename V>
struct Sums16 {
  static constexpr size_t kParts = vector::kParts<V>;

  Sums16() {
    for (size_t i = 0; i < kParts; ++i) of[i] = V::Set1(0);
  }
  float Join() const {
    float sums[16];
    for (size_t i = 0; i < kParts; ++i) V::Store(sums + i * V::kLanes, of[i]);
    return Reduce16(sums);
  }

  typename V::Reg of[kParts];
};

// Calls body(i, part, count) for elements i .. i + count - 1, which belong to the partial sums from
// part * kLanes on. count is kLanes, except at the end of a row, where it may be less.
template <typename V, typename Body>
[[gnu::always_inline]] inline void ForEachPart(size_t n, const Body& body) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t part = 0; part < vector::kParts<V>; ++part) {
      body(i + part * V::kLanes, part, V::kLanes);
    }
  }
  for (size_t part = 0; i < n; ++part, i += V::kLanes) body(i, part, Min(n - i, V::kLanes));
}

template <typename V>
[[gnu::always_inline]] inline typename V::Reg LoadUpTo(const float* p, size_t n) {
  return n == V::kLanes ? V::Load(p) : V::LoadFirst(p, n);
}
template <typename V>
[[gnu::always_inline]] inline void StoreUpTo(float* p, typename V::Reg x, size_t n) {
  n == V::kLanes ? V::Store(p, x) : V::StoreFirst(p, x, n);
}

template <typename V>
void RmsNorm(float* out, const float* x, const float* weight, size_t n_rows, size_t n,
             float epsilon) {
  using Reg = typename V::Reg;
  for (size_t r = 0; r < n_rows; ++r, out += n, x += n) {
    Sums16<V> squares;
    ForEachPart<V>(n, [&](size_t i, size_t part, size_t count) {
      const Reg value = LoadUpTo<V>(x + i, count);  // the other lanes are 0 and change no sum
      squares.of[part] = V::Fma(value, value, squares.of[part]);
    });
    const Reg scale = V::Set1(portable::native::RootScale(squares.Join(), n, epsilon));
    ForEachPart<V>(n, [&](size_t i, size_t /*part*/, size_t count) {
      const Reg scaled = V::Mul(LoadUpTo<V>(x + i, count), scale);
      StoreUpTo<V>(out + i, V::Mul(scaled, LoadUpTo<V>(weight + i, count)), count);
    });
  }
}

// The largest element, ignoring NaN.
template <typename V>
inline float LargestOf(const float* x, size_t n) {
  typename V::Reg largest = V::Set1(kMinusInfinity);
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) largest = V::Max(V::Load(x + i), largest);
  float all = V::ReduceMax(largest);
  for (; i < n; ++i) all = x[i] > all ? x[i] : all;
  return all;
}

template <typename V>
void Softmax(float* x, size_t n) {
  using Reg = typename V::Reg;
  const Reg largest = V::Set1(LargestOf<V>(x, n));
  Sums16<V> sums;
  ForEachPart<V>(n, [&](size_t i, size_t part, size_t count) {
    const Reg below = V::Sub(LoadUpTo<V>(x + i, count), largest);
    StoreUpTo<V>(x + i, Exp<V>(V::Max(below, V::Set1(kMinusInfinity))), count);
    sums.of[part] = V::Add(sums.of[part], LoadUpTo<V>(x + i, count));
  });
  const Reg scale = V::Set1(1.0f / sums.Join());
  ForEachPart<V>(n, [&](size_t i, size_t /*part*/, size_t count) {
    StoreUpTo<V>(x + i, V::Mul(LoadUpTo<V>(x + i, count), scale), count);
  });
}

template <typename V>
[[gnu::always_inline]] inline typename V::Reg Sigmoid(typename V::Reg x) {
  const typename V::Reg one = V::Set1(1.0f);
  const typename V::Reg e = Exp<V>(V::Negate(V::Abs(x)));
  return V::Div(V::IfNegative(x, e, one), V::Add(one, e));
}

// gate[i] = body(gate[i], up[i]). (n)
template <typename V, typename Body>
[[gnu::always_inline]] inline void ForEachGate(float* gate, const float* up, size_t n,
                                               const Body& body) {
  ForEachPart<V>(n, [&](size_t i, size_t /*part*/, size_t count) {
    StoreUpTo<V>(gate + i, body(LoadUpTo<V>(gate + i, count), LoadUpTo<V>(up + i, count)), count);
  });
}

template <typename V>
void SwiGlu(float* gate, const float* up, size_t n) {
  using Reg = typename V::Reg;
  ForEachGate<V>(gate, up, n, [](Reg g, Reg u) { return V::Mul(V::Mul(g, Sigmoid<V>(g)), u); });
}

template <typename V>
void GeGlu(float* gate, const float* up, size_t n) {
  using Reg = typename V::Reg;
  const Reg linear = V::Set1(GluConstants::kGeluLinear);
  const Reg cubic = V::Set1(GluConstants::kGeluCubic);
  ForEachGate<V>(gate, up, n, [=](Reg g, Reg u) {
    const Reg z = V::Mul(g, V::Fma(V::Mul(g, g), cubic, linear));
    return V::Mul(V::Mul(g, Sigmoid<V>(z)), u);
  });
}

template <typename V>
void ClampedSwiGlu(float* gate, const float* up, size_t n) {
  using Reg = typename V::Reg;
  const Reg max = V::Set1(GluConstants::kBound);
  const Reg min = V::Set1(-GluConstants::kBound);
  const Reg steepness = V::Set1(GluConstants::kSteepness);
  const Reg one = V::Set1(1.0f);
  ForEachGate<V>(gate, up, n, [=](Reg gate_value, Reg up_value) {
    const Reg g = V::Min(max, gate_value);
    const Reg u = V::Max(min, V::Min(max, up_value));
    return V::Mul(V::Mul(g, Sigmoid<V>(V::Mul(g, steepness))), V::Add(u, one));
  });
}

// SoftCapped() of native_portable.h, where `steepness` is 2 / cap.
template <typename V>
[[gnu::always_inline]] inline typename V::Reg SoftCapped(typename V::Reg x,
                                                         typename V::Reg steepness,
                                                         typename V::Reg cap) {
  using Reg = typename V::Reg;
  const Reg one = V::Set1(1.0f);
  const Reg e = Exp<V>(V::Negate(V::Abs(V::Mul(x, steepness))));
  const Reg capped = V::Mul(V::Div(V::Sub(one, e), V::Add(one, e)), cap);
  return V::IfNegative(x, V::Negate(capped), capped);
}

template <typename V>
void SoftCap(float* x, size_t n, float cap) {
  using Reg = typename V::Reg;
  const Reg steepness = V::Set1(2.0f / cap);
  ForEachPart<V>(n, [&](size_t i, size_t /*part*/, size_t count) {
    const Reg capped = SoftCapped<V>(LoadUpTo<V>(x + i, count), steepness, V::Set1(cap));
    StoreUpTo<V>(x + i, capped, count);
  });
}

}  // namespace native
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_NATIVE_ELEMENTWISE_H_
