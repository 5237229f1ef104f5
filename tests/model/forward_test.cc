// SPDX-License-Identifier: MIT
#include "model/forward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "platform/file.h"
#include "temporary_folder.h"
#include "test_models.h"

namespace clamma {
namespace {

using clamma_test::ModelShape;
using clamma_test::Stretch;
using clamma_test::TestModel;

enum class Access { kMapped, kCached, kSmallestCache };

// Everything that a forward pass needs, for one checkpoint file.
struct Engine {
  void Open(const std::string& path, Access access = Access::kMapped, unsigned threads = 1,
            const Kernels& kernels = SelectKernels(), KvType kv_type = KvType::kF32) {
    ASSERT_TRUE(file.Open(path.c_str(), "").ok());
    ByteSource source;
    source.file = &file;
    source.size = file.size();
    Weights::Options options;
    if (access == Access::kMapped) {
      ASSERT_TRUE(file.Map(&source.base).ok());
    } else {
      options.use_cache = true;
    }
    if (access == Access::kSmallestCache) options.cache_limit = LargestMatrix(source);
    const Status status = weights.Open(memory, source, options);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(pool.Start(memory, threads).ok());
    ASSERT_TRUE(forward.Init(memory, weights, kernels, pool, false, kv_type).ok());
  }

  static size_t LargestMatrix(const ByteSource& source) {
    Memory memory;
    Weights weights;
    Weights::Options options;
    options.use_cache = true;
    EXPECT_TRUE(weights.Open(memory, source, options).ok());
    uint64_t largest = 0;
    for (const TensorId id : {TensorId::kOutput, TensorId::kQ, TensorId::kK,
                              TensorId::kAttentionOutput, TensorId::kGate, TensorId::kDown}) {
      largest = std::max(largest, weights.MatrixPlace(id).bytes);
    }
    return static_cast<size_t>(largest);
  }

  // In this order, as later members use earlier ones.
  Memory memory;
  File file;
  Weights weights;
  ThreadPool pool;
  Forward forward;
};

using Logits = std::vector<std::vector<float>>;  // (positions, vocab_size)

std::vector<TokenId> RandomTokens(size_t n, uint32_t vocab_size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens = {1};
  while (tokens.size() < n) tokens.push_back(static_cast<TokenId>(random() % vocab_size));
  return tokens;
}

// Runs the tokens from position 0 on in batches of `chunk`, and returns all logits. A batch can
// give only a few logits, so larger batches run again for the rest.
Logits LogitsOf(Engine& engine, const std::vector<TokenId>& tokens, size_t chunk,
                KvType type = KvType::kF32) {
  const size_t vocab_size = engine.weights.config().vocab_size;
  Logits logits(tokens.size());
  for (size_t first_wanted = 0; first_wanted < chunk; first_wanted += engine.forward.max_logits()) {
    KvCache kv;
    kv.Init(engine.memory, engine.weights.config(), type);
    for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const size_t n = std::min(chunk, tokens.size() - begin);
      EXPECT_TRUE(kv.Reserve(begin + n).ok());
      std::vector<ForwardRow> rows(n);
      for (size_t i = 0; i < n; ++i) {
        const bool wanted = i >= first_wanted && i < first_wanted + engine.forward.max_logits();
        rows[i] = {tokens[begin + i], begin + i, &kv, nullptr, wanted};
      }
      const Status status = engine.forward.Run(rows.data(), n);
      EXPECT_TRUE(status.ok()) << status.message();
      for (size_t i = 0; i < n; ++i) {
        EXPECT_EQ(rows[i].logits != nullptr, rows[i].want_logits);
        if (rows[i].logits == nullptr) continue;
        logits[begin + i].assign(rows[i].logits, rows[i].logits + vocab_size);
      }
    }
  }
  return logits;
}

void ExpectSameBits(const Logits& actual, const Logits& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t position = 0; position < actual.size(); ++position) {
    ASSERT_EQ(actual[position].size(), expected[position].size()) << "position " << position;
    for (size_t i = 0; i < actual[position].size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(actual[position][i]),
                std::bit_cast<uint32_t>(expected[position][i]))
          << "position " << position << ", token " << i << ": " << actual[position][i]
          << ", expected " << expected[position][i];
    }
  }
}

// The same pass in double, one position at a time, on the exact values of the weights.
class Reference {
 public:
  Reference(const ModelShape& shape, const std::vector<uint8_t>& bytes)
      : shape_(shape), dim_(static_cast<size_t>(shape.dim)), head_(shape.head_size()) {
    for (const Stretch& stretch : clamma_test::LayOut(shape)) {
      Tensor& tensor = tensors_[stretch.name];
      tensor.cols = stretch.cols;
      for (uint64_t e = 0; e < stretch.rows * stretch.cols; ++e) {
        tensor.elements.push_back(clamma_test::ElementOf(shape, bytes, stretch, e));
      }
    }
  }

