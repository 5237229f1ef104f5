// SPDX-License-Identifier: MIT
#include "quantize/piece_writer.h"

#include <algorithm>
#include <cstring>

namespace clamma {

Status PieceWriter::Begin(Memory& memory, const ByteSink& sink) {
  sink_ = sink;
  used_ = 0;
  written_ = 0;
  return piece_.Resize(memory, kPieceBytes);
}

Status PieceWriter::Append(const uint8_t* bytes, size_t n) {
  while (n > 0) {
    const size_t part = std::min(n, kPieceBytes - used_);
    std::memcpy(piece_.data() + used_, bytes, part);
    used_ += part;
    written_ += part;
    bytes += part;
    n -= part;
    if (used_ == kPieceBytes) CLAMMA_RETURN_IF_ERROR(Flush());
  }
  return Status();
}

Status PieceWriter::Finish() { return Flush(); }

Status PieceWriter::Flush() {
  if (used_ == 0) return Status();
  const size_t n = used_;
  used_ = 0;
  return sink_.write(sink_.context, piece_.data(), n);
}

}  // namespace clamma
