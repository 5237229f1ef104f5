// SPDX-License-Identifier: MIT
// What is done to activations element by element and by rows, in every table that this machine can
// run: against exact arithmetic and against the scalar table, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/math.h"

namespace clamma {
namespace {

using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::KernelsTest;
using clamma_test::kInfinity;
using clamma_test::kNaN;
using clamma_test::kRounding;
using clamma_test::OrderOf;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::AllTables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

constexpr size_t kLengths[] = {1, 2, 3, 15, 16, 17, 31, 64, 100, 172, 288, 1000, 4096};

TEST_P(KernelsTest, RmsNormDividesByTheRootOfTheMeanSquare) {
  Random random(1);
  for (const size_t n : kLengths) {
    const Floats x = random.Normals(n, 3);
    const Floats weight = random.Normals(n);
    Floats out(n);
    order_.rmsnorm(out.data(), x.data(), weight.data(), 1, n, 1e-5f);
    double squares = 0;
    for (const float value : x) squares += double{value} * double{value};
    const double root = std::sqrt(squares / static_cast<double>(n) + double{1e-5f});
    for (size_t i = 0; i < n; ++i) {
      const double exact = double{weight[i]} * double{x[i]} / root;
      const double bound = kRounding * (static_cast<double>(n) / 2 + 6) * std::abs(exact);
      ASSERT_NEAR(static_cast<double>(out[i]), exact, bound) << i << " of " << n;
    }
    Floats scalar(n);
    scalar_order_.rmsnorm(scalar.data(), x.data(), weight.data(), 1, n, 1e-5f);
    ExpectSameBits(out, scalar);
    // In place.
    Floats same = x;
    order_.rmsnorm(same.data(), same.data(), weight.data(), 1, n, 1e-5f);
    ExpectSameBits(same, out);
  }
}

TEST_P(KernelsTest, RmsNormOfARowDoesNotDependOnTheOthers) {
  Random random(8);
  constexpr size_t kColumns = 100;
  const Floats weight = random.Normals(kColumns);
  for (size_t n_rows = 0; n_rows <= 13; ++n_rows) {
    const Floats x = random.Normals(n_rows * kColumns);
    Floats out(x.size());
    order_.rmsnorm(out.data(), x.data(), weight.data(), n_rows, kColumns, 1e-5f);
    Floats alone(x.size());
    for (size_t r = 0; r < n_rows; ++r) {
      scalar_order_.rmsnorm(&alone[r * kColumns], &x[r * kColumns], weight.data(), 1, kColumns,
                            1e-5f);
    }
    ExpectSameBits(out, alone);
  }
}

TEST_P(KernelsTest, RmsNormOfZerosIsZero) {
  const Floats weight(20, 2);
  Floats x(20);
  order_.rmsnorm(x.data(), x.data(), weight.data(), 1, 20, 1e-5f);
  EXPECT_EQ(x, Floats(20));
}

TEST_P(KernelsTest, RopeTurnsEachPairOfEveryHeadByItsAngle) {
  Random random(2);
  for (const size_t head_size : {2u, 4u, 8u, 18u, 48u, 64u, 128u}) {
    for (const size_t heads : {1u, 2u, 5u}) {
      Floats cosines(head_size / 2);
      Floats sines(head_size / 2);
      for (size_t i = 0; i < head_size / 2; ++i) {
        SinCos(std::abs(random.Normal(100)), &sines[i], &cosines[i]);
      }
      const Floats x = random.Normals(heads * head_size);
      Floats out = x;
      kernels_.rope[RopeStyle::kPairs](out.data(), cosines.data(), sines.data(), heads, head_size);
      for (size_t k = 0; k < x.size(); k += 2) {
        const double c = double{cosines[k % head_size / 2]};
        const double s = double{sines[k % head_size / 2]};
        const double a = double{x[k]};
        const double b = double{x[k + 1]};
        const double bound = 2 * kRounding * (std::abs(a) + std::abs(b));
        ASSERT_NEAR(static_cast<double>(out[k]), a * c - b * s, bound) << k << ", " << head_size;
        ASSERT_NEAR(static_cast<double>(out[k + 1]), a * s + b * c, bound)
            << k << ", " << head_size;
      }
      Floats scalar = x;
      scalar_.rope[RopeStyle::kPairs](scalar.data(), cosines.data(), sines.data(), heads,
                                      head_size);
      ExpectSameBits(out, scalar);
    }
  }
}

TEST_P(KernelsTest, RopeByNoAngleChangesNothing) {
  Random random(3);
  const Floats x = random.Normals(3 * 16);
  Floats out = x;
  const Floats ones(8, 1);
  const Floats zeros(8, 0);
  kernels_.rope[RopeStyle::kPairs](out.data(), ones.data(), zeros.data(), 3, 16);
  EXPECT_EQ(out, x);
}

TEST_P(KernelsTest, SwiGluGatesByTheSigmoid) {
  Random random(4);
  for (const size_t n : kLengths) {
    const Floats gate = random.Normals(n, 8);
    const Floats up = random.Normals(n);
    Floats out = gate;
    order_.glu[GluType::kSilu](out.data(), up.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const double g = double{gate[i]};
      const double exact = g / (1 + std::exp(-g)) * double{up[i]};
      ASSERT_NEAR(static_cast<double>(out[i]), exact, 8 * kRounding * std::abs(exact))
          << gate[i] << ", " << up[i];
    }
    Floats scalar = gate;
    scalar_order_.glu[GluType::kSilu](scalar.data(), up.data(), n);
    ExpectSameBits(out, scalar);
  }
}

TEST_P(KernelsTest, SwiGluIsOffFarBelowZeroAndOnFarAbove) {
  Floats gate = {-80, -90, -100, -200, -1000, 0, -0.0f, 100, 1000, 1e10f};
  const Floats x = gate;
  const Floats up(gate.size(), 1);
  order_.glu[GluType::kSilu](gate.data(), up.data(), gate.size());
  for (size_t i = 0; i < 7; ++i) EXPECT_NEAR(gate[i], 0, 1e-30) << x[i];
  for (size_t i = 7; i < x.size(); ++i) EXPECT_EQ(gate[i], x[i]);
}

TEST_P(KernelsTest, AddAddsElementByElement) {
  Random random(5);
  for (const size_t n : kLengths) {
    const Floats x = random.Normals(n);
    const Floats y = random.Normals(n);
    Floats out = x;
    kernels_.add(out.data(), y.data(), n);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], x[i] + y[i]) << i << " of " << n;
  }
  float untouched = 5;
  kernels_.add(&untouched, &untouched, 0);
  EXPECT_EQ(untouched, 5);
}

