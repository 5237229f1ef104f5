// SPDX-License-Identifier: MIT
// What is done to activations, and attention, for any vector unit: V as in vector_matmul.h.
#ifndef CLAMMA_KERNELS_VECTOR_ACTIVATIONS_H_
#define CLAMMA_KERNELS_VECTOR_ACTIVATIONS_H_

#include "kernels/vector.h"

namespace clamma {
namespace {
namespace vector {

// --- Division ---

// Many quotients by one divisor, rounded as a division rounds them, in products and sums, which
// take a fraction of its time. With the reciprocal y = 1 / b rounded to nearest, each step
// q + (a - q * b) * y brings q nearer to a / b, the first to within a unit in the last place; from
// there, the second rounds correctly (Markstein: Computation of elementary functions on the IBM
// RISC System/6000 processor, 1990), as long as a - q * b is exact: for a divisor in
// [2^-64, 2^64], where a quotient and 2^-24 of its dividend are no subnormal numbers. A dividend of
// 0 gives 0.
template <typename V>
class Divisor {
 public:
  explicit Divisor(float b) : b_(V::Set1(-b)), y_(V::Set1(1.0f / b)) {}

  typename V::Reg Divide(typename V::Reg a) const {
    typename V::Reg q = V::Mul(a, y_);
    q = V::Fma(V::Fma(b_, q, a), y_, q);
    return V::Fma(V::Fma(b_, q, a), y_, q);
  }

 private:
  typename V::Reg b_;  // negative
  typename V::Reg y_;
};

// --- Quantisation ---

template <typename V>
inline float ScaleOf(const float* in, size_t group) {
  typename V::Reg largest = V::Set1(0);  // what is no number does not count
  for (size_t k = 0; k < group; k += V::kLanes) {
    largest = V::Max(V::Abs(V::Load(in + k)), largest);
  }
  return V::ReduceMax(largest) / 127.0f;
}

template <typename V>
inline void QuantizeGroup(int8_t* q, int32_t* offset, const float* in, size_t group, float scale) {
  using Reg = typename V::Reg;
  typename V::Int sums = V::SetInt(0);
  const auto store = [&](size_t k, Reg value) {
    value = V::Min(V::Max(value, V::Set1(-127.0f)), V::Set1(127.0f));
    const typename V::Int rounded = V::RoundAway(value);
    sums = V::AddInt(sums, rounded);
    V::StoreInt8(q + k, rounded);
  };
  // So that dividends for which Divisor is not exact are far below a half.
  if (scale > 0x1p-60f && scale < 0x1p60f) {
    const Divisor<V> divisor(scale);
    for (size_t k = 0; k < group; k += V::kLanes) store(k, divisor.Divide(V::Load(in + k)));
  } else {
    const Reg scales = V::Set1(scale);
    for (size_t k = 0; k < group; k += V::kLanes) {
      store(k, scale > 0 ? V::Div(V::Load(in + k), scales) : V::Set1(0));
    }
  }
  *offset = -128 * V::ReduceAddInt(sums);
}

// The scales of some groups first: what waits for one would fill the processor's scheduler, and
// keep it from the next.
template <typename V>
void Quantize(const QuantizedRows& out, const float* x, size_t g_begin, size_t g_end) {
  constexpr size_t kAtOnce = 8;
  const size_t group = out.group;
  const size_t end = g_end * out.n_tokens;
  if (group % V::kLanes != 0) return portable::Quantize(out, x, g_begin, g_end);
  size_t t = 0;
  const float* in_rows = x + g_begin * group;
  for (size_t first = g_begin * out.n_tokens; first < end; first += kAtOnce) {
    const size_t n = Least(kAtOnce, end - first);
    const float* in[kAtOnce];
    for (size_t i = 0; i < n; ++i) {
      in[i] = in_rows + t * out.cols;
      // The row's next group, often in another core's cache.
      for (size_t k = 0; k < group; k += 16) __builtin_prefetch(in[i] + group + k);
      out.scales[first + i] = ScaleOf<V>(in[i], group);
      if (++t == out.n_tokens) {
        t = 0;
        in_rows += group;
      }
    }
    for (size_t at = first; at < first + n; ++at) {
      QuantizeGroup<V>(out.q + at * group, out.offsets + at, in[at - first], group, out.scales[at]);
    }
  }
}

// --- Element by element ---

template <typename V>
inline typename V::Reg GateOf(typename V::Reg gate, typename V::Reg up) {
  const typename V::Reg one = V::Set1(1.0f);
  const typename V::Reg sigmoid = V::Div(one, V::Add(one, V::Exp(V::Negate(gate))));
  return V::Mul(V::Mul(gate, sigmoid), up);
}

template <typename V>
void SwiGlu(float* gate, const float* up, size_t n) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    V::Store(gate + i, GateOf<V>(V::Load(gate + i), V::Load(up + i)));
  }
  if (i == n) return;
  const typename V::Reg last =
      GateOf<V>(V::LoadFirst(gate + i, n - i), V::LoadFirst(up + i, n - i));
  V::StoreFirst(gate + i, last, n - i);
}

// --- Softmax ---

struct Range {
  float smallest;
  float largest;
};

// Of what is a number among n of them; +-infinity the other way round if none is.
template <typename V>
inline Range RangeOf(const float* x, size_t n) {
  constexpr float kInfinity = __builtin_inff();
  typename V::Reg largest = V::Set1(-kInfinity);
  typename V::Reg smallest = V::Set1(kInfinity);
  const auto take = [&](size_t i) {
    const typename V::Reg more = V::Load(x + i);
    largest = V::Max(more, largest);
    smallest = V::Min(more, smallest);
  };
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) take(i);
  if (i > 0 && i < n) {
    take(n - V::kLanes);  // some of them once more
    i = n;
  }
  Range range = {-V::ReduceMax(V::Negate(smallest)), V::ReduceMax(largest)};
  for (; i < n; ++i) {
    range.largest = x[i] > range.largest ? x[i] : range.largest;
    range.smallest = x[i] < range.smallest ? x[i] : range.smallest;
  }
  return range;
}

