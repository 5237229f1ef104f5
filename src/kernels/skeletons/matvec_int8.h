// SPDX-License-Identifier: MIT
// Multiplies an int8 matrix by one token, row after row as they lie in memory, for a vector unit V
// (see vector.h).
//
// A range of rows is read in kTuning.int8_streams parts side by side, which are some pages apart:
// some processors read memory fastest in this way.
//
// The sums of V::kLanes groups are scaled together. The groups of a row must be added in order, so
// the products of V::kLanes rows are kept until they can be added side by side, one row per lane.
#ifndef CLAMMA_KERNELS_SKELETONS_MATVEC_INT8_H_
#define CLAMMA_KERNELS_SKELETONS_MATVEC_INT8_H_

#include "kernels/skeletons/vector.h"

namespace clamma {
namespace {
namespace vector {

constexpr size_t kMaxGroups = 128;  // most groups of a row whose products are kept

// products[g] = (float(sum of group g) * its weights' scale) * its activations' scale, for
// V::kLanes groups of a row; x_q, x_scales and x_sums are those of the same groups of the token.
template <Unit V, const Tuning& kTuning, size_t kGroup>
inline void MultiplyGroups(float* products, const uint8_t* weights, const uint8_t* scales,
                           const int8_t* x_q, const float* x_scales, const int32_t* x_sums) {
  PrefetchLine(scales + kTuning.scale_prefetch);
  const typename V::Int sums =
      V::template DotGroups<kGroup, kTuning.matvec_prefetch>(weights, x_q, x_sums);
  const typename V::Reg scaled = V::Mul(V::ToFloat(sums), V::LoadBytes(scales));
  V::Store(products, V::Mul(scaled, V::Load(x_scales)));
}

// Returns acc plus the first n products of each row, added one after the other. Row r is lane r.
template <Unit V>
inline typename V::Reg AddInOrder(typename V::Reg acc,
                                  const float (&products)[V::kLanes][kMaxGroups], size_t n) {
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

// results[i] = the results of V::kLanes rows from row + i * part on. A row must have at least
// V::kLanes groups.
template <Unit V, const Tuning& kTuning, size_t kGroup, size_t kStreams>
inline void MultiplyRows(typename V::Reg (&results)[kStreams], const Int8Groups& x, const Matrix& w,
                         size_t row, size_t part) {
  const size_t groups = w.cols / kGroup;
  for (typename V::Reg& result : results) result = V::Set1(0);
  alignas(64) float products[kStreams][V::kLanes][kMaxGroups];
  for (size_t first = 0; first < groups;) {
    const size_t left = groups - first;
    // Either nothing or at least V::kLanes groups must remain.
    const size_t n = left <= kMaxGroups              ? left
                     : left < kMaxGroups + V::kLanes ? left - V::kLanes
                                                     : kMaxGroups;
    for (size_t r = 0; r < V::kLanes; ++r) {
      for (size_t done = 0; done < n; done += V::kLanes) {
        // The last groups begin early enough to fill a register.
        const size_t g = Min(done, n - V::kLanes);
        for (size_t i = 0; i < kStreams; ++i) {
          const size_t at = (row + i * part + r) * groups + first + g;
          MultiplyGroups<V, kTuning, kGroup>(products[i][r] + g, w.data + at * kGroup,
                                             w.scales + 4 * at, x.q + (first + g) * kGroup,
                                             x.scales + first + g, x.sums + first + g);
        }
      }
    }
    for (size_t i = 0; i < kStreams; ++i) results[i] = AddInOrder<V>(results[i], products[i], n);
    first += n;
  }
}

// Whether MatvecGroupsOf() can multiply x and w.
template <Unit V, size_t kGroup>
inline bool IsForMatvec(const Int8Groups& x, const Matrix& w) {
  return x.n_tokens == 1 && x.group == kGroup && w.group_size == kGroup &&
         w.cols >= V::kLanes * kGroup && w.rows >= V::kLanes;
}

template <Unit V, const Tuning& kTuning, size_t kGroup>
void MatvecGroupsOf(float* out, const Int8Groups& x, const Matrix& w, size_t row_begin,
                    size_t row_end) {
  constexpr size_t kStreams = kTuning.int8_streams;
  const size_t part = (row_end - row_begin) / (kStreams * V::kLanes) * V::kLanes;
  size_t row = row_begin;
  for (; row < row_begin + part; row += V::kLanes) {
    typename V::Reg results[kStreams];
    MultiplyRows<V, kTuning, kGroup, kStreams>(results, x, w, row, part);
    for (size_t i = 0; i < kStreams; ++i) V::Store(out + row + i * part, results[i]);
  }
  for (row = row_begin + kStreams * part; row < row_end; row += V::kLanes) {
    // The last rows begin early enough to fill a register; only results in the range are stored.
    const size_t first = Min(row, w.rows - V::kLanes);
    typename V::Reg results[1];
    MultiplyRows<V, kTuning, kGroup, 1>(results, x, w, first, 0);
    float kept[V::kLanes];
    V::Store(kept, results[0]);
    for (size_t r = row; r < Min(row + V::kLanes, row_end); ++r) out[r] = kept[r - first];
  }
}

// Multiplies by one token row after row. Returns false, and does nothing, if tiles are faster or
// there is no code for the group size.
template <Unit V, const Tuning& kTuning>
bool MatvecInt8(float* out, const Int8Groups& x, const Matrix& w, size_t row_begin,
                size_t row_end) {
  const auto multiply = [&]<size_t kGroup>() {
    if constexpr (kGroup >= kTuning.min_matvec_group) {
      if (!IsForMatvec<V, kGroup>(x, w)) return false;
      MatvecGroupsOf<V, kTuning, kGroup>(out, x, w, row_begin, row_end);
      return true;
    }
    return false;
  };
  return multiply.template operator()<32>() || multiply.template operator()<64>();
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_MATVEC_INT8_H_
