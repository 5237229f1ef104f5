// SPDX-License-Identifier: MIT
// Wrong files of each family: tensors that are missing, transposed or of another width, impossible
// numbers, damaged headers. Each is refused with a reason, or runs.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "family_specs.h"
#include "gguf_fixture.h"
#include "kernel_fixture.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"
#include "test_data.h"

namespace clamma_test {

void PrintTo(const NamedGguf& model, std::ostream* out) { *out << model.name; }

namespace {

using clamma::Status;

// Reads a model and, if it is accepted, runs a few positions.
Status RunModel(const std::vector<uint8_t>& bytes) {
  clamma::Memory memory;
  clamma::ModelFiles files;
  CLAMMA_RETURN_IF_ERROR(files.OpenAt(memory, bytes.data(), bytes.size()));
  clamma::ModelFile model;
  CLAMMA_RETURN_IF_ERROR(files.ReadModel(&model));
  clamma::Weights weights;
  CLAMMA_RETURN_IF_ERROR(
      weights.Open(memory, std::move(model), files.sources(), files.count(), {}));
  clamma::ThreadPool pool;
  CLAMMA_RETURN_IF_ERROR(pool.Start(memory, 1));
  clamma::Forward forward;
  CLAMMA_RETURN_IF_ERROR(forward.Init(memory, weights, clamma::SelectKernels(), pool));
  clamma::KvCache kv;
  kv.Init(memory, weights.config(), clamma::KvType::kF16);
  CLAMMA_RETURN_IF_ERROR(kv.Reserve(3));
  for (size_t position = 0; position < 3; ++position) {
    clamma::ForwardRow row = {static_cast<clamma::TokenId>(position + 1), position, &kv, nullptr,
                              true};
    CLAMMA_RETURN_IF_ERROR(forward.Run(&row, 1));
  }
  return Status();
}

class FamilyFiles : public testing::TestWithParam<NamedGguf> {
 protected:
  // Returns the model with tensor `index` changed. A change that removes all dimensions removes the
  // tensor.
  std::vector<uint8_t> With(size_t index,
                            const std::function<void(GgufTensorSpec*)>& change) const {
    const GgufSpec& spec = GetParam().spec;
    GgufBytes file;
    AddKeys(spec, &file);
    std::vector<GgufTensorSpec> tensors = TensorsOf(spec);
    change(&tensors[index]);
    for (const GgufTensorSpec& tensor : tensors) {
      if (tensor.dims.empty()) continue;
      file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
    }
    return file.Build();
  }
  const GgufSpec& spec() const { return GetParam().spec; }

  static bool EndsWith(const std::string& text, const std::string& end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, FamilyFiles, testing::ValuesIn(FamilyModels()),
                         [](const auto& test) { return test.param.name; });

TEST_P(FamilyFiles, WholeOnesRun) {
  const Status status = RunModel(MakeGguf(spec()).Build());
  EXPECT_TRUE(status.ok()) << status.message();
}

// Biases and sinks may be missing, and so may the output, which is then the embedding.
TEST_P(FamilyFiles, MissingTensorsAreRefused) {
  const std::vector<GgufTensorSpec> tensors = TensorsOf(spec());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    const Status status = RunModel(With(i, [](GgufTensorSpec* tensor) { tensor->dims.clear(); }));
    const bool optional = EndsWith(name, ".bias") || EndsWith(name, "attn_sinks.weight") ||
                          name == "output.weight" || name == "rope_factors_long.weight";
    if (optional) {
      EXPECT_TRUE(status.ok()) << name << ": " << status.message();
    } else {
      SCOPED_TRACE(name);
      ExpectReason(status, {"there is no tensor \"" + name + "\""});
    }
  }
}

TEST_P(FamilyFiles, TransposedTensorsAreRefused) {
  const std::vector<GgufTensorSpec> tensors = TensorsOf(spec());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::vector<uint64_t>& dims = tensors[i].dims;
    if (dims.size() < 2 || dims[0] == dims[1]) continue;
    const Status status = RunModel(With(i, [](GgufTensorSpec* tensor) {
      std::swap(tensor->dims[0], tensor->dims[1]);
      tensor->type = kF32;  // allows rows of any length
    }));
    ExpectReason(status, {"tensor \"" + tensors[i].name + "\""});
  }
}

TEST_P(FamilyFiles, TensorsOfAnotherSizeAreRefused) {
  const std::vector<GgufTensorSpec> tensors = TensorsOf(spec());
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (size_t d = 0; d < tensors[i].dims.size(); ++d) {
      if (tensors[i].name == "token_embd.weight" && d == 1) continue;  // the vocabulary's size
      for (const int by : {-32, -1, 1, 32}) {
        const auto size = static_cast<int64_t>(tensors[i].dims[d]) + by;
        if (size <= 0) continue;
        SCOPED_TRACE(testing::Message() << tensors[i].name << ", dimension " << d << ": " << size);
        const Status status = RunModel(With(i, [&](GgufTensorSpec* tensor) {
          tensor->dims[d] = static_cast<uint64_t>(size);
          tensor->type = kF32;
        }));
        EXPECT_FALSE(status.ok());
        EXPECT_STRNE(status.message(), "");
      }
    }
  }
}

