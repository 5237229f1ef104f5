// SPDX-License-Identifier: MIT
// The kernels of the native order of sums other than matrix products: norms, softmax, gates and
// attention. Every table gives the same bits, for any batch and any number of threads.
//
// Attention goes through pages of kKvBlock positions. A row attends to the positions of its window
// up to its own; below, a page contains only these.
// * A score is one chain of Fma() over the head's elements in order, starting from 0, times the
//   scale.
// * Positions are divided into segments of kSegment. Each segment starts from the largest score m =
//   -infinity, the sum l = 0 and the values o[d] = 0. For each page, in order:
//     t = the larger of m and the page's largest score, ignoring NaN;
//     if t > m: c = ExpNative(m - t), l = l * c, o[d] = o[d] * c, m = t;
//     p[i] = ExpNative(score[i] - m), and 0 for positions that the row does not attend to;
//     l = l + the sum of the 32 p[i] by halves, p[i] + p[i + 16], then 8, 4, 2, 1;
//     o[d] = Fma(p[i], value[i][d], o[d]), position after position.
// * int8 keys and values are converted to floats first, each rounded once; see kv_types.h.
// * The segments are merged in order; segments without a position are skipped. The first one's (m,
//   l, o) becomes (M, L, O). Each further one is merged into it:
//     t = m > M ? m : M, a = ExpNative(M - t), b = ExpNative(m - t);
//     L = Fma(l, b, L * a), O[d] = Fma(o[d], b, O[d] * a), M = t.
// * A soft cap is applied after the scale: see soft_cap.
// * The result is O[d] / L. A head may have a sink s, a score without a position and a value. Then:
//     t = s > M ? s : M, a = ExpNative(M - t), the result (O[d] * a) / Fma(L, a, ExpNative(s - t)).
// A NaN in a query, key or value makes all elements that depend on it NaN.
#ifndef CLAMMA_KERNELS_NATIVE_OPS_H_
#define CLAMMA_KERNELS_NATIVE_OPS_H_

#include "kernels/kernels.h"

namespace clamma {

inline constexpr size_t kSegment = 512;    // positions; whole pages
inline constexpr size_t kNativeTile = 24;  // most queries that are attended together

// The elements of a head, rounded up to whole pieces of kKvBlock, as scratch holds them.
constexpr size_t InPieces(size_t head_size) {
  return (head_size + kKvBlock - 1) / kKvBlock * kKvBlock;
}

// The size of a state in floats. A state is the result of a query so far: the values in whole
// pieces, then the largest score and the sum.
constexpr size_t AttentionStateSize(size_t head_size) { return InPieces(head_size) + 16; }

// Scratch that attention needs, in floats. It does not depend on the number of positions.
constexpr uint64_t NativeAttentionScratch(uint64_t /*stride*/, uint64_t head_size) {
  const auto size = static_cast<size_t>(head_size);
  return uint64_t{kNativeTile} * (InPieces(size) + kKvBlock + 2 * AttentionStateSize(size)) +
         kKvBlock * size;
}

constexpr size_t SegmentsOf(size_t n_positions) { return (n_positions + kSegment - 1) / kSegment; }

// Definitions of the functions of OrderKernels:
// * rmsnorm: out[i] = (x[i] * scale) * weight[i], scale = 1 / sqrt(sum of x^2 / n + epsilon). In
//   the sum, element k goes to sum k mod 16, each a chain of Fma(), joined by Reduce16().
// * softmax: x[i] = ExpNative(x[i] - max(x)) * (1 / sum). In the sum, element k goes to sum k mod
//   16, joined by Reduce16().
// * glu, with S(x) = s / (1 + e), where e = ExpNative(-|x|), and s is e for negative x, else 1:
//   silu: gate[i] = (gate[i] * S(gate[i])) * up[i].
//   gelu: gate[i] = (gate[i] * S(z)) * up[i], z = gate[i] * Fma(gate[i] * gate[i], b, a), where a
//   is the float nearest to 2 sqrt(2 / pi), and b the float nearest to 0.044715 a. (Hendrycks,
//   Gimpel: Gaussian Error Linear Units, 2016: tanh(x) = 2 S(2x) - 1)
//   clamped silu: gate[i] = (g * S(1.702 g)) * (u + 1), where g is gate[i], at most 7, and u is
//   up[i] clamped to [-7, 7]. (transformers: models/gpt_oss/modeling_gpt_oss.py)
// * soft_cap: x[i] = ((1 - e) / (1 + e)) * cap, negative if x[i] is, where e = ExpNative(-|x[i] *
//   (2 / cap)|).
// * attend_segments: computes the queries' states after each of the segments [begin, end) alone.
//   states (end - begin, queries, AttentionStateSize()). The queries are sorted by kv head, then by
//   row, then by head.
// * merge_states: merges the states of a segment, or of several merged ones, with those of the next
//   segment. Both are (n, AttentionStateSize()).
// * finish_attention: computes out (as q) from the states of all segments merged.
extern const OrderKernels kScalarNativeOrder;
#if defined(__x86_64__)
extern const OrderKernels kAvx2NativeOrder;
extern const OrderKernels kAvx512NativeOrder;
#elif defined(__AARCH64EL__)
extern const OrderKernels kNeonNativeOrder;
#endif

}  // namespace clamma

#endif  // CLAMMA_KERNELS_NATIVE_OPS_H_
