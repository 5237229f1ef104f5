// SPDX-License-Identifier: MIT
// Attention in every table that this machine can run, compared with exact arithmetic and, bit for
// bit, with the scalar table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/half.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::KernelsTest;
using clamma_test::kInfinity;
using clamma_test::kNaN;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::AllTables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

// Keys and values of some kv heads and positions, in the blocks of AttentionInput.
class Context {
 public:
  Context(size_t positions, size_t head_size, bool half, Random& random, size_t kv_heads = 1,
          size_t heads_per_kv_head = 1, float deviation = 1)
      : head_size_(head_size),
        kv_heads_(kv_heads),
        heads_per_kv_head_(heads_per_kv_head),
        half_(half),
        keys_(positions),
        values_(positions) {
    const size_t bytes = kKeyOffset + 2 * kv_heads * HeadBytes();
    for (size_t i = 0; i < positions; i += kKvBlock) blocks_.emplace_back(bytes);
    for (Bytes& block : blocks_) pointers_.push_back(block.data());
    for (size_t position = 0; position < positions; ++position) {
      Put(position, random.Normals(kv_heads * head_size, deviation),
          random.Normals(kv_heads * head_size));
    }
  }

  void Put(size_t position, const Floats& key, const Floats& value) {
    keys_[position] = value_type(key.size());
    values_[position] = value_type(value.size());
    for (size_t i = 0; i < key.size(); ++i) {
      const size_t slot = position % kKvBlock;
      const size_t d = i % head_size_;
      uint8_t* keys =
          blocks_[position / kKvBlock].data() + kKeyOffset + i / head_size_ * HeadBytes();
      uint8_t* values = keys + kv_heads_ * HeadBytes();
      keys_[position][i] = Store(keys, d * kKvBlock + slot, key[i]);
      values_[position][i] = Store(values, slot * head_size_ + d, value[i]);
    }
  }

  // Returns the outputs of kv heads [kv_begin, kv_end); those of others are NaN. q may have several
  // rows, the first of which attends to n_positions.
  Floats Attend(const Kernels& kernels, const Floats& q, size_t n_positions, size_t kv_begin,
                size_t kv_end) const {
    AttentionInput input;
    input.row_stride = kv_heads_ * heads_per_kv_head_ * head_size_;
    input.n_rows = q.size() / input.row_stride;
    input.q = q.data();
    input.blocks = pointers_.data();
    input.key_offset = kKeyOffset;
    input.value_offset = kKeyOffset + kv_heads_ * HeadBytes();
    input.head_bytes = HeadBytes();
    input.heads_per_kv_head = heads_per_kv_head_;
    input.n_positions = n_positions;
    input.head_size = head_size_;
    input.kv_type = half_ ? KvType::kF16 : KvType::kF32;
    Floats out(q.size(), kNaN);
    const size_t stride = BlocksOf(n_positions + input.n_rows - 1) * kKvBlock;
    Floats scratch(AttentionScratch(stride, head_size_), kNaN);
    clamma_test::OrderOf(kernels).attention[input.kv_type](out.data(), scratch.data(), stride,
                                                           input, kv_begin, kv_end);
    return out;
  }
  Floats Attend(const Kernels& kernels, const Floats& q, size_t n_positions) const {
    return Attend(kernels, q, n_positions, 0, kv_heads_);
  }

  Floats RandomQuery(Random& random, size_t rows = 1) const {
    return random.Normals(rows * kv_heads_ * heads_per_kv_head_ * head_size_);
  }

  std::vector<double> Exact(const Floats& q, size_t n_positions) const {
    std::vector<double> out(q.size());
    for (size_t head = 0; head < kv_heads_ * heads_per_kv_head_; ++head) {
      const size_t of_q = head * head_size_;
      const size_t of_kv = head / heads_per_kv_head_ * head_size_;
      std::vector<double> scores(n_positions);
      for (size_t p = 0; p < n_positions; ++p) {
        double dot = 0;
        for (size_t d = 0; d < head_size_; ++d) {
          dot += double{q[of_q + d]} * double{keys_[p][of_kv + d]};
        }
        scores[p] = dot / std::sqrt(static_cast<double>(head_size_));
      }
      const double largest = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (size_t p = 0; p < n_positions; ++p) {
        const double weight = std::exp(scores[p] - largest);
        total += weight;
        for (size_t d = 0; d < head_size_; ++d) {
          out[of_q + d] += weight * double{values_[p][of_kv + d]};
        }
      }
      for (size_t d = 0; d < head_size_; ++d) out[of_q + d] /= total;
    }
    return out;
  }

