// SPDX-License-Identifier: MIT
// Each operation of units/unit.h, on every vector unit that this machine can run.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/half.h"
#include "kernels/math.h"
#include "units/usable_units.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::BytesOf;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::Guarded;
using clamma_test::NameOfUnit;
using clamma_test::Random;
using clamma_test::SameBits;
using clamma_test::UnitOps;
using clamma_test::UsableUnits;
using Ints = Guarded<int32_t>;

class UnitTest : public testing::TestWithParam<const UnitOps*> {
 protected:
  const UnitOps& unit_ = *GetParam();
  const size_t lanes_ = unit_.lanes;
  Random random_{1};

  // kRounds numbers per lane; many are difficult for arithmetic.
  static constexpr size_t kRounds = 500;
  Floats Numbers() { return random_.Hostile(kRounds * lanes_, 3); }

  // f(i) computes the lanes of the register that begins at i.
  template <typename F>
  Floats ByRegisters(const F& f) {
    Floats out(kRounds * lanes_);
    for (size_t i = 0; i < out.size(); i += lanes_) f(i, &out[i]);
    return out;
  }
  template <typename F>
  void ExpectUnary(UnitOps::Unary actual, const F& expected) {
    const Floats a = Numbers();
    Floats wanted;
    for (const float x : a) wanted.push_back(expected(x));
    ExpectSameBits(ByRegisters([&](size_t i, float* out) { actual(out, &a[i]); }), wanted);
  }
  template <typename F>
  void ExpectBinary(UnitOps::Binary actual, const F& expected) {
    const Floats a = Numbers();
    const Floats b = Numbers();
    Floats wanted;
    for (size_t i = 0; i < a.size(); ++i) wanted.push_back(expected(a[i], b[i]));
    ExpectSameBits(ByRegisters([&](size_t i, float* out) { actual(out, &a[i], &b[i]); }), wanted);
  }
  Ints RandomInts(size_t n) {
    Ints values(n);
    for (int32_t& value : values) {
      value = static_cast<int32_t>(static_cast<uint32_t>(random_.Below(size_t{1} << 32)));
    }
    return values;
  }
};

INSTANTIATE_TEST_SUITE_P(Units, UnitTest, testing::ValuesIn(UsableUnits()), NameOfUnit);

// --- Memory: buffers end at an inaccessible page ---

TEST_P(UnitTest, LoadsAndStoresAtAnyAlignment) {
  const Floats values = random_.Normals(lanes_);
  Floats out(lanes_ + 1);
  unit_.copy(&out[1], values.data());
  EXPECT_EQ(Floats(out.begin() + 1, out.end()), values);
  for (size_t offset = 1; offset < 4; ++offset) {
    const Bytes bytes = BytesOf(values, offset);
    Floats loaded(lanes_);
    unit_.load_bytes(loaded.data(), bytes.data() + offset);
    EXPECT_EQ(loaded, values);
  }
}

TEST_P(UnitTest, LoadsAndStoresTheFirstLanes) {
  for (size_t n = 0; n < lanes_; ++n) {
    const Floats values = random_.Normals(n);
    Floats expected = values;
    expected.resize(lanes_);
    Floats out(lanes_, -77);
    unit_.load_first(out.data(), values.data(), n);
    EXPECT_EQ(out, expected);
    Floats stored(n, -77);
    unit_.store_first(stored.data(), expected.data(), n);
    EXPECT_EQ(stored, values);
  }
}

TEST_P(UnitTest, LoadsElementsOfAKvCache) {
  Guarded<uint16_t> halves(1 << 16);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  const Bytes of_halves = BytesOf(halves, 1);
  const Floats floats = random_.Normals(halves.size());
  const Bytes of_floats = BytesOf(floats, 1);
  for (size_t i = 0; i < halves.size(); i += lanes_) {
    Floats half(lanes_);
    Floats single(lanes_);
    unit_.load_kv[1](half.data(), of_halves.data() + 1, i);
    unit_.load_kv[0](single.data(), of_floats.data() + 1, i);
    for (size_t k = 0; k < lanes_; ++k) {
      ASSERT_TRUE(SameBits(half[k], HalfToFloat(halves[i + k]))) << i + k;
      ASSERT_EQ(single[k], floats[i + k]);
    }
  }
}

