// SPDX-License-Identifier: MIT
// Attention of the native order, compared with exact arithmetic and with its law; and every table,
// compared with the scalar one, bit for bit, whatever the batch and its parts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/half.h"
#include "kernels/kv_types.h"
#include "kernels/native_math.h"
#include "native_fixture.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::kInfinity;
using clamma_test::kNaN;
using clamma_test::NativeTest;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, NativeTest, testing::ValuesIn(clamma_test::NativeTables()),
                         clamma_test::NameOfNative);

constexpr KvType kF32 = KvType::kF32;
constexpr KvType kF16 = KvType::kF16;
constexpr KvType kQ8 = KvType::kQ8;

struct Shape {
  size_t head_size = 16;
  size_t kv_heads = 1;
  size_t heads_per_kv_head = 1;
  KvType kv = KvType::kF32;
  size_t window = 0;
  float soft_cap = 0;
  bool sinks = false;

  size_t dim() const { return kv_heads * heads_per_kv_head * head_size; }
};

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << "heads of " << shape.head_size << ", " << shape.kv_heads << " times "
             << shape.heads_per_kv_head << ", " << kKvFormats[shape.kv].name << ", window "
             << shape.window << ", soft cap " << shape.soft_cap << ", sinks " << shape.sinks;
}

// Keys and values of some positions, in the pages of AttentionInput.
class Context {
 public:
  Context(const Shape& shape, size_t positions, Random& random, float deviation = 1)
      : shape_(shape), keys_(positions), values_(positions) {
    const size_t bytes = kKeyOffset + 2 * shape.kv_heads * HeadBytes();
    for (size_t i = 0; i < positions; i += kKvBlock) pages_.emplace_back(bytes);
    for (Bytes& page : pages_) pointers_.push_back(page.data());
    const size_t n = shape.kv_heads * shape.head_size;
    const Floats keys = random.Normals(positions * n, deviation);
    const Floats values = random.Normals(positions * n);
    for (size_t p = 0; p < positions; ++p) Put(p, &keys[p * n], &values[p * n]);
    if (shape.sinks) sinks_ = random.Normals(shape.kv_heads * shape.heads_per_kv_head, 2);
  }

  // (kv_heads * head_size)
  void Put(size_t position, const float* key, const float* value) {
    const size_t n = shape_.kv_heads * shape_.head_size;
    keys_[position].resize(n);
    values_[position].resize(n);
    const KvFormat& format = kKvFormats[shape_.kv];
    const size_t slot = position % kKvBlock;
    const size_t scale =
        kKvBlock * shape_.head_size * format.element_bytes + slot * format.scale_bytes;
    uint8_t* keys = pages_[position / kKvBlock].data() + kKeyOffset;
    for (size_t i = 0; i < n; i += shape_.head_size, keys += HeadBytes()) {
      uint8_t* values = keys + shape_.kv_heads * HeadBytes();
      const KvPlace of_key = {keys + slot * format.element_bytes, kKvBlock, keys + scale};
      const KvPlace of_value = {values + slot * shape_.head_size * format.element_bytes, 1,
                                values + scale};
      format.store(of_key, key + i, shape_.head_size);
      format.store(of_value, value + i, shape_.head_size);
      for (size_t d = 0; d < shape_.head_size; ++d) {
        keys_[position][i + d] = Stored(of_key, d);
        values_[position][i + d] = Stored(of_value, d);
      }
    }
  }
  void Put(size_t position, const Floats& key, const Floats& value) {
    Put(position, key.data(), value.data());
  }

  // Rows of q, the first of which attends to n_positions.
  AttentionInput Input(const Floats& q, size_t n_positions) const {
    AttentionInput input;
    input.q = q.data();
    input.blocks = pointers_.data();
    input.key_offset = kKeyOffset;
    input.value_offset = kKeyOffset + shape_.kv_heads * HeadBytes();
    input.head_bytes = HeadBytes();
    input.heads_per_kv_head = shape_.heads_per_kv_head;
    input.row_stride = shape_.dim();
    input.n_rows = q.size() / shape_.dim();
    input.n_positions = n_positions;
    input.head_size = shape_.head_size;
    input.kv_type = shape_.kv;
    input.scale = 0.3f;
    input.window = shape_.window;
    input.soft_cap = shape_.soft_cap;
    input.sinks = sinks_.empty() ? nullptr : sinks_.data();
    return input;
  }

