// SPDX-License-Identifier: MIT
// Multiplies int8 matrices by one panel of tokens on the tile unit. A tile of rows goes through all
// of its groups, and its sums stay in registers. Memory is the limit, so lines are prefetched one
// by one between the instructions. The tiles of a range form one pipeline, which does not drain
// between them: the last steps of one tile overlap with the first steps of the next.
//
// With panels of 4 or 8 tokens, a register holds the sums of 4 or 2 rows. These take a quarter or
// half of the instructions, and the tokens take the same fraction of the first-level cache.
#ifndef CLAMMA_KERNELS_AMX_FEW_TOKENS_H_
#define CLAMMA_KERNELS_AMX_FEW_TOKENS_H_

#include "kernels/amx/tiles.h"
#include "kernels/skeletons/matmul_int8.h"

namespace clamma::amx {
namespace {

// The most rows from one row of a tile to the next. Results of so many tiles are kept until they
// can be stored side by side.
constexpr size_t kMaxApart = 4;

// The weights' scales of tiles of rows, several groups at a time.
class ScalesOfTiles {
 public:
  static constexpr size_t kAtOnce = vector::RowScales<V>::kAtOnce;

  void StartTile(const Matrix& w, size_t row, size_t apart, size_t groups, size_t share) {
    rows_.Start(w, row, apart, groups, share);
  }

  // Returns the scales of the next n groups of the tile, (n, kTile). Those of the two calls before
  // remain valid. Not inlined, so that the compiler keeps all registers for the pipeline.
  [[gnu::noinline]] const float* Next(size_t n) {
    call_ = (call_ + 1) % kUnderWay;
    rows_.NextGroups(scales_[call_], n);
    return scales_[call_][0];
  }

 private:
  vector::RowScales<V> rows_;
  size_t call_ = 0;
  alignas(64) float scales_[kUnderWay][kAtOnce][kTile];
};

// Stores the results of tiles: block by block of kTile * apart rows over [begin, end), and in each
// block first the tile of every apart-th row, then those of the rows between them.
template <size_t kPanel>
class FewResults {
 public:
  FewResults(const Output& out, const Int8Groups& x, const Matrix& w, size_t apart, size_t begin,
             size_t end)
      : out_(out), n_tokens_(x.n_tokens), rows_(w.rows), apart_(apart), row_(begin), end_(end) {}

  // Takes the results of the next tile, (kTile, kPanel). Not inlined, so that the compiler keeps
  // all registers for the pipeline.
  [[gnu::noinline]] void Take(const float* sums) {
    for (size_t r = 0; r < kTile; ++r) {
      __builtin_memcpy(by_row_[r * apart_ + phase_], sums + r * kPanel, kPanel * sizeof(float));
    }
    if (++phase_ < apart_) return;
    phase_ = 0;
    const size_t first = vector::Min(row_, rows_ - kTile * apart_);
    for (size_t i = 0; i < apart_; ++i) Store(first + i * kTile, by_row_[i * kTile]);
    row_ += kTile * apart_;
  }

 private:
  static constexpr size_t kColumns = kPanel < 8 ? 8 : kPanel;  // what LoadTransposed() needs

  void Store(size_t row, const float* sums) const {
    V::Int of_tokens[kColumns];
    V::LoadTransposed<kColumns>(of_tokens, reinterpret_cast<const uint8_t*>(sums),
                                sizeof(by_row_[0]));
    const size_t keep_begin = row < row_ ? row_ : row;
    const size_t keep_end = vector::Min(row + kTile, end_);
    for (size_t t = 0; t < n_tokens_; ++t) {
      StoreRows<1>(out_.first + t * out_.stride, {of_tokens[t]}, row, keep_begin, keep_end);
    }
  }

  const Output out_;
  const size_t n_tokens_;
  const size_t rows_;
  const size_t apart_;
  size_t row_;  // the current block's first row; the matrix's last block may begin before it
  const size_t end_;
  size_t phase_ = 0;
  alignas(64) float by_row_[kMaxApart * kTile][kColumns] = {};
};

// For each lane of a register with sums of kPanel tokens: its row in the tile, and its token.
template <size_t kPanel>
struct Lanes {
  constexpr Lanes() {
    for (size_t i = 0; i < kPanel; ++i) {
      for (size_t lane = 0; lane < V::kLanes; ++lane) {
        rows[i][lane] = static_cast<int32_t>((i * V::kLanes + lane) / kPanel);
        tokens[lane] = static_cast<int32_t>(lane % kPanel);
      }
    }
  }
  alignas(64) int32_t rows[kPanel][V::kLanes] = {};
  alignas(64) int32_t tokens[V::kLanes] = {};
};
template <size_t kPanel>
constexpr Lanes<kPanel> kLanesOf;

// The sums of a step, and their scales.
template <size_t kPanel>
struct FewSums {
  V::Int* sums;          // kPanel registers
  const float* weights;  // scales of the tile's rows
  const float* tokens;   // scales of the tokens

