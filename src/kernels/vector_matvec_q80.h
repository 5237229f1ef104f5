// SPDX-License-Identifier: MIT
// An int8 matrix times one token, row after row as they lie in memory, for a vector unit V of 16
// lanes (see vector.h) and groups of 64, a line of the cache each.
//
// Each line gives the sum of a group; those of 16 groups are scaled together. As the groups of a
// row are added in order, 16 rows' are kept until their sums can run side by side, a row a lane.
#ifndef CLAMMA_KERNELS_VECTOR_MATVEC_Q80_H_
#define CLAMMA_KERNELS_VECTOR_MATVEC_Q80_H_

#include "kernels/vector.h"

namespace clamma {
namespace {
namespace vector {

constexpr size_t kGroupOfLine = 64;
constexpr size_t kRowsAtOnce = 16;
constexpr size_t kMostGroups = 128;  // of a row that are kept

// products[g] = (float(sum of group g) * its weights' scale) * its activations' scale, for n >= 16
// groups of one row; x holds the same groups of the token.
template <typename V>
inline void MultiplyLines(float* products, const uint8_t* weights, const uint8_t* scales,
                          const int8_t* q, const float* x_scales, const int32_t* offsets,
                          size_t n) {
  constexpr size_t kAhead = 4096;        // bytes of weights
  constexpr size_t kScalesAhead = 1024;  // bytes
  for (size_t done = 0; done < n; done += V::kLanes) {
    __builtin_prefetch(scales + 4 * done + kScalesAhead);
    const size_t g = Least(done, n - V::kLanes);  // the last ones begin early enough to be whole
    const typename V::Int sums =
        V::AddInt(V::DotGroups(weights + g * kGroupOfLine, q + g * kGroupOfLine, kAhead),
                  V::LoadInt(offsets + g));
    const typename V::Reg scaled = V::Mul(V::ToFloat(sums), V::LoadBytes(scales + 4 * g));
    V::Store(products + g, V::Mul(scaled, V::Load(x_scales + g)));
  }
}

// acc + the first n products of each row, one after the other; the row r is lane r.
template <typename V>
inline typename V::Reg AddInOrder(typename V::Reg acc,
                                  const float (&products)[kRowsAtOnce][kMostGroups], size_t n) {
  for (size_t g = 0; g < n; g += V::kLanes) {
    typename V::Int columns[V::kLanes];
    V::template LoadTransposed<V::kLanes>(
        columns, reinterpret_cast<const uint8_t*>(&products[0][g]), sizeof(products[0]));
    if (g + V::kLanes <= n) {
#pragma GCC unroll 16
      for (size_t i = 0; i < V::kLanes; ++i) acc = V::Add(acc, V::AsFloat(columns[i]));
    } else {
      for (size_t i = 0; g + i < n; ++i) acc = V::Add(acc, V::AsFloat(columns[i]));
    }
  }
  return acc;
}

// The results of 16 rows from `row` on. A matrix has at least 16 groups a row.
template <typename V>
inline typename V::Reg MultiplyRows(const QuantizedRows& x, const Matrix& w, size_t row) {
  const size_t groups = w.cols / kGroupOfLine;
  typename V::Reg acc = V::Set1(0);
  alignas(64) float products[kRowsAtOnce][kMostGroups];
  for (size_t first = 0; first < groups;) {
    const size_t left = groups - first;
    // No fewer than 16 may be left.
    const size_t n = left <= kMostGroups              ? left
                     : left < kMostGroups + V::kLanes ? left - V::kLanes
                                                      : kMostGroups;
    for (size_t r = 0; r < kRowsAtOnce; ++r) {
      const size_t at = (row + r) * groups + first;
      MultiplyLines<V>(products[r], w.data + at * kGroupOfLine, w.scales + 4 * at,
                       x.q + first * kGroupOfLine, x.scales + first, x.offsets + first, n);
    }
    acc = AddInOrder<V>(acc, products, n);
    first += n;
  }
  return acc;
}

// Whether MatvecQ80() takes these.
template <typename V>
inline bool IsForMatvec(const QuantizedRows& x, const Matrix& w) {
  return x.n_tokens == 1 && x.group == kGroupOfLine && w.group_size == kGroupOfLine &&
         w.cols >= V::kLanes * kGroupOfLine && w.rows >= kRowsAtOnce;
}

template <typename V>
void MatvecQ80(float* out, const QuantizedRows& x, const Matrix& w, size_t row_begin,
               size_t row_end) {
  static_assert(V::kLanes == kRowsAtOnce);
  for (size_t row = row_begin; row < row_end; row += kRowsAtOnce) {
    // The last rows begin early enough to be whole; only what is in the range is kept.
    const size_t first = Least(row, w.rows - kRowsAtOnce);
    const typename V::Reg results = MultiplyRows<V>(x, w, first);
    if (first == row && row + kRowsAtOnce <= row_end) {
      V::Store(out + row, results);
    } else {
      float kept[kRowsAtOnce];
      V::Store(kept, results);
      for (size_t r = row; r < Least(row + kRowsAtOnce, row_end); ++r) out[r] = kept[r - first];
    }
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_VECTOR_MATVEC_Q80_H_
