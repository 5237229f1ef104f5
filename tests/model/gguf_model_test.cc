// SPDX-License-Identifier: MIT
// From a GGUF file to a model: the effect of its keys and tensors, and every refusal.
#include "model/files/gguf_model.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gguf_fixture.h"
#include "gguf_models.h"
#include "kernel_fixture.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"

namespace clamma_test {
namespace {

using clamma::Status;

// A model that has been read and can run.
class Model {
 public:
  explicit Model(const GgufBytes& file) : bytes_(file.Build()) {
    status_ = files_.OpenAt(memory_, bytes_.data(), bytes_.size());
    if (!status_.ok()) return;
    clamma::ModelFile model;
    status_ = files_.ReadModel(&model);
    if (!status_.ok()) return;
    status_ = weights_.Open(memory_, std::move(model), files_.sources(), files_.count(), {});
  }
  explicit Model(const GgufSpec& spec) : Model(MakeGguf(spec)) {}

  const Status& status() const { return status_; }
  const clamma::ModelFile& file() const { return weights_.file(); }
  const clamma::ModelConfig& config() const { return weights_.config(); }

  // Returns the logits of a few positions, (positions, vocab_size).
  Floats Logits() {
    EXPECT_TRUE(status_.ok()) << status_.message();
    clamma::ThreadPool pool;
    clamma::Forward forward;
    EXPECT_TRUE(pool.Start(memory_, 1).ok());
    EXPECT_TRUE(forward.Init(memory_, weights_, clamma::SelectKernels(), pool).ok());
    clamma::KvCache kv;
    kv.Init(memory_, config(), clamma::KvType::kF32);
    constexpr size_t kPositions = 9;
    EXPECT_TRUE(kv.Reserve(kPositions).ok());
    std::vector<clamma::ForwardRow> rows;
    for (size_t at = 0; at < kPositions; ++at) {
      const auto token = static_cast<clamma::TokenId>((1 + 7 * at) % config().vocab_size);
      rows.push_back({token, at, &kv, nullptr, true});
    }
    EXPECT_TRUE(forward.Run(rows.data(), rows.size()).ok());
    Floats logits;
    for (const clamma::ForwardRow& row : rows) {
      logits.insert(logits.end(), row.logits, row.logits + config().vocab_size);
    }
    return logits;
  }

