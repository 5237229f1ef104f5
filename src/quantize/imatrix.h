// SPDX-License-Identifier: MIT
// Reads importance matrices in the formats of llama.cpp's llama-imatrix: for each tensor, the mean
// square of the activations that each of its columns is multiplied by, measured on some text.
//
//   GGUF   general.type "imatrix"; tensors NAME.in_sum2 (columns, matrices) and NAME.counts (1,
//          matrices), F32
//   .dat   int32 number of entries; for each: int32 length, name, int32 calls, int32 number of
//          values, the values as floats
#ifndef CLAMMA_QUANTIZE_IMATRIX_H_
#define CLAMMA_QUANTIZE_IMATRIX_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/files/gguf.h"
#include "platform/file.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class Imatrix {
 public:
  static constexpr uint64_t kMaxFileBytes = uint64_t{1} << 31;
  static constexpr uint32_t kMaxEntries = 65536;

  // Any bytes are safe: an incomplete or damaged file is refused. The file must not be truncated
  // while this is in use.
  Status Open(Memory& memory, const char* path);

  // Reads the importance of each column of a tensor to *importance (matrices, cols); it is empty if
  // the file does not contain the tensor. A size that does not fit, and values that are negative or
  // not finite, are errors.
  Status Read(std::string_view tensor, uint64_t cols, uint64_t matrices,
              Array<float>* importance) const;

  size_t entries() const { return n_entries_; }

 private:
  struct Entry {  // of a .dat file
    std::string_view name;
    const uint8_t* values;
    uint64_t count;
  };

  Status ParseDat(const uint8_t* bytes, uint64_t size);
  Status CountGguf();
  Status ReadGguf(std::string_view tensor, uint64_t cols, uint64_t matrices,
                  Array<float>* importance) const;

  Memory* memory_ = nullptr;
  File file_;
  const uint8_t* bytes_ = nullptr;
  bool is_gguf_ = false;
  Gguf gguf_;
  Array<Entry> dat_;
  size_t n_entries_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_IMATRIX_H_
