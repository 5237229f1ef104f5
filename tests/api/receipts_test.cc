// SPDX-License-Identifier: MIT
// Hashes of logits: those of a query, those that a forced pass computes again, and those in the
// kept receipts, on every machine and by every kernel table. (receipts/README.md shows how the
// receipts are made.)
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "api_fixture.h"
#include "engine/logit_hash.h"
#include "family_specs.h"
#include "kernel_fixture.h"
#include "receipt_files.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

// The tokens that a query generated, and their hashes.
struct Hashed {
  std::vector<tok_id_t> tokens;  // of the prompt, and then those that were generated
  size_t n_prompt = 0;
  std::vector<tok_id_t> ids;  // as the callback received them
  std::vector<uint64_t> hashes;

  static void Add(void* opaque, tok_id_t id, uint64_t hash) {
    static_cast<Hashed*>(opaque)->ids.push_back(id);
    static_cast<Hashed*>(opaque)->hashes.push_back(hash);
  }
};

std::vector<tok_id_t> TokensOf(const SessionPtr& session) {
  size_t count = 0;
  EXPECT_EQ(clamma_session_get_tokens(session.get(), nullptr, 0, &count), 0);
  std::vector<tok_id_t> tokens(count);
  EXPECT_EQ(clamma_session_get_tokens(session.get(), tokens.data(), count, &count), 0);
  return tokens;
}

clamma_txf_info_t Sampling(size_t limit, float temperature = 0.8f) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.limit = limit;
  info.temperature = temperature;
  info.topp = 0.95f;
  info.repetition_penalty = 1.1f;
  info.frequency_penalty = 0.2f;
  info.presence_penalty = 0.1f;
  info.rng_seed = 5;
  return info;
}

Hashed Generate(const TxfPtr& model, const char* prompt, clamma_txf_info_t info) {
  Hashed hashed;
  const SessionPtr session = NewSession(model);
  info.prompt = prompt;
  info.logit_hash_cb = Hashed::Add;
  info.opaque_user_pointer = &hashed;
  EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
  hashed.n_prompt = TokensOf(session).size();
  StepAll();
  hashed.tokens = TokensOf(session);
  EXPECT_EQ(hashed.tokens.size(), hashed.n_prompt + hashed.ids.size());
  return hashed;
}

std::vector<clamma_logit_hash_t> Force(const TxfPtr& model, const std::vector<tok_id_t>& tokens,
                                       size_t n_prompt, const clamma_txf_info_t& info) {
  std::vector<clamma_logit_hash_t> forced(tokens.size() - n_prompt);
  EXPECT_EQ(clamma_hash_logits(model.get(), &info, tokens.data(), tokens.size(), n_prompt,
                               forced.data(), nullptr),
            0);
  return forced;
}

// Expects that the forced pass gives the hashes and ids of the query.
void ExpectEqual(const TxfPtr& model, const Hashed& hashed, const clamma_txf_info_t& info) {
  const std::vector<clamma_logit_hash_t> forced =
      Force(model, hashed.tokens, hashed.n_prompt, info);
  ASSERT_EQ(forced.size(), hashed.ids.size());
  for (size_t i = 0; i < forced.size(); ++i) {
    ASSERT_EQ(forced[i].hash, hashed.hashes[i]) << "token " << i;
    ASSERT_EQ(forced[i].sampled, hashed.ids[i]) << "token " << i;
  }
}

// --- The hash ---

TEST(LogitHash, IsFnv1aOfTheBitsInLittleEndianOrder) {
  const float numbers[] = {1.0f, -0.0f, 0.1f};
  const auto* const none = static_cast<const float*>(nullptr);
  EXPECT_EQ(clamma::AddLogits(clamma::kLogitHashStart, none, 0), 0xcbf29ce484222325u);
  uint64_t expected = 0xcbf29ce484222325u;
  for (const uint8_t byte :
       {0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0x80, 0xcd, 0xcc, 0xcc, 0x3d}) {
    expected = (expected ^ byte) * 0x100000001b3u;
  }
  EXPECT_EQ(clamma::AddLogits(clamma::kLogitHashStart, numbers, 3), expected);
  const uint64_t first = clamma::AddLogits(clamma::kLogitHashStart, numbers, 1);
  EXPECT_EQ(clamma::AddLogits(first, numbers + 1, 2), expected) << "it is chained";
}

