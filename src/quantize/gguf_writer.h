// SPDX-License-Identifier: MIT
// Writes GGUF files, version 3: another file's metadata with some keys changed, and tensors of any
// types.
#ifndef CLAMMA_QUANTIZE_GGUF_WRITER_H_
#define CLAMMA_QUANTIZE_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/files/gguf.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "quantize/byte_sink.h"

namespace clamma {

// A key that gets a uint32, in its own place or, where it is new, behind all others.
struct GgufUint32Key {
  std::string_view name;
  uint32_t value = 0;
};

// What the tensors of a new file are: GgufTensor's name, type, dims and bytes count.
struct GgufTensorList {
  const GgufTensor* tensors = nullptr;
  size_t count = 0;
};

class GgufWriter {
 public:
  // Bytes reach the sink in pieces of this size.
  static constexpr size_t kPieceBytes = size_t{2} << 20;

  // Writes all before the first tensor's data: the keys of `metadata`, in their order and with
  // their types, but for those in `changes` and for those that say how a model is split into files.
  Status Begin(Memory& memory, const ByteSink& sink, const Gguf& metadata,
               const GgufUint32Key* changes, size_t n_changes, const GgufTensorList& tensors);

  // Writes the next bytes of the tensors' data, in the order of the list.
  Status Append(const uint8_t* bytes, size_t n);

  // Ends a tensor: fills up to the next one's begin.
  Status EndTensor();

  // Writes what is left. Nothing follows.
  Status Finish();

  // The size of the file that Begin() begins.
  static Status FileBytes(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes,
                          const GgufTensorList& tensors, uint64_t* bytes);

  uint64_t written() const { return written_; }

 private:
  Status PutUint32(uint32_t value);
  Status PutUint64(uint64_t value);
  Status PutString(std::string_view text);
  Status PutKeys(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes);
  Status PutTensors(const GgufTensorList& tensors);
  Status Flush();

  ByteSink sink_ = {};
  Array<uint8_t> piece_;
  size_t used_ = 0;       // of piece_
  uint64_t written_ = 0;  // bytes of the file so far
  uint64_t alignment_ = 32;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_GGUF_WRITER_H_
