// SPDX-License-Identifier: MIT
// Prints facts as text or as JSON to stdout.
#ifndef CLAMMA_INFO_PRINT_H_
#define CLAMMA_INFO_PRINT_H_

#include <optional>
#include <string>

#include "facts.h"
#include "memory_use.h"

namespace info {

struct PrintOptions {
  std::string file;
  uint64_t sessions = 4;
  bool tensors = false;
  bool metadata = false;
  bool all = false;  // do not cut off arrays and texts
};

// `gguf` has the metadata, nullptr: there is none; `memory` has no value if it is unknown.
void PrintText(const PrintOptions& options, const Facts& facts,
               const std::optional<MemoryUse>& memory, const clamma::Gguf* gguf);
void PrintJson(const PrintOptions& options, const Facts& facts,
               const std::optional<MemoryUse>& memory, const clamma::Gguf* gguf);

// The sum of weights, working memory and sessions; no value if a part is unknown, or if the sum
// exceeds 64 bits.
std::optional<uint64_t> Total(const MemoryUse& memory, const std::optional<uint64_t>& kv,
                              uint64_t sessions);

}  // namespace info

#endif  // CLAMMA_INFO_PRINT_H_
