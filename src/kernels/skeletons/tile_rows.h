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
    return {data + (n + first) * row_bytes, ~size_t{0}, kLine};  // streams of a line
  }
};

// Calls body(TileRows) for tiles of `n` rows that cover [begin, end). `side_by_side`: the range is
// read as n streams, of which each goes on where it was with the next tile, as memory is read best
// by Intel's processors. Else, and for what is left of it, rows of a tile follow each other, and
// the last tile of a matrix begins early enough to be whole.
template <typename Body>
inline void ForEachTile(const Matrix& w, size_t n, size_t begin, size_t end, bool side_by_side,
                        const Body& body) {
  const size_t apart = side_by_side ? (end - begin) / n : 1;
  size_t left_apart = apart > 1 ? apart : 0;  // tiles
  for (size_t row = begin; row < end;) {      // with one call of body(), which is inlined
    TileRows tile{nullptr, w.row_bytes, w.row_bytes, n, row, 1, begin, end};
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
    tile.data = w.data + tile.row * w.row_bytes;
    body(tile);
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
