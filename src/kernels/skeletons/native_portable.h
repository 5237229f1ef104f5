// SPDX-License-Identifier: MIT
// The kernels of native_ops.h in plain C++.
#ifndef CLAMMA_KERNELS_SKELETONS_NATIVE_PORTABLE_H_
#define CLAMMA_KERNELS_SKELETONS_NATIVE_PORTABLE_H_

#include "kernels/native_math.h"
#include "kernels/native_ops.h"
#include "kernels/skeletons/portable.h"

namespace clamma {
namespace {
namespace portable::native {

constexpr float kMinusInfinity = -__builtin_inff();

inline float RootScale(float squares, size_t n, float epsilon) {
  return 1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + epsilon);
}

inline void RmsNorm(float* out, const float* x, const float* weight, size_t n_rows, size_t n,
                    float epsilon) {
  for (size_t r = 0; r < n_rows; ++r, out += n, x += n) {
    float sums[kLanes] = {};
    for (size_t i = 0; i < n; ++i) sums[i % kLanes] = Fma(x[i], x[i], sums[i % kLanes]);
    const float scale = RootScale(Reduce16(sums), n, epsilon);
    for (size_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
  }
}

inline void Softmax(float* x, size_t n) {
  float largest = kMinusInfinity;
  for (size_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  float sums[kLanes] = {};
  for (size_t i = 0; i < n; ++i) {
    float below = x[i] - largest;
    if (!(below > kMinusInfinity)) below = kMinusInfinity;  // also for NaN
    x[i] = ExpNative(below);
    sums[i % kLanes] += x[i];
  }
  const float scale = 1.0f / Reduce16(sums);
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
}

inline float Sigmoid(float x) {
  const float e = ExpNative(-__builtin_fabsf(x));
  const float share = __builtin_signbit(x) != 0 ? e : 1.0f;
  return share / (1.0f + e);
}

inline void SwiGlu(float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) gate[i] = gate[i] * Sigmoid(gate[i]) * up[i];
}

inline void GeGlu(float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float g = gate[i];
    const float z = g * Fma(g * g, GluConstants::kGeluCubic, GluConstants::kGeluLinear);
    gate[i] = g * Sigmoid(z) * up[i];
  }
}

inline void ClampedSwiGlu(float* gate, const float* up, size_t n) {
  constexpr float kBound = GluConstants::kBound;
  for (size_t i = 0; i < n; ++i) {
    const float g = kBound < gate[i] ? kBound : gate[i];
    float u = kBound < up[i] ? kBound : up[i];
    u = -kBound > u ? -kBound : u;
    gate[i] = g * Sigmoid(g * GluConstants::kSteepness) * (u + 1.0f);
  }
}

inline float SoftCapped(float x, float cap) {
  const float e = ExpNative(-__builtin_fabsf(x * (2.0f / cap)));
  const float capped = (1.0f - e) / (1.0f + e) * cap;
  return __builtin_signbit(x) != 0 ? -capped : capped;
}

inline void SoftCap(float* x, size_t n, float cap) {
  for (size_t i = 0; i < n; ++i) x[i] = SoftCapped(x[i], cap);
}

// --- Attention: shared with the vector units ---

inline float ScaleOf(const AttentionInput& in) {
  return in.scale > 0 ? in.scale : 1.0f / __builtin_sqrtf(static_cast<float>(in.head_size));
}

// Positions [begin, end).
struct Positions {
  size_t begin;
  size_t end;
};

// The positions to which a row attends.
inline Positions VisibleTo(const AttentionInput& in, size_t row) {
  const size_t end = in.n_positions + row;
  return {in.window == 0 || in.window > end ? 0 : end - in.window, end};
}

// The positions that lie in [begin, begin + size), relative to `begin`.
inline Positions Within(const Positions& positions, size_t begin, size_t size) {
  const auto clip = [=](size_t position) {
    return position < begin ? 0 : Min(position - begin, size);
  };
  return {clip(positions.begin), clip(positions.end)};
}

// A read-only view of a state in memory.
struct StateView {
  StateView(const float* state, size_t head_size)
      : values(state), largest(state[InPieces(head_size)]), sum(state[InPieces(head_size) + 1]) {}

  const float* values;
  float largest;
  float sum;
};

// A state in memory.
class State {
 public:
  State(float* values, size_t head_size)
      : values_(values), head_size_(head_size), rest_(values + InPieces(head_size)) {}

