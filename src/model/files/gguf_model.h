// SPDX-License-Identifier: MIT
// Reads a model from GGUF files: finds the row of its architecture, and reads its numbers and
// tensors.
#ifndef CLAMMA_MODEL_FILES_GGUF_MODEL_H_
#define CLAMMA_MODEL_FILES_GGUF_MODEL_H_

#include <cstddef>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Fills in *file from files [0, n_files) of a model. The first one has the keys, and CheckSplit()
// must have accepted them. Refuses a file that is not a model, an unknown architecture, tensors
// that the architecture does not name, and what the forward pass cannot run.
Status ReadGgufModel(Memory& memory, const Gguf* const* files, size_t n_files, ModelFile* file);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGUF_MODEL_H_
