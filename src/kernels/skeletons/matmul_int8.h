// SPDX-License-Identifier: MIT
// Multiplies int8 matrices by activations, for any vector unit V (units/unit.h).
//
// A tile holds one group of columns (or 64 of them) of as many rows as a register has lanes. Its
// register s holds columns 4s .. 4s + 3 of every row, one row per lane, for an instruction that
// multiplies it by four numbers of a token, broadcast to every lane. Rows are transposed into tiles
// as they are read, and nothing is copied except to the stack:
// * One token may multiply rows as they lie in memory instead (matvec_int8.h).
// * For a few tokens, as in decoding, a tile stays in registers and is multiplied by all of them.
// * For more, V::kRowTiles tiles of adjacent rows are multiplied by V::kTokensAtOnce tokens at a
//   time, so that a load of a token serves several tiles, and a load of a tile several tokens.
#ifndef CLAMMA_KERNELS_SKELETONS_MATMUL_INT8_H_
#define CLAMMA_KERNELS_SKELETONS_MATMUL_INT8_H_

#include "kernels/skeletons/matvec_int8.h"

namespace clamma {
namespace {
namespace vector {

// The most tokens in one pass over the weights. Their sums stay in the first-level cache (in
// avx2/matmul_int8.h, in the second-level cache).
constexpr size_t kMaxTokens = 128;

// A hook that Dot() calls before each of its steps: does nothing.
struct Nothing {
  void operator()() const {}
};

// The place in the next block of n_rows rows that corresponds to column k of the block at `rows`,
// if both are read in the order in which they lie in memory. Prefetching as many lines there as a
// tile at column k has covers the whole next block by the end of this one.
inline const uint8_t* NextBlock(const uint8_t* rows, size_t k, size_t cols, size_t n_rows) {
  return rows + n_rows * (cols + k);
}

// The address to prefetch while column k is read, tuning.tile_prefetch columns ahead in the first
// of n_rows rows. Beyond the row's end it lies in the next n_rows rows.
inline const uint8_t* AheadOf(const uint8_t* rows, size_t k, size_t cols, size_t n_rows,
                              const Tuning& tuning) {
  const size_t next = k + tuning.tile_prefetch;
  return rows + next + (next < cols ? 0 : (n_rows - 1) * cols);
}

// The scales of the groups of int8 weights, from the one in which the row begins.
inline const uint8_t* ScalesFrom(const Matrix& w, uint64_t row) {
  return w.scales + row * w.cols / w.group_size * 4;
}

// The scales of a tile's rows, group by group.
template <Unit V>
class RowScales {
 public:
  // Starts with rows row, row + apart and so on. A row has `groups` groups of activations. `share`
  // of these make one group of weights. Such a group may straddle rows if `share` is not 1; then
  // `apart` must be 1.
  void Start(const Matrix& w, size_t row, size_t apart, size_t groups, size_t share) {
    groups_ = groups;
    stride_ = groups * apart;
    share_ = share;
    group_ = 0;
    const uint64_t first = uint64_t{row} * groups;
    base_ = w.scales + 4 * (share == 1 ? first : first / share);
    if (share != 1) StartStraddling(first % share);
  }

  // Returns the scales of the current group and advances to the next.
  typename V::Reg Next() {
    if (share_ != 1) return NextOfStraddling();
    const size_t at = group_ % kAtOnce;
    if (at == 0) Fetch();
    ++group_;
    return V::AsFloat(scales_[at]);
  }

  static constexpr size_t kAtOnce = 16;  // groups: their scales take a cache line of each row

  // Writes the scales of the next n <= kAtOnce groups. The number of groups before them must be a
  // multiple of kAtOnce.
  void NextGroups(float (*to)[V::kLanes], size_t n) {
    if (share_ != 1 || n < kAtOnce) {
      for (size_t g = 0; g < n; ++g) V::Store(to[g], Next());
      return;
    }
    typename V::Int scales[kAtOnce];
    V::template LoadTransposed<kAtOnce>(scales, base_ + 4 * group_, 4 * stride_);
    group_ += kAtOnce;
    for (size_t r = 0; r < V::kLanes; ++r) {
      PrefetchLine(base_ + 4 * (group_ + r * stride_));  // for the next call, if any
    }
    for (size_t g = 0; g < kAtOnce; ++g) V::Store(to[g], V::AsFloat(scales[g]));
  }

