// SPDX-License-Identifier: MIT
// What clamma.h says of sessions, queries and their ends, each rule by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api_fixture.h"
#include "platform/threads.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

constexpr Ask kSampled = {.limit = 32, .temperature = 1, .topp = 0.9f};

// About 13 tokens a sentence: longer than a few chunks, far from the context of 512.
std::string LongPrompt(int sentences = 14) {
  std::string text;
  for (int i = 0; i < sentences; ++i) text += "Lily went to the park with her mom. ";
  return text;
}

size_t CountTokens(const TxfPtr& model, const std::string& text, unsigned flags) {
  size_t count = 0;
  EXPECT_EQ(clamma_encode(model.get(), text.data(), text.size(), flags, nullptr, 0, &count), 0);
  return count;
}

class SessionTest : public FloatModelTest {};

// ---- Many sessions at a time ----

Ask WithSeed(uint64_t seed) {
  Ask ask = kSampled;
  ask.seed = seed;
  return ask;
}

TEST_F(SessionTest, SixteenInterleavedSessionsGiveTheTextsTheyGiveAlone) {
  constexpr size_t kSessions = 16;
  std::vector<std::string> alone;
  for (size_t i = 0; i < kSessions; ++i) {
    alone.push_back(RunFresh(model_, WithSeed(i + 1)).text);
  }
  EXPECT_EQ(std::set<std::string>(alone.begin(), alone.end()).size(), kSessions)
      << "different seeds give different texts";
  std::array<Listener, kSessions> listeners;
  std::vector<SessionPtr> sessions;
  for (size_t i = 0; i < kSessions; ++i) {
    sessions.push_back(NewSession(model_));
    ASSERT_EQ(StartQuery(sessions[i].get(), listeners[i], WithSeed(i + 1)), 0);
  }
  StepAll();
  for (size_t i = 0; i < kSessions; ++i) {
    EXPECT_EQ(listeners[i].text, alone[i]) << "seed " << i + 1;
    EXPECT_EQ(listeners[i].ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  }
}

TEST_F(SessionTest, SessionsOfTwoTransformersGiveTheTextsTheyGiveAlone) {
  constexpr size_t kSessions = 8;
  clamma_txf_info_t other_info = ModelInfo(kQ80Model);
  other_info.threads = 2;
  const TxfPtr other = Open(other_info);
  const auto model_of = [&](size_t i) -> const TxfPtr& { return i % 2 == 0 ? model_ : other; };
  std::vector<std::string> alone;
  for (size_t i = 0; i < kSessions; ++i) {
    alone.push_back(RunFresh(model_of(i), WithSeed(i + 1)).text);
  }
  std::array<Listener, kSessions> listeners;
  std::vector<SessionPtr> sessions;
  for (size_t i = 0; i < kSessions; ++i) {
    sessions.push_back(NewSession(model_of(i)));
    ASSERT_EQ(StartQuery(sessions[i].get(), listeners[i], WithSeed(i + 1)), 0);
  }
  StepAll();
  for (size_t i = 0; i < kSessions; ++i) EXPECT_EQ(listeners[i].text, alone[i]) << "seed " << i + 1;
}

TEST_F(SessionTest, SessionsThatComeAndGoChangeNoOtherText) {
  const std::string alone = RunFresh(model_, WithSeed(9)).text;
  const SessionPtr kept = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(kept.get(), listener, WithSeed(9)), 0);
  std::vector<SessionPtr> passing;
  std::vector<std::unique_ptr<Listener>> dropped;
  const std::string prompt = LongPrompt(4);
  for (size_t step = 0; !listener.ended(); ++step) {
    ASSERT_EQ(clamma_sessions_step_next(), 1);
    if (step % 3 == 0 && passing.size() < 4) {
      passing.push_back(NewSession(model_));
      dropped.push_back(std::make_unique<Listener>());
      Ask ask = WithSeed(step + 100);
      if (step % 2 == 0) ask.prompt = prompt.c_str();
      ASSERT_EQ(StartQuery(passing.back().get(), *dropped.back(), ask), 0);
    }
    if (step % 5 == 4 && !passing.empty()) passing.erase(passing.begin());
  }
  EXPECT_EQ(listener.text, alone);
  passing.clear();
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

TEST_F(SessionTest, SessionsAreServedInTurn) {
  std::array<Listener, 3> listeners;
  std::array<SessionPtr, 3> sessions;
  for (size_t i = 0; i < 3; ++i) {
    sessions[i] = NewSession(model_);
    ASSERT_EQ(StartQuery(sessions[i].get(), listeners[i], WithSeed(i + 1)), 0);
  }
  for (size_t step = 0; step < 60; ++step) {
    ASSERT_EQ(clamma_sessions_step_next(), 1);
    size_t fewest = SIZE_MAX;
    size_t most = 0;
    for (const SessionPtr& session : sessions) {
      const size_t generated = Facts(session.get()).generated_tokens;
      fewest = std::min(fewest, generated);
      most = std::max(most, generated);
    }
    ASSERT_LE(most - fewest, 1u) << "after step " << step;
  }
}

// ---- A session outlives its query ----

TEST_F(SessionTest, ContinuingWithNoPromptEqualsOneLongerQuery) {
  const Outcome whole = RunFresh(model_, {.limit = 90});
  ASSERT_EQ(whole.why, CLAMMA_DONE_LIMIT);
  for (const size_t first : {size_t{1}, size_t{31}, size_t{32}, size_t{33}, size_t{64}}) {
    for (const char* go_on : {static_cast<const char*>(nullptr), ""}) {
      const SessionPtr session = NewSession(model_);
      const Outcome a = RunQuery(session.get(), {.limit = first});
      const Outcome b = RunQuery(session.get(), {.prompt = go_on, .limit = 90 - first});
      EXPECT_EQ(a.why, CLAMMA_DONE_LIMIT);
      EXPECT_EQ(a.text + b.text, whole.text) << "split after " << first << " tokens";
      EXPECT_EQ(b.facts.prompt_tokens, 0u);
      EXPECT_EQ(b.facts.position, whole.facts.position);
    }
  }
}

TEST_F(SessionTest, ContinuingTokenByTokenEqualsOneLongerQuery) {
  const Outcome whole = RunFresh(model_, {.limit = 70});
  const SessionPtr session = NewSession(model_);
  std::string text;
  for (int i = 0; i < 70; ++i) text += RunQuery(session.get(), {.limit = 1}).text;
  EXPECT_EQ(text, whole.text);
}

TEST_F(SessionTest, ContinuingWithAPromptGoesOnInline) {
  const SessionPtr session = NewSession(model_);
  const Outcome first = RunQuery(session.get(), {.prompt = "Once upon a time", .limit = 12});
  const std::string go_on = " Then Tom said";
  const Outcome second = RunQuery(session.get(), {.prompt = go_on.c_str(), .limit = 20});
  EXPECT_EQ(second.facts.prompt_tokens, CountTokens(model_, go_on, 0));
  EXPECT_EQ(second.facts.position, first.facts.position + 1 + second.facts.prompt_tokens + 20 - 1);
  // The same tokens as one prompt give the same text.
  const std::string all = "Once upon a time" + first.text + go_on;
  ASSERT_EQ(CountTokens(model_, all, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX),
            first.facts.prompt_tokens + 12 + second.facts.prompt_tokens)
      << "this text does not split where the queries do: choose another";
  EXPECT_EQ(RunFresh(model_, {.prompt = all.c_str(), .limit = 20}).text, second.text);
}

TEST_F(SessionTest, AfterTheEndOfATextANewOneBegins) {
  const SessionPtr session = NewSession(model_);
  const Ask story = {.temperature = 1, .topp = 0.9f, .seed = 7};
  const Outcome first = RunQuery(session.get(), story);
  ASSERT_EQ(first.why, CLAMMA_DONE_END_OF_TEXT);
  const Outcome second = RunQuery(session.get(), {.prompt = "The dog", .limit = 10});
  // The token that ended the first text may serve as the second one's BOS.
  const size_t own = CountTokens(model_, "The dog", CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX);
  EXPECT_GE(second.facts.prompt_tokens, own - 1);
  EXPECT_LE(second.facts.prompt_tokens, own);
  EXPECT_EQ(second.why, CLAMMA_DONE_LIMIT);
  EXPECT_EQ(second.facts.generated_tokens, 10u);
}

// ---- Prompts ----

TEST_F(SessionTest, NoPromptOpensWithTwoNewlines) {
  for (const float temperature : {0.0f, 1.0f}) {
    const Ask none = {.prompt = nullptr, .limit = 60, .temperature = temperature, .seed = 77};
    Ask newlines = none;
    newlines.prompt = "\n\n";
    const Outcome a = RunFresh(model_, none);
    const Outcome b = RunFresh(model_, newlines);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.facts.prompt_tokens, b.facts.prompt_tokens);
    EXPECT_EQ(a.facts.position, b.facts.position);
    EXPECT_NE(
        a.text,
        RunFresh(model_, {.prompt = "", .limit = 60, .temperature = temperature, .seed = 77}).text);
  }
}

