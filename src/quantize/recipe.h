// SPDX-License-Identifier: MIT
// Chooses the type of each tensor of a model. The mixes are those of llama.cpp's quantiser
// (https://github.com/ggml-org/llama.cpp/blob/master/src/llama-quant.cpp).
#ifndef CLAMMA_QUANTIZE_RECIPE_H_
#define CLAMMA_QUANTIZE_RECIPE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/kernels.h"
#include "model/files/gguf.h"

namespace clamma {

enum class Mix : uint8_t {
  kNone,    // all matrices except the output have one type
  kSmall,   // Q4_K_S, Q5_K_S
  kMedium,  // Q4_K_M, Q5_K_M
};

struct Recipe {
  const char* name;
  WeightType type;     // of most matrices; kInt8Groups: of all matrices in a llama2.c checkpoint
  uint32_t file_type;  // general.file_type
  Mix mix;
};

// Ignores the case of the name. Returns nullptr if there is none.
const Recipe* FindRecipe(std::string_view name);
const Recipe* Recipes(size_t* count);

// The facts about a model that a recipe needs.
struct RecipeModel {
  uint32_t n_layers = 0;
  bool tied = false;  // the embedding is also the output
};

enum class Treatment : uint8_t {
  kCopy,    // unchanged
  kFloats,  // a vector or a router: F32
  kEncode,
};

struct TensorPlan {
  Treatment treatment = Treatment::kCopy;
  WeightType type = WeightType::kF32;
  WeightType wanted = WeightType::kF32;  // differs from `type` if its blocks do not fit the columns
};

// `pure`: every matrix gets the recipe's type.
TensorPlan PlanTensor(const Recipe& recipe, const RecipeModel& model, bool pure,
                      const GgufTensor& tensor);

// The same for a llama2.c checkpoint: vectors stay floats, and all matrices are int8.
TensorPlan PlanCheckpointTensor(const GgufTensor& tensor, bool is_vector, bool is_scaled);

// Finds the weight type with kernels for a GGUF type; false: there is none.
bool FindWeightType(const GgmlType& type, WeightType* found);
// Returns the GGUF type for a weight type other than kInt8Groups.
const GgmlType* FindGgmlType(WeightType type);

// llama2.c's int8 weights, which GGUF files do not have, as a GgmlType: block_cols is the group's
// size, and block_bytes includes the scale, although the scales follow all weights of the tensor.
GgmlType Int8GroupsType(uint32_t group_size);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_RECIPE_H_
