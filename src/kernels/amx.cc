// SPDX-License-Identifier: MIT
// The tile unit multiplies (m, 64) int8 by (64, n), with m, n <= 16, in 16 cycles, where AVX-512's
// dot products take 128 for the same. Its first operand is a group of the tokens as it lies in
// memory; its second a group of 16 rows of weights, transposed while they are wanted. The sums go
// through memory to the vector unit, which scales them, and is what bounds the whole. (Intel 64 and
// IA-32 Architectures Optimization Reference Manual, chapter 20)
#include "kernels/amx.h"

#include "kernels/avx512.h"
#include "kernels/avx512_q80.h"

namespace clamma {
namespace {

using V = Avx512;

constexpr size_t kTile = 16;  // tokens, or rows of weights, of a tile
// Fewer wait for their weights from memory: for 8 and 12 tokens this was slower than the vector
// unit, and for 16 no sooner, but by a kernel of their own.
constexpr size_t kFewestTokens = 17;

// The tile registers: sums of two steps for two tiles of rows, a tile of tokens, weights of two
// tiles of rows. Their instructions are in assembly, as GCC's functions for them want a literal for
// a register, and tell the compiler nothing of the memory that they touch.
constexpr size_t kSums[2][2] = {{0, 1}, {2, 3}};  // [step % 2][tile of rows]
constexpr size_t kTokens = 4;
constexpr size_t kWeights[2] = {5, 6};

template <size_t kRegister>
inline void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kRegister));
}
template <size_t kRegister>
inline void LoadTile(const void* rows, size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(rows), "r"(stride), "i"(kRegister)
               : "memory");
}
template <size_t kRegister>
inline void StoreTile(void* rows, size_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(rows), "r"(stride), "i"(kRegister)
               : "memory");
}
template <size_t kSum, size_t kA, size_t kB>
inline void AddTileProducts() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
}

// The registers' shapes for n tokens at a time and groups of `group`, while it lives.
class TileShapes {
 public:
  TileShapes(size_t n, size_t group) {
    for (const auto& registers : kSums) {
      for (const size_t sums : registers) Set(sums, n, sizeof(V::Int));
    }
    Set(kTokens, n, group);
    for (const size_t weights : kWeights) Set(weights, group / 4, sizeof(V::Int));
    asm volatile("ldtilecfg %0" : : "m"(shapes_));
  }
  TileShapes(const TileShapes&) = delete;
  TileShapes& operator=(const TileShapes&) = delete;
  ~TileShapes() { asm volatile("tilerelease"); }

 private:
  // As the instruction wants it.
  struct Shapes {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static_assert(sizeof(Shapes) == 64);

  void Set(size_t tile, size_t rows, size_t row_bytes) {
    shapes_.rows[tile] = static_cast<uint8_t>(rows);
    shapes_.row_bytes[tile] = static_cast<uint16_t>(row_bytes);
  }

  Shapes shapes_;
};

// What scales the sums of a tile of n tokens, the first `skip` of which the tile before has added.
template <size_t kTiles>
struct Scaling {
  // acc[t] += (float(sums[t]) * weight_scales) * scales[t], for tokens 4 * kQuarter and three more.
  template <size_t kQuarter, bool kWhole>
  [[gnu::always_inline]] void Add(const V::Int (*sums)[kTile]) const {
    const V::Reg row_scales[2] = {weight_scales[0], weight_scales[kTiles - 1]};
    const auto add = [&](size_t t) {
#pragma GCC unroll 2
      for (size_t r = 0; r < kTiles; ++r) {
        const V::Reg scaled = V::Mul(V::ToFloat(sums[r][t]), row_scales[r]);
        acc[t][r] = V::Add(acc[t][r], V::Mul(scaled, V::Set1(scales[t])));
      }
    };
    constexpr size_t kBegin = 4 * kQuarter;
    constexpr size_t kEnd = kBegin + 4;
    if constexpr (kWhole) {
#pragma GCC unroll 4
      for (size_t t = kBegin; t < kEnd; ++t) add(t);
    } else {
      for (size_t t = skip < kBegin ? kBegin : skip; t < vector::Least(n, kEnd); ++t) add(t);
    }
  }