  float* values() { return values_; }
  float& largest() { return rest_[0]; }
  float& sum() { return rest_[1]; }  // 0 without any position, else at least 1 or NaN

  void Clear() {
    for (size_t d = 0; d < InPieces(head_size_); ++d) values_[d] = 0;
    largest() = kMinusInfinity;
    sum() = 0;
  }

  // Rescales the state for scores up to `largest_now`.
  void Raise(float largest_now) {
    if (!(largest_now > largest())) return;
    const float c = ExpNative(largest() - largest_now);
    sum() *= c;
    for (size_t d = 0; d < head_size_; ++d) values_[d] *= c;
    largest() = largest_now;
  }

  void Merge(const StateView& next) {
    if (next.sum == 0) return;
    if (sum() == 0) {
      for (size_t d = 0; d < head_size_; ++d) values_[d] = next.values[d];
      largest() = next.largest;
      sum() = next.sum;
      return;
    }
    const float top = next.largest > largest() ? next.largest : largest();
    const float a = ExpNative(largest() - top);
    const float b = ExpNative(next.largest - top);
    sum() = Fma(next.sum, b, sum() * a);
    for (size_t d = 0; d < head_size_; ++d) values_[d] = Fma(next.values[d], b, values_[d] * a);
    largest() = top;
  }

