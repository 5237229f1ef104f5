// SPDX-License-Identifier: MIT
// GGUF models of every weight type give the same logits to the bit, and the same text, whatever the
// kernel table, the threads, the chunks of a prompt, the other sessions and the access mode.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "api_fixture.h"
#include "family_specs.h"
#include "gguf_models.h"
#include "kernel_fixture.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"
#include "temporary_folder.h"

namespace clamma_test {

void PrintTo(const NamedGguf& model, std::ostream* out) { *out << model.name; }

namespace {

using clamma::KvType;
using clamma::Status;

constexpr size_t kPositions = 40;  // in a session: more than a page

enum class Access { kMapped, kCached, kSmallestCache, kAddress };
constexpr Access kEveryAccess[] = {Access::kMapped, Access::kCached, Access::kSmallestCache,
                                   Access::kAddress};

struct How {
  Access access = Access::kMapped;
  unsigned threads = 1;
  const clamma::Kernels* kernels = &clamma::kScalarKernels;
};

// A model, opened in one access mode.
class Engine {
 public:
  Engine(const std::string& path, HeapCopy* bytes, const How& how) {
    Status status = how.access == Access::kAddress
                        ? files_.OpenAt(memory_, bytes->data(), bytes->size())
                        : files_.Open(memory_, path.c_str(), "", how.access == Access::kMapped);
    EXPECT_TRUE(status.ok()) << status.message();
    clamma::ModelFile model;
    status = files_.ReadModel(&model);
    EXPECT_TRUE(status.ok()) << status.message();
    clamma::Weights::Options options;
    options.use_cache = how.access == Access::kCached || how.access == Access::kSmallestCache;
    if (how.access == Access::kSmallestCache) {
      options.cache_limit = static_cast<size_t>(model.tensors.multiplied().largest);
    }
    status = weights_.Open(memory_, std::move(model), files_.sources(), files_.count(), options);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(pool_.Start(memory_, how.threads).ok());
    EXPECT_TRUE(forward_.Init(memory_, weights_, *how.kernels, pool_).ok());
  }

  // Returns the logits of `sessions` sessions, each (kPositions, vocab_size), processed side by
  // side in chunks of `chunk` positions.
  std::vector<Floats> Run(size_t sessions, size_t chunk, KvType type) {
    const size_t vocab = weights_.config().vocab_size;
    EXPECT_LE(sessions * chunk, forward_.max_logits());
    std::vector<Floats> logits(sessions, Floats(kPositions * vocab));
    std::vector<clamma::KvCache> caches(sessions);
    for (clamma::KvCache& kv : caches) {
      kv.Init(memory_, weights_.config(), type);
      EXPECT_TRUE(kv.Reserve(kPositions).ok());
    }
    for (size_t begin = 0; begin < kPositions; begin += chunk) {
      const size_t end = std::min(begin + chunk, kPositions);
      std::vector<clamma::ForwardRow> rows;
      for (size_t s = 0; s < sessions; ++s) {
        for (size_t at = begin; at < end; ++at) {
          const auto token = static_cast<clamma::TokenId>((1 + 29 * at + 7 * s) % vocab);
          rows.push_back({token, at, &caches[s], nullptr, true});
        }
      }
      const Status status = forward_.Run(rows.data(), rows.size());
      EXPECT_TRUE(status.ok()) << status.message();
      for (size_t i = 0; i < rows.size(); ++i) {
        float* const out = logits[i / (end - begin)].data() + (begin + i % (end - begin)) * vocab;
        std::copy_n(rows[i].logits, vocab, out);
      }
    }
    return logits;
  }

  const clamma::Weights& weights() const { return weights_; }

 private:
  // In this order, as later members use earlier ones.
  clamma::Memory memory_;
  clamma::ModelFiles files_;
  clamma::Weights weights_;
  clamma::ThreadPool pool_;
  clamma::Forward forward_;
};

class GgufIdentity : public testing::TestWithParam<NamedGguf> {
 protected:
  void SetUp() override {
    GgufSpec spec = GetParam().spec;
    spec.tokens = spec.vocab;
    const std::vector<uint8_t> bytes = MakeGguf(spec).Build();
    path_ = folder_.Write("model.gguf", bytes);
    copy_ = std::make_unique<HeapCopy>(bytes, 3);
  }

  std::vector<Floats> LogitsOf(const How& how, size_t sessions, size_t chunk,
                               KvType type = KvType::kF32) {
    return Engine(path_, copy_.get(), how).Run(sessions, chunk, type);
  }

