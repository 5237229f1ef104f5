// SPDX-License-Identifier: MIT
// Shared by the vector units of x86-64.
#ifndef CLAMMA_KERNELS_UNITS_X86_BYTES_H_
#define CLAMMA_KERNELS_UNITS_X86_BYTES_H_

#include <immintrin.h>

namespace clamma {
namespace {

// The index for a shuffle of bytes: each 32-bit lane becomes its bytes kA, kB, kC, kD; -1 gives 0.
template <int kA, int kB, int kC, int kD>
inline __m128i ByteOrder() {
  const auto at = [](int byte, int lane) {
    return static_cast<char>(byte < 0 ? -1 : 4 * lane + byte);
  };
  return _mm_setr_epi8(at(kA, 0), at(kB, 0), at(kC, 0), at(kD, 0), at(kA, 1), at(kB, 1), at(kC, 1),
                       at(kD, 1), at(kA, 2), at(kB, 2), at(kC, 2), at(kD, 2), at(kA, 3), at(kB, 3),
                       at(kC, 3), at(kD, 3));
}

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_X86_BYTES_H_
