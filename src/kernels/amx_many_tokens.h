// SPDX-License-Identifier: MIT
// int8 matrices times more than a tile of tokens, by the tile unit: each group of two tiles of rows
// meets all tokens, whose sums stay in the first-level cache.
#ifndef CLAMMA_KERNELS_AMX_MANY_TOKENS_H_
#define CLAMMA_KERNELS_AMX_MANY_TOKENS_H_

#include "kernels/amx_tiles.h"
#include "kernels/vector_matmul_q80.h"

namespace clamma {
namespace {
namespace amx {

// What scales the sums of kTiles tiles of rows and one of tokens.
template <size_t kTiles>
struct Scaling {
  template <size_t kQuarter>
  [[gnu::always_inline]] void Add(const V::Int (*sums)[kTile]) const {
#pragma GCC unroll 2
    for (size_t i = 0; i < kTiles; ++i) {
      ScaleQuarter<kQuarter>(acc[i], sums[i], weight_scales[i], scales);
    }
  }
  void AddAll(const V::Int (*sums)[kTile]) const {
    Add<0>(sums);
    Add<1>(sums);
    Add<2>(sums);
    Add<3>(sums);
  }

  V::Reg (*acc)[kTile] = nullptr;  // if there is something to scale
  const float (*weight_scales)[kTile] = nullptr;
  V::Reg scales = {};
};

// A group of kTiles tiles of rows.
template <size_t kTiles>
struct Weights {
  template <size_t kIndex>
  void Load() const {
    if constexpr (kIndex < kTiles) LoadTile<kWeights[kIndex]>(rows + kIndex * kTile * cols, cols);
  }

  const uint8_t* rows;
  size_t cols;
};

// Steps of a tile of tokens each, of which four are under way: one's tokens are loaded, the sums of
// the one before computed, those of the one before that stored, and those of the oldest scaled.
template <size_t kTiles>
class Pipeline {
 public:
  Pipeline(const int8_t* first_tokens, const Weights<kTiles>& first_weights) {
    LoadTile<kTokens[0]>(first_tokens, sizeof(V::Int));
    first_weights.template Load<0>();
    first_weights.template Load<1>();
  }

  // The sums of the tokens and weights at hand. The next step's tokens are at `next_tokens`, and
  // its weights the same, or `next_weights` if that is not nullptr.
  [[gnu::always_inline]] void Step(const Scaling<kTiles>& scaling, const int8_t* next_tokens,
                                   const Weights<kTiles>* next_weights) {
    if (odd_) {
      StepOf<1>(scaling, next_tokens, next_weights);
    } else {
      StepOf<0>(scaling, next_tokens, next_weights);
    }
    odd_ = !odd_;
  }
  // The two steps that are still under way.
  void Finish() {
    if (odd_) {
      FinishFrom<1>();
    } else {
      FinishFrom<0>();
    }
  }

