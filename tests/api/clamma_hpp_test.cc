// SPDX-License-Identifier: MIT
// clamma.hpp: the features that it adds to the C API. This program also contains the library's
// classes.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "clamma.hpp"
#include "clamma_hpp_fixture.h"
#include "platform/threads.h"

namespace clamma_test {
namespace {

static_assert(!std::is_copy_constructible_v<clamma::Model>);
static_assert(!std::is_copy_constructible_v<clamma::Session>);
static_assert(std::is_nothrow_move_constructible_v<clamma::Model>);
static_assert(std::is_nothrow_move_assignable_v<clamma::Session>);

TEST_F(ClammaHppTest, SymbolsAreNotThoseOfTheLibrary) {
  EXPECT_TRUE(Has(typeid(clamma::Session).name(), "3cxx"));
  EXPECT_TRUE(Has(typeid(clamma::Query).name(), "3cxx"));
}

// ---- Texts ----

TEST_F(ClammaHppTest, GoldenTexts) {
  const clamma::Model model = Open();
  const std::pair<const char*, clamma::Query> texts[] = {
      {"float-greedy-bos", {.prompt = ""}},
      {"seed-readme-transcript", {.temperature = 1, .topp = 0.9F, .seed = 1024}},
      {"float-prompt-t08-p05-s42",
       {.prompt = "The little dog", .temperature = 0.8F, .topp = 0.5F, .seed = 42}},
  };
  for (const auto& [golden, query] : texts) {
    CLAMMA_NEED_FILE(GoldenPath(std::string(golden) + ".txt"));
    const std::string expected = ReadGolden(golden);
    clamma::Session session(model);
    const std::string text = query.prompt.value_or("") + session.Generate(query);
    EXPECT_EQ(text.substr(0, expected.size()), expected) << golden;
  }
}

TEST_F(ClammaHppTest, EveryFieldOfAQueryArrives) {
  const clamma::Model model = Open();
  const TxfPtr plain = clamma_test::Open(ModelInfo(kFloatModel));
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = "One day";
  info.system = "A tale.";
  info.limit = 60;
  info.temperature = 1.2F;
  info.topp = 0.8F;
  info.rng_seed = 77;
  info.top_k = 20;
  info.min_p = 0.02F;
  info.repetition_penalty = 1.3F;
  const tok_id_t stop = 511;
  info.stop_tokens = &stop;
  info.stop_token_count = 1;
  const clamma_logit_bias_t bias = {300, -2};
  info.logit_bias = &bias;
  info.logit_bias_count = 1;
  info.frequency_penalty = 0.1F;
  info.presence_penalty = 0.2F;
  Listener listener;
  info.issue_cb = Listener::Issue;
  info.done_cb = Listener::Done;
  info.opaque_user_pointer = &listener;
  const SessionPtr session = NewSession(plain);
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();

  const clamma::Query all = {.prompt = "One day",
                             .system = "A tale.",
                             .limit = 60,
                             .temperature = 1.2F,
                             .topp = 0.8F,
                             .seed = 77,
                             .top_k = 20,
                             .min_p = 0.02F,
                             .repetition_penalty = 1.3F,
                             .stop_tokens = {511},
                             .logit_bias = {{300, -2}},
                             .frequency_penalty = 0.1F,
                             .presence_penalty = 0.2F};
  clamma::Session session_of_all(model);
  EXPECT_EQ(session_of_all.Generate(all), listener.text);
  // Each of the options has an effect.
  std::vector<clamma::Query> others(13, all);
  others[9].stop_tokens = {session_of_all.GetTokens().back()};
  others[10].logit_bias = {{session_of_all.GetTokens().back(), -100}};
  others[11].frequency_penalty = 3;
  others[12].presence_penalty = 5;
  others[0].prompt = "Two days";
  others[1].system = "";
  others[2].limit = 59;
  others[3].temperature = 1;
  others[4].topp = 0.3F;
  others[5].seed = 78;
  others[6].top_k = 2;
  others[7].min_p = 0.5F;
  others[8].repetition_penalty = 0;
  for (size_t i = 0; i < others.size(); ++i) {
    EXPECT_NE(clamma::Session(model).Generate(others[i]), listener.text) << i;
  }
}

TEST_F(ClammaHppTest, ModelOptionsArrive) {
  const std::vector<uint8_t> weights = ReadBytes(ModelPath(kQ80Model));
  const std::vector<uint8_t> dictionary = ReadBytes(ModelPath(kDictionary));
  const clamma::Model there({.access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS,
                             .model_bytes = std::as_bytes(std::span(weights)),
                             .tokenizer_bytes = std::as_bytes(std::span(dictionary)),
                             .threads = 2,
                             .type = CLAMMA_MODEL_CHAT,
                             .kv_type = CLAMMA_KV_F16,
                             .max_sessions = 3,
                             .name = "somebody"});
  EXPECT_EQ(there.description().rfind("somebody: ", 0), 0U) << there.description();
  EXPECT_TRUE(Has(there.description(), "half") || Has(there.description(), "f16"))
      << there.description();
  EXPECT_EQ(there.Facts().max_sessions, 3U);
  EXPECT_EQ(there.Facts().group_size, 4U);
  EXPECT_NE(ReasonOf([&] { clamma::Session(there).Generate(); }), "") << "chat needs a prompt";

  const clamma::Model cached({.checkpoint = ModelPath(kFloatModel),
                              .tokenizer = ModelPath(kDictionary),
                              .access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE,
                              .cache_limit = 200000});
  EXPECT_EQ(cached.Facts().cache_limit, 200000U);

  std::vector<std::byte> arena(1 << 20);
  const clamma::Model in_arena(
      {.checkpoint = ModelPath(kFloatModel), .tokenizer = ModelPath(kDictionary), .arena = arena});
  EXPECT_EQ(in_arena.Facts().arena_bytes, arena.size());
  const clamma::Model in_heap({.checkpoint = ModelPath(kFloatModel),
                               .tokenizer = ModelPath(kDictionary),
                               .arena = std::span(arena).first(0)});
  EXPECT_EQ(in_heap.Facts().arena_bytes, 0u);
  EXPECT_EQ(clamma::Session(cached).Generate({.prompt = "Lily", .limit = 20}),
            clamma::Session(Open()).Generate({.prompt = "Lily", .limit = 20}));
}

TEST_F(ClammaHppTest, ASessionGoesOnWithItsConversation) {
  const clamma::Model model = Open();
  clamma::Session whole(model);
  clamma::Session parts(model);
  const std::string text = whole.Generate({.prompt = "Once", .limit = 40});
  std::string joined = parts.Generate({.prompt = "Once", .limit = 25});
  EXPECT_EQ(parts.done(), CLAMMA_DONE_LIMIT);
  joined += parts.Generate({.limit = 15});
  EXPECT_EQ(joined, text);
  EXPECT_EQ(parts.Facts().generated_tokens, 15U);
}

TEST_F(ClammaHppTest, SessionsRunSideBySide) {
  const clamma::Model model = Open();
  const clamma::Model other = Open(kQ80Model);
  std::vector<std::string> alone;
  std::vector<std::string> together(4);
  std::vector<clamma::Session> sessions;
  std::vector<clamma_done_t> ends;
  for (size_t i = 0; i < together.size(); ++i) {
    const clamma::Model& mine = i % 2 == 0 ? model : other;
    const clamma::Query query = {.limit = 50 + i, .temperature = 1, .seed = 100 + i};
    alone.push_back(clamma::Session(mine).Generate(query));
    sessions.emplace_back(mine);  // moves the earlier ones, which are running
    sessions.back().Start(query, Into(together[i]), [&ends](clamma_done_t why, std::string_view r) {
      ends.push_back(why);
      EXPECT_EQ(r, "");
    });
  }
  clamma::Run();
  EXPECT_EQ(together, alone);
  EXPECT_EQ(ends, std::vector<clamma_done_t>(4, CLAMMA_DONE_LIMIT));
}

TEST_F(ClammaHppTest, GenerateServesTheOthers) {
  const clamma::Model model = Open();
  clamma::Session background(model);
  std::string text;
  background.Start({.limit = 30}, Into(text));
  clamma::Session(model).Generate({.limit = 60});
  EXPECT_FALSE(background.running());
  EXPECT_EQ(text, clamma::Session(model).Generate({.limit = 30}));
}

// ---- Tokens, scores, facts ----

TEST_F(ClammaHppTest, TokensScoresAndFacts) {
  const clamma::Model model = Open();
  const std::string text = "Once upon a time \xff\x01";
  const std::vector<tok_id_t> tokens = model.Encode(text);
  ASSERT_GT(tokens.size(), 4U);
  EXPECT_EQ(tokens[0], TOK_BOS);
  EXPECT_EQ(model.Decode(tokens), text);
  EXPECT_EQ(model.Encode("", CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_EOS),
            (std::vector<tok_id_t>{TOK_BOS, TOK_EOS}));
  EXPECT_EQ(model.Encode({}, 0), std::vector<tok_id_t>{});
  EXPECT_EQ(model.Decode({}), "");
  const std::string all_bytes = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(255 - i);
    return bytes;
  }();
  EXPECT_EQ(model.Decode(model.Encode(
                all_bytes, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX | CLAMMA_ENCODE_EOS)),
            all_bytes);

