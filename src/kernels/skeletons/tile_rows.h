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

// Enumerates tiles of `n` rows that cover [begin, end). With `side_by_side` the range is read as n
// streams, each of which continues in the next tile where it ended in this one; Intel's processors
// read memory best in this way. Otherwise, and for the remaining rows, the rows of a tile are
// adjacent, and the last tile of a matrix begins early enough to be whole.
class Tiles {
 public:
  Tiles(const Matrix& w, size_t n, size_t begin, size_t end, bool side_by_side)
      : w_(w), n_(n), begin_(begin), end_(end), row_(begin) {
    apart_ = side_by_side ? (end - begin) / n : 1;
    left_apart_ = apart_ > 1 ? apart_ : 0;
  }

  // Sets *tile to the next one, or returns false if there is none. Not inlined, because the formats
  // of all blocks would have a copy of it.
  [[gnu::noinline]] bool Next(TileRows* tile) {
    if (row_ >= end_) return false;
    const auto row_bytes = static_cast<size_t>(w_.row_bytes);  // of rows in memory
    *tile = {nullptr, row_bytes, row_bytes, n_, row_, 1, begin_, end_};
    if (left_apart_ > 0) {
      --left_apart_;
      row_ = left_apart_ > 0 ? row_ + 1 : begin_ + n_ * apart_;
      tile->apart = apart_;
      tile->stride *= apart_;
    } else {
      tile->row = row_ < w_.rows - n_ ? row_ : w_.rows - n_;
      tile->keep_begin = row_;
      row_ += n_;
      tile->keep_end = row_ < end_ ? row_ : end_;
    }
    tile->data = w_.data + tile->row * row_bytes;
    return true;
  }

 private:
  const Matrix& w_;
  const size_t n_;
  const size_t begin_;
  const size_t end_;
  size_t row_;
  size_t apart_;
  size_t left_apart_;  // tiles of rows side by side that are left
};

// Calls body(TileRows) for the tiles of Tiles.
template <typename Body>
inline void ForEachTile(const Matrix& w, size_t n, size_t begin, size_t end, bool side_by_side,
                        const Body& body) {
  Tiles tiles(w, n, begin, end, side_by_side);
  TileRows tile;
  while (tiles.Next(&tile)) body(tile);
}

// out[t * out_stride + row] = results[t * tile.n + i], for those rows of a tile that are to be
// stored, and all tokens.
[[gnu::noinline]] inline void StoreResults(float* out, size_t out_stride, const float* results,
                                           size_t n_tokens, const TileRows& tile) {
  for (size_t t = 0; t < n_tokens; ++t, out += out_stride, results += tile.n) {
    if (tile.apart > 1) {
      for (size_t i = 0; i < tile.n; ++i) out[tile.row + i * tile.apart] = results[i];
    } else {
      __builtin_memcpy(out + tile.keep_begin, results + (tile.keep_begin - tile.row),
                       (tile.keep_end - tile.keep_begin) * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_TILE_ROWS_H_
