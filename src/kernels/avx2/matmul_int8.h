// SPDX-License-Identifier: MIT
// Multiplies int8 matrices by several tokens, for AVX2 without an instruction for int8 dot
// products.
//
// vpmaddwd multiplies 16-bit numbers and adds pairs of the products exactly. vpmaddubsw multiplies
// twice as many 8-bit numbers, but saturates unless one factor's sign is moved to the other for
// each product. Tokens are therefore quantised to 16 bits, and weights are widened as they are
// transposed, both in the order that widening produces. The tokens' layout is int16, (cols / group,
// n_tokens, group / 32, 2, 16): of each 32 columns first those at even places, then those at odd
// ones.
#ifndef CLAMMA_KERNELS_AVX2_MATMUL_INT8_H_
#define CLAMMA_KERNELS_AVX2_MATMUL_INT8_H_

#include "kernels/skeletons/activations.h"
#include "kernels/skeletons/matmul_int8.h"
#include "kernels/units/avx2.h"

namespace clamma {
namespace {
namespace avx2 {

constexpr size_t kWidened = 32;  // columns that are widened together; also the smaller group size
constexpr size_t kMaxGroup = 64;
constexpr size_t kWideBytes = 2;
constexpr size_t kMaxTiles = 8;

inline __m256i LoadBytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

struct Halves {
  __m256i even;
  __m256i odd;
};
// The int8 at even places and at odd ones as 16 bits. (In each pair, one of the products is by 0.)
inline Halves Widen(__m256i bytes) {
  return {_mm256_maddubs_epi16(_mm256_set1_epi16(0x0001), bytes),
          _mm256_maddubs_epi16(_mm256_set1_epi16(0x0100), bytes)};
}

// sum += a * b, pair by pair. In assembly, as compilers reorder sums and then have no registers for
// the intermediate results.
[[gnu::always_inline]] inline void AddProducts(__m256i& sum, __m256i a, const int8_t* b) {
  __m256i products;
  asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
      : "+x"(sum), "=&x"(products)
      : "x"(a), "m"(*reinterpret_cast<const int8_t(*)[sizeof(__m256i)]>(b)));
}

// --- Tokens ---

inline void QuantizeWide(const Int8Groups& out, size_t g_begin, size_t g_end) {
  const size_t group = out.group;
  vector::QuantizeBy<Avx2>(out, g_begin, g_end, [&](size_t at, const float* in) {
    alignas(32) int8_t q[kMaxGroup];
    vector::QuantizeGroup<Avx2>(q, out.sums + at, in, group, out.scales[at]);
    auto* to = reinterpret_cast<__m256i*>(out.q + at * group * kWideBytes);
    for (size_t k = 0; k < group; k += kWidened, to += 2) {
      const Halves halves = Widen(LoadBytes(q + k));
      _mm256_storeu_si256(to, halves.even);
      _mm256_storeu_si256(to + 1, halves.odd);
    }
  });
}

// --- Weights ---

// kGroup columns of kTiles times 8 rows, one row per lane. steps[s][r] holds, of tile r's rows, the
// two columns whose numbers a token has at byte 4s.
template <size_t kGroup, size_t kTiles>
struct WideTiles {
  static constexpr size_t kSteps = kGroup / 2;

  void Load(const uint8_t* rows, size_t stride) {
    for (size_t r = 0; r < kTiles; ++r, rows += Avx2::kLanes * stride) {
      for (size_t k = 0; k < kGroup; k += kWidened) {
        __m256i fours[kWidened / 4];
        Avx2::LoadTransposed<kWidened / 4>(fours, rows + k, stride);
        const size_t s = k / 2;
#pragma GCC unroll 8
        for (size_t i = 0; i < kWidened / 4; ++i) {
          const Halves halves = Widen(fours[i]);
          steps[s + i][r] = halves.even;
          steps[s + kWidened / 4 + i][r] = halves.odd;
        }
      }
    }
  }