  const clamma::TextScore score = model.Score(text);
  EXPECT_EQ(score.tokens, tokens.size() - 1);
  ASSERT_EQ(score.logprobs.size(), score.tokens);
  double sum = 0;
  for (const float logprob : score.logprobs) sum += static_cast<double>(logprob);
  EXPECT_DOUBLE_EQ(score.log_likelihood, sum);
  EXPECT_GT(score.perplexity, 1);

  EXPECT_EQ(model.Facts().vocab_size, 512U);
  EXPECT_EQ(model.Facts().sessions, 0U);
  const clamma::Session session(model);
  EXPECT_EQ(model.Facts().sessions, 1U);
  EXPECT_EQ(session.Facts().position, 0U);
  EXPECT_STREQ(clamma::Version(), clamma_version());
}

// ---- Errors ----

TEST_F(ClammaHppTest, ErrorsHaveTheLibrarysReason) {
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Has(ReasonOf([] { clamma::Model({.checkpoint = "none.bin"}); }), "'none.bin'"));
  const clamma::Model model = Open();
  const tok_id_t bad[] = {99999};
  EXPECT_TRUE(Has(ReasonOf([&] { model.Decode(bad); }), "99999"));
  EXPECT_NE(ReasonOf([&] { model.Encode("a", 64); }), "");
  EXPECT_NE(ReasonOf([&] { model.Score(""); }), "");
  clamma::Session session(model);
  EXPECT_TRUE(Has(ReasonOf([&] { session.Generate({.temperature = -1}); }), "temperature"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.Generate({.prompt = LongText()}); }), "512"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.Generate({.prompt = std::string("a\0b", 3)}); }), "NUL"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.Generate({.system = std::string("a\0b", 3)}); }), "NUL"));
  EXPECT_NE(ReasonOf([] { clamma::Model({.checkpoint = "x", .name = std::string(33, 'n')}); }), "");
  EXPECT_EQ(session.done(), std::nullopt);
  EXPECT_EQ(session.Generate({.prompt = "Lily", .limit = 9}),
            clamma::Session(model).Generate({.prompt = "Lily", .limit = 9}))
      << "what was refused left no trace";
  session.Start({.limit = 5}, nullptr);
  EXPECT_TRUE(Has(ReasonOf([&] { session.Start({}, nullptr); }), "running"));
  clamma::Run();

  std::vector<clamma::Session> most;
  for (unsigned i = 1; i < model.Facts().max_sessions; ++i) most.emplace_back(model);
  EXPECT_TRUE(Has(ReasonOf([&] { clamma::Session one_more(model); }), "sessions"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ClammaHppTest, AFailureOnTheWayIsToldToo) {
  std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
  PutInt32(&bytes, 256 + 4 * (2 * 5 * 64), 0x7fc00000);  // NaN in the final norm
  const clamma::Model model({.tokenizer = ModelPath(kDictionary),
                             .access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS,
                             .model_bytes = std::as_bytes(std::span(bytes))});
  clamma::Session session(model);
  const std::string reason = ReasonOf([&] { session.Generate({.prompt = "Once"}); });
  EXPECT_NE(reason, "");
  EXPECT_EQ(session.done(), CLAMMA_DONE_ERROR);
  std::string told;
  session.Start({.prompt = "Once"}, nullptr, [&](clamma_done_t why, std::string_view text) {
    EXPECT_EQ(why, CLAMMA_DONE_ERROR);
    told = text;
  });
  clamma::Run();
  EXPECT_EQ(told, reason);
}

TEST_F(ClammaHppTest, TextsMatchTheirGrammar) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  if constexpr (LIBCLAMMA_WITH_GRAMMAR == 0) {
    const char* const reason = "this build has no grammars: LIBCLAMMA_WITH_GRAMMAR is OFF";
    EXPECT_EQ(ReasonOf([&] { session.Generate({.regex = "y"}); }), reason);
    EXPECT_EQ(ReasonOf([&] { session.Generate({.grammar = "root ::= \"y\""}); }), reason);
    EXPECT_EQ(ReasonOf([&] { session.Generate({.json_schema = "{}"}); }), reason);
    EXPECT_EQ(ReasonOf([&] { session.Generate({.grammar_trigger = "y"}); }), reason);
    return;
  }
  EXPECT_EQ(session.Generate({.prompt = "x", .regex = "[0-9]{3}"}).size(), 3u);
  EXPECT_EQ(session.Generate({.prompt = "x", .grammar = "root ::= \"y\""}), "y");
  EXPECT_EQ(session.Generate({.prompt = "x", .json_schema = "{\"const\": [1]}"}), "[1]");
  clamma::Session other(model);
  const std::string text =
      other.Generate({.prompt = "Once", .regex = "!?#", .grammar_trigger = "a"});
  EXPECT_TRUE(text.ends_with("#")) << text;
  EXPECT_THROW(session.Generate({.grammar = ""}), clamma::Error);
}