  // Returns the outputs of kv heads [kv_begin, kv_end); those of others are NaN.
  Floats Attend(const OrderKernels& ops, const Floats& q, size_t n_positions, size_t kv_begin,
                size_t kv_end) const {
    Floats out(q.size(), kNaN);
    Floats scratch(NativeAttentionScratch(0, shape_.head_size), kNaN);
    const AttentionInput input = Input(q, n_positions);
    ops.attention[input.kv_type](out.data(), scratch.data(), 0, input, kv_begin, kv_end);
    return out;
  }
  Floats Attend(const OrderKernels& ops, const Floats& q, size_t n_positions) const {
    return Attend(ops, q, n_positions, 0, shape_.kv_heads);
  }
  // Returns the outputs of the scalar table, one row at a time.
  Floats AttendAlone(const Floats& q, size_t n_positions) const {
    Floats all;
    for (size_t row = 0; row < q.size() / shape_.dim(); ++row) {
      const auto from = q.begin() + static_cast<ptrdiff_t>(row * shape_.dim());
      const Floats one(from, from + static_cast<ptrdiff_t>(shape_.dim()));
      const Floats out = Attend(kScalarNativeOrder, one, n_positions + row);
      all.insert(all.end(), out.begin(), out.end());
    }
    return all;
  }

  Floats RandomQuery(Random& random, size_t rows = 1) const {
    return random.Normals(rows * shape_.dim());
  }

  // Calls f(first element in q, first element in keys and values).
  template <typename F>
  void ForEachHead(const F& f) const {
    for (size_t head = 0; head < shape_.dim() / shape_.head_size; ++head) {
      f(head * shape_.head_size, head / shape_.heads_per_kv_head * shape_.head_size);
    }
  }

  std::vector<double> Exact(const Floats& q, size_t n_positions) const {
    std::vector<double> out(q.size());
    const size_t begin = Begin(n_positions);
    ForEachHead([&](size_t of_q, size_t of_kv) {
      std::vector<double> scores(n_positions, -1e300);
      for (size_t p = begin; p < n_positions; ++p) {
        double dot = 0;
        for (size_t d = 0; d < shape_.head_size; ++d) {
          dot += double{q[of_q + d]} * double{keys_[p][of_kv + d]};
        }
        scores[p] = dot * double{0.3f};
        const double cap = double{shape_.soft_cap};
        if (cap > 0) scores[p] = cap * std::tanh(scores[p] / cap);
      }
      double largest = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      if (shape_.sinks) {
        const double sink = double{sinks_[of_q / shape_.head_size]};
        largest = std::max(largest, sink);
        total = std::exp(sink - largest);
      }
      for (size_t p = begin; p < n_positions; ++p) {
        const double weight = std::exp(scores[p] - largest);
        total += weight;
        for (size_t d = 0; d < shape_.head_size; ++d) {
          out[of_q + d] += weight * double{values_[p][of_kv + d]};
        }
      }
      for (size_t d = 0; d < shape_.head_size; ++d) out[of_q + d] /= total;
    });
    return out;
  }

  // The law of native_ops.h, for numbers.
  Floats ByLaw(const Floats& q, size_t n_positions) const {
    Floats out(q.size());
    ForEachHead([&](size_t of_q, size_t of_kv) {
      State all;
      for (size_t s = 0; s < n_positions; s += kSegment) {
        if (Begin(n_positions) >= s + kSegment) continue;
        State state = {-kInfinity, 0, std::vector<float>(shape_.head_size)};
        for (size_t page = s; page < s + kSegment && page < n_positions; page += kKvBlock) {
          const size_t begin = std::max(page, Begin(n_positions));
          const size_t end = std::min(page + kKvBlock, n_positions);
          if (begin < end) PageByLaw(state, page, begin, end, &q[of_q], of_kv);
        }
        if (all.values.empty()) {
          all = state;
          continue;
        }
        const float top = std::max(all.largest, state.largest);
        const float a = ExpNative(all.largest - top);
        const float b = ExpNative(state.largest - top);
        all.sum = std::fma(state.sum, b, all.sum * a);
        for (size_t d = 0; d < shape_.head_size; ++d) {
          all.values[d] = std::fma(state.values[d], b, all.values[d] * a);
        }
        all.largest = top;
      }
      float share = 1;
      if (shape_.sinks) {
        const float sink = sinks_[of_q / shape_.head_size];
        const float top = std::max(all.largest, sink);
        share = ExpNative(all.largest - top);
        all.sum = std::fma(all.sum, share, ExpNative(sink - top));
      }
      for (size_t d = 0; d < shape_.head_size; ++d) out[of_q + d] = all.values[d] * share / all.sum;
    });
    return out;
  }

 private:
  static constexpr size_t kKeyOffset = 6;  // not aligned

