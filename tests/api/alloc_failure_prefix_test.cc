// SPDX-License-Identifier: MIT
// Each allocation of sessions that share pages fails in turn: a query is refused, ends with an
// error, or generates the right text.
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "faulty_heap.h"
#include "prefix_fixture.h"

namespace clamma_test {
namespace {

class AllocFailurePrefix : public testing::Test {
 protected:
  void SetUp() override {
    if (!clamma::kHasPrefixCache) GTEST_SKIP() << "a build without a prefix cache";
  }
  void TearDown() override { Heap().FailAllocation(0); }

  static std::vector<tok_id_t> Context(size_t same, size_t own, uint32_t seed) {
    std::vector<tok_id_t> tokens = RandomTokens(same, 1);
    const std::vector<tok_id_t> more = RandomTokens(own, seed);
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
  }

  // Runs three sessions with the same beginning, two at a time. One is cut back to the middle
  // of a page that another has, and continues there. Returns the number of failed queries.
  size_t Live(const TxfPtr& model) {
    const std::vector<std::vector<tok_id_t>> contexts = {Context(110, 20, 2), Context(110, 30, 3),
                                                         Context(75, 40, 4), Context(50, 60, 5)};
    Speaker a;
    Speaker b;
    const bool a_began = a.Begin(model, contexts[0], 3);
    const bool b_began = b.Begin(model, contexts[1], 3);
    StepAll();
    size_t failed = Check(a, a_began, contexts[0]) + Check(b, b_began, contexts[1]);
    a.Destroy();
    Speaker c;
    for (const size_t i : {2, 3}) {
      const bool b_cut = b.Begin(model, contexts[i], 3);
      const bool c_began = c.Begin(model, contexts[1], 3);
      StepAll();
      failed += Check(b, b_cut, contexts[i]) + Check(c, c_began, contexts[1]);
    }
    return failed;
  }

  void FailEvery(uint64_t prefix_cache_bytes, bool for_good) {
    const TxfPtr model = files_.OpenModel(prefix_cache_bytes);
    ASSERT_EQ(Live(model), 0u);
    for (size_t n = 1;; ++n) {
      SCOPED_TRACE(testing::Message() << "allocation " << n << (for_good ? " and all after" : ""));
      const TxfPtr fresh = files_.OpenModel(prefix_cache_bytes);
      const size_t blocks = Heap().live_blocks();
      Heap().FailAllocation(n, for_good);
      const size_t failed = Live(fresh);
      const bool happened = Heap().failed();
      Heap().FailAllocation(0);
      if (!happened) {
        EXPECT_EQ(failed, 0u);
        EXPECT_GT(n, 30u);
        break;
      }
      // If there are idle pages to free, a single failure has no effect.
      if (prefix_cache_bytes == 0) {
        EXPECT_GT(failed, 0u);
      }
      EXPECT_EQ(Facts(fresh).kv_idle_bytes, Facts(fresh).kv_bytes);
      EXPECT_EQ(Live(fresh), 0u) << "afterwards all works";
      if (prefix_cache_bytes == 0) {
        EXPECT_LE(Heap().live_blocks(), blocks + 1) << "the scores of a longer context";
      }
      ASSERT_LT(n, 1000u) << "this never ends";
    }
  }

  PrefixModel files_{Gemma2Spec()};

 private:
  // Returns 1 if the query failed.
  size_t Check(const Speaker& speaker, bool began, const std::vector<tok_id_t>& context) {
    if (!began) return 1;
    const std::vector<Step>& steps = speaker.steps();
    EXPECT_TRUE(std::equal(steps.begin(), steps.end(), Expected(context).begin()));
    if (speaker.why() == CLAMMA_DONE_ERROR) return 1;
    EXPECT_EQ(steps.size(), Expected(context).size());
    return 0;
  }
  const std::vector<Step>& Expected(const std::vector<tok_id_t>& context) {
    std::vector<Step>& steps = expected_[context];
    if (steps.empty()) steps = files_.Expected(context, 3);
    return steps;
  }
  std::map<std::vector<tok_id_t>, std::vector<Step>> expected_;
};

TEST_F(AllocFailurePrefix, EveryAllocationOfSessionsThatShareMayFail) { FailEvery(0, false); }

TEST_F(AllocFailurePrefix, MemoryMayRunOutForGoodAtAnyPoint) { FailEvery(0, true); }

TEST_F(AllocFailurePrefix, IdlePagesMakeRoom) {
  FailEvery(size_t{1} << 30, false);
  FailEvery(size_t{1} << 30, true);
}

}  // namespace
}  // namespace clamma_test
