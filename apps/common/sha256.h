// SPDX-License-Identifier: MIT
// SHA-256 of bytes and files. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_SHA256_H_
#define CLAMMA_APPS_COMMON_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

// SHA-256, see FIPS 180-4.
class Sha256 {
 public:
  void Add(const void* data, size_t size);
  std::string Hex();  // of all added bytes; nothing may be added afterwards

 private:
  void AddBlock(const uint8_t* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> block_ = {};
  uint64_t bytes_ = 0;
};

// Sets *hex to the SHA-256 of a file. Returns "" or the reason of a failure.
std::string Sha256OfFile(const std::string& path, std::string* hex);

#endif  // CLAMMA_APPS_COMMON_SHA256_H_
