// SPDX-License-Identifier: MIT
// clamma-selftest finds errors: kernel tables and models that compute something else.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "compare_kernels.h"
#include "kept_receipts.h"
#include "made_models.h"
#include "receipt.h"

namespace selftest {
namespace {

using clamma::Activations;
using clamma::AttentionInput;
using clamma::Kernels;
using clamma::kScalarKernels;
using clamma::KvType;
using clamma::Matrix;
using clamma::OrderKernels;
using clamma::SumOrder;
using clamma::WeightType;

void ExpectFailuresOf(const Kernels& table, std::string_view begin) {
  const Comparison comparison = CompareKernels(table, kScalarKernels);
  EXPECT_FALSE(comparison.failures.empty()) << begin;
  for (const std::string& failure : comparison.failures) {
    EXPECT_EQ(failure.substr(0, begin.size()), begin) << failure;
  }
}

TEST(Selftest, ThePlainTableEqualsItself) {
  const Comparison comparison = CompareKernels(kScalarKernels, kScalarKernels);
  EXPECT_EQ(comparison.failures, std::vector<std::string>());
  EXPECT_GT(comparison.results, 500u);
}

TEST(Selftest, FindsASumOfOtherBits) {
  Kernels table = kScalarKernels;
  table.add = [](float* x, const float* y, size_t n) {
    kScalarKernels.add(x, y, n);
    if (n == 16) x[15] = -x[15];
  };
  ExpectFailuresOf(table, "sum of 16: element 15 of 16 is ");
}

TEST(Selftest, FindsAMatrixTypeThatIsWrongForSomeTokens) {
  if constexpr (!clamma::kHasGguf) GTEST_SKIP() << "a build without GGUF";
  Kernels table = kScalarKernels;
  table.matmul[WeightType::kQ5_0] = [](float* out, size_t stride, const Activations& x,
                                       const Matrix& w, size_t begin, size_t end) {
    kScalarKernels.matmul[WeightType::kQ5_0](out, stride, x, w, begin, end);
    if (x.n_tokens == 9 && end == 70) out[8 * stride + 69] = 0;
  };
  const Comparison comparison = CompareKernels(table, kScalarKernels);
  ASSERT_EQ(comparison.failures.size(), 1u);
  EXPECT_EQ(comparison.failures[0].substr(0, 55),
            "Q5_0, 70 rows of 416, 9 tokens: element 629 of 630 is 0");
}

TEST(Selftest, FindsANormAndAnAttentionOfOtherBits) {
  Kernels table = kScalarKernels;
  OrderKernels order = *kScalarKernels.orders[SumOrder::kLlama2c];
  order.rmsnorm = [](float* out, const float* x, const float* weight, size_t n_rows, size_t n,
                     float epsilon) {
    kScalarKernels.orders[SumOrder::kLlama2c]->rmsnorm(out, x, weight, n_rows, n, 2 * epsilon);
  };
  table.orders[SumOrder::kLlama2c] = &order;
  ExpectFailuresOf(table, "llama2.c's norm of ");
  order = *kScalarKernels.orders[SumOrder::kLlama2c];
  order.attention[KvType::kF16] = [](float* out, float* scratch, size_t stride,
                                     const AttentionInput& input, size_t begin, size_t end) {
    AttentionInput shorter = input;
    if (shorter.n_positions > 64) --shorter.n_positions;
    kScalarKernels.orders[SumOrder::kLlama2c]->attention[KvType::kF16](out, scratch, stride,
                                                                       shorter, begin, end);
  };
  ExpectFailuresOf(table, "llama2.c's attention, f16, ");
}

TEST(Selftest, MadeModelsHaveTheReceiptsThatAreKeptAndAnotherSeedHasNot) {
  std::vector<MadeModel> models = MakeModels();
  EXPECT_GE(models.size(), 2u);
  for (MadeModel& made : models) {
    SCOPED_TRACE(made.name);
    std::string_view kept;
    for (const KeptReceipt& k : kMadeReceipts) {
      if (k.name == made.name) kept = k.receipt;
    }
    std::string receipt;
    Model model;
    ASSERT_EQ(model.OpenAt(made.bytes), "");
    ASSERT_EQ(model.Compute(kScalarKernels, &receipt), "");
    EXPECT_EQ(receipt, kept);
    made.bytes[made.bytes.size() / 8 * 4 + 2] ^= 0x40;  // a high bit of one weight
    Model changed;
    ASSERT_EQ(changed.OpenAt(made.bytes), "");
    ASSERT_EQ(changed.Compute(kScalarKernels, &receipt), "");
    EXPECT_NE(receipt, kept);
  }
}

}  // namespace
}  // namespace selftest
