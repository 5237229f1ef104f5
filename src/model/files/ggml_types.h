// SPDX-License-Identifier: MIT
// The types of tensors in GGUF files, by the numbers that ggml gave them.
#ifndef CLAMMA_MODEL_FILES_GGML_TYPES_H_
#define CLAMMA_MODEL_FILES_GGML_TYPES_H_

#include <cstdint>
#include <string_view>

#include "platform/status.h"

namespace clamma {

struct GgmlType {
  uint32_t id = 0;
  const char* name = "";
  uint32_t block_cols = 0;   // 0: a layout that is not known here
  uint32_t block_bytes = 0;  // of so many columns of one row
  bool runs = false;         // there are kernels for it
};

// nullptr: no type has that number.
const GgmlType* FindGgmlType(uint32_t id);

// "F32, F16, ...": those that run.
const char* WorkingGgmlTypes();

// The refusal of a tensor of a type that does not run. Names the tensor, the type and what runs.
Status UnsupportedGgmlType(std::string_view tensor, uint32_t id);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGML_TYPES_H_
