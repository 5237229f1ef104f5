// SPDX-License-Identifier: MIT
// The tile unit multiplies (m, 64) int8 by (64, n), with m, n <= 16, in 16 cycles, where AVX-512's
// dot products take 128 for the same. Its first operand is a group of 16 rows of weights as they
// lie in memory; its second one of 16 tokens, four columns by four, as Quantize packs them. The
// sums go through memory to the vector unit, which scales them, and is what bounds the whole.
// (Intel 64 and IA-32 Architectures Optimization Reference Manual, chapter 20)
#include "kernels/amx.h"

#include "kernels/avx512.h"
#include "kernels/avx512_q80.h"

namespace clamma {
namespace {

using V = Avx512;

constexpr size_t kTile = kPackedTokens;  // tokens, or rows of weights, of a tile
// Fewer wait for their weights from memory: for 8 and 12 tokens this was slower than the vector
// unit, and for 16 no sooner, but by a kernel of their own.
constexpr size_t kFewestTokens = 17;

// The tile registers: sums of two steps for two tiles of rows, a tile of tokens of each, weights of
// two tiles of rows. Their instructions are in assembly, as GCC's functions for them want a literal
// for a register, and tell the compiler nothing of the memory that they touch.
constexpr size_t kSums[2][2] = {{0, 1}, {2, 3}};  // [step % 2][tile of rows]
constexpr size_t kTokens[2] = {4, 5};             // [step % 2]
constexpr size_t kWeights[2] = {6, 7};            // [tile of rows]

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

// What every sum starts from: the bits of 1.5 * 2^23, to which those of an integer below 2^22 add
// as the numbers do. So a float sum makes the sums floats again. Beside tile instructions one of
// the vector unit's two ports takes sums, but neither conversions nor products of floats.
constexpr int32_t kStartBits = 0x4b400000;
constexpr float kStart = 0x1.8p+23f;
alignas(64) constexpr int32_t kStarts[kTile] = {
    kStartBits, kStartBits, kStartBits, kStartBits, kStartBits, kStartBits, kStartBits, kStartBits,
    kStartBits, kStartBits, kStartBits, kStartBits, kStartBits, kStartBits, kStartBits, kStartBits};

// The registers' shapes for groups of `group`, while it lives.
class TileShapes {
 public:
  explicit TileShapes(size_t group) {
    for (const auto& registers : kSums) {
      for (const size_t sums : registers) Set(sums, kTile, sizeof(V::Int));
    }
    for (const size_t tokens : kTokens) Set(tokens, group / 4, sizeof(V::Int));
    for (const size_t weights : kWeights) Set(weights, kTile, group);
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

// What scales the sums of a tile of tokens, which lie row by row, a token a lane.
template <size_t kTiles>
struct Scaling {
  // acc[i][r] += (float(sums[i][r]) * weight_scales[i][r]) * scales, for rows 4 * kQuarter and
  // three more of each tile.
  template <size_t kQuarter>
  [[gnu::always_inline]] void Add(const V::Int (*sums)[kTile]) const {
    const V::Reg start = V::Set1(-kStart);
#pragma GCC unroll 4
    for (size_t r = 4 * kQuarter; r < 4 * kQuarter + 4; ++r) {
#pragma GCC unroll 2
      for (size_t i = 0; i < kTiles; ++i) {
        const V::Reg sum = V::Add(start, V::AsFloat(sums[i][r]));
        const V::Reg scaled = V::Mul(sum, V::Set1(weight_scales[i][r]));
        acc[i][r] = V::Add(acc[i][r], V::Mul(scaled, scales));
      }
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
    if constexpr (kScale) old.template Add<0>(sums_[kStep]);
    Store<1 - kStep, 0>();
    if constexpr (kScale) old.template Add<1>(sums_[kStep]);
    LoadTile<kTokens[1 - kStep]>(next_tokens, sizeof(V::Int));
    Multiply<kStep, 0>();
    if (next_weights != nullptr) next_weights->template Load<0>();
    if constexpr (kScale) old.template Add<2>(sums_[kStep]);
    if constexpr (kTiles == 2) Store<1 - kStep, 1>();
    if constexpr (kScale) old.template Add<3>(sums_[kStep]);
    if constexpr (kTiles == 2) Multiply<kStep, 1>();
    if (next_weights != nullptr) next_weights->template Load<1>();
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
    LoadTile<kSums[kStep][kRows]>(kStarts, 0);
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

// The results of up to kMostTokens tokens for kTiles tiles of rows.
template <size_t kTiles>
struct Results {
  explicit Results(size_t n_tokens) : n(n_tokens) {
    for (size_t b = 0; b < (n + kTile - 1) / kTile; ++b) {
      for (size_t i = 0; i < kTiles; ++i) {
        for (size_t r = 0; r < kTile; ++r) acc[b][i][r] = V::Set1(0);
      }
    }
  }

  // Asks for the place of those of token t, the first of which is to be at `to`.
  void Request(const float* to, size_t stride, size_t t) const {
    if (t >= n) return;
    for (size_t i = 0; i < kTiles; ++i) __builtin_prefetch(to + t * stride + i * kTile, 1);
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
        Request(out + row, out_stride, t + kAhead);
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
  Results<kTiles> results(vector::Least(x.n_tokens - first, vector::kMostTokens));
  const size_t parts = (results.n + kTile - 1) / kTile;
  const size_t packs = (x.n_tokens + kTile - 1) / kTile;
  const auto tokens_of = [&](size_t g) { return x.q + (g * packs * kTile + first) * kGroup; };
  const auto weights_of = [&](size_t g) { return Weights<kTiles>{rows + g * kGroup, w.cols}; };
  // [group % 4]: the steps of up to three groups overlap.
  alignas(64) float weight_scales[4][kTiles][kTile];
  Pipeline<kTiles> pipeline(tokens_of(0), weights_of(0));
  for (size_t g = 0; g < groups; ++g) {
    const size_t next = g + 1 < groups ? g + 1 : 0;  // after the last one of no use, but in place
    const Weights<kTiles> next_weights = weights_of(next);
    for (size_t i = 0; i < kTiles; ++i) V::Store(weight_scales[g % 4][i], row_scales[i].Next());
    WeightsAhead ahead(rows, g * kGroup, w.cols, kRows, parts);
    const int8_t* q = tokens_of(g);
    const float* scales = x.scales + g * x.n_tokens + first;
    Scaling<kTiles> scaling;
    scaling.weight_scales = weight_scales[g % 4];
    for (size_t b = 0; b < parts; ++b) {
      ahead.RequestPart();
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

// A matrix of less than a tile of rows.
void MultiplyFewRows(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                     size_t row_begin, size_t row_end) {
  const size_t groups = w.cols / x.group;
  const size_t packs = (x.n_tokens + kTile - 1) / kTile;
  for (size_t t = 0; t < x.n_tokens; ++t) {
    for (size_t row = row_begin; row < row_end; ++row) {
      float acc = 0;
      for (size_t g = 0; g < groups; ++g) {
        const uint8_t* weights = w.data + row * w.cols + g * x.group;
        const int8_t* q = x.q + (g * packs + t / kTile) * kTile * x.group + 4 * (t % kTile);
        int32_t sum = 0;
        for (size_t k = 0; k < x.group; ++k) {
          sum += static_cast<int8_t>(weights[k]) * q[k / 4 * 4 * kTile + k % 4];
        }
        float scale;
        const size_t at = (row * w.cols + g * x.group) / w.group_size;
        __builtin_memcpy(&scale, w.scales + 4 * at, 4);
        acc = acc + (static_cast<float>(sum) * scale) * x.scales[g * x.n_tokens + t];
      }
      out[t * out_stride + row] = acc;
    }
  }
}

template <size_t kGroup>
void MatmulGroups(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  const TileShapes shapes(kGroup);
  for (size_t first = 0; first < x.n_tokens; first += vector::kMostTokens) {
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

// Group g of up to a tile of tokens from t on.
template <size_t kGroup>
void QuantizePack(const QuantizedRows& out, const float* x, size_t g, size_t t) {
  const size_t n = vector::Least(out.n_tokens - t, kTile);
  const size_t at = g * out.n_tokens + t;
  const float* in = x + t * out.cols + g * kGroup;
  for (size_t i = 0; i < n; ++i) {
    // The row's next group, often in another core's cache.
    for (size_t k = 0; k < kGroup; k += 16) __builtin_prefetch(in + i * out.cols + kGroup + k);
    out.scales[at + i] = vector::ScaleOf<V>(in + i * out.cols, kGroup);
  }
  alignas(64) int8_t rows[kTile][kGroup] = {};
  for (size_t i = 0; i < n; ++i) {
    vector::QuantizeGroup<V>(rows[i], out.offsets + at + i, in + i * out.cols, kGroup,
                             out.scales[at + i]);
  }
  V::Int columns[kGroup / 4];
  V::LoadTransposed<kGroup / 4>(columns, reinterpret_cast<const uint8_t*>(rows), kGroup);
  const size_t packs = (out.n_tokens + kTile - 1) / kTile;
  int8_t* to = out.q + (g * packs * kTile + t) * kGroup;
  __builtin_memcpy(to, columns, sizeof(columns));
}

}  // namespace

bool PacksAmx(size_t n_tokens, size_t group) {
  return n_tokens >= kFewestTokens && (group == 64 || group == 32);
}

void QuantizeAmx(const QuantizedRows& out, const float* x, size_t g_begin, size_t g_end) {
  if (!out.packed) return vector::Quantize<V>(out, x, g_begin, g_end);
  for (size_t g = g_begin; g < g_end; ++g) {
    for (size_t t = 0; t < out.n_tokens; t += kTile) {
      if (out.group == 64) {
        QuantizePack<64>(out, x, g, t);
      } else {
        QuantizePack<32>(out, x, g, t);
      }
    }
  }
}

void MatmulQ80Amx(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  if (!x.packed) return MatmulQ80Avx512(out, out_stride, x, w, row_begin, row_end);
  if (w.rows < kTile) return MultiplyFewRows(out, out_stride, x, w, row_begin, row_end);
  if (x.group == 64) return MatmulGroups<64>(out, out_stride, x, w, row_begin, row_end);
  MatmulGroups<32>(out, out_stride, x, w, row_begin, row_end);
}

}  // namespace clamma
