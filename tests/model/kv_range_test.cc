// SPDX-License-Identifier: MIT
// Keys and values that half precision cannot represent: the reason names them, and the remedy.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "gguf_models.h"
#include "model/kv_cache.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

using clamma::KvCache;
using clamma::KvType;

constexpr char kReason[] =
    "the model has keys or values beyond 65504, which half precision does not hold: use kv_type "
    "CLAMMA_KV_F32 (--kv f32)";

class KvRange : public testing::Test {
 protected:
  void SetUp() override {
    config_.dim = 8;
    config_.n_layers = 2;
    config_.widest = {.n_heads = 2, .n_kv_heads = 2, .head_size = 4};
    config_.seq_len = 100;
  }
  void Store(KvCache* kv, uint32_t layer, size_t position, float key, float value) {
    const std::vector<float> keys(8, key);
    std::vector<float> values(8, 1.0f);
    values[5] = value;
    kv->Store(layer, position, keys.data(), values.data());
  }
  clamma::ModelConfig config_;
  clamma::Memory memory_;
};

TEST_F(KvRange, LargestHalfIsHeldAndWhatRoundsBeyondItIsNot) {
  struct Case {
    float key, value;
    bool fits;
  };
  const float infinity = std::numeric_limits<float>::infinity();
  const Case cases[] = {{65504, -65504, true},   {65519.99f, 1, true}, {65520, 1, false},
                        {1, -65520, false},      {1e30f, 1, false},    {infinity, 1, true},
                        {1, std::nanf(""), true}};  // damaged weights make the last two
  for (const Case& c : cases) {
    for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8}) {
      KvCache kv;
      kv.Init(memory_, config_, type);
      ASSERT_TRUE(kv.Reserve(40).ok());
      Store(&kv, 1, 33, c.key, c.value);
      const bool expected = c.fits || type != KvType::kF16;
      EXPECT_FALSE(kv.Overflows(33)) << c.key << ", " << c.value;
      EXPECT_EQ(kv.Overflows(34), !expected) << c.key << ", " << c.value;
    }
  }
}

TEST_F(KvRange, FirstPositionCountsUntilItIsStoredAgain) {
  KvCache kv;
  kv.Init(memory_, config_, KvType::kF16);
  ASSERT_TRUE(kv.Reserve(10).ok());
  Store(&kv, 0, 7, 70000, 1);
  Store(&kv, 1, 5, 70000, 1);
  Store(&kv, 0, 8, 70000, 1);
  EXPECT_FALSE(kv.Overflows(5));
  EXPECT_TRUE(kv.Overflows(6));
  kv.StoreFrom(6);
  EXPECT_TRUE(kv.Overflows(10)) << "position 5 is as it was";
  kv.StoreFrom(5);
  EXPECT_FALSE(kv.Overflows(10));
}

// A model whose keys are about 1.
class KvRangeOfAModel : public testing::Test {
 protected:
  // ... times a factor.
  std::string Write(float factor) {
    const GgufSpec spec = {.tokens = 48};
    GgufBytes file;
    AddKeys(spec, &file);
    for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
      std::vector<uint8_t> bytes = BytesOf(spec, tensor);
      if (tensor.name.find("attn_k.weight") != std::string::npos) {
        for (size_t i = 0; i < bytes.size(); i += 4) {
          float weight = 0;
          std::memcpy(&weight, &bytes[i], 4);
          weight *= factor;
          std::memcpy(&bytes[i], &weight, 4);
        }
      }
      file.AddTensor(tensor.name, tensor.type, tensor.dims, bytes);
    }
    return folder_.Write("model.gguf", file.Build());
  }
  TxfPtr OpenModel(const std::string& path, clamma_kv_type_t kv_type) {
    clamma_txf_info_t info = ModelInfo(path);
    info.tokenizer_path = nullptr;
    info.kv_type = kv_type;
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log_;
    return Open(info);
  }
  TemporaryFolder folder_;
  LogCollector log_;
};

TEST_F(KvRangeOfAModel, AQueryThatExceedsHalfPrecisionEndsWithTheReason) {
  const TxfPtr model = OpenModel(Write(1e6f), CLAMMA_KV_AUTO);
  const SessionPtr session = NewSession(model);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 5}), 0);
  StepAll();
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_ERROR});
  EXPECT_EQ(log_.last(), kReason);
  clamma_score_t score = {};
  EXPECT_NE(clamma_score(model.get(), "hand", 4, &score, nullptr, 0), 0);
  EXPECT_EQ(log_.last(), kReason);
}

TEST_F(KvRangeOfAModel, WhatTheReasonNamesHelps) {
  for (const clamma_kv_type_t kv_type : {CLAMMA_KV_F32, CLAMMA_KV_Q8}) {  // as int8 does, too
    const TxfPtr model = OpenModel(Write(1e6f), kv_type);
    Listener listener;
    const SessionPtr session = NewSession(model);
    ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 5}), 0);
    StepAll();
    ASSERT_EQ(listener.ends.size(), 1u);
    EXPECT_NE(listener.ends[0], CLAMMA_DONE_ERROR) << log_.last();
    EXPECT_TRUE(log_.lines.empty());
  }
}

TEST_F(KvRangeOfAModel, DamagedWeightsAreStillBlamedWhereTheyAre) {
  for (const clamma_kv_type_t kv_type : {CLAMMA_KV_F16, CLAMMA_KV_Q8}) {
    const TxfPtr model = OpenModel(Write(std::numeric_limits<float>::quiet_NaN()), kv_type);
    const SessionPtr session = NewSession(model);
    Listener listener;
    ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 5}), 0);
    StepAll();
    EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_ERROR});
    EXPECT_EQ(log_.last(), "the model's output is not a number: its weights are damaged");
  }
}

}  // namespace
}  // namespace clamma_test