TEST(LogitHash, EveryNanIsTheSame) {
  const auto hash = [](uint32_t bits) {
    const auto number = std::bit_cast<float>(bits);
    return clamma::AddLogits(clamma::kLogitHashStart, &number, 1);
  };
  for (const uint32_t bits : {0xffc00000u, 0x7f800001u, 0xffffffffu}) {
    EXPECT_EQ(hash(bits), hash(0x7fc00000u)) << bits;
  }
  EXPECT_NE(hash(0x7f800000u), hash(0x7fc00000u)) << "infinity is a number";
}

// --- A query and a forced pass ---

class ReceiptsTest : public ModelTest {};

TEST_F(ReceiptsTest, ForcedPassGivesWhatTheQueryGave) {
  const std::string prompt =
      "Once upon a time, there was a little girl named Lily. She loved to play. ";
  for (const char* name : {kFloatModel, kQ80Model, kStraddlingModel}) {
    for (const clamma_kv_type_t kv : {CLAMMA_KV_F32, CLAMMA_KV_F16, CLAMMA_KV_Q8}) {
      SCOPED_TRACE(testing::Message() << name << ", kv type " << kv);
      clamma_txf_info_t how = ModelInfo(name);
      how.kv_type = kv;
      const TxfPtr model = Open(how);
      const clamma_txf_info_t info = Sampling(20);
      ExpectEqual(model, Generate(model, prompt.c_str(), info), info);
    }
  }
}

TEST_F(ReceiptsTest, LongContextsTakeSeveralPassesAndEndWithTheContext) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  std::string prompt;
  while (prompt.size() < 600) prompt += "Lily went to the park. ";
  const clamma_txf_info_t info = Sampling(0, 0);
  Hashed hashed = Generate(model, prompt.c_str(), info);
  ASSERT_GT(hashed.n_prompt, 160u) << "more than a pass";
  ExpectEqual(model, hashed, info);
  hashed.tokens.resize(512, 7);
  hashed.tokens.resize(513, 8);
  EXPECT_EQ(Force(model, hashed.tokens, 1, info).size(), 512u) << "the last needs no position";
}

TEST_F(ReceiptsTest, EveryThreadCountAndAccessGivesTheSame) {
  const clamma_txf_info_t info = Sampling(30);
  const Hashed hashed = Generate(Open(ModelInfo(kQ80Model)), "Lily", info);
  for (const unsigned threads : {1u, 2u, 5u}) {
    clamma_txf_info_t how = ModelInfo(kQ80Model);
    how.threads = threads;
    ExpectEqual(Open(how), hashed, info);
    how.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    how.cache_limit = SmallestCacheLimit(kQ80Model);
    ExpectEqual(Open(how), hashed, info);
  }
}

TEST_F(ReceiptsTest, ChangedTokenPartsTheHashesThereAndAllThatFollow) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const clamma_txf_info_t info = Sampling(20);
  const Hashed hashed = Generate(model, "Once upon", info);
  ASSERT_EQ(hashed.ids.size(), 20u);
  std::vector<tok_id_t> changed = hashed.tokens;
  changed[hashed.n_prompt + 9] = changed[hashed.n_prompt + 9] == 300 ? 301 : 300;
  const std::vector<clamma_logit_hash_t> forced = Force(model, changed, hashed.n_prompt, info);
  for (size_t i = 0; i < forced.size(); ++i) {
    EXPECT_EQ(forced[i].hash == hashed.hashes[i], i <= 9) << "token " << i;
  }
  EXPECT_EQ(forced[9].sampled, hashed.ids[9]) << "the token that was there is what is sampled";
}