  void AddAll(const V::Int (*sums)[kTile]) const {
    Add<0, false>(sums);
    Add<1, false>(sums);
    Add<2, false>(sums);
    Add<3, false>(sums);
  }
  bool whole() const { return skip == 0 && n == kTile; }

  V::Reg (*acc)[kTiles] = nullptr;
  const float* scales = nullptr;
  V::Reg weight_scales[kTiles] = {};
  size_t skip = 0;
  size_t n = 0;
};

// Steps of a tile of tokens each, of which three are under way: one's sums are computed, those of
// the one before stored, and those of the one before that scaled.
template <size_t kGroup, size_t kTiles>
class Pipeline {
 public:
  // The group of the tokens at q with the weights at hand.
  [[gnu::always_inline]] void Step(const int8_t* q, const Scaling<kTiles>& scaling) {
    if (odd_) {
      StepOf<1>(q, scaling);
    } else {
      StepOf<0>(q, scaling);
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
  [[gnu::always_inline]] void StepOf(const int8_t* q, const Scaling<kTiles>& scaling) {
    Scaling<kTiles>& waiting = waiting_[kStep];
    if (waiting.whole()) {
      Interleave<kStep, true>(q, waiting);
    } else {
      Interleave<kStep, false>(q, waiting);
    }
    // Member by member: a copy of the whole would wait for what was just written of it.
    waiting.acc = scaling.acc;
    waiting.scales = scaling.scales;
    for (size_t r = 0; r < kTiles; ++r) waiting.weight_scales[r] = scaling.weight_scales[r];
    waiting.skip = scaling.skip;
    waiting.n = scaling.n;
  }
  // In small pieces, as both units share ports, and what waits for one keeps the other's work out
  // of the scheduler.
  template <size_t kStep, bool kWhole>
  [[gnu::always_inline]] void Interleave(const int8_t* q, const Scaling<kTiles>& waiting) {
    waiting.template Add<0, kWhole>(sums_[kStep]);
    Store<1 - kStep, 0>();
    waiting.template Add<1, kWhole>(sums_[kStep]);
    LoadTile<kTokens>(q, kGroup);
    Multiply<kStep, 0>();
    waiting.template Add<2, kWhole>(sums_[kStep]);
    if constexpr (kTiles == 2) Store<1 - kStep, 1>();
    waiting.template Add<3, kWhole>(sums_[kStep]);
    if constexpr (kTiles == 2) Multiply<kStep, 1>();
  }
  // The older one's sums are in memory, the other's in tiles.
  template <size_t kStep>
  void FinishFrom() {
    waiting_[kStep].AddAll(sums_[kStep]);
    Store<1 - kStep, 0>();
    if constexpr (kTiles == 2) Store<1 - kStep, 1>();
    waiting_[1 - kStep].AddAll(sums_[1 - kStep]);
  }
  template <size_t kStep, size_t kRows>
  static void Multiply() {
    ZeroTile<kSums[kStep][kRows]>();
    AddTileProducts<kSums[kStep][kRows], kTokens, kWeights[kRows]>();
  }
  template <size_t kStep, size_t kRows>
  void Store() {
    StoreTile<kSums[kStep][kRows]>(sums_[kStep][kRows], sizeof(V::Int));
  }

  V::Int sums_[2][kTiles][kTile] = {};
  Scaling<kTiles> waiting_[2];  // at first there is nothing to scale: n is 0
  bool odd_ = false;
};

// Asks for what will be wanted some groups later, in equal parts. It goes to the second-level
// cache: of rows that lie 2048 bytes apart, the first-level one could not hold 32 lines.
class WeightsAhead {
 public:
  // The same column of n_rows rows of a matrix, in so many parts.
  WeightsAhead(const uint8_t* rows, size_t column, size_t cols, size_t n_rows, size_t parts)
      : next_(rows + column + kAhead + (column + kAhead < cols ? 0 : (n_rows - 1) * cols)),
        cols_(cols),
        part_((n_rows + parts - 1) / parts) {}

  void RequestPart() {
    for (size_t i = 0; i < part_; ++i, next_ += cols_) __builtin_prefetch(next_, 0, 2);
  }

 private:
  static constexpr size_t kAhead = 1024;  // bytes

  const uint8_t* next_;
  size_t cols_;
  size_t part_;
};

// kTiles tiles of rows from `row` on for up to kMostTokens tokens from `first` on; only results of
// [keep_begin, keep_end) are kept.
template <size_t kGroup, size_t kTiles>
void MultiplyRows(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row, size_t keep_begin, size_t keep_end, size_t first) {
  constexpr size_t kSteps = kGroup / 4;
  constexpr size_t kRows = kTiles * kTile;
  const size_t groups = w.cols / kGroup;
  const uint8_t* rows = w.data + row * w.cols;
  vector::RowScales<V> row_scales[kTiles];
  for (size_t r = 0; r < kTiles; ++r) {
    row_scales[r].Start(w, row + r * kTile, 1, groups, w.group_size / kGroup);
  }
  vector::TokenSums<V, kTiles, vector::kMostTokens, true> total(
      vector::Least(x.n_tokens - first, vector::kMostTokens));
  const size_t at_once = vector::Least(total.n, kTile);
  const size_t parts = (total.n + kTile - 1) / kTile;
  Pipeline<kGroup, kTiles> pipeline;
  for (size_t g = 0; g < groups; ++g) {
    Scaling<kTiles> scaling;
    scaling.n = at_once;
    V::Int weights[kTiles][kSteps];
    for (size_t r = 0; r < kTiles; ++r) {
      scaling.weight_scales[r] = row_scales[r].Next();
      V::LoadTransposed<kSteps>(weights[r], rows + g * kGroup + r * kTile * w.cols, w.cols);
    }
    LoadTile<kWeights[0]>(weights[0], sizeof(V::Int));
    if constexpr (kTiles == 2) LoadTile<kWeights[1]>(weights[1], sizeof(V::Int));
    WeightsAhead ahead(rows, g * kGroup, w.cols, kRows, parts);
    const vector::TokenGroups tokens(x, g, first);
    for (size_t t = 0; t < total.n; t += kTile) {
      ahead.RequestPart();
      // The last ones begin early enough to be whole.
      const size_t from = vector::Least(t, total.n - at_once);
      scaling.acc = total.acc + from;
      scaling.scales = tokens.scales + from;
      scaling.skip = t - from;
      pipeline.Step(tokens.q + from * kGroup, scaling);
    }
  }
  pipeline.Finish();
  total.Store(out + first * out_stride, out_stride, row, 1, keep_begin, keep_end);
}

template <size_t kGroup>
void MatmulGroups(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  for (size_t first = 0; first < x.n_tokens; first += vector::kMostTokens) {
    const TileShapes shapes(vector::Least(x.n_tokens - first, kTile), kGroup);
    const auto multiply = [&]<size_t kTiles>(size_t from, size_t to) {
      vector::ForEachBlock(w, kTiles * kTile, from, to, [&](size_t row, size_t begin, size_t end) {
        MultiplyRows<kGroup, kTiles>(out, out_stride, x, w, row, begin, end, first);
      });
    };
    const size_t middle = row_end - (row_end - row_begin) % (2 * kTile);
    multiply.template operator()<2>(row_begin, middle);
    multiply.template operator()<1>(middle, row_end);
  }
}

}  // namespace

void MatmulQ80Amx(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  if (x.n_tokens >= kFewestTokens && w.rows >= kTile) {
    if (x.group == 64) return MatmulGroups<64>(out, out_stride, x, w, row_begin, row_end);
    if (x.group == 32) return MatmulGroups<32>(out, out_stride, x, w, row_begin, row_end);
  }
  MatmulQ80Avx512(out, out_stride, x, w, row_begin, row_end);
}

}  // namespace clamma
