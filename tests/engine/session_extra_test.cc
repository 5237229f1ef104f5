// SPDX-License-Identifier: MIT
// Stop strings, logprobs, and the state of a session: editing, saving and restoring it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "api_fixture.h"
#include "checkpoint_bytes.h"

namespace clamma_test {
namespace {

constexpr Ask kStory = {
    .prompt = "Lily", .limit = 60, .temperature = 1, .topp = 0.9f, .seed = 1024};

class SessionExtraTest : public FloatModelTest {};

Outcome RunInfo(txf_session* session, Listener& listener, const clamma_txf_info_t& info) {
  Outcome outcome;
  EXPECT_EQ(clamma_session_query(session, &info), 0);
  StepAll();
  outcome.text = listener.text;
  if (listener.ended()) outcome.why = listener.ends[0];
  outcome.facts = Facts(session);
  return outcome;
}

std::vector<tok_id_t> Tokens(const txf_session* session) {
  size_t count = 0;
  EXPECT_EQ(clamma_session_get_tokens(session, nullptr, 0, &count), 0);
  std::vector<tok_id_t> tokens(count);
  EXPECT_EQ(clamma_session_get_tokens(session, tokens.data(), count, &count), 0);
  return tokens;
}

// ---- Stop strings ----

TEST_F(SessionExtraTest, StopStringEndsTheTextBeforeIt) {
  const std::string whole = RunFresh(model_, kStory).text;
  for (size_t at : {whole.size() / 4, whole.size() / 2, whole.size() * 3 / 4}) {
    const std::string stop = whole.substr(at, 9);
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, kStory);
    const char* strings[] = {"no such text", stop.c_str()};
    info.stop_strings = strings;
    info.stop_string_count = 2;
    const Outcome outcome = RunInfo(NewSession(model_).get(), listener, info);
    EXPECT_EQ(outcome.why, CLAMMA_DONE_STOP_STRING) << stop;
    EXPECT_EQ(outcome.text, whole.substr(0, whole.find(stop))) << stop;
  }
}

TEST_F(SessionExtraTest, StopStringThatIsNotReachedChangesNothing) {
  const Outcome whole = RunFresh(model_, kStory);
  // It begins with the last letters of the text, which are held back and issued at the end.
  const std::string stop = whole.text.substr(whole.text.size() - 5) + "\x01";
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, kStory);
  const char* strings[] = {stop.c_str()};
  info.stop_strings = strings;
  info.stop_string_count = 1;
  const Outcome outcome = RunInfo(NewSession(model_).get(), listener, info);
  EXPECT_EQ(outcome.why, whole.why);
  EXPECT_EQ(outcome.text, whole.text);
}

// Letters that are held back are issued at the limit. A callback that refuses them cancels the
// query.
TEST_F(SessionExtraTest, RefusalOfWhatWasHeldBackCancels) {
  const Outcome whole = RunFresh(model_, kStory);
  ASSERT_EQ(whole.why, CLAMMA_DONE_LIMIT);
  const std::string stop = whole.text.substr(whole.text.size() - 3) + "\x01";
  const std::string shown = whole.text.substr(0, whole.text.size() - 3);
  const char* strings[] = {stop.c_str()};
  Listener listener;
  listener.on_text = [&] { return listener.text.size() > shown.size() ? 1 : 0; };
  clamma_txf_info_t info = QueryInfo(listener, kStory);
  info.stop_strings = strings;
  info.stop_string_count = 1;
  const Outcome outcome = RunInfo(NewSession(model_).get(), listener, info);
  EXPECT_EQ(outcome.text, whole.text);
  EXPECT_EQ(outcome.why, CLAMMA_DONE_CANCELLED);
}

TEST_F(SessionExtraTest, BadStopStringsAreRefused) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, kStory);
  info.stop_string_count = 1;
  EXPECT_NE(clamma_session_query(session.get(), &info), 0);
  const char* strings[] = {""};
  info.stop_strings = strings;
  EXPECT_NE(clamma_session_query(session.get(), &info), 0);
  EXPECT_EQ(RunQuery(session.get(), kStory).text, RunFresh(model_, kStory).text);
}

// ---- Logprobs ----

