// SPDX-License-Identifier: MIT
// The memory that a model takes.
#ifndef CLAMMA_INFO_MEMORY_USE_H_
#define CLAMMA_INFO_MEMORY_USE_H_

#include <cstdint>
#include <optional>

#include "facts.h"
#include "model/model_file.h"
#include "model/model_files.h"

namespace info {

// In bytes.
struct MemoryUse {
  uint64_t context = 0;             // positions of each session
  uint64_t weights = 0;             // mapped, and shared by all processes that map them
  std::optional<uint64_t> working;  // of the forward pass, for any number of sessions
  std::optional<uint64_t> kv_q8;    // of one session, at full context
  std::optional<uint64_t> kv_f16;
  std::optional<uint64_t> kv_f32;
  bool estimated = false;  // the library does not run the architecture
};

// Measures a model that the library runs. Consumes `model`.
MemoryUse MeasureMemory(const clamma::ModelFiles& files, clamma::ModelFile&& model,
                        uint64_t context, unsigned threads);

// Estimates any other model, if its dimensions are known: as if every layer had keys and values.
MemoryUse EstimateMemory(const clamma::ModelFiles& files, const Facts& facts, uint64_t context);

}  // namespace info

#endif  // CLAMMA_INFO_MEMORY_USE_H_
