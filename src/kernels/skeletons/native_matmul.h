// SPDX-License-Identifier: MIT
// Multiplies matrices of quantised blocks by activations, for a vector unit V (units/unit.h) and a
// format F (formats/format.h).
//
// A tile is one block of each of V::kLanes rows, transposed as it is loaded, so that each lane
// works on one row. For every format, sums therefore need no joining, and a block takes few
// instructions even for one token. With several tokens the expanded tile is kept in the first-level
// cache, and all of them multiply it.
#ifndef CLAMMA_KERNELS_SKELETONS_NATIVE_MATMUL_H_
#define CLAMMA_KERNELS_SKELETONS_NATIVE_MATMUL_H_

#include "kernels/formats/format.h"
#include "kernels/skeletons/native_activations.h"
#include "kernels/skeletons/tile_rows.h"
#include "kernels/tuning.h"

namespace clamma {

namespace {
namespace native {

constexpr size_t kTokensOfPass = 64;  // most tokens in a pass; their sums are on the stack
// The most tokens for which rows are read side by side. With more tokens, memory is not the limit,
// and stores to rows that are far apart would be slow.
constexpr size_t kMaxTokensSideBySide = 8;

// How weights of format F are represented in registers of V. A unit multiplies bytes of one kind,
// signed or unsigned, by signed bytes. If bytes with their sign bit flipped are too large for it,
// they are split into two planes, of high and low nibbles.
template <typename V, typename F>
struct Layout {
  static constexpr bool kFlips = F::kSigned && !V::kSignedWeights;
  // Whether the zero point is subtracted from the weights, not from their sums.
  static constexpr bool kCentres = V::kCentresWeights && !F::kSigned;
  static constexpr size_t kPlanes = kFlips && V::kMaxWeight < 255 ? 2 : 1;
  static constexpr size_t kSteps = F::kChunkCols / 4;
  static constexpr size_t kChunks = F::kCols / F::kChunkCols;
  static constexpr size_t kGroupSteps = (F::kGroup < F::kChunkCols ? F::kGroup : F::kChunkCols) / 4;
  static constexpr bool kIsSuper = F::kCols == formats::kSuperBlock;

  static constexpr int Zero() {
    if constexpr (F::kSigned) {
      return kFlips ? 128 : 0;
    } else {
      return kCentres ? 0 : F::kZero;
    }
  }
  static constexpr int Max() {
    if constexpr (F::kSigned) {
      return kPlanes == 2 ? 15 : 255;
    } else {
      return F::kMax;
    }
  }
  // The number of steps whose products are added before they are folded into 32-bit totals.
  static constexpr size_t Depth() {
    size_t depth = kGroupSteps;
    while (depth > V::MaxDepth(Max())) depth /= 2;
    return depth;
  }
};

// A chunk of columns of V::kLanes rows, expanded.
template <typename V, typename F>
struct Chunk {
  using L = Layout<V, F>;
  using Int = typename V::Int;

  [[gnu::always_inline]] void Load(const uint8_t* rows, size_t stride, size_t chunk) {
    F::template Expand<V>(rows, stride, chunk, planes[0]);
    if constexpr (L::kCentres) {
#pragma GCC unroll 32
      for (Int& step : planes[0]) step = V::SubBytes(step, V::SetBytes(F::kZero));
    }
    if constexpr (L::kFlips) {
#pragma GCC unroll 32
      for (size_t s = 0; s < L::kSteps; ++s) {
        const Int flipped = V::Xor(planes[0][s], V::SetBytes(0x80));
        planes[0][s] = flipped;
        if constexpr (L::kPlanes == 2) {
          planes[0][s] = V::HighNibbles(flipped);
          planes[1][s] = V::LowNibbles(flipped);
        }
      }
    }
  }

  Int planes[L::kPlanes][L::kSteps];
};

// A block of each of V::kLanes rows.
template <typename V, typename F>
struct Tile {
  void Load(const uint8_t* rows, size_t stride) {
    F::LoadScales(rows, stride, &scales);
#pragma GCC unroll 4
    for (size_t c = 0; c < Layout<V, F>::kChunks; ++c) chunks[c].Load(rows, stride, c);
  }