// x[i] = exp(x[i] - top), n <= kLanes of them.
template <typename V>
inline void ExpBelow(float* x, size_t n, float top) {
  const typename V::Reg tops = V::Set1(top);
  if (n == V::kLanes) {
    V::Store(x, V::Exp(V::Sub(V::Load(x), tops)));
  } else {
    V::StoreFirst(x, V::Exp(V::Sub(V::LoadFirst(x, n), tops)), n);
  }
}

// x[i] = divide(x[i]). (n)
template <typename V, typename F>
inline void DivideAll(float* x, size_t n, const F& divide) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) V::Store(x + i, divide(V::Load(x + i)));
  if (i < n) V::StoreFirst(x + i, divide(V::LoadFirst(x + i, n - i)), n - i);
}

// Softmax of kRows rows of n. The sums run in order of the index, several rows' side by side and
// beside the exponentials, as each waits for the one before.
template <typename V, size_t kRows>
inline void SoftmaxRows(float* x, size_t stride, size_t n) {
  float largest[kRows];
  float least[kRows];  // logarithms of the smallest
  for (size_t row = 0; row < kRows; ++row) {
    const Range range = RangeOf<V>(x + row * stride, n);
    largest[row] = range.largest;
    least[row] = range.smallest - range.largest;
  }
  float sums[kRows] = {};
  for (size_t first = 0; first < n; first += V::kLanes) {
    const size_t end = Least(first + V::kLanes, n);
    for (size_t row = 0; row < kRows; ++row) {
      ExpBelow<V>(x + row * stride + first, end - first, largest[row]);
    }
    for (size_t i = first; i < end; ++i) {
#pragma GCC unroll 8
      for (size_t row = 0; row < kRows; ++row) sums[row] += x[row * stride + i];
    }
  }
  for (size_t row = 0; row < kRows; ++row) {
    // exp(-70) is above 2^-102, and a sum below 2^25.
    if (least[row] > -70.0f && sums[row] >= 1.0f) {
      const Divisor<V> divisor(sums[row]);
      DivideAll<V>(x + row * stride, n, [&](typename V::Reg a) { return divisor.Divide(a); });
    } else {
      const typename V::Reg b = V::Set1(sums[row]);
      DivideAll<V>(x + row * stride, n, [&](typename V::Reg a) { return V::Div(a, b); });
    }
  }
}

template <typename V>
void Softmax(float* x, size_t n) {
  SoftmaxRows<V, 1>(x, 0, n);
}

// --- Attention ---

// Keys and values lie in memory in runs of a few thousand bytes, too short for the processor's
// prefetcher. Asks for what is wanted some time after a place in the run at `now`; beyond its end,
// in the one at `next`.
class RunAhead {
 public:
  RunAhead(const uint8_t* now, size_t bytes, const uint8_t* next)
      : now_(now + kAhead), next_(next), left_(bytes - Least(bytes, kAhead)) {}

  void Request(size_t at, size_t bytes) const {
    constexpr size_t kLine = 64;
    if (left_ == 0) return;  // a tiny model's, which the caches hold
    const uint8_t* const from = at < left_ ? now_ + at : next_ + (at - left_);
    for (size_t i = 0; i < bytes; i += kLine) __builtin_prefetch(from + i);
  }

