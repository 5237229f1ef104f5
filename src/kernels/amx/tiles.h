// SPDX-License-Identifier: MIT
// The tile registers of x86-64 CPUs with AMX, and how products of int8 matrices and activations use
// them.
//
// The tile unit multiplies (m, 64) int8 by (64, n), with m, n <= 16, in 16 cycles, where AVX-512's
// dot products take 128. Its first operand is a group of 16 rows of weights as they lie in memory;
// its second operand is a group of a panel of tokens. Panels are interleaved: (cols / group,
// panels, group / 4, PanelSize(n_tokens), 4), four columns of each token of a panel in turn.
// Missing tokens of the last panel are 0. The sums go through memory to the vector unit, which
// scales them; with many tokens this limits the speed. (Intel 64 and IA-32 Architectures
// Optimization Reference Manual, chapter 20)
#ifndef CLAMMA_KERNELS_AMX_TILES_H_
#define CLAMMA_KERNELS_AMX_TILES_H_

#include "kernels/units/avx512.h"

namespace clamma::amx {
namespace {

using V = Avx512;

constexpr size_t kTile = 16;  // tokens, or rows of weights, in a tile

// Tokens fill whole panels; the rest of the last panel is 0.
constexpr size_t PanelSize(size_t n_tokens) {
  return n_tokens <= 4 ? 4 : n_tokens <= 8 ? 8 : kTile;
}
constexpr size_t InPanels(size_t n_tokens) {
  const size_t size = PanelSize(n_tokens);
  return (n_tokens + size - 1) / size * size;
}

// The number of groups in the pipeline: the sums of one are computed, those of the one before are
// stored, and those of the one before that are scaled.
constexpr size_t kUnderWay = 3;

// The destination of results: the result of a row for token t goes to first[t * stride + row].
struct Output {
  float* first;
  size_t stride;
};

// The use of the registers: the sums of two steps for two tiles of rows, the panel of tokens of
// each of the two steps, and the weights of two tiles of rows. With few tokens only the first of
// each kind is used. The instructions are in assembly, as GCC's functions for them need a literal
// for a register, and do not tell the compiler which memory they access.
constexpr size_t kSumTiles[2][2] = {{0, 1}, {2, 3}};  // [step % 2][tile of rows]
constexpr size_t kTokenTiles[2] = {4, 5};             // [step % 2]
constexpr size_t kWeightTiles[2] = {6, 7};            // [tile of rows]

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
template <size_t kRegister>
inline void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kRegister));
}
template <size_t kSum, size_t kA, size_t kB>
inline void AddTileProducts() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
}

struct TileShape {
  size_t rows;
  size_t row_bytes;
};

// Configures the shapes of the registers, by their use, for its lifetime.
class TileShapes {
 public:
  TileShapes(const TileShape& sums, const TileShape& tokens, const TileShape& weights) {
    for (const auto& registers : kSumTiles) {
      for (const size_t index : registers) Set(index, sums);
    }
    for (const size_t index : kTokenTiles) Set(index, tokens);
    for (const size_t index : kWeightTiles) Set(index, weights);
    asm volatile("ldtilecfg %0" : : "m"(shapes_));
  }
  TileShapes(const TileShapes&) = delete;
  TileShapes& operator=(const TileShapes&) = delete;
  ~TileShapes() { asm volatile("tilerelease"); }

 private:
  // The operand of ldtilecfg.
  struct Shapes {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static_assert(sizeof(Shapes) == 64);

  void Set(size_t index, const TileShape& shape) {
    shapes_.rows[index] = static_cast<uint8_t>(shape.rows);
    shapes_.row_bytes[index] = static_cast<uint16_t>(shape.row_bytes);
  }

  Shapes shapes_;
};

// acc += (float(sums) * weight_scales) * scales.
[[gnu::always_inline]] inline void AddScaled(V::Reg* acc, V::Int sums, V::Reg weight_scales,
                                             V::Reg scales) {
  *acc = V::Add(*acc, V::Mul(V::Mul(V::ToFloat(sums), weight_scales), scales));
}

// Stores a token's results of kTiles tiles of rows from `row` on, but only those of rows
// [keep_begin, keep_end).
template <size_t kTiles>
inline void StoreRows(float* out, const V::Int (&results)[kTiles], size_t row, size_t keep_begin,
                      size_t keep_end) {
  constexpr size_t kRows = kTiles * kTile;
  float kept[kRows];
  float* const to = keep_end - keep_begin == kRows ? out + row : kept;
  for (size_t i = 0; i < kTiles; ++i) V::Store(to + i * kTile, V::AsFloat(results[i]));
  if (to != kept) return;
  for (size_t at = keep_begin; at < keep_end; ++at) out[at] = kept[at - row];
}

}  // namespace
}  // namespace clamma::amx

#endif  // CLAMMA_KERNELS_AMX_TILES_H_
