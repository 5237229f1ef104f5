// SPDX-License-Identifier: MIT
// clamma-extra.h: tokens and facts.
#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <string>
#include <vector>

#include "extra_fixture.h"
#include "platform/threads.h"

namespace clamma_test {
namespace {

// ---- Tokens ----

TEST_F(ExtraTest, EncodeTellsTheSizeFirst) {
  const std::string text = "Once upon a time";
  size_t count = 0;
  ASSERT_EQ(clamma_encode(model_.get(), text.data(), text.size(), kAsPrompt, nullptr, 0, &count),
            0);
  ASSERT_GT(count, 2u);
  std::vector<tok_id_t> tokens(count, -7);
  size_t needed = 0;
  ASSERT_EQ(clamma_encode(model_.get(), text.data(), text.size(), kAsPrompt, tokens.data(),
                          count - 1, &needed),
            0);
  EXPECT_EQ(needed, count);
  EXPECT_EQ(tokens, std::vector<tok_id_t>(count, -7)) << "without room nothing is written";
  ASSERT_EQ(clamma_encode(model_.get(), text.data(), text.size(), kAsPrompt, tokens.data(), count,
                          &needed),
            0);
  EXPECT_EQ(tokens[0], TOK_BOS);
  EXPECT_EQ(Decode(tokens), text);
}

TEST_F(ExtraTest, FlagsPutBosPrefixAndEosAround) {
  EXPECT_EQ(Encode("", 0), std::vector<tok_id_t>{});
  EXPECT_EQ(Encode("", CLAMMA_ENCODE_BOS), std::vector<tok_id_t>{TOK_BOS});
  EXPECT_EQ(Encode("", kAsPrompt), std::vector<tok_id_t>{TOK_BOS}) << "no prefix without a text";
  EXPECT_EQ(Encode("", CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_EOS),
            (std::vector<tok_id_t>{TOK_BOS, TOK_EOS}));
  const std::vector<tok_id_t> bare = Encode(" Lily", 0);
  EXPECT_EQ(Encode("Lily", CLAMMA_ENCODE_DUMMY_PREFIX), bare);
  EXPECT_NE(Encode("Lily", 0), bare);
  std::vector<tok_id_t> all = {TOK_BOS};
  all.insert(all.end(), bare.begin(), bare.end());
  all.push_back(TOK_EOS);
  EXPECT_EQ(Encode("Lily", kAsPrompt | CLAMMA_ENCODE_EOS), all);
}

TEST_F(ExtraTest, EveryByteComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(Decode(Encode(text, 0)), text) << "byte " << byte;
    EXPECT_EQ(Decode(Encode(text, kAsPrompt)), text) << "byte " << byte << " behind BOS";
    all += text;
  }
  EXPECT_EQ(Decode(Encode(all, 0)), all);
  EXPECT_EQ(Decode(Encode(all, kAsPrompt | CLAMMA_ENCODE_EOS)), all);
  const std::string reversed(all.rbegin(), all.rend());
  EXPECT_EQ(Decode(Encode(reversed, kAsPrompt)), reversed);
}

TEST_F(ExtraTest, RealTextsComeBack) {
  for (const char* text :
       {"Once upon a time, there was a girl.", "  two  spaces ", "\n\n\ttabs",
        "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "<s></s><0x41><unk>", " ", "   "}) {
    EXPECT_EQ(Decode(Encode(text, 0)), text);
    EXPECT_EQ(Decode(Encode(text, kAsPrompt)), text);
  }
}

TEST_F(ExtraTest, ControlTokensHaveNoBytes) {
  EXPECT_EQ(Decode({}), "");
  EXPECT_EQ(Decode({0}), "");
  EXPECT_EQ(Decode({TOK_BOS}), "");
  EXPECT_EQ(Decode({TOK_EOS}), "");
  const tok_id_t lily = Encode(" Lily", 0)[0];
  const std::string with_space = Decode({lily});
  ASSERT_EQ(with_space[0], ' ');
  EXPECT_EQ(Decode({TOK_BOS, lily}), with_space.substr(1)) << "the prefix is not the text's";
  EXPECT_EQ(Decode({TOK_BOS, lily, lily}), with_space.substr(1) + with_space);
  EXPECT_EQ(Decode({lily, TOK_BOS, lily}), with_space + with_space);
}

TEST_F(ExtraTest, DecodeTellsTheSizeFirst) {
  const std::vector<tok_id_t> tokens = Encode("Once upon", kAsPrompt);
  char text[16];
  std::memset(text, 'x', sizeof(text));
  size_t size = 0;
  ASSERT_EQ(clamma_decode(model_.get(), tokens.data(), tokens.size(), text, 8, &size), 0);
  EXPECT_EQ(size, 9u);
  EXPECT_EQ(std::string(text, sizeof(text)), std::string(sizeof(text), 'x'));
  ASSERT_EQ(clamma_decode(model_.get(), tokens.data(), tokens.size(), text, 9, &size), 0);
  EXPECT_EQ(std::string(text, sizeof(text)), "Once uponxxxxxxx") << "no NUL behind";
}

TEST_F(ExtraTest, IdsOutOfRangeAreErrors) {
  for (const tok_id_t bad : {-1, 512, 100000, INT_MAX, INT_MIN}) {
    const tok_id_t tokens[] = {TOK_BOS, 300, bad};
    char text[64] = "x";
    size_t size = 0;
    const size_t messages = log_.lines.size();
    EXPECT_NE(clamma_decode(model_.get(), tokens, 3, text, sizeof(text), &size), 0) << bad;
    ASSERT_EQ(log_.lines.size(), messages + 1);
    EXPECT_NE(log_.last().find(std::to_string(bad)), std::string::npos) << log_.last();
    EXPECT_STREQ(text, "x");
  }
  EXPECT_NE(Decode({511}), "") << "the last one is there";
}

TEST_F(ExtraTest, MissingArgumentsAreErrors) {
  size_t n = 0;
  tok_id_t token = 0;
  char text[4];
  clamma_score_t score;
  clamma_txf_facts_t facts;
  testing::internal::CaptureStderr();
  EXPECT_NE(clamma_encode(nullptr, "a", 1, 0, &token, 1, &n), 0);
  EXPECT_NE(clamma_encode(model_.get(), nullptr, 1, 0, &token, 1, &n), 0);
  EXPECT_NE(clamma_encode(model_.get(), "a", 1, 0, nullptr, 1, &n), 0);
  EXPECT_NE(clamma_encode(model_.get(), "a", 1, 0, &token, 1, nullptr), 0);
  EXPECT_NE(clamma_decode(nullptr, &token, 1, text, 4, &n), 0);
  EXPECT_NE(clamma_decode(model_.get(), nullptr, 1, text, 4, &n), 0);
  EXPECT_NE(clamma_decode(model_.get(), &token, 1, nullptr, 4, &n), 0);
  EXPECT_NE(clamma_decode(model_.get(), &token, 1, text, 4, nullptr), 0);
  EXPECT_NE(clamma_score(nullptr, "a", 1, &score, nullptr, 0), 0);
  EXPECT_NE(clamma_score(model_.get(), nullptr, 1, &score, nullptr, 0), 0);
  EXPECT_NE(clamma_score(model_.get(), "a", 1, nullptr, nullptr, 0), 0);
  EXPECT_NE(clamma_txf_facts(nullptr, &facts), 0);
  EXPECT_NE(clamma_txf_facts(model_.get(), nullptr), 0);
  EXPECT_NE(clamma_session_facts(nullptr, nullptr), 0);
  EXPECT_NE(clamma_query_facts(nullptr, nullptr), 0);
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(clamma_encode(model_.get(), nullptr, 0, CLAMMA_ENCODE_BOS, &token, 1, &n), 0)
      << "no text needs no address";
  EXPECT_EQ(n, 1u);
}

// ---- Facts ----

TEST_F(ExtraTest, FactsOfEachModel) {
  const struct {
    const char* name;
    const char* format;
    unsigned group_size;
  } cases[] = {{kFloatModel, "legacy", 0},
               {kFloatV1Model, "version 1", 0},
               {kQ80Model, "version 2", 4},
               {kStraddlingModel, "version 2", 8}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const TxfPtr model = Open(ModelInfo(c.name));
    const clamma_txf_facts_t facts = Facts(model);
    EXPECT_EQ(facts.dim, 64u);
    EXPECT_EQ(facts.hidden_dim, 172u);
    EXPECT_EQ(facts.layers, 5u);
    EXPECT_EQ(facts.heads, 8u);
    EXPECT_EQ(facts.kv_heads, 4u);
    EXPECT_EQ(facts.head_size, 8u);
    EXPECT_EQ(facts.vocab_size, 512u);
    EXPECT_EQ(facts.context, 512u);
    EXPECT_EQ(facts.group_size, c.group_size);
    EXPECT_EQ(facts.shared_classifier, 1);
    EXPECT_NE(std::string(facts.format).find(c.format), std::string::npos) << facts.format;
    EXPECT_STRNE(facts.kernels, "");
    EXPECT_EQ(facts.threads, 1u);
    EXPECT_EQ(facts.sessions, 0u);
    EXPECT_GT(facts.max_sessions, 0u);
    EXPECT_EQ(facts.model_bytes, std::filesystem::file_size(ModelPath(c.name)));
    EXPECT_GT(facts.memory_bytes, 0u);
    EXPECT_EQ(facts.cache_hits + facts.cache_misses + facts.cache_evictions + facts.cache_bytes +
                  facts.cache_limit,
              0u)
        << "mapped weights have no cache";
  }
}

TEST_F(ExtraTest, ModelBytesLeaveOutWhatFollowsInFlash) {
  std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatModel));
  const size_t size = bytes.size();
  bytes.resize(size + 1000, 0xff);
  HeapCopy flash(bytes);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  flash.BecomeModel(&info);
  const TxfPtr model = Open(info);
  EXPECT_EQ(Facts(model).model_bytes, size);
  EXPECT_EQ(RunFresh(model, {.limit = 20}).text, RunFresh(model_, {.limit = 20}).text);
}

