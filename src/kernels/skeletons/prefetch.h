// SPDX-License-Identifier: MIT
// Prefetches that are spread over other work: of many at once, the processor drops those that it
// has no buffer for, or waits for one.
#ifndef CLAMMA_KERNELS_SKELETONS_PREFETCH_H_
#define CLAMMA_KERNELS_SKELETONS_PREFETCH_H_

#include <cstddef>
#include <cstdint>

#include "kernels/tuning.h"

namespace clamma {
namespace {

constexpr size_t kLine = 64;  // bytes of the cache's

// Where lines go, as __builtin_prefetch() counts: past the caches that they would only pass
// through, into the third level, the second, or the first.
enum class CacheLevel { kPassing = 0, kThird = 1, kSecond = 2, kFirst = 3 };

template <CacheLevel kLevel = CacheLevel::kFirst>
[[gnu::always_inline]] inline void PrefetchLine(const void* p) {
  __builtin_prefetch(p, 0, static_cast<int>(kLevel));
}

// Lines that are `stride` bytes apart, `left` of them.
template <CacheLevel kLevel = CacheLevel::kFirst>
struct LinePrefetch {
  static constexpr size_t kFew = 4;

  void Next() {
    PrefetchLine<kLevel>(p);
    p += stride;
    asm("" : "+r"(p));  // one address, not a register for each line
  }
  // kFew lines, even if fewer are left.
  void NextFew() {
#pragma GCC unroll 4
    for (size_t i = 0; i < kFew; ++i) Next();
    left -= left < kFew ? left : kFew;
  }
  // n lines, or all that are left.
  void Next(size_t n) {
    for (; n > 0 && left > 0; --n, --left, p += stride) PrefetchLine<kLevel>(p);
  }

  const uint8_t* p;
  size_t stride;
  size_t left;
};

// Two lines that follow each other at every `stride` bytes: memory gives such a pair sooner.
struct PairPrefetch {
  void Next() {
    PrefetchLine(p + (second ? kLine : 0));
    p += second ? stride : 0;
    second = !second;
    asm("" : "+r"(p));
  }

  const uint8_t* p;
  size_t stride;
  bool second = false;
};

// Lines of a tile of rows, and behind them those of the rows that follow: by the tuning side by
// side, a line of each row and then the next one of each, some bytes ahead of what is read; or in
// the order in which they lie, a tile ahead.
template <CacheLevel kLevel>
class TilePrefetch {
 public:
  TilePrefetch(const Tuning& tuning, const uint8_t* rows, size_t n_rows, size_t row_bytes)
      : tile_bytes_(n_rows * row_bytes),
        streams_(tuning.rows_in_order ? 1 : n_rows),
        length_(tuning.rows_in_order ? tile_bytes_ : row_bytes),
        tile_(rows),
        column_(tuning.rows_in_order ? tile_bytes_ : tuning.tile_prefetch) {
    StartLines();
  }

  // Whenever so many bytes are read. A few lines at a time: more than a core has room for would
  // wait.
  [[gnu::always_inline]] void Advance(size_t bytes) {
    for (owed_ += bytes; owed_ >= kLine; owed_ -= kLine) {
      PrefetchLine<kLevel>(p_);
      p_ += length_;
      if (--left_ > 0) continue;
      column_ += kLine;
      StartLines();
    }
  }

 private:
  void StartLines() {
    if (column_ >= length_) {
      tile_ += tile_bytes_;
      column_ = 0;
    }
    p_ = tile_ + column_;
    left_ = streams_;
  }

  const size_t tile_bytes_;
  const size_t streams_;
  const size_t length_;  // of a stream, and from one to the next
  const uint8_t* tile_;
  size_t column_;  // byte of each stream
  const uint8_t* p_ = nullptr;
  size_t left_ = 0;  // streams that are behind in their column
  size_t owed_ = 0;  // bytes
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_PREFETCH_H_