TEST_F(SessionTest, EmptyPromptIsBosAlone) {
  const Outcome outcome = RunFresh(model_, {.prompt = "", .limit = 5});
  EXPECT_EQ(outcome.facts.prompt_tokens, 1u);
  EXPECT_EQ(outcome.facts.position, 5u);
  EXPECT_EQ(outcome.text.substr(0, 4), "Once") << "no space before a text's first word";
}

TEST_F(SessionTest, PromptTakesTheTokensThatEncodeGives) {
  for (const char* prompt : {"Lily", " Lily", "\n", "a\tb", "caf\xc3\xa9", "\xff\xfe", "<s>"}) {
    const Outcome outcome = RunFresh(model_, {.prompt = prompt, .limit = 1});
    EXPECT_EQ(outcome.facts.prompt_tokens,
              CountTokens(model_, prompt, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX))
        << prompt;
  }
}

TEST_F(SessionTest, SystemGoesBeforeThePromptOnItsOwnLine) {
  const Outcome system =
      RunFresh(model_, {.prompt = "One day", .system = "Tom is sad.", .limit = 40});
  const Outcome text = RunFresh(model_, {.prompt = "Tom is sad.\nOne day", .limit = 40});
  EXPECT_EQ(system.text, text.text);
  EXPECT_EQ(system.facts.prompt_tokens, text.facts.prompt_tokens);
}

TEST_F(SessionTest, EmptySystemIsNone) {
  const Outcome empty = RunFresh(model_, {.prompt = "One day", .system = "", .limit = 20});
  const Outcome none = RunFresh(model_, {.prompt = "One day", .limit = 20});
  EXPECT_EQ(empty.text, none.text);
  EXPECT_EQ(empty.facts.prompt_tokens, none.facts.prompt_tokens);
  const Outcome opening = RunFresh(model_, {.prompt = nullptr, .system = "", .limit = 20});
  EXPECT_EQ(opening.text, RunFresh(model_, {.prompt = nullptr, .limit = 20}).text);
}

TEST_F(SessionTest, SystemWithoutPromptIsNotOpenedByNewlines) {
  const Outcome alone = RunFresh(model_, {.prompt = nullptr, .system = "Tom is sad.", .limit = 20});
  EXPECT_EQ(alone.text, RunFresh(model_, {.prompt = "Tom is sad.\n", .limit = 20}).text);
}

TEST_F(SessionTest, PromptIsNotEchoed) {
  const Outcome outcome = RunFresh(model_, {.prompt = "Zebra Zebra", .limit = 10});
  EXPECT_EQ(outcome.text.find("Zebra Zebra"), std::string::npos);
}

TEST_F(SessionTest, StringsOfAQueryAreNotKept) {
  const std::string expected = RunFresh(model_, {.prompt = "Lily saw a", .limit = 20}).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  {
    auto prompt = std::make_unique<char[]>(16);
    std::strcpy(prompt.get(), "Lily saw a");
    const clamma_txf_info_t info = QueryInfo(listener, {.prompt = prompt.get(), .limit = 20});
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  }
  StepAll();
  EXPECT_EQ(listener.text, expected);
}

// ---- Ends ----

TEST_F(SessionTest, LimitIsExact) {
  for (const size_t limit : {size_t{1}, size_t{2}, size_t{17}, size_t{100}}) {
    const Outcome outcome = RunFresh(model_, {.limit = limit});
    EXPECT_EQ(outcome.why, CLAMMA_DONE_LIMIT);
    EXPECT_EQ(outcome.facts.generated_tokens, limit);
  }
}

TEST_F(SessionTest, TextEndsByEndOfText) {
  const Outcome outcome =
      RunFresh(model_, {.limit = 1000, .temperature = 1, .topp = 0.9f, .seed = 7});
  EXPECT_EQ(outcome.why, CLAMMA_DONE_END_OF_TEXT);
  EXPECT_LT(outcome.facts.generated_tokens, 512u);
  EXPECT_EQ(outcome.text.back(), '.') << "nothing is issued for the end itself: " << outcome.text;
}

