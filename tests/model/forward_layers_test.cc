// SPDX-License-Identifier: MIT
// The forward pass of models that llama2.c's formats cannot express: layers of different sizes,
// heads wider than dim / heads, biases, rotation of a part of a head, other frequencies, and
// several files.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint_bytes.h"
#include "kernel_fixture.h"
#include "model/forward.h"

namespace clamma {
namespace {

constexpr uint32_t kDim = 24;
constexpr uint32_t kVocab = 40;
constexpr uint32_t kRopeDims = 6;
constexpr size_t kPositions = 50;
constexpr LayerConfig kLayers[] = {
    {.n_heads = 4, .n_kv_heads = 2, .head_size = 8, .hidden_dim = 40},
    {.n_heads = 3, .n_kv_heads = 1, .head_size = 12, .hidden_dim = 20},
    {.n_heads = 2, .n_kv_heads = 2, .head_size = 6, .hidden_dim = 52},
};
constexpr uint32_t kLayerCount = 3;
constexpr float kFrequencyScale = 0.25f;
constexpr float kTheta = 500.0f;

using Values = std::vector<double>;

// A random model whose layers are alternately in two files.
class HandMade {
 public:
  explicit HandMade(Memory& memory) : memory_(memory) {
    ModelConfig& config = file.config;
    config.dim = kDim;
    config.n_layers = kLayerCount;
    config.vocab_size = kVocab;
    config.seq_len = 64;
    config.rope_dims = kRopeDims;
    config.ropes[0].theta = kTheta;
    config.ropes[0].frequency_scale = kFrequencyScale;
    EXPECT_TRUE(file.tensors.Init(memory, 64).ok());
    for (uint32_t i = 0; i < kLayerCount; ++i) AddLayer(i);
    Add(TensorId::kRopeFactors, 0, 1, kRopeDims / 2, 1.5, 2.0);
    Add(TensorId::kOutputNorm, 0, 1, kDim, 1.0, 0.1);
    Add(TensorId::kOutput, 0, kVocab, kDim);
    Add(TensorId::kEmbedding, 0, kVocab, kDim);
    file.bytes = bytes[0].size() + bytes[1].size();
    EXPECT_TRUE(file.tensors.Seal().ok());
    const Status status = file.Check();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  bool Has(TensorId id, uint32_t layer) const { return values_.contains({id, layer}); }
  const Values& Get(TensorId id, uint32_t layer = 0) const { return values_.at({id, layer}); }

  ModelFile file;
  std::vector<uint8_t> bytes[2];

 private:
  void AddLayer(uint32_t i) {
    const LayerConfig& c = kLayers[i];
    ASSERT_TRUE(file.AddLayer(memory_, c).ok());
    const auto q_dim = static_cast<uint32_t>(c.q_dim());
    const auto kv_dim = static_cast<uint32_t>(c.kv_dim());
    Add(TensorId::kAttentionNorm, i, 1, kDim, 1.0, 0.1);
    Add(TensorId::kQ, i, q_dim, kDim);
    Add(TensorId::kK, i, kv_dim, kDim);
    Add(TensorId::kV, i, kv_dim, kDim);
    Add(TensorId::kAttentionOutput, i, kDim, q_dim);
    Add(TensorId::kFfnNorm, i, 1, kDim, 1.0, 0.1);
    Add(TensorId::kDown, i, kDim, c.hidden_dim);
    Add(TensorId::kGate, i, c.hidden_dim, kDim);
    Add(TensorId::kUp, i, c.hidden_dim, kDim);
    if (i == 1) return;  // it has no biases
    Add(TensorId::kQBias, i, 1, q_dim);
    Add(TensorId::kKBias, i, 1, kv_dim);
    Add(TensorId::kVBias, i, 1, kv_dim);
    Add(TensorId::kAttentionOutputBias, i, 1, kDim);
    Add(TensorId::kGateBias, i, 1, c.hidden_dim);
    Add(TensorId::kUpBias, i, 1, c.hidden_dim);
    Add(TensorId::kDownBias, i, 1, kDim);
  }

  // Numbers from middle - spread to middle + spread.
  void Add(TensorId id, uint32_t layer, uint32_t rows, uint32_t cols, double middle = 0,
           double spread = 0.3) {
    TensorPlace place;
    place.file = static_cast<uint16_t>(layer % 2);
    std::vector<uint8_t>& to = bytes[place.file];
    to.resize(to.size() + 4);  // a gap
    place.offset = to.size();
    place.rows = rows;
    place.cols = cols;
    place.row_bytes = uint64_t{cols} * 4;
    place.bytes = rows * place.row_bytes;
    Values& values = values_[{id, layer}];
    for (uint64_t e = 0; e < place.elements(); ++e) {
      const double unit = static_cast<double>(random_() % 20001) / 10000 - 1;
      const auto value = static_cast<float>(middle + spread * unit * (middle == 1.5 ? 0.25 : 1));
      values.push_back(static_cast<double>(value));
      to.resize(to.size() + 4);
      clamma_test::PutLe32(&to, to.size() - 4, std::bit_cast<uint32_t>(value));
    }
    file.tensors.Add(id, place, layer);
  }

  Memory& memory_;
  std::mt19937 random_{7};
  std::map<std::pair<TensorId, uint32_t>, Values> values_;
};

// The same pass in double, one position at a time.
class Reference {
 public:
  explicit Reference(const HandMade& model) : model_(model) {}