TEST_F(ExtraTest, MappedWeightsTakeNoMemory) {
  const clamma_txf_facts_t facts = Facts(model_);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  const TxfPtr cached = Open(info);
  RunFresh(cached, {.limit = 3});
  EXPECT_LT(facts.memory_bytes + 900000, Facts(cached).memory_bytes + Facts(cached).cache_limit);
  EXPECT_LT(facts.memory_bytes, 500000u);
}

TEST_F(ExtraTest, ThreadsAreReported) {
  for (const unsigned threads : {1u, 2u, 5u, 1000u}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.threads = threads;
    const unsigned used = Facts(Open(info)).threads;
    if (!clamma::kHasThreads) {
      EXPECT_EQ(used, 1u);
    } else {
      EXPECT_EQ(used, std::min(threads, unsigned{LIBCLAMMA_MAX_THREADS}));
    }
  }
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 0;
  EXPECT_GE(Facts(Open(info)).threads, 1u);
}

TEST_F(ExtraTest, VersionHasThreeParts) {
  const std::string version = clamma_version();
  EXPECT_EQ(std::count(version.begin(), version.end(), '.'), 2) << version;
}

// ---- The cache's figures ----

// A pass reads seven matrices per layer, and the classifier if it computes logits.
constexpr uint64_t kBlocks = 7 * 5 + 1;