TEST_F(SessionTest, FullContextEndsTheQueryAndRefusesTheNext) {
  ShortContextModel short_model(40);
  const TxfPtr model = Open(short_model.info());
  for (const size_t limit : {size_t{0}, size_t{41}, SIZE_MAX}) {
    const SessionPtr session = NewSession(model);
    const Outcome outcome = RunQuery(session.get(), {.limit = limit});
    EXPECT_EQ(outcome.why, CLAMMA_DONE_CONTEXT_FULL) << "limit " << limit;
    EXPECT_EQ(outcome.facts.position, 40u);
    EXPECT_EQ(outcome.facts.generated_tokens, 40u) << "BOS takes one, the last is never fed";
    EXPECT_EQ(outcome.text, RunFresh(model_, {.limit = 40}).text);
    for (const char* prompt : {static_cast<const char*>(nullptr), "", "more"}) {
      Listener listener;
      clamma_txf_info_t info = QueryInfo(listener, {.prompt = prompt});
      char desc[256] = "";
      info.desc = desc;
      info.desc_max = sizeof(desc);
      EXPECT_NE(clamma_session_query(session.get(), &info), 0);
      EXPECT_NE(std::string(desc).find("40"), std::string::npos) << desc;
    }
    EXPECT_EQ(clamma_sessions_step_next(), 0);
  }
}

TEST_F(SessionTest, PromptThatFillsTheContextGivesOneToken) {
  const std::string text = "Once upon a time, there was a little girl named Lily.";
  const size_t tokens = CountTokens(model_, text, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX);
  ShortContextModel exact(static_cast<int32_t>(tokens));
  const TxfPtr model = Open(exact.info());
  const Outcome outcome = RunFresh(model, {.prompt = text.c_str()});
  EXPECT_EQ(outcome.why, CLAMMA_DONE_CONTEXT_FULL);
  EXPECT_EQ(outcome.facts.generated_tokens, 1u);
  EXPECT_EQ(outcome.facts.position, tokens);
  EXPECT_EQ(outcome.text, RunFresh(model_, {.prompt = text.c_str(), .limit = 1}).text);
}

TEST_F(SessionTest, PromptBeyondTheContextIsRefusedAndTheSessionStaysUsable) {
  const std::string text = "Once upon a time, there was a little girl named Lily.";
  const size_t tokens = CountTokens(model_, text, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX);
  ShortContextModel one_less(static_cast<int32_t>(tokens) - 1);
  clamma_txf_info_t model_info = one_less.info();
  LogCollector log;
  model_info.log_cb = LogCollector::Log;
  model_info.opaque_user_pointer = &log;
  const TxfPtr model = Open(model_info);
  const SessionPtr session = NewSession(model);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.prompt = text.c_str()});
  char desc[256] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  ASSERT_NE(clamma_session_query(session.get(), &info), 0);
  EXPECT_NE(std::string(desc).find(std::to_string(tokens)), std::string::npos) << desc;
  EXPECT_EQ(log.last(), desc);
  EXPECT_EQ(clamma_sessions_step_next(), 0);
  EXPECT_FALSE(listener.ended()) << "a refused query has no end";
  EXPECT_EQ(Facts(session.get()).position, 0u);
  EXPECT_EQ(RunQuery(session.get(), {.limit = 10}).text, RunFresh(model_, {.limit = 10}).text);
}

TEST_F(SessionTest, RefusedPromptLeavesTheSessionsMemoryAsItWas) {
  const SessionPtr session = NewSession(model_);
  const uint64_t before = Facts(session.get()).memory_bytes;
  Listener listener;
  const std::string prompt = LongPrompt(1000);
  ASSERT_NE(StartQuery(session.get(), listener, {.prompt = prompt.c_str()}), 0);
  EXPECT_EQ(Facts(session.get()).memory_bytes, before);
}

TEST_F(SessionTest, DamagedWeightsEndTheQueryByAnError) {
  std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
  PutInt32(&bytes, 256 + 4 * (2 * 5 * 64), 0x7fc00000);  // NaN in the final norm
  HeapCopy damaged(bytes);
  clamma_txf_info_t info = ModelInfo(kFloatV1Model);
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  damaged.BecomeModel(&info);
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = RunQuery(session.get(), {.prompt = "Once"});
    EXPECT_EQ(outcome.why, CLAMMA_DONE_ERROR);
    EXPECT_EQ(outcome.text, "");
    EXPECT_EQ(outcome.facts.position, 0u) << "no token was generated";
  }
  EXPECT_EQ(log.lines.size(), 2u);
  EXPECT_NE(log.last(), "");
}

TEST_F(SessionTest, SessionDestroyedInsideTheLogOfItsErrorGetsNoDone) {
  std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
  PutInt32(&bytes, 256 + 4 * (2 * 5 * 64), 0x7fc00000);
  HeapCopy damaged(bytes);
  struct Host {
    txf_session* session = nullptr;
    int messages = 0;
  } host;
  clamma_txf_info_t info = ModelInfo(kFloatV1Model);
  info.log_cb = [](void* opaque, const char*) {
    auto& h = *static_cast<Host*>(opaque);
    ++h.messages;
    clamma_session_destroy(h.session);
    h.session = nullptr;
  };
  info.opaque_user_pointer = &host;
  damaged.BecomeModel(&info);
  const TxfPtr model = Open(info);
  host.session = clamma_session_construct(model.get());
  Listener listener;
  ASSERT_EQ(StartQuery(host.session, listener, {.prompt = "Once"}), 0);
  StepAll();
  EXPECT_EQ(host.messages, 1);
  EXPECT_FALSE(listener.ended()) << "its session was destroyed before";
  EXPECT_EQ(Facts(model).sessions, 0u);
}

// ---- Cancelling ----

TEST_F(SessionTest, NonZeroReturnOfIssueCbCancels) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] { return listener.pieces == 5 ? 1 : 0; };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 5u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  const std::string so_far = listener.text;
  const Outcome rest = RunQuery(session.get(), {.limit = 20});
  EXPECT_EQ(so_far + rest.text,
            RunFresh(model_, {.limit = 20 + Facts(session.get()).position - 20}).text)
      << "what was generated stays in the context";
}

TEST_F(SessionTest, NegativeReturnOfIssueCbCancels) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [] { return -1; };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 1u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelFromInsideTheCallback) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    if (listener.pieces == 3) clamma_sessions_query_cancel(session.get());
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 3u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelOfAnotherSessionFromInsideACallback) {
  const std::string alone = RunFresh(model_, {.limit = 30}).text;
  const SessionPtr first = NewSession(model_);
  const SessionPtr second = NewSession(model_);
  Listener a;
  Listener b;
  a.on_text = [&] {
    if (a.pieces == 5) clamma_sessions_query_cancel(second.get());
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 30}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 30}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(a.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  EXPECT_LE(b.pieces, 5u);
  EXPECT_EQ(b.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelFromAnotherThreadWhileACallbackRuns) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    if (listener.pieces == 4) {
      std::thread([&] { clamma_sessions_query_cancel(session.get()); }).join();
    }
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 4u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelBeforeTheFirstStep) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Once upon"}), 0);
  clamma_sessions_query_cancel(session.get());
  EXPECT_FALSE(listener.ended()) << "cancel returns at once; the next step ends the query";
  StepAll();
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  EXPECT_EQ(Facts(session.get()).position, 0u);
}