 private:
  std::vector<uint8_t> bytes_;
  clamma::Memory memory_;
  clamma::ModelFiles files_;
  clamma::Weights weights_;
  Status status_;
};

void ExpectRefusal(const GgufBytes& file, const std::vector<std::string>& texts) {
  ExpectReason(Model(file).status(), texts);
}

// A small model without the keys and tensors that a test adds in another form.
GgufBytes Without(const std::string& name, GgufSpec spec = {}) {
  spec.without.insert(name);
  return MakeGguf(spec);
}
GgufBytes Small() { return MakeGguf({}); }

TEST(GgufModel, NumbersAreThoseOfTheKeys) {
  Model model({.dim = 64,
               .hidden = 160,
               .layers = 3,
               .heads = 4,
               .kv_heads = 2,
               .head_size = 24,
               .vocab = 53,
               .context = 77,
               .type = kQ5_0});
  ASSERT_TRUE(model.status().ok()) << model.status().message();
  const clamma::ModelConfig& config = model.config();
  EXPECT_EQ(config.dim, 64u);
  EXPECT_EQ(config.widest.hidden_dim, 160u);
  EXPECT_EQ(config.n_layers, 3u);
  EXPECT_EQ(config.widest.n_heads, 4u);
  EXPECT_EQ(config.widest.n_kv_heads, 2u);
  EXPECT_EQ(config.widest.head_size, 24u);
  EXPECT_EQ(config.rope_dims, 24u);
  EXPECT_EQ(config.vocab_size, 53u);
  EXPECT_EQ(config.seq_len, 77u);
  EXPECT_FALSE(config.shared_classifier);
  EXPECT_EQ(config.ropes[0].frequency_scale, 1.0f);
  EXPECT_STREQ(model.file().architecture, "llama");
  EXPECT_STREQ(model.file().file_type, "Q5_0");
  EXPECT_STREQ(model.file().format, "GGUF");
}

TEST(GgufModel, KeysThatMayBeMissingHaveTheirUsualValues) {
  GgufSpec spec = {.kv_heads = 4, .tied = true};
  spec.without = {"llama.attention.head_count_kv", "llama.rope.dimension_count",
                  "general.file_type"};
  Model model(spec);
  ASSERT_TRUE(model.status().ok()) << model.status().message();
  EXPECT_EQ(model.config().widest.n_kv_heads, 4u);
  EXPECT_EQ(model.config().widest.head_size, 16u);
  EXPECT_EQ(model.config().rope_dims, 16u);
  EXPECT_EQ(model.config().ropes[0].theta, 10000.0f);
  EXPECT_TRUE(model.config().shared_classifier);
  EXPECT_STREQ(model.file().file_type, "F32");
}

TEST(GgufModel, OtherArchitecturesAreRefusedByName) {
  ExpectRefusal(Without("general.architecture").Add("general.architecture", "mamba"),
                {"\"mamba\"", "not supported", "llama"});
  ExpectRefusal(Without("general.architecture"), {"general.architecture"});
}

TEST(GgufModel, WhatWouldChangeTheResultsIsRefused) {
  ExpectRefusal(Small().Add("llama.expert_count", uint32_t{8}), {"llama.expert_used_count"});
  ExpectRefusal(Small().Add("llama.rope.scaling.type", "longrope"),
                {"\"longrope\"", "none", "linear", "yarn"});
  ExpectRefusal(Small().Add("llama.attention.sliding_window", uint32_t{64}),
                {"llama.attention.sliding_window"});
  ExpectRefusal(Small().Add("llama.attention.scale", 0.5f), {"llama.attention.scale"});
  ExpectRefusal(Small().Add("llama.logit_scale", 2.0f), {"llama.logit_scale"});
  ExpectRefusal(Small().Add("llama.rope.scaling.factor", -2.0f), {"scaling", "below 0"});
  ExpectRefusal(Small().Add("llama.attention.causal", false), {"\"llama.attention.causal\""});
  ExpectRefusal(Small().Add("llama.use_parallel_residual", true), {"use_parallel_residual"});
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping",
                          "attention.clamp_kqv", "attention.max_alibi_bias"}) {
    const std::string full = "llama." + std::string(key);
    ExpectRefusal(Small().Add(full, 8.0f), {"\"" + full + "\"", "not supported"});
    EXPECT_TRUE(Model(Small().Add(full, 0.0f)).status().ok()) << "0 says that there is none";
  }
  EXPECT_TRUE(Model(Small().Add("llama.attention.causal", true)).status().ok());
  GgufBytes experts = Small().Add("llama.expert_count", uint32_t{0});
  EXPECT_TRUE(Model(experts.Add("llama.rope.scaling.type", "none")).status().ok());
}

TEST(GgufModel, NumbersThatCannotBeAreRefusedByKey) {
  const struct {
    const char* key;
    uint32_t value;
  } cases[] = {{"llama.context_length", 0},       {"llama.context_length", 1u << 25},
               {"llama.block_count", 0},          {"llama.block_count", 1u << 20},
               {"llama.embedding_length", 0},     {"llama.feed_forward_length", 0},
               {"llama.attention.head_count", 0}, {"llama.attention.head_count_kv", 0},
               {"llama.rope.dimension_count", 0}};
  for (const auto& c : cases) ExpectRefusal(Without(c.key).Add(c.key, c.value), {c.key});
  for (const char* key : {"llama.context_length", "llama.block_count", "llama.embedding_length",
                          "llama.feed_forward_length", "llama.attention.head_count",
                          "llama.attention.layer_norm_rms_epsilon"}) {
    ExpectRefusal(Without(key), {key});
  }
  const std::string epsilon = "llama.attention.layer_norm_rms_epsilon";
  ExpectRefusal(Without(epsilon).Add(epsilon, 0.0f), {epsilon, "above 0"});
  ExpectRefusal(Without(epsilon).Add(epsilon, kNaN), {epsilon});
  ExpectRefusal(Small().Add("llama.rope.freq_base", -1.0f), {"llama.rope.freq_base"});
}

