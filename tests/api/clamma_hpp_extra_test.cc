// SPDX-License-Identifier: MIT
// clamma.hpp: stop strings, logprobs, and the state of a session.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <ios>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clamma.hpp"
#include "clamma_hpp_fixture.h"
#include "platform/features.h"

namespace clamma_test {
namespace {

using ClammaHppExtraTest = ClammaHppTest;

std::string Saved(const clamma::Session& session) {
  std::ostringstream out;
  session.Save(out);
  return out.str();
}

// ---- Stop strings, logprobs ----

TEST_F(ClammaHppExtraTest, StopStringsEndTheText) {
  const clamma::Model model = Open();
  const clamma::Query plain = {.prompt = "Lily", .limit = 80};
  const std::string whole = clamma::Session(model).Generate(plain);
  clamma::Query stopping = plain;
  stopping.stop_strings = {"no such text", whole.substr(50, 9), whole.substr(30, 9)};
  clamma::Session session(model);
  EXPECT_EQ(session.Generate(stopping), whole.substr(0, whole.find(whole.substr(30, 9))));
  EXPECT_EQ(session.done(), CLAMMA_DONE_STOP_STRING);

  std::optional<clamma_done_t> told;
  std::string text;
  clamma::Session another(model);
  {
    const clamma::Query short_lived = stopping;
    another.Start(short_lived, Into(text), [&told](clamma_done_t why, std::string_view reason) {
      told = why;
      EXPECT_EQ(reason, "");
    });
  }
  clamma::Run();
  EXPECT_EQ(told, CLAMMA_DONE_STOP_STRING);
  EXPECT_EQ(text, whole.substr(0, whole.find(whole.substr(30, 9))));
}

TEST_F(ClammaHppExtraTest, LogprobsAreThoseOfAScore) {
  const clamma::Model model = Open();
  std::vector<tok_id_t> tokens;
  std::vector<float> logprobs;
  clamma::Session session(model);
  const std::string text = session.Generate({.prompt = "",
                                             .limit = 40,
                                             .on_logprobs =
                                                 [&](const clamma::TokenLogprobs& l) {
                                                   tokens.push_back(l.token);
                                                   logprobs.push_back(l.logprob);
                                                   ASSERT_EQ(l.top_tokens.size(), 3U);
                                                   ASSERT_EQ(l.top_logprobs.size(), 3U);
                                                   EXPECT_EQ(l.top_tokens[0], l.token)
                                                       << "greedy: the likeliest";
                                                   EXPECT_EQ(l.top_logprobs[0], l.logprob);
                                                   EXPECT_GT(l.top_logprobs[0], l.top_logprobs[1]);
                                                   EXPECT_GT(l.top_logprobs[1], l.top_logprobs[2]);
                                                 },
                                             .top_logprobs = 3});
  ASSERT_EQ(tokens.size(), 40U);
  std::vector<tok_id_t> context = session.GetTokens();
  EXPECT_EQ(context.front(), TOK_BOS);
  context.erase(context.begin());
  EXPECT_EQ(tokens, context);
  const clamma::TextScore score = model.Score(text);
  for (size_t i = 0; i < 30; ++i) {  // the end of the text may be encoded differently
    EXPECT_EQ(logprobs[i], score.logprobs[i]) << "token " << i;
  }
}

TEST_F(ClammaHppExtraTest, OnLogprobsComesBeforeTheTextAndNeedsNone) {
  const clamma::Model model = Open();
  std::string order;
  clamma::Session session(model);
  const clamma::Query query = {.limit = 3, .on_logprobs = [&order](const clamma::TokenLogprobs& l) {
                                 EXPECT_TRUE(l.top_tokens.empty());
                                 order += 'p';
                               }};
  session.Start(query, [&order](std::string_view) {
    order += 't';
    return true;
  });
  clamma::Run();
  EXPECT_EQ(order, "ptptpt");
  session.Start(query, nullptr);
  clamma::Run();
  EXPECT_EQ(order, "ptptptppp");
}

TEST_F(ClammaHppExtraTest, AGrammarIsCheckedAhead) {
  if (!clamma::kHasGrammar) GTEST_SKIP() << "a build without grammars";
  const clamma::Model model = Open();
  clamma::Query query = {};
  query.json_schema = R"({"type": "string", "not": {"const": "x"}})";
  EXPECT_THROW(model.CheckGrammar(query), clamma::Error);
  query.json_schema_loose = true;
  EXPECT_EQ(model.CheckGrammar(query), std::vector<std::string>{"/not"});
  clamma::Session session(model);
  query.limit = 5;
  session.Generate(query);
  EXPECT_EQ(model.Facts().grammars_compiled, 2u) << "both checks, and not the query";
}

TEST_F(ClammaHppExtraTest, HashesOfLogitsAreThoseOfAQuery) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  std::vector<uint64_t> hashes;
  clamma::Query query = {.prompt = "Lily", .limit = 12, .temperature = 0.9f, .seed = 7};
  query.on_logit_hash = [&](tok_id_t, uint64_t hash) { hashes.push_back(hash); };
  session.Generate(query);
  const std::vector<tok_id_t> tokens = session.GetTokens();
  ASSERT_EQ(hashes.size(), 12U);
  const std::vector<clamma_logit_hash_t> again =
      model.HashLogits(tokens, tokens.size() - 12, query);
  ASSERT_EQ(again.size(), 12U);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(again[i].hash, hashes[i]);
    EXPECT_EQ(again[i].sampled, tokens[tokens.size() - 12 + i]);
  }
  EXPECT_THROW(model.HashLogits(tokens, tokens.size() + 1, query), clamma::Error);
  EXPECT_EQ(clamma::SumOrderVersion(), clamma_sum_order_version());
}

