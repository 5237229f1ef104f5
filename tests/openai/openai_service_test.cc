// SPDX-License-Identifier: MIT
// The life of requests: cancelled, queued, drained, among others.
#include <chrono>
#include <thread>

#include "service_fixture.h"

namespace clamma_test {
namespace {

using openai::Endpoint;
using Options = openai::Service::Options;

class LifeTest : public ServiceTest {
 protected:
  void StartWith(const Options& options) {
    Start({{"made", WriteChatModel(kTemplate, 8192)}}, options);
  }
  // Never ends by itself within a test.
  Sent Endless(const std::string& more = "") {
    return Submit(Endpoint::kChatCompletions,
                  R"({"messages":[{"role":"user","content":"Hi"}],"logit_bias":{")" +
                      std::to_string(kEnd) + R"(":-100},"stream":true)" + more + "}");
  }
  bool WaitUntilIdle() {
    for (int i = 0; i < 6000 && !service_->idle(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return service_->idle();
  }
};

TEST_F(LifeTest, CancelEndsARequestWithoutAFurtherEvent) {
  StartWith({});
  const Sent sent = Endless();
  ASSERT_TRUE(sent.answer->WaitForEvents(5));
  sent.ticket->Cancel();
  ASSERT_TRUE(sent.answer->WaitForEnd());
  for (const auto& event : sent.answer->events()) EXPECT_NE(event.data, "[DONE]");
  EXPECT_GT(sent.answer->usage().completion_tokens, 0u);
  EXPECT_TRUE(WaitUntilIdle());
  EXPECT_EQ(service_->counts().cancelled, 1u);
}

TEST_F(LifeTest, AReaderThatIsGoneEndsItsRequest) {
  StartWith({});
  const auto answer = std::make_shared<RecordedAnswer>();
  answer->OnSend([](size_t count) { return count < 4; });
  service_->Submit({Endpoint::kChatCompletions, "",
                    R"({"messages":[{"role":"user","content":"Hi"}],"stream":true})", 0},
                   answer);
  ASSERT_TRUE(answer->WaitForEnd());
  EXPECT_EQ(answer->events().size(), 4u);
  EXPECT_TRUE(WaitUntilIdle());
}

TEST_F(LifeTest, APromptCanBeCancelled) {
  StartWith({});
  const std::string text(16000, 'a');
  const Sent sent = Submit(Endpoint::kChatCompletions,
                           R"({"messages":[{"role":"user","content":")" + text + "\"}]}");
  sent.ticket->Cancel();
  ASSERT_TRUE(sent.answer->WaitForEnd());
  EXPECT_EQ(sent.answer->status(), 499);
  EXPECT_TRUE(sent.answer->events().empty());
  EXPECT_TRUE(WaitUntilIdle());
}

TEST_F(LifeTest, RequestsWaitForASessionAndTooManyAreRefused) {
  Options options;
  options.sessions = 1;
  options.max_waiting = 1;
  StartWith(options);
  const Sent running = Endless();
  ASSERT_TRUE(running.answer->WaitForEvents(3));
  const Sent waiting = Endless();
  ASSERT_TRUE(waiting.answer->WaitForBegin()) << "a stream begins when it is accepted";
  EXPECT_EQ(service_->counts().waiting, 1u);
  const Sent refused = Endless();
  ASSERT_TRUE(refused.answer->WaitForEnd());
  EXPECT_EQ(refused.answer->status(), 429);
  EXPECT_NE(refused.answer->HeaderOf("retry-after"), "");
  EXPECT_EQ(TextAt(refused.answer->body(), "error.code"), "queue_full");
  running.ticket->Cancel();
  ASSERT_TRUE(waiting.answer->WaitForEvents(5));
  waiting.ticket->Cancel();
  EXPECT_TRUE(WaitUntilIdle());
}

TEST_F(LifeTest, AWaitingRequestCanBeCancelled) {
  Options options;
  options.sessions = 1;
  StartWith(options);
  const Sent running = Endless();
  ASSERT_TRUE(running.answer->WaitForEvents(3));
  const Sent waiting = Endless();
  ASSERT_TRUE(waiting.answer->WaitForBegin());
  waiting.ticket->Cancel();
  ASSERT_TRUE(waiting.answer->WaitForEnd());
  EXPECT_FALSE(running.answer->ended());
  running.ticket->Cancel();
  EXPECT_TRUE(WaitUntilIdle());
}

TEST_F(LifeTest, DrainRefusesWhatIsNewAndLetsTheRestGoOn) {
  StartWith({});
  const Sent running = Endless(R"(,"max_tokens":200)");
  ASSERT_TRUE(running.answer->WaitForEvents(3));
  service_->Drain();
  const AnswerPtr refused = Chat(R"({"messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(refused->status(), 503);
  EXPECT_NE(refused->HeaderOf("retry-after"), "");
  ASSERT_TRUE(running.answer->WaitForEnd());
  EXPECT_EQ(running.answer->events().back().data, "[DONE]");
  EXPECT_EQ(running.answer->usage().completion_tokens, 200u);
  EXPECT_TRUE(WaitUntilIdle());
}

TEST_F(LifeTest, ARequestThatFailsTakesNoOtherWithIt) {
  StartWith({});
  const Sent good = Endless(R"(,"max_tokens":300)");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Chat(R"({"messages":[]})")->status(), 400);
  ASSERT_TRUE(good.answer->WaitForEnd());
  EXPECT_EQ(good.answer->events().back().data, "[DONE]");
}

TEST_F(LifeTest, DestructionEndsWhatRuns) {
  Options options;
  options.sessions = 2;
  StartWith(options);
  std::vector<Sent> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(Endless());
  ASSERT_TRUE(sent[0].answer->WaitForEvents(3));
  service_.reset();
  for (const Sent& one : sent) one.ticket->Cancel();  // without effect
}

TEST_F(LifeTest, CountsWhatWasDone) {
  StartWith({});
  Chat(R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":10,"logit_bias":{")" +
       std::to_string(kEnd) + R"(":-100}})");
  Chat("{}");
  ASSERT_TRUE(WaitUntilIdle());
  const openai::Service::Counts counts = service_->counts();
  const auto& chats = counts.requests[static_cast<size_t>(Endpoint::kChatCompletions)];
  EXPECT_EQ(chats[2], 1u);
  EXPECT_EQ(chats[4], 1u);
  EXPECT_EQ(counts.generated_tokens, 10u);
  EXPECT_EQ(counts.first_token.count, 1u);
  EXPECT_EQ(counts.running, 0u);
  ASSERT_EQ(counts.models.size(), 1u);
  EXPECT_EQ(counts.models[0].id, "made");
}

}  // namespace
}  // namespace clamma_test
