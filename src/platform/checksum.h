// SPDX-License-Identifier: MIT
// A 64-bit checksum of a stream of bytes. It detects damage, not malice.
#ifndef CLAMMA_PLATFORM_CHECKSUM_H_
#define CLAMMA_PLATFORM_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

#include "platform/endian.h"

namespace clamma {

// Takes eight bytes at a time as a little-endian number w: h = mix((h ^ w) * 0x9e3779b97f4a7c15)
// with mix(h) = h ^ h >> 32. The rest at the end is filled up with zeros, and the number of bytes
// is the last w. Each step is one-to-one in h and in w, so that damage within eight bytes is always
// detected. The result does not depend on how the stream is divided into calls.
class Checksum {
 public:
  void Add(const void* bytes, size_t n) {
    const auto* p = static_cast<const uint8_t*>(bytes);
    n_bytes_ += n;
    for (; n > 0 && n_pending_ > 0; --n) AddByte(*p++);
    for (; n >= 8; n -= 8, p += 8) Mix(ReadLe64(p));
    for (; n > 0; --n) AddByte(*p++);
  }

  uint64_t Value() const {
    Checksum end = *this;
    if (end.n_pending_ > 0) end.Mix(end.pending_);
    end.Mix(n_bytes_);
    return end.state_;
  }

 private:
  void AddByte(uint8_t byte) {
    pending_ |= uint64_t{byte} << (8 * n_pending_);
    if (++n_pending_ < 8) return;
    Mix(pending_);
    pending_ = 0;
    n_pending_ = 0;
  }
  void Mix(uint64_t w) {
    state_ = (state_ ^ w) * 0x9e3779b97f4a7c15u;
    state_ ^= state_ >> 32;
  }

  uint64_t state_ = 0;
  uint64_t n_bytes_ = 0;
  uint64_t pending_ = 0;
  unsigned n_pending_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_CHECKSUM_H_