struct Logprobs {
  std::vector<tok_id_t> tokens;
  std::vector<float> chosen;
  std::vector<std::vector<tok_id_t>> top;
  std::vector<std::vector<float>> top_logprobs;
};
Logprobs* current = nullptr;

void Collect(void* /*opaque*/, tok_id_t token, float logprob, size_t n_top, const tok_id_t* top,
             const float* top_logprobs) {
  current->tokens.push_back(token);
  current->chosen.push_back(logprob);
  current->top.emplace_back(top, top + n_top);
  current->top_logprobs.emplace_back(top_logprobs, top_logprobs + n_top);
}

Logprobs RunLogprobs(const TxfPtr& model, Ask ask, unsigned top) {
  Logprobs logprobs;
  current = &logprobs;
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, ask);
  info.logprobs_cb = Collect;
  info.top_logprobs = top;
  RunInfo(NewSession(model).get(), listener, info);
  return logprobs;
}

TEST_F(SessionExtraTest, LogprobsAreThoseThatScoreGives) {
  const SessionPtr session = NewSession(model_);
  const Outcome story = RunQuery(session.get(), {.prompt = "", .limit = 60});
  std::vector<float> scores(512);
  clamma_score_t score = {};
  ASSERT_EQ(clamma_score(model_.get(), story.text.data(), story.text.size(), &score, scores.data(),
                         scores.size()),
            0);
  const Logprobs logprobs = RunLogprobs(model_, {.prompt = "", .limit = 60}, 1);
  ASSERT_EQ(logprobs.chosen.size(), 60u);
  for (size_t i = 0; i < 40; ++i) {  // the end of the text may be encoded differently
    EXPECT_EQ(logprobs.chosen[i], scores[i]) << "token " << i;
    EXPECT_EQ(logprobs.top[i][0], logprobs.tokens[i]) << "greedy: the likeliest at " << i;
    EXPECT_EQ(logprobs.top_logprobs[i][0], logprobs.chosen[i]);
  }
}

TEST_F(SessionExtraTest, LogprobsAreOfTheRawDistributionWhateverTheSampling) {
  // The query asks for the whole vocabulary, so the probabilities add up to 1.
  const Logprobs all = RunLogprobs(model_, {.prompt = "Tom", .limit = 3, .temperature = 2}, 9999);
  ASSERT_EQ(all.top.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(all.top[i].size(), 512u);
    double sum = 0;
    for (size_t k = 0; k < 512; ++k) {
      sum += std::exp(static_cast<double>(all.top_logprobs[i][k]));
      if (k > 0) {
        EXPECT_GE(all.top_logprobs[i][k - 1], all.top_logprobs[i][k]);
      }
    }
    EXPECT_NEAR(sum, 1, 1e-5);
    const auto place = std::find(all.top[i].begin(), all.top[i].end(), all.tokens[i]);
    ASSERT_NE(place, all.top[i].end());
    EXPECT_EQ(all.top_logprobs[i][static_cast<size_t>(place - all.top[i].begin())], all.chosen[i]);
  }
  const Logprobs cold = RunLogprobs(model_, {.prompt = "Tom", .limit = 1, .temperature = 0}, 5);
  EXPECT_TRUE(std::equal(cold.top[0].begin(), cold.top[0].end(), all.top[0].begin()));
  EXPECT_TRUE(std::equal(cold.top_logprobs[0].begin(), cold.top_logprobs[0].end(),
                         all.top_logprobs[0].begin()));
}

// ---- Tokens ----

TEST_F(SessionExtraTest, TokensAreThePromptAndWhatWasGenerated) {
  const SessionPtr session = NewSession(model_);
  EXPECT_TRUE(Tokens(session.get()).empty());
  const Outcome story = RunQuery(session.get(), kStory);
  const std::vector<tok_id_t> tokens = Tokens(session.get());
  ASSERT_EQ(tokens.size(), story.facts.prompt_tokens + story.facts.generated_tokens);
  size_t count = 0;
  tok_id_t prompt[16] = {};
  ASSERT_EQ(clamma_encode_query(model_.get(), nullptr, "Lily", 1, prompt, 16, &count), 0);
  ASSERT_EQ(count, story.facts.prompt_tokens);
  EXPECT_TRUE(std::equal(prompt, prompt + count, tokens.begin()));
}

