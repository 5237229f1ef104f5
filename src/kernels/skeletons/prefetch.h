// SPDX-License-Identifier: MIT
// Prefetches that are spread over other work. If many are issued at once, the processor drops those
// for which it has no buffer, or waits for one.
#ifndef CLAMMA_KERNELS_SKELETONS_PREFETCH_H_
#define CLAMMA_KERNELS_SKELETONS_PREFETCH_H_

#include <cstddef>
#include <cstdint>

namespace clamma {
namespace {

constexpr size_t kLine = 64;  // bytes in a cache line

// The cache into which lines are fetched, with __builtin_prefetch()'s numbers: kPassing is for data
// that is read once, and keeps it out of caches where it would displace other data.
enum class CacheLevel { kPassing = 0, kThird = 1, kSecond = 2, kFirst = 3 };

template <CacheLevel kLevel = CacheLevel::kFirst>
[[gnu::always_inline]] inline void PrefetchLine(const void* p) {
  __builtin_prefetch(p, 0, static_cast<int>(kLevel));
}

// The same for a line that will be written.
[[gnu::always_inline]] inline void PrefetchToWrite(const void* p) { __builtin_prefetch(p, 1); }

// Prefetches `left` lines that are `stride` bytes apart.
template <CacheLevel kLevel = CacheLevel::kFirst>
struct LinePrefetch {
  static constexpr size_t kFew = 4;

  void Next() {
    PrefetchLine<kLevel>(p);
    p += stride;
    asm("" : "+r"(p));  // one address, not a register for each line
  }
  // Prefetches kFew lines, even if fewer are left.
  void NextFew() {
#pragma GCC unroll 4
    for (size_t i = 0; i < kFew; ++i) Next();
    left -= left < kFew ? left : kFew;
  }
  // Prefetches n lines, or all that are left.
  void Next(size_t n) {
    for (; n > 0 && left > 0; --n, --left, p += stride) PrefetchLine<kLevel>(p);
  }

  const uint8_t* p;
  size_t stride;
  size_t left;
};

// Prefetches two adjacent lines at every `stride` bytes: memory delivers such a pair sooner.
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

// Prefetches several streams: one line of each, then the next line of each.
template <CacheLevel kLevel>
class StreamPrefetch {
 public:
  // The first of `n_streams` streams begins at `begin`; they are `stride` bytes apart.
  StreamPrefetch(const uint8_t* begin, size_t n_streams, size_t stride)
      : n_streams_(n_streams), stride_(stride), line_(begin), p_(begin), left_(n_streams) {}

  // To be called as `bytes` bytes of all streams together are read. Prefetches as much, so that a
  // few lines at a time are under way: more than a core has room for would wait.
  [[gnu::always_inline]] void Advance(size_t bytes) {
    for (owed_ += bytes; owed_ >= kLine; owed_ -= kLine) {
      PrefetchLine<kLevel>(p_);
      p_ += stride_;
      if (--left_ > 0) continue;
      left_ = n_streams_;
      line_ += kLine;
      p_ = line_;
    }
  }

 private:
  const size_t n_streams_;
  const size_t stride_;
  const uint8_t* line_;  // the current line of the first stream
  const uint8_t* p_;
  size_t left_;      // streams whose current line is not prefetched yet
  size_t owed_ = 0;  // bytes that were read, but not prefetched yet
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_PREFETCH_H_