TEST_F(SessionTest, CancelOfAnIdleSessionDoesNotReachItsNextQuery) {
  const SessionPtr session = NewSession(model_);
  clamma_sessions_query_cancel(session.get());
  clamma_sessions_query_cancel(nullptr);
  EXPECT_EQ(RunQuery(session.get(), {.limit = 10}).text, RunFresh(model_, {.limit = 10}).text);
}

TEST_F(SessionTest, CancelDuringALongPromptLeavesANewSessionAsItWas) {
  const std::string prompt = LongPrompt();
  const std::string expected = RunFresh(model_, {.prompt = "The dog", .limit = 30}).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = prompt.c_str()}), 0);
  ASSERT_EQ(clamma_sessions_step_next(), 1);
  ASSERT_EQ(listener.pieces, 0u) << "the prompt is longer than a step takes";
  EXPECT_GT(Facts(session.get()).position, 0u);
  clamma_sessions_query_cancel(session.get());
  StepAll();
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  EXPECT_EQ(listener.text, "");
  EXPECT_EQ(Facts(session.get()).position, 0u);
  const Outcome outcome = RunQuery(session.get(), {.prompt = "The dog", .limit = 30});
  EXPECT_EQ(outcome.text, expected);
}

TEST_F(SessionTest, CancelDuringALongPromptLeavesAConversationAsItWas) {
  const Outcome whole = RunFresh(model_, {.limit = 60});
  const std::string prompt = LongPrompt();
  for (const int steps : {0, 1, 2}) {
    const SessionPtr session = NewSession(model_);
    const Outcome first = RunQuery(session.get(), {.limit = 20});
    Listener listener;
    ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = prompt.c_str()}), 0);
    for (int i = 0; i < steps; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
    clamma_sessions_query_cancel(session.get());
    StepAll();
    ASSERT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
    EXPECT_EQ(Facts(session.get()).position, first.facts.position);
    const Outcome rest = RunQuery(session.get(), {.limit = 40});
    EXPECT_EQ(first.text + rest.text, whole.text) << "cancelled after " << steps << " steps";
  }
}

// ---- What callbacks may do ----

TEST_F(SessionTest, DoneCbMayStartTheNextQuery) {
  const std::string whole = RunFresh(model_, {.limit = 30}).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [&](clamma_done_t why) {
    EXPECT_EQ(why, CLAMMA_DONE_LIMIT);
    if (listener.ends.size() < 3) {
      EXPECT_EQ(StartQuery(session.get(), listener, {.prompt = nullptr, .limit = 10}), 0);
    }
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 3u);
  EXPECT_EQ(listener.text, whole);
}

TEST_F(SessionTest, DoneCbMayDestroyItsSession) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  void* pointer = session.get();
  listener.on_done = [&](clamma_done_t) {
    session.reset();
    EXPECT_EQ(pointer, nullptr) << "null_on_destroy is honoured at once";
  };
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 10});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(session, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionTest, DoneCbMayStartAQueryAndThenDestroyItsSession) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [&](clamma_done_t) {
    EXPECT_EQ(StartQuery(session.get(), listener, {.prompt = nullptr, .limit = 10}), 0);
    session.reset();
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionTest, DoneCbMayDestroyTheTransformer) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [&](clamma_done_t) {
    (void)session.release();
    model_.reset();
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(model_, nullptr);
}

TEST_F(SessionTest, IssueCbMayDestroyItsOwnSession) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  void* pointer = session.get();
  listener.on_text = [&] {
    if (listener.pieces == 3) {
      session.reset();
      EXPECT_EQ(pointer, nullptr) << "null_on_destroy is honoured at once";
    }
    return 0;
  };
  clamma_txf_info_t info = QueryInfo(listener, {});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 3u);
  EXPECT_FALSE(listener.ended()) << "destruction ends a query without a done_cb";
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionTest, IssueCbMayDestroyAnotherSession) {
  const std::string alone = RunFresh(model_, {.limit = 30}).text;
  const SessionPtr first = NewSession(model_);
  SessionPtr second = NewSession(model_);
  SessionPtr third = NewSession(model_);
  Listener a;
  Listener b;
  Listener c;
  a.on_text = [&] {
    if (a.pieces == 5) second.reset();
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 30}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 30}), 0);
  ASSERT_EQ(StartQuery(third.get(), c, {.limit = 30}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(c.text, alone);
  EXPECT_LE(b.pieces, 5u);
  EXPECT_FALSE(b.ended());
  EXPECT_EQ(Facts(model_).sessions, 2u);
}

TEST_F(SessionTest, IssueCbMayDestroyTheTransformer) {
  const TxfPtr other = Open(ModelInfo(kFloatModel));
  const std::string alone = RunFresh(other, {.limit = 30}).text;
  const SessionPtr of_other = NewSession(other);
  txf_session* sessions[2] = {clamma_session_construct(model_.get()),
                              clamma_session_construct(model_.get())};
  Listener a;
  Listener b;
  Listener c;
  void* pointers[2] = {sessions[0], sessions[1]};
  a.on_text = [&] {
    if (a.pieces == 4) {
      model_.reset();
      EXPECT_EQ(pointers[0], nullptr);
      EXPECT_EQ(pointers[1], nullptr);
    }
    return 0;
  };
  clamma_txf_info_t info = QueryInfo(a, {.limit = 30});
  info.null_on_destroy = &pointers[0];
  ASSERT_EQ(clamma_session_query(sessions[0], &info), 0);
  info = QueryInfo(b, {.limit = 30});
  info.null_on_destroy = &pointers[1];
  ASSERT_EQ(clamma_session_query(sessions[1], &info), 0);
  ASSERT_EQ(StartQuery(of_other.get(), c, {.limit = 30}), 0);
  StepAll();
  EXPECT_EQ(a.pieces, 4u);
  EXPECT_LE(b.pieces, 4u);
  EXPECT_FALSE(a.ended());
  EXPECT_FALSE(b.ended());
  EXPECT_EQ(c.text, alone) << "the other transformer's session goes on";
}

TEST_F(SessionTest, IssueCbMayConstructAndQuery) {
  const std::string alone = RunFresh(model_, {.limit = 20}).text;
  const SessionPtr first = NewSession(model_);
  SessionPtr second;
  TxfPtr other;
  SessionPtr third;
  Listener a;
  Listener b;
  Listener c;
  a.on_text = [&] {
    if (a.pieces != 5) return 0;
    second = NewSession(model_);
    EXPECT_EQ(StartQuery(second.get(), b, {.limit = 20}), 0);
    other = Open(ModelInfo(kFloatModel));
    third = NewSession(other);
    EXPECT_EQ(StartQuery(third.get(), c, {.limit = 20}), 0);
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 20}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(b.text, alone);
  EXPECT_EQ(c.text, alone);
}

TEST_F(SessionTest, FactsAndTokensAreThereInsideCallbacks) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    const clamma_session_facts_t facts = Facts(session.get());
    EXPECT_EQ(facts.prompt_tokens, 1u);
    EXPECT_GE(facts.generated_tokens, listener.pieces);
    EXPECT_EQ(Facts(model_).sessions, 1u);
    EXPECT_GT(CountTokens(model_, "Lily", 0), 0u);
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
}