TEST_F(ClammaHppTest, WhatWasMovedFromThrows) {
  clamma::Model model = Open();
  clamma::Session session(model);
  const clamma::Model model_now = std::move(model);
  clamma::Session session_now = std::move(session);
  // NOLINTBEGIN(bugprone-use-after-move): this is what is tested
  EXPECT_TRUE(Has(ReasonOf([&] { model.Facts(); }), "moved"));
  EXPECT_TRUE(Has(ReasonOf([&] { clamma::Session again(model); }), "moved"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.Facts(); }), "moved"));
  EXPECT_TRUE(Has(ReasonOf([&] { session.Generate(); }), "moved"));
  session.Cancel();
  EXPECT_FALSE(session.running());
  session = clamma::Session(model_now);
  // NOLINTEND(bugprone-use-after-move)
  EXPECT_EQ(session.Generate({.limit = 10}), session_now.Generate({.limit = 10}));
}

// ---- Exceptions from callbacks ----

TEST_F(ClammaHppTest, AnExceptionOfACallbackComesOutOfTheStep) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  clamma::Session other(model);
  std::string text;
  std::string others;
  clamma_done_t why = CLAMMA_DONE_ERROR;
  other.Start({.limit = 20}, Into(others));
  session.Start(
      {.limit = 50},
      [&text](std::string_view piece) -> bool {
        text += piece;
        if (text.size() > 20) throw std::out_of_range("enough");
        return true;
      },
      [&why](clamma_done_t done, std::string_view) { why = done; });
  EXPECT_THROW(clamma::Run(), std::out_of_range);
  EXPECT_FALSE(session.running());
  EXPECT_EQ(why, CLAMMA_DONE_CANCELLED);
  EXPECT_NO_THROW(clamma::Run()) << "once is enough";
  EXPECT_EQ(others, clamma::Session(model).Generate({.limit = 20})) << "the other one went on";
  const size_t so_far = session.Facts().generated_tokens;
  EXPECT_EQ(text + session.Generate({.limit = 10}),
            clamma::Session(model).Generate({.limit = so_far + 10}))
      << "and so may this one";
}

