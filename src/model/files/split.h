// SPDX-License-Identifier: MIT
// GGUF models that are split into several files: NAME-00001-of-00003.gguf and so on. The first file
// holds the metadata, and each file its own tensors.
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
  uint32_t index = 0;      // this file's index, from 0 on
  uint32_t count = 1;      // number of files; 1: not split
  uint32_t n_tensors = 0;  // in all files together
};

// Reads what a file says about its set: split.no, split.count, split.tensors.count. A file without
// these keys is not split.
Status ReadSplitInfo(const Gguf& gguf, SplitInfo* info);

// Writes the path of file `index` of the set, with a final NUL, given the path of the file that
// `info` describes. Both paths have the same length, so path.size() + 1 bytes are enough. Refuses a
// path whose end does not match `info` (-00002-of-00005.gguf).
Status SplitPath(std::string_view path, const SplitInfo& info, uint32_t index, char* out,
                 size_t size);

// Checks that files 0 to n - 1, in this order, are one set: all say so, they have as many tensors
// as they say, and no name occurs twice. Takes O(t log t) steps for t tensors, and temporary memory
// for their names.
Status CheckSplit(Memory& memory, const Gguf* const* files, uint32_t n);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_SPLIT_H_
