// SPDX-License-Identifier: MIT
// Quantisation, gates and softmax of activations in llama2.c's order, for any vector unit V
// (units/unit.h).
#ifndef CLAMMA_KERNELS_SKELETONS_ACTIVATIONS_H_
#define CLAMMA_KERNELS_SKELETONS_ACTIVATIONS_H_

#include "kernels/skeletons/vector.h"

namespace clamma {
namespace {
namespace vector {

// --- Division ---

// Divides many numbers by one divisor. The results are those of a division, correctly rounded, but
// take only products and sums, a fraction of its time. With the reciprocal y = 1 / b rounded to
// nearest, each step q + (a - q * b) * y brings q nearer to a / b. The first step comes within a
// unit in the last place; from there the second rounds correctly (Markstein: Computation of
// elementary functions on the IBM RISC System/6000 processor, 1990). This requires that a - q * b
// is exact: the divisor must be in [2^-64, 2^64], and neither a quotient nor 2^-24 of its dividend
// may be subnormal. A dividend of 0 gives 0.
template <Unit V>
class Divisor {
 public:
  explicit Divisor(float b) : b_(V::Set1(-b)), y_(V::Set1(1.0f / b)) {}

  typename V::Reg Divide(typename V::Reg a) const {
    typename V::Reg q = V::Mul(a, y_);
    q = V::Fma(V::Fma(b_, q, a), y_, q);
    return V::Fma(V::Fma(b_, q, a), y_, q);
  }

 private:
  typename V::Reg b_;  // the negated divisor
  typename V::Reg y_;
};

// --- Quantisation ---

template <Unit V>
inline float ScaleOf(const float* in, size_t group) {
  typename V::Reg largest = V::Set1(0);  // V::Max() ignores a NaN in its first operand
  for (size_t k = 0; k < group; k += V::kLanes) {
    largest = V::Max(V::Abs(V::Load(in + k)), largest);
  }
  return V::ReduceMax(largest) / 127.0f;
}

template <Unit V>
inline void QuantizeGroup(int8_t* q, int32_t* sum, const float* in, size_t group, float scale) {
  using Reg = typename V::Reg;
  typename V::Int sums = V::SetInt(0);
  const auto store = [&](size_t k, Reg value) {
    value = V::Min(V::Max(value, V::Set1(-127.0f)), V::Set1(127.0f));
    const typename V::Int rounded = V::RoundAway(value);
    sums = V::AddInt(sums, rounded);
    V::StoreInt8(q + k, rounded);
  };
  // Within these bounds, dividends for which Divisor is not exact give quotients far below 1/2,
  // which round to 0.
  if (scale > 0x1p-60f && scale < 0x1p60f) {
    const Divisor<V> divisor(scale);
    for (size_t k = 0; k < group; k += V::kLanes) store(k, divisor.Divide(V::Load(in + k)));
  } else {
    const Reg scales = V::Set1(scale);
    for (size_t k = 0; k < group; k += V::kLanes) {
      store(k, scale > 0 ? V::Div(V::Load(in + k), scales) : V::Set1(0));
    }
  }
  *sum = -128 * V::ReduceAddInt(sums);
}

// Calls put(at, in) for groups [g_begin, g_end) of all tokens, once the scale at `at` is computed.
// Computes the scales of several groups first: instructions that wait for one scale would fill the
// processor's scheduler and keep it from the next group.
template <Unit V, typename Put>
inline void QuantizeBy(const Int8Groups& out, size_t g_begin, size_t g_end, const Put& put) {
  constexpr size_t kAtOnce = 8;
  const size_t group = out.group;
  const size_t end = g_end * out.n_tokens;
  size_t t = 0;
  const float* in_rows = out.x + g_begin * group;
  for (size_t first = g_begin * out.n_tokens; first < end; first += kAtOnce) {
    const size_t n = Min(kAtOnce, end - first);
    const float* in[kAtOnce];
    for (size_t i = 0; i < n; ++i) {
      in[i] = in_rows + t * out.cols;
      // The row's next group is often in another core's cache.
      for (size_t k = 0; k < group; k += 16) PrefetchLine(in[i] + group + k);
      out.scales[first + i] = ScaleOf<V>(in[i], group);
      if (++t == out.n_tokens) {
        t = 0;
        in_rows += group;
      }
    }
    for (size_t at = first; at < first + n; ++at) put(at, in[at - first]);
  }
}

template <Unit V>
void QuantizeGroups(const Int8Groups& out, size_t g_begin, size_t g_end) {
  const size_t group = out.group;
  if (group % V::kLanes != 0) return portable::QuantizeGroups(out, g_begin, g_end);
  QuantizeBy<V>(out, g_begin, g_end, [&](size_t at, const float* in) {
    QuantizeGroup<V>(out.q + at * group, out.sums + at, in, group, out.scales[at]);
  });
}

template <Unit V>
void QuantizeInt8(const Activations& x, size_t begin, size_t end) {
  QuantizeGroups<V>(portable::PlainGroupsOf(x), begin, end);
}

// --- Element by element ---

template <Unit V>
inline typename V::Reg GateOf(typename V::Reg gate, typename V::Reg up) {
  const typename V::Reg one = V::Set1(1.0f);
  const typename V::Reg sigmoid = V::Div(one, V::Add(one, V::Exp(V::Negate(gate))));
  return V::Mul(V::Mul(gate, sigmoid), up);
}

template <Unit V>
void SwiGlu(float* gate, const float* up, size_t n) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    V::Store(gate + i, GateOf<V>(V::Load(gate + i), V::Load(up + i)));
  }
  if (i == n) return;
  const typename V::Reg last =
      GateOf<V>(V::LoadFirst(gate + i, n - i), V::LoadFirst(up + i, n - i));
  V::StoreFirst(gate + i, last, n - i);
}

// --- Softmax ---

struct Range {
  float smallest;
  float largest;
};

// The range of the n numbers at x, ignoring NaN. If all are NaN: from infinity to -infinity.
template <Unit V>
inline Range RangeOf(const float* x, size_t n) {
  constexpr float kInfinity = __builtin_inff();
  typename V::Reg largest = V::Set1(-kInfinity);
  typename V::Reg smallest = V::Set1(kInfinity);
  const auto take = [&](size_t i) {
    const typename V::Reg more = V::Load(x + i);
    largest = V::Max(more, largest);
    smallest = V::Min(more, smallest);
  };
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) take(i);
  if (i > 0 && i < n) {
    take(n - V::kLanes);  // takes some elements twice, which changes nothing
    i = n;
  }
  Range range = {-V::ReduceMax(V::Negate(smallest)), V::ReduceMax(largest)};
  for (; i < n; ++i) {
    range.largest = x[i] > range.largest ? x[i] : range.largest;
    range.smallest = x[i] < range.smallest ? x[i] : range.smallest;
  }
  return range;
}

