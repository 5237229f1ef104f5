// SPDX-License-Identifier: MIT
// Multiplies int8 matrices by more than a tile of tokens on the tile unit. Each group of two tiles
// of rows is multiplied by all tokens, whose sums stay in the first-level cache. The tiles of a
// range form one pipeline.
#ifndef CLAMMA_KERNELS_AMX_MANY_TOKENS_H_
#define CLAMMA_KERNELS_AMX_MANY_TOKENS_H_

#include "kernels/amx/tiles.h"
#include "kernels/skeletons/matmul_int8.h"

namespace clamma::amx {
namespace {

static_assert(vector::kMaxTokens % kTile == 0);
constexpr size_t TilesOf(size_t n_tokens) { return (n_tokens + kTile - 1) / kTile; }

// The sums of one block of kTiles tiles of rows at a time, block by block over [begin, end), for up
// to kMaxTokens tokens from `first` on. Stores them as results.
template <size_t kTiles>
class ManyResults {
 public:
  static constexpr size_t kRows = kTiles * kTile;

  ManyResults(const Output& out, const Int8Groups& x, const Matrix& w, size_t first, size_t begin,
              size_t end)
      : n_(vector::Min(x.n_tokens - first, vector::kMaxTokens)),
        out_{out.first + first * out.stride, out.stride},
        last_block_(w.rows - kRows),
        row_(begin),
        end_(end) {
    for (size_t b = 0; b < TilesOf(n_); ++b) Clear(b);
  }

  size_t n_tokens() const { return n_; }

  // The sums of the tokens' tile b: [tile of rows][row], one token per lane.
  using Sums = V::Reg[kTiles][kTile];
  Sums& sums(size_t b) { return sums_[b]; }

  // Stores the results of the tokens' next tile and clears its sums. Not inlined, so that the
  // compiler keeps all registers for the pipeline.
  [[gnu::noinline]] void Take() {
    const size_t row = vector::Min(row_, last_block_);
    V::Int of_tokens[kTile][kTiles];
    for (size_t i = 0; i < kTiles; ++i) {
      V::Int columns[kTile];
      V::LoadTransposed<kTile>(columns, reinterpret_cast<const uint8_t*>(sums_[tile_][i]),
                               sizeof(V::Reg));
      for (size_t t = 0; t < kTile; ++t) of_tokens[t][i] = columns[t];
    }
    const size_t keep_end = vector::Min(row_ + kRows, end_);
    for (size_t t = tile_ * kTile; t < vector::Min(n_, (tile_ + 1) * kTile); ++t) {
      if (t + kAhead < n_) PrefetchToken(row, t + kAhead);
      StoreRows(out_.first + t * out_.stride, of_tokens[t % kTile], row, row_, keep_end);
    }
    Clear(tile_);
    if (++tile_ < TilesOf(n_)) return;
    tile_ = 0;
    row_ += kRows;
  }

 private:
  // Tokens from a prefetch to its store. Where rows of results are so far apart that all of their
  // lines share a set of the first-level cache, the set has no room for more. The lines of a
  // block's first tokens are not prefetched, as the next steps hide these stores.
  static constexpr size_t kAhead = 8;

  void PrefetchToken(size_t row, size_t t) const {
    for (size_t i = 0; i < kTiles; ++i) {
      PrefetchToWrite(out_.first + t * out_.stride + row + i * kTile);
    }
  }

  void Clear(size_t b) {
    for (auto& tile : sums_[b]) {
      for (V::Reg& sum : tile) sum = V::Set1(0);
    }
  }

  const size_t n_;
  const Output out_;
  const size_t last_block_;
  size_t row_;  // the current block's first row; the matrix's last block may begin before it
  const size_t end_;
  size_t tile_ = 0;  // the next tile of tokens
  Sums sums_[vector::kMaxTokens / kTile];
};

// How to scale the sums of kTiles tiles of rows and one tile of tokens.
template <size_t kTiles>
struct Scaling {
  // acc += (float(sums) * weight_scales) * scales, for a quarter of the rows.
  template <size_t kQuarter>
  [[gnu::always_inline]] void Add(const V::Int (*sums)[kTile]) const {
#pragma GCC unroll 2
    for (size_t i = 0; i < kTiles; ++i) {
#pragma GCC unroll 4
      for (size_t r = 4 * kQuarter; r < 4 * kQuarter + 4; ++r) {
        AddScaled(&acc[i][r], sums[i][r], V::Set1(weight_scales[i][r]), scales);
      }
    }
  }
  void AddAll(const V::Int (*sums)[kTile]) const {
    Add<0>(sums);
    Add<1>(sums);
    Add<2>(sums);
    Add<3>(sums);
    if (finished != nullptr) finished->Take();
  }