 private:
  // These functions are not inlined: they would be most of their callers' code.
  [[gnu::noinline]] void Fetch() {
    const uint8_t* from = base_ + 4 * group_;
    const size_t left = groups_ - group_;
    if (left < kAtOnce) {
      for (size_t r = 0; r < V::kLanes; ++r) index_[r] = static_cast<int32_t>(r * stride_);
      for (size_t g = 0; g < left; ++g) scales_[g] = V::Gather(from + 4 * g, index_);
      return;
    }
    V::template LoadTransposed<kAtOnce>(scales_, from, 4 * stride_);
  }

  [[gnu::noinline]] void StartStraddling(uint64_t part) {
    // Steps from one row to the next, in whole groups of weights and in parts of one.
    const size_t step = groups_ / share_;
    const size_t rest = groups_ % share_;
    size_t at = 0;
    for (size_t r = 0; r < V::kLanes; ++r) {
      index_[r] = static_cast<int32_t>(at);
      phase_[r] = static_cast<uint32_t>(part);
      part += rest;
      at += step + (part >= share_ ? 1 : 0);
      part -= part >= share_ ? share_ : 0;
    }
  }

  [[gnu::noinline]] typename V::Reg NextOfStraddling() {
    const typename V::Int scales = V::Gather(base_, index_);
    for (size_t r = 0; r < V::kLanes; ++r) {
      const bool wraps = ++phase_[r] == share_;
      phase_[r] = wraps ? 0 : phase_[r];
      index_[r] += wraps ? 1 : 0;
    }
    return V::AsFloat(scales);
  }

  size_t groups_ = 0;
  size_t stride_ = 0;  // floats from one row's scales to the next row's
  size_t share_ = 0;
  size_t group_ = 0;
  const uint8_t* base_ = nullptr;
  typename V::Int scales_[kAtOnce];
  int32_t index_[V::kLanes] = {};
  uint32_t phase_[V::kLanes] = {};
};

// A group of the tokens' activations, or a part of one.
struct TokenGroups {
  TokenGroups(const Int8Groups& x, size_t g, size_t first)
      : q(x.q + (g * x.n_tokens + first) * x.group),
        scales(x.scales + g * x.n_tokens + first),
        sums(x.sums + g * x.n_tokens + first),
        group(x.group) {}

  const int8_t* q;      // (n, group)
  const float* scales;  // (n)
  const int32_t* sums;  // (n)
  size_t group;
};

// The sums of up to kMax tokens for each of kTiles tiles of rows.
template <Unit V, size_t kTiles, size_t kMax, bool kWhole>
struct TokenSums {
  explicit TokenSums(size_t n_tokens) : n(n_tokens) {
    for (size_t t = 0; t < n; ++t) {
      for (size_t r = 0; r < kTiles; ++r) acc[t][r] = V::Set1(0);
    }
  }

  // Stores the sums of rows [keep_begin, keep_end). The tiles' rows are row, row + apart and so on.
  void Store(float* out, size_t out_stride, size_t row, size_t apart, size_t keep_begin,
             size_t keep_end) const {
    constexpr size_t kRows = kTiles * V::kLanes;
    for (size_t t = 0; t < n; ++t, out += out_stride) {
      if (apart == 1 && keep_end - keep_begin == kRows) {
        for (size_t r = 0; r < kTiles; ++r) V::Store(out + row + r * V::kLanes, acc[t][r]);
        continue;
      }
      float results[kRows];
      for (size_t r = 0; r < kTiles; ++r) V::Store(results + r * V::kLanes, acc[t][r]);
      for (size_t r = 0; r < kRows; ++r) {
        const size_t at = row + r * apart;
        if (at >= keep_begin && at < keep_end) out[at] = results[r];
      }
    }
  }