  void Expect(const std::vector<Floats>& actual, const std::vector<Floats>& expected) {
    for (size_t s = 0; s < actual.size(); ++s) ExpectSameBits(actual[s], expected[s]);
  }

  TemporaryFolder folder_;
  std::string path_;
  std::unique_ptr<HeapCopy> copy_;  // at an odd address
};

INSTANTIATE_TEST_SUITE_P(Models, GgufIdentity, testing::ValuesIn(GgufModels()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Families, GgufIdentity, testing::ValuesIn(FamilyModels()),
                         [](const auto& test) { return test.param.name; });

TEST_P(GgufIdentity, LogitsAreFiniteAndNotAlike) {
  const std::vector<Floats> logits = LogitsOf({}, 2, 1);
  float largest = 0;
  for (const float logit : logits[0]) {
    ASSERT_TRUE(std::isfinite(logit));
    largest = std::max(largest, std::abs(logit));
  }
  EXPECT_GT(largest, 0.5f);
  EXPECT_LT(largest, 50.0f);
  EXPECT_FALSE(std::equal(logits[0].begin(), logits[0].end(), logits[1].begin()));
}

TEST_P(GgufIdentity, LogitsDependOnNoTableChunkOrSession) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    std::vector<Floats> expected = LogitsOf({}, 1, 1, type);
    for (Floats& others : LogitsOf({}, 3, 1, type)) {
      if (expected.size() == 1) ExpectSameBits(others, expected[0]);
      expected.push_back(std::move(others));
    }
    expected.erase(expected.begin());
    for (const clamma::Kernels* table : Tables()) {
      SCOPED_TRACE(table->name);
      Engine engine(path_, copy_.get(), {.kernels = table});
      Expect(engine.Run(1, 1, type), expected);
      Expect(engine.Run(1, 33, type), expected);
      Expect(engine.Run(3, 7, type), expected);
      Expect(engine.Run(3, 16, type), expected);
    }
  }
}

TEST_P(GgufIdentity, LogitsDependOnNoThreadsAndNoAccess) {
  const std::vector<Floats> expected = LogitsOf({}, 2, 1);
  for (const unsigned threads : {1u, 2u, 5u}) {
    for (const Access access : kEveryAccess) {
      SCOPED_TRACE(testing::Message() << threads << " threads, access " << int(access));
      Engine engine(path_, copy_.get(),
                    {.access = access, .threads = threads, .kernels = &clamma::SelectKernels()});
      Expect(engine.Run(2, 9, KvType::kF32), expected);
      Expect(engine.Run(1, 1, KvType::kF32), expected);
      if (access == Access::kCached || access == Access::kSmallestCache) {
        const clamma::BlockCacheStats stats = engine.weights().cache_stats();
        EXPECT_EQ(stats.evictions != 0, access == Access::kSmallestCache);
      }
    }
  }
}

TEST_P(GgufIdentity, TextsAreTheSameByEveryWay) {
  const Ask ask = {
      .prompt = "the hand on a seat", .limit = 12, .temperature = 0.8f, .topp = 0.95f, .seed = 3};
  clamma_txf_info_t info = ModelInfo(path_);
  info.tokenizer_path = nullptr;
  const std::string expected = RunFresh(Open(info), ask).text;
  EXPECT_NE(expected, "");
  CpuChoice cpu;
  size_t way = 0;
  for (const clamma::Kernels* table : Tables()) {
    cpu.Set(table->name);
    for (const unsigned threads : {1u, 5u}) {
      SCOPED_TRACE(testing::Message() << table->name << ", " << threads << " threads");
      info = ModelInfo(path_);
      info.tokenizer_path = nullptr;
      info.threads = threads;
      const Access access = kEveryAccess[way++ % std::size(kEveryAccess)];
      if (access == Access::kAddress) copy_->BecomeModel(&info);
      if (access == Access::kCached || access == Access::kSmallestCache) {
        info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
      }
      if (access == Access::kSmallestCache) {
        info.cache_limit = 1;
        info.cache_limit = static_cast<size_t>(LastNumber(ReasonOfRefusal(info)));
      }
      const TxfPtr model = Open(info);
      EXPECT_STREQ(Facts(model).kernels, table->name);
      const SessionPtr other = NewSession(model);
      Listener listener;
      ASSERT_EQ(StartQuery(other.get(), listener, {.prompt = "an", .limit = 30}), 0);
      EXPECT_EQ(RunFresh(model, ask).text, expected);
      StepAll();
    }
  }
}

}  // namespace
}  // namespace clamma_test
