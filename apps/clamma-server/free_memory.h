// SPDX-License-Identifier: MIT
// The memory that is free for this process.
#ifndef CLAMMA_SERVER_FREE_MEMORY_H_
#define CLAMMA_SERVER_FREE_MEMORY_H_

#include <cstdint>

namespace server {

// Bytes: what the system has available, or less where the container's limit leaves less. 0 if that
// is unknown.
uint64_t FreeMemory();

}  // namespace server

#endif  // CLAMMA_SERVER_FREE_MEMORY_H_
