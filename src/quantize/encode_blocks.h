// SPDX-License-Identifier: MIT
// Encoders of blocks of 32 columns and of super-blocks. kernels/formats has the layouts.
#ifndef CLAMMA_QUANTIZE_ENCODE_BLOCKS_H_
#define CLAMMA_QUANTIZE_ENCODE_BLOCKS_H_

#include <cstdint>

#include "quantize/encode.h"

namespace clamma {

// x (columns of a block), importance (columns of a block) or nullptr, out (bytes of a block).
using BlockEncoder = EncodeResult (*)(const float* x, const float* importance, uint8_t* out);

EncodeResult EncodeQ8_0(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ4_0(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ4_1(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ5_0(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ5_1(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeIQ4_NL(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ4_K(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ5_K(const float* x, const float* importance, uint8_t* out);
EncodeResult EncodeQ6_K(const float* x, const float* importance, uint8_t* out);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_ENCODE_BLOCKS_H_