  // acc += (float(sums) * weights) * tokens, for a quarter of the registers.
  template <size_t kQuarter>
  [[gnu::always_inline]] void Scale(V::Reg* acc, V::Reg of_tokens) const {
    constexpr size_t kPart = kPanel / 4;
#pragma GCC unroll 4
    for (size_t i = kPart * kQuarter; i < kPart * (kQuarter + 1); ++i) {
      AddScaled(&acc[i], sums[i], OfWeights(i), of_tokens);
    }
  }
  [[gnu::always_inline]] V::Reg OfWeights(size_t i) const {
    if constexpr (kPanel == kTile) return V::Set1(weights[i]);
    return V::Permute(V::Load(weights), V::LoadInt(kLanesOf<kPanel>.rows[i]));
  }
  [[gnu::always_inline]] V::Reg OfTokens(uint16_t lanes) const {
    const V::Reg scales = V::LoadLanes(tokens, lanes);
    if constexpr (kPanel == kTile) return scales;
    return V::Permute(scales, V::LoadInt(kLanesOf<kPanel>.tokens));
  }
};

// The operands of a step: a group of a tile's rows, and of the tokens.
struct FewOperands {
  const uint8_t* weights;
  const int8_t* q;
};

// A pipeline whose steps are the groups of tiles: the sums of one step are computed while those of
// the step before are stored, and those of the one before that are scaled. No member's address is
// taken, so that the compiler keeps all of them in registers.
template <size_t kGroup, size_t kPanel>
class FewPipeline {
 public:
  // Rows of weights are `stride` bytes apart, and `groups` steps make a tile.
  FewPipeline(const FewOperands& first, size_t stride, size_t groups, size_t n_tokens,
              V::Int (&sums)[2][kPanel], FewResults<kPanel>* results)
      : stride_(stride),
        groups_(groups),
        lanes_(static_cast<uint16_t>((1u << n_tokens) - 1)),
        results_(results),
        one_ago_{sums[0], kNothing, kNothing},
        two_ago_{sums[1], kNothing, kNothing},
        steps_left_(groups + 2) {
#pragma GCC unroll 16
    for (V::Reg& sum : acc_) sum = V::Set1(0);
    ZeroTile<kSumTile>();
    Load(first);
  }

  // Computes the step whose operands are loaded, and loads those of the next. Prefetches lines
  // ahead.
  [[gnu::always_inline]] void Step(const float* weight_scales, const float* token_scales,
                                   const FewOperands& next, PairPrefetch ahead) {
    const auto prefetch = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (size_t i = 0; i < kGroup / 16; ++i) ahead.Next();
    };
    const V::Reg of_tokens = two_ago_.OfTokens(lanes_);
    StoreTile<kSumTile>(one_ago_.sums, kRowBytes);
    ZeroTile<kSumTile>();
    AddTileProducts<kSumTile, kWeightTile, kTokenTile>();
    two_ago_.template Scale<0>(acc_, of_tokens);
    prefetch();
    Load(next);
    two_ago_.template Scale<1>(acc_, of_tokens);
    prefetch();
    two_ago_.template Scale<2>(acc_, of_tokens);
    prefetch();
    two_ago_.template Scale<3>(acc_, of_tokens);
    prefetch();
    Advance({two_ago_.sums, weight_scales, token_scales});
  }

  // Completes the steps that are still in the pipeline.
  [[gnu::always_inline]] void Finish() {
    StoreTile<kSumTile>(one_ago_.sums, kRowBytes);
    for (size_t i = 0; i < 2; ++i) {
      const V::Reg of_tokens = two_ago_.OfTokens(lanes_);
      two_ago_.template Scale<0>(acc_, of_tokens);
      two_ago_.template Scale<1>(acc_, of_tokens);
      two_ago_.template Scale<2>(acc_, of_tokens);
      two_ago_.template Scale<3>(acc_, of_tokens);
      Advance({two_ago_.sums, kNothing, kNothing});
    }
  }

