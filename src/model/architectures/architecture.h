// SPDX-License-Identifier: MIT
// What GGUF files of an architecture hold: its tensors' names, and the keys of its numbers. An
// architecture is a file in this folder and a row in gguf_model.cc.
#ifndef CLAMMA_MODEL_ARCHITECTURES_ARCHITECTURE_H_
#define CLAMMA_MODEL_ARCHITECTURES_ARCHITECTURE_H_

#include <cstddef>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "model/tensors.h"
#include "platform/status.h"

namespace clamma {

// A tensor's name: "blk.N." in front if it is of layer N.
struct GgufTensorName {
  const char* name;
  TensorId id;
  bool of_layer;
};

struct Architecture {
  const char* name;  // general.architecture
  const GgufTensorName* tensors;
  size_t n_tensors;  // names; a file's tensor of another name is refused

  // Sets all of file->config, and its layers by AddLayer(), from the file's keys; but for
  // vocab_size and shared_classifier, which its tensors tell. What would change the results and is
  // not known is refused.
  Status (*read_config)(Memory& memory, const Gguf& gguf, ModelFile* file);
};

extern const Architecture kLlamaArchitecture;

}  // namespace clamma

#endif  // CLAMMA_MODEL_ARCHITECTURES_ARCHITECTURE_H_