  std::vector<double> Step(TokenId token) {
    const auto layers = static_cast<size_t>(shape_.layers);
    keys_.resize(layers);
    values_.resize(layers);
    std::vector<double> x = Row("embedding", static_cast<size_t>(token));
    for (size_t layer = 0; layer < layers; ++layer) {
      const std::string of = std::string(".").append(std::to_string(layer));
      Add(&x, Attend(layer, of, Norm(x, Row("attention_norm", layer))));
      const std::vector<double> normed = Norm(x, Row("ffn_norm", layer));
      std::vector<double> gate = Times("w1" + of, normed);
      const std::vector<double> up = Times("w3" + of, normed);
      for (size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      Add(&x, Times("w2" + of, gate));
    }
    ++position_;
    return Times(shape_.shared ? "embedding" : "classifier", Norm(x, Row("final_norm", 0)));
  }

 private:
  struct Tensor {
    size_t cols = 0;
    std::vector<double> elements;
  };

  std::vector<double> Row(const std::string& name, size_t row) const {
    const Tensor& t = tensors_.at(name);
    const auto begin = t.elements.begin() + static_cast<ptrdiff_t>(row * t.cols);
    return {begin, begin + static_cast<ptrdiff_t>(t.cols)};
  }
  std::vector<double> Times(const std::string& name, const std::vector<double>& x) const {
    const Tensor& t = tensors_.at(name);
    std::vector<double> out(t.elements.size() / t.cols);
    for (size_t e = 0; e < t.elements.size(); ++e) out[e / t.cols] += t.elements[e] * x[e % t.cols];
    return out;
  }
  static std::vector<double> Norm(std::vector<double> x, const std::vector<double>& weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double root = std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    for (size_t i = 0; i < x.size(); ++i) x[i] *= weight[i] / root;
    return x;
  }
  static void Add(std::vector<double>* x, const std::vector<double>& y) {
    for (size_t i = 0; i < x->size(); ++i) (*x)[i] += y[i];
  }
  std::vector<double> Turn(std::vector<double> x) const {
    for (size_t i = 0; i < x.size(); i += 2) {
      const double power = static_cast<double>(i % head_) / static_cast<double>(head_);
      const double angle = static_cast<double>(position_) / std::pow(10000.0, power);
      const double a = x[i];
      const double b = x[i + 1];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
    return x;
  }
  std::vector<double> Attend(size_t layer, const std::string& of, const std::vector<double>& x) {
    const std::vector<double> q = Turn(Times("wq" + of, x));
    keys_[layer].push_back(Turn(Times("wk" + of, x)));
    values_[layer].push_back(Times("wv" + of, x));
    std::vector<double> out(dim_);
    const size_t share = static_cast<size_t>(shape_.heads / shape_.kv_heads);
    for (size_t head = 0; head < static_cast<size_t>(shape_.heads); ++head) {
      const size_t from = head / share * head_;  // in its kv head
      std::vector<double> weights;
      double total = 0;
      for (const std::vector<double>& key : keys_[layer]) {
        double dot = 0;
        for (size_t d = 0; d < head_; ++d) dot += q[head * head_ + d] * key[from + d];
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(head_))));
        total += weights.back();
      }
      for (size_t p = 0; p < weights.size(); ++p) {
        for (size_t d = 0; d < head_; ++d) {
          out[head * head_ + d] += weights[p] / total * values_[layer][p][from + d];
        }
      }
    }
    return Times("wo" + of, out);
  }

  ModelShape shape_;
  size_t dim_;
  size_t head_;
  size_t position_ = 0;
  std::map<std::string, Tensor> tensors_;
  std::vector<std::vector<std::vector<double>>> keys_;  // (layers, positions, kv_dim)
  std::vector<std::vector<std::vector<double>>> values_;
};

class ForwardOf : public testing::TestWithParam<TestModel> {
 protected:
  void SetUp() override {
    CLAMMA_NEED_MODEL(GetParam());
    bytes_ = clamma_test::BytesOf(GetParam());
    path_ = folder_.Write("model.bin", bytes_);
    ASSERT_NO_FATAL_FAILURE(engine_.Open(path_));
    const ModelShape& shape = GetParam().shape;
    const size_t most = std::min<size_t>(100, static_cast<size_t>(shape.seq_len));
    tokens_ = RandomTokens(most, static_cast<uint32_t>(shape.vocab), 1);
    expected_ = LogitsOf(engine_, tokens_, 1);
  }

  clamma_test::TemporaryFolder folder_;
  std::string path_;
  std::vector<uint8_t> bytes_;
  std::vector<TokenId> tokens_;
  Engine engine_;
  Logits expected_;  // mapped, one position at a time, in one thread
};