  struct State {
    float largest = 0;
    float sum = 0;
    std::vector<float> values;
  };

  size_t HeadBytes() const {
    const KvFormat& format = kKvFormats[shape_.kv];
    return kKvBlock * (shape_.head_size * format.element_bytes + format.scale_bytes);
  }

  size_t Begin(size_t n_positions) const {
    return shape_.window == 0 ? 0 : n_positions - std::min(n_positions, shape_.window);
  }

  // Positions [begin, end) of the page that begins at position `page`.
  void PageByLaw(State& state, size_t page, size_t begin, size_t end, const float* q,
                 size_t of_kv) const {
    std::vector<float> scores(kKvBlock, -kInfinity);
    for (size_t p = begin; p < end; ++p) {
      float dot = 0;
      for (size_t d = 0; d < shape_.head_size; ++d) dot = std::fma(q[d], keys_[p][of_kv + d], dot);
      float score = dot * 0.3f;
      if (shape_.soft_cap > 0) {
        const float e = ExpNative(-std::abs(score * (2 / shape_.soft_cap)));
        score = std::copysign((1 - e) / (1 + e) * shape_.soft_cap, score);
      }
      scores[p - page] = score;
    }
    const float top = *std::max_element(scores.begin(), scores.end());
    if (top > state.largest) {
      const float c = ExpNative(state.largest - top);
      state.sum *= c;
      for (float& value : state.values) value *= c;
      state.largest = top;
    }
    std::vector<float> weights(kKvBlock);
    for (size_t p = begin; p < end; ++p) {
      weights[p - page] = ExpNative(scores[p - page] - state.largest);
      for (size_t d = 0; d < shape_.head_size; ++d) {
        state.values[d] = std::fma(weights[p - page], values_[p][of_kv + d], state.values[d]);
      }
    }
    for (size_t half = kKvBlock / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) weights[i] += weights[i + half];
    }
    state.sum += weights[0];
  }

  // The number that was stored.
  float Stored(const KvPlace& place, size_t d) const {
    const size_t at = d * place.stride;
    float number = 0;
    if (shape_.kv == kF16) return LoadHalf(place.elements + 2 * at);
    if (shape_.kv == kF32) {
      std::memcpy(&number, place.elements + 4 * at, sizeof(number));
      return number;
    }
    std::memcpy(&number, place.scale, sizeof(number));
    return static_cast<float>(static_cast<int8_t>(place.elements[at])) * number;
  }

  Shape shape_;
  std::vector<Bytes> pages_;
  std::vector<const uint8_t*> pointers_;
  std::vector<std::vector<float>> keys_;  // (positions, kv_heads * head_size), as the pages have it
  std::vector<std::vector<float>> values_;
  Floats sinks_;  // (heads), or none
};

void ExpectNear(const Floats& actual, const std::vector<double>& exact, double bound) {
  for (size_t d = 0; d < actual.size(); ++d) {
    ASSERT_NEAR(double{actual[d]}, exact[d], bound) << "element " << d;
  }
}

TEST_P(NativeTest, AttentionMixesValuesBySoftmaxAndByItsLaw) {
  Random random(1);
  for (const Shape& shape :
       {Shape{2, 2, 2}, Shape{8, 1, 1, kF16}, Shape{18, 2, 1}, Shape{20, 1, 3, kF16, 5},
        Shape{64, 2, 1, kF32, 40}, Shape{80, 1, 2, kF16}, Shape{128, 1, 1, kF32, 1},
        Shape{16, 2, 2, kF32, 0, 1.5f}, Shape{16, 2, 3, kF16, 20, 0, true},
        Shape{24, 1, 2, kF32, 33, 0.7f, true}, Shape{20, 2, 3, kQ8},
        Shape{64, 1, 2, kQ8, 40, 1.5f, true}}) {
    const Context context(shape, 100, random);
    for (size_t n = 1; n <= 100; n += n % 16 == 1 || n % 16 == 15 ? 1 : 3) {
      SCOPED_TRACE(testing::Message() << n << " positions, " << shape);
      const Floats q = context.RandomQuery(random);
      const Floats out = context.Attend(ops_, q, n);
      ExpectNear(out, context.Exact(q, n), 5e-6);
      ExpectSameBits(out, context.ByLaw(q, n));
    }
  }
}