TEST_F(ClammaHppTest, AnExceptionOfOnDoneComesOut) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  session.Start({.limit = 3}, nullptr,
                [](clamma_done_t, std::string_view) { throw std::runtime_error("done"); });
  EXPECT_THROW(clamma::Run(), std::runtime_error);
  EXPECT_EQ(session.done(), CLAMMA_DONE_LIMIT);
}

TEST_F(ClammaHppTest, GenerateIsCancelledByAnExceptionOfAnother) {
  const clamma::Model model = Open();
  clamma::Session thrower(model);
  clamma::Session session(model);
  thrower.Start({}, [](std::string_view) -> bool { throw 7; });
  EXPECT_THROW(session.Generate(), int);
  clamma::Run();
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
  EXPECT_NE(session.Generate({.limit = 5}), "");
}

TEST_F(ClammaHppTest, GenerateInsideACallbackIsRefused) {
  const clamma::Model model = Open();
  clamma::Session outer(model);
  clamma::Session inner(model);
  outer.Start({.limit = 5}, [&inner](std::string_view) {
    inner.Generate();
    return true;
  });
  EXPECT_TRUE(Has(ReasonOf([] { clamma::Run(); }), "inside a callback"));
  clamma::Run();
  EXPECT_FALSE(inner.running());
}