TEST(GgufModel, HeadsThatDoNotFitAreRefused) {
  ExpectRefusal(MakeGguf({.heads = 4, .kv_heads = 3}), {"layer 0", "4 heads", "3 kv heads"});
  GgufSpec spec = {.head_size = 16};
  const std::string value_length = "llama.attention.value_length";
  ExpectRefusal(Without(value_length, spec).Add(value_length, uint32_t{8}),
                {"layer 0", "keys of 16", "values of 8", "llama.attention.key_length",
                 "llama.attention.value_length"});
  for (const uint32_t dims : {3u, 18u}) {
    const std::string key = "llama.rope.dimension_count";
    ExpectRefusal(Without(key).Add(key, dims),
                  {"layer 0", "heads of 16", std::to_string(dims) + " are to be rotated"});
  }
}

TEST(GgufModel, UnknownTensorsAreRefusedByName) {
  for (const char* name :
       {"blk.0.attn_sinks.weight", "blk.0.attn_q.scale", "blk.00.attn_norm.weight",
        "blk.0attn_norm.weight", "blk..attn_norm.weight", "blk.4294967296.attn_norm.weight",
        "blk.99999999999999999999999.attn_norm.weight", "attn_norm.weight", "blk.0.output.weight",
        "blk.0.", "output.bias"}) {
    ExpectRefusal(Small().AddTensor(name, kF32, {64}), {"\"" + std::string(name) + "\""});
  }
  ExpectRefusal(Small().AddTensor("blk.2.attn_norm.weight", kF32, {64}),
                {"\"blk.2.attn_norm.weight\"", "layer"});
}

TEST(GgufModel, MissingTensorsAreNamed) {
  for (const char* name : {"output_norm.weight", "blk.1.attn_norm.weight", "blk.0.attn_q.weight",
                           "blk.0.attn_k.weight", "blk.1.attn_v.weight", "blk.1.attn_output.weight",
                           "blk.0.ffn_norm.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight",
                           "blk.1.ffn_down.weight", "token_embd.weight"}) {
    ExpectRefusal(Without(name), {"there is no tensor \"" + std::string(name) + "\""});
  }
}

TEST(GgufModel, TensorsOfTheWrongShapeAreRefused) {
  const auto replaced = [](const char* name, uint32_t type, const std::vector<uint64_t>& dims) {
    return Without(name, {.biases = true}).AddTensor(name, type, dims);
  };
  ExpectRefusal(replaced("blk.1.attn_q.weight", kF32, {64, 63}),
                {"\"blk.1.attn_q.weight\"", "63 rows of 64", "64 of 64"});
  ExpectRefusal(replaced("blk.1.ffn_down.weight", kF16, {64, 96}),
                {"\"blk.1.ffn_down.weight\"", "96 rows of 64", "64 of 96"});
  ExpectRefusal(replaced("output.weight", kF32, {64, 47}), {"\"output.weight\"", "47 rows"});
  ExpectRefusal(replaced("token_embd.weight", kF32, {32, 48}),
                {"\"token_embd.weight\"", "48 rows of 32"});
  ExpectRefusal(replaced("blk.0.attn_k.bias", kF32, {33}),
                {"\"blk.0.attn_k.bias\"", "33 elements", "32"});
  ExpectRefusal(replaced("blk.0.ffn_norm.weight", kF32, {96}),
                {"\"blk.0.ffn_norm.weight\"", "96 elements", "64"});
  ExpectRefusal(replaced("blk.0.attn_norm.weight", kF16, {64}),
                {"\"blk.0.attn_norm.weight\"", "not of type F32"});
  ExpectRefusal(replaced("blk.0.attn_norm.weight", kF32, {64, 2}),
                {"\"blk.0.attn_norm.weight\"", "dimensions"});
  ExpectRefusal(replaced("blk.0.attn_q.weight", kF32, {64, 8, 8}),
                {"\"blk.0.attn_q.weight\"", "dimensions"});
  ExpectRefusal(Small().AddTensor("rope_freqs.weight", kF32, {7}),
                {"\"rope_freqs.weight\"", "7 elements"});
  ExpectRefusal(Without("token_embd.weight").AddTensor("token_embd.weight", kF32, {64, 2}),
                {"2 tokens"});
}

TEST(GgufModel, ArraysGiveEachLayerItsNumber) {
  Model model(UnusualSpec());
  ASSERT_TRUE(model.status().ok()) << model.status().message();
  const uint32_t kv_heads[] = {2, 4, 1};
  const uint32_t hidden[] = {96, 64, 160};
  for (uint32_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(model.config().layer(layer).n_kv_heads, kv_heads[layer]);
    EXPECT_EQ(model.config().layer(layer).hidden_dim, hidden[layer]);
  }
  EXPECT_EQ(model.config().widest.n_kv_heads, 4u);
  EXPECT_EQ(model.config().widest.hidden_dim, 160u);
  ExpectSameBits(model.Logits(), Model(UnusualSpec()).Logits());
}

