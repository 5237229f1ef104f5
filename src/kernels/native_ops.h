// SPDX-License-Identifier: MIT
// What the native order of sums has of its own beside matrix products: norms, softmax, gates and
// attention. Every table gives the same bits, whatever the batch and the number of threads.
//
// Attention goes page by page (kKvBlock positions). A row attends to the positions of its window
// up to its own; in what follows, a page has only these.
// * A score is one chain of Fma() over the head's elements in order, from 0, times the scale.
// * Positions are taken in segments of kSegment, each for itself, from the largest score m =
//   -infinity, the sum l = 0 and the values o[d] = 0. For each page, in order:
//     t = the larger of m and the page's largest score; what is no number does not count;
//     if t > m: c = ExpNative(m - t), l = l * c, o[d] = o[d] * c, m = t;
//     p[i] = ExpNative(score[i] - m), and 0 for positions that the row does not attend to;
//     l = l + the sum of the 32 p[i] by halves, p[i] + p[i + 16], then 8, 4, 2, 1;
//     o[d] = Fma(p[i], value[i][d], o[d]), position after position.
// * Keys and values of int8 are those of floats, each rounded once: see kv_types.h.
// * The segments are merged in order, those without a position being left out. The first is taken
//   as it is; with each further one's (m, l, o), into (M, L, O):
//     t = m > M ? m : M, a = ExpNative(M - t), b = ExpNative(m - t);
//     L = Fma(l, b, L * a), O[d] = Fma(o[d], b, O[d] * a), M = t.
// * A soft cap comes behind the scale: see soft_cap.
// * The result is O[d] / L. Where the head has a sink s, a score of no position and no value:
//     t = s > M ? s : M, a = ExpNative(M - t), the result (O[d] * a) / Fma(L, a, ExpNative(s - t)).
// A query, key or value that is no number makes the elements that depend on it NaN.
#ifndef CLAMMA_KERNELS_NATIVE_OPS_H_
#define CLAMMA_KERNELS_NATIVE_OPS_H_

#include "kernels/kernels.h"

namespace clamma {

inline constexpr size_t kSegment = 512;    // positions; whole pages
inline constexpr size_t kNativeTile = 24;  // queries that a key or value meets at a time

// A head's elements in whole pieces, as scratch has them.
constexpr size_t InPieces(size_t head_size) {
  return (head_size + kKvBlock - 1) / kKvBlock * kKvBlock;
}

// Floats of a state, what is known of a query after some positions: the values, in whole pieces,
// behind them the largest score and the sum.
constexpr size_t AttentionStateSize(size_t head_size) { return InPieces(head_size) + 16; }

// Floats that attention takes as scratch, however many positions there are.
constexpr uint64_t NativeAttentionScratch(uint64_t /*stride*/, uint64_t head_size) {
  const auto size = static_cast<size_t>(head_size);
  return uint64_t{kNativeTile} * (InPieces(size) + kKvBlock + 2 * AttentionStateSize(size)) +
         kKvBlock * size;
}

constexpr size_t SegmentsOf(size_t n_positions) { return (n_positions + kSegment - 1) / kSegment; }

// Of OrderKernels:
// * rmsnorm: out[i] = (x[i] * scale) * weight[i], scale = 1 / sqrt(sum of x^2 / n + epsilon).
//   In the sum, element k goes to sum k mod 16, each a chain of Fma(), joined by Reduce16().
// * softmax: x[i] = ExpNative(x[i] - max(x)) * (1 / sum). In the sum, element k goes to sum
//   k mod 16, joined by Reduce16().
// * glu, with S(x) = s / (1 + e), e = ExpNative(-|x|); s is e for a negative x, else 1:
//   silu: gate[i] = (gate[i] * S(gate[i])) * up[i].
//   gelu: gate[i] = (gate[i] * S(z)) * up[i], z = gate[i] * Fma(gate[i] * gate[i], b, a), the float
//   nearest to a = 2 sqrt(2 / pi) and that nearest to b = 0.044715 a. (Hendrycks, Gimpel: Gaussian
//   Error Linear Units, 2016: tanh(x) = 2 S(2x) - 1)
//   clamped silu: g = gate[i], at most 7; u = up[i], in [-7, 7]; gate[i] =
//   (g * S(1.702 g)) * (u + 1). (transformers: models/gpt_oss/modeling_gpt_oss.py)
// * soft_cap: x[i] = ((1 - e) / (1 + e)) * cap, negative if x[i] is, e = ExpNative(-|x[i] *
//   (2 / cap)|).
// * attend_segments: the states of the queries after each of the segments [begin, end) alone.
//   states (end - begin, queries, AttentionStateSize()); the queries are kv head after kv head, of
//   each the rows, and of each row the heads.
// * merge_states: merges the states of a segment, or of all before it, with those of the next.
//   Both (n, AttentionStateSize()).
// * finish_attention: out (as q) from the states of all segments merged.
extern const OrderKernels kScalarNativeOrder;
#if defined(__x86_64__)
extern const OrderKernels kAvx2NativeOrder;
extern const OrderKernels kAvx512NativeOrder;
#elif defined(__AARCH64EL__)
extern const OrderKernels kNeonNativeOrder;
#endif

}  // namespace clamma

#endif  // CLAMMA_KERNELS_NATIVE_OPS_H_
