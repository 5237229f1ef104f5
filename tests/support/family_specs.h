// SPDX-License-Identifier: MIT
// A small random GGUF model of each family that the library runs. It has the special features of
// the family, and a layer of each kind. families_test.py checks that logits are right; these models
// are for tests of what holds whatever the logits are.
#ifndef CLAMMA_TESTS_SUPPORT_FAMILY_SPECS_H_
#define CLAMMA_TESTS_SUPPORT_FAMILY_SPECS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "gguf_models.h"

namespace clamma_test {

inline constexpr uint64_t kFamilyDim = 64;
inline constexpr uint64_t kFamilyHidden = 96;
inline constexpr uint64_t kFamilyHead = 16;
inline constexpr uint64_t kFamilyQ = 4 * kFamilyHead;
inline constexpr uint64_t kFamilyKv = 2 * kFamilyHead;
inline constexpr uint64_t kFamilyExperts = 5;
inline constexpr uint64_t kFamilyExpertHidden = 32;

inline GgufSpec FamilySpec(const std::string& architecture) {
  GgufSpec spec = {.vocab = 50, .type = kQ8_0};
  spec.architecture = architecture;
  return spec;
}

inline void AddPostNorms(GgufSpec* spec) {
  spec->of_layers.push_back({"post_attention_norm.weight", {kFamilyDim}});
  spec->of_layers.push_back({"post_ffw_norm.weight", {kFamilyDim}});
}
inline void AddQkNorms(GgufSpec* spec, uint64_t q = kFamilyHead, uint64_t k = kFamilyHead) {
  spec->of_layers.push_back({"attn_q_norm.weight", {q}});
  spec->of_layers.push_back({"attn_k_norm.weight", {k}});
}
inline void AddYarn(GgufSpec* spec) {
  spec->texts["rope.scaling.type"] = "yarn";
  spec->floats["rope.scaling.factor"] = 3;
  spec->numbers["rope.scaling.original_context_length"] = 20;
}
inline void AddExperts(GgufSpec* spec) {
  for (const char* name : {"ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"}) {
    spec->no_layer_has.insert(name);
  }
  spec->numbers["expert_count"] = kFamilyExperts;
  spec->numbers["expert_used_count"] = 2;
  spec->numbers["expert_feed_forward_length"] = kFamilyExpertHidden;
  const auto add = [&](const char* name, const std::vector<uint64_t>& dims) {
    spec->of_layers.push_back({name, dims});
  };
  add("ffn_gate_inp.weight", {kFamilyDim, kFamilyExperts});
  add("ffn_gate_exps.weight", {kFamilyDim, kFamilyExpertHidden, kFamilyExperts});
  add("ffn_up_exps.weight", {kFamilyDim, kFamilyExpertHidden, kFamilyExperts});
  add("ffn_down_exps.weight", {kFamilyExpertHidden, kFamilyDim, kFamilyExperts});
}

inline GgufSpec Gemma2Spec() {
  GgufSpec spec = FamilySpec("gemma2");
  spec.tied = true;
  AddPostNorms(&spec);
  spec.numbers["attention.sliding_window"] = 9;
  spec.floats["attn_logit_softcapping"] = 2;
  spec.floats["final_logit_softcapping"] = 3;
  return spec;
}

inline GgufSpec Gemma3Spec() {
  GgufSpec spec = FamilySpec("gemma3");
  spec.layers = 7;
  spec.tied = true;
  spec.linear_scaling = 4;
  AddPostNorms(&spec);
  AddQkNorms(&spec);
  spec.numbers["attention.sliding_window"] = 9;
  return spec;
}

inline GgufSpec Phi3Spec() {
  GgufSpec spec = FamilySpec("phi3");
  for (const char* name :
       {"attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight", "ffn_up.weight"}) {
    spec.no_layer_has.insert(name);
  }
  spec.of_model = {{"rope_factors_short.weight", {kFamilyHead / 2}},
                   {"rope_factors_long.weight", {kFamilyHead / 2}}};
  spec.of_layers = {{"attn_qkv.weight", {kFamilyDim, kFamilyQ + 2 * kFamilyKv}},
                    {"ffn_up.weight", {kFamilyDim, 2 * kFamilyHidden}}};
  spec.numbers["rope.scaling.original_context_length"] = 24;
  spec.floats["rope.scaling.attn_factor"] = 1.2f;
  spec.numbers["attention.sliding_window"] = 30;
  return spec;
}

inline GgufSpec GptOssSpec() {
  GgufSpec spec = FamilySpec("gpt-oss");
  spec.biases = true;
  AddExperts(&spec);
  for (const char* name : {"ffn_norm.weight", "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"}) {
    spec.no_layer_has.insert(name);
  }
  spec.of_layers.push_back({"post_attention_norm.weight", {kFamilyDim}});
  spec.of_layers.push_back({"attn_sinks.weight", {4}});
  spec.of_layers.push_back({"ffn_gate_inp.bias", {kFamilyExperts}});
  spec.of_layers.push_back({"ffn_gate_exps.bias", {kFamilyExpertHidden, kFamilyExperts}});
  spec.of_layers.push_back({"ffn_up_exps.bias", {kFamilyExpertHidden, kFamilyExperts}});
  spec.of_layers.push_back({"ffn_down_exps.bias", {kFamilyDim, kFamilyExperts}});
  for (const char* layer : {"blk.0.", "blk.1."}) {
    for (const char* name :
         {"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"}) {
      spec.types[std::string(layer) + name] = kMXFP4;
    }
  }
  spec.numbers["attention.sliding_window"] = 9;
  AddYarn(&spec);
  return spec;
}

inline std::vector<NamedGguf> FamilyModels() {
  GgufSpec mixtral = FamilySpec("llama");
  AddExperts(&mixtral);
  GgufSpec qwen2 = FamilySpec("qwen2");
  for (const auto& [name, size] : {std::pair("attn_q.bias", kFamilyQ),
                                   {"attn_k.bias", kFamilyKv},
                                   {"attn_v.bias", kFamilyKv}}) {
    qwen2.of_layers.push_back({name, {size}});
  }
  GgufSpec qwen3 = FamilySpec("qwen3");
  AddQkNorms(&qwen3);
  GgufSpec qwen3moe = qwen3;
  qwen3moe.architecture = "qwen3moe";
  AddExperts(&qwen3moe);
  GgufSpec gemma = FamilySpec("gemma");
  gemma.tied = true;
  GgufSpec mistral3 = FamilySpec("mistral3");
  AddYarn(&mistral3);
  mistral3.floats["attention.temperature_scale"] = 0.5f;
  GgufSpec granite = FamilySpec("granite");
  granite.floats = {{"attention.scale", 0.1f},
                    {"embedding_scale", 3.0f},
                    {"residual_scale", 0.4f},
                    {"logit_scale", 2.0f}};
  GgufSpec smollm3 = FamilySpec("smollm3");
  smollm3.layers = 5;
  GgufSpec olmo3 = FamilySpec("olmo2");
  olmo3.layers = 5;
  olmo3.no_layer_has = {"attn_norm.weight", "ffn_norm.weight"};
  AddPostNorms(&olmo3);
  AddQkNorms(&olmo3, kFamilyQ, kFamilyKv);
  AddYarn(&olmo3);
  olmo3.numbers["attention.sliding_window"] = 9;
  return {{"mixtral", mixtral},     {"qwen2", qwen2},     {"qwen3", qwen3},
          {"qwen3moe", qwen3moe},   {"gemma", gemma},     {"gemma2", Gemma2Spec()},
          {"gemma3", Gemma3Spec()}, {"phi3", Phi3Spec()}, {"mistral3", mistral3},
          {"granite", granite},     {"smollm3", smollm3}, {"olmo3", olmo3},
          {"gpt_oss", GptOssSpec()}};
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_FAMILY_SPECS_H_
