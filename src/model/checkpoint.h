// SPDX-License-Identifier: MIT
// The three llama2.c checkpoint formats: where each tensor lies in the file.
//
// Formats (https://github.com/karpathy/llama2.c, export.py and run.c), all little-endian:
//   legacy     7 int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len), then
//              float tensors; vocab_size < 0 says that a classifier of its own closes the file
//   version 1  "ak42" magic, int32 1, the 7 int32, uint8 shared_classifier, zeros up to byte 256,
//              then float tensors, norms first
//   version 2  as version 1 with int32 2, and int32 group_size behind the uint8; norms in float,
//              then each matrix as int8 weights followed by its float scales
#ifndef CLAMMA_MODEL_CHECKPOINT_H_
#define CLAMMA_MODEL_CHECKPOINT_H_

#include <cstddef>
#include <cstdint>

#include "model/config.h"
#include "platform/status.h"

namespace clamma {

// Most bytes that ParseCheckpoint() looks at.
inline constexpr size_t kCheckpointHeaderBytes = 256;

enum class CheckpointFormat : uint8_t { kLegacy, kVersion1, kVersion2 };

// A row-major matrix in the file. Element e = row * cols + col; q80: element e has the scale
// scales[e / group_size], so groups may straddle rows.
struct TensorExtent {
  uint64_t offset = 0;  // bytes from the file's start; scales follow the int8 data directly
  uint64_t bytes = 0;   // data and scales
  uint32_t rows = 0;
  uint32_t cols = 0;
};

// n_layers tensors of one shape, one behind the other.
struct TensorSeries {
  TensorExtent first;
  TensorExtent layer(uint32_t index) const {
    TensorExtent extent = first;
    extent.offset += extent.bytes * index;
    return extent;
  }
};

struct Checkpoint {
  CheckpointFormat format = CheckpointFormat::kLegacy;
  ModelConfig config;
  uint64_t bytes = 0;           // of header and tensors: the file's length
  uint64_t attention_norm = 0;  // offset of float (n_layers, dim)
  uint64_t ffn_norm = 0;        // offset of float (n_layers, dim)
  uint64_t final_norm = 0;      // offset of float (dim)
  TensorExtent embedding;       // (vocab_size, dim)
  TensorExtent classifier;      // (vocab_size, dim); the embedding where shared
  TensorSeries wq;              // each (dim, dim)
  TensorSeries wk;              // each (kv_dim, dim)
  TensorSeries wv;              // each (kv_dim, dim)
  TensorSeries wo;              // each (dim, dim)
  TensorSeries w1;              // each (hidden_dim, dim)
  TensorSeries w2;              // each (dim, hidden_dim)
  TensorSeries w3;              // each (hidden_dim, dim)
};

// Reads the header's `size` bytes at `header` (kCheckpointHeaderBytes, or all of a shorter file)
// and lays out the tensors of a file of `file_bytes`. Any bytes are safe; what does not add up to
// `file_bytes` exactly (or to at most that many, if `allow_trailing`) is refused.
Status ParseCheckpoint(const uint8_t* header, size_t size, uint64_t file_bytes, bool allow_trailing,
                       Checkpoint* checkpoint);

const char* CheckpointFormatName(CheckpointFormat format);

}  // namespace clamma

#endif  // CLAMMA_MODEL_CHECKPOINT_H_
