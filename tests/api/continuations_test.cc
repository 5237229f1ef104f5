// SPDX-License-Identifier: MIT
// clamma-extra.h: scores of continuations, compared with those of whole texts and with the logprobs
// of queries.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "embed_fixture.h"
#include "extra_fixture.h"
#include "family_specs.h"

// In the type's namespace, where lookup finds it.
static bool operator==(const clamma_continuation_score_t& a, const clamma_continuation_score_t& b) {
  return a.tokens == b.tokens && a.log_likelihood == b.log_likelihood && a.is_greedy == b.is_greedy;
}

namespace clamma_test {
namespace {

using Scores = std::vector<clamma_continuation_score_t>;

int Score(const TxfPtr& model, const clamma_text_t& context,
          const std::vector<clamma_text_t>& continuations, Scores* scores, Parts* parts = nullptr) {
  scores->assign(continuations.size(), {7, 7, 7});
  return clamma_score_continuations(
      model.get(), &context, continuations.data(), continuations.size(),
      parts == nullptr ? nullptr : Parts::OnPart, parts, scores->data());
}

Scores ScoresOf(const TxfPtr& model, const clamma_text_t& context,
                const std::vector<clamma_text_t>& continuations) {
  Scores scores;
  EXPECT_EQ(Score(model, context, continuations, &scores), 0);
  return scores;
}

Tokens Encode(const TxfPtr& model, const std::string& text, unsigned flags) {
  Tokens tokens(text.size() + 3);
  size_t n = 0;
  EXPECT_EQ(
      clamma_encode(model.get(), text.data(), text.size(), flags, tokens.data(), tokens.size(), &n),
      0);
  tokens.resize(n);
  return tokens;
}

constexpr unsigned kOpens = CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX;

// The sum over a text's last n tokens of what clamma_score() finds.
double LogLikelihoodOfLast(const TxfPtr& model, const std::string& text, size_t n) {
  std::vector<float> logprobs(text.size() + 1);
  clamma_score_t score = {};
  EXPECT_EQ(
      clamma_score(model.get(), text.data(), text.size(), &score, logprobs.data(), logprobs.size()),
      0);
  double sum = 0;
  for (size_t i = score.tokens - n; i < score.tokens; ++i) sum += static_cast<double>(logprobs[i]);
  return sum;
}

// Greedy generation behind a context: the tokens and the sum of their logprobs.
struct Greedy {
  Tokens tokens;
  double sum = 0;
  static void Take(void* opaque, tok_id_t token, float logprob, size_t, const tok_id_t*,
                   const float*) {
    auto& self = *static_cast<Greedy*>(opaque);
    self.tokens.push_back(token);
    self.sum += static_cast<double>(logprob);
  }
};
Greedy Generate(const TxfPtr& model, const Tokens& context, size_t limit) {
  Greedy greedy;
  const SessionPtr session = NewSession(model);
  EXPECT_EQ(clamma_session_set_tokens(session.get(), context.data(), context.size()), 0);
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.limit = limit;
  info.logprobs_cb = Greedy::Take;
  info.opaque_user_pointer = &greedy;
  EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  return greedy;
}

// ---- What a score is ----

class ContinuationsTest : public LoggedModelTest {};

TEST_F(ContinuationsTest, ScoresAreThoseOfTheWholeTextsToTheBit) {
  std::string context = "Once upon a time, there was a little girl";
  for (const size_t repeats : {1, 8}) {
    while (context.size() < 41 * repeats) context += " and the dog was named Max.";
    std::vector<std::string> continuations = {" named Lily.", " who", ".", " named", " She loved"};
    continuations.push_back(" and" + std::string(context.begin() + 15, context.end()));
    const Scores scores = ScoresOf(model_, TextOf(context), TextsOf(continuations));
    for (size_t i = 0; i < continuations.size(); ++i) {
      SCOPED_TRACE(continuations[i]);
      Tokens joined = Encode(model_, context, kOpens);
      const Tokens tokens = Encode(model_, continuations[i], 0);
      joined.insert(joined.end(), tokens.begin(), tokens.end());
      ASSERT_EQ(Encode(model_, context + continuations[i], kOpens), joined);
      EXPECT_EQ(scores[i].tokens, tokens.size());
      EXPECT_EQ(scores[i].log_likelihood,
                LogLikelihoodOfLast(model_, context + continuations[i], tokens.size()));
    }
  }
}

TEST_F(ContinuationsTest, GreedyIsWhatTheModelGenerates) {
  const Tokens context = Encode(model_, "Lily went to the", kOpens);
  const Greedy greedy = Generate(model_, context, 90);
  ASSERT_EQ(greedy.tokens.size(), 90u);
  std::vector<Tokens> continuations = {greedy.tokens, {greedy.tokens[0]}};
  for (const size_t wrong : {0, 1, 44, 89}) {
    continuations.push_back(greedy.tokens);
    continuations.back()[wrong] = continuations.back()[wrong] == 300 ? 301 : 300;
  }
  const Scores scores = ScoresOf(model_, TextOf(context), TextsOf(continuations));
  EXPECT_EQ(scores[0].log_likelihood, greedy.sum);
  EXPECT_EQ(scores[0].is_greedy, 1);
  EXPECT_EQ(scores[1].is_greedy, 1);
  for (size_t i = 2; i < scores.size(); ++i) {
    EXPECT_EQ(scores[i].is_greedy, 0) << i;
    EXPECT_LT(scores[i].log_likelihood, greedy.sum);
  }
}

TEST_F(ContinuationsTest, TokensAreTheSameAsTheTextThatTheyEncode) {
  const std::string context = "Lily and Max";
  const std::string continuation = " played in the park";
  EXPECT_EQ(ScoresOf(model_, TextOf(context), {TextOf(continuation)}),
            ScoresOf(model_, TextOf(Encode(model_, context, kOpens)),
                     {TextOf(Encode(model_, continuation, 0))}));
  // An empty context is BOS.
  const Scores scores = ScoresOf(model_, TextOf(std::string()), {TextOf(std::string(" Once"))});
  EXPECT_EQ(scores,
            ScoresOf(model_, TextOf(Tokens{TOK_BOS}), {TextOf(Encode(model_, " Once", 0))}));
}

TEST_F(ContinuationsTest, TheContextIsProcessedOnce) {
  const Tokens context = SomeTokens(200, 1, 512);
  const std::vector<Tokens> continuations = {SomeTokens(3, 2, 512), {5}, SomeTokens(70, 3, 512)};
  Parts parts;
  Scores scores;
  ASSERT_EQ(Score(model_, TextOf(context), TextsOf(continuations), &scores, &parts), 0);
  // The last token of a continuation takes no position.
  EXPECT_EQ(parts.told.back(), std::make_pair(size_t{200 + 2 + 69}, size_t{200 + 2 + 69}));
  for (size_t i = 1; i < parts.told.size(); ++i) {
    EXPECT_GT(parts.told[i].first, parts.told[i - 1].first);
  }
  Parts none;
  ASSERT_EQ(Score(model_, TextOf(context), {}, &scores, &none), 0);
  EXPECT_TRUE(none.told.empty());
}

TEST_F(ContinuationsTest, SessionsAreServedBetweenPassesAndNoMemoryIsLeftBehind) {
  const Tokens context = SomeTokens(300, 1, 512);
  const std::vector<Tokens> continuations = {SomeTokens(3, 2, 512), SomeTokens(7, 3, 512)};
  const Scores expected = ScoresOf(model_, TextOf(context), TextsOf(continuations));
  const std::string whole = RunFresh(model_, {.prompt = "Lily", .limit = 40}).text;
  const uint64_t before = Facts(model_).memory_bytes;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Lily", .limit = 40}), 0);
  Parts parts;
  parts.on_part = [] {
    EXPECT_EQ(clamma_sessions_step_next(), 1);
    return 0;
  };
  Scores scores;
  ASSERT_EQ(Score(model_, TextOf(context), TextsOf(continuations), &scores, &parts), 0);
  EXPECT_EQ(scores, expected);
  StepAll();
  EXPECT_EQ(listener.text, whole);
  EXPECT_EQ(Facts(model_).memory_bytes, before);
}

// ---- Families ----

class ContinuationsFamilies : public testing::TestWithParam<NamedGguf>, protected GgufOpener {};

TEST_P(ContinuationsFamilies, ScoresDoNotDependOnTheOthersOrOnThreads) {
  GgufSpec spec = GetParam().spec;
  spec.context = 256;
  const auto vocab = static_cast<tok_id_t>(spec.vocab);
  std::vector<Tokens> continuations;
  for (const size_t n : {1, 9, 2, 70, 1, 3, 40}) {
    const Tokens tokens = SomeTokens(n + 1, static_cast<uint32_t>(n), vocab);
    continuations.emplace_back(tokens.begin() + 1, tokens.end());
  }
  for (const clamma_kv_type_t kv_type : {CLAMMA_KV_F32, CLAMMA_KV_Q8}) {
    // With the first context, some of Phi's sequences exceed its original context, and some do not.
    for (const size_t n_context : {20, 100}) {
      const Tokens context = SomeTokens(n_context, 9, vocab);
      const TxfPtr model = Open(spec, kv_type);
      const Scores together = ScoresOf(model, TextOf(context), TextsOf(continuations));
      ASSERT_EQ(log.lines, std::vector<std::string>{});
      const TxfPtr threaded = Open(spec, kv_type, 2);
      for (size_t i = 0; i < continuations.size(); ++i) {
        EXPECT_EQ(ScoresOf(threaded, TextOf(context), {TextOf(continuations[i])})[0], together[i])
            << "continuation " << i;
      }
      // One position at a time, each after a context of all tokens before it. (Phi rotates all
      // positions of longer sequences differently.)
      if (GetParam().name == "phi3") continue;
      for (const size_t which : {1, 5}) {
        Tokens before = context;
        double sum = 0;
        for (const tok_id_t token : continuations[which]) {
          sum += ScoresOf(model, TextOf(before), {TextOf(Tokens{token})})[0].log_likelihood;
          before.push_back(token);
        }
        EXPECT_EQ(together[which].log_likelihood, sum);
      }
    }
  }
}

TEST_P(ContinuationsFamilies, ScoresAreThoseOfTheWholeTexts) {
  GgufSpec spec = GetParam().spec;
  spec.context = 256;
  const TxfPtr model = Open(spec);
  const std::string context = "the hand and the e and the he";
  const std::vector<std::string> continuations = {
      " the", " and the hand", " the and and the the hand and the hand and the hand and the hand"};
  const Scores scores = ScoresOf(model, TextOf(context), TextsOf(continuations));
  for (size_t i = 0; i < continuations.size(); ++i) {
    const size_t n = Encode(model, continuations[i], 0).size();
    ASSERT_EQ(Encode(model, context + continuations[i], kOpens).size(),
              Encode(model, context, kOpens).size() + n);
    EXPECT_EQ(scores[i].log_likelihood, LogLikelihoodOfLast(model, context + continuations[i], n));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ContinuationsFamilies, testing::ValuesIn(FamilyModels()),
                         [](const auto& test) { return test.param.name; });

// ---- Refusals ----

TEST_F(ContinuationsTest, NonZeroReturnOfProgressCbCancels) {
  Parts parts;
  parts.on_part = [&] { return parts.told.size() == 2 ? -1 : 0; };
  Scores scores;
  EXPECT_NE(Score(model_, TextOf(SomeTokens(400, 1, 512)), {TextOf(Tokens{5})}, &scores, &parts),
            0);
  EXPECT_EQ(parts.told.size(), 2u);
  EXPECT_EQ(scores[0].tokens, 7u) << "was written";
  EXPECT_EQ(log_.lines, std::vector<std::string>{
                            "clamma_score_continuations() was cancelled by its progress_cb"});
}

TEST_F(ContinuationsTest, WhatCannotBeScoredIsRefusedWithAReason) {
  const Tokens context = SomeTokens(500, 1, 512);
  const Tokens twelve = SomeTokens(12, 1, 512);
  const Tokens thirteen = SomeTokens(13, 1, 512);
  const Tokens bad = {512};
  const clamma_text_t nothing = {nullptr, 0, twelve.data(), 0};
  const clamma_text_t missing = {nullptr, 3, nullptr, 0};
  const std::string endless(1000000, 'x');
  const struct {
    clamma_text_t context, continuation;
    const char* reason;
  } cases[] = {
      {TextOf(context), TextOf(thirteen), "continuation 1: there are 13 tokens, and room for 12"},
      {TextOf(context), TextOf(bad), "continuation 1: token 512 at 0 is not one of 0 .. 511"},
      {TextOf(context), nothing, "continuation 1: there are no tokens"},
      {TextOf(context), TextOf(std::string()), "continuation 1: there are no tokens"},
      {TextOf(context), missing, "continuation 1: size is given, and text is NULL"},
      {TextOf(context), TextOf(endless), "continuation 1: a text of 1000000 bytes takes at least"},
      {nothing, TextOf(twelve), "the context: there are no tokens"},
      {TextOf(bad), TextOf(twelve), "the context: token 512 at 0 is not one of 0 .. 511"},
      {TextOf(SomeTokens(513, 1, 512)), TextOf(twelve),
       "the context: there are 513 tokens, and room for 512"},
  };
  Scores scores;
  for (const auto& c : cases) {
    log_.lines.clear();
    EXPECT_NE(Score(model_, c.context, {TextOf(twelve), c.continuation}, &scores), 0) << c.reason;
    EXPECT_EQ(scores[0].tokens, 7u) << "was written";
    ASSERT_EQ(log_.lines.size(), 1u) << c.reason;
    EXPECT_EQ(log_.last().find(c.reason), 0u) << log_.last();
  }
  EXPECT_EQ(Score(model_, TextOf(context), {TextOf(twelve)}, &scores), 0);
}

TEST_F(ContinuationsTest, MissingArgumentsAreErrors) {
  const Tokens tokens = {1, 5};
  const clamma_text_t text = TextOf(tokens);
  clamma_continuation_score_t score = {};
  const auto fails = [&](const txf* model, const clamma_text_t* context,
                         const clamma_text_t* continuations, clamma_continuation_score_t* scores) {
    return clamma_score_continuations(model, context, continuations, 1, nullptr, nullptr, scores) !=
           0;
  };
  EXPECT_TRUE(fails(model_.get(), nullptr, &text, &score));
  EXPECT_TRUE(fails(model_.get(), &text, nullptr, &score));
  EXPECT_TRUE(fails(model_.get(), &text, &text, nullptr));
  EXPECT_EQ(log_.lines.size(), 3u);
  EXPECT_EQ(log_.last(), "clamma_score_continuations() was given NULL where it needs something");
  testing::internal::CaptureStderr();
  EXPECT_TRUE(fails(nullptr, &text, &text, &score));
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ContinuationsTest, IsRefusedInsideACallback) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    Scores scores;
    EXPECT_NE(Score(model_, TextOf(Tokens{1}), {TextOf(Tokens{5})}, &scores), 0);
    EXPECT_EQ(log_.last(), "clamma_score_continuations() cannot run inside a callback of a step");
    return 1;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Lily", .limit = 20}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 1u);
}

}  // namespace
}  // namespace clamma_test