TEST(GgufModel, ArraysOfEqualNumbersAreAsOneNumber) {
  GgufSpec spec;
  const Floats expected = Model(spec).Logits();
  spec.layer_kv_heads = {2, 2};
  spec.layer_hidden = {96, 96};
  ExpectSameBits(Model(spec).Logits(), expected);
}

TEST(GgufModel, ArraysOfAnotherLengthAreRefused) {
  const std::string key = "llama.attention.head_count_kv";
  ExpectRefusal(Without(key).AddArray(key, std::vector<uint32_t>{2}), {key});
  ExpectRefusal(Without(key).AddArray(key, std::vector<uint32_t>{2, 2, 2}), {key});
}

// A plan has no index of its keys, so it must not search all of them for every layer.
TEST(GgufModel, ManyLayersAndManyKeysArePlannedInLittleTime) {
  GgufBytes file;
  for (int i = 0; i < 20000; ++i) file.Add("key." + std::to_string(i), uint8_t{1});
  GgufSpec spec;
  spec.layers = 60000;
  AddKeys(spec, &file);
  file.AddTensor("token_embd.weight", kF32, {64, 48});
  const std::vector<uint8_t> bytes = file.Build();
  clamma::Memory plan((clamma::Memory::Plan()));
  clamma::ModelFiles files;
  Status status = files.OpenAt(plan, bytes.data(), bytes.size());
  ASSERT_TRUE(status.ok()) << status.message();
  clamma::ModelFile model;
  const auto begin = std::chrono::steady_clock::now();
  status = files.ReadModel(&model);
  ASSERT_TRUE(status.ok()) << status.message();
  // One walk for each of 300,000 numbers would take a minute.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

// Dividing a frequency has the same effect as dividing the position.
TEST(GgufModel, LinearScalingDividesFrequencies) {
  const Floats plain = Model(GgufSpec()).Logits();
  const Floats scaled = Model(GgufSpec{.linear_scaling = 2}).Logits();
  const std::vector<uint8_t> twos = FloatBytes(std::vector<float>(8, 2.0f));
  ExpectSameBits(Model(Small().AddTensor("rope_freqs.weight", kF32, {8}, twos)).Logits(), scaled);
  ExpectSameBits(Model(Small().Add("llama.rope.scale_linear", 2.0f)).Logits(), scaled);
  EXPECT_NE(std::vector<float>(plain.begin(), plain.end()),
            std::vector<float>(scaled.begin(), scaled.end()));
  // At position 0 nothing is rotated.
  ExpectSameBits(Floats(scaled.begin(), scaled.begin() + 48),
                 Floats(plain.begin(), plain.begin() + 48));
  EXPECT_EQ(Model(GgufSpec{.linear_scaling = 2.5f}).config().ropes[0].frequency_scale, 1 / 2.5f);
  for (const float none : {0.0f, 1.0f}) {
    ExpectSameBits(Model(Small().Add("llama.rope.scaling.factor", none)).Logits(), plain);
  }
  GgufBytes off = Small().Add("llama.rope.scaling.factor", 2.0f);
  ExpectSameBits(Model(off.Add("llama.rope.scaling.type", "none")).Logits(), plain);
}

TEST(GgufModel, OptionalTensorsCount) {
  const Floats plain = Model(GgufSpec()).Logits();
  const auto differs = [&](const GgufSpec& spec) {
    const Floats logits = Model(spec).Logits();
    EXPECT_EQ(logits.size(), plain.size());
    return !std::equal(logits.begin(), logits.end(), plain.begin());
  };
  EXPECT_TRUE(differs({.tied = true}));
  EXPECT_TRUE(differs({.biases = true}));
  EXPECT_TRUE(differs({.rope_factors = true}));
  // Biases of zeros have no effect.
  GgufBytes zeros = Small();
  zeros.AddTensor("blk.0.attn_q.bias", kF32, {64}).AddTensor("blk.1.ffn_down.bias", kF32, {64});
  ExpectSameBits(Model(zeros).Logits(), plain);
}

}  // namespace
}  // namespace clamma_test