  formats::RowScales<V, F> scales;
  Chunk<V, F> chunks[Layout<V, F>::kChunks];
};

// total + scale * sums, where `sums` are a group's products in one plane. In a super-block, the
// total of the high nibbles is shifted later, once for all groups.
template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Int AddScaled(typename V::Int total, typename V::Int sums,
                                                        const formats::RowScales<V, F>& scales,
                                                        size_t plane, size_t group) {
  using L = Layout<V, F>;
  if constexpr (L::kIsSuper) {
    return V::Fold(total, sums, scales.scales[group]);
  } else if constexpr (L::kPlanes == 2) {
    return V::Fold(total, sums, V::SetScale(plane == 0 ? 16 : 1));
  } else {
    return V::Fold(total, sums);
  }
}

// totals[t][r] += scale * (a group's steps of chunk r from `first` on) . token t. The kTokens
// tokens are at x, `stride` bytes apart.
template <typename V, typename F, size_t kTokens, size_t kTiles>
[[gnu::always_inline]] inline void AddGroup(typename V::Int (&totals)[kTokens][kTiles],
                                            const Chunk<V, F>* const (&chunks)[kTiles],
                                            const formats::RowScales<V, F>* const (&scales)[kTiles],
                                            size_t plane, size_t group, size_t first,
                                            const int8_t* x, size_t stride) {
  using L = Layout<V, F>;
  using Int = typename V::Int;
  constexpr size_t kDepth = L::Depth();
  // Makes the compiler load the tokens again for each plane, not keep them in registers.
  asm volatile("" : "+r"(x));
#pragma GCC unroll 8
  for (size_t begin = 0; begin < L::kGroupSteps; begin += kDepth) {
    Int sums[kTokens][kTiles];
#pragma GCC unroll 16
    for (size_t s = begin; s < begin + kDepth; ++s) {
      Int w[kTiles];
#pragma GCC unroll 8
      for (size_t r = 0; r < kTiles; ++r) w[r] = chunks[r]->planes[plane][first + s];
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) {
        int32_t four = 0;
        __builtin_memcpy(&four, x + t * stride + 4 * s, sizeof(four));
        const Int xs = V::SetInt(four);
#pragma GCC unroll 8
        for (size_t r = 0; r < kTiles; ++r) {
          sums[t][r] = s == begin ? V::Dot4(w[r], xs) : V::AddDot4(sums[t][r], w[r], xs);
        }
      }
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 8
      for (size_t r = 0; r < kTiles; ++r) {
        totals[t][r] = AddScaled<V, F>(totals[t][r], sums[t][r], *scales[r], plane, group);
      }
    }
  }
}

// The sum over groups of a super-block's minima, or scales, times the sums of the activations.
template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Int MultiplySums(const formats::RowScales<V, F>& w,
                                                           const BlockSums<256>& sums) {
  constexpr size_t kColsOfSum = formats::SumCols<F>();
  const int16_t* x = SumsOf<kColsOfSum>(sums);
  typename V::Int total = V::SetInt(0);
#pragma GCC unroll 8
  for (size_t i = 0; i < F::kCols / kColsOfSum / 2; ++i) {
    int32_t two = 0;
    __builtin_memcpy(&two, x + 2 * i, sizeof(two));
    total = V::AddInt(total, V::MulPairs(w.pairs[i], V::SetInt(two)));
  }
  return total;
}

// The value from which a total starts, so that the zero point is subtracted.
template <typename V, typename F>
inline typename V::Int Start(const formats::RowScales<V, F>& /*w*/, const BlockSums<32>& sums) {
  return V::SetInt(-Layout<V, F>::Zero() * sums.all);
}
template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Int Start(const formats::RowScales<V, F>& w,
                                                    const BlockSums<256>& sums) {
  using L = Layout<V, F>;
  if constexpr (L::Zero() == 0) {
    return V::SetInt(0);
  } else {
    // The plane of high nibbles comes first, and its totals are shifted afterwards.
    constexpr int kZero = L::kPlanes == 2 ? L::Zero() >> 4 : L::Zero();
    constexpr int kBits = __builtin_ctz(kZero);
    static_assert(!F::kHasMin && kZero == 1 << kBits);
    return V::SubInt(V::SetInt(0), V::template ShiftLanesLeft<kBits>(MultiplySums<V, F>(w, sums)));
  }
}

// Returns acc plus what a block adds to it.
template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Reg Finish(typename V::Reg acc, typename V::Int total,
                                                     const formats::RowScales<V, F>& w, float scale,
                                                     const BlockSums<32>& sums) {
  const typename V::Reg xs = V::Set1(scale);
  acc = V::Fma(V::ToFloat(total), V::Mul(w.d, xs), acc);
  if constexpr (F::kHasMin)
    acc = V::Fma(V::Set1(static_cast<float>(sums.all)), V::Mul(w.m, xs), acc);
  return acc;
}

template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Reg Finish(typename V::Reg acc, typename V::Int total,
                                                     const formats::RowScales<V, F>& w, float scale,
                                                     const BlockSums<256>& sums) {
  const typename V::Reg xs = V::Set1(scale);
  acc = V::Fma(V::ToFloat(total), V::Mul(w.d, xs), acc);
  if constexpr (F::kHasMin) {
    acc = V::Fma(V::Negate(V::ToFloat(MultiplySums<V, F>(w, sums))), V::Mul(w.m, xs), acc);
  }
  return acc;
}

// --- One token ---

// total + the dot products of a chunk of int8 weights and a token, computed without planes.
template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Int AddSignedChunk(typename V::Int total,
                                                             const uint8_t* rows, size_t stride,
                                                             const formats::RowScales<V, F>& scales,
                                                             size_t chunk, const int8_t* x) {
  constexpr size_t kSteps = Layout<V, F>::kSteps;
  typename V::Int w[kSteps];
  F::template Expand<V>(rows, stride, chunk, w);
#pragma GCC unroll 16
  for (size_t s = 0; s < kSteps; ++s) {
    const size_t column = 4 * (chunk * kSteps + s);
    int32_t four = 0;
    __builtin_memcpy(&four, x + column, sizeof(four));
    typename V::Scale scale = V::SetScale(1);
    if constexpr (Layout<V, F>::kIsSuper) scale = scales.scales[column / F::kGroup];
    total = V::AddSignedDot4(total, w[s], V::SetInt(four), scale);
  }
  return total;
}

// The results of a tile's rows for one token.
template <typename V, typename F>
[[gnu::always_inline]] inline typename V::Reg MultiplyRows(const BlockActivations<F::kCols>& x,
                                                           const TileRows& tile,
                                                           size_t bytes_ahead) {
  using L = Layout<V, F>;
  constexpr size_t kChunkBytes = V::kLanes * F::kBytes / L::kChunks;
  auto ahead = tile.Ahead<CacheLevel::kFirst>(bytes_ahead, 0, V::kLanes);
  typename V::Reg acc = V::Set1(0);
  const uint8_t* rows = tile.data;
  for (size_t b = 0; b < tile.row_bytes / F::kBytes; ++b, rows += F::kBytes) {
    ahead.Advance(kChunkBytes);
    formats::RowScales<V, F> scales;
    F::LoadScales(rows, tile.stride, &scales);
    const formats::RowScales<V, F>* const all_scales[1] = {&scales};
    typename V::Int totals[1][1] = {{V::SetInt(0)}};
    if constexpr (L::kPlanes == 1) totals[0][0] = Start(scales, x.sums[b]);
#pragma GCC unroll 4
    for (size_t c = 0; c < L::kChunks; ++c) {
      if (c > 0) ahead.Advance(kChunkBytes);
      if constexpr (L::kPlanes == 2) {
        totals[0][0] =
            AddSignedChunk(totals[0][0], rows, tile.stride, scales, c, x.q + b * F::kCols);
      } else {
        Chunk<V, F> chunk;
        chunk.Load(rows, tile.stride, c);
        const Chunk<V, F>* const chunks[1] = {&chunk};
        constexpr size_t kGroups = L::kSteps / L::kGroupSteps;
#pragma GCC unroll 8
        for (size_t g = 0; g < kGroups; ++g) {
          const size_t column = 4 * (c * L::kSteps + g * L::kGroupSteps);
          AddGroup<V, F>(totals, chunks, all_scales, 0, c * kGroups + g, g * L::kGroupSteps,
                         x.q + b * F::kCols + column, 0);
        }
      }
    }
    acc = Finish<V, F>(acc, totals[0][0], scales, x.scales[b], x.sums[b]);
  }
  return acc;
}

// --- Several tokens ---

// Shifts the totals of high nibbles into place.
template <typename V, size_t kTokens, size_t kTiles>
[[gnu::always_inline]] inline void MoveUp(typename V::Int (&totals)[kTokens][kTiles]) {
#pragma GCC unroll 8
  for (auto& of_token : totals) {
#pragma GCC unroll 8
    for (typename V::Int& total : of_token) total = V::template ShiftLanesLeft<4>(total);
  }
}

// accs[t][r] += tiles[r] . token t, for kTokens tokens. `at` is the index of token 0's block in x.
template <typename V, typename F, size_t kTokens, size_t kTiles>
[[gnu::always_inline]] inline void MultiplyTokens(float* accs, const Tile<V, F> (&tiles)[kTiles],
                                                  const BlockActivations<F::kCols>& x, size_t at) {
  using L = Layout<V, F>;
  typename V::Int totals[kTokens][kTiles];
  const formats::RowScales<V, F>* scales[kTiles];
#pragma GCC unroll 8
  for (size_t r = 0; r < kTiles; ++r) {
    scales[r] = &tiles[r].scales;
#pragma GCC unroll 8
    for (size_t t = 0; t < kTokens; ++t) totals[t][r] = Start(tiles[r].scales, x.sums[at + t]);
  }
#pragma GCC unroll 2
  for (size_t plane = 0; plane < L::kPlanes; ++plane) {
    if (L::kIsSuper && plane == 1) MoveUp<V>(totals);
    const int8_t* q = x.q + at * F::kCols;
    size_t group = 0;
#pragma GCC unroll 1
    for (size_t c = 0; c < L::kChunks; ++c) {
      const Chunk<V, F>* chunks[kTiles];
      for (size_t r = 0; r < kTiles; ++r) chunks[r] = &tiles[r].chunks[c];
#pragma GCC unroll 1
      for (size_t s = 0; s < L::kSteps; s += L::kGroupSteps, ++group, q += F::kGroup) {
        AddGroup<V, F>(totals, chunks, scales, plane, group, s, q, F::kCols);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 8
    for (size_t r = 0; r < kTiles; ++r) {
      float* acc = accs + (t * kTiles + r) * V::kLanes;
      V::Store(acc, Finish<V, F>(V::Load(acc), totals[t][r], tiles[r].scales, x.scales[at + t],
                                 x.sums[at + t]));
    }
  }
}

// With several tokens, weights are expanded before they are multiplied, long after they were
// prefetched, so they go to the second-level cache.
using PassPrefetch = StreamPrefetch<CacheLevel::kSecond>;

// Multiplies blocks of format F on the vector unit V.
template <typename V, typename F>
struct VectorProducts {
  static constexpr size_t kTileSets = 1;  // sets of tiles in use at the same time

  // For a pass of n tokens of x.
  VectorProducts(const BlockActivations<F::kCols>& activations, size_t n_tokens)
      : x(activations), n(n_tokens) {}

  // accs[t][r] += tiles[r] . token t, for the pass's tokens. `at` is the index of the first token's
  // block in x.
  template <size_t kTiles>
  [[gnu::noinline]] void Multiply(float* accs, const Tile<V, F> (&tiles)[kTiles], size_t at,
                                  PassPrefetch* ahead) const {
    constexpr size_t kTokens = V::kNativeTokens;
    const size_t bytes_of_token = kTiles * V::kLanes * F::kBytes / n;
    size_t t = 0;
    for (; t + kTokens <= n; t += kTokens) {
      ahead->Advance(kTokens * bytes_of_token);
      MultiplyTokens<V, F, kTokens>(accs + t * kTiles * V::kLanes, tiles, x, at + t);
    }
    for (; t < n; ++t) {
      ahead->Advance(bytes_of_token);
      MultiplyTokens<V, F, 1>(accs + t * kTiles * V::kLanes, tiles, x, at + t);
    }
  }

  // Adds products that are still pending: here, none.
  void Finish() const {}

  const BlockActivations<F::kCols> x;
  const size_t n;
};

// The number of rows that are multiplied together with several tokens. Matrices with fewer rows are
// multiplied in plain C++.
template <typename V>
constexpr size_t kMinRows = V::kNativeTiles* V::kLanes;

// Multiplies tiles by the tokens of a pass, n tokens from `first` on.
template <typename V, typename F, typename Products>
[[gnu::noinline]] void MultiplyTiles(float* out, size_t out_stride, const Activations& x,
                                     const TileRows& tile, size_t bytes_ahead, size_t first,
                                     size_t n, Products& products) {
  constexpr size_t kTiles = V::kNativeTiles;
  constexpr size_t kRows = kMinRows<V>;
  alignas(64) float accs[kTokensOfPass * kRows];
  __builtin_memset(accs, 0, n * kRows * sizeof(float));
  Tile<V, F> sets[Products::kTileSets][kTiles];
  const uint8_t* rows = tile.data;
  auto ahead = tile.Ahead<CacheLevel::kSecond>(bytes_ahead, 0, kRows);
  for (size_t b = 0; b < tile.row_bytes / F::kBytes; ++b, rows += F::kBytes) {
    auto& tiles = sets[b % Products::kTileSets];
    for (size_t r = 0; r < kTiles; ++r) {
      tiles[r].Load(rows + r * V::kLanes * tile.stride, tile.stride);
    }
    products.Multiply(accs, tiles, b * x.n_tokens + first, &ahead);
  }
  products.Finish();
  StoreResults(out + first * out_stride, out_stride, accs, n, tile);
}

template <typename V, typename F>
void MultiplyOneToken(float* out, const Activations& x, const Matrix& w, size_t row_begin,
                      size_t row_end, const Tuning& tuning) {
  const BlockActivations<F::kCols> in(x);
  ForEachTile(w, V::kLanes, row_begin, row_end, !tuning.rows_in_order, [&](const TileRows& tile) {
    float results[V::kLanes];
    V::Store(results, MultiplyRows<V, F>(in, tile, tuning.tile_prefetch));
    StoreResults(out, 0, results, 1, tile);
  });
}

// The number of tokens in the next pass, if `left` are left. Avoids a last pass of only a few
// tokens.
constexpr size_t TokensOfPass(size_t left) {
  if (left <= kTokensOfPass) return left;
  return left < kTokensOfPass + kTokensOfPass / 4 ? kTokensOfPass * 3 / 4 : kTokensOfPass;
}

template <typename V, typename F, typename Products = VectorProducts<V, F>>
void MultiplySeveral(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                     size_t row_begin, size_t row_end, const Tuning& tuning) {
  const bool side_by_side = !tuning.rows_in_order && x.n_tokens <= kMaxTokensSideBySide;
  for (size_t first = 0, n = 0; first < x.n_tokens; first += n) {
    n = TokensOfPass(x.n_tokens - first);
    Products products(BlockActivations<F::kCols>(x), n);
    ForEachTile(w, kMinRows<V>, row_begin, row_end, side_by_side, [&](const TileRows& tile) {
      MultiplyTiles<V, F>(out, out_stride, x, tile, tuning.tile_prefetch, first, n, products);
    });
  }
}

template <typename V, typename F>
void Matmul(float* out, size_t out_stride, const Activations& x, const Matrix& w, size_t row_begin,
            size_t row_end, const Tuning& tuning) {
  if (w.rows < kMinRows<V>) {
    constexpr auto& kPlain = Layout<V, F>::kIsSuper ? MatmulBlocks256Plain : MatmulBlocks32Plain;
    return kPlain(out, out_stride, x, w, row_begin, row_end);
  }
  if (x.n_tokens == 1) return MultiplyOneToken<V, F>(out, x, w, row_begin, row_end, tuning);
  MultiplySeveral<V, F>(out, out_stride, x, w, row_begin, row_end, tuning);
}

}  // namespace native
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_NATIVE_MATMUL_H_
