// SPDX-License-Identifier: MIT
#include "quantize/recipe.h"

#include <algorithm>
#include <iterator>

#include "kernels/weight_types.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr Recipe kRecipes[] = {
    {"F32", WeightType::kF32, 0, Mix::kNone},
    {"F16", WeightType::kF16, 1, Mix::kNone},
    {"BF16", WeightType::kBF16, 32, Mix::kNone},
    {"Q8_0", WeightType::kQ8_0, 7, Mix::kNone},
    {"Q6_K", WeightType::kQ6_K, 18, Mix::kNone},
    {"Q5_K_M", WeightType::kQ5_K, 17, Mix::kMedium},
    {"Q5_K_S", WeightType::kQ5_K, 16, Mix::kSmall},
    {"Q5_K", WeightType::kQ5_K, 16, Mix::kNone},
    {"Q5_1", WeightType::kQ5_1, 9, Mix::kNone},
    {"Q5_0", WeightType::kQ5_0, 8, Mix::kNone},
    {"Q4_K_M", WeightType::kQ4_K, 15, Mix::kMedium},
    {"Q4_K_S", WeightType::kQ4_K, 14, Mix::kSmall},
    {"Q4_K", WeightType::kQ4_K, 14, Mix::kNone},
    {"IQ4_NL", WeightType::kIQ4_NL, 25, Mix::kNone},
    {"Q4_1", WeightType::kQ4_1, 3, Mix::kNone},
    {"Q4_0", WeightType::kQ4_0, 2, Mix::kNone},
    {"q80", WeightType::kInt8Groups, 0, Mix::kNone},
};

constexpr uint32_t kInt8GroupsId = UINT32_MAX;  // no type of GGUF files has it

char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool EqualInAnyCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (Upper(a[i]) != Upper(b[i])) return false;
  }
  return true;
}

bool EndsWith(std::string_view text, std::string_view end) {
  if (text.size() < end.size()) return false;
  text.remove_prefix(text.size() - end.size());
  return text == end;
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// N of "blk.N."; 0 for tensors that do not belong to a layer.
uint32_t LayerOf(std::string_view name) {
  if (!StartsWith(name, "blk.")) return 0;
  uint32_t layer = 0;
  for (size_t i = 4; i < name.size() && name[i] >= '0' && name[i] <= '9'; ++i) {
    if (layer > 1000000) return 0;
    layer = 10 * layer + static_cast<uint32_t>(name[i] - '0');
  }
  return layer;
}

// Layers whose values and outputs get more bits: the first and the last eighth, and every third of
// the others.
bool UsesMoreBits(uint32_t layer, uint32_t n_layers) {
  return layer < n_layers / 8 || layer >= 7 * uint64_t{n_layers} / 8 ||
         (layer - n_layers / 8) % 3 == 2;
}

WeightType TypeInMix(const Recipe& recipe, uint32_t n_layers, std::string_view name) {
  const bool is_values = Contains(name, "attn_v.weight");
  const bool is_down = Contains(name, "ffn_down");
  const uint32_t layer = LayerOf(name);
  const bool is_four_bits = recipe.type == WeightType::kQ4_K;
  if (recipe.mix == Mix::kMedium) {
    if (is_values || is_down) {
      return UsesMoreBits(layer, n_layers) ? WeightType::kQ6_K : recipe.type;
    }
    if (Contains(name, "attn_qkv.weight")) {
      return is_four_bits ? WeightType::kQ5_K : WeightType::kQ6_K;
    }
  } else if (recipe.mix == Mix::kSmall && is_four_bits) {
    if (is_values && layer < 4) return WeightType::kQ5_K;
    if (is_down && layer < n_layers / 8) return WeightType::kQ5_K;
  }
  return recipe.type;
}

// Vectors, and matrices that are small but important: norms, routers of experts, positions, the
// convolutions and states of recurrent layers.
bool StaysInFloats(const GgufTensor& tensor) {
  if (tensor.n_dims < 2 || (tensor.dims[1] == 1 && tensor.dims[2] == 1 && tensor.dims[3] == 1)) {
    return true;
  }
  if (!EndsWith(tensor.name, "weight")) return true;
  static constexpr const char* kParts[] = {
      "_norm.weight", "ffn_gate_inp",   "position_embd.weight", "token_types.weight",
      "ssm_conv1d",   "shortconv.conv", "attn_rel_b",           "time_mix",
  };
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](const char* part) { return Contains(tensor.name, part); });
}

