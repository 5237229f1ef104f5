// SPDX-License-Identifier: MIT
// Each operation of units/unit.h for quantised blocks, on every vector unit that this machine can
// run.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernel_fixture.h"
#include "kernels/half.h"
#include "units/usable_units.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::Floats;
using clamma_test::Guarded;
using clamma_test::NameOfUnit;
using clamma_test::Random;
using clamma_test::SameBits;
using clamma_test::UnitOps;
using clamma_test::UsableUnits;
using Ints = Guarded<int32_t>;

int32_t LaneOf(uint32_t b0, uint32_t b1, uint32_t b2, uint32_t b3) {
  return static_cast<int32_t>((b0 & 255) | (b1 & 255) << 8 | (b2 & 255) << 16 | b3 << 24);
}
uint8_t ByteOf(int32_t lane, size_t k) {
  return static_cast<uint8_t>(static_cast<uint32_t>(lane) >> 8 * k);
}
int32_t SignedByteOf(int32_t lane, size_t k) { return static_cast<int8_t>(ByteOf(lane, k)); }

class UnitBytesTest : public testing::TestWithParam<const UnitOps*> {
 protected:
  const size_t lanes_ = GetParam()->lanes;
  const clamma_test::ByteOps& bytes_ = GetParam()->bytes;
  Random random_{1};
  const Ints a_ = RandomInts(lanes_);
  const Ints b_ = RandomInts(lanes_);

  Ints RandomInts(size_t n) {
    Ints values(n);
    for (int32_t& value : values) {
      value = static_cast<int32_t>(static_cast<uint32_t>(random_.Below(size_t{1} << 32)));
    }
    return values;
  }

  // f(lane) returns the value expected in a lane.
  template <typename Op, typename F>
  void ExpectLanes(const Op& op, const F& f) {
    Ints out(lanes_);
    op(out.data());
    for (size_t i = 0; i < lanes_; ++i) EXPECT_EQ(out[i], f(i)) << "lane " << i;
  }
  // f(lane, k) returns byte k of a lane.
  template <typename Op, typename F>
  void ExpectBytes(const Op& op, const F& f) {
    ExpectLanes(op, [&](size_t i) { return LaneOf(f(i, 0), f(i, 1), f(i, 2), f(i, 3)); });
  }
};
INSTANTIATE_TEST_SUITE_P(Units, UnitBytesTest, testing::ValuesIn(UsableUnits()), NameOfUnit);

TEST_P(UnitBytesTest, CombinesBits) {
  ExpectLanes([&](int32_t* out) { bytes_.set_bytes(out, 0xa7); },
              [](size_t) { return LaneOf(0xa7, 0xa7, 0xa7, 0xa7); });
  ExpectLanes([&](int32_t* out) { bytes_.bit_and(out, a_.data(), b_.data()); },
              [&](size_t i) { return a_[i] & b_[i]; });
  ExpectLanes([&](int32_t* out) { bytes_.bit_or(out, a_.data(), b_.data()); },
              [&](size_t i) { return a_[i] | b_[i]; });
  ExpectLanes([&](int32_t* out) { bytes_.bit_xor(out, a_.data(), b_.data()); },
              [&](size_t i) { return a_[i] ^ b_[i]; });
}

TEST_P(UnitBytesTest, ShiftsBytes) {
  for (size_t n = 0; n < 8; ++n) {
    Ints out(lanes_);
    bytes_.shift_left(out.data(), a_.data(), n);
    for (size_t i = 0; i < 4 * lanes_; ++i) {
      const auto mask = static_cast<uint8_t>(255u << n);
      EXPECT_EQ(ByteOf(out[i / 4], i % 4) & mask, ByteOf(a_[i / 4], i % 4) << n & 255);
    }
    bytes_.shift_right(out.data(), a_.data(), n);
    for (size_t i = 0; i < 4 * lanes_; ++i) {
      EXPECT_EQ(ByteOf(out[i / 4], i % 4) & 255 >> n, ByteOf(a_[i / 4], i % 4) >> n);
    }
  }
}

TEST_P(UnitBytesTest, PartsNibblesAndBits) {
  ExpectBytes([&](int32_t* out) { bytes_.low_nibbles(out, a_.data()); },
              [&](size_t i, size_t k) { return ByteOf(a_[i], k) & 15u; });
  ExpectBytes([&](int32_t* out) { bytes_.high_nibbles(out, a_.data()); },
              [&](size_t i, size_t k) { return ByteOf(a_[i], k) >> 4u; });
  for (size_t step = 0; step < 8; ++step) {
    ExpectBytes([&](int32_t* out) { bytes_.spread_bits[step](out, a_.data()); },
                [&](size_t i, size_t k) {
                  return (static_cast<uint32_t>(a_[i]) >> (4 * step + k) & 1) * 16;
                });
  }
}

