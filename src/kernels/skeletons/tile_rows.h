// SPDX-License-Identifier: MIT
// Divides the rows of a matrix into tiles, which determines the order in which it is read.
#ifndef CLAMMA_KERNELS_SKELETONS_TILE_ROWS_H_
#define CLAMMA_KERNELS_SKELETONS_TILE_ROWS_H_

#include "kernels/kernels.h"
#include "kernels/skeletons/prefetch.h"

namespace clamma {
namespace {

// The rows of a tile, or of several: `n` rows, `apart` rows from each to the next.
struct TileRows {
  const uint8_t* data;  // the first row
  size_t row_bytes;
  size_t stride;  // bytes from one row of the tile to the next
  size_t n;
  size_t row;  // index of the first row in the matrix
  size_t apart;
  size_t keep_begin;  // the results of rows [keep_begin, keep_end) are stored
  size_t keep_end;

  // A prefetcher for rows [first, first + count) of the tile. If rows are read side by side, it
  // fetches the line `bytes` ahead in each row; beyond a row's end lies the row with which its
  // stream continues. Otherwise it fetches the next tile's rows in order.
  template <CacheLevel kLevel>
  StreamPrefetch<kLevel> Ahead(size_t bytes, size_t first, size_t count) const {
    if (apart > 1) return {data + first * stride + bytes, count, stride};
    return {data + (n + first) * row_bytes, ~size_t{0}, kLine};  // adjacent lines
  }
};

// Calls body(TileRows) for tiles of `n` rows that cover [begin, end). With `side_by_side` the range
// is read as n streams, each of which continues in the next tile where it ended in this one;
// Intel's processors read memory best in this way. Otherwise, and for the remaining rows, the rows
// of a tile are adjacent, and the last tile of a matrix begins early enough to be whole.
template <typename Body>
inline void ForEachTile(const Matrix& w, size_t n, size_t begin, size_t end, bool side_by_side,
                        const Body& body) {
  const auto row_bytes = static_cast<size_t>(w.row_bytes);  // of rows in memory
  const size_t apart = side_by_side ? (end - begin) / n : 1;
  size_t left_apart = apart > 1 ? apart : 0;  // tiles of rows side by side that are left
  for (size_t row = begin; row < end;) {      // body() is called in one place, as it is inlined
    TileRows tile{nullptr, row_bytes, row_bytes, n, row, 1, begin, end};
    if (left_apart > 0) {
      --left_apart;
      row = left_apart > 0 ? row + 1 : begin + n * apart;
      tile.apart = apart;
      tile.stride *= apart;
    } else {
      tile.row = row < w.rows - n ? row : w.rows - n;
      tile.keep_begin = row;
      row += n;
      tile.keep_end = row < end ? row : end;
    }
    tile.data = w.data + tile.row * row_bytes;
    body(tile);
  }
}

// out[row] = results[i], for those rows of a tile that are to be stored.
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