TEST_P(NativeTest, AttentionHoldsForLongContexts) {
  Random random(2);
  for (const Shape& shape : {Shape{16, 1, 2}, Shape{16, 1, 1, kF16, 700},
                             Shape{16, 1, 2, kF32, 700, 2.0f, true}, Shape{18, 1, 7, kQ8, 700}}) {
    const Context context(shape, 1700, random);
    for (const size_t n : {511u, 512u, 513u, 1024u, 1025u, 1213u, 1699u, 1700u}) {
      SCOPED_TRACE(testing::Message() << n << " positions, " << shape);
      const Floats q = context.RandomQuery(random);
      const Floats out = context.Attend(ops_, q, n);
      ExpectNear(out, context.Exact(q, n), 5e-6);
      ExpectSameBits(out, context.ByLaw(q, n));
    }
  }
}

TEST_P(NativeTest, AttentionHoldsForSharpScores) {
  Random random(3);
  for (const float deviation : {10.0f, 1000.0f, 30000.0f}) {
    const Context context(Shape{}, 100, random, deviation);
    for (const size_t n : {1u, 31u, 32u, 33u, 64u, 65u, 100u}) {
      SCOPED_TRACE(testing::Message() << n << " positions, " << deviation);
      const Floats q = context.RandomQuery(random);
      const Floats out = context.Attend(ops_, q, n);
      // A score's error grows with the score, and matters most if two scores are nearly equal.
      ExpectNear(out, context.Exact(q, n), 1e-5 * double{deviation});
      ExpectSameBits(out, context.ByLaw(q, n));
    }
  }
}

// Numbers of rows and heads below, at and above those computed at the same time. Windows begin and
// end anywhere in pages and segments.
TEST_P(NativeTest, AttentionOfSeveralRowsHasTheBitsOfEachRowAlone) {
  Random random(4);
  for (const KvType kv : {kF32, kF16, kQ8}) {
    for (const auto& [head_size, heads] :
         {std::pair(8u, 1u), std::pair(20u, 3u), std::pair(48u, 7u), std::pair(80u, 2u)}) {
      for (const size_t window : {0u, 9u, 70u}) {
        const Shape shape = {head_size, 2, heads, kv, window};
        const Context context(shape, 180, random);
        for (const auto& [rows, n] :
             {std::pair(1u, 1u), std::pair(1u, 100u), std::pair(2u, 32u), std::pair(13u, 24u),
              std::pair(26u, 1u), std::pair(30u, 97u)}) {
          SCOPED_TRACE(testing::Message()
                       << rows << " rows from " << n << " positions on, " << shape);
          const Floats q = context.RandomQuery(random, rows);
          Floats expected = context.AttendAlone(q, n);
          ExpectSameBits(context.Attend(ops_, q, n), expected);
          for (size_t row = 0; row < rows; ++row) {  // without the first kv head
            const auto at = expected.begin() + static_cast<ptrdiff_t>(row * shape.dim());
            std::fill_n(at, shape.dim() / 2, kNaN);
          }
          ExpectSameBits(context.Attend(ops_, q, n, 1, 2), expected);
        }
      }
    }
  }
}

// Segments in parts of any size, merged in order, as several threads do it.
TEST_P(NativeTest, AttentionInPartsHasTheBitsOfAllAtOnce) {
  Random random(5);
  for (const Shape& shape :
       {Shape{8, 2, 3}, Shape{20, 1, 1, kF16}, Shape{8, 2, 2, kF32, 600}, Shape{8, 1, 2, kF32, 20},
        Shape{8, 2, 2, kF16, 600, 3.0f, true}, Shape{20, 1, 2, kQ8, 600}}) {
    const Context context(shape, 2100, random);
    for (const auto& [rows, n] : {std::pair(1u, 2100u), std::pair(1u, 1024u), std::pair(1u, 512u),
                                  std::pair(1u, 40u), std::pair(9u, 1529u)}) {
      SCOPED_TRACE(testing::Message() << rows << " rows from " << n << " on, " << shape);
      const Floats q = context.RandomQuery(random, rows);
      const Floats expected = context.Attend(scalar_, q, n);
      const AttentionInput input = context.Input(q, n);
      const size_t segments = SegmentsOf(n + rows - 1);
      const size_t queries = q.size() / shape.head_size;
      const size_t size = queries * AttentionStateSize(shape.head_size);
      for (size_t part = 1; part <= 3; ++part) {
        Floats scratch(NativeAttentionScratch(0, shape.head_size), kNaN);
        Floats states((part + 1) * size, kNaN);  // the first: merged
        for (size_t begin = 0; begin < segments; begin += part) {
          const size_t end = std::min(begin + part, segments);
          const size_t skip = begin == 0 ? 0 : 1;
          ops_.attend_segments(&states[skip * size], scratch.data(), input, 0, shape.kv_heads,
                               begin, end);
          for (size_t i = 1; i < skip + end - begin; ++i) {
            ops_.merge_states(states.data(), &states[i * size], queries, shape.head_size);
          }
        }
        Floats out(q.size(), kNaN);
        ops_.finish_attention(out.data(), states.data(), input, 0, shape.kv_heads);
        ExpectSameBits(out, expected);
      }
    }
  }
}