TEST_P(UnitBytesTest, LooksUpNumbers) {
  int8_t table[16];
  for (int8_t& entry : table) entry = static_cast<int8_t>(random_.Below(256));
  for (uint32_t first = 0; first < 16; ++first) {
    Ints index(lanes_);
    for (size_t i = 0; i < lanes_; ++i) {
      const auto at = first + static_cast<uint32_t>(i);
      index[i] = LaneOf(at & 15, (at + 5) & 15, (at + 10) & 15, (at + 15) & 15);
    }
    ExpectBytes(
        [&](int32_t* out) { bytes_.look_up(out, table, index.data()); },
        [&](size_t i, size_t k) { return static_cast<uint32_t>(table[ByteOf(index[i], k)]); });
  }
}

TEST_P(UnitBytesTest, ConvertsHalves) {
  constexpr size_t kStride = 7;
  Bytes together(2 * lanes_);
  Bytes apart(lanes_ * kStride, 0x55);
  Ints low(lanes_);
  Ints high(lanes_);
  Floats out[5];
  for (Floats& floats : out) floats.resize(lanes_);
  for (uint32_t first = 0; first < 1u << 16; first += static_cast<uint32_t>(lanes_)) {
    for (size_t i = 0; i < lanes_; ++i) {
      const auto half = static_cast<uint16_t>(first + i);
      std::memcpy(&together[2 * i], &half, 2);
      std::memcpy(&apart[kStride * i], &half, 2);
      low[i] = LaneOf(half, half >> 8u, 0xbe, 0xfe);
      high[i] = LaneOf(0xbe, 0xfe, half, half >> 8u);
    }
    bytes_.load_f16(out[0].data(), together.data());
    bytes_.low_halves(out[1].data(), low.data());
    bytes_.high_halves(out[2].data(), high.data());
    bytes_.load_halves(out[3].data(), apart.data(), kStride);
    bytes_.load_bf16(out[4].data(), together.data());
    for (size_t i = 0; i < lanes_; ++i) {
      const uint32_t half = first + static_cast<uint32_t>(i);
      for (size_t k = 0; k < 4; ++k) {
        ASSERT_TRUE(SameBits(out[k][i], HalfToFloat(static_cast<uint16_t>(half)))) << half << k;
      }
      ASSERT_TRUE(SameBits(out[4][i], std::bit_cast<float>(half << 16))) << half;
    }
  }
}

TEST_P(UnitBytesTest, MultipliesPairs) {
  for (size_t pair = 0; pair < 2; ++pair) {
    ExpectLanes([&](int32_t* out) { bytes_.pair_of_bytes[pair](out, a_.data()); },
                [&](size_t i) {
                  return LaneOf(ByteOf(a_[i], 2 * pair), 0, ByteOf(a_[i], 2 * pair + 1), 0);
                });
    ExpectLanes([&](int32_t* out) { bytes_.pair_of_signed_bytes[pair](out, a_.data()); },
                [&](size_t i) {
                  const auto one = static_cast<uint32_t>(SignedByteOf(a_[i], 2 * pair));
                  const auto two = static_cast<uint32_t>(SignedByteOf(a_[i], 2 * pair + 1));
                  return static_cast<int32_t>((one & 0xffff) | two << 16);
                });
  }
  const auto low = [](int32_t lane) { return int32_t{static_cast<int16_t>(lane)}; };
  const auto high = [](int32_t lane) { return lane >> 16; };
  ExpectLanes([&](int32_t* out) { bytes_.mul_pairs(out, a_.data(), b_.data()); },
              [&](size_t i) { return low(a_[i]) * low(b_[i]) + high(a_[i]) * high(b_[i]); });
}

