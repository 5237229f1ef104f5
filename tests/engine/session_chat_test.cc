// SPDX-License-Identifier: MIT
// Turns of a conversation in the format of Llama 2's chats.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "session_fixture.h"

namespace clamma_test {
namespace {

class ChatTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    if (IsSkipped()) return;
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.model_type = CLAMMA_MODEL_CHAT;
    chat_ = Open(info);
    ASSERT_NE(chat_, nullptr);
  }
  // An answer begins without the space that follows the bracket.
  static std::string WithoutFirstSpace(const std::string& text) {
    return text.starts_with(" ") ? text.substr(1) : text;
  }
  size_t TurnTokens(const std::string& text) const {
    return CountTokens(chat_, text, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX);
  }
  TxfPtr chat_;
};

TEST_F(ChatTest, FirstTurnIsThePromptInItsBrackets) {
  const Outcome answer = RunFresh(chat_, {.prompt = "Who is Lily?", .limit = 30});
  EXPECT_EQ(answer.facts.prompt_tokens, TurnTokens("[INST] Who is Lily? [/INST]"));
  EXPECT_EQ(answer.facts.position, answer.facts.prompt_tokens + 29);
  const Outcome text = RunFresh(model_, {.prompt = "[INST] Who is Lily? [/INST]", .limit = 30});
  EXPECT_EQ(answer.text, WithoutFirstSpace(text.text));
}

TEST_F(ChatTest, SystemStandsInTheFirstTurn) {
  const Outcome answer =
      RunFresh(chat_, {.prompt = "Who is Lily?", .system = "Be kind.", .limit = 30});
  const char* turn = "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nWho is Lily? [/INST]";
  EXPECT_EQ(answer.facts.prompt_tokens, TurnTokens(turn));
  const Outcome text = RunFresh(model_, {.prompt = turn, .limit = 30});
  EXPECT_EQ(answer.text, WithoutFirstSpace(text.text));
}

TEST_F(ChatTest, SecondTurnCostsItsOwnTokensAndTheClosingEos) {
  for (const char* system : {static_cast<const char*>(nullptr), "Be kind."}) {
    const SessionPtr session = NewSession(chat_);
    const Outcome first =
        RunQuery(session.get(), {.prompt = "Who is Lily?", .system = system, .limit = 20});
    ASSERT_EQ(first.why, CLAMMA_DONE_LIMIT);
    const Outcome second =
        RunQuery(session.get(), {.prompt = "And Tom?", .system = system, .limit = 10});
    EXPECT_EQ(second.facts.prompt_tokens, 1 + TurnTokens("[INST] And Tom? [/INST]"))
        << "the system prompt counts in the first turn only";
    // The second turn computes the last token of the first answer.
    EXPECT_EQ(second.facts.position, first.facts.position + 1 + second.facts.prompt_tokens +
                                         second.facts.generated_tokens - 1);
  }
}

TEST_F(ChatTest, QueryWithoutAPromptIsRefusedInANewSession) {
  const SessionPtr session = NewSession(chat_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.prompt = nullptr, .system = "Be kind."});
  char desc[128] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  EXPECT_NE(clamma_session_query(session.get(), &info), 0);
  EXPECT_NE(std::string(desc).find("prompt"), std::string::npos) << desc;
  EXPECT_EQ(RunQuery(session.get(), {.prompt = "Hello", .limit = 5}).why, CLAMMA_DONE_LIMIT);
}

TEST_F(ChatTest, QueryWithoutAPromptGoesOnWithAnAnswer) {
  const Outcome whole = RunFresh(chat_, {.prompt = "Who is Lily?", .limit = 30});
  const SessionPtr session = NewSession(chat_);
  std::string text = RunQuery(session.get(), {.prompt = "Who is Lily?", .limit = 12}).text;
  const Outcome rest = RunQuery(session.get(), {.prompt = nullptr, .limit = 18});
  EXPECT_EQ(rest.facts.prompt_tokens, 0u);
  EXPECT_EQ(text + rest.text, whole.text);
}

TEST_F(ChatTest, EmptyPromptIsATurn) {
  const Outcome answer = RunFresh(chat_, {.prompt = "", .limit = 5});
  EXPECT_EQ(answer.facts.prompt_tokens, TurnTokens("[INST]  [/INST]"));
}

TEST_F(ChatTest, CancelledFirstTurnLeavesTheSystemPromptToTheNext) {
  const std::string prompt = LongPrompt();
  const SessionPtr session = NewSession(chat_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = prompt.c_str(), .system = "Be kind."}),
            0);
  ASSERT_EQ(clamma_sessions_step_next(), 1);
  clamma_sessions_query_cancel(session.get());
  StepAll();
  const Ask ask = {.prompt = "Who is Lily?", .system = "Be kind.", .limit = 20};
  const Outcome answer = RunQuery(session.get(), ask);
  const Outcome fresh = RunFresh(chat_, ask);
  EXPECT_EQ(answer.text, fresh.text);
  EXPECT_EQ(answer.facts.prompt_tokens, fresh.facts.prompt_tokens);
}

}  // namespace
}  // namespace clamma_test
