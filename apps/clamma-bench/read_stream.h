// SPDX-License-Identifier: MIT
// Reading memory as fast as a core can.
#ifndef CLAMMA_BENCH_READ_STREAM_H_
#define CLAMMA_BENCH_READ_STREAM_H_

#include <cstddef>
#include <cstdint>

namespace bench {

// Allocates memory to read, in huge pages if possible, for the life of the process. Returns nullptr
// on failure.
const uint8_t* MakeReadBuffer(size_t bytes);

// Reads [data, data + bytes) once, in order; data and bytes are multiples of kReadBlock.
inline constexpr size_t kReadBlock = 4096;
void ReadStream(const uint8_t* data, size_t bytes);
// Reads four parts side by side.
void ReadSideBySide(const uint8_t* data, size_t bytes);

}  // namespace bench

#endif  // CLAMMA_BENCH_READ_STREAM_H_