INSTANTIATE_TEST_SUITE_P(Models, ForwardOf, testing::ValuesIn(clamma_test::TestModels()),
                         clamma_test::NameOf);

TEST_P(ForwardOf, LogitsAreFinite) {
  for (size_t position = 0; position < expected_.size(); ++position) {
    for (const float logit : expected_[position]) ASSERT_TRUE(std::isfinite(logit)) << position;
  }
}

TEST_P(ForwardOf, ComesNearThePassInDouble) {
  // Quantised activations have errors of up to 1/254 of the largest, float ones of the last bits.
  const double tolerance = GetParam().shape.version == 2 ? 0.1 : 2e-5;
  Reference reference(GetParam().shape, bytes_);
  for (size_t position = 0; position < tokens_.size(); ++position) {
    const std::vector<double> exact = reference.Step(tokens_[position]);
    double scale = 0;
    for (const double logit : exact) scale = std::max(scale, std::abs(logit));
    for (size_t i = 0; i < exact.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(expected_[position][i]), exact[i], tolerance * scale)
          << "position " << position << ", token " << i;
    }
  }
}

// 512 tokens are processed like a session's prompt, in batches of the largest size.
TEST_P(ForwardOf, LogitsDoNotDependOnTheChunk) {
  const ModelShape& shape = GetParam().shape;
  const size_t most = std::min<size_t>(512, static_cast<size_t>(shape.seq_len));
  const std::vector<TokenId> tokens = RandomTokens(most, static_cast<uint32_t>(shape.vocab), 2);
  const Logits expected = LogitsOf(engine_, tokens, 1);
  for (const size_t chunk : {7u, 17u, 64u, 512u}) {
    SCOPED_TRACE(chunk);
    ExpectSameBits(LogitsOf(engine_, tokens, std::min(chunk, engine_.forward.max_rows())),
                   expected);
  }
}

TEST_P(ForwardOf, LogitsDoNotDependOnTheThreads) {
  for (const unsigned threads : {2u, 5u}) {
    for (const size_t chunk : {1u, 32u}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << chunk << " rows");
      Engine engine;
      ASSERT_NO_FATAL_FAILURE(engine.Open(path_, Access::kMapped, threads));
      ExpectSameBits(LogitsOf(engine, tokens_, chunk), expected_);
    }
  }
}

TEST_P(ForwardOf, LogitsDoNotDependOnTheAccess) {
  for (const Access access : {Access::kCached, Access::kSmallestCache}) {
    SCOPED_TRACE(access == Access::kCached ? "cached" : "smallest cache");
    Engine engine;
    ASSERT_NO_FATAL_FAILURE(engine.Open(path_, access, 2));
    ExpectSameBits(LogitsOf(engine, tokens_, 7), expected_);
    const BlockCacheStats stats = engine.weights.cache_stats();
    EXPECT_EQ(stats.evictions != 0, access == Access::kSmallestCache);
    EXPECT_LE(stats.bytes, stats.limit == 0 ? bytes_.size() : stats.limit);
  }
}

TEST_P(ForwardOf, LogitsDoNotDependOnTheTableOfKernels) {
  for (size_t i = 0; i < TableCount(); ++i) {
    const Kernels* table = UsableTable(i);
    if (table == nullptr) continue;
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
      Engine scalar;
      ASSERT_NO_FATAL_FAILURE(scalar.Open(path_, Access::kMapped, 1, kScalarKernels, type));
      const Logits expected = LogitsOf(scalar, tokens_, 1, type);
      if (type == KvType::kF32) ExpectSameBits(expected, expected_);
      for (const size_t chunk : {1u, 7u}) {
        SCOPED_TRACE(testing::Message() << table->name << ", chunks of " << chunk);
        Engine engine;
        ASSERT_NO_FATAL_FAILURE(engine.Open(path_, Access::kMapped, 1, *table, type));
        ExpectSameBits(LogitsOf(engine, tokens_, chunk, type), expected);
      }
    }
  }
}

// Relative to the root mean square of all logits, over which errors of int8 activations spread.
TEST_P(ForwardOf, ShorterKeysAndValuesComeNear) {
  const bool int8 = GetParam().shape.version == 2;
  for (const auto& [type, bound] :
       {std::pair(KvType::kF16, int8 ? 0.02 : 0.001), std::pair(KvType::kQ8, int8 ? 0.05 : 0.02)}) {
    Engine engine;
    ASSERT_NO_FATAL_FAILURE(engine.Open(path_, Access::kMapped, 1, SelectKernels(), type));
    const Logits shorter = LogitsOf(engine, tokens_, 7, type);
    ExpectSameBits(LogitsOf(engine, tokens_, 32, type), shorter);
    double squares = 0;
    double differences = 0;
    for (size_t position = 0; position < shorter.size(); ++position) {
      for (size_t i = 0; i < shorter[position].size(); ++i) {
        const auto expected = static_cast<double>(expected_[position][i]);
        squares += expected * expected;
        differences += std::pow(static_cast<double>(shorter[position][i]) - expected, 2);
      }
    }
    EXPECT_GT(differences, 0);
    EXPECT_LT(std::sqrt(differences / squares), bound) << kKvFormats[type].name;
  }
}