  V::Reg (*acc)[kTile] = nullptr;           // nullptr: there is nothing to scale
  ManyResults<kTiles>* finished = nullptr;  // not nullptr: these are the last sums of a tile
  const float (*weight_scales)[kTile] = nullptr;
  V::Reg scales = {};
};

// The weights of a group of kTiles tiles of rows.
template <size_t kTiles>
struct Weights {
  template <size_t kIndex>
  void Load() const {
    if constexpr (kIndex < kTiles)
      LoadTile<kWeightTiles[kIndex]>(rows + kIndex * kTile * cols, cols);
  }

  const uint8_t* rows;
  size_t cols;
};

// A pipeline whose steps are tiles of tokens, with four stages: the tokens of one step are loaded,
// the sums of the one before are computed, those of the one before that are stored, and those of
// the oldest are scaled.
template <size_t kTiles>
class Pipeline {
 public:
  Pipeline(const int8_t* first_tokens, const Weights<kTiles>& first_weights) {
    LoadTile<kTokenTiles[0]>(first_tokens, sizeof(V::Int));
    first_weights.template Load<0>();
    first_weights.template Load<1>();
  }

  // Computes the sums of the loaded tokens and weights. The next step's tokens are at
  // `next_tokens`. Its weights are `next_weights`, or the same ones if that is nullptr.
  [[gnu::always_inline]] void Step(const Scaling<kTiles>& scaling, const int8_t* next_tokens,
                                   const Weights<kTiles>* next_weights) {
    if (odd_) {
      StepOf<1>(scaling, next_tokens, next_weights);
    } else {
      StepOf<0>(scaling, next_tokens, next_weights);
    }
    odd_ = !odd_;
  }
  // Completes the two steps that are still in the pipeline.
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
    // Copied member by member: a copy of the whole would wait for members just written.
    waiting.acc = scaling.acc;
    waiting.finished = scaling.finished;
    waiting.weight_scales = scaling.weight_scales;
    waiting.scales = scaling.scales;
  }
  // Alternates between the units in small pieces: they share ports, and instructions that wait for
  // one unit would keep the other's work out of the scheduler.
  template <size_t kStep, bool kScale>
  [[gnu::always_inline]] void Interleave(const Scaling<kTiles>& waiting, const int8_t* next_tokens,
                                         const Weights<kTiles>* next_weights) {
    const Scaling<kTiles> old = waiting;  // tells the compiler that nothing below changes it
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
    LoadTile<kTokenTiles[1 - kStep]>(next_tokens, sizeof(V::Int));
    if constexpr (kScale) {
      if (old.finished != nullptr) old.finished->Take();
    }
  }
  // The older step's sums are in memory, the other's in tile registers.
  template <size_t kStep>
  void FinishFrom() {
    if (waiting_[kStep].acc != nullptr) waiting_[kStep].AddAll(sums_[kStep]);
    Store<1 - kStep, 0>();
    if constexpr (kTiles == 2) Store<1 - kStep, 1>();
    waiting_[1 - kStep].AddAll(sums_[1 - kStep]);
  }
  template <size_t kStep, size_t kIndex>
  static void Multiply() {
    ZeroTile<kSumTiles[kStep][kIndex]>();
    AddTileProducts<kSumTiles[kStep][kIndex], kWeightTiles[kIndex], kTokenTiles[kStep]>();
  }
  template <size_t kStep, size_t kIndex>
  void Store() {
    StoreTile<kSumTiles[kStep][kIndex]>(sums_[kStep][kIndex], sizeof(V::Int));
  }

  V::Int sums_[2][kTiles][kTile];
  Scaling<kTiles> waiting_[2];
  bool odd_ = false;
};

// Prefetches adjacent lines in equal parts. They go to the third-level cache only: fetches into the
// first two levels delay the tokens, which come from the second.
class LinesInParts {
 public:
  LinesInParts(const uint8_t* first, size_t n, size_t parts)
      : next_(first), part_((n + parts - 1) / parts) {}

