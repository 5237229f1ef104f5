// SPDX-License-Identifier: MIT
// The type of each tensor.
#include "quantize/recipe.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/weight_types.h"

namespace clamma {
namespace {

GgufTensor Tensor(const std::string& name, std::vector<uint64_t> dims, uint32_t type = 1) {
  GgufTensor tensor;
  tensor.name = name;
  tensor.type = FindGgmlType(type);
  tensor.n_dims = static_cast<uint32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) tensor.dims[i] = dims[i];
  return tensor;
}

// Returns "Q6_K" and so on, "copy", or "floats".
std::string PlanOf(const char* recipe, const std::string& name, uint32_t layers = 32,
                   bool tied = false, bool pure = false, std::vector<uint64_t> dims = {512, 512}) {
  const TensorPlan plan =
      PlanTensor(*FindRecipe(recipe), {layers, tied}, pure, Tensor(name, std::move(dims)));
  if (plan.treatment == Treatment::kCopy) return "copy";
  return plan.treatment == Treatment::kFloats ? "floats" : FactsOf(plan.type).name;
}

// Returns the layers whose tensor gets Q6_K.
std::vector<uint32_t> LayersWithSixBits(const char* recipe, const std::string& part, uint32_t n) {
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < n; ++i) {
    if (PlanOf(recipe, "blk." + std::to_string(i) + "." + part, n) == "Q6_K") found.push_back(i);
  }
  return found;
}

TEST(RecipeTest, MediumMixesGiveSomeLayersMoreBits) {
  const std::vector<uint32_t> of_32 = {0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31};
  const std::vector<uint32_t> of_6 = {2, 5};
  for (const char* recipe : {"Q4_K_M", "Q5_K_M"}) {
    for (const char* part : {"attn_v.weight", "ffn_down.weight", "ffn_down_exps.weight"}) {
      EXPECT_EQ(LayersWithSixBits(recipe, part, 32), of_32) << recipe << " " << part;
      EXPECT_EQ(LayersWithSixBits(recipe, part, 6), of_6) << recipe << " " << part;
    }
    EXPECT_EQ(LayersWithSixBits(recipe, "attn_q.weight", 32), std::vector<uint32_t>());
  }
  EXPECT_EQ(PlanOf("Q4_K_M", "blk.4.attn_k.weight"), "Q4_K");
  EXPECT_EQ(PlanOf("Q5_K_M", "blk.4.ffn_up.weight"), "Q5_K");
  EXPECT_EQ(PlanOf("Q4_K_M", "blk.4.attn_qkv.weight"), "Q5_K");
  EXPECT_EQ(PlanOf("Q5_K_M", "blk.4.attn_qkv.weight"), "Q6_K");
}

TEST(RecipeTest, SmallMixesGiveTheFirstLayersMoreBits) {
  EXPECT_EQ(PlanOf("Q4_K_S", "blk.3.attn_v.weight"), "Q5_K");
  EXPECT_EQ(PlanOf("Q4_K_S", "blk.4.attn_v.weight"), "Q4_K");
  EXPECT_EQ(PlanOf("Q4_K_S", "blk.3.ffn_down.weight"), "Q5_K");
  EXPECT_EQ(PlanOf("Q4_K_S", "blk.4.ffn_down.weight"), "Q4_K");
  EXPECT_EQ(PlanOf("Q5_K_S", "blk.0.attn_v.weight"), "Q5_K");
}

TEST(RecipeTest, TheOutputHasSixBitsAtLeast) {
  EXPECT_EQ(PlanOf("Q4_0", "output.weight"), "Q6_K");
  EXPECT_EQ(PlanOf("Q5_K_M", "output.weight"), "Q6_K");
  EXPECT_EQ(PlanOf("Q8_0", "output.weight"), "Q8_0");
  EXPECT_EQ(PlanOf("F16", "output.weight"), "F16");
  EXPECT_EQ(PlanOf("Q4_0", "token_embd.weight"), "Q4_0");
  EXPECT_EQ(PlanOf("Q4_0", "token_embd.weight", 32, true), "Q6_K");
  EXPECT_EQ(PlanOf("Q4_0", "output.weight", 32, false, true), "Q4_0");
  EXPECT_EQ(PlanOf("Q4_K_M", "blk.0.attn_v.weight", 32, false, true), "Q4_K");
}