TEST_F(SessionTest, StepFromInsideACallbackReturnsZero) {
  const std::string alone = RunFresh(model_, {.limit = 20}).text;
  const SessionPtr first = NewSession(model_);
  const SessionPtr second = NewSession(model_);
  Listener a;
  Listener b;
  a.on_text = [&] {
    EXPECT_EQ(clamma_sessions_step_next(), 0);
    return 0;
  };
  a.on_done = [&](clamma_done_t) { EXPECT_EQ(clamma_sessions_step_next(), 0); };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 20}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 20}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(b.text, alone);
}

TEST_F(SessionTest, MissingCallbacksDropTheText) {
  const SessionPtr session = NewSession(model_);
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = "";
  info.limit = 10;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(Facts(session.get()).generated_tokens, 10u);
  const std::string rest = RunQuery(session.get(), {.limit = 10}).text;
  const std::string whole = RunFresh(model_, {.limit = 20}).text;
  EXPECT_EQ(whole.substr(whole.size() - rest.size()), rest);
}

TEST_F(SessionTest, NothingToDoIsZero) {
  EXPECT_EQ(clamma_sessions_step_next(), 0);
  const SessionPtr session = NewSession(model_);
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

// ---- Destruction ----

TEST_F(SessionTest, NullIsAllowedWhereItSaysSo) {
  clamma_session_destroy(nullptr);
  clamma_txf_destroy(nullptr);
  clamma_sessions_query_cancel(nullptr);
}

TEST_F(SessionTest, SessionDestroyNullsThePointer) {
  SessionPtr session = NewSession(model_);
  void* pointer = session.get();
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 5});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  EXPECT_EQ(pointer, session.get());
  session.reset();
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(StepAll(), 0u);
  EXPECT_FALSE(listener.ended());
}

TEST_F(SessionTest, SessionDestroyDuringItsQueryNullsThePointer) {
  SessionPtr session = NewSession(model_);
  void* pointer = session.get();
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  ASSERT_EQ(clamma_sessions_step_next(), 1);
  session.reset();
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(clamma_sessions_step_next(), 0);
  EXPECT_FALSE(listener.ended());
}

TEST_F(SessionTest, TxfDestroyTakesItsSessionsAlong) {
  constexpr size_t kSessions = 5;
  std::array<Listener, kSessions> listeners;
  std::array<void*, kSessions> pointers = {};
  for (size_t i = 0; i < kSessions; ++i) {
    txf_session* session = clamma_session_construct(model_.get());
    ASSERT_NE(session, nullptr);
    pointers[i] = session;
    if (i == 0) continue;  // never had a query
    clamma_txf_info_t info = QueryInfo(listeners[i], {.limit = i});
    info.null_on_destroy = &pointers[i];
    ASSERT_EQ(clamma_session_query(session, &info), 0);
  }
  for (int i = 0; i < 7; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
  model_.reset();
  for (size_t i = 1; i < kSessions; ++i) EXPECT_EQ(pointers[i], nullptr) << i;
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

// ---- Refusals ----

TEST_F(SessionTest, QueryOfABusySessionIsRefusedAndTheRunningOneIsUnaffected) {
  const std::string alone = RunFresh(model_, {.limit = 30}).text;
  SessionPtr session = NewSession(model_);
  Listener listener;
  Listener second;
  void* pointer = session.get();
  const auto refuse = [&] {
    clamma_txf_info_t info = QueryInfo(second, {.prompt = "Other", .limit = 3});
    char desc[128] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    info.null_on_destroy = &pointer;
    EXPECT_NE(clamma_session_query(session.get(), &info), 0);
    EXPECT_STRNE(desc, "");
  };
  listener.on_text = [&] {
    refuse();
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 30}), 0);
  refuse();
  StepAll();
  EXPECT_EQ(listener.text, alone);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  EXPECT_EQ(second.pieces, 0u);
  EXPECT_FALSE(second.ended());
  session.reset();
  EXPECT_NE(pointer, nullptr) << "a refused query's null_on_destroy is not kept";
}

TEST_F(SessionTest, MaxSessionsIsKept) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.max_sessions = 3;
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  std::vector<SessionPtr> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(NewSession(model));
    EXPECT_NE(sessions.back(), nullptr);
  }
  EXPECT_TRUE(log.lines.empty());
  EXPECT_EQ(NewSession(model), nullptr);
  EXPECT_NE(log.last().find("3"), std::string::npos) << log.last();
  EXPECT_EQ(Facts(model).sessions, 3u);
  EXPECT_EQ(Facts(model).max_sessions, 3u);
  sessions.pop_back();
  EXPECT_EQ(Facts(model).sessions, 2u);
  EXPECT_NE(NewSession(model), nullptr);
  EXPECT_NE(NewSession(model_), nullptr) << "each transformer counts its own";
}

TEST_F(SessionTest, MaxSessionsBeyondTheBuildsIsRefused) {
  const unsigned most = Facts(model_).max_sessions;
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.max_sessions = most;
  EXPECT_NE(Open(info), nullptr);
  for (const unsigned more : {most + 1, UINT_MAX}) {
    info.max_sessions = more;
    EXPECT_NE(ReasonOfRefusal(info).find(std::to_string(most)), std::string::npos) << more;
  }
}