  void PrefetchPart() {
    for (size_t i = 0; i < part_; ++i, next_ += kLine) PrefetchLine<CacheLevel::kThird>(next_);
  }

 private:
  const uint8_t* next_;
  size_t part_;
};

// The weights' scales of blocks of kTiles tiles of rows, group by group.
template <size_t kTiles>
class ScalesOfBlocks {
 public:
  void StartBlock(const Matrix& w, size_t row, size_t groups, size_t share) {
    for (size_t i = 0; i < kTiles; ++i) rows_[i].Start(w, row + i * kTile, 1, groups, share);
    next_block_ = {vector::ScalesFrom(w, row + kTiles * kTile), groups * kTiles, groups};
  }

  // Returns the scales of the next group, [tile of rows][row]. Those of the two groups before
  // remain valid. Prefetches the next block's scales in the order in which they lie in memory.
  const float (*Next())[kTile] {
    call_ = (call_ + 1) % kUnderWay;
    for (size_t i = 0; i < kTiles; ++i) V::Store(scales_[call_][i], rows_[i].Next());
    next_block_.PrefetchPart();
    return scales_[call_];
  }

 private:
  vector::RowScales<V> rows_[kTiles];
  LinesInParts next_block_ = {nullptr, 0, 1};
  size_t call_ = 0;
  alignas(64) float scales_[kUnderWay][kTiles][kTile];
};

// Computes the results of rows [begin, end), in blocks of kTiles tiles, for up to kMaxTokens tokens
// from `first` on.
template <size_t kGroup, size_t kTiles>
void MultiplyMany(const Output& out, const Int8Groups& x, const Matrix& w, size_t first,
                  size_t begin, size_t end) {
  constexpr size_t kRows = kTiles * kTile;
  const size_t groups = w.cols / kGroup;
  const size_t in_panels = InPanels(x.n_tokens);
  const auto tokens_of = [&](size_t g) { return x.q + (g * in_panels + first) * kGroup; };
  const auto rows_at = [&](size_t row) {
    return w.data + vector::Min(row, w.rows - kRows) * w.cols;
  };
  ManyResults<kTiles> results(out, x, w, first, begin, end);
  const size_t parts = TilesOf(results.n_tokens());
  ScalesOfBlocks<kTiles> block_scales;
  Pipeline<kTiles> pipeline(tokens_of(0), Weights<kTiles>{rows_at(begin), w.cols});
  for (size_t row = begin; row < end; row += kRows) {
    const uint8_t* const rows = rows_at(row);
    block_scales.StartBlock(w, vector::Min(row, w.rows - kRows), groups, w.group_size / kGroup);
    for (size_t g = 0; g < groups; ++g) {
      const bool last_group = g + 1 == groups;
      // After the last block these are not used, but must be readable.
      const int8_t* const next_tokens = tokens_of(last_group ? 0 : g + 1);
      const Weights<kTiles> next_weights = {
          last_group ? rows_at(row + kRows) : rows + (g + 1) * kGroup, w.cols};
      LinesInParts ahead(vector::NextBlock(rows, g * kGroup, w.cols, kRows), kRows * kGroup / kLine,
                         parts);
      const int8_t* q = tokens_of(g);
      const float* scales = x.scales + g * x.n_tokens + first;
      Scaling<kTiles> scaling;
      scaling.weight_scales = block_scales.Next();
      scaling.finished = last_group ? &results : nullptr;
      for (size_t b = 0; b < parts; ++b) {
        ahead.PrefetchPart();
        scaling.acc = results.sums(b);
        const size_t n = results.n_tokens() - b * kTile;
        scaling.scales =
            n < kTile ? V::LoadFirst(scales + b * kTile, n) : V::Load(scales + b * kTile);
        q += kTile * kGroup;
        const bool last = b + 1 == parts;
        pipeline.Step(scaling, last ? next_tokens : q, last ? &next_weights : nullptr);
      }
    }
  }
  pipeline.Finish();
}

}  // namespace
}  // namespace clamma::amx

#endif  // CLAMMA_KERNELS_AMX_MANY_TOKENS_H_
