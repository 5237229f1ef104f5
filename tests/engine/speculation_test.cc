// SPDX-License-Identifier: MIT
// Queries with drafts: what they refuse, what they report, and that they outlive a draft
// transformer. speculation_random_test.cc has the proof that drafts change nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "draft_fixture.h"
#include "prefix_fixture.h"
#include "session_fixture.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

// Makes a query say the same token over and over.
void RepeatOneToken(clamma_txf_info_t* info) {
  static constexpr clamma_logit_bias_t kBias = {300, 1000};
  info->logit_bias = &kBias;
  info->logit_bias_count = 1;
}

class SpeculationTest : public FloatModelTest {
 protected:
  void SetUp() override {
    FloatModelTest::SetUp();
    if (!IsSkipped()) MakeDraftsCheap(model_);
  }

  // All that a query shows. `set` adds fields to it.
  template <typename Set>
  std::vector<std::string> Trace(txf_session* session, const Ask& ask, Set set) {
    Listener listener;
    Witness witness(session);
    clamma_txf_info_t info = QueryInfo(listener, ask);
    witness.Watch(&info);
    set(&info);
    if (clamma_session_query(session, &info) != 0) return {"refused"};
    StepAll();
    return witness.lines();
  }
  // The reason why a query is refused.
  template <typename Set>
  std::string Refusal(txf_session* session, Set set) {
    char desc[256] = "";
    const auto describe = [&](clamma_txf_info_t* info) {
      info->desc = desc;
      info->desc_max = sizeof(desc);
      set(info);
    };
    EXPECT_EQ(Trace(session, {.limit = 4}, describe), std::vector<std::string>{"refused"});
    return desc;
  }
};

TEST_F(SpeculationTest, DraftsOfRepeatingTextsAreRight) {
  const SessionPtr plain = NewSession(model_);
  const SessionPtr session = NewSession(model_);
  const Ask ask = {.prompt = "Once upon a time", .limit = 120};
  const auto expected = Trace(plain.get(), ask, RepeatOneToken);
  const auto set = [](clamma_txf_info_t* info) {
    RepeatOneToken(info);
    info->draft_tokens = 15;
  };
  EXPECT_EQ(Trace(session.get(), ask, set), expected);
  const clamma_query_facts_t facts = QueryFactsOf(session.get());
  EXPECT_GT(facts.accepted_tokens, 80u);
  EXPECT_GE(facts.drafted_tokens, facts.accepted_tokens);
  EXPECT_EQ(QueryFactsOf(plain.get()).drafted_tokens, 0u);
}

TEST_F(SpeculationTest, AStepStillHandsOutOneToken) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.prompt = "Once upon a time", .limit = 60});
  RepeatOneToken(&info);
  info.draft_tokens = 15;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  size_t generated = 0;
  while (clamma_sessions_step_next() != 0) {
    EXPECT_LE(Facts(session.get()).generated_tokens, generated + 1);
    generated = Facts(session.get()).generated_tokens;
  }
  EXPECT_EQ(generated, 60u);
  EXPECT_GT(QueryFactsOf(session.get()).accepted_tokens, 40u);
}

TEST_F(SpeculationTest, TheQuantisedModelDraftsForTheFloatOne) {
  const TxfPtr draft = Open(ModelInfo(kQ80Model));
  const SessionPtr plain = NewSession(model_);
  const SessionPtr session = NewSession(model_);
  for (const float temperature : {0.0f, 1.0f}) {
    const Ask ask = {.prompt = "Once upon a time", .limit = 100, .temperature = temperature};
    const auto expected = Trace(plain.get(), ask, [](auto*) {});
    const auto set = [&](clamma_txf_info_t* info) {
      info->draft_tokens = 4;
      info->draft_txf = draft.get();
    };
    EXPECT_EQ(Trace(session.get(), ask, set), expected);
    const clamma_query_facts_t facts = QueryFactsOf(session.get());
    EXPECT_GT(facts.drafted_tokens, 50u);
    EXPECT_GT(facts.accepted_tokens * 10, facts.drafted_tokens * 7) << "at 70 % or more";
  }
}

TEST_F(SpeculationTest, GrammarsConstrainDraftsToo) {
  if (!clamma::kHasGrammar) GTEST_SKIP() << "a build without grammars";
  // No token of the vocabulary has two of these letters, so the texts have only one tokenisation.
  constexpr char grammar[] = R"(root ::= "zqxzqxzqxz" [a-z]+ "xqzxqzxqzxqz")";
  const SessionPtr plain = NewSession(model_);
  const SessionPtr session = NewSession(model_);
  for (const float temperature : {0.0f, 1.0f}) {
    const Ask ask = {.prompt = "A value:", .limit = 200, .temperature = temperature};
    const auto constrain = [](clamma_txf_info_t* info) { info->grammar = grammar; };
    const auto expected = Trace(plain.get(), ask, constrain);
    const auto set = [&](clamma_txf_info_t* info) {
      constrain(info);
      info->draft_tokens = 15;
    };
    EXPECT_EQ(Trace(session.get(), ask, set), expected);
    EXPECT_GT(QueryFactsOf(session.get()).accepted_tokens, 8u) << "the beginning is forced";
  }
}

TEST_F(SpeculationTest, RefusesWhatCannotBe) {
  const SessionPtr session = NewSession(model_);
  EXPECT_EQ(Refusal(session.get(), [](auto* info) { info->draft_tokens = 16; }),
            "draft_tokens must be in 0 .. 15");
  EXPECT_EQ(Refusal(session.get(), [&](auto* info) { info->draft_txf = model_.get(); }),
            "draft_txf is given, and draft_tokens is 0");
  PrefixModel other(PlainSpec());
  const TxfPtr draft = other.OpenModel();
  const auto set = [&](auto* info) {
    info->draft_txf = draft.get();
    info->draft_tokens = 4;
  };
  EXPECT_EQ(Refusal(session.get(), set),
            "the draft transformer has another vocabulary: 48 tokens, not 512");
}

