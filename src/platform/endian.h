// SPDX-License-Identifier: MIT
// Reads and writes numbers in files: little-endian, of fixed width, at any alignment.
#ifndef CLAMMA_PLATFORM_ENDIAN_H_
#define CLAMMA_PLATFORM_ENDIAN_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clamma {

inline constexpr bool kBigEndianHost = std::endian::native == std::endian::big;

inline uint16_t ReadLe16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
inline uint32_t ReadLe32(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 |
         static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
}
inline uint64_t ReadLe64(const uint8_t* p) {
  uint64_t value = 0;
  std::memcpy(&value, p, sizeof(value));
  return kBigEndianHost ? __builtin_bswap64(value) : value;
}
inline int32_t ReadLe32Signed(const uint8_t* p) { return static_cast<int32_t>(ReadLe32(p)); }
inline float ReadLeF32(const uint8_t* p) { return std::bit_cast<float>(ReadLe32(p)); }

inline void WriteLe32(uint8_t* p, uint32_t value) {
  for (int i = 0; i < 4; ++i) p[i] = static_cast<uint8_t>(value >> (8 * i));
}
inline void WriteLe64(uint8_t* p, uint64_t value) {
  for (int i = 0; i < 8; ++i) p[i] = static_cast<uint8_t>(value >> (8 * i));
}

// Converts n 32-bit values from the byte order of files to this machine's, in place.
inline void Le32ToHost(uint8_t* p, size_t n) {
  if constexpr (kBigEndianHost) {
    for (size_t i = 0; i < n; ++i, p += 4) {
      const uint32_t value = ReadLe32(p);
      std::memcpy(p, &value, sizeof(value));
    }
  }
}

// Le32ToHost() for 16-bit values.
inline void Le16ToHost(uint8_t* p, size_t n) {
  if constexpr (kBigEndianHost) {
    for (size_t i = 0; i < n; ++i, p += 2) {
      const uint8_t low = p[0];
      p[0] = p[1];
      p[1] = low;
    }
  }
}

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_ENDIAN_H_
