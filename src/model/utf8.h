// SPDX-License-Identifier: MIT
#ifndef CLAMMA_MODEL_UTF8_H_
#define CLAMMA_MODEL_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clamma {

// The classes of bytes at the beginning of a text (Unicode 15, table 3-7).
enum class Utf8Prefix {
  kCharacter,   // `length` bytes of one well-formed character
  kIncomplete,  // the text ends within a character of which all `length` bytes are the beginning
  kInvalid,     // `length` bytes that are not part of any character
};

struct Utf8Scan {
  Utf8Prefix prefix;
  size_t length;
};

// Classifies the beginning of a text, which must not be empty.
Utf8Scan ScanUtf8(std::string_view text);

// The code point of a well-formed character of `length` bytes.
uint32_t DecodeUtf8(const char* bytes, size_t length);

// Writes a character. Returns its length in bytes.
size_t EncodeUtf8(uint32_t code_point, char bytes[4]);

}  // namespace clamma

#endif  // CLAMMA_MODEL_UTF8_H_
