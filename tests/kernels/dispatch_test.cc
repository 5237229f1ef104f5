// SPDX-License-Identifier: MIT
// The kernel tables, and which one is used.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/kernels.h"

namespace clamma {
namespace {

TEST(Tables, AreCompleteAndEndWithTheScalarOnes) {
  const std::vector<const Kernels*> tables = clamma_test::Tables();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.back(), &kScalarKernels);
  EXPECT_EQ(UsableTable(TableCount() - 1), &kScalarKernels);
  for (const Kernels* table : tables) {
    EXPECT_STRNE(table->name, "");
    for (size_t i = 0; i < kWeightTypes; ++i) {
      const auto type = static_cast<WeightType>(i);
      EXPECT_NE(table->matmul[type], nullptr);
      const Kernels::Quantizer& quantizer = table->quantizers[KindOf(type)];
      EXPECT_EQ(quantizer.bytes == nullptr, KindOf(type) == ActivationKind::kFloats);
      EXPECT_EQ(quantizer.quantize == nullptr, KindOf(type) == ActivationKind::kFloats);
    }
    const OrderKernels& order = *table->orders[SumOrder::kLlama2c];
    EXPECT_NE(order.rmsnorm, nullptr);
    EXPECT_NE(order.softmax, nullptr);
    EXPECT_NE(order.glu[GluType::kSilu], nullptr);
    EXPECT_NE(order.attention[KvType::kF32], nullptr);
    EXPECT_NE(order.attention[KvType::kF16], nullptr);
    if (kHasGguf) {
      EXPECT_NE(table->orders[SumOrder::kNative]->attention[KvType::kQ8], nullptr);
    }
    EXPECT_NE(table->rope[RopeStyle::kPairs], nullptr);
    EXPECT_EQ(table->rope[RopeStyle::kHalves] != nullptr, kHasGguf);
    EXPECT_NE(table->add, nullptr);
  }
}

TEST(SelectKernels, GivesTheTableThatIsAskedForOrElseTheBest) {
  clamma_test::CpuChoice choice;
  for (const Kernels* table : clamma_test::Tables()) {
    choice.Set(table->name);
    EXPECT_EQ(&SelectKernels(), table);
  }
  choice.Set("abacus");
  EXPECT_EQ(&SelectKernels(), clamma_test::Tables().front());
  choice.Set(nullptr);
  EXPECT_EQ(&SelectKernels(), clamma_test::Tables().front());
}

// CLAMMA_TEST_TABLE names the best table for the machine that runs the tests.
TEST(SelectKernels, GivesTheTableThatThisMachineIsMeantToUse) {
  const clamma_test::CpuChoice none;
  const char* meant = std::getenv("CLAMMA_TEST_TABLE");
  EXPECT_STREQ(SelectKernels().name, meant == nullptr ? clamma_test::Tables()[0]->name : meant);
}

#if defined(__x86_64__) && defined(__linux__)
TEST(SelectKernels, LeavesTheTileUnitAloneWhereASignalStackIsTooSmallForIt) {
  const clamma_test::CpuChoice none;
  static uint8_t small[4096];
  stack_t stack = {};
  stack.ss_sp = small;
  stack.ss_size = sizeof(small);
  if (sigaltstack(&stack, nullptr) != 0) GTEST_SKIP() << "the tiles are already granted";
  EXPECT_STRNE(SelectKernels().name, "amx");
  stack.ss_flags = SS_DISABLE;
  sigaltstack(&stack, nullptr);
}
#endif

}  // namespace
}  // namespace clamma