TEST_F(SessionTest, SamplingValuesOutOfRangeAreRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  struct Case {
    const char* what;
    float clamma_txf_info_t::*field;
    float value;
  };
  const Case cases[] = {
      {"temperature", &clamma_txf_info_t::temperature, nan},
      {"temperature", &clamma_txf_info_t::temperature, infinity},
      {"temperature", &clamma_txf_info_t::temperature, -1},
      {"temperature", &clamma_txf_info_t::temperature, -1e-30f},
      {"topp", &clamma_txf_info_t::topp, nan},
      {"topp", &clamma_txf_info_t::topp, -0.1f},
      {"topp", &clamma_txf_info_t::topp, 1.1f},
      {"topp", &clamma_txf_info_t::topp, -infinity},
      {"min_p", &clamma_txf_info_t::min_p, nan},
      {"min_p", &clamma_txf_info_t::min_p, -0.1f},
      {"min_p", &clamma_txf_info_t::min_p, 1.1f},
      {"min_p", &clamma_txf_info_t::min_p, infinity},
      {"repetition_penalty", &clamma_txf_info_t::repetition_penalty, nan},
      {"repetition_penalty", &clamma_txf_info_t::repetition_penalty, -1},
      {"repetition_penalty", &clamma_txf_info_t::repetition_penalty, infinity},
      {"frequency_penalty", &clamma_txf_info_t::frequency_penalty, nan},
      {"presence_penalty", &clamma_txf_info_t::presence_penalty, infinity},
  };
  const SessionPtr session = NewSession(model_);
  for (const Case& c : cases) {
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 5});
    info.*c.field = c.value;
    char desc[128] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    EXPECT_NE(clamma_session_query(session.get(), &info), 0) << c.what << " " << c.value;
    EXPECT_NE(std::string(desc).find(c.what), std::string::npos) << c.what << ": " << desc;
    EXPECT_EQ(clamma_sessions_step_next(), 0);
  }
  EXPECT_EQ(RunQuery(session.get(), {.limit = 5}).why, CLAMMA_DONE_LIMIT);
}

TEST_F(SessionTest, ListsOfTokensThatCannotBeAreRefused) {
  const tok_id_t vocab_size = 512;
  const SessionPtr session = NewSession(model_);
  const clamma_logit_bias_t infinite[] = {{3, 1}, {4, std::numeric_limits<float>::infinity()}};
  const clamma_logit_bias_t beyond[] = {{vocab_size, 1}};
  const tok_id_t stops[] = {5, -1};
  const auto refused = [&](const char* what, const auto& set) {
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 5});
    set(&info);
    char desc[128] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    EXPECT_NE(clamma_session_query(session.get(), &info), 0) << what;
    EXPECT_EQ(std::string(desc), what);
  };
  refused("stop_token_count is given, and stop_tokens is NULL",
          [](auto* info) { info->stop_token_count = 1; });
  refused("logit_bias_count is given, and logit_bias is NULL",
          [](auto* info) { info->logit_bias_count = 1; });
  refused("a bias of logit_bias is not finite", [&](auto* info) {
    info->logit_bias = infinite;
    info->logit_bias_count = 2;
  });
  refused("logit_bias: token 512 at 0 is not one of 0 .. 511", [&](auto* info) {
    info->logit_bias = beyond;
    info->logit_bias_count = 1;
  });
  refused("stop_tokens: token -1 at 1 is not one of 0 .. 511", [&](auto* info) {
    info->stop_tokens = stops;
    info->stop_token_count = 2;
  });
}

// Tokens of a greedy text; what is set of the query is gone before it runs.
std::vector<tok_id_t> TokensOf(txf_session* session, clamma_done_t* why,
                               std::vector<tok_id_t> stops,
                               std::vector<clamma_logit_bias_t> biases) {
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 30});
  info.stop_tokens = stops.data();
  info.stop_token_count = stops.size();
  info.logit_bias = biases.data();
  info.logit_bias_count = biases.size();
  EXPECT_EQ(clamma_session_query(session, &info), 0);
  std::fill(stops.begin(), stops.end(), -5);
  std::fill(biases.begin(), biases.end(), clamma_logit_bias_t{-5, 0});
  StepAll();
  *why = listener.ends.at(0);
  size_t count = 0;
  clamma_session_get_tokens(session, nullptr, 0, &count);
  std::vector<tok_id_t> tokens(count);
  clamma_session_get_tokens(session, tokens.data(), count, &count);
  return tokens;
}

TEST_F(SessionTest, StopTokensEndTheTextBeforeTheirOwn) {
  clamma_done_t why = CLAMMA_DONE_ERROR;
  const std::vector<tok_id_t> whole = TokensOf(NewSession(model_).get(), &why, {}, {});
  ASSERT_EQ(why, CLAMMA_DONE_LIMIT);
  const size_t begin = whole.size() - 30;
  const tok_id_t stop = whole[begin + 7];
  const auto first = std::find(whole.begin() + static_cast<ptrdiff_t>(begin), whole.end(), stop);
  std::vector<tok_id_t> expected(whole.begin(), first + 1);
  EXPECT_EQ(TokensOf(NewSession(model_).get(), &why, {511, stop}, {}), expected);
  EXPECT_EQ(why, CLAMMA_DONE_END_OF_TEXT);
  // The text is that of the tokens before it.
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 30});
  info.stop_tokens = &stop;
  info.stop_token_count = 1;
  const SessionPtr session = NewSession(model_);
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  const auto limit = static_cast<size_t>(first - whole.begin()) - begin;
  EXPECT_EQ(listener.text, RunFresh(model_, {.limit = limit}).text);
}

TEST_F(SessionTest, BiasesKeepTokensAway) {
  clamma_done_t why = CLAMMA_DONE_ERROR;
  const std::vector<tok_id_t> whole = TokensOf(NewSession(model_).get(), &why, {}, {});
  const tok_id_t token = whole[whole.size() - 20];
  const std::vector<tok_id_t> without =
      TokensOf(NewSession(model_).get(), &why, {}, {{token, -100}});
  const size_t begin = whole.size() - 30;
  EXPECT_EQ(std::count(without.begin() + static_cast<ptrdiff_t>(begin), without.end(), token), 0);
  const std::vector<tok_id_t> alone = TokensOf(NewSession(model_).get(), &why, {}, {{token, 1000}});
  EXPECT_EQ(std::count(alone.begin() + static_cast<ptrdiff_t>(begin), alone.end(), token), 30);
}

TEST_F(SessionTest, PenaltiesCountWhatTheQueryGeneratedAlone) {
  const SessionPtr session = NewSession(model_);
  for (int round = 0; round < 2; ++round) {  // the second has the first's tokens before it
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 40});
    info.presence_penalty = 1000;
    size_t before = 0;
    clamma_session_get_tokens(session.get(), nullptr, 0, &before);
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    clamma_session_facts_t facts = {};
    clamma_session_facts(session.get(), &facts);
    size_t count = 0;
    clamma_session_get_tokens(session.get(), nullptr, 0, &count);
    std::vector<tok_id_t> tokens(count);
    clamma_session_get_tokens(session.get(), tokens.data(), count, &count);
    const std::vector<tok_id_t> generated(
        tokens.end() - static_cast<ptrdiff_t>(facts.generated_tokens), tokens.end());
    EXPECT_EQ(std::set<tok_id_t>(generated.begin(), generated.end()).size(), generated.size())
        << "round " << round;
  }
}

TEST_F(SessionTest, SwitchedOffSamplingValuesAreOff) {
  const Ask sampled = {.limit = 30, .temperature = 1, .seed = 11};
  const std::string plain = RunFresh(model_, sampled).text;
  for (const float topp : {0.0f, -0.0f, 1.0f}) {
    Ask ask = sampled;
    ask.topp = topp;
    EXPECT_EQ(RunFresh(model_, ask).text, plain) << "topp " << topp;
  }
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, sampled);
  info.repetition_penalty = 1;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(listener.text, plain) << "repetition_penalty 1";
}