TEST(RecipeTest, VectorsAndRoutersStayFloats) {
  EXPECT_EQ(PlanOf("Q4_0", "blk.0.attn_norm.weight", 32, false, false, {512}), "floats");
  EXPECT_EQ(PlanOf("Q4_0", "blk.0.attn_q.bias", 32, false, false, {512}), "floats");
  EXPECT_EQ(PlanOf("Q4_0", "blk.0.ffn_gate_inp.weight", 32, false, false, {512, 8}), "floats");
  EXPECT_EQ(PlanOf("Q4_0", "blk.0.ssm_conv1d.weight", 32, false, false, {4, 512}), "floats");
  for (const uint32_t type : {0u, 26u, 28u}) {  // F32, I32, F64
    const TensorPlan plan = PlanTensor(*FindRecipe("Q4_0"), {32, false}, false,
                                       Tensor("blk.0.attn_norm.weight", {512}, type));
    EXPECT_EQ(plan.treatment, Treatment::kCopy) << type;
  }
}

TEST(RecipeTest, ColumnsThatBlocksDoNotDivideGetAnotherType) {
  const std::string name = "blk.4.attn_k.weight";
  EXPECT_EQ(PlanOf("Q4_K_M", name, 32, false, false, {576, 64}), "Q5_0");
  EXPECT_EQ(PlanOf("Q5_K_M", name, 32, false, false, {576, 64}), "Q5_1");
  EXPECT_EQ(PlanOf("Q6_K", name, 32, false, false, {576, 64}), "Q8_0");
  EXPECT_EQ(PlanOf("Q4_0", "output.weight", 32, false, false, {576, 64}), "Q8_0");
  EXPECT_EQ(PlanOf("Q4_K_M", name, 32, false, false, {100, 64}), "F16");
  EXPECT_EQ(PlanOf("Q4_0", name, 32, false, false, {100, 64}), "F16");
  const TensorPlan plan =
      PlanTensor(*FindRecipe("Q4_K"), {32, false}, false, Tensor(name, {576, 64}));
  EXPECT_EQ(plan.wanted, WeightType::kQ4_K);
}

TEST(RecipeTest, ACheckpointHasFloatVectorsAndInt8Matrices) {
  const GgufTensor norm = Tensor("output_norm.weight", {512}, 0);
  EXPECT_EQ(PlanCheckpointTensor(norm, true, false).treatment, Treatment::kCopy);
  EXPECT_EQ(PlanCheckpointTensor(norm, true, true).treatment, Treatment::kFloats);
  const TensorPlan plan = PlanCheckpointTensor(Tensor("output.weight", {512, 64}), false, false);
  EXPECT_EQ(plan.treatment, Treatment::kEncode);
  EXPECT_EQ(plan.type, WeightType::kInt8Groups);
  const GgmlType type = Int8GroupsType(32);
  WeightType found = WeightType::kF32;
  ASSERT_TRUE(FindWeightType(type, &found));
  EXPECT_EQ(found, WeightType::kInt8Groups);
  EXPECT_EQ(type.block_bytes, 36u);
}

TEST(RecipeTest, NamesAreFoundInAnyCase) {
  EXPECT_EQ(FindRecipe("Q80")->type, WeightType::kInt8Groups);
  EXPECT_EQ(FindRecipe("q4_k_m"), FindRecipe("Q4_K_M"));
  EXPECT_EQ(FindRecipe("bf16")->file_type, 32u);
  for (const char* name : {"", "Q4", "Q4_K_L", "MXFP4", "Q4_K_M "}) {
    EXPECT_EQ(FindRecipe(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace clamma
