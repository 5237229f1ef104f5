// SPDX-License-Identifier: MIT
// clamma-extra.h: embeddings of texts.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "embed_fixture.h"
#include "family_specs.h"

namespace clamma_test {
namespace {

using Vector = std::vector<float>;

struct Embedded {
  int failed = 0;
  clamma_embed_facts_t facts = {};
  std::vector<Vector> vectors;
};

Embedded Embed(const TxfPtr& model, const std::vector<clamma_text_t>& texts, unsigned flags = 0,
               Parts* parts = nullptr) {
  Embedded result;
  const size_t dim = Facts(model).dim;
  Vector all(texts.size() * dim, 7.0f);
  result.failed = clamma_embed(model.get(), texts.data(), texts.size(), flags,
                               parts == nullptr ? nullptr : Parts::OnPart, parts, all.data(),
                               all.size(), &result.facts);
  for (size_t i = 0; i < texts.size(); ++i) {
    result.vectors.emplace_back(all.begin() + static_cast<ptrdiff_t>(i * dim),
                                all.begin() + static_cast<ptrdiff_t>((i + 1) * dim));
  }
  return result;
}

Vector EmbedOne(const TxfPtr& model, const clamma_text_t& text, unsigned flags = 0) {
  const Embedded result = Embed(model, {text}, flags);
  EXPECT_EQ(result.failed, 0);
  return result.vectors[0];
}

Vector Normalized(Vector x) {
  double squares = 0;
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  const double length = std::sqrt(squares);
  for (float& v : x) v = static_cast<float>(static_cast<double>(v) / length);
  return x;
}

// Returns the logarithms of the probabilities of all tokens after a context.
std::vector<double> NextLogprobs(const TxfPtr& model, const Tokens& tokens) {
  struct Listening {
    std::vector<double> logprobs;
    static void Take(void* opaque, tok_id_t, float, size_t n, const tok_id_t* ids,
                     const float* values) {
      auto& self = *static_cast<Listening*>(opaque);
      self.logprobs.resize(n);
      for (size_t i = 0; i < n; ++i) self.logprobs[static_cast<size_t>(ids[i])] = values[i];
    }
  } listening;
  const SessionPtr session = NewSession(model);
  EXPECT_EQ(clamma_session_set_tokens(session.get(), tokens.data(), tokens.size()), 0);
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.limit = 1;
  info.logprobs_cb = Listening::Take;
  info.top_logprobs = Facts(model).vocab_size;
  info.opaque_user_pointer = &listening;
  info.prompt = nullptr;
  EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  return listening.logprobs;
}

std::vector<Tokens> TokensOfManyLengths(tok_id_t vocab) {
  std::vector<Tokens> texts;
  for (const size_t n : {3, 1, 40, 2, 70, 1, 1, 33, 5, 31, 32, 64, 2, 9, 110, 1, 4, 8}) {
    texts.push_back(SomeTokens(n, static_cast<uint32_t>(texts.size()), vocab));
  }
  return texts;
}

class EmbedTest : public testing::Test, protected GgufOpener {
 protected:
  using GgufOpener::Open;
  static GgufSpec Spec() { return {.vocab = 290, .context = 128}; }
  static GgufSpec Pooled(uint32_t type) {
    GgufSpec spec = Spec();
    spec.numbers["pooling_type"] = type;
    return spec;
  }
};

// ---- What an embedding is ----

TEST_F(EmbedTest, StateOfTheLastTokenGivesTheProbabilitiesOfTheNextOne) {
  const GgufSpec spec = Spec();
  const TxfPtr model = Open(spec);
  std::vector<uint8_t> bytes;
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    if (tensor.name == "output.weight") bytes = BytesOf(spec, tensor);
  }
  Vector output(bytes.size() / 4);  // (vocab, dim)
  std::memcpy(output.data(), bytes.data(), bytes.size());
  ASSERT_EQ(output.size(), size_t{spec.vocab} * spec.dim);
  for (const size_t n : {2, 3, 37, 100}) {  // after BOS alone, a query would begin a text
    const Tokens tokens = SomeTokens(n, 3, 290);
    const Vector state = EmbedOne(model, TextOf(tokens), CLAMMA_EMBED_RAW);
    std::vector<double> logits(spec.vocab);
    double sum = 0;
    for (size_t t = 0; t < logits.size(); ++t) {
      for (size_t i = 0; i < state.size(); ++i) {
        logits[t] += static_cast<double>(output[t * spec.dim + i]) * static_cast<double>(state[i]);
      }
      sum += std::exp(logits[t]);
    }
    const std::vector<double> expected = NextLogprobs(model, tokens);
    ASSERT_EQ(expected.size(), logits.size());
    for (size_t t = 0; t < logits.size(); ++t) {
      EXPECT_NEAR(logits[t] - std::log(sum), expected[t], 1e-5) << "token " << t << " behind " << n;
    }
  }
}

TEST_F(EmbedTest, IsDividedByItsLengthUnlessItIsToBeRaw) {
  const TxfPtr model = Open(Spec());
  const Tokens tokens = SomeTokens(20, 1, 290);
  const Vector raw = EmbedOne(model, TextOf(tokens), CLAMMA_EMBED_RAW);
  EXPECT_NE(raw, Normalized(raw));
  EXPECT_EQ(EmbedOne(model, TextOf(tokens)), Normalized(raw));
}

TEST_F(EmbedTest, PoolsAsTheFileSays) {
  const Tokens tokens = SomeTokens(75, 2, 290);
  std::vector<Vector> states;  // at each position: later tokens do not change them
  {
    const TxfPtr model = Open(Spec());
    for (size_t n = 1; n <= tokens.size(); ++n) {
      const Tokens first(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(n));
      states.push_back(EmbedOne(model, TextOf(first), CLAMMA_EMBED_RAW));
    }
  }
  Vector mean(states[0].size());
  for (size_t i = 0; i < mean.size(); ++i) {
    double sum = 0;
    for (const Vector& state : states) sum += static_cast<double>(state[i]);
    mean[i] = static_cast<float>(sum / static_cast<double>(states.size()));
  }
  const struct {
    uint32_t type;  // GGUF's number
    clamma_pooling_t pooling;
    int made_for_embeddings;
    const Vector& expected;
  } cases[] = {{0, CLAMMA_POOLING_LAST, 0, states.back()},
               {1, CLAMMA_POOLING_MEAN, 1, mean},
               {2, CLAMMA_POOLING_FIRST, 1, states.front()},
               {3, CLAMMA_POOLING_LAST, 1, states.back()}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.type);
    const TxfPtr model = Open(Pooled(c.type));
    const Embedded raw = Embed(model, {TextOf(tokens)}, CLAMMA_EMBED_RAW);
    EXPECT_EQ(raw.vectors[0], c.expected);
    EXPECT_EQ(raw.facts.pooling, c.pooling);
    EXPECT_EQ(raw.facts.made_for_embeddings, c.made_for_embeddings);
    EXPECT_EQ(raw.facts.dim, 64u);
    EXPECT_EQ(raw.facts.tokens, tokens.size());
    EXPECT_EQ(EmbedOne(model, TextOf(tokens)), Normalized(c.expected));
  }
}