TEST_P(UnitTest, LoadsTheFirstElementsOfAKvCache) {
  constexpr size_t kBefore = 3;
  for (size_t n = 0; n < lanes_; ++n) {
    const Floats floats = random_.Normals(kBefore + n);
    Guarded<uint16_t> halves;
    for (const float value : floats) halves.push_back(FloatToHalf(value));
    Floats single(lanes_, -77);
    Floats half(lanes_, -77);
    unit_.load_kv_first[0](single.data(), BytesOf(floats).data(), kBefore, n);
    unit_.load_kv_first[1](half.data(), BytesOf(halves).data(), kBefore, n);
    for (size_t k = 0; k < lanes_; ++k) {
      EXPECT_EQ(single[k], k < n ? floats[kBefore + k] : 0);
      EXPECT_EQ(half[k], k < n ? HalfToFloat(halves[kBefore + k]) : 0);
    }
  }
}

TEST_P(UnitTest, Gathers) {
  const Ints values = RandomInts(100);
  const Bytes bytes = BytesOf(values, 1);
  Ints index(lanes_);
  for (int32_t& i : index) i = static_cast<int32_t>(random_.Below(values.size()));
  index[0] = static_cast<int32_t>(values.size()) - 1;
  Ints out(lanes_);
  unit_.gather(out.data(), bytes.data() + 1, index.data());
  for (size_t i = 0; i < lanes_; ++i) EXPECT_EQ(out[i], values[static_cast<size_t>(index[i])]);
}

TEST_P(UnitTest, Transposes) {
  for (const UnitOps::Transposition& transposition : unit_.transpositions) {
    const size_t steps = transposition.steps;
    for (const size_t stride : {4 * steps, 4 * steps + 1, size_t{300}}) {
      const Bytes rows = BytesOf(random_.Int8s((lanes_ - 1) * stride + 4 * steps));
      Ints out(steps * lanes_);
      transposition.run(out.data(), rows.data(), stride);
      for (size_t s = 0; s < steps; ++s) {
        for (size_t r = 0; r < lanes_; ++r) {
          int32_t expected = 0;
          std::memcpy(&expected, &rows[r * stride + 4 * s], sizeof(expected));
          ASSERT_EQ(out[s * lanes_ + r], expected) << steps << " steps: " << s << ", row " << r;
        }
      }
    }
  }
}

TEST_P(UnitTest, StoresInt8) {
  for (int32_t first = -128; first <= 127; first += static_cast<int32_t>(lanes_)) {
    Ints values;
    for (size_t i = 0; i < lanes_; ++i) values.push_back(first + static_cast<int32_t>(i));
    Guarded<int8_t> out(lanes_);
    unit_.store_int8(out.data(), values.data());
    EXPECT_TRUE(std::equal(out.begin(), out.end(), values.begin()));
  }
}

// --- Floats ---

TEST_P(UnitTest, SetsEveryLane) {
  for (const float x : {1.5f, 0.0f, -0.0f, 1e-45f, clamma_test::kInfinity, clamma_test::kNaN}) {
    Floats out(lanes_);
    unit_.set1(out.data(), x);
    ExpectSameBits(out, Floats(lanes_, x));
  }
}

TEST_P(UnitTest, AddsSubtractsMultipliesAndDivides) {
  ExpectBinary(unit_.add, [](float a, float b) { return a + b; });
  ExpectBinary(unit_.sub, [](float a, float b) { return a - b; });
  ExpectBinary(unit_.mul, [](float a, float b) { return a * b; });
  ExpectBinary(unit_.div, [](float a, float b) { return a / b; });
}

TEST_P(UnitTest, MultipliesAndAddsWithOneRounding) {
  const Floats a = Numbers();
  const Floats b = Numbers();
  const Floats c = Numbers();
  Floats wanted;
  for (size_t i = 0; i < a.size(); ++i) wanted.push_back(Fma(a[i], b[i], c[i]));
  ExpectSameBits(ByRegisters([&](size_t i, float* out) { unit_.fma(out, &a[i], &b[i], &c[i]); }),
                 wanted);
}

TEST_P(UnitTest, MultipliesAndAddsTheFirstLanes) {
  for (size_t n = 0; n <= lanes_; ++n) {
    const Floats a = random_.Normals(n);
    const Floats b = random_.Normals(n);
    Floats sums = random_.Normals(lanes_);
    sums[lanes_ - 1] = n == lanes_ ? 1 : -0.0f;
    Floats wanted = sums;
    for (size_t i = 0; i < n; ++i) wanted[i] = Fma(a[i], b[i], wanted[i]);
    unit_.fma_first(sums.data(), BytesOf(a).data(), b.data(), n);
    ExpectSameBits(sums, wanted);
  }
}

TEST_P(UnitTest, NegatesAndTakesMagnitudes) {
  ExpectUnary(unit_.negate, [](float a) { return -a; });
  ExpectUnary(unit_.abs, [](float a) { return std::abs(a); });
  Floats out(lanes_);
  unit_.negate(out.data(), Floats(lanes_, 0.0f).data());
  EXPECT_TRUE(std::signbit(out[0]));
}