TEST_F(ClammaHppExtraTest, WhatOnLogitHashThrowsComesOutOfTheStep) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  const clamma::Query query = {
      .limit = 9, .on_logit_hash = [](tok_id_t, uint64_t) { throw std::out_of_range("enough"); }};
  std::string text;
  session.Start(query, Into(text));
  EXPECT_THROW(clamma::Run(), std::out_of_range);
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
  EXPECT_EQ(text, "");
}

// ---- The state of a session ----

TEST_F(ClammaHppExtraTest, TokensOfQueriesAndSessions) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  EXPECT_TRUE(session.GetTokens().empty());
  const clamma::Query query = {.prompt = "Lily", .system = "A tale.", .limit = 20};
  const std::vector<tok_id_t> prompt = model.EncodeQuery(query);
  EXPECT_EQ(model.Decode(prompt), "A tale.\nLily");
  session.Generate(query);
  const std::vector<tok_id_t> tokens = session.GetTokens();
  ASSERT_EQ(tokens.size(), prompt.size() + 20);
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), tokens.begin()));
  EXPECT_EQ(prompt.size(), session.Facts().prompt_tokens);
  EXPECT_EQ(model.EncodeQuery({}), model.EncodeQuery({.prompt = "\n\n"}))
      << "what no prompt stands for";
  EXPECT_EQ(model.EncodeQuery({.prompt = ""}), std::vector<tok_id_t>{TOK_BOS});

  // Another session with these tokens continues like the first one.
  const std::string expected = session.Generate({.limit = 10});
  clamma::Session other(model);
  other.Generate({.prompt = "Tom", .limit = 5});
  other.SetTokens(tokens);
  EXPECT_EQ(other.GetTokens(), tokens);
  EXPECT_EQ(other.Generate({.limit = 10}), expected);
  other.SetTokens({});
  EXPECT_TRUE(other.GetTokens().empty());
  EXPECT_EQ(other.Generate(query), clamma::Session(model).Generate(query));

  const clamma::Model chat({.checkpoint = ModelPath(kFloatModel),
                            .tokenizer = ModelPath(kDictionary),
                            .type = CLAMMA_MODEL_CHAT});
  const clamma::Query turn = {.prompt = "Hello", .system = "Be brief."};
  EXPECT_TRUE(Has(chat.Decode(chat.EncodeQuery(turn)), "Be brief."));
  EXPECT_FALSE(Has(chat.Decode(chat.EncodeQuery(turn, false)), "Be brief."))
      << "it counts in the first turn";
}

TEST_F(ClammaHppExtraTest, ARestoredSessionGoesOnAsTheSavedOne) {
  for (const char* checkpoint : {kFloatModel, kQ80Model}) {
    const clamma::Model model = Open(checkpoint);
    const clamma::Query query = {.prompt = "Lily", .limit = 90, .temperature = 1, .seed = 7};
    const std::string whole = clamma::Session(model).Generate(query);
    clamma::Query part = query;
    part.limit = 40;
    clamma::Session saved(model);
    const std::string first = saved.Generate(part);
    std::istringstream in(Saved(saved) + "what follows");
    clamma::Session restored(model);
    restored.Restore(in);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "what follows");
    EXPECT_EQ(restored.GetTokens(), saved.GetTokens());
    const clamma::Query rest = {.limit = 50, .temperature = 1, .seed = restored.Facts().rng_state};
    EXPECT_EQ(first + restored.Generate(rest), whole) << checkpoint;
    EXPECT_EQ(saved.Facts().rng_seed, 7U);
  }
}