TEST_F(ClammaHppTest, TheThreadThatStepsGetsTheException) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  session.Start({.limit = 5}, [](std::string_view) -> bool { throw std::runtime_error("here"); });
  std::string caught;
  std::thread stepper([&caught] {
    try {
      clamma::Run();
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
  });
  stepper.join();
  EXPECT_EQ(caught, "here");
  EXPECT_NO_THROW(clamma::Run());
}

TEST_F(ClammaHppTest, OneThreadAsksWhileAnotherSteps) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  const clamma::Model model = Open();
  const std::string expected = clamma::Session(model).Generate({.limit = 20});
  std::atomic<bool> stop = false;
  std::thread stepper([&stop] {
    while (!stop) {
      if (!clamma::Step()) std::this_thread::yield();
    }
  });
  for (int round = 0; round < 20; ++round) {
    clamma::Session session(model);
    std::string text;
    session.Start({.limit = 20}, Into(text));
    while (session.running()) std::this_thread::yield();
    EXPECT_EQ(text, expected);
    EXPECT_EQ(clamma::Session(model).Generate({.limit = 20}), expected) << "both step";
    session.Start({}, nullptr);
    session.Cancel();
  }
  stop = true;
  stepper.join();
}

// ---- Ends ----

TEST_F(ClammaHppTest, FalseAndCancelEndAQuery) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  size_t pieces = 0;
  session.Start({}, [&pieces](std::string_view) { return ++pieces < 4; });
  clamma::Run();
  EXPECT_EQ(pieces, 4U);
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
  session.Start({}, [&](std::string_view) {
    session.Cancel();
    return true;
  });
  clamma::Run();
  EXPECT_EQ(session.done(), CLAMMA_DONE_CANCELLED);
}

