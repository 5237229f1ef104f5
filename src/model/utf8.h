// SPDX-License-Identifier: MIT
#ifndef CLAMMA_MODEL_UTF8_H_
#define CLAMMA_MODEL_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clamma {

// What the bytes at the front of a text are (Unicode 15, table 3-7).
enum class Utf8Prefix {
  kCharacter,   // `length` bytes of one well-formed character
  kIncomplete,  // all bytes there are begin a character that goes on
  kInvalid,     // `length` bytes that can be part of no character
};

struct Utf8Scan {
  Utf8Prefix prefix;
  size_t length;
};

// Looks at the front of a text that is not empty.
Utf8Scan ScanUtf8(std::string_view text);

// The code point of a well-formed character of `length` bytes.
uint32_t DecodeUtf8(const char* bytes, size_t length);

// Writes a character; returns its length.
size_t EncodeUtf8(uint32_t code_point, char bytes[4]);

}  // namespace clamma

#endif  // CLAMMA_MODEL_UTF8_H_
