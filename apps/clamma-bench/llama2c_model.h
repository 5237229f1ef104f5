// SPDX-License-Identifier: MIT
// Models of random weights, and vocabularies for them, in llama2.c's formats: see
// src/model/files/llama2c.h and tokenizer.h of the library.
#ifndef CLAMMA_BENCH_LLAMA2C_MODEL_H_
#define CLAMMA_BENCH_LLAMA2C_MODEL_H_

#include <functional>
#include <string>
#include <vector>

#include "shape.h"

namespace bench {

// The size of the file that WriteLlama2cModel() writes.
uint64_t Llama2cModelBytes(const Shape& shape);

// Writes a checkpoint of version 1 (float) or 2 (int8) to the file. Activations stay within a few
// units and logits are about normal; byte and control tokens are unlikely, so that texts neither
// end nor contain invalid UTF-8. Calls `progress` with the written share from time to time. Returns
// 0, or an errno.
int WriteLlama2cModel(const Shape& shape, int fd, const std::function<void(double)>& progress);

// Makes a vocabulary of RandomStrings().
std::vector<char> MakeVocabulary(uint32_t vocab_size);

}  // namespace bench

#endif  // CLAMMA_BENCH_LLAMA2C_MODEL_H_
