// SPDX-License-Identifier: MIT
// int8 matrices times a tile of tokens or fewer, by the tile unit: a tile of rows goes through all
// of its groups, and its sums stay in registers. Memory bounds it, so that lines are asked for
// ahead one by one between the instructions.
#ifndef CLAMMA_KERNELS_AMX_FEW_TOKENS_H_
#define CLAMMA_KERNELS_AMX_FEW_TOKENS_H_

#include "kernels/amx_tiles.h"
#include "kernels/vector_matmul_q80.h"

namespace clamma {
namespace {
namespace amx {

// Rows row, row + apart and so on of a tile, and those in between.
template <size_t kGroup>
class RowsOfFew {
 public:
  RowsOfFew(const QuantizedRows& x, const Matrix& w, size_t row, size_t apart)
      : x_(x),
        w_(w),
        row_(row),
        apart_(apart),
        groups_(w.cols / kGroup),
        rows_(w.data + row * w.cols),
        next_scales_(vector::ScalesFrom(w, row + kTile * apart)) {}

  // results[r] = those of row row + phase + r * apart, a token a lane; phases come in order.
  void Multiply(V::Reg* results, size_t phase) {
    row_scales_.Start(w_, row_ + phase, apart_, groups_, w_.group_size / kGroup);
    column_ = phase * w_.cols;
    V::Reg acc[kTile];  // of which nobody has an address, for the compiler to keep it in registers
#pragma GCC unroll 16
    for (V::Reg& sum : acc) sum = V::Set1(0);
    LoadOperands<0>(0);
    // Two groups more, as three are under way.
    for (size_t g = 0; g < groups_ + 2; g += 2) {
      Step<0>(acc, g);
      Step<1>(acc, g + 1);
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kTile; ++r) results[r] = acc[r];
  }

 private:
  template <size_t kStep>
  [[gnu::always_inline]] void LoadOperands(size_t g) const {
    LoadTile<kWeights[kStep]>(rows_ + column_ + g * kGroup, w_.cols * apart_);
    LoadTile<kTokens[kStep]>(x_.q + g * kTile * kGroup, sizeof(V::Int));
  }

  // Computes the sums of group g, if there is one, stores those of the one before, scales those of
  // the one before that, and loads what the next one wants.
  template <size_t kStep>
  [[gnu::always_inline]] void Step(V::Reg (&acc)[kTile], size_t g) {
    const bool computes = g < groups_;
    const bool scales = g >= 2 && g - 2 < groups_;
    vector::PairsAhead ahead = vector::AheadOfTile<V::kLanes, kGroup / 4>(
        rows_, column_ + g * kGroup, w_.cols * apart_, false);
    const float* const weight_scales = weight_scales_[(g + 2) % 4];
    const V::Reg token_scales =
        scales ? V::LoadFirst(x_.scales + (g - 2) * x_.n_tokens, x_.n_tokens) : V::Set1(0);
    if (computes) {
      __builtin_prefetch(next_scales_);  // a line of them with each tile
      next_scales_ += vector::kLine;
      V::Store(weight_scales_[g % 4], row_scales_.Next());
    }
    const auto quarter = [&]<size_t kQuarter>() __attribute__((always_inline)) {
      if (scales) ScaleQuarter<kQuarter>(acc, sums_[kStep], weight_scales, token_scales);
      if (!computes) return;
#pragma GCC unroll 4
      for (size_t i = 0; i < kGroup / 16; ++i) ahead.Request();
    };
    quarter.template operator()<0>();
    StoreTile<kSums[1 - kStep][0]>(sums_[1 - kStep], sizeof(V::Int));
    quarter.template operator()<1>();
    if (g + 1 < groups_) LoadOperands<1 - kStep>(g + 1);
    ZeroTile<kSums[kStep][0]>();
    AddTileProducts<kSums[kStep][0], kWeights[kStep], kTokens[kStep]>();
    quarter.template operator()<2>();
    quarter.template operator()<3>();
  }

  const QuantizedRows& x_;
  const Matrix& w_;
  const size_t row_;
  const size_t apart_;
  const size_t groups_;
  const uint8_t* const rows_;
  const uint8_t* next_scales_;
  size_t column_ = 0;
  vector::RowScales<V> row_scales_;
  V::Int sums_[2][kTile];
  alignas(64) float weight_scales_[4][kTile];  // [group % 4]
};

// Rows row, row + apart and so on of a tile and those in between, kTile * apart in all, for up to
// kTile tokens; only results of [keep_begin, keep_end) are kept.
template <size_t kGroup>
void MultiplyFew(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w, size_t row,
                 size_t apart, size_t keep_begin, size_t keep_end) {
  RowsOfFew<kGroup> rows(x, w, row, apart);
  for (size_t phase = 0; phase < apart; ++phase) {
    V::Reg results[kTile];
    rows.Multiply(results, phase);
    V::Int of_tokens[kTile];
    V::LoadTransposed<kTile>(of_tokens, reinterpret_cast<const uint8_t*>(results), sizeof(V::Reg));
    vector::TokenSums<V, 1, kTile, true> sums(x.n_tokens);
    for (size_t t = 0; t < x.n_tokens; ++t) sums.acc[t][0] = V::AsFloat(of_tokens[t]);
    sums.Store(out, out_stride, row + phase, apart, keep_begin, keep_end);
  }
}

}  // namespace amx
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_AMX_FEW_TOKENS_H_
