// SPDX-License-Identifier: MIT
// The types of tensors in GGUF files, by their numbers in ggml.
#ifndef CLAMMA_MODEL_FILES_GGML_TYPES_H_
#define CLAMMA_MODEL_FILES_GGML_TYPES_H_

#include <cstdint>
#include <string_view>

#include "platform/status.h"

namespace clamma {

struct GgmlType {
  uint32_t id = 0;
  const char* name = "";
  uint32_t block_cols = 0;   // 0: the layout is not known here
  uint32_t block_bytes = 0;  // bytes of block_cols columns of one row
  bool runs = false;         // there are kernels for it
};

// Returns nullptr if no type has that number.
const GgmlType* FindGgmlType(uint32_t id);

// The names of the types with kernels: "F32, F16, ...".
const char* WorkingGgmlTypes();

// The error for a tensor of a type without kernels. It names the tensor, its type, and the types
// that have kernels.
Status UnsupportedGgmlType(std::string_view tensor, uint32_t id);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGML_TYPES_H_