 private:
  using value_type = std::vector<float>;
  static constexpr size_t kKeyOffset = 6;  // not aligned

  size_t HeadBytes() const { return kKvBlock * head_size_ * (half_ ? 2 : 4); }

  // Returns the number that was stored.
  float Store(uint8_t* head, size_t index, float value) const {
    if (!half_) {
      std::memcpy(head + 4 * index, &value, sizeof(value));
      return value;
    }
    const uint16_t half = FloatToHalf(value);
    std::memcpy(head + 2 * index, &half, sizeof(half));
    return HalfToFloat(half);
  }

  size_t head_size_;
  size_t kv_heads_;
  size_t heads_per_kv_head_;
  bool half_;
  std::vector<Bytes> blocks_;
  std::vector<const uint8_t*> pointers_;
  std::vector<value_type> keys_;  // (positions, kv_heads * head_size), as the blocks hold them
  std::vector<value_type> values_;
};

void ExpectNear(const Floats& actual, const std::vector<double>& exact, double bound) {
  for (size_t d = 0; d < actual.size(); ++d) {
    ASSERT_NEAR(static_cast<double>(actual[d]), exact[d], bound) << "element " << d;
  }
}

TEST_P(KernelsTest, AttentionMixesValuesBySoftmax) {
  Random random(1);
  for (const bool half : {false, true}) {
    for (const size_t head_size : {2u, 8u, 16u, 18u, 20u, 48u, 64u, 80u, 128u}) {
      const Context context(100, head_size, half, random, 2, 2);
      for (size_t n = 1; n <= 100; ++n) {
        SCOPED_TRACE(testing::Message()
                     << n << " positions, head of " << head_size << ", half " << half);
        const Floats q = context.RandomQuery(random);
        const Floats out = context.Attend(kernels_, q, n);
        ExpectNear(out, context.Exact(q, n), 3e-6);
        ExpectSameBits(out, context.Attend(scalar_, q, n));
      }
    }
  }
}

// Groups of query heads below, at and above the number that is computed at the same time.
TEST_P(KernelsTest, AttentionHasTheBitsOfTheScalarTableForAnyShape) {
  Random random(2);
  for (const bool half : {false, true}) {
    for (const size_t head_size : {2u, 8u, 16u, 20u, 64u, 80u, 128u}) {
      for (const size_t heads_per_kv_head : {1u, 2u, 3u, 8u, 9u}) {
        const Context context(300, head_size, half, random, 3, heads_per_kv_head);
        for (const size_t n : {1u, 2u, 7u, 15u, 16u, 17u, 31u, 32u, 33u, 64u, 65u, 100u, 300u}) {
          SCOPED_TRACE(testing::Message() << n << " positions, head of " << head_size << ", half "
                                          << half << ", heads " << heads_per_kv_head);
          const Floats q = context.RandomQuery(random);
          const Floats expected = context.Attend(scalar_, q, n);
          ExpectSameBits(context.Attend(kernels_, q, n), expected);
          if (n % 16 != 0) continue;
          // Some of the kv heads.
          Floats part(q.size(), kNaN);
          const auto size = static_cast<ptrdiff_t>(heads_per_kv_head * head_size);
          std::copy(expected.begin() + size, expected.end(), part.begin() + size);
          ExpectSameBits(context.Attend(kernels_, q, n, 1, 3), part);
        }
      }
    }
  }
}