// Opens a GGUF model of 48 tokens, one of which may have another text of the same length.
TxfPtr OpenWithToken(const TemporaryFolder& folder, const std::string& text) {
  GgufSpec spec = PlainSpec();
  spec.vocab = spec.tokens = kTokens;
  std::vector<uint8_t> bytes = MakeGguf(spec).Build();
  const std::string old = "w40";
  const auto found = std::search(bytes.begin(), bytes.end(), old.begin(), old.end());
  EXPECT_NE(found, bytes.end());
  std::copy(text.begin(), text.end(), found);
  clamma_txf_info_t info = ModelInfo(folder.Write(text + ".gguf", bytes));
  info.tokenizer_path = nullptr;
  return Open(info);
}

TEST_F(SpeculationTest, RefusesAVocabularyThatDiffersInOneToken) {
  const TemporaryFolder folder;
  const TxfPtr model = OpenWithToken(folder, "w40");
  const TxfPtr draft = OpenWithToken(folder, "x40");
  const SessionPtr session = NewSession(model);
  EXPECT_EQ(Refusal(session.get(),
                    [&](auto* info) {
                      info->draft_txf = draft.get();
                      info->draft_tokens = 4;
                    }),
            "the draft transformer has another vocabulary: token 40 differs");
}

TEST_F(SpeculationTest, SessionsInAnArenaHaveNoDraftTransformer) {
  std::vector<uint8_t> arena(size_t{16} << 20);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.arena = arena.data();
  info.arena_size = arena.size();
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  const auto set = [&](auto* query) {
    query->draft_txf = model_.get();
    query->draft_tokens = 4;
  };
  EXPECT_EQ(Refusal(session.get(), set), "sessions in an arena cannot have a draft transformer");
}

// Generates with a draft transformer, which is destroyed after some tokens: by the callback, or
// between two steps.
TEST_F(SpeculationTest, QueriesOutliveTheirDraftTransformer) {
  const Ask ask = {.prompt = "Once upon a time", .limit = 40};
  const std::string expected = RunFresh(model_, ask).text;
  for (const bool in_callback : {false, true}) {
    TxfPtr draft = Open(ModelInfo(kQ80Model));
    const SessionPtr session = NewSession(model_);
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, ask);
    info.draft_txf = draft.get();
    info.draft_tokens = 3;
    listener.on_text = [&] {
      if (in_callback && listener.pieces == 10) draft.reset();
      return 0;
    };
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    for (size_t steps = 0; clamma_sessions_step_next() != 0; ++steps) {
      if (!in_callback && steps == 10) draft.reset();
    }
    EXPECT_EQ(listener.text, expected);
    EXPECT_GT(QueryFactsOf(session.get()).accepted_tokens, 0u);
  }
}

TEST_F(SpeculationTest, ASessionMayBeDestroyedBeforeItsDraftTransformer) {
  const TxfPtr draft = Open(ModelInfo(kQ80Model));
  for (size_t steps = 0; steps < 5; ++steps) {
    SessionPtr session = NewSession(model_);
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.prompt = "Once", .limit = 40});
    info.draft_txf = draft.get();
    info.draft_tokens = 3;
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    for (size_t i = 0; i < steps; ++i) EXPECT_EQ(clamma_sessions_step_next(), 1);
  }
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

// While a thread destroys the draft transformer of a session's last query, another one starts the
// next query, with another draft transformer.
TEST_F(SpeculationTest, AQueryMayBeginWhileTheDraftTransformerOfTheLastOneIsDestroyed) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  const auto run = [&](const SessionPtr& session, const TxfPtr& draft) {
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.prompt = "Once upon a time", .limit = 5});
    info.draft_txf = draft.get();
    info.draft_tokens = 3;
    EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    return listener.text;
  };
  const TxfPtr kept = Open(ModelInfo(kQ80Model));
  const SessionPtr alone = NewSession(model_);
  const std::string first = run(alone, kept);
  const std::string second = run(alone, kept);
  for (size_t round = 0; round < 10; ++round) {
    TxfPtr dropped = Open(ModelInfo(kQ80Model));
    const SessionPtr session = NewSession(model_);
    EXPECT_EQ(run(session, dropped), first);
    std::thread destroys([&] { dropped.reset(); });
    EXPECT_EQ(run(session, kept), second);
    destroys.join();
  }
}

TEST_F(SpeculationTest, SessionsOfSeveralThreadsShareADraftTransformer) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  const TxfPtr draft = Open(ModelInfo(kQ80Model));
  const Ask ask = {.prompt = "Once upon a time", .limit = 40, .temperature = 1, .seed = 7};
  const std::string expected = RunFresh(model_, ask).text;
  std::vector<std::thread> threads;
  std::vector<std::string> texts(4);
  for (size_t i = 0; i < texts.size(); ++i) {
    threads.emplace_back([&, i] {
      const SessionPtr session = NewSession(model_);
      Listener listener;
      clamma_txf_info_t info = QueryInfo(listener, ask);
      info.draft_txf = i % 2 == 0 ? draft.get() : nullptr;
      info.draft_tokens = 3;
      EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
      while (!listener.ended()) clamma_sessions_step_next();
      texts[i] = listener.text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, expected);
}

}  // namespace
}  // namespace clamma_test
