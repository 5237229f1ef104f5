// SPDX-License-Identifier: MIT
// Sessions on a model of each family: saved, restored, cut back and continued, at lengths beyond
// windows and original contexts. The text depends only on a session's tokens, not on how it got
// them.
#include <gtest/gtest.h>

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "clamma-extra.h"
#include "family_specs.h"
#include "temporary_folder.h"

namespace clamma_test {

void PrintTo(const NamedGguf& model, std::ostream* out) { *out << model.name; }

namespace {

constexpr size_t kShort = 16;  // tokens: below Phi's original context
constexpr size_t kLong = 60;   // beyond it, and beyond several pages of a window

class FamilySessions : public testing::TestWithParam<std::tuple<NamedGguf, clamma_kv_type_t>> {
 protected:
  // A model whose texts are long enough.
  void SetUp() override {
    GgufSpec spec = std::get<0>(GetParam()).spec;
    spec.tokens = spec.vocab;
    spec.context = 1024;
    for (spec.seed = 1; spec.seed < 60; ++spec.seed) {
      path_ = folder_.Write("model.gguf", MakeGguf(spec).Build());
      model_ = Open(Info());
      ASSERT_NE(model_, nullptr);
      const Outcome outcome = RunFresh(model_, Generate(kLong));
      if (outcome.why == CLAMMA_DONE_LIMIT && !outcome.text.empty()) return;
    }
    FAIL() << "every model ends its text at once";
  }

  clamma_txf_info_t Info() const {
    clamma_txf_info_t info = ModelInfo(path_);
    info.tokenizer_path = nullptr;
    info.kv_type = std::get<1>(GetParam());
    return info;
  }
  static Ask Generate(size_t limit) {
    return {.prompt = "the hand", .limit = limit, .temperature = 0.8f, .topp = 0.95f, .seed = 5};
  }
  // Continues a session with a fixed seed. Returns the text.
  static std::string GoOn(txf_session* session, size_t limit) {
    Ask more = {.prompt = nullptr, .limit = limit, .temperature = 0.8f, .topp = 0.95f};
    more.seed = 11;
    return RunQuery(session, more).text;
  }
  static std::vector<tok_id_t> Tokens(const txf_session* session) {
    size_t count = 0;
    EXPECT_EQ(clamma_session_get_tokens(session, nullptr, 0, &count), 0);
    std::vector<tok_id_t> tokens(count);
    EXPECT_EQ(clamma_session_get_tokens(session, tokens.data(), count, &count), 0);
    return tokens;
  }
  SessionPtr With(const std::vector<tok_id_t>& tokens) const {
    SessionPtr session = NewSession(model_);
    EXPECT_EQ(clamma_session_set_tokens(session.get(), tokens.data(), tokens.size()), 0);
    return session;
  }