 private:
  float* values_;
  size_t head_size_;
  float* rest_;
};

// Computes a head's result from its state. `sink` is nullptr if the head has none.
inline void Finish(float* out, const StateView& state, size_t head_size, const float* sink) {
  float sum = state.sum;
  float share = 1.0f;
  if (sink != nullptr) {
    const float top = *sink > state.largest ? *sink : state.largest;
    share = ExpNative(state.largest - top);
    sum = Fma(sum, share, ExpNative(*sink - top));
  }
  for (size_t d = 0; d < head_size; ++d) out[d] = state.values[d] * share / sum;
}

inline const float* SinkOf(const AttentionInput& in, size_t head) {
  return in.sinks == nullptr ? nullptr : in.sinks + head;
}

// Calls body(row, head, query) for the queries of kv heads [kv_begin, kv_end), in order.
template <typename Body>
inline void ForEachQuery(const AttentionInput& in, size_t kv_begin, size_t kv_end,
                         const Body& body) {
  size_t query = 0;
  for (size_t kv_head = kv_begin; kv_head < kv_end; ++kv_head) {
    for (size_t row = 0; row < in.n_rows; ++row) {
      for (size_t i = 0; i < in.heads_per_kv_head; ++i, ++query) {
        body(row, kv_head * in.heads_per_kv_head + i, query);
      }
    }
  }
}

inline void MergeStates(float* states, const float* next, size_t n, size_t head_size) {
  const size_t size = AttentionStateSize(head_size);
  for (size_t i = 0; i < n * size; i += size) {
    State(states + i, head_size).Merge({next + i, head_size});
  }
}

inline void FinishAttention(float* out, const float* states, const AttentionInput& in,
                            size_t kv_begin, size_t kv_end) {
  const size_t size = AttentionStateSize(in.head_size);
  ForEachQuery(in, kv_begin, kv_end, [&](size_t row, size_t head, size_t query) {
    Finish(out + row * in.row_stride + head * in.head_size, {states + query * size, in.head_size},
           in.head_size, SinkOf(in, head));
  });
}

// --- Attention ---

// A page of int8 as floats, for what multiplies floats.
inline void WidenKeys(float* __restrict out, const uint8_t* __restrict keys, size_t head_size) {
  float scales[kKvBlock];
  std::memcpy(scales, keys + kKvBlock * head_size, sizeof(scales));
  for (size_t d = 0; d < head_size; ++d, keys += kKvBlock, out += kKvBlock) {
    for (size_t i = 0; i < kKvBlock; ++i) {
      out[i] = static_cast<float>(static_cast<int8_t>(keys[i])) * scales[i];
    }
  }
}
inline void WidenValues(float* __restrict out, const uint8_t* __restrict values, size_t head_size) {
  const uint8_t* scales = values + kKvBlock * head_size;
  for (size_t i = 0; i < kKvBlock; ++i, values += head_size, out += head_size) {
    const float scale = LoadF32(scales + 4 * i);
    for (size_t d = 0; d < head_size; ++d) {
      out[d] = static_cast<float>(static_cast<int8_t>(values[d])) * scale;
    }
  }
}

template <bool kHalf>
inline void AttendPage(State state, const float* q, const AttentionInput& in,
                       const Positions& visible, const uint8_t* keys, const uint8_t* values) {
  float scores[kKvBlock] = {};
  for (size_t d = 0; d < in.head_size; ++d) {
    for (size_t i = 0; i < kKvBlock; ++i) {
      scores[i] = Fma(q[d], LoadKv<kHalf>(keys, d * kKvBlock + i), scores[i]);
    }
  }
  const float scale = ScaleOf(in);
  float largest = kMinusInfinity;
  for (size_t i = visible.begin; i < visible.end; ++i) {
    scores[i] *= scale;
    if (in.soft_cap > 0) scores[i] = SoftCapped(scores[i], in.soft_cap);
    largest = scores[i] > largest ? scores[i] : largest;
  }
  state.Raise(largest);
  float weights[kKvBlock] = {};
  for (size_t i = visible.begin; i < visible.end; ++i) {
    weights[i] = ExpNative(scores[i] - state.largest());
    for (size_t d = 0; d < in.head_size; ++d) {
      float& value = state.values()[d];
      value = Fma(weights[i], LoadKv<kHalf>(values, i * in.head_size + d), value);
    }
  }
  for (size_t i = 0; i < kLanes; ++i) weights[i] += weights[i + kLanes];
  state.sum() += Reduce16(weights);
}

// Computes the state of one query after one segment. `widened` is scratch for a page of int8 as
// floats: (2, kKvBlock * head_size).
template <bool kHalf>
inline void AttendSegment(State state, float* widened, const AttentionInput& in, size_t row,
                          size_t head, size_t segment) {
  state.Clear();
  float* const widened_values = widened + kKvBlock * in.head_size;
  const float* q = in.q + row * in.row_stride + head * in.head_size;
  const size_t skip = head / in.heads_per_kv_head * in.head_bytes;
  for (size_t first = segment * kSegment; first < (segment + 1) * kSegment; first += kKvBlock) {
    const Positions visible = Within(VisibleTo(in, row), first, kKvBlock);
    if (visible.begin == visible.end) continue;
    const uint8_t* keys = in.blocks[first / kKvBlock] + in.key_offset + skip;
    const uint8_t* values = in.blocks[first / kKvBlock] + in.value_offset + skip;
    if (!kHalf && in.kv_type == KvType::kQ8) {
      WidenKeys(widened, keys, in.head_size);
      WidenValues(widened_values, values, in.head_size);
      keys = reinterpret_cast<const uint8_t*>(widened);
      values = reinterpret_cast<const uint8_t*>(widened_values);
    }
    AttendPage<kHalf>(state, q, in, visible, keys, values);
  }
}

inline void AttendSegments(float* states, float* scratch, const AttentionInput& in, size_t kv_begin,
                           size_t kv_end, size_t begin, size_t end) {
  const auto attend = in.kv_type == KvType::kF16 ? AttendSegment<true> : AttendSegment<false>;
  const size_t size = AttentionStateSize(in.head_size);
  const size_t n_queries = (kv_end - kv_begin) * in.n_rows * in.heads_per_kv_head;
  for (size_t segment = begin; segment < end; ++segment, states += n_queries * size) {
    ForEachQuery(in, kv_begin, kv_end, [&](size_t row, size_t head, size_t query) {
      attend(State(states + query * size, in.head_size), scratch, in, row, head, segment);
    });
  }
}

template <KvType kType>
inline void Attention(float* out, float* scratch, size_t /*stride*/, const AttentionInput& in,
                      size_t kv_begin, size_t kv_end) {
  constexpr auto kAttend = AttendSegment<kType == KvType::kF16>;
  float* const states = scratch;
  float* const next = states + AttentionStateSize(in.head_size);
  float* const widened = next + AttentionStateSize(in.head_size);
  ForEachQuery(in, kv_begin, kv_end, [&](size_t row, size_t head, size_t /*query*/) {
    const Positions visible = VisibleTo(in, row);
    const size_t begin = visible.begin / kSegment;
    for (size_t s = begin; s < SegmentsOf(visible.end); ++s) {
      kAttend(State(s == begin ? states : next, in.head_size), widened, in, row, head, s);
      if (s > begin) MergeStates(states, next, 1, in.head_size);
    }
    Finish(out + row * in.row_stride + head * in.head_size, {states, in.head_size}, in.head_size,
           SinkOf(in, head));
  });
}

}  // namespace portable::native
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_NATIVE_PORTABLE_H_