  __m256i steps[kSteps][kTiles];
};

// --- A few tokens ---

// Each row is read as it lies in memory. All rows of a block are multiplied by a piece of the
// tokens before the next piece, so that the piece stays in the first-level cache. Tokens are lanes.
constexpr size_t kMaxFew = Avx2::kLanes;
constexpr size_t kBlockRows = 16;
constexpr size_t kPieceBytes = 16384;  // bytes of tokens in a piece

// The scales of a row's groups from g on. share_ groups of activations share one scale of the
// weights.
class ScaleStream {
 public:
  ScaleStream(const Matrix& w, size_t group, uint64_t row, size_t g)
      : share_(w.group_size / group) {
    const uint64_t first = row * (w.cols / group) + g;
    at_ = w.scales + 4 * (share_ == 1 ? first : first / share_);
    left_ = share_ == 1 ? 1 : share_ - first % share_;
  }
  float Next() {
    const float scale = LoadF32(at_);
    if (--left_ == 0) {
      left_ = share_;
      at_ += 4;
    }
    return scale;
  }

 private:
  const uint8_t* at_;
  size_t left_;
  size_t share_;
};

// The dot products of a group of weights and kTokens tokens, one token per lane. The sums of two
// tokens are joined as soon as both are known: shuffles use ports that products leave idle.
template <size_t kGroup, size_t kTokens>
struct TokenDots {
  static constexpr size_t kHalves = kGroup / 16;

  explicit TokenDots(const uint8_t* weights) {
#pragma GCC unroll 2
    for (size_t k = 0; k < kGroup; k += kWidened) {
      const Halves halves = Widen(LoadBytes(weights + k));
      wide[k / 16] = halves.even;
      wide[k / 16 + 1] = halves.odd;
    }
  }

  template <size_t kToken>
  __m256i Dot(const int8_t* q) const {
    if constexpr (kToken >= kTokens) return _mm256_setzero_si256();
    const int8_t* x = q + kToken * kGroup * kWideBytes;
    __m256i dot = _mm256_madd_epi16(wide[0], LoadBytes(x));
#pragma GCC unroll 4
    for (size_t i = 1; i < kHalves; ++i) AddProducts(dot, wide[i], x + i * sizeof(__m256i));
    return dot;
  }
  template <size_t kToken>
  __m256i Two(const int8_t* q) const {
    return JoinTwo(Dot<kToken>(q), Dot<kToken + 1>(q));
  }
  template <size_t kToken>
  __m256i Four(const int8_t* q) const {
    const __m256i a = Two<kToken>(q);
    return JoinFour(a, kToken + 2 < kTokens ? Two<kToken + 2>(q) : a);
  }
  [[gnu::always_inline]] __m256i All(const int8_t* q) const {
    const __m256i a = Four<0>(q);
    if constexpr (kTokens <= 4) return _mm256_add_epi32(a, _mm256_permute2x128_si256(a, a, 1));
    return JoinEight(a, Four<4>(q));
  }

  __m256i wide[kHalves];
};

// sums (8) += (float(dot) * its weights' scale) * its tokens' scale, for groups [g_begin, g_end) of
// a row and kTokens tokens from `first` on, one per lane. Prefetches the corresponding lines of the
// next block.
template <size_t kGroup, size_t kTokens>
[[gnu::noinline]] void MultiplyPiece(float* sums, const Int8Groups& x, const Matrix& w, size_t row,
                                     size_t first, size_t g_begin, size_t g_end) {
  ScaleStream scales(w, kGroup, row, g_begin);
  const uint8_t* weights = w.data + row * w.cols;
  __m256 acc = _mm256_load_ps(sums);
  for (size_t g = g_begin; g < g_end; ++g) {
    const size_t at = g * x.n_tokens + first;
    const uint8_t* line = weights + g * kGroup;
    PrefetchLine<CacheLevel::kSecond>(line + kBlockRows * w.cols);
    const __m256i dots = TokenDots<kGroup, kTokens>(line).All(x.q + at * kGroup * kWideBytes);
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dots), _mm256_set1_ps(scales.Next()));
    const __m256 x_scales = kTokens == Avx2::kLanes ? _mm256_loadu_ps(x.scales + at)
                                                    : Avx2::LoadFirst(x.scales + at, kTokens);
    acc = _mm256_add_ps(acc, _mm256_mul_ps(scaled, x_scales));
  }
  _mm256_store_ps(sums, acc);
}

