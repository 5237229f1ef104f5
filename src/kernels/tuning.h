// SPDX-License-Identifier: MIT
// What depends on the CPU family and not on the instruction set: how weights are read from memory.
// One struct a family; a table is made of a vector unit and one of these. Nothing here changes a
// result.
#ifndef CLAMMA_KERNELS_TUNING_H_
#define CLAMMA_KERNELS_TUNING_H_

#include <cstddef>

namespace clamma {

inline constexpr size_t kNever = ~size_t{0};  // a minimum that nothing reaches

struct Tuning {
  // Whether rows are best read, and prefetched, in the order in which they lie, and not many of
  // them side by side.
  bool rows_in_order = false;
  // Parts of a matrix that one token multiplies side by side, for float and for int8 weights.
  size_t float_streams = 1;
  size_t int8_streams = 1;
  // The smallest group of int8 weights whose rows one token multiplies one after the other
  // (skeletons/matvec_int8.h).
  size_t min_matvec_group = kNever;
  // Bytes from what is read to what is prefetched: by float kernels for one token, by tiles of
  // rows (int8, blocks, 16-bit floats) side by side, by rows of int8 weights one after the other
  // and by their scales.
  size_t float_prefetch = 1024;
  size_t tile_prefetch = 512;
  size_t matvec_prefetch = 4096;
  size_t scale_prefetch = 1024;
};

inline constexpr Tuning kIntelServer;  // measured on Sapphire Rapids
inline constexpr Tuning kIntelClient;  // as the server's; measured on none
// Zen 5 gets up to 1.4 times as much from memory that is read in order as from 16 rows side by
// side.
inline constexpr Tuning kZen5 = {.rows_in_order = true, .min_matvec_group = 64};
inline constexpr Tuning kZen3 = {.rows_in_order = true,
                                 .float_streams = 4,
                                 .int8_streams = 3,
                                 .min_matvec_group = 32,
                                 .matvec_prefetch = 512};
inline constexpr Tuning kArm;         // measured on none
inline constexpr Tuning kAnyMachine;  // of which nothing is known

}  // namespace clamma

#endif  // CLAMMA_KERNELS_TUNING_H_