TEST_F(SessionExtraTest, SetTokensGoesOnAsIfTheContextHadComeThatWay) {
  const SessionPtr first = NewSession(model_);
  const Outcome story = RunQuery(first.get(), kStory);
  const std::vector<tok_id_t> tokens = Tokens(first.get());
  Ask more = {.prompt = nullptr, .limit = 40, .temperature = 1, .topp = 0.9f};
  more.seed = story.facts.rng_state;
  const std::string expected = RunQuery(first.get(), more).text;
  // An empty session, one with a common beginning, one with more.
  for (size_t kept : {size_t{0}, tokens.size() / 2, tokens.size()}) {
    const SessionPtr other = NewSession(model_);
    std::vector<tok_id_t> before(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(kept));
    ASSERT_EQ(clamma_session_set_tokens(other.get(), before.data(), before.size()), 0);
    RunQuery(other.get(), {.prompt = kept == 0 ? "Tom" : nullptr, .limit = 9});
    ASSERT_EQ(clamma_session_set_tokens(other.get(), tokens.data(), tokens.size()), 0);
    const size_t position = Facts(other.get()).position;
    EXPECT_GE(position, kept == 0 ? 1 : kept - 1) << "the common beginning stays";
    EXPECT_EQ(RunQuery(other.get(), more).text, expected) << kept << " tokens in common";
  }
}

TEST_F(SessionExtraTest, SetTokensRefusesWhatCannotBe) {
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), kStory);
  const std::vector<tok_id_t> before = Tokens(session.get());
  const std::vector<tok_id_t> too_many(513, 5);
  const tok_id_t bad[] = {1, 512};
  const tok_id_t negative[] = {1, -1};
  EXPECT_NE(clamma_session_set_tokens(session.get(), too_many.data(), 513), 0);
  EXPECT_NE(clamma_session_set_tokens(session.get(), bad, 2), 0);
  EXPECT_NE(clamma_session_set_tokens(session.get(), negative, 2), 0);
  EXPECT_NE(clamma_session_set_tokens(session.get(), nullptr, 2), 0);
  EXPECT_EQ(Tokens(session.get()), before);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = nullptr, .limit = 5}), 0);
  EXPECT_NE(clamma_session_set_tokens(session.get(), before.data(), 3), 0) << "a query runs";
  StepAll();
}

TEST_F(SessionExtraTest, SetTokensOfNoneIsANewSession) {
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), {.prompt = "Tom", .limit = 20});
  ASSERT_EQ(clamma_session_set_tokens(session.get(), nullptr, 0), 0);
  EXPECT_EQ(Facts(session.get()).position, 0u);
  EXPECT_EQ(RunQuery(session.get(), kStory).text, RunFresh(model_, kStory).text);
}

TEST_F(SessionExtraTest, FullContextOfTokensGivesOneMore) {
  const SessionPtr session = NewSession(model_);
  std::vector<tok_id_t> tokens(512, 300);
  tokens[0] = TOK_BOS;
  ASSERT_EQ(clamma_session_set_tokens(session.get(), tokens.data(), tokens.size()), 0);
  const Outcome outcome = RunQuery(session.get(), {.prompt = nullptr});
  EXPECT_EQ(outcome.facts.generated_tokens, 1u);
  EXPECT_EQ(outcome.why, CLAMMA_DONE_CONTEXT_FULL);
  EXPECT_EQ(Tokens(session.get()).size(), 513u);
}

// ---- Save and restore ----

