// SPDX-License-Identifier: MIT
// How weights are read from memory: the settings that depend on the CPU family, not on the
// instruction set. There is one struct per family, and a table combines a vector unit with one of
// them. No setting changes a result.
#ifndef CLAMMA_KERNELS_TUNING_H_
#define CLAMMA_KERNELS_TUNING_H_

#include <cstddef>

namespace clamma {

inline constexpr size_t kNever = ~size_t{0};  // a minimum that nothing reaches

struct Tuning {
  // Whether rows are read and prefetched in the order in which they lie in memory, not many of them
  // side by side.
  bool rows_in_order = false;
  // With one token, the number of parts of a matrix that are read side by side, for float and for
  // int8 weights.
  size_t float_streams = 1;
  size_t int8_streams = 1;
  // The smallest int8 group for which one token is multiplied by row after row
  // (skeletons/matvec_int8.h).
  size_t min_matvec_group = kNever;
  // Prefetch distances in bytes: of float kernels with one token; of tiles of rows side by side
  // (int8, blocks, 16-bit floats); of rows of int8 weights read one after the other, and of their
  // scales.
  size_t float_prefetch = 1024;
  size_t tile_prefetch = 512;
  size_t matvec_prefetch = 4096;
  size_t scale_prefetch = 1024;
};

inline constexpr Tuning kIntelServer;  // measured on Sapphire Rapids
inline constexpr Tuning kIntelClient;  // as the server's; not measured
// Zen 5 reads memory up to 1.4 times as fast in order as in 16 rows side by side.
inline constexpr Tuning kZen5 = {.rows_in_order = true, .min_matvec_group = 64};
inline constexpr Tuning kZen3 = {.rows_in_order = true,
                                 .float_streams = 4,
                                 .int8_streams = 3,
                                 .min_matvec_group = 32,
                                 .matvec_prefetch = 512};
inline constexpr Tuning kArm;         // not measured
inline constexpr Tuning kAnyMachine;  // for machines of an unknown family

}  // namespace clamma

#endif  // CLAMMA_KERNELS_TUNING_H_