// Any byte of the header. (There is no vocabulary.)
TEST_P(FamilyFiles, DamagedHeadersAreRefusedOrRun) {
  const std::vector<uint8_t> whole = MakeGguf(spec()).Build();
  const size_t header = MakeGguf(spec()).BuildHeader().size();
  std::mt19937 random(1);
  size_t refused = 0;
  for (size_t at = random() % 3; at < header; at += 3) {
    std::vector<uint8_t> damaged = whole;
    const uint8_t changes[] = {0x01, 0x80, 0xff, static_cast<uint8_t>(1 + random() % 254)};
    damaged[at] ^= changes[random() % 4];
    const Status status = RunModel(damaged);
    EXPECT_EQ(status.ok(), status.message()[0] == '\0') << at;
    refused += status.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, header / 6);
}

// --- Numbers ---

void ExpectRefused(const GgufSpec& spec, const std::vector<std::string>& reason) {
  SCOPED_TRACE(reason.front());
  ExpectReason(RunModel(MakeGguf(spec).Build()), reason);
}
GgufSpec SpecOf(const std::string& name) {
  for (const NamedGguf& model : FamilyModels()) {
    if (model.name == name) return model.spec;
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(FamilyNumbers, ExpertsThatCannotBeAreRefused) {
  for (const char* family : {"mixtral", "qwen3moe", "gpt_oss"}) {
    for (const uint32_t count : {kFamilyExperts - 1, kFamilyExperts + 1, uint64_t{1} << 20}) {
      GgufSpec spec = SpecOf(family);
      spec.numbers["expert_count"] = static_cast<uint32_t>(count);
      EXPECT_FALSE(RunModel(MakeGguf(spec).Build()).ok()) << family << ": " << count;
    }
    for (const uint32_t used : {0u, 6u, 65u, 1u << 31}) {
      GgufSpec spec = SpecOf(family);
      spec.numbers["expert_used_count"] = used;
      ExpectRefused(spec, {"expert_used_count"});
    }
    for (const char* key : {"expert_shared_count", "expert_shared_feed_forward_length",
                            "leading_dense_block_count"}) {
      GgufSpec spec = SpecOf(family);
      spec.numbers[key] = 1;
      ExpectRefused(spec, {key});
    }
  }
  GgufSpec none = SpecOf("qwen3moe");
  none.numbers["expert_count"] = 0;
  ExpectRefused(none, {"expert_count"});
  none = SpecOf("mixtral");
  none.numbers["expert_count"] = 0;
  ExpectRefused(none, {"experts"});
}

TEST(FamilyNumbers, WhatWouldChangeTheResultsIsRefused) {
  GgufSpec granite = SpecOf("granite");
  granite.numbers["expert_shared_feed_forward_length"] = 32;
  ExpectRefused(granite, {"granite.expert_shared_feed_forward_length"});
  GgufSpec sigmoid = SpecOf("qwen3moe");
  sigmoid.numbers["expert_gating_func"] = 2;
  ExpectRefused(sigmoid, {"qwen3moe.expert_gating_func"});
  sigmoid.numbers["expert_gating_func"] = 1;
  EXPECT_TRUE(RunModel(MakeGguf(sigmoid).Build()).ok());
  ExpectReason(
      RunModel(MakeGguf(SpecOf("qwen3moe")).Add("qwen3moe.expert_weights_norm", false).Build()),
      {"qwen3moe.expert_weights_norm"});
  ExpectReason(RunModel(MakeGguf(SpecOf("gemma2")).Add("gemma2.attention.causal", false).Build()),
               {"gemma2.attention.causal"});
  for (const char* family : {"qwen2", "qwen3", "gemma", "smollm3", "mistral3"}) {
    GgufSpec spec = SpecOf(family);
    spec.numbers["attention.sliding_window"] = 32;
    ExpectRefused(spec, {"attention.sliding_window"});
  }
  GgufSpec yarn = SpecOf("mistral3");
  yarn.floats["rope.scaling.yarn_ext_factor"] = 0.5f;
  ExpectRefused(yarn, {"yarn_ext_factor"});
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    GgufSpec spec = SpecOf("gemma2");
    spec.floats[key] = -2.0f;
    ExpectRefused(spec, {key, "below 0"});
    spec.floats[key] = kNaN;
    ExpectRefused(spec, {key});
  }
  GgufSpec phi3 = SpecOf("phi3");
  phi3.layer_kv_heads = {2, 4};
  ExpectRefused(phi3, {"layers of different shapes"});
  for (const char* family : {"qwen35", "gemma4", "lfm2", "mamba"}) {
    ExpectRefused(FamilySpec(family), {"\"" + std::string(family) + "\"", "gemma3", "qwen3moe"});
  }
}

// With a window of one position, it attends only to itself; with the widest, to all.
TEST(FamilyNumbers, WindowsOfAnySizeRun) {
  for (const char* family : {"gemma2", "gemma3", "phi3", "olmo3", "gpt_oss"}) {
    for (const uint32_t window : {0u, 1u, 2u, UINT32_MAX}) {
      GgufSpec spec = SpecOf(family);
      spec.numbers["attention.sliding_window"] = window;
      const Status status = RunModel(MakeGguf(spec).Build());
      EXPECT_TRUE(status.ok()) << family << ", " << window << ": " << status.message();
    }
  }
}

}  // namespace
}  // namespace clamma_test