TEST_F(SessionExtraTest, RestoredSessionGoesOnBitForBit) {
  for (const char* checkpoint : {kFloatModel, kQ80Model}) {
    for (const clamma_kv_type_t kv : {CLAMMA_KV_F32, CLAMMA_KV_F16, CLAMMA_KV_Q8}) {
      clamma_txf_info_t info = ModelInfo(checkpoint);
      info.kv_type = kv;
      const TxfPtr model = Open(info);
      Ask long_story = kStory;
      long_story.limit = 200;
      const std::string whole = RunFresh(model, long_story).text;
      const SessionPtr saved = NewSession(model);
      const Outcome part = RunQuery(saved.get(), kStory);
      const Stream stream = Save(saved.get());
      // Restores it in another access mode, and with another number of threads.
      info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
      info.threads = 2;
      const TxfPtr elsewhere = Open(info);
      const SessionPtr restored = NewSession(elsewhere);
      RunQuery(restored.get(), {.prompt = "Tom", .limit = 80});
      ASSERT_EQ(Restore(restored.get(), stream), 0);
      EXPECT_EQ(Tokens(restored.get()), Tokens(saved.get()));
      EXPECT_EQ(Facts(restored.get()).rng_state, part.facts.rng_state);
      EXPECT_EQ(Facts(restored.get()).rng_seed, kStory.seed);
      Ask rest = long_story;
      rest.prompt = nullptr;
      rest.limit = 140;
      rest.seed = Facts(restored.get()).rng_state;
      EXPECT_EQ(part.text + RunQuery(restored.get(), rest).text, whole) << checkpoint << " " << kv;
      EXPECT_EQ(Save(restored.get()).bytes.size() > stream.bytes.size(), true);
    }
  }
}

// Sessions can be restored on another kind of machine. The last 8 bytes are the checksum.
TEST_F(SessionExtraTest, SavedBytesAreTheSameOnEveryMachine) {
  const std::pair<clamma_kv_type_t, uint64_t> expected[] = {{CLAMMA_KV_F32, 16308411161386377266u},
                                                            {CLAMMA_KV_F16, 158747505933668492u},
                                                            {CLAMMA_KV_Q8, 7159344629731920223u}};
  for (const auto& [kv, checksum] : expected) {
    clamma_txf_info_t info = ModelInfo(kQ80Model);
    info.kv_type = kv;
    const TxfPtr model = Open(info);
    const SessionPtr session = NewSession(model);
    RunQuery(session.get(), kStory);
    const std::vector<uint8_t> bytes = Save(session.get()).bytes;
    ASSERT_GT(bytes.size(), 1000u);
    uint64_t saved = 0;
    for (size_t i = 0; i < 8; ++i) saved |= uint64_t{bytes[bytes.size() - 8 + i]} << 8 * i;
    EXPECT_EQ(saved, checksum) << kv;
  }
}

TEST_F(SessionExtraTest, EmptySessionIsSavedAndRestored) {
  const Stream stream = Save(NewSession(model_).get());
  EXPECT_EQ(stream.bytes.size(), 72u);
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), {.prompt = "Tom", .limit = 20});
  ASSERT_EQ(Restore(session.get(), stream), 0);
  EXPECT_EQ(RunQuery(session.get(), kStory).text, RunFresh(model_, kStory).text);
}

TEST_F(SessionExtraTest, SaveOfARestoredSessionIsTheSameBytes) {
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), kStory);
  const Stream stream = Save(session.get());
  const SessionPtr other = NewSession(model_);
  ASSERT_EQ(Restore(other.get(), stream), 0);
  EXPECT_EQ(Save(other.get()).bytes, stream.bytes);
}

TEST_F(SessionExtraTest, EveryDamageIsRefusedAndTheSessionStays) {
  const SessionPtr saved = NewSession(model_);
  RunQuery(saved.get(), {.prompt = "Lily", .limit = 3});
  const Stream stream = Save(saved.get());
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), {.prompt = "Tom", .limit = 9});
  const Stream before = Save(session.get());
  for (size_t i = 0; i < stream.bytes.size(); i += i < 120 ? 1 : 37) {
    Stream damaged = stream;
    damaged.bytes[i] ^= static_cast<uint8_t>(1u << (i % 8));
    ASSERT_NE(Restore(session.get(), damaged), 0) << "byte " << i << " changed";
    Stream cut = stream;
    cut.bytes.resize(i);
    ASSERT_NE(Restore(session.get(), cut), 0) << "cut at " << i;
  }
  EXPECT_EQ(Save(session.get()).bytes, before.bytes);
}