TEST_F(ClammaHppTest, OnDoneMayAskAgain) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  std::string text;
  int rounds = 0;
  clamma::OnDone again = [&](clamma_done_t, std::string_view) {
    if (++rounds < 3) session.Start({.limit = 10}, Into(text), again);
  };
  session.Start({.limit = 10}, Into(text), again);
  clamma::Run();
  EXPECT_EQ(rounds, 3);
  EXPECT_EQ(text, clamma::Session(model).Generate({.limit = 30}));
}

TEST_F(ClammaHppTest, ASessionMovesInMidQuery) {
  std::optional<clamma::Model> model(Open());
  const std::string expected = clamma::Session(*model).Generate({.limit = 30});
  std::string text;
  auto first = std::make_unique<clamma::Session>(*model);
  first->Start({.limit = 30}, Into(text));
  for (int i = 0; i < 10; ++i) clamma::Step();
  const clamma::Model moved_model = std::move(*model);
  model.reset();
  clamma::Session second(moved_model);
  second.Start({}, [](std::string_view) { return true; });
  second = std::move(*first);  // ends the query of `second`
  first.reset();
  EXPECT_TRUE(second.running());
  clamma::Run();
  EXPECT_EQ(text, expected);
  EXPECT_EQ(second.done(), CLAMMA_DONE_LIMIT);
  EXPECT_EQ(moved_model.Facts().sessions, 1U);
}

TEST_F(ClammaHppTest, ASessionMovesInsideItsCallback) {
  const clamma::Model model = Open();
  std::string text;
  std::optional<clamma::Session> here(std::in_place, model);
  std::optional<clamma::Session> there;
  here->Start({.limit = 10}, [&](std::string_view piece) {
    text += piece;
    if (here.has_value()) {
      there.emplace(std::move(*here));
      here.reset();
    }
    return true;
  });
  clamma::Run();
  EXPECT_EQ(text, clamma::Session(model).Generate({.limit = 10}));
  EXPECT_EQ(there->done(), CLAMMA_DONE_LIMIT);
}

TEST_F(ClammaHppTest, ASessionOutlivesItsModel) {
  std::optional<clamma::Model> model(Open());
  const std::string expected = clamma::Session(*model).Generate({.limit = 20});
  clamma::Session idle(*model);
  clamma::Session running(*model);
  std::string text;
  running.Start({.limit = 20}, Into(text));
  clamma::Step();
  model.reset();
  clamma::Run();
  EXPECT_EQ(text, expected);
  EXPECT_EQ(idle.Generate({.limit = 20}), expected);
}

TEST_F(ClammaHppTest, DestroyedWhileItsQueryRuns) {
  const auto captured = std::make_shared<int>(1);
  for (const bool model_first : {false, true}) {
    std::optional<clamma::Model> model(Open());
    std::optional<clamma::Session> session(std::in_place, *model);
    session->Start({}, [captured](std::string_view) { return true; });
    for (int i = 0; i < 5; ++i) clamma::Step();
    if (model_first) model.reset();
    session.reset();
    EXPECT_EQ(captured.use_count(), 1) << "the callback is gone";
    EXPECT_FALSE(clamma::Step());
  }
}

TEST_F(ClammaHppTest, DestroyedInsideItsCallback) {
  for (const bool in_done : {false, true}) {
    std::optional<clamma::Model> model(Open());
    std::optional<clamma::Session> session(std::in_place, *model);
    const auto captured = std::make_shared<std::string>("still here");
    int calls = 0;
    const auto destroy = [&, captured] {
      session.reset();
      model.reset();
      ++calls;
      EXPECT_EQ(*captured, "still here");
    };
    session->Start(
        {.limit = 3},
        [destroy, in_done](std::string_view) {
          if (!in_done) destroy();
          return true;
        },
        [destroy, in_done](clamma_done_t, std::string_view) {
          if (in_done) destroy();
        });
    clamma::Run();
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(model.has_value());
  }
}

}  // namespace
}  // namespace clamma_test
