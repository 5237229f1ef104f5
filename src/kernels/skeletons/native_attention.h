// SPDX-License-Identifier: MIT
// The attention of native_ops.h for any vector unit V (see native_elementwise.h). Queries are
// attended a tile at a time: the heads that share a kv head, of consecutive rows. Scores and values
// are computed by the same product, of numbers of a few queries and the rows of a page. V has:
//   kSumQueries  the most queries that are multiplied at a time
//   kSumRegs     the number of registers that may hold their sums
#ifndef CLAMMA_KERNELS_SKELETONS_NATIVE_ATTENTION_H_
#define CLAMMA_KERNELS_SKELETONS_NATIVE_ATTENTION_H_

#include "kernels/skeletons/native_elementwise.h"
#include "kernels/skeletons/prefetch.h"

namespace clamma {
namespace {
namespace native {

using portable::native::Positions;
using portable::native::State;

// Queries of one kv head. Their first and last positions do not decrease from one query to the
// next.
struct Tile {
  // The positions of a page to which query i attends.
  Positions Visible(size_t i, size_t page) const {
    return portable::native::Within(positions[i], page * kKvBlock, kKvBlock);
  }
  State StateOf(float* states, size_t i) const {
    return {states + i * AttentionStateSize(head_size), head_size};
  }

