// SPDX-License-Identifier: MIT
// Each allocation of a session with drafts fails in turn: a query is refused, ends with an error,
// or says what it must. Where only drafts lack memory, it goes on without them.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "draft_fixture.h"
#include "faulty_heap.h"

namespace clamma_test {
namespace {

constexpr char kPrompt[] = "Lily saw a red ball. Lily saw a red ball. Lily saw";

class AllocFailureDrafts : public FloatModelTest {
 protected:
  void TearDown() override { Heap().FailAllocation(0); }

  // Returns the text; "" if the query was refused or failed.
  static std::string Generate(const TxfPtr& model, const txf* draft, unsigned most) {
    const SessionPtr session = NewSession(model);
    if (session == nullptr) return "";
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.prompt = kPrompt, .limit = 90});
    info.draft_txf = draft;
    info.draft_tokens = most;
    if (clamma_session_query(session.get(), &info) != 0) return "";
    StepAll();
    return listener.ends.at(0) == CLAMMA_DONE_ERROR ? "" : listener.text;
  }

  void FailEvery(const txf* draft) {
    const std::string expected = Generate(model_, nullptr, 0);
    ASSERT_NE(expected, "");
    size_t went_on = 0;
    for (size_t n = 1;; ++n) {
      SCOPED_TRACE(testing::Message() << "allocation " << n);
      MakeDraftsCheap(model_);
      const size_t blocks = Heap().live_blocks();
      Heap().FailAllocation(n);
      const std::string text = Generate(model_, draft, 15);
      const bool happened = Heap().failed();
      Heap().FailAllocation(0);
      if (!text.empty()) {
        EXPECT_EQ(text, expected);
      }
      if (!happened) break;
      went_on += text.empty() ? 0 : 1;
      EXPECT_LE(Heap().live_blocks(), blocks + 1) << "the scores of a longer context";
      ASSERT_LT(n, 1000u) << "this never ends";
    }
    EXPECT_GT(went_on, 0u) << "no failure was one of drafts alone";
  }
};

TEST_F(AllocFailureDrafts, OfLookingUp) { FailEvery(nullptr); }

TEST_F(AllocFailureDrafts, OfADraftTransformer) {
  const TxfPtr draft = Open(ModelInfo(kQ80Model));
  FailEvery(draft.get());
}

}  // namespace
}  // namespace clamma_test
