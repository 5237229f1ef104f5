// SPDX-License-Identifier: MIT
// What a KV cache may be made of. A page of a kv head has the elements of its kKvBlock positions
// and, behind them, where a type has scales, one of each position, (kKvBlock) float; an element is
// then float(number) * scale, rounded, and attention the same as of floats.
#ifndef CLAMMA_KERNELS_KV_TYPES_H_
#define CLAMMA_KERNELS_KV_TYPES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace clamma {

// Where the numbers of a position's key, or value, of a kv head are.
struct KvPlace {
  uint8_t* elements;
  size_t stride;   // elements from one to the next
  uint8_t* scale;  // where there is one
};

struct KvFormat {
  const char* name;
  size_t element_bytes;
  size_t scale_bytes;  // 0: there is none
  // Writes x (n); false if one of them is finite and the type has nothing as large. nullptr: this
  // build has no such caches.
  bool (*store)(const KvPlace& to, const float* x, size_t n);
};
extern const ByKey<KvType, kKvTypes, KvFormat> kKvFormats;

}  // namespace clamma

#endif  // CLAMMA_KERNELS_KV_TYPES_H_