TEST_P(NativeTest, AttentionHasTheBitsOfTheScalarTableWhateverItIsFed) {
  Random random(6);
  for (const KvType kv : {kF32, kF16, kQ8}) {
    for (const size_t head_size : {6u, 16u, 64u}) {
      for (const size_t one_in : {20u, 2000u}) {
        const bool capped = head_size == 16;
        const Shape shape = {head_size, 2, 3, kv, 0, capped ? 5.0f : 0.0f, capped};
        Context context(shape, 600, random);
        const Floats keys = random.Hostile(600 * 2 * head_size, one_in);
        const Floats values = random.Hostile(600 * 2 * head_size, one_in);
        for (size_t p = 0; p < 600; ++p) {
          context.Put(p, &keys[p * 2 * head_size], &values[p * 2 * head_size]);
        }
        for (const auto& [rows, n] :
             {std::pair(1u, 1u), std::pair(3u, 5u), std::pair(9u, 60u), std::pair(2u, 599u)}) {
          const Floats q = random.Hostile(rows * shape.dim(), one_in);
          ExpectSameBits(context.Attend(ops_, q, n), context.Attend(scalar_, q, n));
        }
      }
    }
  }
}

TEST_P(NativeTest, AttentionShowsWhatIsNoNumber) {
  Random random(7);
  for (const auto& [at, kv] :
       {std::pair(0u, kF32), std::pair(40u, kF16), std::pair(600u, kF32), std::pair(40u, kQ8)}) {
    for (const bool in_key : {false, true}) {
      Context context(Shape{16, 1, 1, kv}, 700, random);
      Floats key = random.Normals(16);
      Floats value = random.Normals(16);
      (in_key ? key : value)[3] = kNaN;
      context.Put(at, key, value);
      const Floats out = context.Attend(ops_, context.RandomQuery(random), 700);
      for (size_t d = 0; d < 16; ++d) {
        EXPECT_EQ(std::isnan(out[d]), in_key || d == 3 || kv == kQ8) << d;
      }
    }
  }
}

TEST_P(NativeTest, AttentionToOnePositionIsItsValue) {
  Random random(8);
  Context context(Shape{8}, 1, random);
  const Floats value = {1, -2, 3.5f, 0, 1e30f, -1e-30f, 7, 8};
  context.Put(0, random.Normals(8, 100), value);
  EXPECT_EQ(context.Attend(ops_, random.Normals(8, 100), 1), value);
}

TEST_P(NativeTest, AttentionScalesByTheRootUnlessToldOtherwise) {
  Random random(9);
  const Context context(Shape{20}, 50, random);
  const Floats q = context.RandomQuery(random);
  AttentionInput input = context.Input(q, 50);
  const auto attend = [&](float scale) {
    input.scale = scale;
    Floats out(q.size());
    Floats scratch(NativeAttentionScratch(0, 20), kNaN);
    ops_.attention[input.kv_type](out.data(), scratch.data(), 0, input, 0, 1);
    return out;
  };
  ExpectSameBits(attend(0), attend(1 / std::sqrt(20.0f)));
}

// Positions after a row's own or before its window may contain anything.
TEST_P(NativeTest, AttentionIgnoresWhatARowDoesNotAttendTo) {
  Random random(10);
  for (const KvType kv : {kF32, kF16, kQ8}) {
    for (const size_t heads : {1u, 2u}) {
      const Shape shape = {16, 1, heads, kv, 20};
      Context context(shape, 96, random);
      const Floats q = context.RandomQuery(random, 30);
      const Floats before = context.Attend(ops_, q, 45);
      // Rows 12 .. 17 attend to some of positions 37 .. 61.
      for (size_t position = 0; position < 96; ++position) {
        if (position >= 37 && position < 62) continue;
        context.Put(position, Floats(16, position % 2 == 0 ? kNaN : kInfinity), Floats(16, kNaN));
      }
      const Floats out = context.Attend(ops_, q, 45);
      const auto from = static_cast<ptrdiff_t>(12 * shape.dim());
      const auto to = static_cast<ptrdiff_t>(18 * shape.dim());
      ExpectSameBits(Floats(out.begin() + from, out.begin() + to),
                     Floats(before.begin() + from, before.begin() + to));
      EXPECT_TRUE(std::isnan(out[0]));
    }
  }
}

}  // namespace
}  // namespace clamma
