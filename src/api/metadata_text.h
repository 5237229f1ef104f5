// SPDX-License-Identifier: MIT
// Values of a GGUF file's metadata as text.
#ifndef CLAMMA_API_METADATA_TEXT_H_
#define CLAMMA_API_METADATA_TEXT_H_

#include <cstddef>

#include "model/files/gguf_value.h"

namespace clamma {

// Strings as they are, numbers and booleans as JSON has them, arrays as JSON. Writes what fits in
// `max` bytes, without a NUL, and returns the length of all.
size_t MetadataText(const GgufValue& value, char* text, size_t max);

}  // namespace clamma

#endif  // CLAMMA_API_METADATA_TEXT_H_