// --- softmax ------

TEST_P(KernelsTest, SoftmaxGivesProbabilities) {
  Random random(1);
  for (const size_t n : {1u, 2u, 3u, 15u, 16u, 17u, 100u, 512u, 32000u}) {
    for (const float deviation : {0.1f, 1.0f, 30.0f}) {
      SCOPED_TRACE(testing::Message() << n << " of " << deviation);
      const Floats x = random.Normals(n, deviation);
      Floats out = x;
      order_.softmax(out.data(), n);
      const double largest = double{*std::max_element(x.begin(), x.end())};
      double total = 0;
      for (const float value : x) total += std::exp(double{value} - largest);
      for (size_t i = 0; i < n; ++i) {
        const double exact = std::exp(double{x[i]} - largest) / total;
        // The difference to the largest is rounded, too, and exp() makes that relative.
        const double relative = kRounding * (static_cast<double>(n) / 2 + 8 + 10 * deviation);
        ASSERT_NEAR(static_cast<double>(out[i]), exact, relative * exact + 1e-37) << x[i];
      }
      Floats scalar = x;
      scalar_order_.softmax(scalar.data(), n);
      ExpectSameBits(out, scalar);
    }
  }
}

// Quotients may be made of products, and must be those of divisions, the smallest among them.
TEST_P(KernelsTest, SoftmaxDividesWithoutError) {
  Random random(7);
  for (int round = 0; round < 3000; ++round) {
    const auto deviation = static_cast<float>(round % 40);
    SCOPED_TRACE(testing::Message() << "round " << round);
    const Floats x = random.Normals(40 + static_cast<size_t>(round % 37), deviation);
    Floats out = x;
    order_.softmax(out.data(), out.size());
    Floats scalar = x;
    scalar_order_.softmax(scalar.data(), scalar.size());
    ExpectSameBits(out, scalar);
  }
}

