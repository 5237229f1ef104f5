// SPDX-License-Identifier: MIT
// Reads the three llama2.c checkpoint formats.
//
// Formats (https://github.com/karpathy/llama2.c, export.py and run.c), all little-endian:
//   legacy     7 int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len), then
//              float tensors; vocab_size < 0 says that a separate classifier comes last
//   version 1  "ak42" magic, int32 1, the 7 int32, uint8 shared_classifier, zeros up to byte 256,
//              then float tensors, norms first
//   version 2  as version 1 with int32 2, and int32 group_size after the uint8; norms in float,
//              then each matrix as int8 weights followed by its float scales
// Versions 1 and 2 may name the tokens that begin and end texts in place of some zeros: see
// docs/formats.md.
#ifndef CLAMMA_MODEL_FILES_LLAMA2C_H_
#define CLAMMA_MODEL_FILES_LLAMA2C_H_

#include <cstddef>
#include <cstdint>

#include "model/model_file.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// The most bytes that ParseLlama2c() reads.
inline constexpr size_t kLlama2cHeaderBytes = 256;

// The place where a header may name the tokens that begin and end texts, and the number that stands
// there if it does.
inline constexpr size_t kTextTokensOffset = 64;
inline constexpr uint32_t kTextTokensMagic = 0x736b6f74;  // "toks" in the file

// Parses the header's `size` bytes at `header` (kLlama2cHeaderBytes, or all of a shorter file) and
// lays out the tensors of a file of `file_bytes`. Any bytes are safe. A file is refused if its
// header does not describe exactly `file_bytes` (or with `allow_trailing`, at most that many).
Status ParseLlama2c(Memory& memory, const uint8_t* header, size_t size, uint64_t file_bytes,
                    bool allow_trailing, ModelFile* file);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_LLAMA2C_H_