  Values Step(TokenId token) {
    const Values& embedding = model_.Get(TensorId::kEmbedding);
    const auto row = embedding.begin() + token * ptrdiff_t{kDim};
    Values x(row, row + kDim);
    for (uint32_t i = 0; i < kLayerCount; ++i) {
      Add(&x, Attention(i, Norm(x, model_.Get(TensorId::kAttentionNorm, i))));
      const Values normed = Norm(x, model_.Get(TensorId::kFfnNorm, i));
      Values gate = Linear(TensorId::kGate, TensorId::kGateBias, i, normed);
      const Values up = Linear(TensorId::kUp, TensorId::kUpBias, i, normed);
      for (size_t k = 0; k < gate.size(); ++k) gate[k] *= up[k] / (1 + std::exp(-gate[k]));
      Add(&x, Linear(TensorId::kDown, TensorId::kDownBias, i, gate));
    }
    ++position_;
    return Times(model_.Get(TensorId::kOutput), Norm(x, model_.Get(TensorId::kOutputNorm)));
  }

 private:
  static void Add(Values* x, const Values& y) {
    for (size_t k = 0; k < x->size(); ++k) (*x)[k] += y[k];
  }
  static Values Times(const Values& w, const Values& x) {
    Values out(w.size() / x.size());
    for (size_t e = 0; e < w.size(); ++e) out[e / x.size()] += w[e] * x[e % x.size()];
    return out;
  }
  Values Linear(TensorId id, TensorId bias, uint32_t layer, const Values& x) const {
    Values out = Times(model_.Get(id, layer), x);
    if (model_.Has(bias, layer)) Add(&out, model_.Get(bias, layer));
    return out;
  }
  static Values Norm(Values x, const Values& weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double root = std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    for (size_t k = 0; k < x.size(); ++k) x[k] *= weight[k] / root;
    return x;
  }
  Values Rotated(Values x, size_t head_size) const {
    const Values& factors = model_.Get(TensorId::kRopeFactors);
    for (size_t head = 0; head < x.size(); head += head_size) {
      for (size_t k = 0; k < kRopeDims; k += 2) {
        const double frequency = std::pow(double{kTheta}, -static_cast<double>(k) / kRopeDims);
        const double angle =
            static_cast<double>(position_) * double{kFrequencyScale} * frequency / factors[k / 2];
        const double a = x[head + k];
        const double b = x[head + k + 1];
        x[head + k] = a * std::cos(angle) - b * std::sin(angle);
        x[head + k + 1] = a * std::sin(angle) + b * std::cos(angle);
      }
    }
    return x;
  }
  Values Attention(uint32_t i, const Values& x) {
    const LayerConfig& c = kLayers[i];
    const size_t size = c.head_size;
    const Values q = Rotated(Linear(TensorId::kQ, TensorId::kQBias, i, x), size);
    keys_[i].push_back(Rotated(Linear(TensorId::kK, TensorId::kKBias, i, x), size));
    values_[i].push_back(Linear(TensorId::kV, TensorId::kVBias, i, x));
    Values out(q.size());
    for (size_t head = 0; head < c.n_heads; ++head) {
      const size_t from = head / (c.n_heads / c.n_kv_heads) * size;
      Values weights;
      double total = 0;
      for (const Values& key : keys_[i]) {
        double dot = 0;
        for (size_t d = 0; d < size; ++d) dot += q[head * size + d] * key[from + d];
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(size))));
        total += weights.back();
      }
      for (size_t p = 0; p < weights.size(); ++p) {
        for (size_t d = 0; d < size; ++d) {
          out[head * size + d] += weights[p] / total * values_[i][p][from + d];
        }
      }
    }
    return Linear(TensorId::kAttentionOutput, TensorId::kAttentionOutputBias, i, out);
  }

