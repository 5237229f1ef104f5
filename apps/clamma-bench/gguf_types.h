// SPDX-License-Identifier: MIT
// Weight types of GGUF files, and random blocks of them.
#ifndef CLAMMA_BENCH_GGUF_TYPES_H_
#define CLAMMA_BENCH_GGUF_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "random.h"

namespace bench {

struct GgufType {
  uint32_t id;           // ggml's number
  uint32_t cols, bytes;  // of a block
  // Writes `count` blocks of weights with a mean of about 0 and the standard deviation `deviation`.
  void (*fill)(uint8_t* blocks, size_t count, float deviation, Random& random);
};

extern const GgufType kGgufF32;  // the norms' type

// A kind of file: most of its matrices have one type.
struct GgufKind {
  const char* name;
  uint32_t file_type;  // general.file_type
  const GgufType* type;
  const GgufType* better;  // of the matrices for which the _m kinds use more bits
  bool int8;               // multiplied as integers: the int8 peak bounds a prompt
};

std::vector<std::string> GgufKindNames();
const GgufKind* FindGgufKind(const std::string& name);  // nullptr: there is none

// The type of a matrix with `cols` columns: `type` if its blocks divide them, else the type that
// llama.cpp's quantiser uses instead.
const GgufType& TypeForCols(const GgufType& type, uint32_t cols);

}  // namespace bench

#endif  // CLAMMA_BENCH_GGUF_TYPES_H_