TEST_F(ReceiptsTest, OtherSamplingGivesOtherTokensFromTheSameLogits) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const Hashed hashed = Generate(model, "Once upon", Sampling(20));
  clamma_txf_info_t other = Sampling(20);
  other.rng_seed = 6;
  const clamma_logit_bias_t bias = {300, 100};
  clamma_txf_info_t biased = Sampling(20);
  biased.logit_bias = &bias;
  biased.logit_bias_count = 1;
  size_t differ = 0;
  for (const clamma_txf_info_t& info : {other, biased}) {
    const std::vector<clamma_logit_hash_t> forced =
        Force(model, hashed.tokens, hashed.n_prompt, info);
    for (size_t i = 0; i < forced.size(); ++i) {
      EXPECT_EQ(forced[i].hash, hashed.hashes[i]);
      differ += forced[i].sampled != hashed.ids[i] ? 1 : 0;
    }
  }
  EXPECT_GT(differ, 20u) << "all that are biased, and some of the others";
}

TEST_F(ReceiptsTest, EachQueryStartsAChainOfItsOwn) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const Hashed whole = Generate(model, "Once upon", Sampling(8));
  const SessionPtr session = NewSession(model);
  for (int i = 0; i < 2; ++i) {
    Hashed again;
    clamma_txf_info_t info = Sampling(8);
    info.prompt = "Once upon";
    info.logit_hash_cb = Hashed::Add;
    info.opaque_user_pointer = &again;
    ASSERT_EQ(clamma_session_set_tokens(session.get(), nullptr, 0), 0);
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    EXPECT_EQ(again.hashes, whole.hashes);
  }
}

TEST_F(ReceiptsTest, CallbackMayDestroyTheSession) {
  static txf_session* session = nullptr;
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  session = clamma_session_construct(model.get());
  clamma_txf_info_t info = Sampling(8);
  info.prompt = "Once";
  info.logit_hash_cb = [](void*, tok_id_t, uint64_t) { clamma_session_destroy(session); };
  ASSERT_EQ(clamma_session_query(session, &info), 0);
  StepAll();
  EXPECT_EQ(Facts(model).sessions, 0u);
}

// --- Refusals, cancelling, other sessions ---

TEST_F(ReceiptsTest, WhatMakesNoSenseIsRefusedWithAReason) {
  LogCollector log;
  clamma_txf_info_t how = ModelInfo(kFloatModel);
  how.log_cb = LogCollector::Log;
  how.opaque_user_pointer = &log;
  const TxfPtr model = Open(how);
  std::vector<tok_id_t> tokens(515, 7);
  std::vector<clamma_logit_hash_t> hashes(tokens.size());
  const auto refused = [&](size_t count, size_t n_prompt, const clamma_txf_info_t& info) {
    EXPECT_NE(clamma_hash_logits(model.get(), &info, tokens.data(), count, n_prompt, hashes.data(),
                                 nullptr),
              0);
    return log.last();
  };
  const clamma_txf_info_t good = Sampling(1);
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_PRED2(has, refused(514, 1, good), "514 tokens do not fit in the context of 512");
  EXPECT_PRED2(has, refused(5, 0, good), "a prompt of 0 tokens is not one of 1 .. 5");
  EXPECT_PRED2(has, refused(5, 6, good), "a prompt of 6 tokens is not one of 1 .. 5");
  tokens[3] = 512;
  EXPECT_PRED2(has, refused(5, 1, good), "tokens: token 512 at 3 is not one of 0 .. 511");
  tokens[3] = -1;
  EXPECT_PRED2(has, refused(5, 1, good), "tokens: token -1 at 3 is not one of 0 .. 511");
  tokens[3] = 7;
  clamma_txf_info_t info = good;
  info.rng_seed = 0;
  EXPECT_PRED2(has, refused(5, 1, info), "rng_seed must be the seed of the query");
  info.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_PRED2(has, refused(5, 1, info), "temperature must be 0 or more");
  const clamma_logit_bias_t bias = {512, 1};
  info = good;
  info.logit_bias = &bias;
  info.logit_bias_count = 1;
  EXPECT_PRED2(has, refused(5, 1, info), "logit_bias: token 512 at 0");
  EXPECT_NE(clamma_hash_logits(nullptr, &good, tokens.data(), 2, 1, hashes.data(), nullptr), 0);
  EXPECT_NE(clamma_hash_logits(model.get(), nullptr, tokens.data(), 2, 1, hashes.data(), nullptr),
            0);
  EXPECT_NE(clamma_hash_logits(model.get(), &good, nullptr, 2, 1, hashes.data(), nullptr), 0);
  EXPECT_NE(clamma_hash_logits(model.get(), &good, tokens.data(), 2, 1, nullptr, nullptr), 0);
  EXPECT_EQ(clamma_hash_logits(model.get(), &good, tokens.data(), 2, 2, nullptr, nullptr), 0)
      << "nothing was generated";
}