bool Divides(WeightType type, uint64_t cols) { return cols % FactsOf(type).block_cols == 0; }

// The type to use in place of one whose blocks do not divide the columns.
WeightType Fallback(WeightType type, uint64_t cols) {
  if (Divides(type, cols)) return type;
  WeightType next = WeightType::kF16;
  if (type == WeightType::kQ4_K) next = WeightType::kQ5_0;
  if (type == WeightType::kQ5_K) next = WeightType::kQ5_1;
  if (type == WeightType::kQ6_K) next = WeightType::kQ8_0;
  return Divides(next, cols) ? next : WeightType::kF16;
}

bool HasFewerBitsThanSix(WeightType type) {
  const WeightTypeFacts& facts = FactsOf(type);
  const WeightTypeFacts& six = FactsOf(WeightType::kQ6_K);
  return facts.block_bytes * six.block_cols < six.block_bytes * facts.block_cols;
}

}  // namespace

const Recipe* Recipes(size_t* count) {
  *count = sizeof(kRecipes) / sizeof(kRecipes[0]);
  return kRecipes;
}

const Recipe* FindRecipe(std::string_view name) {
  for (const Recipe& recipe : kRecipes) {
    if (EqualInAnyCase(name, recipe.name)) return &recipe;
  }
  return nullptr;
}

bool FindWeightType(const GgmlType& type, WeightType* found) {
  if (type.id == kInt8GroupsId) {
    *found = WeightType::kInt8Groups;
    return true;
  }
  for (size_t i = 0; i < kWeightTypes; ++i) {
    const auto candidate = static_cast<WeightType>(i);
    if (type.runs && std::string_view(FactsOf(candidate).name) == type.name) {
      *found = candidate;
      return IsInBuild(candidate);
    }
  }
  return false;
}

const GgmlType* FindGgmlType(WeightType type) {
  const std::string_view name = FactsOf(type).name;
  for (uint32_t id = 0;; ++id) {
    const GgmlType* candidate = FindGgmlType(id);
    if (candidate == nullptr || name == candidate->name) return candidate;
  }
}

GgmlType Int8GroupsType(uint32_t group_size) {
  return {.id = kInt8GroupsId,
          .name = "q80",
          .block_cols = group_size,
          .block_bytes = group_size + 4,
          .runs = true};
}

TensorPlan PlanTensor(const Recipe& recipe, const RecipeModel& model, bool pure,
                      const GgufTensor& tensor) {
  TensorPlan plan;
  if (StaysInFloats(tensor)) {
    // Tensors that do not hold weights (integers, doubles) are not converted.
    WeightType source = WeightType::kF32;
    const bool is_weight = FindWeightType(*tensor.type, &source);
    plan.treatment =
        is_weight && source != WeightType::kF32 ? Treatment::kFloats : Treatment::kCopy;
    return plan;
  }
  plan.treatment = Treatment::kEncode;
  const bool is_output =
      tensor.name == "output.weight" || (model.tied && tensor.name == "token_embd.weight");
  if (pure) {
    plan.wanted = recipe.type;
  } else if (is_output && HasFewerBitsThanSix(recipe.type)) {
    plan.wanted = WeightType::kQ6_K;
  } else {
    plan.wanted = TypeInMix(recipe, model.n_layers, tensor.name);
  }
  plan.type = Fallback(plan.wanted, tensor.dims[0]);
  return plan;
}

TensorPlan PlanCheckpointTensor(const GgufTensor& tensor, bool is_vector, bool is_scaled) {
  TensorPlan plan;
  if (is_vector) {
    WeightType source = WeightType::kF32;
    const bool is_float = FindWeightType(*tensor.type, &source) && source == WeightType::kF32;
    plan.treatment = is_float && !is_scaled ? Treatment::kCopy : Treatment::kFloats;
    return plan;
  }
  plan.treatment = Treatment::kEncode;
  plan.type = plan.wanted = WeightType::kInt8Groups;
  return plan;
}

}  // namespace clamma