 private:
  template <size_t kStep>
  [[gnu::always_inline]] void StepOf(const Scaling<kTiles>& scaling, const int8_t* next_tokens,
                                     const Weights<kTiles>* next_weights) {
    Scaling<kTiles>& waiting = waiting_[kStep];
    if (waiting.acc != nullptr) {
      Interleave<kStep, true>(waiting, next_tokens, next_weights);
    } else {
      Interleave<kStep, false>(waiting, next_tokens, next_weights);
    }
    // Member by member: a copy of the whole would wait for what was just written of it.
    waiting.acc = scaling.acc;
    waiting.weight_scales = scaling.weight_scales;
    waiting.scales = scaling.scales;
  }
  // In small pieces, as both units share ports, and what waits for one keeps the other's work out
  // of the scheduler.
  template <size_t kStep, bool kScale>
  [[gnu::always_inline]] void Interleave(const Scaling<kTiles>& waiting, const int8_t* next_tokens,
                                         const Weights<kTiles>* next_weights) {
    const Scaling<kTiles> old = waiting;  // for the compiler: nothing below changes it
    Multiply<kStep, 0>();
    if (next_weights != nullptr) next_weights->template Load<0>();
    if constexpr (kScale) old.template Add<0>(sums_[kStep]);
    Store<1 - kStep, 0>();
    if constexpr (kScale) old.template Add<1>(sums_[kStep]);
    if constexpr (kTiles == 2) Multiply<kStep, 1>();
    if (next_weights != nullptr) next_weights->template Load<1>();
    if constexpr (kScale) old.template Add<2>(sums_[kStep]);
    if constexpr (kTiles == 2) Store<1 - kStep, 1>();
    if constexpr (kScale) old.template Add<3>(sums_[kStep]);
    LoadTile<kTokens[1 - kStep]>(next_tokens, sizeof(V::Int));
  }
  // The older one's sums are in memory, the other's in tiles.
  template <size_t kStep>
  void FinishFrom() {
    if (waiting_[kStep].acc != nullptr) waiting_[kStep].AddAll(sums_[kStep]);
    Store<1 - kStep, 0>();
    if constexpr (kTiles == 2) Store<1 - kStep, 1>();
    waiting_[1 - kStep].AddAll(sums_[1 - kStep]);
  }
  template <size_t kStep, size_t kRows>
  static void Multiply() {
    ZeroTile<kSums[kStep][kRows]>();
    AddTileProducts<kSums[kStep][kRows], kWeights[kRows], kTokens[kStep]>();
  }
  template <size_t kStep, size_t kRows>
  void Store() {
    StoreTile<kSums[kStep][kRows]>(sums_[kStep][kRows], sizeof(V::Int));
  }

  V::Int sums_[2][kTiles][kTile];
  Scaling<kTiles> waiting_[2];
  bool odd_ = false;
};

// Asks for lines that follow each other, in equal parts. Not into the first two levels of the
// cache: what is on its way there keeps the tokens waiting, which come from the second one.
class LinesInParts {
 public:
  LinesInParts(const uint8_t* first, size_t n, size_t parts)
      : next_(first), part_((n + parts - 1) / parts) {}

  void RequestPart() {
    for (size_t i = 0; i < part_; ++i, next_ += vector::kLine) __builtin_prefetch(next_, 0, 1);
  }

 private:
  const uint8_t* next_;
  size_t part_;
};

static_assert(vector::kMostTokens % kTile == 0);
constexpr size_t TilesOf(size_t n_tokens) { return (n_tokens + kTile - 1) / kTile; }

// The results of up to kMostTokens tokens for kTiles tiles of rows.
template <size_t kTiles>
struct Results {
  explicit Results(size_t n_tokens) : n(n_tokens) {
    for (size_t b = 0; b < TilesOf(n); ++b) {
      for (size_t i = 0; i < kTiles; ++i) {
        for (size_t r = 0; r < kTile; ++r) acc[b][i][r] = V::Set1(0);
      }
    }
  }

  // Asks for the places of those of tile b of the tokens, as they are wanted soon.
  void Request(const float* to, size_t stride, size_t b) const {
    for (size_t t = b * kTile; t < (b + 1) * kTile; ++t) RequestToken<2>(to, stride, t);
  }

  // Stores those of rows [keep_begin, keep_end), where `row` is the first.
  void Store(float* out, size_t out_stride, size_t row, size_t keep_begin, size_t keep_end) const {
    for (size_t b = 0; b * kTile < n; ++b) {
      V::Int of_tokens[kTiles][kTile];
      for (size_t i = 0; i < kTiles; ++i) {
        V::LoadTransposed<kTile>(of_tokens[i], reinterpret_cast<const uint8_t*>(acc[b][i]),
                                 sizeof(V::Reg));
      }
      for (size_t k = 0; k < vector::Least(n - b * kTile, kTile); ++k) {
        const size_t t = b * kTile + k;
        RequestToken<3>(out + row, out_stride, t + kAhead);
        StoreToken(out + t * out_stride, of_tokens, k, row, keep_begin, keep_end);
      }
    }
  }

  size_t n;
  V::Reg acc[vector::kMostTokens / kTile][kTiles][kTile];