TEST_F(SessionTest, TinyRepetitionPenaltyDoesNotBreakTheQuery) {
  for (const float penalty : {1e-45f, 1e-38f, 1e-10f, 1e10f, 3e38f}) {
    const SessionPtr session = NewSession(model_);
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 20});
    info.repetition_penalty = penalty;
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    ASSERT_EQ(listener.ends.size(), 1u);
    EXPECT_NE(listener.ends[0], CLAMMA_DONE_ERROR) << "penalty " << penalty;
  }
}

TEST_F(SessionTest, NullArgumentsAreRefused) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(clamma_txf_construct(nullptr), nullptr);
  EXPECT_EQ(clamma_session_construct(nullptr), nullptr);
  clamma_txf_info_t info = {};
  EXPECT_NE(clamma_session_query(nullptr, &info), 0);
  const SessionPtr session = NewSession(model_);
  EXPECT_NE(clamma_session_query(session.get(), nullptr), 0);
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
}

TEST_F(SessionTest, ApiVersionsThatAreNotKnownAreRefused) {
  for (const unsigned version : {0u, CLAMMA_API_VERSION + 1u, 1000u, UINT_MAX}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.clamma_api_version = version;
    testing::internal::CaptureStderr();
    const TxfPtr model(clamma_txf_construct(&info));
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(model, nullptr) << "version " << version;
  }
}

// As C may: there an enum holds any integer.
template <typename Enum>
void PutEnum(Enum* field, int value) {
  static_assert(sizeof(Enum) == sizeof(int));
  std::memcpy(field, &value, sizeof(value));
}

TEST_F(SessionTest, EnumsOutOfRangeAreRefused) {
  for (const int value : {4, 17, -1, INT_MAX, INT_MIN}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    PutEnum(&info.model_access, value);
    EXPECT_NE(ReasonOfRefusal(info).find("model_access"), std::string::npos) << value;
    info = ModelInfo(kFloatModel);
    PutEnum(&info.model_type, value);
    EXPECT_NE(ReasonOfRefusal(info).find("model_type"), std::string::npos) << value;
    info = ModelInfo(kFloatModel);
    PutEnum(&info.kv_type, value);
    EXPECT_NE(ReasonOfRefusal(info).find("kv_type"), std::string::npos) << value;
  }
}

TEST_F(SessionTest, MissingModelIsRefusedByName) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.checkpoint_path = "/nowhere/there-is-no-such-model.bin";
  EXPECT_NE(ReasonOfRefusal(info).find("there-is-no-such-model.bin"), std::string::npos);
  info.checkpoint_path = "there-is-no-such-model.bin";
  EXPECT_NE(ReasonOfRefusal(info).find("there-is-no-such-model.bin"), std::string::npos);
  info.checkpoint_path = "";
  EXPECT_NE(ReasonOfRefusal(info), "");
  info.checkpoint_path = nullptr;
  EXPECT_NE(ReasonOfRefusal(info), "");
  info = ModelInfo(kFloatModel);
  info.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  EXPECT_NE(ReasonOfRefusal(info), "") << "no address";
  info = ModelInfo(kFloatModel);
  info.checkpoint_path = Keep(DataRoot() / "models");
  EXPECT_NE(ReasonOfRefusal(info), "") << "a folder";
}

TEST_F(SessionTest, WrongDictionaryIsRefusedWithAReason) {
  clamma_txf_info_t info = ModelInfo(kFloatModel, "tokenizer.bin");
  CLAMMA_NEED_FILE(info.tokenizer_path);
  EXPECT_NE(ReasonOfRefusal(info).find("tokenizer.bin"), std::string::npos) << "for 32000 tokens";
  info.tokenizer_path = "/nowhere/no-dictionary.bin";
  EXPECT_NE(ReasonOfRefusal(info).find("no-dictionary.bin"), std::string::npos);
  info.tokenizer_path = Keep(ModelPath(kFloatModel));
  EXPECT_NE(ReasonOfRefusal(info), "") << "a checkpoint is no dictionary";
}

TEST_F(SessionTest, DictionaryOfTheWrongSizeIsRefused) {
  const std::vector<uint8_t> whole = ReadBytes(ModelPath(kDictionary));
  std::vector<std::vector<uint8_t>> wrong = {{}, {0}, {0, 0, 0, 0}, whole, whole, whole};
  wrong[3].pop_back();
  wrong[4].push_back(0);
  wrong[5].resize(whole.size() / 2);
  const TemporaryFolder folder;
  for (const std::vector<uint8_t>& bytes : wrong) {
    for (const clamma_model_access_t access :
         {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
      clamma_txf_info_t info = ModelInfo(kFloatModel, folder.Write("tokens.bin", bytes));
      info.model_access = access;
      EXPECT_NE(ReasonOfRefusal(info), "") << bytes.size() << " bytes";
    }
    HeapCopy copy(bytes);
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    copy.BecomeDictionary(&info);
    EXPECT_NE(ReasonOfRefusal(info), "") << bytes.size() << " bytes in memory";
  }
}

// ---- Messages ----

TEST_F(SessionTest, DescCarriesTheConfiguration) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  char desc[1024] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  std::strcpy(info.name, "Shell");
  const TxfPtr model = Open(info);
  const std::string text = desc;
  for (const char* word : {"Shell", "64", "172", "512", "float", "1 thread"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << " in " << text;
  }
}

TEST_F(SessionTest, NameNeedsNoTerminator) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  std::memset(info.name, 'n', sizeof(info.name));
  char desc[1024] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  const TxfPtr model = Open(info);
  EXPECT_EQ(std::string(desc).substr(0, 31), std::string(31, 'n'));
}

TEST_F(SessionTest, ShortDescIsCutAndAlwaysTerminated) {
  const SessionPtr session = NewSession(model_);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2}, size_t{5}}) {
    const auto check = [&](const char* what, const std::function<void(clamma_txf_info_t*)>& call,
                           clamma_txf_info_t info) {
      char desc[8];
      std::memset(desc, 'x', sizeof(desc));
      info.desc = desc;
      info.desc_max = size;
      call(&info);
      if (size > 0) {
        EXPECT_EQ(desc[size - 1], '\0') << what << ", desc_max " << size;
        EXPECT_EQ(std::strlen(desc), size - 1) << what << ", desc_max " << size;
      }
      for (size_t i = size; i < sizeof(desc); ++i) {
        EXPECT_EQ(desc[i], 'x') << what << ", desc_max " << size << " at " << i;
      }
    };
    const auto construct = [](clamma_txf_info_t* info) {
      const TxfPtr model(clamma_txf_construct(info));
    };
    const auto query = [&](clamma_txf_info_t* info) {
      clamma_session_query(session.get(), info);
      StepAll();
    };
    check("configuration", construct, ModelInfo(kFloatModel));
    check("refused model", construct, ModelInfo("no-such-model.bin"));
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 1, .seed = 1234567});
    check("query", query, info);
    info.temperature = -1;
    check("refused query", query, info);
  }
}