 private:
  static constexpr size_t kSumTile = kSumTiles[0][0];
  static constexpr size_t kTokenTile = kTokenTiles[0];
  static constexpr size_t kWeightTile = kWeightTiles[0];
  static constexpr size_t kRowBytes = kPanel * sizeof(float);  // of sums, or four columns of int8
  // The scales before the first step and after the last one, whose sums are 0 as well.
  alignas(64) static constexpr float kNothing[kTile] = {};

  [[gnu::always_inline]] void Load(const FewOperands& operands) const {
    LoadTile<kWeightTile>(operands.weights, stride_);
    LoadTile<kTokenTile>(operands.q, kRowBytes);
  }

  [[gnu::always_inline]] void Advance(const FewSums<kPanel>& now) {
    two_ago_ = one_ago_;
    one_ago_ = now;
    if (--steps_left_ > 0) return;
    steps_left_ = groups_;
    alignas(64) float tile[kPanel][V::kLanes];
#pragma GCC unroll 16
    for (size_t i = 0; i < kPanel; ++i) {
      V::Store(tile[i], acc_[i]);
      acc_[i] = V::Set1(0);
    }
    results_->Take(tile[0]);
  }

  const size_t stride_;
  const size_t groups_;
  const uint16_t lanes_;
  FewResults<kPanel>* const results_;
  FewSums<kPanel> one_ago_;
  FewSums<kPanel> two_ago_;
  size_t steps_left_;  // until acc_ holds a tile's results
  V::Reg acc_[kPanel];
};

// Computes the results of rows [begin, end), in blocks of kTile * apart.
template <size_t kGroup, size_t kPanel>
void MultiplyFew(const Output& out, const Int8Groups& x, const Matrix& w, size_t apart,
                 size_t begin, size_t end) {
  // Copies, as the compiler reloads what is in memory after each tile instruction.
  const size_t cols = w.cols;
  const size_t groups = cols / kGroup;
  const size_t stride = cols * apart;
  const size_t n_rows = kTile * apart;
  const size_t n_tokens = x.n_tokens;
  const uint8_t* const weights = w.data;
  const int8_t* const q = x.q;
  const size_t last_block = w.rows - n_rows;
  ScalesOfTiles scales;
  FewResults<kPanel> results(out, x, w, apart, begin, end);
  V::Int sums[2][kPanel] = {};
  FewPipeline<kGroup, kPanel> pipeline({weights + vector::Min(begin, last_block) * cols, q}, stride,
                                       groups, n_tokens, sums, &results);
  for (size_t row = begin; row < end; row += n_rows) {
    const size_t first = vector::Min(row, last_block);
    const uint8_t* const block = weights + first * cols;
    const uint8_t* next_scales = vector::ScalesFrom(w, first + n_rows);
    for (size_t phase = 0; phase < apart; ++phase) {
      scales.StartTile(w, first + phase, apart, groups, w.group_size / kGroup);
      // After a matrix's last tile this is not used, but must be readable.
      const uint8_t* const next_tile = phase + 1 < apart
                                           ? block + (phase + 1) * cols
                                           : weights + vector::Min(row + n_rows, last_block) * cols;
      const float* token_scales = x.scales;
      const float* weight_scales = nullptr;
      size_t k = phase * cols;
      for (size_t g = 0; g < groups; ++g, k += kGroup) {
        if (g % ScalesOfTiles::kAtOnce == 0) {
          weight_scales = scales.Next(vector::Min(groups - g, ScalesOfTiles::kAtOnce));
        }
        PrefetchLine(next_scales);  // one line per step
        next_scales += kLine;
        const bool last = g + 1 == groups;
        const FewOperands next = {last ? next_tile : block + k + kGroup,
                                  last ? q : q + (g + 1) * kGroup * kPanel};
        pipeline.Step(weight_scales, token_scales, next,
                      vector::AheadOfTile<V::kLanes, kGroup / 4>(block, k, stride, kIntelServer));
        weight_scales += kTile;
        token_scales += n_tokens;
      }
    }
  }
  pipeline.Finish();
}

}  // namespace
}  // namespace clamma::amx

#endif  // CLAMMA_KERNELS_AMX_FEW_TOKENS_H_
