// SPDX-License-Identifier: MIT
// Collects bytes and passes them to a sink in pieces of kPieceBytes.
#ifndef CLAMMA_QUANTIZE_PIECE_WRITER_H_
#define CLAMMA_QUANTIZE_PIECE_WRITER_H_

#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"
#include "quantize/byte_sink.h"

namespace clamma {

class PieceWriter {
 public:
  static constexpr size_t kPieceBytes = size_t{2} << 20;

  // Begins a file.
  Status Begin(Memory& memory, const ByteSink& sink);
  Status Append(const uint8_t* bytes, size_t n);
  // Writes the rest. Nothing may be appended afterwards.
  Status Finish();

  uint64_t written() const { return written_; }  // bytes so far

 private:
  Status Flush();

  ByteSink sink_ = {};
  Array<uint8_t> piece_;
  size_t used_ = 0;  // of piece_
  uint64_t written_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_PIECE_WRITER_H_
