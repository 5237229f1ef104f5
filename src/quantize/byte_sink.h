// SPDX-License-Identifier: MIT
// Receives the bytes of a file, one piece after another.
#ifndef CLAMMA_QUANTIZE_BYTE_SINK_H_
#define CLAMMA_QUANTIZE_BYTE_SINK_H_

#include <cstddef>
#include <cstdint>

#include "platform/status.h"

namespace clamma {

struct ByteSink {
  Status (*write)(void* context, const uint8_t* bytes, size_t n);
  void* context;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_BYTE_SINK_H_
