// SPDX-License-Identifier: MIT
// Writes GGUF files, version 3, with the metadata of another file, some keys changed, and tensors
// of any type.
#ifndef CLAMMA_QUANTIZE_GGUF_WRITER_H_
#define CLAMMA_QUANTIZE_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/files/gguf.h"
#include "platform/status.h"
#include "quantize/piece_writer.h"

namespace clamma {

// A key and its uint32 value. It replaces the value in place, or is added after all other keys.
struct GgufUint32Key {
  std::string_view name;
  uint32_t value = 0;
};

// The tensors of a file: only name, type, dims and bytes of each GgufTensor are used.
struct GgufTensorList {
  const GgufTensor* tensors = nullptr;
  size_t count = 0;
};

class GgufWriter {
 public:
  // Writes everything before the first tensor's data to `pieces`, which has begun and must outlive
  // this: the keys of `metadata`, in their order and with their types, with `changes` applied and
  // without the keys that describe how a model is split into files. The caller then writes the data
  // of the tensors, in the order of the list, each followed by EndTensor().
  Status Begin(PieceWriter* pieces, const Gguf& metadata, const GgufUint32Key* changes,
               size_t n_changes, const GgufTensorList& tensors);

  // Pads up to the beginning of the next tensor.
  Status EndTensor();

  // The size of the file that Begin() begins.
  static Status FileBytes(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes,
                          const GgufTensorList& tensors, uint64_t* bytes);

 private:
  Status Append(const uint8_t* bytes, size_t n) { return pieces_->Append(bytes, n); }
  Status PutUint32(uint32_t value);
  Status PutUint64(uint64_t value);
  Status PutString(std::string_view text);
  Status PutChanged(const GgufUint32Key& change);
  Status PutKey(std::string_view key, const GgufValue& value);
  Status PutKeys(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes);
  Status PutTensors(const GgufTensorList& tensors);

  PieceWriter* pieces_ = nullptr;
  uint64_t alignment_ = 32;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_GGUF_WRITER_H_