TEST_F(ExtraTest, UnlimitedCacheReadsEachBlockOnce) {
  for (const char* name : {kFloatModel, kQ80Model}) {
    clamma_txf_info_t info = ModelInfo(name);
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    const TxfPtr model = Open(info);
    EXPECT_EQ(Facts(model).cache_misses, 0u);
    RunFresh(model, {.limit = 10});
    const clamma_txf_facts_t facts = Facts(model);
    EXPECT_EQ(facts.cache_misses, kBlocks) << name;
    EXPECT_EQ(facts.cache_hits, 9 * kBlocks) << name;
    EXPECT_EQ(facts.cache_evictions, 0u);
    EXPECT_EQ(facts.cache_limit, 0u);
    EXPECT_GT(facts.cache_bytes, facts.model_bytes / 2);
    EXPECT_LT(facts.cache_bytes, facts.model_bytes);
  }
}

TEST_F(ExtraTest, LimitedCacheNeverHoldsMore) {
  for (const char* name : {kFloatModel, kQ80Model, kStraddlingModel}) {
    const size_t smallest = SmallestCacheLimit(name);
    for (const size_t limit : {smallest, smallest + 1, 2 * smallest, 3 * smallest + 12345}) {
      SCOPED_TRACE(testing::Message() << name << ", limit " << limit);
      clamma_txf_info_t info = ModelInfo(name);
      info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
      info.cache_limit = limit;
      const TxfPtr model = Open(info);
      const SessionPtr session = NewSession(model);
      Listener listener;
      ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
      uint64_t steps = 0;
      while (clamma_sessions_step_next() != 0) {
        ++steps;
        const clamma_txf_facts_t facts = Facts(model);
        ASSERT_LE(facts.cache_bytes, limit);
        ASSERT_EQ(facts.cache_limit, limit);
        ASSERT_EQ(facts.cache_hits + facts.cache_misses, steps * kBlocks);
        ASSERT_LE(facts.cache_evictions, facts.cache_misses);
        ASSERT_LE(facts.cache_misses - facts.cache_evictions, kBlocks) << "blocks held now";
      }
      EXPECT_GT(Facts(model).cache_evictions, 0u);
    }
  }
}

TEST_F(ExtraTest, CacheLimitOneByteTooSmallIsRefusedByTheSizeNeeded) {
  for (const char* name : {kFloatModel, kFloatV1Model, kQ80Model, kStraddlingModel}) {
    clamma_txf_info_t info = ModelInfo(name);
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    const size_t smallest = SmallestCacheLimit(name);
    EXPECT_GE(smallest, size_t{512} * 64) << "the classifier, at least a byte a weight";
    info.cache_limit = smallest;
    EXPECT_NE(Open(info), nullptr) << name;
    info.cache_limit = smallest - 1;
    EXPECT_EQ(LastNumber(ReasonOfRefusal(info)), smallest) << name;
  }
  EXPECT_EQ(SmallestCacheLimit(kFloatModel), size_t{512} * 64 * 4);
}

}  // namespace
}  // namespace clamma_test
