// SPDX-License-Identifier: MIT
// Attention in llama2.c's order for any vector unit V (units/unit.h). Queries are attended a tile
// at a time: the query heads of one kv head, of one position or of several consecutive ones, so
// that a key or value is loaded once for all of them.
#ifndef CLAMMA_KERNELS_SKELETONS_ATTENTION_H_
#define CLAMMA_KERNELS_SKELETONS_ATTENTION_H_

#include "kernels/skeletons/activations.h"

namespace clamma {
namespace {
namespace vector {

// Prefetches keys and values. They lie in runs of a few thousand bytes, which are too short for the
// processor's prefetcher. The current run begins at `now`; beyond its end the prefetch continues in
// the run at `next`.
class RunAhead {
 public:
  RunAhead(const uint8_t* now, size_t bytes, const uint8_t* next)
      : now_(now + kAhead), next_(next), left_(bytes - Min(bytes, kAhead)) {}

  // Prefetches `bytes` bytes at a distance of kAhead after byte `at` of the run.
  void Prefetch(size_t at, size_t bytes) const {
    if (left_ == 0) return;  // a tiny model: the caches hold all of it
    const uint8_t* const from = at < left_ ? now_ + at : next_ + (at - left_);
    for (size_t i = 0; i < bytes; i += kLine) PrefetchLine(from + i);
  }

 private:
  static constexpr size_t kAhead = 1024;  // bytes

  const uint8_t* now_;
  const uint8_t* next_;
  size_t left_;
};

// A prefetcher for a page's data at `offset`, `bytes` long, which continues in the next of n_blocks
// pages. After the last page it continues with the first page's data at `then`.
inline RunAhead AheadInBlocks(const AttentionInput& in, size_t block, size_t n_blocks,
                              size_t offset, size_t bytes, size_t then) {
  const bool last = block + 1 == n_blocks;
  return {in.blocks[block] + offset, bytes,
          last ? in.blocks[0] + then : in.blocks[block + 1] + offset};
}

// One of the queries of a tile.
struct Query {
  size_t kv_head;
  size_t n_positions;
  const float* q;  // (head_size)
  float* out;      // (head_size)
};

// Enumerates the queries of the kv heads from kv_begin on: kv head by kv head, within it row by
// row, within that head by head.
class Queries {
 public:
  Queries(const AttentionInput& in, float* out, size_t kv_begin)
      : in_(in), out_(out), kv_head_(kv_begin) {}

  Query Next() {
    const size_t head = kv_head_ * in_.heads_per_kv_head + head_;
    const size_t at = row_ * in_.row_stride + head * in_.head_size;
    const Query query = {kv_head_, in_.n_positions + row_, in_.q + at, out_ + at};
    if (++head_ == in_.heads_per_kv_head) {
      head_ = 0;
      if (++row_ == in_.n_rows) {
        row_ = 0;
        ++kv_head_;
      }
    }
    return query;
  }

 private:
  const AttentionInput& in_;
  float* out_;
  size_t kv_head_;
  size_t row_ = 0;
  size_t head_ = 0;  // within the kv head
};

// Sums of products: kRegs registers for each of kQueries queries.
template <Unit V, size_t kQueries, size_t kRegs>
struct Sums {
  using Reg = typename V::Reg;

  // Calls f(query, register, its sum).
  template <typename F>
  [[gnu::always_inline]] void ForEach(const F& f) {
    for (size_t h = 0; h < kQueries; ++h) {
      for (size_t i = 0; i < kRegs; ++i) f(h, i, of[h][i]);
    }
  }
  // Adds the values times each query's factor. The factors are `stride` floats apart.
  [[gnu::always_inline]] void Add(const float* factors, size_t stride, const Reg (&values)[kRegs]) {
#pragma GCC unroll 8
    for (size_t h = 0; h < kQueries; ++h) {
      const Reg factor = V::Set1(factors[h * stride]);
#pragma GCC unroll 4
      for (size_t i = 0; i < kRegs; ++i) of[h][i] = V::Add(of[h][i], V::Mul(factor, values[i]));
    }
  }

