// SPDX-License-Identifier: MIT
// What clamma.h says about sessions, prompts, the ends of queries, and memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "session_fixture.h"

namespace clamma_test {
namespace {

// ---- Many sessions at a time ----

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
  // The token that ended the first text may also be the BOS of the second.
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

// ---- Memory ----

TEST_F(SessionTest, MemoryGrowsWithTheContextUpToWhatWasForetold) {
  const SessionPtr session = NewSession(model_);
  const clamma_session_facts_t at_first = Facts(session.get());
  EXPECT_LT(at_first.memory_bytes, at_first.memory_bytes_at_full_context / 4);
  std::set<uint64_t> sizes;
  Listener listener;
  // With seed 12, the text continues to the end of the context.
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

}  // namespace
}  // namespace clamma_test
