// SPDX-License-Identifier: MIT
// Multiplies matrices of quantised blocks by several tokens on the tile unit. The tile unit only
// computes products; the skeleton of native_matmul.h does the rest on the vector unit.
//
// A tile of native_matmul.h, transposed as it is loaded, is the tile unit's second operand: each of
// its lines has four columns of 16 rows. The first operand is a group of columns of up to 16
// tokens, as they lie in memory. The sums go through memory to the vector unit, which scales them.
#ifndef CLAMMA_KERNELS_AMX_MATMUL_BLOCKS_H_
#define CLAMMA_KERNELS_AMX_MATMUL_BLOCKS_H_

#include "kernels/amx/tiles.h"
#include "kernels/skeletons/native_matmul.h"

namespace clamma::amx {
namespace {

// The unit for tiles as the tile unit needs them: signed bytes, with the zero point subtracted.
struct TileUnit : Avx512 {
  static constexpr bool kSignedWeights = true;
  static constexpr bool kCentresWeights = true;
  static Int SubBytes(Int a, Int b) { return _mm512_sub_epi8(a, b); }
};

// Multiplies blocks of format F on the tile unit. A step is a block of 16 rows and up to 16 tokens.
// Products are added in a tile register. The register is stored when the next step's products
// begin, and the vector unit loads the sums yet another step later; earlier, it would have to wait.
template <typename F>
class BlockProducts {
 public:
  static constexpr bool kIsSuper = F::kCols == formats::kSuperBlock;
  // The stages of a small block's steps overlap with those of the next block, which has two steps
  // or more; those of a super-block end within the step.
  static constexpr size_t kTileSets = kIsSuper ? 1 : 2;
  static_assert(V::kNativeTiles >= 2);
  using Tile = native::Tile<TileUnit, F>;

  // For a pass of n tokens of x. Configures the tile registers for its lifetime.
  BlockProducts(const native::BlockActivations<F::kCols>& x, size_t n)
      : x_(x),
        n_(n),
        tokens_(vector::Min(n, kTile)),
        shapes_({tokens_, kLineBytes}, {tokens_, F::kGroup}, {F::kGroup / 4, kLineBytes}) {}

  // See VectorProducts::Multiply() of native_matmul.h. The last results are added by the next calls
  // or by Finish(): `tiles` must not change until then.
  template <size_t kTiles>  // NOLINTNEXTLINE(readability-non-const-parameter): by way of Step
  [[gnu::noinline]] void Multiply(float* accs, const Tile (&tiles)[kTiles], size_t at,
                                  native::PassPrefetch* ahead) {
    const size_t bytes_of_group = V::kLanes * F::kBytes / kGroups / ((n_ + kTile - 1) / kTile);
    for (size_t r = 0; r < kTiles; ++r) {
      for (size_t fresh = 0; fresh < n_; fresh += kTile) {
        // The last step ends with the last token, and has as many tokens as the others.
        const size_t end = vector::Min(fresh + kTile, n_);
        const Step step = {
            &tiles[r], accs + r * V::kLanes, kTiles * V::kLanes, end - tokens_, fresh, end, at};
        if constexpr (kIsSuper) {
          MultiplySuper(step, bytes_of_group, ahead);
        } else {
          ahead->Advance(bytes_of_group);
          MultiplySmall(step);
        }
      }
    }
  }

  void Finish() {
    if constexpr (!kIsSuper) {
      for (size_t i = 1; i < kUnderWay; ++i) MultiplySmall({});
    }
  }

 private:
  using L = native::Layout<TileUnit, F>;
  static constexpr size_t kLineBytes = V::kLanes * sizeof(int32_t);
  static constexpr size_t kGroups = F::kCols / F::kGroup;
  static constexpr size_t kSumTile = kSumTiles[0][0];
  static constexpr size_t kTokenTile = kTokenTiles[0];
  static constexpr size_t kWeightTile = kWeightTiles[0];
  static_assert(L::kPlanes == 1 && L::Zero() == 0);

  struct Step {
    const Tile* tile = nullptr;
    float* accs = nullptr;  // sums of the first token
    size_t stride = 0;      // floats from a token's sums to the next token's
    size_t first = 0;       // first token; only results of tokens [fresh, end) are stored
    size_t fresh = 0;
    size_t end = 0;
    size_t at = 0;  // index of token 0's block in x
  };

