// SPDX-License-Identifier: MIT
// Each allocation of a query with a grammar fails in turn.
#include "faulty_heap.h"
#include "session_fixture.h"

namespace clamma_test {
namespace {

class GrammarAllocFailure : public FloatModelTest {
 protected:
  void TearDown() override { Heap().FailAllocation(0); }
};

constexpr char kGrammar[] =
    "root ::= \"{\" (pair (\",\" pair){0,3})? \"}\"\n"
    "pair ::= [a-z\\u00e0-\\u0101]{1,40} \":\" ([0-9]+ | root)\n";

// The result of a query on a session of its own. `text` is that of a grammar's whole match, or the
// beginning of one.
struct Result {
  int refused = 0;
  clamma_done_t why = CLAMMA_DONE_ERROR;
  std::string text;
};
Result Generate(const TxfPtr& model) {
  static const tok_id_t stop = 300;
  Result result;
  const SessionPtr session = NewSession(model);
  if (session == nullptr) return {.refused = 1, .why = CLAMMA_DONE_ERROR, .text = ""};
  Listener listener;
  clamma_txf_info_t info =
      QueryInfo(listener, {.prompt = "Once", .limit = 30, .temperature = 1.5f, .seed = 4});
  info.grammar = kGrammar;
  info.grammar_trigger = " ";
  info.stop_tokens = &stop;
  info.stop_token_count = 1;
  result.refused = clamma_session_query(session.get(), &info);
  StepAll();
  result.text = listener.text;
  if (listener.ended()) result.why = listener.ends[0];
  EXPECT_EQ(listener.ends.size(), result.refused != 0 ? 0u : 1u);
  return result;
}

TEST_F(GrammarAllocFailure, AQueryIsRefusedOrEndsWithTheReason) {
  // No other model keeps a grammar, whose memory would serve instead.
  const Result expected = Generate(Open(ModelInfo(kFloatModel)));
  ASSERT_EQ(expected.refused, 0);
  ASSERT_NE(expected.why, CLAMMA_DONE_ERROR);
  for (const bool for_good : {false, true}) {
    size_t refused = 0;
    size_t ended = 0;
    for (size_t n = 1; n < 2000; ++n) {
      SCOPED_TRACE(testing::Message() << "allocation " << n << ", for good " << for_good);
      const TxfPtr model = Open(ModelInfo(kFloatModel));
      const size_t blocks = Heap().live_blocks();
      Heap().FailAllocation(n, for_good);
      const Result result = Generate(model);
      const bool happened = Heap().failed();
      Heap().FailAllocation(0);
      if (!happened) {
        EXPECT_EQ(result.text, expected.text);
        EXPECT_EQ(result.why, expected.why);
        break;
      }
      refused += result.refused != 0 ? 1 : 0;
      ended += result.refused == 0 ? 1 : 0;
      EXPECT_EQ(result.why, CLAMMA_DONE_ERROR);
      EXPECT_EQ(result.text, expected.text.substr(0, result.text.size()));
      EXPECT_EQ(Generate(model).text, expected.text) << "the next query goes on";
      EXPECT_GE(Heap().live_blocks(), blocks);
      if (HasFailure()) return;
    }
    EXPECT_GT(refused, 30u);
    EXPECT_GT(ended, 3u);
  }
}

TEST_F(GrammarAllocFailure, GrammarsThatNoQueryHasAreFreedWhenMemoryIsShort) {
  const auto grammars = [&] {
    clamma_txf_facts_t facts = {};
    EXPECT_EQ(clamma_txf_facts(model_.get(), &facts), 0);
    return facts.grammars;
  };
  Generate(model_);
  ASSERT_EQ(grammars(), 1u);
  Heap().FailAllocation(1);
  EXPECT_NE(NewSession(model_), nullptr);
  EXPECT_TRUE(Heap().failed());
  EXPECT_EQ(grammars(), 0u);
}

}  // namespace
}  // namespace clamma_test
