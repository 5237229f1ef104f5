// SPDX-License-Identifier: MIT
#include "kernels/amx/matmul_int8.h"

#include "kernels/amx/few_tokens.h"
#include "kernels/amx/many_tokens.h"
#include "kernels/skeletons/activations.h"
#include "kernels/tables/avx512.h"

namespace clamma::amx {
namespace {

// With one token, the vector unit takes less time than reading the weights from memory.
constexpr size_t kMinTokens = 2;
constexpr size_t kMaxGroup = 64;

// Multiplies a matrix with fewer rows than a tile.
void MultiplyLowMatrix(const Output& out, const Int8Groups& x, const Matrix& w, size_t row_begin,
                       size_t row_end) {
  const size_t panel = PanelSize(x.n_tokens);
  for (size_t t = 0; t < x.n_tokens; ++t) {
    float acc[kTile] = {};  // of each row
    for (size_t g = 0; g < w.cols / x.group; ++g) {
      const int8_t* from = x.q + (g * InPanels(x.n_tokens) + t / panel * panel) * x.group;
      int8_t q[kMaxGroup];
      for (size_t k = 0; k < x.group; k += 4) {
        __builtin_memcpy(q + k, from + k * panel + 4 * (t % panel), 4);
      }
      for (size_t row = row_begin; row < row_end; ++row) {
        const size_t at = row * w.cols + g * x.group;
        const auto sum = static_cast<float>(portable::DotInt8(w.data + at, q, x.group));
        const float scale = LoadF32(w.scales + at / w.group_size * 4);
        acc[row] += sum * scale * x.scales[g * x.n_tokens + t];
      }
    }
    for (size_t row = row_begin; row < row_end; ++row) out.first[t * out.stride + row] = acc[row];
  }
}

template <size_t kGroup, size_t kPanel>
void MatmulFew(const Output& out, const Int8Groups& x, const Matrix& w, size_t row_begin,
               size_t row_end) {
  const auto multiply = [&](size_t apart, size_t from, size_t to) {
    if (from < to) MultiplyFew<kGroup, kPanel>(out, x, w, apart, from, to);
  };
  const size_t apart = vector::Min(vector::RowsApart(w, kGroup), kMaxApart);
  const size_t middle = row_end - (row_end - row_begin) % (kTile * apart);
  multiply(apart, row_begin, middle);
  multiply(1, middle, row_end);
}

template <size_t kGroup>
void MatmulMany(const Output& out, const Int8Groups& x, const Matrix& w, size_t row_begin,
                size_t row_end) {
  const size_t middle = row_end - (row_end - row_begin) % (2 * kTile);
  for (size_t first = 0; first < x.n_tokens; first += vector::kMaxTokens) {
    const auto multiply = [&]<size_t kTiles>(size_t from, size_t to) {
      if (from < to) MultiplyMany<kGroup, kTiles>(out, x, w, first, from, to);
    };
    multiply.template operator()<2>(row_begin, middle);
    multiply.template operator()<1>(middle, row_end);
  }
}

template <size_t kGroup>
void Matmul(const Output& out, const Int8Groups& x, const Matrix& w, size_t row_begin,
            size_t row_end) {
  const size_t panel = PanelSize(x.n_tokens);
  const size_t row_bytes = panel * sizeof(float);  // of sums, or four columns of int8 tokens
  const TileShapes shapes({kTile, row_bytes}, {kGroup / 4, row_bytes}, {kTile, kGroup});
  const auto matmul = x.n_tokens > kTile ? MatmulMany<kGroup>
                      : panel == 4       ? MatmulFew<kGroup, 4>
                      : panel == 8       ? MatmulFew<kGroup, 8>
                                         : MatmulFew<kGroup, 16>;
  matmul(out, x, w, row_begin, row_end);
}

// Quantises group g of up to kPanel tokens from t on.
template <size_t kGroup, size_t kPanel>
void QuantizePanel(const Int8Groups& out, size_t g, size_t t) {
  const size_t n = vector::Min(out.n_tokens - t, kPanel);
  const size_t at = g * out.n_tokens + t;
  const float* in = out.x + t * out.cols + g * kGroup;
  for (size_t i = 0; i < n; ++i) {
    // The row's next group is often in another core's cache.
    for (size_t k = 0; k < kGroup; k += 16) PrefetchLine(in + i * out.cols + kGroup + k);
    out.scales[at + i] = vector::ScaleOf<V>(in + i * out.cols, kGroup);
  }
  alignas(64) int8_t rows[kTile][kGroup] = {};
  for (size_t i = 0; i < n; ++i) {
    vector::QuantizeGroup<V>(rows[i], out.sums + at + i, in + i * out.cols, kGroup,
                             out.scales[at + i]);
  }
  V::Int columns[kGroup / 4];
  V::LoadTransposed<kGroup / 4>(columns, reinterpret_cast<const uint8_t*>(rows), kGroup);
  int8_t* to = out.q + (g * InPanels(out.n_tokens) + t) * kGroup;
  for (size_t k = 0; k < kGroup / 4; ++k) {
    __builtin_memcpy(to + k * 4 * kPanel, &columns[k], 4 * kPanel);
  }
}

template <size_t kGroup>
void QuantizePanels(const Int8Groups& out, size_t g_begin, size_t g_end) {
  const size_t panel = PanelSize(out.n_tokens);
  const auto quantize = panel == 4   ? QuantizePanel<kGroup, 4>
                        : panel == 8 ? QuantizePanel<kGroup, 8>
                                     : QuantizePanel<kGroup, 16>;
  for (size_t g = g_begin; g < g_end; ++g) {
    for (size_t t = 0; t < out.n_tokens; t += panel) quantize(out, g, t);
  }
}

bool IsForTiles(size_t n_tokens, size_t group) {
  return n_tokens >= kMinTokens && (group == kMaxGroup || group == 32);
}
uint64_t BytesOfQ(size_t n_tokens, size_t cols, size_t group) {
  return uint64_t{IsForTiles(n_tokens, group) ? InPanels(n_tokens) : n_tokens} * cols;
}
Int8Groups GroupsOf(const Activations& x) {
  return Int8GroupsOf(x, BytesOfQ(x.n_tokens, x.cols, x.group));
}

}  // namespace

uint64_t Int8Bytes(size_t n_tokens, size_t cols, size_t group) {
  return Int8GroupsBytes(BytesOfQ(n_tokens, cols, group), n_tokens, cols, group);
}

void QuantizeInt8(const Activations& x, size_t begin, size_t end) {
  if (!IsForTiles(x.n_tokens, x.group)) return avx512::QuantizeInt8(x, begin, end);
  const auto quantize = x.group == kMaxGroup ? QuantizePanels<kMaxGroup> : QuantizePanels<32>;
  quantize(GroupsOf(x), begin, end);
}

void MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                size_t row_begin, size_t row_end) {
  if (!IsForTiles(x.n_tokens, x.group)) {
    return avx512::MatmulInt8(out, out_stride, x, w, row_begin, row_end);
  }
  const auto matmul = w.rows < kTile         ? MultiplyLowMatrix
                      : x.group == kMaxGroup ? Matmul<kMaxGroup>
                                             : Matmul<32>;
  matmul({out, out_stride}, GroupsOf(x), w, row_begin, row_end);
}

}  // namespace clamma::amx