TEST_P(KernelsTest, SoftmaxOfEqualsIsEven) {
  for (const float value : {0.0f, 1e30f, -1e30f, 3.4e38f}) {
    Floats x(8, value);
    order_.softmax(x.data(), x.size());
    EXPECT_EQ(x, Floats(8, 0.125f)) << value;
  }
}

TEST_P(KernelsTest, SoftmaxOfWhatIsNoNumberIsZero) {
  Floats x = {kNaN, 1, -kInfinity, 1, -kNaN, kNaN, -1000};
  order_.softmax(x.data(), x.size());
  EXPECT_EQ(x, (Floats{0, 0.5f, 0, 0.5f, 0, 0, 0}));
}

// Of lengths around the sizes of vector registers.
TEST_P(KernelsTest, ActivationsHaveTheBitsOfTheScalarTableWhateverTheyAre) {
  Random random(6);
  for (size_t n = 1; n <= 70; ++n) {
    for (const size_t one_in : {1u, 4u, 1000u}) {
      SCOPED_TRACE(testing::Message() << n << ", one hostile in " << one_in);
      const Floats x = random.Hostile(n, one_in);
      const Floats y = random.Hostile(n, one_in);
      const auto same = [&](const auto& run) {
        Floats out = x;
        run(kernels_, out);
        Floats scalar = x;
        run(scalar_, scalar);
        ExpectSameBits(out, scalar);
      };
      same([&](const Kernels& k, Floats& out) {
        OrderOf(k).rmsnorm(out.data(), x.data(), y.data(), 1, n, 0);
      });
      same([&](const Kernels& k, Floats& out) {
        OrderOf(k).glu[GluType::kSilu](out.data(), y.data(), n);
      });
      same([&](const Kernels& k, Floats& out) { k.add(out.data(), y.data(), n); });
      same([&](const Kernels& k, Floats& out) { OrderOf(k).softmax(out.data(), n); });
      if (n % 2 != 0) continue;
      const Floats angles = random.Normals(n);
      same([&](const Kernels& k, Floats& out) {
        k.rope[RopeStyle::kPairs](out.data(), angles.data(), angles.data() + n / 2, 1, n);
      });
    }
  }
}

// By way of swiglu and softmax: every exponent and the ends of exp()'s range.
TEST_P(KernelsTest, ExpHasTheBitsOfTheScalarTable) {
  Floats x;
  for (uint32_t bits = 0; bits < 0x7f900000u; bits += 40961)
    x.push_back(std::bit_cast<float>(bits));
  for (const float edge : {88.7f, 89.0f, 103.0f, 104.0f, 87.3f}) {
    for (int step = -100; step <= 100; ++step) {
      const auto bits = static_cast<int32_t>(std::bit_cast<uint32_t>(edge)) + step;
      x.push_back(std::bit_cast<float>(bits));
    }
  }
  const size_t n = x.size();
  for (size_t i = 0; i < n; ++i) x.push_back(-x[i]);
  const Floats ones(x.size(), 1);
  Floats out = x;
  Floats scalar = x;
  order_.glu[GluType::kSilu](out.data(), ones.data(), x.size());
  scalar_order_.glu[GluType::kSilu](scalar.data(), ones.data(), x.size());
  ExpectSameBits(out, scalar);
  out = scalar = x;
  order_.softmax(out.data() + n, n);
  scalar_order_.softmax(scalar.data() + n, n);
  ExpectSameBits(out, scalar);
}

}  // namespace
}  // namespace clamma
