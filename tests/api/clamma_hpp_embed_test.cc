// SPDX-License-Identifier: MIT
// clamma.hpp: embeddings, scores of continuations, progress, and steps of one model.
#include <gtest/gtest.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "clamma.hpp"
#include "clamma_hpp_fixture.h"

namespace clamma_test {
namespace {

using ClammaHppEmbedTest = ClammaHppTest;

TEST_F(ClammaHppEmbedTest, EmbeddingsAreThoseOfTheCFunction) {
  const clamma::Model model = Open();
  const std::vector<std::string> texts = {"Lily went to the park.", "", "Max was a dog."};
  for (const bool raw : {false, true}) {
    const std::vector<std::vector<float>> embeddings = model.Embed(texts, raw);
    ASSERT_EQ(embeddings.size(), 3U);
    for (size_t i = 0; i < texts.size(); ++i) {
      const clamma_text_t text = {texts[i].data(), texts[i].size(), nullptr, 0};
      std::vector<float> expected(64);
      ASSERT_EQ(clamma_embed(model.handle(), &text, 1, raw ? CLAMMA_EMBED_RAW : 0u, nullptr,
                             nullptr, expected.data(), expected.size(), nullptr),
                0);
      EXPECT_EQ(embeddings[i], expected);
    }
  }
  EXPECT_TRUE(model.Embed({}).empty());
  const std::vector<std::string> too_long = {LongText()};
  EXPECT_TRUE(Has(ReasonOf([&] { model.Embed(too_long); }), "text 0: "));
}

TEST_F(ClammaHppEmbedTest, ScoresOfContinuationsAreThoseOfTheWholeText) {
  const clamma::Model model = Open();
  const std::vector<std::string> continuations = {" named Lily.", " who"};
  const auto scores = model.ScoreContinuations("Once upon a time, there was a girl", continuations);
  ASSERT_EQ(scores.size(), 2U);
  const clamma::TextScore whole = model.Score("Once upon a time, there was a girl named Lily.");
  double sum = 0;
  for (size_t i = whole.tokens - scores[0].tokens; i < whole.tokens; ++i) {
    sum += static_cast<double>(whole.logprobs[i]);
  }
  EXPECT_EQ(scores[0].log_likelihood, sum);
  const std::vector<std::string> none = {""};
  EXPECT_EQ(ReasonOf([&] { model.ScoreContinuations("Lily", none); }),
            "continuation 0: there are no tokens");
}

TEST_F(ClammaHppEmbedTest, OnProgressMayCancelAndThrow) {
  const clamma::Model model = Open();
  const std::vector<std::string> texts(40, "Lily went to the park and saw a ball.");
  std::vector<std::pair<size_t, size_t>> told;
  model.Embed(texts, false, [&told](size_t processed, size_t total) {
    told.emplace_back(processed, total);
    return true;
  });
  ASSERT_GT(told.size(), 1U);
  EXPECT_EQ(told.back().first, told.back().second);
  EXPECT_EQ(ReasonOf([&] { model.Embed(texts, false, [](size_t, size_t) { return false; }); }),
            "clamma_embed() was cancelled by its progress_cb");
  const auto throws = [](size_t, size_t) -> bool { throw std::out_of_range("enough"); };
  EXPECT_THROW(model.Embed(texts, false, throws), std::out_of_range);
  EXPECT_THROW(model.ScoreContinuations("Lily", texts, throws), std::out_of_range);
}

TEST_F(ClammaHppEmbedTest, AQueryTellsItsProgress) {
  const clamma::Model model = Open();
  clamma::Query query = {.prompt = "Lily went to the park.", .limit = 5};
  const std::string expected = clamma::Session(model).Generate(query);
  clamma::Session session(model);
  std::vector<std::pair<size_t, size_t>> told;
  query.on_progress = [&told](size_t processed, size_t total) {
    told.emplace_back(processed, total);
    return true;
  };
  EXPECT_EQ(session.Generate(query), expected);
  const size_t total = session.QueryFacts().prompt_tokens;
  EXPECT_EQ(told, (std::vector<std::pair<size_t, size_t>>{{total, total}}));
  EXPECT_EQ(session.QueryFacts().generated_tokens, 5U);

  query.on_progress = [](size_t, size_t) { return false; };
  EXPECT_EQ(session.Generate(query), "");
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
  query.on_progress = [](size_t, size_t) -> bool { throw std::out_of_range("enough"); };
  EXPECT_THROW(session.Generate(query), std::out_of_range);
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
}

TEST_F(ClammaHppEmbedTest, StepOfAModelServesItsOwnSessions) {
  const clamma::Model mine = Open();
  const clamma::Model other = Open();
  clamma::Session first(mine);
  clamma::Session second(other);
  std::string text;
  std::string others;
  first.Start({.limit = 5}, Into(text));
  second.Start({.limit = 5}, Into(others));
  while (mine.Step()) continue;
  EXPECT_FALSE(first.running());
  EXPECT_EQ(others, "");
  first.Start({.limit = 5}, [](std::string_view) -> bool { throw std::out_of_range("enough"); });
  EXPECT_THROW(mine.Step(), std::out_of_range);
  while (other.Step()) continue;
  EXPECT_EQ(others, text);
}

}  // namespace
}  // namespace clamma_test