TEST_F(EmbedTest, ATextIsEncodedAsTheVocabularyAsks) {
  GgufSpec spec = Spec();
  for (const bool with_eos : {false, true}) {
    for (const bool with_bos : {false, true}) {
      GgufBytes file;
      spec.tokens = spec.vocab;
      AddKeys(spec, &file);
      file.Add("tokenizer.ggml.add_eos_token", with_eos);
      file.Add("tokenizer.ggml.add_bos_token", with_bos);
      for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
        file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
      }
      const TemporaryFolder folder;
      clamma_txf_info_t info = ModelInfo(folder.Write("model.gguf", file.Build()));
      info.tokenizer_path = nullptr;
      const TxfPtr model = clamma_test::Open(info);
      const std::string text = "the hand</s>";
      Tokens tokens(40);
      size_t n = 0;
      const unsigned flags = CLAMMA_ENCODE_DUMMY_PREFIX | (with_bos ? CLAMMA_ENCODE_BOS : 0u) |
                             (with_eos ? CLAMMA_ENCODE_EOS : 0u);
      ASSERT_EQ(clamma_encode(model.get(), text.data(), text.size(), flags, tokens.data(),
                              tokens.size(), &n),
                0);
      tokens.resize(n);
      EXPECT_EQ(EmbedOne(model, TextOf(text)), EmbedOne(model, TextOf(tokens)));
      EXPECT_EQ(Embed(model, {TextOf(text)}).facts.tokens, n);
    }
  }
}

// ---- The same bits whatever else is computed ----

class EmbedFamilies : public testing::TestWithParam<NamedGguf>, protected GgufOpener {};

