// SPDX-License-Identifier: MIT
// Which kernel tables there are, and which one is used.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/kernels.h"

namespace clamma {
namespace {

TEST(UsableKernels, AreCompleteAndEndWithTheScalarOnes) {
  const std::vector<const Kernels*> tables = clamma_test::Tables();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.back(), &kScalarKernels);
  for (const Kernels* table : tables) {
    EXPECT_STRNE(table->name, "");
    EXPECT_NE(table->matmul_f32, nullptr);
    EXPECT_NE(table->matmul_q80, nullptr);
    EXPECT_NE(table->quantize, nullptr);
    EXPECT_NE(table->rmsnorm, nullptr);
    EXPECT_NE(table->rope, nullptr);
    EXPECT_NE(table->attention, nullptr);
    EXPECT_NE(table->swiglu, nullptr);
    EXPECT_NE(table->add, nullptr);
    EXPECT_NE(table->softmax, nullptr);
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

// Who runs the tests on a machine of a certain kind says by CLAMMA_TEST_TABLE which table is best
// there.
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