// Positions of two sessions in every batch.
TEST_P(ForwardOf, SessionsInOneBatchDoNotDisturbEachOther) {
  const size_t vocab_size = engine_.weights.config().vocab_size;
  const std::vector<TokenId> others =
      RandomTokens(tokens_.size(), static_cast<uint32_t>(vocab_size), 2);
  const Logits expected_of_others = LogitsOf(engine_, others, 1);
  KvCache kv[2];
  for (KvCache& each : kv) {
    each.Init(engine_.memory, engine_.weights.config(), KvType::kF32);
    ASSERT_TRUE(each.Reserve(tokens_.size()).ok());
  }
  // The second session is behind, so that positions differ within a batch.
  Logits logits[2] = {Logits(tokens_.size()), Logits(tokens_.size())};
  for (size_t position = 0; position < tokens_.size() + 5; position += 2) {
    std::vector<ForwardRow> rows;
    std::vector<int> sessions;
    for (size_t i = position; i < position + 2; ++i) {
      if (i < tokens_.size()) {
        rows.push_back({tokens_[i], i, &kv[0], nullptr, true});
        sessions.push_back(0);
      }
      if (i >= 5 && i - 5 < tokens_.size()) {
        rows.push_back({others[i - 5], i - 5, &kv[1], nullptr, true});
        sessions.push_back(1);
      }
    }
    if (rows.empty()) continue;
    ASSERT_TRUE(engine_.forward.Run(rows.data(), rows.size()).ok());
    for (size_t i = 0; i < rows.size(); ++i) {
      logits[sessions[i]][rows[i].position].assign(rows[i].logits, rows[i].logits + vocab_size);
    }
  }
  ExpectSameBits(logits[0], expected_);
  ExpectSameBits(logits[1], expected_of_others);
}

TEST_P(ForwardOf, PositionsMayBeComputedAnew) {
  KvCache kv;
  kv.Init(engine_.memory, engine_.weights.config(), KvType::kF32);
  ASSERT_TRUE(kv.Reserve(10).ok());
  for (int attempt = 0; attempt < 2; ++attempt) {
    // First with other tokens, then with the right ones.
    for (size_t position = 0; position < 10; ++position) {
      ForwardRow row = {attempt == 0 ? 3 : tokens_[position], position, &kv, nullptr, true};
      ASSERT_TRUE(engine_.forward.Run(&row, 1).ok());
      if (attempt == 0) continue;
      ExpectSameBits({{row.logits, row.logits + expected_[0].size()}}, {expected_[position]});
    }
  }
}

TEST_P(ForwardOf, AReadErrorComesUpAndWhatWasThereStays) {
  Engine engine;
  ASSERT_NO_FATAL_FAILURE(engine.Open(path_, Access::kSmallestCache));
  KvCache kv;
  kv.Init(engine.memory, engine.weights.config(), KvType::kF32);
  ASSERT_TRUE(kv.Reserve(10).ok());
  const auto run = [&](size_t position) {
    ForwardRow row = {tokens_[position], position, &kv, nullptr, true};
    const Status status = engine.forward.Run(&row, 1);
    if (status.ok()) {
      ExpectSameBits({{row.logits, row.logits + expected_[0].size()}}, {expected_[position]});
    }
    return status.code();
  };
  for (size_t position = 0; position < 5; ++position) ASSERT_EQ(run(position), StatusCode::kOk);
  // The file stays the same, but its end is missing for a while.
  std::filesystem::resize_file(path_, bytes_.size() / 2);
  EXPECT_EQ(run(5), StatusCode::kIo);
  EXPECT_EQ(run(5), StatusCode::kIo);
  folder_.Write("model.bin", bytes_);
  for (size_t position = 5; position < 10; ++position) ASSERT_EQ(run(position), StatusCode::kOk);
}

TEST_P(ForwardOf, HoldsNothingAfterItsEnd) {
  const size_t before = engine_.memory.bytes_in_use();
  {
    Forward forward;
    ASSERT_TRUE(forward.Init(engine_.memory, engine_.weights, SelectKernels(), engine_.pool).ok());
    EXPECT_GT(engine_.memory.bytes_in_use(), before);
    EXPECT_GE(forward.max_rows(), 1u);
    EXPECT_GE(forward.max_rows(), forward.max_logits());
    EXPECT_GE(forward.max_logits(), 1u);
  }
  EXPECT_EQ(engine_.memory.bytes_in_use(), before);
}

}  // namespace
}  // namespace clamma