TEST_F(ClammaHppExtraTest, SavedThroughFunctions) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  session.Generate({.prompt = "Lily", .limit = 5});
  std::vector<std::byte> bytes;
  session.Save([&bytes](std::span<const std::byte> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return true;
  });
  const std::string saved = Saved(session);
  ASSERT_EQ(bytes.size(), saved.size());
  EXPECT_EQ(std::memcmp(bytes.data(), saved.data(), saved.size()), 0);

  size_t at = 0;
  const clamma::Source source = [&](std::span<std::byte> more) {
    if (more.size() > bytes.size() - at) return false;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), more.size(), more.begin());
    at += more.size();
    return true;
  };
  clamma::Session other(model);
  other.Restore(source);
  EXPECT_EQ(Saved(other), saved);

  // State that is refused, truncated or damaged changes nothing, and leads to an error.
  clamma::Session third(model);
  third.Generate({.prompt = "Tom", .limit = 5});
  const std::string before = Saved(third);
  EXPECT_TRUE(Has(ReasonOf([&] { third.Restore(source); }), "ends early")) << "all has been read";
  std::istringstream cut(saved.substr(0, saved.size() - 1));
  EXPECT_TRUE(Has(ReasonOf([&] { third.Restore(cut); }), "ends early"));
  std::string damaged = saved;
  damaged[saved.size() / 2] = static_cast<char>(damaged[saved.size() / 2] ^ 1);
  std::istringstream wrong(damaged);
  EXPECT_TRUE(Has(ReasonOf([&] { third.Restore(wrong); }), "damaged"));
  EXPECT_EQ(Saved(third), before);
  EXPECT_TRUE(Has(ReasonOf([&] { third.Save([](std::span<const std::byte>) { return false; }); }),
                  "not taken"));
  const clamma::Sink no_sink;
  EXPECT_THROW(third.Save(no_sink), std::bad_function_call);
}

// Accepts `room` bytes, which stay in a buffer until it is flushed. The flush fails.
class FullDisk : public std::streambuf {
 public:
  explicit FullDisk(std::streamsize room) : room_(room) {}

 protected:
  std::streamsize xsputn(const char*, std::streamsize size) override {
    const std::streamsize taken = std::min(size, room_);
    room_ -= taken;
    return taken;
  }
  int sync() override { return -1; }

 private:
  std::streamsize room_;
};

TEST_F(ClammaHppExtraTest, AStreamThatFailsIsAnError) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  session.Generate({.prompt = "Lily", .limit = 5});
  for (const std::streamsize room : {0, 100, 1 << 20}) {
    FullDisk disk(room);
    std::ostream out(&disk);
    EXPECT_TRUE(Has(ReasonOf([&] { session.Save(out); }), "not taken")) << room;
  }
  FullDisk disk(100);
  std::ostream out(&disk);
  out.exceptions(std::ios::badbit);
  EXPECT_THROW(session.Save(out), std::ios_base::failure);
}

TEST_F(ClammaHppExtraTest, WhatASinkOrSourceThrowsComesOut) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  session.Generate({.prompt = "Lily", .limit = 5});
  const std::string before = Saved(session);
  EXPECT_THROW(
      session.Save([](std::span<const std::byte>) -> bool { throw std::out_of_range("s"); }),
      std::out_of_range);
  size_t reads = 0;
  EXPECT_THROW(session.Restore([&reads](std::span<std::byte>) -> bool {
    ++reads;
    throw std::length_error("r");
  }),
               std::length_error);
  EXPECT_EQ(reads, 1U);
  EXPECT_EQ(Saved(session), before);
  EXPECT_NO_THROW(clamma::Run()) << "it is not kept for a step";

  // Inside a callback of another session, it does not end that session's query either.
  clamma::Session other(model);
  std::string text;
  other.Start({.limit = 10}, [&](std::string_view piece) {
    EXPECT_THROW(session.Save([](std::span<const std::byte>) -> bool { throw 7; }), int);
    text += piece;
    return true;
  });
  clamma::Run();
  EXPECT_EQ(other.done(), CLAMMA_DONE_LIMIT);
  EXPECT_EQ(text, clamma::Session(model).Generate({.limit = 10}));
}