  size_t n;
  size_t head_size;
  size_t kv_head;
  Positions positions[kNativeTile];
  float* q;        // (InPieces(head_size) / kKvBlock, kNativeTile, kKvBlock)
  float* scores;   // (kNativeTile, kKvBlock), then the weights of values
  float* widened;  // (kKvBlock * head_size): keys or values of int8 as floats
};

// --- Products ---

// The number of registers for each query's sums: at most those of a page's scores, and fewer if the
// unit has no room for all.
template <typename V, size_t kQueries>
constexpr size_t RegsFor() {
  size_t regs = kKvBlock / V::kLanes;
  while (regs > 1 && regs * kQueries > V::kSumRegs) regs /= 2;
  return regs;
}

// Rows [begin, end) of a page's keys or values.
struct PageRows {
  const uint8_t* data;
  const uint8_t* next;  // the data to prefetch, of the same size
  size_t width;         // elements of a row
  size_t begin;
  size_t end;
};

// out[h][c] = Fma(a[h][row], rows[row][c], out[h][c]), row after row, for kRegs registers from
// column c on. Without kWhole there is one register, of n_last columns. With `fresh`, out counts as
// 0. a (rows / kKvBlock, kNativeTile, kKvBlock), out (kQueries, out_stride).
template <typename V, bool kHalf, size_t kQueries, size_t kRegs, bool kWhole>
void MultiplyColumns(float* out, size_t out_stride, bool fresh, const float* a,
                     const PageRows& rows, size_t c, size_t n_last) {
  using Reg = typename V::Reg;
  constexpr size_t kElement = kHalf ? 2 : 4;
  constexpr size_t kBytes = kRegs * V::kLanes * kElement;
  Reg sums[kQueries][kRegs];
#pragma GCC unroll 16
  for (size_t h = 0; h < kQueries; ++h) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kRegs; ++i) {
      sums[h][i] = fresh ? V::Set1(0) : V::Load(out + h * out_stride + c + i * V::kLanes);
    }
  }
  for (size_t row = rows.begin; row < rows.end;) {
    const float* factor = a + row / kKvBlock * kNativeTile * kKvBlock + row % kKvBlock;
    const size_t stop = Min(rows.end, (row / kKvBlock + 1) * kKvBlock);
    for (; row < stop; ++row, ++factor) {
      const size_t at = row * rows.width + c;
      for (size_t i = 0; i < kBytes; i += kLine) PrefetchLine(rows.next + at * kElement + i);
      Reg element[kRegs];
#pragma GCC unroll 8
      for (size_t i = 0; i < kRegs; ++i) {
        element[i] = kWhole ? V::template LoadKv<kHalf>(rows.data, at + i * V::kLanes)
                            : V::template LoadKvFirst<kHalf>(rows.data, at, n_last);
      }
#pragma GCC unroll 16
      for (size_t h = 0; h < kQueries; ++h) {
        const Reg of_query = V::Set1(factor[h * kKvBlock]);
#pragma GCC unroll 8
        for (size_t i = 0; i < kRegs; ++i) {
          sums[h][i] = V::Fma(of_query, element[i], sums[h][i]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (size_t h = 0; h < kQueries; ++h) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kRegs; ++i) {
      V::Store(out + h * out_stride + c + i * V::kLanes, sums[h][i]);
    }
  }
}

// MultiplyColumns() for all columns.
template <typename V, bool kHalf, size_t kQueries>
void Multiply(float* out, size_t out_stride, bool fresh, const float* a, const PageRows& rows) {
  constexpr size_t kRegs = RegsFor<V, kQueries>();
  constexpr size_t kColumns = kRegs * V::kLanes;
  size_t c = 0;
  for (; c + kColumns <= rows.width; c += kColumns) {
    MultiplyColumns<V, kHalf, kQueries, kRegs, true>(out, out_stride, fresh, a, rows, c, 0);
  }
  for (; c + V::kLanes <= rows.width; c += V::kLanes) {
    MultiplyColumns<V, kHalf, kQueries, 1, true>(out, out_stride, fresh, a, rows, c, 0);
  }
  if (c == rows.width) return;
  MultiplyColumns<V, kHalf, kQueries, 1, false>(out, out_stride, fresh, a, rows, c, rows.width - c);
}

// Divides [begin, end) into parts that are as equal as possible, and calls f<count>(first) for
// each.
template <typename V, typename F>
inline void ForParts(size_t begin, size_t end, const F& f) {
  size_t parts = (end - begin + V::kSumQueries - 1) / V::kSumQueries;
  for (; begin < end; --parts) {
    const size_t count = (end - begin + parts - 1) / parts;
    vector::WithCount<V::kSumQueries>(
        count, [&]<size_t kCount>() { f.template operator()<kCount>(begin); });
    begin += count;
  }
}

// --- A page ---

// Multiplies a page's scores by `scale` and applies the soft cap. scores (kKvBlock)
template <typename V>
inline void CapScores(float* scores, float scale, float cap) {
  for (size_t i = 0; i < kKvBlock; i += V::kLanes) {
    const typename V::Reg scaled = V::Mul(V::Load(scores + i), V::Set1(scale));
    V::Store(scores + i, SoftCapped<V>(scaled, V::Set1(2.0f / cap), V::Set1(cap)));
  }
}

// Turns a page's scores into weights, and updates the state's maximum and sum. scores (kKvBlock)
template <typename V>
inline void Weigh(float* scores, State state, float scale, const Positions& visible) {
  using Reg = typename V::Reg;
  constexpr size_t kRegs = kKvBlock / V::kLanes;
  for (size_t i = 0; i < visible.begin; ++i) scores[i] = kMinusInfinity;
  for (size_t i = visible.end; i < kKvBlock; ++i) scores[i] = kMinusInfinity;
  Reg x[kRegs];
  Reg largest = V::Set1(state.largest());
#pragma GCC unroll 8
  for (size_t i = 0; i < kRegs; ++i) {
    x[i] = V::Mul(V::Load(scores + i * V::kLanes), V::Set1(scale));
    largest = V::Max(x[i], largest);
  }
  state.Raise(V::ReduceMax(largest));
  const Reg top = V::Set1(state.largest());
#pragma GCC unroll 8
  for (size_t i = 0; i < kRegs; ++i) {
    x[i] = Exp<V>(V::Sub(x[i], top));
    V::Store(scores + i * V::kLanes, x[i]);
  }
#pragma GCC unroll 4
  for (size_t half = kRegs / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) x[i] = V::Add(x[i], x[i + half]);
  }
  state.sum() += V::ReduceAdd(x[0]);
}

// Adds the weighted values of a page for queries [begin, begin + kQueries). Positions to which all
// of them attend are added for all queries together, the others for one query after the other.
template <typename V, bool kHalf, size_t kQueries>
inline void AddValues(const Tile& tile, float* states, PageRows rows, size_t page, size_t begin) {
  const size_t size = AttentionStateSize(tile.head_size);
  const auto add = [&]<size_t kCount>(size_t query, size_t from, size_t to) {
    if (from >= to) return;
    rows.begin = from;
    rows.end = to;
    Multiply<V, kHalf, kCount>(states + query * size, size, false, tile.scores + query * kKvBlock,
                               rows);
  };
  size_t common = tile.Visible(begin + kQueries - 1, page).begin;
  size_t common_end = tile.Visible(begin, page).end;
  if (common >= common_end) common = common_end = kKvBlock;
  for (size_t h = begin; h < begin + kQueries; ++h) {
    const Positions visible = tile.Visible(h, page);
    add.template operator()<1>(h, visible.begin, Min(visible.end, common));
  }
  add.template operator()<kQueries>(begin, common, common_end);
  for (size_t h = begin; h < begin + kQueries; ++h) {
    add.template operator()<1>(h, common_end, tile.Visible(h, page).end);
  }
}

// Rows of floats or halves of a page; those of int8 as floats, by widen(tile.widened, data, head
// size).
template <bool kHalf, typename Widen>
inline PageRows RowsOf(const Tile& tile, const AttentionInput& in, const uint8_t* data,
                       const uint8_t* next, size_t width, size_t rows, const Widen& widen) {
  if constexpr (!kHalf) {
    if (in.kv_type == KvType::kQ8) {
      for (size_t i = 0; i < in.head_bytes; i += kLine) PrefetchLine(next + i);
      widen(tile.widened, data, in.head_size);
      data = next = reinterpret_cast<const uint8_t*>(tile.widened);
    }
  }
  return {data, next, width, 0, rows};
}

template <typename V, bool kHalf>
void AttendPage(const Tile& tile, float* states, const AttentionInput& in, size_t page,
                const uint8_t* next) {
  size_t begin = 0;
  size_t end = tile.n;
  while (begin < end && tile.Visible(begin, page).end == 0) ++begin;
  while (begin < end && tile.Visible(end - 1, page).begin == kKvBlock) --end;
  const uint8_t* keys = in.blocks[page] + in.key_offset + tile.kv_head * in.head_bytes;
  const uint8_t* values = in.blocks[page] + in.value_offset + tile.kv_head * in.head_bytes;
  const PageRows key_rows =
      RowsOf<kHalf>(tile, in, keys, values, kKvBlock, in.head_size, portable::native::WidenKeys);
  ForParts<V>(begin, end, [&]<size_t kQueries>(size_t first) {
    Multiply<V, kHalf, kQueries>(tile.scores + first * kKvBlock, kKvBlock, true,
                                 tile.q + first * kKvBlock, key_rows);
  });
  float scale = portable::native::ScaleOf(in);
  if (in.soft_cap > 0) {
    for (size_t i = begin; i < end; ++i) {
      CapScores<V>(tile.scores + i * kKvBlock, scale, in.soft_cap);
    }
    scale = 1.0f;
  }
  for (size_t i = begin; i < end; ++i) {
    Weigh<V>(tile.scores + i * kKvBlock, tile.StateOf(states, i), scale, tile.Visible(i, page));
  }
  const PageRows value_rows =
      RowsOf<kHalf>(tile, in, values, next, in.head_size, kKvBlock, portable::native::WidenValues);
  ForParts<V>(begin, end, [&]<size_t kQueries>(size_t first) {
    AddValues<V, kHalf, kQueries>(tile, states, value_rows, page, first);
  });
}

// --- All of them ---

// Computes the states of a tile's queries after one segment. Some queries may have no position in
// it.
template <typename V, bool kHalf>
inline void AttendSegment(const Tile& tile, float* states, const AttentionInput& in,
                          size_t segment) {
  constexpr size_t kPages = kSegment / kKvBlock;
  for (size_t i = 0; i < tile.n; ++i) tile.StateOf(states, i).Clear();
  const size_t last = BlocksOf(tile.positions[tile.n - 1].end);
  size_t page = tile.positions[0].begin / kKvBlock;
  page = page < segment * kPages ? segment * kPages : page;
  for (const size_t end = Min(last, (segment + 1) * kPages); page < end; ++page) {
    const uint8_t* next = in.blocks[page + 1 < last ? page + 1 : page] + in.key_offset;
    AttendPage<V, kHalf>(tile, states, in, page, next + tile.kv_head * in.head_bytes);
  }
}

// Calls body(tile, first query, rest of scratch) for each tile of the queries of kv heads
// [kv_begin, kv_end).
template <typename Body>
inline void ForEachTile(float* scratch, const AttentionInput& in, size_t kv_begin, size_t kv_end,
                        const Body& body) {
  const size_t size = InPieces(in.head_size);
  const size_t per_kv_head = in.n_rows * in.heads_per_kv_head;
  Tile tile = {};
  tile.head_size = in.head_size;
  tile.q = scratch;
  tile.scores = tile.q + kNativeTile * size;
  tile.widened = tile.scores + kNativeTile * kKvBlock;
  float* const left = tile.widened + kKvBlock * in.head_size;
  portable::native::ForEachQuery(in, kv_begin, kv_end, [&](size_t row, size_t head, size_t query) {
    const float* q = in.q + row * in.row_stride + head * in.head_size;
    for (size_t d = 0; d < in.head_size; ++d) {
      tile.q[(d / kKvBlock * kNativeTile + tile.n) * kKvBlock + d % kKvBlock] = q[d];
    }
    tile.kv_head = head / in.heads_per_kv_head;
    tile.positions[tile.n++] = portable::native::VisibleTo(in, row);
    if (tile.n < kNativeTile && (query + 1) % per_kv_head != 0) return;
    body(tile, query + 1 - tile.n, left);
    tile.n = 0;
  });
}

template <typename V, bool kHalf>
void AttendSegmentsOf(float* states, float* scratch, const AttentionInput& in, size_t kv_begin,
                      size_t kv_end, size_t begin, size_t end) {
  const size_t size = AttentionStateSize(in.head_size);
  const size_t n_queries = (kv_end - kv_begin) * in.n_rows * in.heads_per_kv_head;
  ForEachTile(scratch, in, kv_begin, kv_end, [&](const Tile& tile, size_t first, float*) {
    for (size_t s = begin; s < end; ++s) {
      AttendSegment<V, kHalf>(tile, states + ((s - begin) * n_queries + first) * size, in, s);
    }
  });
}

template <typename V>
void AttendSegments(float* states, float* scratch, const AttentionInput& in, size_t kv_begin,
                    size_t kv_end, size_t begin, size_t end) {
  const auto attend =
      in.kv_type == KvType::kF16 ? AttendSegmentsOf<V, true> : AttendSegmentsOf<V, false>;
  attend(states, scratch, in, kv_begin, kv_end, begin, end);
}

template <typename V, KvType kType>
void Attention(float* out, float* scratch, size_t /*stride*/, const AttentionInput& in,
               size_t kv_begin, size_t kv_end) {
  constexpr bool kHalf = kType == KvType::kF16;  // kQ8 as kF32: see RowsOf()
  const size_t size = AttentionStateSize(in.head_size);
  const size_t per_kv_head = in.n_rows * in.heads_per_kv_head;
  ForEachTile(scratch, in, kv_begin, kv_end, [&](const Tile& tile, size_t first, float* states) {
    float* const next = states + kNativeTile * size;
    const size_t begin = tile.positions[0].begin / kSegment;
    const size_t end = SegmentsOf(tile.positions[tile.n - 1].end);
    for (size_t s = begin; s < end; ++s) {
      AttendSegment<V, kHalf>(tile, s == begin ? states : next, in, s);
      if (s > begin) portable::native::MergeStates(states, next, tile.n, in.head_size);
    }
    for (size_t i = 0; i < tile.n; ++i) {
      const size_t query = (first + i) % per_kv_head;
      const size_t head = tile.kv_head * in.heads_per_kv_head + query % in.heads_per_kv_head;
      const size_t at = query / in.heads_per_kv_head * in.row_stride + head * in.head_size;
      portable::native::Finish(out + at, {states + i * size, in.head_size}, in.head_size,
                               portable::native::SinkOf(in, head));
    }
  });
}

// The kernels of the native order for unit V.
template <typename V>
constexpr OrderKernels OrderOf(const char* name) {
  return {
      .name = name,
      .rmsnorm = RmsNorm<V>,
      .softmax = Softmax<V>,
      .glu = {{{GluType::kSilu, SwiGlu<V>},
               {GluType::kGelu, GeGlu<V>},
               {GluType::kClampedSilu, ClampedSwiGlu<V>}}},
      .soft_cap = SoftCap<V>,
      .attention = {{{KvType::kF32, Attention<V, KvType::kF32>},
                     {KvType::kF16, Attention<V, KvType::kF16>},
                     {KvType::kQ8, Attention<V, KvType::kF32>}}},
      .attention_scratch = NativeAttentionScratch,
      .query_tile = kNativeTile,
      .attend_segments = AttendSegments<V>,
      .merge_states = portable::native::MergeStates,
      .finish_attention = portable::native::FinishAttention,
  };
}

}  // namespace native
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_NATIVE_ATTENTION_H_