TEST_F(ReceiptsTest, LogitsThatAreNoNumbersAreAReason) {
  std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
  PutInt32(&bytes, 256 + 4 * (2 * 5 * 64), 0x7fc00000);  // NaN in the final norm
  HeapCopy damaged(bytes);
  clamma_txf_info_t how = ModelInfo(kFloatV1Model);
  damaged.BecomeModel(&how);
  const TxfPtr model = Open(how);
  const clamma_txf_info_t info = Sampling(1);
  const std::vector<tok_id_t> tokens = {1, 300, 301};
  clamma_logit_hash_t hashes[2];
  EXPECT_NE(clamma_hash_logits(model.get(), &info, tokens.data(), 3, 1, hashes, nullptr), 0);
}

struct Progress {
  std::vector<size_t> done;
  size_t total = 0;
  size_t cancel_after = SIZE_MAX;

  static int Take(void* opaque, size_t done, size_t total) {
    auto& self = *static_cast<Progress*>(opaque);
    self.done.push_back(done);
    self.total = total;
    return self.done.size() > self.cancel_after ? 1 : 0;
  }
};

TEST_F(ReceiptsTest, ProgressIsToldAndMayCancel) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const std::vector<tok_id_t> tokens(400, 300);
  std::vector<clamma_logit_hash_t> hashes(399);
  Progress progress;
  clamma_txf_info_t info = Sampling(1);
  info.opaque_user_pointer = &progress;
  ASSERT_EQ(
      clamma_hash_logits(model.get(), &info, tokens.data(), 400, 1, hashes.data(), Progress::Take),
      0);
  EXPECT_GT(progress.done.size(), 2u);
  EXPECT_TRUE(std::is_sorted(progress.done.begin(), progress.done.end()));
  EXPECT_EQ(progress.done.back(), 399u);
  EXPECT_EQ(progress.total, 399u);
  progress = {};
  progress.cancel_after = 1;
  EXPECT_NE(
      clamma_hash_logits(model.get(), &info, tokens.data(), 400, 1, hashes.data(), Progress::Take),
      0);
  EXPECT_EQ(progress.done.size(), 2u);
}

TEST_F(ReceiptsTest, OtherSessionsAreServedBetweenPasses) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const std::string alone = RunFresh(model, {.limit = 40}).text;
  const std::vector<tok_id_t> tokens(400, 300);
  std::vector<clamma_logit_hash_t> expected = Force(model, tokens, 1, Sampling(1));
  std::vector<clamma_logit_hash_t> hashes(399);
  const SessionPtr session = NewSession(model);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 40}), 0);
  const clamma_txf_info_t info = Sampling(1);
  const auto step = [](void*, size_t, size_t) { return clamma_sessions_step_next() == 0 ? 1 : 0; };
  ASSERT_EQ(clamma_hash_logits(model.get(), &info, tokens.data(), 400, 1, hashes.data(), step), 0);
  EXPECT_GT(listener.pieces, 0u);
  StepAll();
  EXPECT_EQ(listener.text, alone);
  for (size_t i = 0; i < hashes.size(); ++i) ASSERT_EQ(hashes[i].hash, expected[i].hash);
}

TEST_F(ReceiptsTest, ForcedPassInsideACallbackFails) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const SessionPtr session = NewSession(model);
  Listener listener;
  size_t refused = 0;
  listener.on_text = [&] {
    const std::vector<tok_id_t> tokens = {1, 300};
    clamma_logit_hash_t hash;
    const clamma_txf_info_t info = Sampling(1);
    refused += clamma_hash_logits(model.get(), &info, tokens.data(), 2, 1, &hash, nullptr) != 0;
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 3}), 0);
  StepAll();
  EXPECT_EQ(refused, listener.pieces);
}

