// SPDX-License-Identifier: MIT
// GGUF models that are split into several files: NAME-00001-of-00003.gguf and so on. The first
// holds the metadata, each its own tensors.
#ifndef CLAMMA_MODEL_FILES_SPLIT_H_
#define CLAMMA_MODEL_FILES_SPLIT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/files/gguf.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

inline constexpr uint32_t kMaxSplitFiles = 1024;

struct SplitInfo {
  uint32_t index = 0;      // of this file among them, from 0 on
  uint32_t count = 1;      // of files; 1: not split
  uint32_t n_tensors = 0;  // in all of them
};

// What a file says of the set that it belongs to: split.no, split.count, split.tensors.count. A
// file without the keys is not split.
Status ReadSplitInfo(const Gguf& gguf, SplitInfo* info);

// Writes the path of file `index` of the set, with a final NUL, from the path of the one that
// `info` is of: it is of the same length, so that path.size() + 1 bytes are enough. Refuses a path
// that does not end in what `info` says (-00002-of-00005.gguf).
Status SplitPath(std::string_view path, const SplitInfo& info, uint32_t index, char* out,
                 size_t size);

// Whether files 0 to n - 1, in this order, are one set: all say so, their tensors are as many as
// they say, and no two have a tensor of the same name. Takes n log n steps of n tensors, and memory
// for them meanwhile.
Status CheckSplit(Memory& memory, const Gguf* const* files, uint32_t n);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_SPLIT_H_
