// SPDX-License-Identifier: MIT
// Norm, gate and softmax in both orders of sums, by every table that this machine can run: compared
// with exact arithmetic and, bit for bit, with the scalar table of the same order.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "native_fixture.h"

namespace clamma {
namespace {

using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::kInfinity;
using clamma_test::kNaN;
using clamma_test::kRounding;
using clamma_test::Random;

struct OrderOfTable {
  std::string name;
  const OrderKernels* ops;
  const OrderKernels* scalar;
};

std::vector<OrderOfTable> NativeOrders() {
  std::vector<OrderOfTable> orders;
  for (const OrderKernels* table : clamma_test::NativeTables()) {
    orders.push_back(
        {"native_" + clamma_test::NameInTests(table->name), table, &kScalarNativeOrder});
  }
  return orders;
}

std::vector<OrderOfTable> Orders() {
  std::vector<OrderOfTable> orders = NativeOrders();
  for (const Kernels* table : clamma_test::AllTables()) {
    orders.push_back({"llama2c_" + clamma_test::NameInTests(table->name),
                      &clamma_test::OrderOf(*table), &clamma_test::OrderOf(kScalarKernels)});
  }
  return orders;
}

class OrdersTest : public testing::TestWithParam<OrderOfTable> {
 protected:
  // Returns the result of run(ops, out) for x, and expects the same bits from the scalar table.
  template <typename F>
  Floats Run(const Floats& x, const F& run) const {
    Floats out = x;
    run(*GetParam().ops, out);
    Floats scalar = x;
    run(*GetParam().scalar, scalar);
    ExpectSameBits(out, scalar);
    return out;
  }
  Floats RmsNorm(const Floats& x, const Floats& weight, float epsilon) const {
    return Run(x, [&](const OrderKernels& ops, Floats& out) {
      ops.rmsnorm(out.data(), x.data(), weight.data(), 1, x.size(), epsilon);
    });
  }
  Floats Glu(GluType type, const Floats& gate, const Floats& up) const {
    return Run(gate, [&](const OrderKernels& ops, Floats& out) {
      ops.glu[type](out.data(), up.data(), out.size());
    });
  }
  Floats SwiGlu(const Floats& gate, const Floats& up) const {
    return Glu(GluType::kSilu, gate, up);
  }
  Floats SoftCap(const Floats& x, float cap) const {
    return Run(x, [cap](const OrderKernels& ops, Floats& out) {
      ops.soft_cap(out.data(), out.size(), cap);
    });
  }
  Floats Softmax(const Floats& x) const {
    return Run(x,
               [](const OrderKernels& ops, Floats& out) { ops.softmax(out.data(), out.size()); });
  }
};

INSTANTIATE_TEST_SUITE_P(Tables, OrdersTest, testing::ValuesIn(Orders()),
                         [](const auto& order) { return order.param.name; });

class NativeOrdersTest : public OrdersTest {};
INSTANTIATE_TEST_SUITE_P(Tables, NativeOrdersTest, testing::ValuesIn(NativeOrders()),
                         [](const auto& order) { return order.param.name; });

constexpr size_t kLengths[] = {1, 2, 3, 15, 16, 17, 31, 64, 100, 172, 288, 1000, 4096};

// --- Norm ---

TEST_P(OrdersTest, RmsNormDividesByTheRootOfTheMeanSquare) {
  Random random(1);
  for (const size_t n : kLengths) {
    const Floats x = random.Normals(n, 3);
    const Floats weight = random.Normals(n);
    const Floats out = RmsNorm(x, weight, 1e-5f);
    double squares = 0;
    for (const float value : x) squares += double{value} * double{value};
    const double root = std::sqrt(squares / static_cast<double>(n) + double{1e-5f});
    for (size_t i = 0; i < n; ++i) {
      const double exact = double{weight[i]} * double{x[i]} / root;
      const double bound = kRounding * (static_cast<double>(n) / 2 + 10) * std::abs(exact);
      ASSERT_NEAR(double{out[i]}, exact, bound) << i << " of " << n;
    }
    Floats same = x;  // in place
    GetParam().ops->rmsnorm(same.data(), same.data(), weight.data(), 1, n, 1e-5f);
    ExpectSameBits(same, out);
  }
}

TEST_P(OrdersTest, RmsNormOfARowDoesNotDependOnTheOthers) {
  Random random(2);
  constexpr size_t kColumns = 100;
  const Floats weight = random.Normals(kColumns);
  for (size_t n_rows = 0; n_rows <= 13; ++n_rows) {
    const Floats x = random.Normals(n_rows * kColumns);
    Floats out(x.size());
    GetParam().ops->rmsnorm(out.data(), x.data(), weight.data(), n_rows, kColumns, 1e-5f);
    Floats alone(x.size());
    for (size_t r = 0; r < n_rows; ++r) {
      GetParam().scalar->rmsnorm(&alone[r * kColumns], &x[r * kColumns], weight.data(), 1, kColumns,
                                 1e-5f);
    }
    ExpectSameBits(out, alone);
  }
}

TEST_P(OrdersTest, RmsNormOfZerosIsZero) {
  EXPECT_EQ(RmsNorm(Floats(20), Floats(20, 2), 1e-5f), Floats(20));
}

// --- Gate ---

TEST_P(OrdersTest, SwiGluGatesByTheSigmoid) {
  Random random(3);
  for (const size_t n : kLengths) {
    const Floats gate = random.Normals(n, 8);
    const Floats up = random.Normals(n);
    const Floats out = SwiGlu(gate, up);
    for (size_t i = 0; i < n; ++i) {
      const double g = double{gate[i]};
      const double exact = g / (1 + std::exp(-g)) * double{up[i]};
      ASSERT_NEAR(double{out[i]}, exact, 8 * kRounding * std::abs(exact))
          << gate[i] << ", " << up[i];
    }
  }
}

TEST_P(OrdersTest, SwiGluIsOffFarBelowZeroAndOnFarAbove) {
  const Floats x = {-80, -90, -100, -200, -1000, -3e38f, 0, -0.0f, 100, 1000, 1e10f};
  const Floats out = SwiGlu(x, Floats(x.size(), 1));
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(out[i], 0, 1e-30) << x[i];
  for (size_t i = 8; i < x.size(); ++i) EXPECT_EQ(out[i], x[i]);
}

// Functions that only the native order has.

TEST_P(NativeOrdersTest, GeluIsNearTheNormalDistribution) {
  Random random(7);
  for (const size_t n : kLengths) {
    const Floats gate = random.Normals(n, 3);
    const Floats up = random.Normals(n);
    const Floats out = Glu(GluType::kGelu, gate, up);
    for (size_t i = 0; i < n; ++i) {
      const double g = double{gate[i]};
      const double inner = std::sqrt(2 / 3.14159265358979) * (g + 0.044715 * g * g * g);
      const double exact = g / (1 + std::exp(-2 * inner)) * double{up[i]};
      // The exponential's error is relative to its exponent; results below 1e-38 are 0.
      const double bound = kRounding * (16 + 8 * std::abs(inner)) * std::abs(exact) + 1e-35;
      ASSERT_NEAR(double{out[i]}, exact, bound) << gate[i] << ", " << up[i];
    }
  }
}

TEST_P(NativeOrdersTest, ClampedSwiGluBoundsBothAndAddsOne) {
  Random random(8);
  for (const size_t n : kLengths) {
    const Floats gate = random.Normals(n, 6);
    const Floats up = random.Normals(n, 6);
    const Floats out = Glu(GluType::kClampedSilu, gate, up);
    for (size_t i = 0; i < n; ++i) {
      const double g = std::min(double{gate[i]}, 7.0);
      const double u = std::clamp(double{up[i]}, -7.0, 7.0);
      const double exact = g / (1 + std::exp(-1.702 * g)) * (u + 1);
      const double scale = std::abs(g / (1 + std::exp(-1.702 * g))) * (std::abs(u) + 1);
      ASSERT_NEAR(double{out[i]}, exact, kRounding * (16 + 4 * std::abs(g)) * scale)
          << gate[i] << ", " << up[i];
    }
  }
}

TEST_P(NativeOrdersTest, SoftCapIsTheHyperbolicTangent) {
  Random random(9);
  for (const float cap : {0.5f, 1.0f, 30.0f, 50.0f}) {
    for (const size_t n : kLengths) {
      const Floats x = random.Normals(n, 20);
      const Floats out = SoftCap(x, cap);
      for (size_t i = 0; i < n; ++i) {
        const double exact = double{cap} * std::tanh(double{x[i]} / double{cap});
        ASSERT_NEAR(double{out[i]}, exact, 8 * kRounding * double{cap}) << x[i] << " by " << cap;
      }
    }
  }
  EXPECT_EQ(SoftCap({0, 1e30f, -1e30f, kInfinity, -kInfinity}, 30), (Floats{0, 30, -30, 30, -30}));
}

// --- Softmax ---

TEST_P(OrdersTest, SoftmaxGivesProbabilities) {
  Random random(4);
  for (const size_t n : {1u, 2u, 3u, 15u, 16u, 17u, 100u, 512u, 32000u}) {
    for (const float deviation : {0.1f, 1.0f, 30.0f}) {
      SCOPED_TRACE(testing::Message() << n << " of " << deviation);
      const Floats x = random.Normals(n, deviation);
      const Floats out = Softmax(x);
      const double largest = double{*std::max_element(x.begin(), x.end())};
      double total = 0;
      for (const float value : x) total += std::exp(double{value} - largest);
      for (size_t i = 0; i < n; ++i) {
        const double exact = std::exp(double{x[i]} - largest) / total;
        // The difference from the largest is rounded, too, and exp() makes this error relative.
        const double relative = kRounding * (static_cast<double>(n) / 2 + 12 + 10 * deviation);
        ASSERT_NEAR(double{out[i]}, exact, relative * exact + 1e-37) << x[i];
      }
    }
  }
}

// Quotients may be computed as products, but must equal those of divisions, even the smallest.
TEST_P(OrdersTest, SoftmaxDividesWithoutError) {
  Random random(5);
  for (int round = 0; round < 3000; ++round) {
    const auto deviation = static_cast<float>(round % 40);
    SCOPED_TRACE(testing::Message() << "round " << round);
    Softmax(random.Normals(40 + static_cast<size_t>(round % 37), deviation));
  }
}

TEST_P(OrdersTest, SoftmaxOfEqualsIsEven) {
  for (const float value : {0.0f, 1e30f, -1e30f, 3.4e38f}) {
    EXPECT_EQ(Softmax(Floats(8, value)), Floats(8, 0.125f)) << value;
  }
}

TEST_P(OrdersTest, SoftmaxOfWhatIsNoNumberIsZero) {
  EXPECT_EQ(Softmax({kNaN, 1, -kInfinity, 1, -kNaN, kNaN, -1000}),
            (Floats{0, 0.5f, 0, 0.5f, 0, 0, 0}));
}

// --- Bits ---

// Lengths around the sizes of vector registers.
TEST_P(OrdersTest, HaveTheBitsOfTheScalarTableWhateverTheyAreFed) {
  Random random(6);
  for (size_t n = 1; n <= 70; ++n) {
    for (const size_t one_in : {1u, 4u, 1000u}) {
      SCOPED_TRACE(testing::Message() << n << ", one hostile in " << one_in);
      const Floats x = random.Hostile(n, one_in);
      const Floats y = random.Hostile(n, one_in);
      RmsNorm(x, y, 0);
      SwiGlu(x, y);
      Softmax(x);
      if (GetParam().ops->soft_cap == nullptr) continue;
      Glu(GluType::kGelu, x, y);
      Glu(GluType::kClampedSilu, x, y);
      SoftCap(x, 50);
    }
  }
}

// Through the gate and softmax: every exponent, and the ends of exp()'s range in either order.
TEST_P(OrdersTest, ExpHasTheBitsOfTheScalarTable) {
  Floats x;
  for (uint32_t bits = 0; bits < 0x7f900000u; bits += 40961)
    x.push_back(std::bit_cast<float>(bits));
  for (const float edge : {87.3f, 87.336f, 87.68f, 88.0f, 88.7f, 89.0f, 103.0f, 104.0f}) {
    for (int step = -100; step <= 100; ++step) {
      const auto bits = static_cast<int32_t>(std::bit_cast<uint32_t>(edge)) + step;
      x.push_back(std::bit_cast<float>(bits));
    }
  }
  Floats negative = x;
  for (float& value : negative) value = -value;
  for (const Floats& values : {x, negative}) SwiGlu(values, Floats(values.size(), 1));
  Softmax(negative);
}

}  // namespace
}  // namespace clamma
