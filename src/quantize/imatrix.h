// SPDX-License-Identifier: MIT
// Importance matrices as llama.cpp's llama-imatrix writes them: for each tensor the mean square of
// what each of its columns is multiplied by, measured on some text.
//
//   GGUF   general.type "imatrix"; tensors NAME.in_sum2 (columns, matrices) and NAME.counts (1,
//          matrices), F32
//   .dat   int32 entries; of each int32 length, name, int32 calls, int32 values, float each
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

  // Any bytes are safe: what is not whole and sound is refused. The file must not be cut short
  // while this is in use.
  Status Open(Memory& memory, const char* path);

  // The importance of each column of a tensor of `matrices` matrices of `cols` columns, in
  // *importance (matrices, cols); empty: the file has nothing of it. A size that does not fit, and
  // numbers that are negative or not finite, are errors.
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