TEST_P(UnitTest, TakesTheSecondWhereOneIsNoNumber) {
  ExpectBinary(unit_.max, [](float a, float b) { return a > b ? a : b; });
  ExpectBinary(unit_.min, [](float a, float b) { return a < b ? a : b; });
}

TEST_P(UnitTest, FindsTheLargestLane) {
  for (size_t at = 0; at < lanes_; ++at) {
    Floats a = random_.Normals(lanes_);
    a[at] = 100;
    EXPECT_EQ(unit_.reduce_max(a.data()), 100);
  }
  EXPECT_EQ(unit_.reduce_max(Floats(lanes_, -clamma_test::kInfinity).data()),
            -clamma_test::kInfinity);
}

TEST_P(UnitTest, ComputesExponentials) {
  ExpectUnary(unit_.exp, [](float a) { return Exp(a); });
  const Floats a = random_.Normals(kRounds * lanes_, 40);
  Floats wanted;
  for (const float x : a) wanted.push_back(Exp(x));
  ExpectSameBits(ByRegisters([&](size_t i, float* out) { unit_.exp(out, &a[i]); }), wanted);
}

TEST_P(UnitTest, MovesBitsToTheExponent) {
  const Ints bits = RandomInts(lanes_);
  Floats a(lanes_);
  Floats out(lanes_);
  std::memcpy(a.data(), bits.data(), lanes_ * 4);
  unit_.to_power(out.data(), a.data());
  for (size_t i = 0; i < lanes_; ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(out[i]), static_cast<uint32_t>(bits[i]) << 23);
  }
}

TEST_P(UnitTest, ChoosesByTheSign) {
  const Floats signs = Numbers();
  const Floats a = Numbers();
  const Floats b = Numbers();
  Floats wanted;
  for (size_t i = 0; i < a.size(); ++i) wanted.push_back(std::signbit(signs[i]) ? a[i] : b[i]);
  ExpectSameBits(
      ByRegisters([&](size_t i, float* out) { unit_.if_negative(out, &signs[i], &a[i], &b[i]); }),
      wanted);
}

TEST_P(UnitTest, AddsLanesByHalves) {
  for (size_t round = 0; round < kRounds; ++round) {
    Floats a = random_.Hostile(lanes_, 100);
    const float actual = unit_.reduce_add(a.data());
    for (size_t half = lanes_ / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) a[i] += a[i + half];
    }
    ASSERT_TRUE(SameBits(actual, a[0]));
  }
}

TEST_P(UnitTest, JoinsPartialSums) {
  for (size_t round = 0; round < kRounds; ++round) {
    const Floats sums = random_.Hostile(16 * lanes_, 100);
    Floats out(lanes_);
    unit_.join(out.data(), sums.data());
    Floats wanted;
    for (size_t r = 0; r < lanes_; ++r) {
      float of_row[16];
      std::copy_n(&sums[16 * r], 16, of_row);
      wanted.push_back(Reduce16(of_row));
    }
    ExpectSameBits(out, wanted);
  }
}

// --- Integers ---

TEST_P(UnitTest, AddsIntegers) {
  const Ints a = RandomInts(lanes_);
  const Ints b = RandomInts(lanes_);
  Ints out(lanes_);
  unit_.add_int(out.data(), a.data(), b.data());
  uint32_t sum = 0;
  for (size_t i = 0; i < lanes_; ++i) {
    EXPECT_EQ(static_cast<uint32_t>(out[i]),
              static_cast<uint32_t>(a[i]) + static_cast<uint32_t>(b[i]));
    sum += static_cast<uint32_t>(a[i]);
  }
  EXPECT_EQ(static_cast<uint32_t>(unit_.reduce_add_int(a.data())), sum);
  unit_.set_int(out.data(), -7);
  EXPECT_EQ(out, Ints(lanes_, -7));
}

TEST_P(UnitTest, ConvertsIntegers) {
  for (size_t round = 0; round < kRounds; ++round) {
    Ints a = RandomInts(lanes_);
    a[0] = std::numeric_limits<int32_t>::min();
    a[1] = std::numeric_limits<int32_t>::max();
    a[2] = (1 << 24) + 1;  // ties
    a[3] = (1 << 24) + 3;
    Floats values(lanes_);
    Floats bits(lanes_);
    unit_.to_float(values.data(), a.data());
    unit_.as_float(bits.data(), a.data());
    for (size_t i = 0; i < lanes_; ++i) ASSERT_EQ(values[i], static_cast<float>(a[i]));
    ASSERT_EQ(std::memcmp(bits.data(), a.data(), lanes_ * 4), 0);
  }
}

