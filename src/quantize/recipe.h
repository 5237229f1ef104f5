// SPDX-License-Identifier: MIT
// Which tensor of a model gets which type. The mixes are those of llama.cpp's quantiser
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
  kNone,    // all matrices are of one type, but for the output
  kSmall,   // Q4_K_S, Q5_K_S
  kMedium,  // Q4_K_M, Q5_K_M
};

struct Recipe {
  const char* name;
  WeightType type;     // of most matrices; kInt8Groups: of all in a checkpoint of llama2.c
  uint32_t file_type;  // general.file_type
  Mix mix;
};

// Names in any case; nullptr: there is none.
const Recipe* FindRecipe(std::string_view name);
const Recipe* Recipes(size_t* count);

// What a recipe wants to know of a model.
struct RecipeModel {
  uint32_t n_layers = 0;
  bool tied = false;  // the embedding is the output as well
};

enum class Treatment : uint8_t {
  kCopy,    // as it is
  kFloats,  // a vector or a router: F32
  kEncode,
};

struct TensorPlan {
  Treatment treatment = Treatment::kCopy;
  WeightType type = WeightType::kF32;
  WeightType wanted = WeightType::kF32;  // differs where the columns do not suit that type
};

// `pure`: every matrix gets the recipe's type.
TensorPlan PlanTensor(const Recipe& recipe, const RecipeModel& model, bool pure,
                      const GgufTensor& tensor);

// The same in a checkpoint of llama2.c: vectors stay floats, and all matrices are int8.
TensorPlan PlanCheckpointTensor(const GgufTensor& tensor, bool is_vector, bool is_scaled);

// The type with kernels that this is; false: there is none.
bool FindWeightType(const GgmlType& type, WeightType* found);
// The type of GGUF files that this is; not of kInt8Groups.
const GgmlType* FindGgmlType(WeightType type);

// llama2.c's int8 weights, which GGUF files do not have, as a GgmlType: block_cols is the group's
// size, and block_bytes counts the scale, although that lies behind the tensor's weights.
GgmlType Int8GroupsType(uint32_t group_size);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_RECIPE_H_