TEST_P(EmbedFamilies, EmbeddingsDoNotDependOnTheOthersOrOnThreads) {
  GgufSpec spec = GetParam().spec;
  spec.context = 256;
  const std::vector<Tokens> texts = TokensOfManyLengths(static_cast<tok_id_t>(spec.vocab));
  for (const uint32_t pooling : {1, 3}) {
    spec.numbers["pooling_type"] = pooling;
    for (const clamma_kv_type_t kv_type : {CLAMMA_KV_F32, CLAMMA_KV_Q8}) {
      const TxfPtr model = Open(spec, kv_type);
      const Embedded together = Embed(model, TextsOf(texts));
      ASSERT_EQ(together.failed, 0) << log.last();
      for (size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(together.vectors[i], EmbedOne(model, TextOf(texts[i]))) << "text " << i;
      }
      const std::vector<Tokens> reversed(texts.rbegin(), texts.rend());
      const TxfPtr threaded = Open(spec, kv_type, 2);
      const Embedded other = Embed(threaded, TextsOf(reversed));
      EXPECT_EQ(std::vector<Vector>(other.vectors.rbegin(), other.vectors.rend()),
                together.vectors);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EmbedFamilies, testing::ValuesIn(FamilyModels()),
                         [](const auto& test) { return test.param.name; });

TEST_F(EmbedTest, LeavesNoMemoryBehindAndServesBesideSessions) {
  const TxfPtr model = Open(Spec());
  const std::vector<Tokens> texts = TokensOfManyLengths(290);
  const Embedded expected = Embed(model, TextsOf(texts));
  const std::string whole = RunFresh(model, {.prompt = "the hand", .limit = 60}).text;
  const uint64_t before = Facts(model).memory_bytes;
  const SessionPtr session = NewSession(model);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "the hand", .limit = 60}), 0);
  Parts parts;
  parts.on_part = [] {
    EXPECT_EQ(clamma_sessions_step_next(), 1) << "sessions are served between two passes";
    return 0;
  };
  const Embedded embedded = Embed(model, TextsOf(texts), 0, &parts);
  EXPECT_EQ(embedded.vectors, expected.vectors);
  EXPECT_GT(parts.told.size(), 3u);
  for (size_t i = 1; i < parts.told.size(); ++i) {
    EXPECT_GT(parts.told[i].first, parts.told[i - 1].first);
  }
  size_t total = 0;
  for (const Tokens& tokens : texts) total += tokens.size();
  EXPECT_EQ(parts.told.back(), std::make_pair(total, total));
  EXPECT_LE(parts.told.size(), 2 * total / 64) << "several texts go into a pass";
  StepAll();
  EXPECT_EQ(listener.text, whole);
  EXPECT_EQ(Facts(model).memory_bytes, before);
}

// ---- Refusals ----

TEST_F(EmbedTest, NonZeroReturnOfProgressCbCancels) {
  const TxfPtr model = Open(Spec());
  Parts parts;
  parts.on_part = [&] { return parts.told.size() == 2 ? 1 : 0; };
  const Embedded result = Embed(model, TextsOf(TokensOfManyLengths(290)), 0, &parts);
  EXPECT_NE(result.failed, 0);
  EXPECT_EQ(parts.told.size(), 2u);
  EXPECT_EQ(result.facts.dim, 0u) << "nothing is told";
  EXPECT_EQ(log.lines, std::vector<std::string>{"clamma_embed() was cancelled by its progress_cb"});
}

TEST_F(EmbedTest, WhatCannotBeEmbeddedIsRefusedWithAReason) {
  const TxfPtr model = Open(Spec());
  const Tokens good = {1, 5};
  const Tokens bad = {1, 290};
  const Tokens negative = {-1};
  const Tokens too_long = SomeTokens(129, 1, 290);
  const std::string endless(100000, 'x');
  const clamma_text_t nothing = {nullptr, 0, good.data(), 0};
  const clamma_text_t missing = {nullptr, 3, nullptr, 0};
  const struct {
    clamma_text_t text;
    const char* reason;
  } cases[] = {
      {TextOf(bad), "text 1: token 290 at 1 is not one of 0 .. 289"},
      {TextOf(negative), "text 1: token -1 at 0 is not one of 0 .. 289"},
      {TextOf(too_long), "text 1: there are 129 tokens, and room for 128"},
      {TextOf(endless), "text 1: a text of 100000 bytes takes at least"},
      {nothing, "text 1: there are no tokens"},
      {missing, "text 1: size is given, and text is NULL"},
  };
  for (const auto& c : cases) {
    log.lines.clear();
    EXPECT_NE(Embed(model, {TextOf(good), c.text, TextOf(good)}).failed, 0) << c.reason;
    ASSERT_EQ(log.lines.size(), 1u) << c.reason;
    EXPECT_EQ(log.last().find(c.reason), 0u) << log.last();
  }
  EXPECT_EQ(Embed(model, {TextOf(SomeTokens(128, 1, 290))}).failed, 0);
}