// x[i] = exp(x[i] - top), for n <= kLanes elements.
template <Unit V>
inline void ExpBelow(float* x, size_t n, float top) {
  const typename V::Reg tops = V::Set1(top);
  if (n == V::kLanes) {
    V::Store(x, V::Exp(V::Sub(V::Load(x), tops)));
  } else {
    V::StoreFirst(x, V::Exp(V::Sub(V::LoadFirst(x, n), tops)), n);
  }
}

// x[i] = divide(x[i]). (n)
template <Unit V, typename F>
inline void DivideAll(float* x, size_t n, const F& divide) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) V::Store(x + i, divide(V::Load(x + i)));
  if (i < n) V::StoreFirst(x + i, divide(V::LoadFirst(x + i, n - i)), n - i);
}

// x[i] = exp(x[i] - top). (n) Returns `sum` with these added in order.
template <Unit V>
[[gnu::noinline]] inline float AddExps(float* x, size_t n, float top, float sum) {
  for (size_t first = 0; first < n; first += V::kLanes) {
    const size_t end = Min(first + V::kLanes, n);
    ExpBelow<V>(x + first, end - first, top);
    for (size_t i = first; i < end; ++i) sum += x[i];
  }
  return sum;
}

// x[i] = x[i] / sum. (n) The x[i] are exponentials; `min_log` is the logarithm of the smallest.
template <Unit V>
[[gnu::noinline]] inline void DivideExps(float* x, size_t n, float min_log, float sum) {
  // exp(-70) is above 2^-102, and a sum is below 2^25, so Divisor is exact.
  if (min_log > -70.0f && sum >= 1.0f) {
    const Divisor<V> divisor(sum);
    DivideAll<V>(x, n, [&](typename V::Reg a) { return divisor.Divide(a); });
  } else {
    const typename V::Reg b = V::Set1(sum);
    DivideAll<V>(x, n, [&](typename V::Reg a) { return V::Div(a, b); });
  }
}

// Computes the softmax of kRows rows; row r has n[r] elements. The sums are added in order of the
// index, so each addition waits for the one before. The sums of several rows therefore run side by
// side, and beside the exponentials.
template <Unit V, size_t kRows>
inline void SoftmaxRows(float* x, size_t stride, const size_t (&n)[kRows]) {
  float largest[kRows];
  float min_log[kRows];  // logarithms of the smallest exponentials
  size_t common = n[0];
  for (size_t row = 0; row < kRows; ++row) {
    const Range range = RangeOf<V>(x + row * stride, n[row]);
    largest[row] = range.largest;
    min_log[row] = range.smallest - range.largest;
    common = Min(common, n[row]);
  }
  float sums[kRows] = {};
  for (size_t first = 0; first < common; first += V::kLanes) {
    const size_t end = Min(first + V::kLanes, common);
    for (size_t row = 0; row < kRows; ++row) {
      ExpBelow<V>(x + row * stride + first, end - first, largest[row]);
    }
    for (size_t i = first; i < end; ++i) {
#pragma GCC unroll 8
      for (size_t row = 0; row < kRows; ++row) sums[row] += x[row * stride + i];
    }
  }
  // The rest of the longer rows. (A loop that is not unrolled would keep the sums in memory.)
#pragma GCC unroll 8
  for (size_t row = 0; row < kRows; ++row) {
    if (n[row] == common) continue;
    sums[row] = AddExps<V>(x + row * stride + common, n[row] - common, largest[row], sums[row]);
  }
#pragma GCC unroll 8
  for (size_t row = 0; row < kRows; ++row) {
    DivideExps<V>(x + row * stride, n[row], min_log[row], sums[row]);
  }
}

template <Unit V>
void Softmax(float* x, size_t n) {
  SoftmaxRows<V, 1>(x, 0, {n});
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_ACTIVATIONS_H_
