// SPDX-License-Identifier: MIT
// Which rows of a matrix are multiplied together, and so in which order it is read.
#ifndef CLAMMA_KERNELS_SKELETONS_TILE_ROWS_H_
#define CLAMMA_KERNELS_SKELETONS_TILE_ROWS_H_

#include "kernels/kernels.h"
#include "kernels/skeletons/prefetch.h"

namespace clamma {
namespace {

// The rows of one tile or of several: `n` of them, `apart` rows from one to the next.
struct TileRows {
  const uint8_t* data;  // the first row
  size_t row_bytes;
  size_t stride;  // bytes from one to the next
  size_t n;
  size_t row;  // number of the first one in the matrix
  size_t apart;
  size_t keep_begin;  // results of the rows from here to keep_end are kept
  size_t keep_end;

  // For rows [first, first + count) of the tile. Side by side: of each row the line `bytes` ahead;
  // beyond its end lies the row that the stream goes on with. Otherwise the next tile's rows, in
  // order.
  template <CacheLevel kLevel>
  StreamPrefetch<kLevel> Ahead(size_t bytes, size_t first, size_t count) const {
    if (apart > 1) return {data + first * stride + bytes, count, stride};
    return {data + (n + first) * row_bytes, 1, 0};
  }
};

// Calls body(TileRows) for tiles of `n` rows that cover [begin, end). `side_by_side`: the range is
// read as n streams, of which each goes on where it was with the next tile, as memory is read best
// by Intel's processors. Else, and for what is left of it, rows of a tile follow each other, and
// the last tile of a matrix begins early enough to be whole.
template <typename Body>
inline void ForEachTile(const Matrix& w, size_t n, size_t begin, size_t end, bool side_by_side,
                        const Body& body) {
  const auto tile = [&](size_t row, size_t apart, size_t keep_begin, size_t keep_end) {
    body(TileRows{w.data + row * w.row_bytes, w.row_bytes, apart * w.row_bytes, n, row, apart,
                  keep_begin, keep_end});
  };
  if (const size_t apart = (end - begin) / n; side_by_side && apart > 1) {
    for (size_t i = 0; i < apart; ++i) tile(begin + i, apart, begin, end);
    begin += n * apart;
  }
  for (size_t row = begin; row < end; row += n) {
    const size_t last = w.rows - n;
    tile(row < last ? row : last, 1, row, row + n < end ? row + n : end);
  }
}

// out[row] = results[i], for the rows of a tile that are kept.
inline void StoreResults(float* out, const float* results, const TileRows& tile) {
  if (tile.apart > 1) {
    for (size_t i = 0; i < tile.n; ++i) out[tile.row + i * tile.apart] = results[i];
  } else {
    __builtin_memcpy(out + tile.keep_begin, results + (tile.keep_begin - tile.row),
                     (tile.keep_end - tile.keep_begin) * sizeof(float));
  }
}

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_TILE_ROWS_H_
