// SPDX-License-Identifier: MIT
#include "model/files/ggml_types.h"

#include <cstddef>

#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr bool kRuns = true;

// Sorted by number. Types that only some programs wrote, or whose number is used for more than one
// layout, have no layout here.
constexpr GgmlType kTypes[] = {
    {0, "F32", 1, 4, kRuns},
    {1, "F16", 1, 2, kRuns},
    {2, "Q4_0", 32, 18, kRuns},
    {3, "Q4_1", 32, 20, kRuns},
    {4, "Q4_2"},
    {5, "Q4_3"},
    {6, "Q5_0", 32, 22, kRuns},
    {7, "Q5_1", 32, 24, kRuns},
    {8, "Q8_0", 32, 34, kRuns},
    {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84, kRuns},
    {11, "Q3_K", 256, 110, kRuns},
    {12, "Q4_K", 256, 144, kRuns},
    {13, "Q5_K", 256, 176, kRuns},
    {14, "Q6_K", 256, 210, kRuns},
    {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},
    {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18, kRuns},
    {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136, kRuns},
    {24, "I8", 1, 1},
    {25, "I16", 1, 2},
    {26, "I32", 1, 4},
    {27, "I64", 1, 8},
    {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2, kRuns},
    {31, "Q4_0_4_4"},
    {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"},
    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},
    {36, "IQ4_NL_4_4"},
    {37, "IQ4_NL_4_8"},
    {38, "IQ4_NL_8_8"},
    {39, "MXFP4", 32, 17, kRuns},
    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
    {42, "Q2_0"},
};
constexpr size_t kNumberOfTypes = sizeof(kTypes) / sizeof(kTypes[0]);

constexpr bool NumbersAreIndices() {
  for (size_t i = 0; i < kNumberOfTypes; ++i) {
    if (kTypes[i].id != i) return false;
  }
  return true;
}
static_assert(NumbersAreIndices());

// The names of the types with kernels, separated by commas.
struct WorkingNames {
  char text[8 * kNumberOfTypes] = {};
  constexpr WorkingNames() {
    size_t n = 0;
    for (const GgmlType& type : kTypes) {
      if (!type.runs) continue;
      for (const char* c = n == 0 ? "" : ", "; *c != '\0'; ++c) text[n++] = *c;
      for (const char* c = type.name; *c != '\0'; ++c) text[n++] = *c;
    }
  }
};
constexpr WorkingNames kWorkingNames;

}  // namespace

const GgmlType* FindGgmlType(uint32_t id) { return id < kNumberOfTypes ? &kTypes[id] : nullptr; }

const char* WorkingGgmlTypes() { return kWorkingNames.text; }

Status UnsupportedGgmlType(std::string_view tensor, uint32_t id) {
  const GgmlType* type = FindGgmlType(id);
  return Status::Error(StatusCode::kCorrupt,
                       "tensor %s has type %s (number %u), which is not supported: get the model "
                       "with tensors of the types %s",
                       Quoted(tensor).c_str(), type == nullptr ? "unknown" : type->name,
                       static_cast<unsigned>(id), WorkingGgmlTypes());
}

}  // namespace clamma