// Each row attends to one position more than the row before, and to none after it.
TEST_P(KernelsTest, AttentionOfSeveralRowsHasTheBitsOfEachRowAlone) {
  Random random(8);
  for (const bool half : {false, true}) {
    for (const size_t head_size : {8u, 20u, 80u}) {
      for (const size_t heads_per_kv_head : {1u, 3u, 8u}) {
        const Context context(110, head_size, half, random, 2, heads_per_kv_head);
        for (const size_t rows : {2u, 13u}) {
          for (const size_t n : {1u, 24u, 31u, 32u, 97u}) {
            SCOPED_TRACE(testing::Message()
                         << rows << " rows from " << n << " positions on, head of " << head_size
                         << ", half " << half << ", heads " << heads_per_kv_head);
            const Floats q = context.RandomQuery(random, rows);
            Floats expected;
            for (size_t row = 0; row < rows; ++row) {
              const size_t size = q.size() / rows;
              const auto from = q.begin() + static_cast<ptrdiff_t>(row * size);
              const Floats out = context.Attend(
                  scalar_, Floats(from, from + static_cast<ptrdiff_t>(size)), n + row);
              expected.insert(expected.end(), out.begin(), out.end());
            }
            ExpectSameBits(context.Attend(scalar_, q, n), expected);
            ExpectSameBits(context.Attend(kernels_, q, n), expected);
            for (size_t row = 0; row < rows; ++row) {  // without the first kv head
              const auto at = expected.begin() + static_cast<ptrdiff_t>(row * q.size() / rows);
              std::fill_n(at, heads_per_kv_head * head_size, kNaN);
            }
            ExpectSameBits(context.Attend(kernels_, q, n, 1, 2), expected);
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, AttentionHasTheBitsOfTheScalarTableWhateverItIsFed) {
  Random random(3);
  for (const bool half : {false, true}) {
    for (const size_t head_size : {6u, 16u, 64u}) {
      for (const size_t one_in : {20u, 2000u}) {
        Context context(70, head_size, half, random, 2, 3);
        for (size_t p = 0; p < 70; ++p) {
          context.Put(p, random.Hostile(2 * head_size, one_in),
                      random.Hostile(2 * head_size, one_in));
        }
        for (const size_t n : {1u, 5u, 32u, 68u, 70u}) {
          for (const size_t rows : {1u, 3u}) {
            if (n + rows - 1 > 70) continue;
            const Floats q = random.Hostile(rows * 6 * head_size, one_in);
            ExpectSameBits(context.Attend(kernels_, q, n), context.Attend(scalar_, q, n));
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, AttentionHoldsForLongContexts) {
  Random random(4);
  const Context context(1500, 16, false, random);
  for (const size_t n : {256u, 257u, 1024u, 1499u, 1500u}) {
    const Floats q = context.RandomQuery(random);
    ExpectNear(context.Attend(kernels_, q, n), context.Exact(q, n), 3e-6);
  }
}

TEST_P(KernelsTest, AttentionHoldsForSharpScores) {
  Random random(5);
  for (const float deviation : {10.0f, 1000.0f, 30000.0f}) {
    const Context context(100, 16, false, random, 1, 1, deviation);
    for (const size_t n : {1u, 31u, 32u, 33u, 64u, 65u, 100u}) {
      SCOPED_TRACE(testing::Message() << n << " positions, " << deviation);
      const Floats q = context.RandomQuery(random);
      // A score's error grows with the score, and matters most if two scores are nearly equal.
      ExpectNear(context.Attend(kernels_, q, n), context.Exact(q, n), 3e-6 * double{deviation});
    }
  }
}

TEST_P(KernelsTest, AttentionToOnePositionIsItsValue) {
  Random random(6);
  Context context(1, 8, false, random);
  const Floats value = {1, -2, 3.5f, 0, 1e30f, -1e-30f, 7, 8};
  context.Put(0, random.Normals(8, 100), value);
  EXPECT_EQ(context.Attend(kernels_, random.Normals(8, 100), 1), value);
}

// A position has no effect on earlier rows.
TEST_P(KernelsTest, AttentionIgnoresPositionsOfLaterRows) {
  Random random(9);
  for (const bool half : {false, true}) {
    for (const size_t heads_per_kv_head : {1u, 2u}) {
      Context context(40, 16, half, random, 1, heads_per_kv_head);
      const Floats q = context.RandomQuery(random, 10);
      const Floats before = context.Attend(kernels_, q, 25);
      for (size_t position = 30; position < 40; ++position) {
        context.Put(position, Floats(16, position % 2 == 0 ? kNaN : kInfinity), Floats(16, kNaN));
      }
      // Rows 0 .. 5 attend to up to 30 positions.
      const Floats out = context.Attend(kernels_, q, 25);
      const auto size = static_cast<ptrdiff_t>(6 * heads_per_kv_head * 16);
      ExpectSameBits(Floats(out.begin(), out.begin() + size),
                     Floats(before.begin(), before.begin() + size));
    }
  }
}

// Later positions of the same block may contain anything.
TEST_P(KernelsTest, AttentionIgnoresWhatComesLater) {
  Random random(7);
  for (const bool half : {false, true}) {
    for (const size_t n : {1u, 5u, 31u, 32u, 33u, 63u}) {
      Context context(64, 8, half, random);
      const Floats q = random.Normals(8);
      const Floats before = context.Attend(kernels_, q, n);
      for (size_t position = n; position < 64; ++position) {
        context.Put(position, Floats(8, position % 2 == 0 ? kNaN : kInfinity), Floats(8, kNaN));
      }
      SCOPED_TRACE(n);
      ExpectSameBits(context.Attend(kernels_, q, n), before);
    }
  }
}

}  // namespace
}  // namespace clamma
