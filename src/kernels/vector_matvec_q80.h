// SPDX-License-Identifier: MIT
// An int8 matrix times one token, row after row as they lie in memory, for a vector unit V (see
// vector.h).
//
// The sums of as many groups as V has lanes are scaled together. As the groups of a row are added
// in order, those of as many rows are kept until their sums can run side by side, a row a lane.
#ifndef CLAMMA_KERNELS_VECTOR_MATVEC_Q80_H_
#define CLAMMA_KERNELS_VECTOR_MATVEC_Q80_H_

#include "kernels/vector.h"

namespace clamma {
namespace {
namespace vector {

constexpr size_t kMostGroups = 128;  // of a row that are kept

// products[g] = (float(sum of group g) * its weights' scale) * its activations' scale, for n >=
// V::kLanes groups of one row; x holds the same groups of the token.
template <typename V, size_t kGroup>
inline void MultiplyLines(float* products, const uint8_t* weights, const uint8_t* scales,
                          const int8_t* q, const float* x_scales, const int32_t* offsets,
                          size_t n) {
  constexpr size_t kScalesAhead = 1024;  // bytes
  for (size_t done = 0; done < n; done += V::kLanes) {
    __builtin_prefetch(scales + 4 * done + kScalesAhead);
    const size_t g = Least(done, n - V::kLanes);  // the last ones begin early enough to be whole
    const typename V::Int sums =
        V::template DotGroups<kGroup>(weights + g * kGroup, q + g * kGroup, offsets + g);
    const typename V::Reg scaled = V::Mul(V::ToFloat(sums), V::LoadBytes(scales + 4 * g));
    V::Store(products + g, V::Mul(scaled, V::Load(x_scales + g)));
  }
}

// acc + the first n products of each row, one after the other; the row r is lane r.
template <typename V>
inline typename V::Reg AddInOrder(typename V::Reg acc,
                                  const float (&products)[V::kLanes][kMostGroups], size_t n) {
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

// The results of V::kLanes rows from `row` on. A row has at least as many groups.
template <typename V, size_t kGroup>
inline typename V::Reg MultiplyRows(const QuantizedRows& x, const Matrix& w, size_t row) {
  const size_t groups = w.cols / kGroup;
  typename V::Reg acc = V::Set1(0);
  alignas(64) float products[V::kLanes][kMostGroups];
  for (size_t first = 0; first < groups;) {
    const size_t left = groups - first;
    // No fewer than V::kLanes may be left.
    const size_t n = left <= kMostGroups              ? left
                     : left < kMostGroups + V::kLanes ? left - V::kLanes
                                                      : kMostGroups;
    for (size_t r = 0; r < V::kLanes; ++r) {
      const size_t at = (row + r) * groups + first;
      MultiplyLines<V, kGroup>(products[r], w.data + at * kGroup, w.scales + 4 * at,
                               x.q + first * kGroup, x.scales + first, x.offsets + first, n);
    }
    acc = AddInOrder<V>(acc, products, n);
    first += n;
  }
  return acc;
}

// Whether MatvecQ80() takes these.
template <typename V, size_t kGroup>
inline bool IsForMatvec(const QuantizedRows& x, const Matrix& w) {
  return x.n_tokens == 1 && x.group == kGroup && w.group_size == kGroup &&
         w.cols >= V::kLanes * kGroup && w.rows >= V::kLanes;
}

template <typename V, size_t kGroup>
void MatvecQ80(float* out, const QuantizedRows& x, const Matrix& w, size_t row_begin,
               size_t row_end) {
  for (size_t row = row_begin; row < row_end; row += V::kLanes) {
    // The last rows begin early enough to be whole; only what is in the range is kept.
    const size_t first = Least(row, w.rows - V::kLanes);
    const typename V::Reg results = MultiplyRows<V, kGroup>(x, w, first);
    if (first == row && row + V::kLanes <= row_end) {
      V::Store(out + row, results);
    } else {
      float kept[V::kLanes];
      V::Store(kept, results);
      for (size_t r = row; r < Least(row + V::kLanes, row_end); ++r) out[r] = kept[r - first];
    }
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_VECTOR_MATVEC_Q80_H_
