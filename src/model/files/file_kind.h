// SPDX-License-Identifier: MIT
// Files that are no model that the library reads: what they are, and what to do.
#ifndef CLAMMA_MODEL_FILES_FILE_KIND_H_
#define CLAMMA_MODEL_FILES_FILE_KIND_H_

#include <cstddef>
#include <cstdint>

#include "model/files/gguf.h"
#include "platform/status.h"

namespace clamma {

enum class FileKind : uint8_t {
  kUnknown,  // perhaps a llama2.c checkpoint: the oldest of those begin with no magic number
  kGguf,
  kCheckpoint,  // of llama2.c, by its magic number
  kEmpty,
  kSafetensors,
  kLfsPointer,
  kJson,
  kPytorch,  // a zip archive of torch
  kZip,
  kPickle,
  kOnnx,
  kWebPage,
  kXml,
  kGzip,
  kCompressed,  // in another way
  kOldGgml,
};

// Bytes from a file's begin that are enough to tell; fewer will often do.
inline constexpr size_t kFileKindBytes = 1024;

// From the first n bytes of a file of `file_size`. Any bytes are safe. A sound checkpoint without a
// magic number is in theory mistaken for something else: parse first, and ask this about what was
// refused.
FileKind FileKindOf(const uint8_t* bytes, size_t n, uint64_t file_size);

// Refuses what is no model: says what it is and what to do. OK for GGUF files, checkpoints and what
// is unknown.
Status ExplainForeign(const uint8_t* bytes, size_t n, uint64_t file_size);

// Refuses a sound GGUF file that is no model that writes text (an adapter, an importance matrix,
// the image part of a model, an embedding model, a vocabulary alone) or that has tensors of types
// which do not run.
Status CheckGgufIsModel(const Gguf& gguf);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_FILE_KIND_H_