TEST_P(UnitBytesTest, ComputesWithLanes) {
  ExpectLanes(
      [&](int32_t* out) { bytes_.sub_int(out, a_.data(), b_.data()); },
      [&](size_t i) {
        return static_cast<int32_t>(static_cast<uint32_t>(a_[i]) - static_cast<uint32_t>(b_[i]));
      });
  ExpectLanes([&](int32_t* out) { bytes_.shift_lanes_left(out, a_.data()); },
              [&](size_t i) { return static_cast<int32_t>(static_cast<uint32_t>(a_[i]) << 5); });
  for (int step = -254; step < 255; ++step) {
    const auto half = static_cast<float>(step) / 2;
    const Floats x(lanes_, half);
    ExpectLanes([&](int32_t* out) { bytes_.round_even(out, x.data()); },
                [&](size_t) { return static_cast<int32_t>(std::nearbyint(half)); });
  }
}

// The greatest depth at which weights of this size may be added, at the ends of their ranges.
TEST_P(UnitBytesTest, AddsProductsExactly) {
  for (const int most : {1, 3, 15, 31, 63, 129, 255}) {
    if (most > bytes_.max_weight) continue;
    const size_t depth = bytes_.max_depth(most);
    ASSERT_GE(depth, 1u) << most;
    for (int round = 0; round < 8; ++round) {
      Guarded<int8_t> x = random_.Int8s(4 * lanes_ * depth, -127);
      if (round < 4) std::fill(x.begin(), x.end(), round % 2 == 0 ? -127 : 127);
      Guarded<uint8_t> w(x.size());
      for (uint8_t& weight : w) {
        const size_t random = random_.Below(static_cast<size_t>(most) + 1);
        weight = static_cast<uint8_t>(round < 2 ? static_cast<size_t>(most) : random);
        if (bytes_.signed_weights && round == 4) weight = 0x80;
      }
      Ints weights(w.size() / 4);
      Ints numbers(w.size() / 4);
      std::memcpy(weights.data(), w.data(), w.size());
      std::memcpy(numbers.data(), x.data(), x.size());
      Ints sums(lanes_);
      for (size_t i = 0; i < 4 * lanes_ * depth; ++i) {
        const int32_t lane = weights[i / 4];
        const int32_t weight =
            bytes_.signed_weights ? SignedByteOf(lane, i % 4) : int32_t{ByteOf(lane, i % 4)};
        sums[i / 4 % lanes_] += weight * SignedByteOf(numbers[i / 4], i % 4);
      }
      Ints total(lanes_, 1000);
      ExpectLanes(
          [&](int32_t* out) {
            bytes_.fold(out, total.data(), weights.data(), numbers.data(), depth);
          },
          [&](size_t i) { return 1000 + sums[i]; });
      for (const int scale : {-128, -1, 0, 1, 255}) {
        ExpectLanes(
            [&](int32_t* out) {
              bytes_.fold_scale(out, total.data(), weights.data(), numbers.data(), depth, scale);
            },
            [&](size_t i) { return 1000 + scale * sums[i]; });
      }
      for (size_t k = 0; k < 8; ++k) {
        ExpectLanes(
            [&](int32_t* out) {
              bytes_.fold_bytes[k](out, total.data(), weights.data(), numbers.data(), depth,
                                   a_.data());
            },
            [&](size_t i) {
              const int32_t scale = k < 4 ? int32_t{ByteOf(a_[i], k)} : SignedByteOf(a_[i], k - 4);
              return 1000 + scale * sums[i];
            });
      }
    }
  }
}

TEST_P(UnitBytesTest, AddsProductsOfSignedWeights) {
  if (bytes_.add_signed_dot4 == nullptr) return;
  for (int round = 0; round < 20; ++round) {
    Guarded<int8_t> w = random_.Int8s(4 * lanes_, -128);
    Guarded<int8_t> x = random_.Int8s(4 * lanes_, -127);
    if (round < 2) std::fill(w.begin(), w.end(), round == 0 ? -128 : 127);
    if (round < 4) std::fill(x.begin(), x.end(), round % 2 == 0 ? -127 : 127);
    Ints weights(lanes_);
    Ints numbers(lanes_);
    std::memcpy(weights.data(), w.data(), w.size());
    std::memcpy(numbers.data(), x.data(), x.size());
    const Ints total(lanes_, 7);
    for (const int scale : {-128, 1, 31}) {
      const auto expected = [&](size_t i) {
        int32_t sum = 0;
        for (size_t k = 0; k < 4; ++k) {
          sum += SignedByteOf(weights[i], k) * SignedByteOf(numbers[i], k);
        }
        return 7 + scale * sum;
      };
      ExpectLanes(
          [&](int32_t* out) {
            bytes_.add_signed_dot4(out, total.data(), weights.data(), numbers.data(), scale);
          },
          expected);
    }
  }
}

}  // namespace
}  // namespace clamma