// Computes the results of rows [row_begin, row_end), at most kBlockRows, for n tokens from `first`
// on. multiply_piece is the MultiplyPiece() for n tokens.
template <size_t kGroup>
void MultiplyRows(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                  size_t row_begin, size_t row_end, size_t first, size_t n,
                  decltype(MultiplyPiece<kGroup, 1>)* multiply_piece) {
  const size_t groups = w.cols / kGroup;
  const size_t piece = kPieceBytes / (n * kGroup * kWideBytes);
  alignas(32) float sums[kBlockRows][Avx2::kLanes] = {};
  for (size_t g = 0; g < groups; g += piece) {
    const size_t end = vector::Min(g + piece, groups);
    for (size_t row = row_begin; row < row_end; ++row) {
      multiply_piece(sums[row - row_begin], x, w, row, first, g, end);
    }
  }
  for (size_t t = 0; t < n; ++t) {
    float* to = out + (first + t) * out_stride;
    for (size_t row = row_begin; row < row_end; ++row) to[row] = sums[row - row_begin][t];
  }
}

// Multiplies kMaxFew tokens at a time. Only a matrix of fewer than 8 rows has more tokens here.
template <size_t kGroup>
void MatmulFew(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
               size_t row_begin, size_t row_end) {
  for (size_t first = 0; first < x.n_tokens; first += kMaxFew) {
    const size_t n = vector::Min(x.n_tokens - first, kMaxFew);
    auto* multiply_piece = MultiplyPiece<kGroup, 1>;
    vector::WithCount<kMaxFew>(
        n, [&]<size_t kTokens>() { multiply_piece = MultiplyPiece<kGroup, kTokens>; });
    for (size_t row = row_begin; row < row_end; row += kBlockRows) {
      const size_t end = vector::Min(row + kBlockRows, row_end);
      MultiplyRows<kGroup>(out, out_stride, x, w, row, end, first, n, multiply_piece);
    }
  }
}

// --- Many tokens ---

using Sums = float[kMaxTiles * Avx2::kLanes];  // the sums of one token

// A group of n tokens: q (n, group) as int16 in the layout above, scales (n).
struct WideTokens {
  const int8_t* q;
  const float* scales;
  size_t n;
};

// Lines go to the second-level cache: the rows of all tiles would displace each other in the first.
using Prefetch = LinePrefetch<CacheLevel::kSecond>;

// sums[t] += (float(tiles . token t) * weight_scales) * token t's scale. sums (x.n)
template <size_t kGroup, size_t kTiles>
[[gnu::noinline]] void MultiplyTokens(Sums* sums, const WideTiles<kGroup, kTiles>& tiles,
                                      const __m256 (&weight_scales)[kTiles], const WideTokens& x,
                                      Prefetch ahead) {
  const size_t few = (ahead.left + x.n - 1) / x.n;
  for (size_t t = 0; t < x.n; ++t) {
    ahead.Next(few);
    const int8_t* q = x.q + t * kGroup * kWideBytes;
    __m256i dots[kTiles];
#pragma GCC unroll 8
    for (size_t r = 0; r < kTiles; ++r) dots[r] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (size_t s = 0; s < kGroup / 2; ++s) {
      int32_t pair = 0;
      __builtin_memcpy(&pair, q + 4 * s, sizeof(pair));
      const __m256i everywhere = _mm256_set1_epi32(pair);
#pragma GCC unroll 8
      for (size_t r = 0; r < kTiles; ++r) {
        // AddProducts(), written out: GCC 12 copies its sums back and forth in this loop.
        __m256i products;
        asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
            : "+x"(dots[r]), "=&x"(products)
            : "x"(everywhere), "m"(tiles.steps[s][r]));
      }
    }
    const __m256 scale = _mm256_set1_ps(x.scales[t]);
#pragma GCC unroll 8
    for (size_t r = 0; r < kTiles; ++r) {
      float* sum = sums[t] + r * Avx2::kLanes;
      const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[r]), weight_scales[r]);
      _mm256_store_ps(sum, _mm256_add_ps(_mm256_load_ps(sum), _mm256_mul_ps(scaled, scale)));
    }
  }
}