TEST_F(EmbedTest, ArgumentsThatMakeNoSenseAreRefused) {
  const TxfPtr model = Open(Spec());
  const Tokens tokens = {1, 5};
  const clamma_text_t texts[] = {TextOf(tokens), TextOf(tokens)};
  Vector room(128, 7.0f);
  const auto embed = [&](size_t count, unsigned flags, size_t max) {
    return clamma_embed(model.get(), texts, count, flags, nullptr, nullptr, room.data(), max,
                        nullptr);
  };
  EXPECT_EQ(embed(2, 0, 128), 0);
  EXPECT_EQ(embed(1, 0, 64), 0);
  EXPECT_EQ(log.lines.size(), 0u);
  EXPECT_NE(embed(2, 0, 127), 0);
  EXPECT_EQ(log.last(), "2 embeddings of 64 floats do not fit in an array of 127");
  EXPECT_NE(embed(SIZE_MAX, 0, 128), 0) << "the product exceeds 64 bits";
  EXPECT_NE(embed(1, 2, 128), 0);
  EXPECT_EQ(log.last(), "flags 0x2: unknown ones are set");
  EXPECT_NE(clamma_embed(model.get(), nullptr, 1, 0, nullptr, nullptr, room.data(), 128, nullptr),
            0);
  EXPECT_NE(clamma_embed(model.get(), texts, 1, 0, nullptr, nullptr, nullptr, 64, nullptr), 0);
  EXPECT_EQ(log.last(), "clamma_embed() was given NULL where it needs something");
  clamma_embed_facts_t facts = {};
  EXPECT_EQ(clamma_embed(model.get(), nullptr, 0, 0, nullptr, nullptr, nullptr, 0, &facts), 0);
  EXPECT_EQ(facts.dim, 64u);
  EXPECT_EQ(facts.tokens, 0u);
}

constexpr char kIsForEmbeddings[] =
    "model.gguf is an embedding model, which writes and scores no texts but turns them into "
    "vectors: see clamma_embed()";

TEST_F(EmbedTest, ModelsThatWereMadeForItRefuseQueries) {
  const TxfPtr model = Open(Pooled(3));
  const SessionPtr session = NewSession(model);
  Listener listener;
  EXPECT_NE(StartQuery(session.get(), listener, {.prompt = "the hand"}), 0);
  EXPECT_EQ(log.last(), kIsForEmbeddings);
}

TEST_F(EmbedTest, ModelsThatWereMadeForItRefuseToScore) {
  const TxfPtr model = Open(Pooled(3));
  const tok_id_t tokens[] = {1, 5, 6};
  float logprobs[2] = {};
  EXPECT_NE(
      clamma_score_tokens(model.get(), tokens, 3, logprobs, 0, nullptr, nullptr, nullptr, nullptr),
      0);
  EXPECT_EQ(log.last(), kIsForEmbeddings);
  clamma_score_t score = {};
  EXPECT_NE(clamma_score(model.get(), "the hand", 8, &score, nullptr, 0), 0);
  EXPECT_EQ(log.last(), kIsForEmbeddings);
  const clamma_text_t text = TextOf(Tokens{5, 6});
  clamma_continuation_score_t scores[1] = {};
  EXPECT_NE(clamma_score_continuations(model.get(), &text, &text, 1, nullptr, nullptr, scores), 0);
  EXPECT_EQ(log.last(), kIsForEmbeddings);
  EXPECT_EQ(log.lines.size(), 3u);
}

TEST_F(EmbedTest, IsRefusedInsideACallback) {
  const TxfPtr model = Open(Spec());
  const SessionPtr session = NewSession(model);
  Listener listener;
  bool called = false;
  listener.on_text = [&] {
    const Tokens tokens = {1, 5};
    EXPECT_NE(Embed(model, {TextOf(tokens)}).failed, 0);
    EXPECT_EQ(log.last(), "clamma_embed() cannot run inside a callback of a step");
    called = true;
    return 1;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "the hand", .limit = 20}), 0);
  StepAll();
  EXPECT_TRUE(called);
}

TEST_F(EmbedTest, StatesThatAreNotNumbersAreReported) {
  GgufSpec spec = Spec();
  spec.tokens = spec.vocab;
  GgufBytes file;
  AddKeys(spec, &file);
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    std::vector<uint8_t> bytes = BytesOf(spec, tensor);
    if (tensor.name == "blk.1.ffn_norm.weight") bytes = FloatBytes(Vector(64, NAN));
    file.AddTensor(tensor.name, tensor.type, tensor.dims, bytes);
  }
  const TemporaryFolder folder;
  clamma_txf_info_t info = ModelInfo(folder.Write("model.gguf", file.Build()));
  info.tokenizer_path = nullptr;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = clamma_test::Open(info);
  EXPECT_NE(Embed(model, {TextOf(std::string("the hand"))}).failed, 0);
  EXPECT_EQ(log.last(), "the model's state is not a number: its weights are damaged");
}

}  // namespace
}  // namespace clamma_test