TEST_P(UnitTest, RoundsTiesAwayFromZero) {
  Floats values;
  for (int step = -254; step <= 254; ++step) {
    const auto value = static_cast<float>(step) / 2;
    const float toward_zero = std::nextafter(value, 0.0f);
    values.insert(values.end(), {value, toward_zero, value / 1.01f});
  }
  values.insert(values.end(), {-0.0f, 1e-45f});
  values.resize((values.size() + lanes_ - 1) / lanes_ * lanes_);
  for (size_t i = 0; i < values.size(); i += lanes_) {
    Ints out(lanes_);
    unit_.round_away(out.data(), &values[i]);
    for (size_t k = 0; k < lanes_; ++k) {
      ASSERT_EQ(out[k], static_cast<int32_t>(std::round(values[i + k]))) << values[i + k];
    }
  }
}

// --- Products of int8 ---

TEST_P(UnitTest, MultipliesTiles) {
  for (const UnitOps::Dot& dot : unit_.dots) {
    SCOPED_TRACE(testing::Message() << dot.steps << " steps, " << dot.tiles << " tiles, "
                                    << dot.tokens << " tokens" << (dot.held ? ", held" : ""));
    const size_t cols = 4 * dot.steps;
    const size_t n_rows = dot.tiles * lanes_;
    for (size_t round = 0; round < 20; ++round) {
      const size_t stride = cols + round;
      Guarded<int8_t> weights = random_.Int8s((n_rows - 1) * stride + cols);
      Guarded<int8_t> q = random_.Int8s(dot.tokens * cols, -127);
      if (round < 2) std::fill(weights.begin(), weights.end(), round == 0 ? -128 : 127);
      if (round < 4) std::fill(q.begin(), q.end(), round % 2 == 0 ? -127 : 127);
      Ints x_sums(dot.tokens);
      for (size_t i = 0; i < q.size(); ++i) x_sums[i / cols] -= 128 * q[i];
      Ints sums(dot.tokens * n_rows);
      dot.run(sums.data(), BytesOf(weights).data(), stride, q.data(), cols, x_sums.data());
      for (size_t t = 0; t < dot.tokens; ++t) {
        for (size_t r = 0; r < n_rows; ++r) {
          int32_t expected = 0;
          for (size_t k = 0; k < cols; ++k) {
            expected += int32_t{weights[r * stride + k]} * q[t * cols + k];
          }
          ASSERT_EQ(sums[t * n_rows + r], expected) << "token " << t << ", row " << r;
        }
      }
    }
  }
}

TEST_P(UnitTest, MultipliesGroups) {
  for (const UnitOps::DotGroups& dot : unit_.dot_groups) {
    if (dot.run == nullptr) continue;
    for (size_t round = 0; round < 20; ++round) {
      Guarded<int8_t> weights = random_.Int8s(lanes_ * dot.group);
      Guarded<int8_t> q = random_.Int8s(weights.size(), -127);
      if (round < 2) std::fill(weights.begin(), weights.end(), round == 0 ? -128 : 127);
      if (round < 4) std::fill(q.begin(), q.end(), round % 2 == 0 ? -127 : 127);
      Ints x_sums(lanes_);
      Ints expected(lanes_);
      for (size_t i = 0; i < q.size(); ++i) {
        x_sums[i / dot.group] -= 128 * q[i];
        expected[i / dot.group] += int32_t{weights[i]} * q[i];
      }
      Ints out(lanes_);
      dot.run(out.data(), BytesOf(weights).data(), q.data(), x_sums.data());
      ASSERT_EQ(out, expected) << "groups of " << dot.group;
    }
  }
}

// --- Sixteen lanes ---

TEST_P(UnitTest, LoadsAndMultipliesSomeLanes) {
  if (unit_.load_lanes == nullptr) return;
  for (size_t n = 0; n <= lanes_; ++n) {
    const Floats a = random_.Normals(n);
    const Floats b = random_.Normals(lanes_);
    const Bytes bytes = BytesOf(a);
    const auto lanes = static_cast<uint16_t>(random_.Below(size_t{1} << n));
    Floats sums = random_.Normals(lanes_);
    Floats wanted = sums;
    Floats loaded(lanes_, -77);
    unit_.load_lanes(loaded.data(), a.data(), lanes);
    unit_.fma_lanes(sums.data(), bytes.data(), b.data(), lanes);
    for (size_t i = 0; i < lanes_; ++i) {
      const bool given = (lanes >> i & 1) != 0;
      EXPECT_EQ(loaded[i], given ? a[i] : 0);
      if (given) wanted[i] = Fma(a[i], b[i], wanted[i]);
    }
    ExpectSameBits(sums, wanted);
  }
}

}  // namespace
}  // namespace clamma