 private:
  // Tokens between a request and a store: the first-level cache has ways for no more, where rows of
  // results are so far apart that all of their lines share a set.
  static constexpr size_t kAhead = 8;

  // To the first-level cache (3), or the second-level one (2).
  template <int kLocality>
  void RequestToken(const float* to, size_t stride, size_t t) const {
    if (t >= n) return;
    for (size_t i = 0; i < kTiles; ++i) {
      __builtin_prefetch(to + t * stride + i * kTile, 1, kLocality);
    }
  }

  static void StoreToken(float* out, const V::Int (&of_tokens)[kTiles][kTile], size_t k, size_t row,
                         size_t keep_begin, size_t keep_end) {
    constexpr size_t kRows = kTiles * kTile;
    float results[kRows];
    float* const to = keep_end - keep_begin == kRows ? out + row : results;
    for (size_t i = 0; i < kTiles; ++i) V::Store(to + i * kTile, V::AsFloat(of_tokens[i][k]));
    if (to != results) return;
    for (size_t at = keep_begin; at < keep_end; ++at) out[at] = results[at - row];
  }
};

// kTiles tiles of rows from `row` on for up to kMostTokens tokens from `first` on; only results of
// [keep_begin, keep_end) are kept.
template <size_t kGroup, size_t kTiles>
void MultiplyRows(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row, size_t keep_begin, size_t keep_end, size_t first) {
  constexpr size_t kRows = kTiles * kTile;
  const size_t groups = w.cols / kGroup;
  const uint8_t* rows = w.data + row * w.cols;
  vector::RowScales<V> row_scales[kTiles];
  for (size_t i = 0; i < kTiles; ++i) {
    row_scales[i].Start(w, row + i * kTile, 1, groups, w.group_size / kGroup);
  }
  // Asked for in the order in which they lie, as are the rows.
  const uint8_t* const next_scales = vector::ScalesFrom(w, row + kRows);
  Results<kTiles> results(vector::Least(x.n_tokens - first, vector::kMostTokens));
  const size_t parts = TilesOf(results.n);
  const size_t packs = TilesOf(x.n_tokens);
  const auto tokens_of = [&](size_t g) { return x.q + (g * packs * kTile + first) * kGroup; };
  const auto weights_of = [&](size_t g) { return Weights<kTiles>{rows + g * kGroup, w.cols}; };
  // [group % 4]: the steps of up to three groups overlap.
  alignas(64) float weight_scales[4][kTiles][kTile];
  Pipeline<kTiles> pipeline(tokens_of(0), weights_of(0));
  for (size_t g = 0; g < groups; ++g) {
    const size_t next = g + 1 < groups ? g + 1 : 0;  // after the last one of no use, but in place
    const Weights<kTiles> next_weights = weights_of(next);
    for (size_t i = 0; i < kTiles; ++i) V::Store(weight_scales[g % 4][i], row_scales[i].Next());
    LinesInParts ahead(vector::NextBlock(rows, g * kGroup, w.cols, kRows).p,
                       kRows * kGroup / vector::kLine, parts);
    LinesInParts(next_scales + g * kTiles * vector::kLine, kTiles, 1).RequestPart();
    const int8_t* q = tokens_of(g);
    const float* scales = x.scales + g * x.n_tokens + first;
    Scaling<kTiles> scaling;
    scaling.weight_scales = weight_scales[g % 4];
    for (size_t b = 0; b < parts; ++b) {
      ahead.RequestPart();
      if (next == 0) results.Request(out + first * out_stride + row, out_stride, b);
      scaling.acc = results.acc[b];
      const size_t n = results.n - b * kTile;
      scaling.scales =
          n < kTile ? V::LoadFirst(scales + b * kTile, n) : V::Load(scales + b * kTile);
      q += kTile * kGroup;
      const bool last = b + 1 == parts;
      pipeline.Step(scaling, last ? tokens_of(next) : q, last ? &next_weights : nullptr);
    }
  }
  pipeline.Finish();
  results.Store(out + first * out_stride, out_stride, row, keep_begin, keep_end);
}

}  // namespace amx
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_AMX_MANY_TOKENS_H_