  size_t n;
  typename V::Reg acc[kMax][kTiles];
  // Integer sums of the tiles so far, where a group takes several tiles.
  typename V::Int kept[kWhole ? 1 : kMax][kTiles];
};

// acc[t] += (float(sum) * weight_scales) * scales[t] for kTokens tokens from t on, if the tiles are
// the last of their group; otherwise keeps the integer sums.
template <Unit V, size_t kTokens, bool kFirst, bool kLast, bool kHeld, typename Sums, size_t kSteps,
          size_t kTiles, typename Between = Nothing>
[[gnu::always_inline]] inline void MultiplyTiles(
    Sums* to, const typename V::template Tile<kSteps> (&tiles)[kTiles],
    const typename V::Reg (&weight_scales)[kTiles], const TokenGroups& x, size_t t,
    const Between& between = {}) {
  typename V::Int sums[kTokens][kTiles];
#pragma GCC unroll 16
  for (size_t i = 0; i < kTokens; ++i) {
#pragma GCC unroll 4
    for (size_t r = 0; r < kTiles; ++r) {
      sums[i][r] = kFirst ? V::StartSum(x.sums[t + i]) : to->kept[t + i][r];
    }
  }
  const size_t stride = kFirst && kLast ? 4 * kSteps : x.group;
  const auto* hidden = &tiles;
  // If the tiles are not held in registers, hides their values from the compiler: it then loads
  // what it needs of them, and keeps the registers for the sums.
  if constexpr (!kHeld) asm("" : "+r"(hidden));
  V::template Dot<kHeld>(sums, *hidden, x.q + t * stride, stride, between);
#pragma GCC unroll 16
  for (size_t i = 0; i < kTokens; ++i) {
#pragma GCC unroll 4
    for (size_t r = 0; r < kTiles; ++r) {
      if constexpr (kLast) {
        const typename V::Reg scaled = V::Mul(V::ToFloat(sums[i][r]), weight_scales[r]);
        to->acc[t + i][r] = V::Add(to->acc[t + i][r], V::Mul(scaled, V::Set1(x.scales[t + i])));
      } else {
        to->kept[t + i][r] = sums[i][r];
      }
    }
  }
}

// --- A few tokens ---

// The number of rows in a page of memory, or 1. The processor's prefetcher follows one stream per
// page, so a tile takes rows that are so far apart, and the rows between them come afterwards.
inline size_t RowsApart(const Matrix& w, size_t group) {
  constexpr size_t kPage = 4096;
  return w.group_size == group && kPage % w.cols == 0 ? kPage / w.cols : 1;
}

// A prefetcher for the tile of kSteps steps at column k of rows that are `stride` bytes apart. It
// is to be called once per step, for one line each.
template <size_t kLanes, size_t kSteps>
inline PairPrefetch AheadOfTile(const uint8_t* rows, size_t k, size_t stride,
                                const Tuning& tuning) {
  constexpr size_t kPair = 2 * kLine;
  constexpr size_t kGroup = 4 * kSteps;
  if (tuning.rows_in_order) return {NextBlock(rows, k, stride, kLanes), kPair};
  // Two lines of each row. The tiles within these two lines divide the rows among themselves.
  static_assert(kPair % kGroup == 0 && kLanes * kGroup == kLine * kSteps);
  const size_t row = k % kPair / kGroup * (kSteps / 2);
  return {AheadOf(rows, k - k % kPair, stride, kLanes, tuning) + row * stride, stride};
}

// Multiplies a tile by all tokens of `sums` at once, so that independent sums hide the latency of a
// product. kTokens is the number of tokens, or 0: then they are multiplied 8, 4, 2 and 1 at a time.
template <Unit V, size_t kTokens, typename Sums, size_t kSteps>
[[gnu::always_inline]] inline void MultiplyHeldTile(
    Sums* sums, const typename V::template Tile<kSteps> (&tile)[1],
    const typename V::Reg (&scales)[1], const TokenGroups& tokens, PairPrefetch ahead) {
  const auto prefetch = [&] { ahead.Next(); };
  if constexpr (kTokens > 0) {
    MultiplyTiles<V, kTokens, true, true, true>(sums, tile, scales, tokens, 0, prefetch);
  } else {
    // The first call prefetches for all.
    size_t t = 0;
    const auto multiply = [&]<size_t kCount>() __attribute__((always_inline)) {
      if ((sums->n & kCount) == 0) return;
      if (t == 0) {
        MultiplyTiles<V, kCount, true, true, true>(sums, tile, scales, tokens, t, prefetch);
      } else {
        MultiplyTiles<V, kCount, true, true, true>(sums, tile, scales, tokens, t);
      }
      t += kCount;
    };
    multiply.template operator()<8>();
    multiply.template operator()<4>();
    multiply.template operator()<2>();
    multiply.template operator()<1>();
  }
}

// Multiplies the rows row, row + apart, ... of a tile, and those between them, kLanes * apart in
// all, by all tokens of x: kTokens, or any number below 16 if kTokens is 0. Stores only the results
// of rows [keep_begin, keep_end).
template <Unit V, size_t kSteps, size_t kTokens>
inline void MultiplyFew(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                        size_t row, size_t apart, size_t keep_begin, size_t keep_end,
                        const Tuning& tuning) {
  constexpr size_t kGroup = 4 * kSteps;
  const size_t groups = w.cols / kGroup;
  const size_t stride = w.cols * apart;
  const uint8_t* rows = w.data + row * w.cols;
  // The next rows' scales, prefetched one line per tile.
  const uint8_t* next_scales = ScalesFrom(w, row + V::kLanes * apart);
  for (size_t phase = 0; phase < apart; ++phase) {
    RowScales<V> row_scales;
    row_scales.Start(w, row + phase, apart, groups, w.group_size / kGroup);
    TokenSums<V, 1, kTokens == 0 ? 15 : kTokens, true> sums(kTokens == 0 ? x.n_tokens : kTokens);
    for (size_t g = 0; g < groups; ++g) {
      const size_t k = phase * w.cols + g * kGroup;
      const PairPrefetch ahead = AheadOfTile<V::kLanes, kSteps>(rows, k, stride, tuning);
      PrefetchLine(next_scales);
      next_scales += kLine;
      const typename V::Reg scales[1] = {row_scales.Next()};
      typename V::template Tile<kSteps> tile[1];
      tile[0].Load(rows + k, stride);
      MultiplyHeldTile<V, kTokens>(&sums, tile, scales, TokenGroups(x, g, 0), ahead);
    }
    sums.Store(out, out_stride, row + phase, apart, keep_begin, keep_end);
  }
}

// Calls f<n>() if MultiplyFew() has code for n tokens, otherwise f<0>().
template <typename F>
inline void WithTokensAtOnce(size_t n, const F& f) {
  switch (n) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 4:
      return f.template operator()<4>();
    case 8:
      return f.template operator()<8>();
    case 16:
      return f.template operator()<16>();
    default:
      return f.template operator()<0>();
  }
}

// --- Any number of tokens ---

// A block of adjacent rows.
struct BlockRows {
  const uint8_t* first;
  size_t cols;
};

// Not inlined, so that the compiler keeps all registers for this function.
template <Unit V, size_t kTokens, bool kFirst, bool kLast, typename Sums, size_t kSteps,
          size_t kTiles>
[[gnu::noinline]] void MultiplyLoadedTiles(Sums* to,
                                           const typename V::template Tile<kSteps> (&tiles)[kTiles],
                                           const typename V::Reg (&weight_scales)[kTiles],
                                           const TokenGroups& x, size_t t) {
  MultiplyTiles<V, kTokens, kFirst, kLast, false>(to, tiles, weight_scales, x, t);
}

// Multiplies the tiles by all tokens of `to`.
template <Unit V, bool kFirst, bool kLast, typename Sums, size_t kSteps, size_t kTiles>
inline void MultiplyTilesByAll(Sums* to, const typename V::template Tile<kSteps> (&tiles)[kTiles],
                               const typename V::Reg (&scales)[kTiles], const TokenGroups& x,
                               const BlockRows& rows, size_t k, const Tuning& tuning) {
  constexpr size_t kTokens = V::kTokensAtOnce;
  constexpr size_t kRows = kTiles * V::kLanes;
  using Prefetch = LinePrefetch<>;
  Prefetch ahead = {AheadOf(rows.first, k, rows.cols, kRows, tuning), rows.cols,
                    k % kLine == 0 ? kRows : 0};
  size_t at_once = Prefetch::kFew;
  if (tuning.rows_in_order) {
    ahead = {NextBlock(rows.first, k, rows.cols, kRows), kLine, kRows * 4 * kSteps / kLine};
    // Prefetch enough each time to be done by the last tokens.
    while (at_once * (to->n / kTokens + 1) < ahead.left) at_once += Prefetch::kFew;
  }
  const auto multiply = [&]<size_t kCount>(size_t t) {
    for (size_t i = 0; i < at_once && ahead.left > 0; i += Prefetch::kFew) ahead.NextFew();
    MultiplyLoadedTiles<V, kCount, kFirst, kLast>(to, tiles, scales, x, t);
  };
  size_t t = 0;
  for (; t + kTokens <= to->n; t += kTokens) multiply.template operator()<kTokens>(t);
  if constexpr (kTokens > 4) {
    for (; t + 4 <= to->n; t += 4) multiply.template operator()<4>(t);
  }
  if constexpr (kTokens > 2) {
    for (; t + 2 <= to->n; t += 2) multiply.template operator()<2>(t);
  }
  for (; t < to->n; ++t) multiply.template operator()<1>(t);
}

// Multiplies the group at column `column` of the rows of kTiles tiles by all tokens. With kWhole a
// group is kSteps steps of 4 columns, otherwise any multiple of that.
template <Unit V, size_t kSteps, bool kWhole, typename Sums, size_t kTiles>
[[gnu::always_inline]] inline void MultiplyGroup(Sums* to, const BlockRows& rows, size_t column,
                                                 const typename V::Reg (&scales)[kTiles],
                                                 TokenGroups tokens, const Tuning& tuning) {
  constexpr size_t kTileCols = 4 * kSteps;
  const size_t group = kWhole ? kTileCols : tokens.group;
  for (size_t k = column; k < column + group; k += kTileCols, tokens.q += kTileCols) {
    typename V::template Tile<kSteps> tiles[kTiles];
    for (size_t r = 0; r < kTiles; ++r) {
      tiles[r].Load(rows.first + r * V::kLanes * rows.cols + k, rows.cols);
    }
    if constexpr (kWhole) {
      MultiplyTilesByAll<V, true, true>(to, tiles, scales, tokens, rows, k, tuning);
    } else if (k == column) {
      MultiplyTilesByAll<V, true, false>(to, tiles, scales, tokens, rows, k, tuning);
    } else if (k + kTileCols < column + group) {
      MultiplyTilesByAll<V, false, false>(to, tiles, scales, tokens, rows, k, tuning);
    } else {
      MultiplyTilesByAll<V, false, true>(to, tiles, scales, tokens, rows, k, tuning);
    }
  }
}

// Multiplies kTiles tiles of rows from `row` on by up to kMaxTokens tokens from `first` on. Stores
// only the results of rows [keep_begin, keep_end).
template <Unit V, size_t kSteps, bool kWhole, size_t kTiles>
inline void MultiplyMany(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                         size_t row, size_t keep_begin, size_t keep_end, size_t first,
                         const Tuning& tuning) {
  const size_t group = kWhole ? 4 * kSteps : x.group;
  const size_t groups = w.cols / group;
  RowScales<V> row_scales[kTiles];
  for (size_t r = 0; r < kTiles; ++r) {
    row_scales[r].Start(w, row + r * V::kLanes, 1, groups, w.group_size / group);
  }
  const BlockRows rows = {w.data + row * w.cols, w.cols};
  TokenSums<V, kTiles, kMaxTokens, kWhole> sums(Min(x.n_tokens - first, kMaxTokens));
  for (size_t g = 0; g < groups; ++g) {
    typename V::Reg scales[kTiles];
    for (size_t r = 0; r < kTiles; ++r) scales[r] = row_scales[r].Next();
    MultiplyGroup<V, kSteps, kWhole>(&sums, rows, g * group, scales, TokenGroups(x, g, first),
                                     tuning);
  }
  sums.Store(out + first * out_stride, out_stride, row, 1, keep_begin, keep_end);
}

// Calls body(row, keep_begin, keep_end) for blocks of n_rows rows that cover [begin, end). The last
// block of a matrix begins early enough to be whole.
template <typename Body>
inline void ForEachBlock(const Matrix& w, size_t n_rows, size_t begin, size_t end,
                         const Body& body) {
  for (size_t row = begin; row < end; row += n_rows) {
    body(Min(row, w.rows - n_rows), row, Min(row + n_rows, end));
  }
}

template <Unit V, size_t kSteps, bool kWhole>
void MatmulGroupsOf(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                    size_t row_begin, size_t row_end, const Tuning& tuning) {
  constexpr size_t kLanes = V::kLanes;
  const auto in_blocks = [&](size_t n_rows) { return row_end - (row_end - row_begin) % n_rows; };
  if (x.n_tokens == 0) return;
  if (w.rows < kLanes) return portable::MatmulGroups(out, out_stride, x, w, row_begin, row_end);
  constexpr size_t kFewTokens = V::kTokensOfHeldTile;
  if constexpr (kWhole && kSteps >= 8 && kFewTokens > 0) {
    static_assert(kFewTokens == 16);
    if (x.n_tokens <= kFewTokens) {
      return WithTokensAtOnce(x.n_tokens, [&]<size_t kTokens>() {
        const auto multiply = [&](size_t apart, size_t from, size_t to) {
          ForEachBlock(w, kLanes * apart, from, to, [&](size_t row, size_t begin, size_t end) {
            MultiplyFew<V, kSteps, kTokens>(out, out_stride, x, w, row, apart, begin, end, tuning);
          });
        };
        const size_t apart = tuning.rows_in_order ? 1 : RowsApart(w, x.group);
        const size_t middle = in_blocks(kLanes * apart);
        multiply(apart, row_begin, middle);
        multiply(1, middle, row_end);
      });
    }
  }
  // Small groups occur only in tiny models, which are not worth the code for several tiles.
  constexpr size_t kRowTiles = kSteps >= 8 ? V::kRowTiles : 1;
  const size_t middle = in_blocks(kRowTiles * kLanes);
  for (size_t first = 0; first < x.n_tokens; first += kMaxTokens) {
    const auto multiply = [&]<size_t kTiles>(size_t from, size_t to) {
      ForEachBlock(w, kTiles * kLanes, from, to, [&](size_t row, size_t begin, size_t end) {
        MultiplyMany<V, kSteps, kWhole, kTiles>(out, out_stride, x, w, row, begin, end, first,
                                                tuning);
      });
    };
    multiply.template operator()<kRowTiles>(row_begin, middle);
    multiply.template operator()<1>(middle, row_end);
  }
}

// Multiplies by tiles. All CPU families, which only differ in how they prefetch, share this
// function.
template <Unit V>
[[gnu::noinline]] void MatmulTiles(float* out, size_t out_stride, const Int8Groups& x,
                                   const Matrix& w, size_t row_begin, size_t row_end,
                                   const Tuning& tuning) {
  const auto multiply = [&]<size_t kSteps, bool kWhole>() {
    MatmulGroupsOf<V, kSteps, kWhole>(out, out_stride, x, w, row_begin, row_end, tuning);
  };
  switch (x.group) {
    case 4:
      return multiply.template operator()<1, true>();
    case 8:
      return multiply.template operator()<2, true>();
    case 16:
      return multiply.template operator()<4, true>();
    case 32:
      return multiply.template operator()<8, true>();
    case 64:
      return multiply.template operator()<16, true>();
    default:
      // Larger groups use tiles of 32 columns; unusual sizes use the portable code.
      if (x.group % 32 == 0) {
        return multiply.template operator()<8, false>();
      }
      return portable::MatmulGroups(out, out_stride, x, w, row_begin, row_end);
  }
}

template <Unit V, const Tuning& kTuning>
void MatmulGroups(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  if constexpr (kTuning.min_matvec_group != kNever) {
    if (MatvecInt8<V, kTuning>(out, x, w, row_begin, row_end)) return;
  }
  MatmulTiles<V>(out, out_stride, x, w, row_begin, row_end, kTuning);
}

template <Unit V, const Tuning& kTuning>
void MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                size_t row_begin, size_t row_end) {
  MatmulGroups<V, kTuning>(out, out_stride, portable::PlainGroupsOf(x), w, row_begin, row_end);
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_MATMUL_INT8_H_