  TemporaryFolder folder_;
  std::string path_;
  TxfPtr model_;
};

INSTANTIATE_TEST_SUITE_P(Families, FamilySessions,
                         testing::Combine(testing::ValuesIn(FamilyModels()),
                                          testing::Values(CLAMMA_KV_F32, CLAMMA_KV_Q8)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name +
                                  (std::get<1>(test.param) == CLAMMA_KV_Q8 ? "_q8" : "_f32");
                         });

TEST_P(FamilySessions, RestoredSessionGoesOnBitForBit) {
  for (const size_t length : {kShort, kLong}) {
    const SessionPtr saved = NewSession(model_);
    RunQuery(saved.get(), Generate(length));
    const Stream stream = Save(saved.get());
    clamma_txf_info_t info = Info();
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    info.threads = 2;
    const TxfPtr elsewhere = Open(info);
    const SessionPtr restored = NewSession(elsewhere);
    RunQuery(restored.get(), {.prompt = "an", .limit = 30});
    ASSERT_EQ(Restore(restored.get(), stream), 0);
    EXPECT_EQ(Save(restored.get()).bytes, stream.bytes);
    EXPECT_EQ(GoOn(restored.get(), 20), GoOn(saved.get(), 20)) << length << " tokens";
  }
}

TEST_P(FamilySessions, GoesOnAsIfItsTokensHadComeAtOnce) {
  const SessionPtr generated = NewSession(model_);
  RunQuery(generated.get(), Generate(kLong));
  const SessionPtr at_once = With(Tokens(generated.get()));
  EXPECT_EQ(GoOn(generated.get(), 20), GoOn(at_once.get(), 20));
  EXPECT_EQ(Save(generated.get()).bytes, Save(at_once.get()).bytes);
}

TEST_P(FamilySessions, GoesOnAfterARewindAsIfItHadNotGoneFurther) {
  const SessionPtr rewound = NewSession(model_);
  RunQuery(rewound.get(), Generate(kLong));
  for (const size_t length : {size_t{50}, kShort, size_t{3}}) {
    std::vector<tok_id_t> tokens = Tokens(rewound.get());
    ASSERT_GT(tokens.size(), length);
    tokens.resize(length);
    ASSERT_EQ(clamma_session_set_tokens(rewound.get(), tokens.data(), tokens.size()), 0);
    const SessionPtr fresh = With(tokens);
    EXPECT_EQ(GoOn(rewound.get(), 12), GoOn(fresh.get(), 12)) << length << " tokens";
    EXPECT_EQ(Save(rewound.get()).bytes, Save(fresh.get()).bytes) << length << " tokens";
  }
}

// Beyond all windows and the positions kept before them. A session that is cut back a little
// continues with what it has; if it is cut back further, it computes its tokens again.
TEST_P(FamilySessions, GivesBackWhatWindowsHaveLeftBehindAndComputesItAnew) {
  std::vector<tok_id_t> tokens = {1};
  for (uint32_t i = 1; i < 900; ++i) tokens.push_back(static_cast<tok_id_t>(3 + i * 37 % 45));
  const SessionPtr long_one = With(tokens);
  GoOn(long_one.get(), 12);
  const clamma_session_facts_t facts = Facts(long_one.get());
  EXPECT_LE(facts.memory_bytes, facts.memory_bytes_at_full_context);
  const Stream stream = Save(long_one.get());
  const SessionPtr restored = NewSession(model_);
  ASSERT_EQ(Restore(restored.get(), stream), 0);
  EXPECT_EQ(GoOn(restored.get(), 12), GoOn(long_one.get(), 12));
  for (const size_t length : {890u, 700u, 300u, 5u}) {
    tokens.resize(length);
    for (txf_session* session : {long_one.get(), restored.get()}) {
      ASSERT_EQ(clamma_session_set_tokens(session, tokens.data(), tokens.size()), 0);
      const SessionPtr fresh = With(tokens);
      EXPECT_EQ(GoOn(session, 12), GoOn(fresh.get(), 12)) << length << " tokens";
      EXPECT_EQ(Save(session).bytes, Save(fresh.get()).bytes) << length << " tokens";
    }
  }
}

// All layers of Phi have a window here, six of seven of Gemma 3, four of five of OLMo 3.
TEST(FamilyMemory, AtFullContextWindowsTakeWhatTheyNeed) {
  TemporaryFolder folder;
  const auto bytes_of = [&](const char* name, bool windows) {
    for (const NamedGguf& model : FamilyModels()) {
      if (model.name != name) continue;
      GgufSpec spec = model.spec;
      spec.tokens = spec.vocab;
      spec.context = 8192;
      if (!windows) spec.numbers["attention.sliding_window"] = 8192;
      clamma_txf_info_t info =
          ModelInfo(folder.Write(std::string(name) + ".gguf", MakeGguf(spec).Build()));
      info.tokenizer_path = nullptr;
      const TxfPtr txf = Open(info);
      return static_cast<double>(Facts(NewSession(txf).get()).memory_bytes_at_full_context);
    }
    return 0.0;
  };
  const struct {
    const char* name;
    double share;  // the share of layers without a window
  } families[] = {{"gemma2", 1.0 / 2},
                  {"gemma3", 1.0 / 7},
                  {"phi3", 0.0},
                  {"olmo3", 1.0 / 5},
                  {"gpt_oss", 1.0 / 2}};
  for (const auto& family : families) {
    const double share = bytes_of(family.name, true) / bytes_of(family.name, false);
    EXPECT_GT(share, family.share) << family.name;
    EXPECT_LT(share, family.share + 0.15) << family.name;
  }
}

}  // namespace
}  // namespace clamma_test
