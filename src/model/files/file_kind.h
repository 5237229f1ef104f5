// SPDX-License-Identifier: MIT
// Recognises files that are not models that the library reads, and says what to do with them.
#ifndef CLAMMA_MODEL_FILES_FILE_KIND_H_
#define CLAMMA_MODEL_FILES_FILE_KIND_H_

#include <cstddef>
#include <cstdint>

#include "model/files/gguf.h"
#include "platform/status.h"

namespace clamma {

enum class FileKind : uint8_t {
  kUnknown,  // perhaps an old llama2.c checkpoint, which has no magic number
  kGguf,
  kCheckpoint,  // a llama2.c checkpoint with a magic number
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
  kText,  // any other
  kProgram,
  kGzip,
  kCompressed,  // in another format
  kOldGgml,
};

// The number of bytes at a file's beginning that are enough for FileKindOf(); fewer often are, too.
inline constexpr size_t kFileKindBytes = 1024;

// Determines the kind from the first n bytes of a file of `file_size`. Any bytes are safe. A sound
// checkpoint without a magic number could in theory be taken for something else, so parse first,
// and call this only for a file that was refused.
FileKind FileKindOf(const uint8_t* bytes, size_t n, uint64_t file_size);

// Refuses a file that is not a model, and says what it is and what to do. Returns OK for GGUF
// files, checkpoints and files of an unknown kind.
Status ExplainForeign(const uint8_t* bytes, size_t n, uint64_t file_size);

// Refuses a sound GGUF file that is not a model of the kind that generates text (an adapter, an
// importance matrix, the image part of a model, an embedding model that is no decoder, a vocabulary
// alone), or that has tensors of types without kernels.
Status CheckGgufIsModel(const Gguf& gguf);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_FILE_KIND_H_