 private:
  static constexpr size_t kAhead = 1024;  // bytes

  const uint8_t* now_;
  const uint8_t* next_;
  size_t left_;
};

// Of what a block has at `offset`, behind which that of the next block is wanted; after the last
// one's, what the first has at `then`.
inline RunAhead AheadInBlocks(const AttentionInput& in, size_t block, size_t offset, size_t bytes,
                              size_t then) {
  const bool last = (block + 1) * kKvBlock >= in.n_positions;
  return {in.blocks[block] + offset, bytes,
          last ? in.blocks[0] + then : in.blocks[block + 1] + offset};
}

// scores[h][position] = q[h] . key / root, for kHeads query heads of one kv head. Its values are
// wanted next.
template <typename V, bool kHalf, size_t kHeads>
void ScoreHeads(float* scores, size_t stride, const float* q, const AttentionInput& in,
                size_t key_offset, size_t value_offset) {
  using Reg = typename V::Reg;
  constexpr size_t kElement = kHalf ? 2 : 4;
  constexpr size_t kRegs = V::kScoreRegs;  // of positions side by side
  constexpr size_t kPositions = kRegs * V::kLanes;
  static_assert(kKvBlock % kPositions == 0);
  const size_t head_size = in.head_size;
  const float root = __builtin_sqrtf(static_cast<float>(head_size));
  const Reg roots = V::Set1(root);
  // For a power of two a product gives the same bits, and sooner.
  const bool exact = root == 4.0f || root == 8.0f || root == 16.0f;
  const Reg inverse = V::Set1(1.0f / root);
  for (size_t first = 0; first < in.n_positions; first += kPositions) {
    const uint8_t* keys = in.blocks[first / kKvBlock] + key_offset;
    const RunAhead ahead = AheadInBlocks(in, first / kKvBlock, key_offset,
                                         head_size * kKvBlock * kElement, value_offset);
    Reg sums[kHeads][kRegs];
    for (size_t h = 0; h < kHeads; ++h) {
      for (size_t i = 0; i < kRegs; ++i) sums[h][i] = V::Set1(0);
    }
    for (size_t d = 0; d < head_size; ++d) {
      const size_t at = d * kKvBlock + first % kKvBlock;
      ahead.Request(at * kElement, kPositions * kElement);
      Reg key[kRegs];
#pragma GCC unroll 4
      for (size_t i = 0; i < kRegs; ++i) {
        key[i] = V::template LoadKv<kHalf>(keys, at + i * V::kLanes);
      }
#pragma GCC unroll 8
      for (size_t h = 0; h < kHeads; ++h) {
        const Reg element = V::Set1(q[h * head_size + d]);
#pragma GCC unroll 4
        for (size_t i = 0; i < kRegs; ++i) {
          sums[h][i] = V::Add(sums[h][i], V::Mul(element, key[i]));
        }
      }
    }
    for (size_t h = 0; h < kHeads; ++h) {
      for (size_t i = 0; i < kRegs; ++i) {
        const Reg score = exact ? V::Mul(sums[h][i], inverse) : V::Div(sums[h][i], roots);
        V::Store(scores + h * stride + first + i * V::kLanes, score);
      }
    }
  }
}

// out[h][d .. d + kChunks registers) = sum over positions of scores[h][position] * value; without
// kWhole only n_last elements of the last register. The next kv head's keys are wanted next.
template <typename V, bool kHalf, size_t kHeads, size_t kChunks, bool kWhole>
void MixHeads(float* out, const float* scores, size_t stride, const AttentionInput& in,
              size_t value_offset, size_t d, size_t n_last) {
  using Reg = typename V::Reg;
  constexpr size_t kElement = kHalf ? 2 : 4;
  const size_t head_size = in.head_size;
  const size_t next_keys = value_offset - in.value_offset + in.key_offset + in.head_bytes;
  Reg sums[kHeads][kChunks];
  for (size_t h = 0; h < kHeads; ++h) {
    for (size_t c = 0; c < kChunks; ++c) sums[h][c] = V::Set1(0);
  }
  for (size_t first = 0; first < in.n_positions; first += kKvBlock) {
    const uint8_t* values = in.blocks[first / kKvBlock] + value_offset;
    const size_t n = Least(in.n_positions - first, kKvBlock);
    const RunAhead ahead =
        AheadInBlocks(in, first / kKvBlock, value_offset, n * head_size * kElement, next_keys);
    for (size_t i = 0; i < n; ++i) {
      const size_t at = i * head_size + d;
      ahead.Request(at * kElement, kChunks * V::kLanes * kElement);
      Reg value[kChunks];
#pragma GCC unroll 4
      for (size_t c = 0; c < kChunks; ++c) {
        const size_t from = at + c * V::kLanes;
        value[c] = kWhole || c + 1 < kChunks ? V::template LoadKv<kHalf>(values, from)
                                             : V::template LoadKvFirst<kHalf>(values, from, n_last);
      }
#pragma GCC unroll 4
      for (size_t h = 0; h < kHeads; ++h) {
        const Reg weight = V::Set1(scores[h * stride + first + i]);
#pragma GCC unroll 4
        for (size_t c = 0; c < kChunks; ++c) {
          sums[h][c] = V::Add(sums[h][c], V::Mul(weight, value[c]));
        }
      }
    }
  }
  for (size_t h = 0; h < kHeads; ++h) {
    for (size_t c = 0; c < kChunks; ++c) {
      float* to = out + h * head_size + d + c * V::kLanes;
      if (kWhole || c + 1 < kChunks) {
        V::Store(to, sums[h][c]);
      } else {
        V::StoreFirst(to, sums[h][c], n_last);
      }
    }
  }
}