TEST_F(SessionTest, FailuresGoToLogCbAndNowhereElse) {
  clamma_txf_info_t info = ModelInfo("no-such-model.bin");
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_EQ(clamma_txf_construct(&info), nullptr);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.last().find("no-such-model.bin"), std::string::npos);
  EXPECT_EQ(log.last().find('\n'), std::string::npos);
}

TEST_F(SessionTest, WithoutLogCbFailuresGoToStderr) {
  clamma_txf_info_t info = ModelInfo("no-such-model.bin");
  info.log_cb = nullptr;
  testing::internal::CaptureStderr();
  EXPECT_EQ(clamma_txf_construct(&info), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("no-such-model.bin"), std::string::npos);
}

TEST_F(SessionTest, SilentLogAndASuccessPrintNothing) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  clamma_txf_info_t info = ModelInfo("no-such-model.bin");
  info.log_cb = clamma_log_silent;
  EXPECT_EQ(clamma_txf_construct(&info), nullptr);
  info = ModelInfo(kFloatModel);
  info.log_cb = nullptr;
  const TxfPtr model(clamma_txf_construct(&info));
  const std::string text = RunFresh(model, {.limit = 10}).text;
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_NE(text, "");
}

TEST_F(SessionTest, LogCbOfTheTransformerServesItsSessions) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  Listener listener;
  EXPECT_NE(StartQuery(session.get(), listener, {.temperature = -1}), 0);
  EXPECT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(listener.pieces, 0u);
}

TEST_F(SessionTest, SeedZeroIsReportedAndReproduces) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 40, .temperature = 1, .seed = 0});
  char desc[64] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  const uint64_t seed = Facts(session.get()).rng_seed;
  EXPECT_NE(seed, 0u);
  EXPECT_EQ(LastNumber(desc), seed) << desc;
  EXPECT_EQ(RunFresh(model_, {.limit = 40, .temperature = 1, .seed = seed}).text, listener.text);
}

TEST_F(SessionTest, SeedsFromTheClockDiffer) {
  std::set<uint64_t> seeds;
  for (int i = 0; i < 20; ++i) {
    seeds.insert(RunFresh(model_, {.limit = 1, .temperature = 1, .seed = 0}).facts.rng_seed);
  }
  EXPECT_EQ(seeds.size(), 20u);
}

TEST_F(SessionTest, GivenSeedIsReported) {
  for (const uint64_t seed : {uint64_t{1}, uint64_t{1024}, UINT64_MAX}) {
    EXPECT_EQ(RunFresh(model_, {.limit = 1, .temperature = 1, .seed = seed}).facts.rng_seed, seed);
  }
}

TEST_F(SessionTest, SameQueryTwiceGivesTheSameText) {
  EXPECT_EQ(RunFresh(model_, WithSeed(4)).text, RunFresh(model_, WithSeed(4)).text);
}

// ---- Memory ----

TEST_F(SessionTest, MemoryGrowsWithTheContextUpToWhatWasForetold) {
  const SessionPtr session = NewSession(model_);
  const clamma_session_facts_t at_first = Facts(session.get());
  EXPECT_LT(at_first.memory_bytes, at_first.memory_bytes_at_full_context / 4);
  std::set<uint64_t> sizes;
  Listener listener;
  // Seed 12's story goes on to the end of the context.
  ASSERT_EQ(StartQuery(session.get(), listener, {.temperature = 1, .topp = 0.9f, .seed = 12}), 0);
  uint64_t before = at_first.memory_bytes;
  while (clamma_sessions_step_next() != 0) {
    const clamma_session_facts_t facts = Facts(session.get());
    EXPECT_GE(facts.memory_bytes, before);
    EXPECT_EQ(facts.memory_bytes_at_full_context, at_first.memory_bytes_at_full_context);
    before = facts.memory_bytes;
    sizes.insert(before);
  }
  ASSERT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CONTEXT_FULL});
  EXPECT_EQ(before, at_first.memory_bytes_at_full_context);
  EXPECT_GE(sizes.size(), 16u) << "512 positions by blocks";
  EXPECT_LE(sizes.size(), 24u);
}

TEST_F(SessionTest, ForetoldMemoryIsReachedByAPromptToo) {
  const SessionPtr session = NewSession(model_);
  std::string prompt = LongPrompt(25);
  while (CountTokens(model_, prompt, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX) < 512) {
    prompt += "a";
  }
  const Outcome outcome = RunQuery(session.get(), {.prompt = prompt.c_str()});
  ASSERT_EQ(outcome.why, CLAMMA_DONE_CONTEXT_FULL);
  EXPECT_EQ(outcome.facts.memory_bytes, outcome.facts.memory_bytes_at_full_context);
}

TEST_F(SessionTest, HalfPrecisionKeysAndValuesTakeHalfTheMemory) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.kv_type = CLAMMA_KV_F16;
  const TxfPtr half_model = Open(info);
  const clamma_session_facts_t full = Facts(NewSession(model_).get());
  const clamma_session_facts_t half = Facts(NewSession(half_model).get());
  // 5 layers, keys and values, 4 heads of 8, 512 positions.
  constexpr uint64_t kFloatKv = 5 * 2 * 4 * 8 * 512 * 4;
  EXPECT_EQ(full.memory_bytes_at_full_context - half.memory_bytes_at_full_context, kFloatKv / 2);
}

TEST_F(SessionTest, ShorterKeysAndValuesGiveSensibleTexts) {
  const std::string text = RunFresh(model_, {.limit = 200}).text;
  clamma_score_t full = {};
  ASSERT_EQ(clamma_score(model_.get(), text.data(), text.size(), &full, nullptr, 0), 0);
  for (const clamma_kv_type_t kv_type : {CLAMMA_KV_F16, CLAMMA_KV_Q8}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.kv_type = kv_type;
    const TxfPtr model = Open(info);
    clamma_score_t score = {};
    ASSERT_EQ(clamma_score(model.get(), text.data(), text.size(), &score, nullptr, 0), 0);
    EXPECT_NEAR(score.perplexity / full.perplexity, 1.0, 0.01) << kv_type;
    EXPECT_EQ(RunFresh(model, {.limit = 200}).text.substr(0, 60), text.substr(0, 60)) << kv_type;
  }
}

// ---- Chat ----

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
  // An answer begins without the space behind the bracket.
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
    // The first answer's last token is fed by the second turn.
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