TEST_F(SessionExtraTest, StateOfAnotherModelDictionaryOrTypeIsRefused) {
  const SessionPtr saved = NewSession(model_);
  RunQuery(saved.get(), kStory);
  const Stream stream = Save(saved.get());
  clamma_txf_info_t half = ModelInfo(kFloatModel);
  half.kv_type = CLAMMA_KV_F16;
  clamma_txf_info_t int8 = ModelInfo(kFloatModel);
  int8.kv_type = CLAMMA_KV_Q8;
  std::vector<uint8_t> dictionary = ReadBytes(ModelPath(kDictionary));
  dictionary.back() ^= 1;
  HeapCopy changed(dictionary);
  clamma_txf_info_t other_words = ModelInfo(kFloatModel);
  changed.BecomeDictionary(&other_words);
  for (const clamma_txf_info_t& info : {ModelInfo(kQ80Model), half, int8, other_words}) {
    const TxfPtr model = Open(info);
    const SessionPtr session = NewSession(model);
    EXPECT_NE(Restore(session.get(), stream), 0);
    EXPECT_EQ(Facts(session.get()).position, 0u);
  }
}

TEST_F(SessionExtraTest, StateOfAModelInWhichOneWeightDiffersIsRefused) {
  for (const char* name :
       {kFloatV1Model, kQ80Model}) {  // the weights are at the end of these files
    const TxfPtr model = Open(ModelInfo(name));
    const SessionPtr saved = NewSession(model);
    RunQuery(saved.get(), {.prompt = "Lily", .limit = 3});
    const Stream stream = Save(saved.get());
    const std::vector<uint8_t> bytes = ReadBytes(ModelPath(name));
    constexpr size_t kPlaces = 23;
    for (size_t i = 0; i < kPlaces; ++i) {
      const size_t at = 256 + (bytes.size() - 257) * i / (kPlaces - 1);  // ends with the last byte
      std::vector<uint8_t> changed = bytes;
      changed[at] ^= 1;
      HeapCopy copy(changed);
      clamma_txf_info_t info = ModelInfo(name);
      copy.BecomeModel(&info);
      const TxfPtr other = Open(info);
      const SessionPtr session = NewSession(other);
      EXPECT_NE(Restore(session.get(), stream), 0) << name << ", byte " << at;
    }
  }
}

TxfPtr OpenBytes(HeapCopy* copy) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  copy->BecomeModel(&info);
  return Open(info);
}

// The model has less than 4 MiB, unless the embedding, which is also the classifier, counts twice.
TEST_F(SessionExtraTest, StateOfAModelOfSomeMegabytesIsBoundToEachByteOfIt) {
  std::vector<uint8_t> bytes = MakeModel({1, 512, 8, 1, 64, 1, 512, 8, true, 0}, 1);
  ASSERT_GT(bytes.size(), 3u << 20);
  ASSERT_LT(bytes.size(), 4u << 20);
  HeapCopy copy(bytes);
  const TxfPtr model = OpenBytes(&copy);
  ASSERT_NE(model, nullptr);
  const Stream stream = Save(NewSession(model).get());
  EXPECT_EQ(Restore(NewSession(model).get(), stream), 0);
  for (size_t i = 0; i < 50; ++i) {
    const size_t at = 256 + (i * 7919 * 1031) % (bytes.size() - 256);
    bytes[at] ^= 1;
    HeapCopy changed(bytes);
    const TxfPtr other = OpenBytes(&changed);
    EXPECT_NE(Restore(NewSession(other).get(), stream), 0) << "byte " << at;
    bytes[at] ^= 1;
  }
}

// Above 4 MiB, only the first 1024 of each 2048 bytes of a matrix count.
TEST_F(SessionExtraTest, StateOfALargerModelIsBoundToPiecesOfEachMatrix) {
  std::vector<uint8_t> bytes = MakeModel({1, 512, 8, 1, 64, 1, 512, 8, false, 0}, 1);
  ASSERT_GT(bytes.size(), 4u << 20);
  const size_t norms = 3 * 512 * 4;
  const size_t embedding = 256 + norms;
  const size_t classifier = bytes.size() - 512 * 512 * 4;
  HeapCopy copy(bytes);
  const TxfPtr model = OpenBytes(&copy);
  ASSERT_NE(model, nullptr);
  const Stream stream = Save(NewSession(model).get());
  for (const auto& [at, counts] : {std::pair<size_t, bool>{embedding + 1023, true},
                                   {embedding + 1024, false},
                                   {embedding + 2048, true},
                                   {classifier - 1, false},
                                   {classifier, true},
                                   {classifier + 1024, false}}) {
    bytes[at] ^= 1;
    HeapCopy changed(bytes);
    const TxfPtr other = OpenBytes(&changed);
    EXPECT_EQ(Restore(NewSession(other).get(), stream) != 0, counts) << "byte " << at;
    bytes[at] ^= 1;
  }
}