// ---- Errors and exceptions ----

TEST_F(ClammaHppExtraTest, ErrorsHaveTheLibrarysReason) {
  testing::internal::CaptureStderr();
  const clamma::Model model = Open();
  clamma::Session session(model);
  const auto stop_at = [&session](const std::string& text) {
    return ReasonOf([&] { session.Generate({.stop_strings = {"a", text}}); });
  };
  EXPECT_TRUE(Has(stop_at(std::string("a\0b", 3)), "NUL"));
  EXPECT_TRUE(Has(stop_at(""), "stop"));
  const tok_id_t bad[] = {99999};
  EXPECT_TRUE(Has(ReasonOf([&] { session.SetTokens(bad); }), "99999"));
  const std::string nul("a\0b", 3);
  EXPECT_TRUE(Has(ReasonOf([&] { model.EncodeQuery({.prompt = nul}); }), "NUL"));
  EXPECT_TRUE(Has(ReasonOf([&] { model.EncodeQuery({.prompt = LongText()}); }), "512"));
  EXPECT_EQ(session.Generate({.prompt = "Lily", .limit = 9}),
            clamma::Session(model).Generate({.prompt = "Lily", .limit = 9}))
      << "what was refused left no trace";

  session.Start({.limit = 5}, nullptr);
  EXPECT_TRUE(Has(ReasonOf([&] { session.SetTokens({}); }), "query"));
  EXPECT_TRUE(Has(ReasonOf([&] { Saved(session); }), "query"));
  std::istringstream none;
  EXPECT_TRUE(Has(ReasonOf([&] { session.Restore(none); }), "query"));
  clamma::Run();

  const clamma::Session now = std::move(session);
  // NOLINTBEGIN(bugprone-use-after-move): this is what is tested
  EXPECT_TRUE(Has(ReasonOf([&] { session.GetTokens(); }), "moved"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.SetTokens({}); }), "moved"));
  EXPECT_TRUE(Has(ReasonOf([&] { Saved(session); }), "moved"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.Restore(none); }), "moved"));
  // NOLINTEND(bugprone-use-after-move)
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ClammaHppExtraTest, AnExceptionOfOnLogprobsCancels) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  size_t calls = 0;
  std::string text;
  clamma::Query query = {.limit = 20, .on_logprobs = [&calls](const clamma::TokenLogprobs&) {
                           if (++calls == 3) throw std::out_of_range("enough");
                         }};
  session.Start(query, Into(text));
  EXPECT_THROW(clamma::Run(), std::out_of_range);
  EXPECT_FALSE(session.running());
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
  EXPECT_EQ(text, clamma::Session(model).Generate({.limit = 2})) << "not the third token's";
  calls = 0;
  EXPECT_THROW(session.Generate(query), std::out_of_range);
  EXPECT_EQ(calls, 3U);

  // The same applies if no text is issued, as the whole text may be the beginning of a stop string.
  calls = 0;
  const std::string whole = clamma::Session(model).Generate({.limit = 20});
  query.stop_strings = {whole + "\x01"};
  clamma::Session silent(model);
  silent.Start(query, [](std::string_view) -> bool { throw std::logic_error("none comes"); });
  EXPECT_THROW(clamma::Run(), std::out_of_range);
  clamma::Run();
  EXPECT_EQ(silent.done(), CLAMMA_DONE_CANCELLED);
  EXPECT_EQ(calls, 3U);
}

TEST_F(ClammaHppExtraTest, OnLogprobsMayDestroyAndThrow) {
  const auto captured = std::make_shared<int>(1);
  std::optional<clamma::Model> model(Open());
  std::optional<clamma::Session> session(std::in_place, *model);
  session->Start({.on_logprobs =
                      [&, captured](const clamma::TokenLogprobs&) {
                        session.reset();
                        model.reset();
                        throw std::runtime_error("gone");
                      }},
                 [](std::string_view) { return true; });
  EXPECT_THROW(clamma::Run(), std::runtime_error);
  EXPECT_FALSE(model.has_value());
  EXPECT_EQ(captured.use_count(), 1) << "the callback is gone";
  EXPECT_FALSE(clamma::Step());
}

}  // namespace
}  // namespace clamma_test