  // The sums of a group's products, (tokens, rows).
  struct alignas(64) GroupSums {
    int32_t of[kTile][V::kLanes];
  };

  [[gnu::always_inline]] void AddUp(const Step& step, size_t group) const {
    constexpr size_t kOfChunk = F::kChunkCols / F::kGroup;
    const auto& chunk = step.tile->chunks[group / kOfChunk];
    LoadTile<kWeightTile>(&chunk.planes[0][group % kOfChunk * L::kGroupSteps], kLineBytes);
    LoadTile<kTokenTile>(x_.q + (step.at + step.first) * F::kCols + group * F::kGroup, F::kCols);
    ZeroTile<kSumTile>();
    AddTileProducts<kSumTile, kTokenTile, kWeightTile>();
  }

  // Begins a step, stores the sums of the step before, and adds those of the one before that.
  [[gnu::always_inline]] void MultiplySmall(const Step& step) {
    StoreTile<kSumTile>(&sums_[turn_ ^ 1], kLineBytes);
    if (step.tile != nullptr) AddUp(step, 0);
    const Step done = before_;
    before_ = last_;
    last_ = step;
    const auto* sums = sums_[turn_].of + (done.fresh - done.first);
    turn_ ^= 1;
#pragma GCC unroll 4
    for (size_t t = done.fresh; t < done.end; ++t, ++sums) Add(done, t, V::LoadInt(*sums));
  }

  [[gnu::always_inline]] void FoldGroup(V::Int (&totals)[kTile], const Step& step,
                                        size_t group) const {
    const typename V::Scale scale = step.tile->scales.scales[group];
#pragma GCC unroll 16
    for (size_t t = 0; t < kTile; ++t) {
      totals[t] = V::Fold(totals[t], V::LoadInt(sums_[group % 2].of[t]), scale);
    }
  }

  // The same pipeline, group by group: while a group's products are computed, the sums of the group
  // before are stored, and those of the one before that are scaled.
  [[gnu::always_inline]] void MultiplySuper(const Step& step, size_t bytes_of_group,
                                            native::PassPrefetch* ahead) {
    V::Int totals[kTile];
#pragma GCC unroll 16
    for (V::Int& total : totals) total = V::SetInt(0);
#pragma GCC unroll 2
    for (size_t g = 0; g < kGroups; ++g) {
      ahead->Advance(bytes_of_group);
      StoreTile<kSumTile>(&sums_[(g + 1) % 2], kLineBytes);
      AddUp(step, g);
      if (g >= 2) FoldGroup(totals, step, g - 2);
    }
    StoreTile<kSumTile>(&sums_[(kGroups + 1) % 2], kLineBytes);
    FoldGroup(totals, step, kGroups - 2);
    FoldGroup(totals, step, kGroups - 1);
    GroupSums of_tokens;
#pragma GCC unroll 16
    for (size_t t = 0; t < kTile; ++t) {
      V::Store(reinterpret_cast<float*>(of_tokens.of[t]), V::AsFloat(totals[t]));
    }
    for (size_t t = step.fresh; t < step.end; ++t) {
      Add(step, t, V::LoadInt(of_tokens.of[t - step.first]));
    }
  }

  // Adds a block's total to token t's result.
  [[gnu::always_inline]] void Add(const Step& step, size_t t, V::Int total) const {
    float* acc = step.accs + t * step.stride;
    V::Store(acc, native::Finish<TileUnit, F>(V::Load(acc), total, step.tile->scales,
                                              x_.scales[step.at + t], x_.sums[step.at + t]));
  }

  const native::BlockActivations<F::kCols> x_;
  const size_t n_;
  const size_t tokens_;  // in a step
  const TileShapes shapes_;
  Step last_;
  Step before_;
  size_t turn_ = 0;
  GroupSums sums_[2] = {};
};

// With fewer tokens the vector unit alone is faster.
constexpr size_t kMinTokensOfBlocks = 9;

inline bool IsForTiles(const Activations& x, const Matrix& w) {
  return x.n_tokens >= kMinTokensOfBlocks && w.rows >= native::kMinRows<V>;
}

template <typename F>
void MatmulBlocks(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  native::MultiplySeveral<TileUnit, F, BlockProducts<F>>(out, out_stride, x, w, row_begin, row_end,
                                                         kIntelServer);
}

}  // namespace
}  // namespace clamma::amx

#endif  // CLAMMA_KERNELS_AMX_MATMUL_BLOCKS_H_