  Reg of[kQueries][kRegs];
};

// Copies n elements. `to` must have room for whole registers.
template <Unit V>
inline void Copy(float* to, const float* from, size_t n) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) V::Store(to + i, V::Load(from + i));
  if (i < n) V::Store(to + i, V::LoadFirst(from + i, n - i));
}

constexpr size_t kMaxInPlace = 2;  // the most queries that are read where they lie

// scores[h][position] = query . key / root, for kQueries queries of one kv head and n_positions
// positions. Prefetches the kv head's values at the end. More than kMaxInPlace queries are
// interleaved (see ScoreRun()), as separate addresses would take too many registers; up to
// kMaxInPlace are read where they lie, `apart` elements from each other.
template <Unit V, bool kHalf, size_t kQueries>
void ScoreQueries(float* scores, size_t stride, const float* queries, size_t apart,
                  const AttentionInput& in, size_t n_positions, size_t key_offset,
                  size_t value_offset) {
  using Reg = typename V::Reg;
  constexpr size_t kElement = kHalf ? 2 : 4;
  constexpr size_t kRegs = V::kScoreRegs;  // registers of positions side by side
  constexpr size_t kPositions = kRegs * V::kLanes;
  static_assert(kKvBlock % kPositions == 0);
  const size_t head_size = in.head_size;
  const float root = __builtin_sqrtf(static_cast<float>(head_size));
  const Reg roots = V::Set1(root);
  // For a power of two, multiplying gives the same bits and is faster.
  const bool exact = root == 4.0f || root == 8.0f || root == 16.0f;
  const Reg inverse = V::Set1(1.0f / root);
  for (size_t first = 0; first < n_positions; first += kPositions) {
    const size_t block = first / kKvBlock;
    const uint8_t* keys = in.blocks[block] + key_offset;
    const RunAhead ahead = AheadInBlocks(in, block, BlocksOf(n_positions), key_offset,
                                         head_size * kKvBlock * kElement, value_offset);
    Sums<V, kQueries, kRegs> sums;
    sums.ForEach([](size_t, size_t, Reg& sum) { sum = V::Set1(0); });
    const float* element = queries;
    for (size_t d = 0; d < head_size; ++d, ++element) {
      if (kQueries > kMaxInPlace && d > 0 && d % kQueryPiece == 0) {
        element += (kQueryTile - 1) * kQueryPiece;
      }
      const size_t at = d * kKvBlock + first % kKvBlock;
      ahead.Prefetch(at * kElement, kPositions * kElement);
      Reg key[kRegs];
#pragma GCC unroll 4
      for (size_t i = 0; i < kRegs; ++i) {
        key[i] = V::template LoadKv<kHalf>(keys, at + i * V::kLanes);
      }
      sums.Add(element, kQueries > kMaxInPlace ? kQueryPiece : apart, key);
    }
    sums.ForEach([&](size_t h, size_t i, Reg sum) {
      const Reg score = exact ? V::Mul(sum, inverse) : V::Div(sum, roots);
      V::Store(scores + h * stride + first + i * V::kLanes, score);
    });
  }
}

// Positions [begin, end).
struct Positions {
  size_t begin;
  size_t end;
};

// out[h][d .. d + kChunks registers) = sum over positions of scores[h][position] * value. Without
// kWhole, only the n_last elements of one register. Unless positions.begin is 0, out already holds
// the sum of the positions before. At the end, prefetches the keys of the next kv head, which come
// next if there is only one row.
template <Unit V, bool kHalf, size_t kQueries, size_t kChunks, bool kWhole>
void MixQueries(float* const* out, const float* scores, size_t stride, const AttentionInput& in,
                size_t value_offset, size_t d, size_t n_last, const Positions& positions) {
  static_assert(kWhole || kChunks == 1);
  using Reg = typename V::Reg;
  constexpr size_t kElement = kHalf ? 2 : 4;
  const size_t head_size = in.head_size;
  const size_t next_keys = value_offset - in.value_offset + in.key_offset + in.head_bytes;
  Sums<V, kQueries, kChunks> sums;
  sums.ForEach([&](size_t h, size_t c, Reg& sum) {
    const float* from = out[h] + d + c * V::kLanes;
    sum = positions.begin == 0 ? V::Set1(0) : kWhole ? V::Load(from) : V::LoadFirst(from, n_last);
  });
  for (size_t at = positions.begin; at < positions.end;) {
    const size_t block = at / kKvBlock;
    const uint8_t* values = in.blocks[block] + value_offset;
    const size_t n = Min(positions.end - block * kKvBlock, kKvBlock);
    const RunAhead ahead = AheadInBlocks(in, block, BlocksOf(positions.end), value_offset,
                                         n * head_size * kElement, next_keys);
    const float* weights = scores + block * kKvBlock;
    for (size_t i = at % kKvBlock; i < n; ++i) {
      const size_t first = i * head_size + d;
      ahead.Prefetch(first * kElement, kChunks * V::kLanes * kElement);
      Reg value[kChunks];
#pragma GCC unroll 4
      for (size_t c = 0; c < kChunks; ++c) {
        value[c] = kWhole ? V::template LoadKv<kHalf>(values, first + c * V::kLanes)
                          : V::template LoadKvFirst<kHalf>(values, first, n_last);
      }
      sums.Add(weights + i, stride, value);
    }
    at = block * kKvBlock + n;
  }
  sums.ForEach([&](size_t h, size_t c, const Reg& sum) {
    float* to = out[h] + d + c * V::kLanes;
    kWhole ? V::Store(to, sum) : V::StoreFirst(to, sum, n_last);
  });
}

// MixQueries() for all elements of the heads.
template <Unit V, bool kHalf, size_t kQueries>
void MixAll(float* const* out, const float* scores, size_t stride, const AttentionInput& in,
            size_t value_offset, const Positions& positions) {
  size_t d = 0;
  while (d + V::kLanes <= in.head_size) {
    const size_t chunks = Min((in.head_size - d) / V::kLanes, V::kMixChunks);
    WithCount<V::kMixChunks>(chunks, [&]<size_t kChunks>() {
      MixQueries<V, kHalf, kQueries, kChunks, true>(out, scores, stride, in, value_offset, d, 0,
                                                    positions);
    });
    d += chunks * V::kLanes;
  }
  if (d == in.head_size) return;
  MixQueries<V, kHalf, kQueries, 1, false>(out, scores, stride, in, value_offset, d,
                                           in.head_size - d, positions);
}

// Computes the values of n queries of one kv head. The queries are sorted by number of positions.
template <Unit V, bool kHalf>
inline void MixRun(const float* scores, size_t stride, const AttentionInput& in,
                   const Query* queries, size_t n) {
  const size_t value_offset = in.value_offset + queries->kv_head * in.head_bytes;
  for (size_t first = 0; first < n; first += V::kMixQueries) {
    const Query* group = queries + first;
    const float* weights = scores + first * stride;
    const size_t count = Min(n - first, V::kMixQueries);
    const size_t common = group->n_positions;
    float* to[V::kMixQueries];
    for (size_t h = 0; h < count; ++h) to[h] = group[h].out;
    WithCount<V::kMixQueries>(count, [&]<size_t kQueries>() {
      MixAll<V, kHalf, kQueries>(to, weights, stride, in, value_offset, {0, common});
    });
    for (size_t h = 1; h < count; ++h) {
      if (group[h].n_positions == common) continue;
      MixAll<V, kHalf, 1>(to + h, weights + h * stride, stride, in, value_offset,
                          {common, group[h].n_positions});
    }
  }
}

// Computes the scores of n queries of one kv head. `interleaved` is scratch for copies of the
// queries: (pieces of a head, kQueryTile, kQueryPiece).
template <Unit V, bool kHalf>
inline void ScoreRun(float* scores, size_t stride, float* interleaved, const AttentionInput& in,
                     const Query* queries, size_t n) {
  static_assert(kQueryPiece % V::kLanes == 0);
  const size_t skip = queries->kv_head * in.head_bytes;
  for (size_t i = 0; n > kMaxInPlace && i < n; ++i) {
    for (size_t d = 0; d < in.head_size; d += kQueryPiece) {
      Copy<V>(interleaved + d * kQueryTile + i * kQueryPiece, queries[i].q + d,
              Min(in.head_size - d, kQueryPiece));
    }
  }
  for (size_t first = 0; first < n; first += V::kScoreQueries) {
    const size_t count = Min(n - first, V::kScoreQueries);
    WithCount<V::kScoreQueries>(count, [&]<size_t kQueries>() {
      const float* q =
          kQueries > kMaxInPlace ? interleaved + first * kQueryPiece : queries[first].q;
      const auto apart = static_cast<size_t>(queries[first + count - 1].q - queries[first].q);
      ScoreQueries<V, kHalf, kQueries>(scores + first * stride, stride, q, apart, in,
                                       queries[first + count - 1].n_positions, in.key_offset + skip,
                                       in.value_offset + skip);
    });
  }
}

// Computes the softmax of n rows of scores, kRows at a time, then half as many and so on. (Code for
// each number of rows would add some 12 KB per table and is no faster.)
template <Unit V, size_t kRows>
inline void SoftmaxTile(float* scores, size_t stride, const Query* queries, size_t n) {
  size_t first = 0;
  for (; n - first >= kRows; first += kRows) {
    size_t lengths[kRows];
    for (size_t i = 0; i < kRows; ++i) lengths[i] = queries[first + i].n_positions;
    SoftmaxRows<V, kRows>(scores + first * stride, stride, lengths);
  }
  if constexpr (kRows > 1) {
    SoftmaxTile<V, kRows / 2>(scores + first * stride, stride, queries + first, n - first);
  }
}

// Calls body(first, count) for the runs of n queries that share a kv head.
template <typename Body>
inline void ForEachRun(const Query* queries, size_t n, const Body& body) {
  for (size_t first = 0; first < n;) {
    size_t end = first + 1;
    while (end < n && queries[end].kv_head == queries[first].kv_head) ++end;
    body(first, end - first);
    first = end;
  }
}

template <Unit V, bool kHalf>
void AttentionOf(float* out, float* scratch, size_t stride, const AttentionInput& in,
                 size_t kv_begin, size_t kv_end) {
  float* const scores = scratch;
  float* const interleaved = scratch + kQueryTile * stride;
  Queries queries(in, out, kv_begin);
  size_t left = (kv_end - kv_begin) * in.n_rows * in.heads_per_kv_head;
  while (left > 0) {
    const size_t n = Min(left, kQueryTile);
    Query tile[kQueryTile];
    for (size_t i = 0; i < n; ++i) tile[i] = queries.Next();
    ForEachRun(tile, n, [&](size_t first, size_t count) {
      ScoreRun<V, kHalf>(scores + first * stride, stride, interleaved, in, tile + first, count);
    });
    SoftmaxTile<V, kQueryTile>(scores, stride, tile, n);
    ForEachRun(tile, n, [&](size_t first, size_t count) {
      MixRun<V, kHalf>(scores + first * stride, stride, in, tile + first, count);
    });
    left -= n;
  }
}

template <Unit V, KvType kType>
void Attention(float* out, float* scratch, size_t stride, const AttentionInput& in, size_t kv_begin,
               size_t kv_end) {
  AttentionOf<V, kType == KvType::kF16>(out, scratch, stride, in, kv_begin, kv_end);
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_ATTENTION_H_
