// SPDX-License-Identifier: MIT
// Facts as text or as JSON, on stdout.
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
  bool all = false;  // arrays and texts are whole
};

// `gguf` has the metadata, nullptr: there are none; `memory` is nothing where nothing is known.
void PrintText(const PrintOptions& options, const Facts& facts,
               const std::optional<MemoryUse>& memory, const clamma::Gguf* gguf);
void PrintJson(const PrintOptions& options, const Facts& facts,
               const std::optional<MemoryUse>& memory, const clamma::Gguf* gguf);

// Weights, working memory and sessions together; nothing where a part is not known, or the sum is
// beyond 64 bits.
std::optional<uint64_t> Total(const MemoryUse& memory, const std::optional<uint64_t>& kv,
                              uint64_t sessions);

}  // namespace info

#endif  // CLAMMA_INFO_PRINT_H_