// --- Windows, and two sets of rotation factors ---

class FamilyReceipts : public testing::TestWithParam<NamedGguf> {};

TEST_P(FamilyReceipts, ForcedPassGivesWhatTheQueryGave) {
  GgufSpec spec = GetParam().spec;
  spec.tokens = spec.vocab;
  spec.context = 1024;
  TemporaryFolder folder;
  size_t longest = 0;
  for (spec.seed = 1; spec.seed < 60 && longest < 60; ++spec.seed) {
    clamma_txf_info_t how = ModelInfo(folder.Write("model.gguf", MakeGguf(spec).Build()));
    how.tokenizer_path = nullptr;
    how.kv_type = CLAMMA_KV_F16;
    const TxfPtr model = Open(how);
    const clamma_txf_info_t info = Sampling(60);
    const Hashed hashed = Generate(model, "the hand", info);
    ExpectEqual(model, hashed, info);
    longest = std::max(longest, hashed.ids.size());
  }
  EXPECT_EQ(longest, 60u) << "beyond windows and Phi's original context";
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyReceipts, testing::ValuesIn(FamilyModels()),
                         [](const auto& test) { return test.param.name; });

// --- The kept receipts ---

struct Kept {
  const char* receipt;
  const char* model;  // in the test data; "": generated by the test
};
constexpr Kept kKept[] = {{"stories260K", kFloatModel},
                          {"stories260K_q80", kQ80Model},
                          {"stories260K_f16", kFloatV1Model},
                          {"made_q4_k", ""}};

class KeptReceipts : public testing::TestWithParam<const clamma::Kernels*> {};

TEST_P(KeptReceipts, AreEqualHere) {
  CpuChoice choice;
  choice.Set(GetParam()->name);
  TemporaryFolder folder;
  const std::string made = folder.Write("made.gguf", MakeGguf(KeptSpec()).Build());
  for (const Kept& kept : kKept) {
    SCOPED_TRACE(kept.receipt);
    const bool is_made = kept.model[0] == '\0';
    if (!is_made) CLAMMA_NEED_FILE(ModelPath(kept.model));
    const KeptReceipt receipt = ReadKeptReceipt(kept.receipt);
    ASSERT_GE(receipt.hashes.size(), 8u);
    EXPECT_EQ(receipt.sum_order, clamma_sum_order_version());
    for (const unsigned threads : {1u, 2u}) {
      clamma_txf_info_t how = ModelInfo(is_made ? made : std::string(kept.model));
      if (is_made) how.tokenizer_path = nullptr;
      how.threads = threads;
      how.kv_type = receipt.kv.find("f16") != std::string::npos  ? CLAMMA_KV_F16
                    : receipt.kv.find("q8") != std::string::npos ? CLAMMA_KV_Q8
                                                                 : CLAMMA_KV_F32;
      const TxfPtr model = Open(how);
      EXPECT_STREQ(Facts(model).kernels, GetParam()->name);
      const std::vector<clamma_logit_hash_t> forced =
          Force(model, receipt.tokens, receipt.n_prompt, receipt.sampling);
      ASSERT_EQ(forced.size(), receipt.hashes.size());
      for (size_t i = 0; i < forced.size(); ++i) {
        ASSERT_EQ(forced[i].hash, receipt.hashes[i]) << "token " << i;
        ASSERT_EQ(forced[i].sampled, receipt.tokens[receipt.n_prompt + i]) << "token " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, KeptReceipts, testing::ValuesIn(Tables()), NameOf);

}  // namespace
}  // namespace clamma_test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::strcmp(argv[1], "--write-model") == 0) {
    const std::vector<uint8_t> bytes = clamma_test::MakeGguf(clamma_test::KeptSpec()).Build();
    std::ofstream file(argv[2], std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return file.flush() ? 0 : 1;
  }
  return RUN_ALL_TESTS();
}
