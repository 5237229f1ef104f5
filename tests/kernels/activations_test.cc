// SPDX-License-Identifier: MIT
// Rotation and addition of activations, which do not depend on the order of sums, by every table
// that this machine can run: compared with exact arithmetic and, bit for bit, with the scalar
// table.
#include <gtest/gtest.h>

#include <cmath>

#include "kernel_fixture.h"
#include "kernels/math.h"

namespace clamma {
namespace {

using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::KernelsTest;
using clamma_test::kRounding;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::AllTables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

constexpr size_t kLengths[] = {1, 2, 3, 15, 16, 17, 31, 64, 100, 172, 288, 1000, 4096};

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

// The same as the other rotation, with the numbers in another order.
TEST_P(KernelsTest, RopeByHalvesTurnsElementsThatLieHalfAHeadApart) {
  if (!kHasGguf) GTEST_SKIP() << "not in this build";
  Random random(4);
  for (const size_t head_size : {2u, 4u, 8u, 18u, 48u, 64u, 128u}) {
    constexpr size_t kHeads = 3;
    const size_t half = head_size / 2;
    const Floats angles = random.Normals(head_size);  // cosines and sines
    const Floats x = random.Normals(kHeads * head_size);
    Floats pairs(x.size());
    const auto in_pairs = [&](size_t k) {
      const size_t at = k % head_size;
      return k - at + (at < half ? 2 * at : 2 * (at - half) + 1);
    };
    for (size_t k = 0; k < x.size(); ++k) pairs[in_pairs(k)] = x[k];
    scalar_.rope[RopeStyle::kPairs](pairs.data(), angles.data(), &angles[half], kHeads, head_size);
    Floats out = x;
    kernels_.rope[RopeStyle::kHalves](out.data(), angles.data(), &angles[half], kHeads, head_size);
    for (size_t k = 0; k < x.size(); ++k) {
      ASSERT_EQ(out[k], pairs[in_pairs(k)]) << k << ", " << head_size;
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

// Lengths around the sizes of vector registers.
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
      same([&](const Kernels& k, Floats& out) { k.add(out.data(), y.data(), n); });
      if (n % 2 != 0) continue;
      const Floats angles = random.Normals(n);
      same([&](const Kernels& k, Floats& out) {
        k.rope[RopeStyle::kPairs](out.data(), angles.data(), angles.data() + n / 2, 1, n);
      });
      if (!kHasGguf) continue;
      same([&](const Kernels& k, Floats& out) {
        k.rope[RopeStyle::kHalves](out.data(), angles.data(), angles.data() + n / 2, 1, n);
      });
    }
  }
}

}  // namespace
}  // namespace clamma