// The checkpoint is shorter than a header of 256 bytes.
TEST_F(SessionExtraTest, StateOfTheSmallestModelIsSavedAndRestored) {
  const std::vector<uint8_t> bytes = clamma_test::MakeModel({0, 2, 1, 1, 1, 1, 3, 4, true, 0}, 1);
  ASSERT_LT(bytes.size(), 256u);
  // The longest word's length, and each token's score, length and bytes.
  HeapCopy dictionary({1, 0, 0, 0,                   //
                       0, 0, 0, 0, 1, 0, 0, 0, 'a',  //
                       0, 0, 0, 0, 1, 0, 0, 0, 'b',  //
                       0, 0, 0, 0, 1, 0, 0, 0, 'c'});
  HeapCopy copy(bytes);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  copy.BecomeModel(&info);
  dictionary.BecomeDictionary(&info);
  const TxfPtr model = Open(info);
  ASSERT_NE(model, nullptr);
  const SessionPtr session = NewSession(model);
  RunQuery(session.get(), {.prompt = nullptr, .limit = 2});
  const Stream stream = Save(session.get());
  const SessionPtr restored = NewSession(model);
  EXPECT_EQ(Restore(restored.get(), stream), 0);
  EXPECT_EQ(Save(restored.get()).bytes, stream.bytes);
}

TEST_F(SessionExtraTest, BusySessionsAndFailingCallbacksAreRefused) {
  const SessionPtr session = NewSession(model_);
  const auto fail_write = [](void*, const void*, size_t) { return 1; };
  EXPECT_NE(clamma_session_save(session.get(), fail_write, nullptr), 0);
  EXPECT_NE(clamma_session_save(session.get(), nullptr, nullptr), 0);
  EXPECT_NE(clamma_session_save(nullptr, fail_write, nullptr), 0);
  EXPECT_NE(clamma_session_restore(session.get(), nullptr, nullptr), 0);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, kStory), 0);
  Stream stream;
  EXPECT_NE(clamma_session_save(session.get(), Stream::Write, &stream), 0);
  StepAll();
  EXPECT_EQ(listener.text, RunFresh(model_, kStory).text);
}

// ---- Random numbers ----

TEST_F(SessionExtraTest, RngStateGoesOnWhereACancelledQueryStopped) {
  Ask whole = kStory;
  const std::string expected = RunFresh(model_, whole).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, kStory), 0);
  while (listener.pieces < 20) ASSERT_EQ(clamma_sessions_step_next(), 1);
  clamma_sessions_query_cancel(session.get());
  StepAll();
  ASSERT_EQ(listener.ends.back(), CLAMMA_DONE_CANCELLED);
  const clamma_session_facts_t facts = Facts(session.get());
  Ask rest = kStory;
  rest.prompt = nullptr;
  rest.limit = kStory.limit - facts.generated_tokens;
  rest.seed = facts.rng_state;
  EXPECT_EQ(listener.text + RunQuery(session.get(), rest).text, expected);
}

// A pass for another session has already sampled the first token of this one, which is never
// delivered.
TEST_F(SessionExtraTest, RngStateOfAQueryThatIsCancelledBeforeItsFirstTokenIsItsSeed) {
  const SessionPtr other = NewSession(model_);
  const SessionPtr session = NewSession(model_);
  Listener others;
  Listener listener;
  ASSERT_EQ(StartQuery(other.get(), others, {.prompt = "Tom", .limit = 5}), 0);
  ASSERT_EQ(StartQuery(session.get(), listener, kStory), 0);
  ASSERT_EQ(clamma_sessions_step_next(), 1);
  ASSERT_GT(Facts(session.get()).position, 0u);
  clamma_sessions_query_cancel(session.get());
  StepAll();
  ASSERT_EQ(listener.pieces, 0u);
  EXPECT_EQ(Facts(session.get()).position, 0u);
  EXPECT_EQ(Facts(session.get()).rng_state, kStory.seed);
}

}  // namespace
}  // namespace clamma_test
