// SPDX-License-Identifier: MIT
// Converts values of a GGUF file's metadata to text.
#ifndef CLAMMA_API_METADATA_TEXT_H_
#define CLAMMA_API_METADATA_TEXT_H_

#include <cstddef>

#include "model/files/gguf_value.h"

namespace clamma {

// Strings are copied as they are; numbers, booleans and arrays are written as JSON. Writes what
// fits in `max` bytes, without a NUL, and returns the length of the whole text.
size_t MetadataText(const GgufValue& value, char* text, size_t max);

}  // namespace clamma

#endif  // CLAMMA_API_METADATA_TEXT_H_