// The values of n_heads query heads of one kv head.
template <typename V, bool kHalf>
inline void MixRun(float* out, const float* scores, size_t stride, const AttentionInput& in,
                   size_t value_offset, size_t n_heads) {
  for (size_t h = 0; h < n_heads; h += V::kMixHeads) {
    WithCount<V::kMixHeads>(Least(n_heads - h, V::kMixHeads), [&]<size_t kHeads>() {
      float* to = out + h * in.head_size;
      const float* weights = scores + h * stride;
      size_t d = 0;
      while (d + V::kLanes <= in.head_size) {
        const size_t chunks = Least((in.head_size - d) / V::kLanes, V::kMixChunks);
        WithCount<V::kMixChunks>(chunks, [&]<size_t kChunks>() {
          MixHeads<V, kHalf, kHeads, kChunks, true>(to, weights, stride, in, value_offset, d, 0);
        });
        d += chunks * V::kLanes;
      }
      if (d == in.head_size) return;
      MixHeads<V, kHalf, kHeads, 1, false>(to, weights, stride, in, value_offset, d,
                                           in.head_size - d);
    });
  }
}

// Calls body(first head, number of heads) for the runs of heads in [begin, end) that share a kv
// head.
template <typename Body>
inline void ForEachRun(size_t begin, size_t end, size_t heads_per_kv_head, const Body& body) {
  for (size_t head = begin; head < end;) {
    const size_t next = (head / heads_per_kv_head + 1) * heads_per_kv_head;
    const size_t stop = Least(next, end);
    body(head, stop - head);
    head = stop;
  }
}

template <typename V, bool kHalf>
void AttentionOf(float* out, float* scores, size_t stride, const AttentionInput& in, size_t begin,
                 size_t end) {
  const size_t heads_per_kv_head = in.heads_per_kv_head;
  for (size_t head = begin; head < end; head += kHeadTile) {
    const size_t stop = Least(head + kHeadTile, end);
    ForEachRun(head, stop, heads_per_kv_head, [&](size_t h, size_t n) {
      const size_t kv_head = h / heads_per_kv_head * in.head_bytes;
      for (size_t i = 0; i < n; i += V::kScoreHeads) {
        WithCount<V::kScoreHeads>(Least(n - i, V::kScoreHeads), [&]<size_t kHeads>() {
          ScoreHeads<V, kHalf, kHeads>(scores + (h + i - head) * stride, stride,
                                       in.q + (h + i) * in.head_size, in, in.key_offset + kv_head,
                                       in.value_offset + kv_head);
        });
      }
    });
    WithCount<kHeadTile>(stop - head, [&]<size_t kRows>() {
      SoftmaxRows<V, kRows>(scores, stride, in.n_positions);
    });
    ForEachRun(head, stop, heads_per_kv_head, [&](size_t h, size_t n) {
      MixRun<V, kHalf>(out + h * in.head_size, scores + (h - head) * stride, stride, in,
                       in.value_offset + h / heads_per_kv_head * in.head_bytes, n);
    });
  }
}

template <typename V>
void Attention(float* out, float* scores, size_t stride, const AttentionInput& in, size_t kv_begin,
               size_t kv_end) {
  const size_t begin = kv_begin * in.heads_per_kv_head;
  const size_t end = kv_end * in.heads_per_kv_head;
  if (in.half) {
    AttentionOf<V, true>(out, scores, stride, in, begin, end);
  } else {
    AttentionOf<V, false>(out, scores, stride, in, begin, end);
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_VECTOR_ACTIVATIONS_H_