  const HandMade& model_;
  size_t position_ = 0;
  std::vector<Values> keys_[kLayerCount];
  std::vector<Values> values_[kLayerCount];
};

TokenId TokenAt(size_t position) { return static_cast<TokenId>((1 + 29 * position) % kVocab); }

struct How {
  bool cached = false;
  unsigned threads = 1;
  size_t chunk = 1;
  KvType kv = KvType::kF32;
};

// Returns the logits of all positions, (kPositions, kVocab).
std::vector<float> Logits(const Kernels& kernels, const How& how) {
  Memory memory;
  HandMade model(memory);
  ByteSource sources[2];
  for (size_t i = 0; i < 2; ++i) {
    sources[i].base = model.bytes[i].data();
    sources[i].size = model.bytes[i].size();
  }
  Weights::Options options;
  options.use_cache = how.cached;
  options.cache_limit = how.cached ? 5000 : 0;
  Weights weights;
  const Status status = weights.Open(memory, std::move(model.file), sources, 2, options);
  EXPECT_TRUE(status.ok()) << status.message();
  ThreadPool pool;
  Forward forward;
  EXPECT_TRUE(pool.Start(memory, how.threads).ok());
  EXPECT_TRUE(forward.Init(memory, weights, kernels, pool, false, how.kv).ok());
  KvCache kv;
  kv.Init(memory, weights.config(), how.kv);
  EXPECT_TRUE(kv.Reserve(kPositions).ok());
  std::vector<float> logits;
  for (size_t begin = 0; begin < kPositions; begin += how.chunk) {
    std::vector<ForwardRow> rows;
    for (size_t p = begin; p < std::min(begin + how.chunk, kPositions); ++p) {
      rows.push_back({TokenAt(p), p, &kv, nullptr, true});
    }
    EXPECT_TRUE(forward.Run(rows.data(), rows.size()).ok());
    for (const ForwardRow& row : rows) logits.insert(logits.end(), row.logits, row.logits + kVocab);
  }
  return logits;
}

class ForwardLayersTest : public testing::TestWithParam<const Kernels*> {};

INSTANTIATE_TEST_SUITE_P(Tables, ForwardLayersTest, testing::ValuesIn(clamma_test::Tables()),
                         clamma_test::NameOf);

TEST_P(ForwardLayersTest, ComesNearThePassInDouble) {
  Memory memory;
  const HandMade model(memory);
  Reference reference(model);
  const std::vector<float> logits = Logits(*GetParam(), {});
  for (size_t p = 0; p < kPositions; ++p) {
    const Values exact = reference.Step(TokenAt(p));
    double scale = 0;
    for (const double logit : exact) scale = std::max(scale, std::abs(logit));
    for (size_t i = 0; i < kVocab; ++i) {
      ASSERT_NEAR(static_cast<double>(logits[p * kVocab + i]), exact[i], 2e-5 * scale)
          << "position " << p << ", token " << i;
    }
  }
}

TEST_P(ForwardLayersTest, BitsDependOnTheModelAlone) {
  const std::vector<float> expected = Logits(kScalarKernels, {});
  for (const How& how : {How{}, How{false, 3, 7}, How{true, 2, 1}, How{true, 1, 20}}) {
    EXPECT_EQ(Logits(*GetParam(), how), expected) << how.cached << ", " << how.chunk;
  }
  for (const KvType kv : {KvType::kF16, KvType::kQ8}) {
    const std::vector<float> shorter = Logits(kScalarKernels, {false, 1, 1, kv});
    EXPECT_EQ(Logits(*GetParam(), {false, 2, 16, kv}), shorter);
    EXPECT_NE(shorter, expected);
  }
}

}  // namespace
}  // namespace clamma
