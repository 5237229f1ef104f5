// SPDX-License-Identifier: MIT
// From GGUF files to a model: the row of its architecture, its numbers and its tensors.
#ifndef CLAMMA_MODEL_FILES_GGUF_MODEL_H_
#define CLAMMA_MODEL_FILES_GGUF_MODEL_H_

#include <cstddef>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Fills in *file from files [0, n_files) of a model, of which the first has the keys; they are a
// set, as CheckSplit() wants it. Refuses what is no model, what has no row here, tensors that its
// row does not name, and what the forward pass cannot run.
Status ReadGgufModel(Memory& memory, const Gguf* const* files, size_t n_files, ModelFile* file);

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGUF_MODEL_H_