// Multiplies kTiles tiles of rows from `row` on by up to kMaxTokens tokens from `first` on. Stores
// only the results of rows [keep_begin, keep_end).
template <size_t kGroup, size_t kTiles>
void MultiplyBlock(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w, size_t row,
                   size_t keep_begin, size_t keep_end, size_t first) {
  constexpr size_t kRows = kTiles * Avx2::kLanes;
  const size_t n = vector::Min(x.n_tokens - first, vector::kMaxTokens);
  const size_t groups = w.cols / kGroup;
  vector::RowScales<Avx2> row_scales[kTiles];
  for (size_t r = 0; r < kTiles; ++r) {
    row_scales[r].Start(w, row + r * Avx2::kLanes, 1, groups, w.group_size / kGroup);
  }
  alignas(32) Sums sums[vector::kMaxTokens];
  __builtin_memset(sums, 0, n * sizeof(sums[0]));
  const uint8_t* rows = w.data + row * w.cols;
  for (size_t g = 0; g < groups; ++g) {
    WideTiles<kGroup, kTiles> tiles;
    tiles.Load(rows + g * kGroup, w.cols);
    __m256 scales[kTiles];
    for (size_t r = 0; r < kTiles; ++r) scales[r] = row_scales[r].Next();
    const size_t at = g * x.n_tokens + first;
    MultiplyTokens(
        sums, tiles, scales, {x.q + at * kGroup * kWideBytes, x.scales + at, n},
        {vector::NextBlock(rows, g * kGroup, w.cols, kRows), kLine, kRows * kGroup / kLine});
  }
  out += first * out_stride;
  for (size_t t = 0; t < n; ++t, out += out_stride) {
    __builtin_memcpy(out + keep_begin, sums[t] + (keep_begin - row),
                     (keep_end - keep_begin) * sizeof(float));
  }
}

template <size_t kGroup>
void MatmulMany(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                size_t row_begin, size_t row_end) {
  for (size_t first = 0; first < x.n_tokens; first += vector::kMaxTokens) {
    size_t begin = row_begin;
    const auto multiply = [&]<size_t kTiles>(size_t end) {
      constexpr size_t kRows = kTiles * Avx2::kLanes;
      vector::ForEachBlock(w, kRows, begin, end, [&](size_t row, size_t from, size_t to) {
        MultiplyBlock<kGroup, kTiles>(out, out_stride, x, w, row, from, to, first);
      });
      begin = end;
    };
    const auto whole = [&](size_t n_rows) { return row_end - (row_end - begin) % n_rows; };
    multiply.template operator()<kMaxTiles>(whole(kMaxTiles * Avx2::kLanes));
    multiply.template operator()<kMaxTiles / 2>(whole(kMaxTiles / 2 * Avx2::kLanes));
    multiply.template operator()<1>(row_end);
  }
}

// --- The table's functions ---

template <size_t kGroup>
void MatmulWide(float* out, size_t out_stride, const Int8Groups& x, const Matrix& w,
                size_t row_begin, size_t row_end) {
  const bool few = x.n_tokens <= kMaxFew || w.rows < Avx2::kLanes;
  const auto matmul = few ? MatmulFew<kGroup> : MatmulMany<kGroup>;
  matmul(out, out_stride, x, w, row_begin, row_end);
}

// One token stays int8 (matvec_int8.h): reading the weights from memory takes longer than
// multiplying.
inline bool IsWide(size_t n_tokens, size_t group) {
  return n_tokens >= 2 && (group == kMaxGroup || group == kWidened);
}
inline uint64_t BytesOfQ(size_t n_tokens, size_t cols, size_t group) {
  return uint64_t{n_tokens} * cols * (IsWide(n_tokens, group) ? kWideBytes : 1);
}
inline uint64_t Int8Bytes(size_t n_tokens, size_t cols, size_t group) {
  return Int8GroupsBytes(BytesOfQ(n_tokens, cols, group), n_tokens, cols, group);
}
inline Int8Groups GroupsOf(const Activations& x) {
  return Int8GroupsOf(x, BytesOfQ(x.n_tokens, x.cols, x.group));
}

inline void QuantizeInt8(const Activations& x, size_t begin, size_t end) {
  const auto quantize = IsWide(x.n_tokens, x.group) ? QuantizeWide : vector::QuantizeGroups<Avx2>;
  quantize(GroupsOf(x), begin, end);
}

inline void MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                       size_t row_begin, size_t row_end) {
  const auto matmul = !IsWide(x.n_tokens, x.group) ? vector::MatmulGroups<Avx2, kZen3>
                      : x.group == kMaxGroup       ? MatmulWide<kMaxGroup>
                                                   : MatmulWide<kWidened>;
  matmul(out, out_stride, GroupsOf(x), w, row_begin, row_end);
}

}  // namespace avx2
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_AVX2_MATMUL_INT8_H_
