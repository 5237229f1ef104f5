// SPDX-License-Identifier: MIT
// What GGUF files of an architecture contain: the names of its tensors and the keys of its numbers.
// An architecture is a file in this folder and a row in gguf_model.cc. Keys, names and the order of
// numbers in tensors are those that llama.cpp's converters write
// (https://github.com/ggml-org/llama.cpp: convert_hf_to_gguf.py, gguf-py/gguf/constants.py).
#ifndef CLAMMA_MODEL_ARCHITECTURES_ARCHITECTURE_H_
#define CLAMMA_MODEL_ARCHITECTURES_ARCHITECTURE_H_

#include <cstddef>
#include <cstdint>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "model/tensors.h"
#include "platform/status.h"

namespace clamma {

// Several tensors that are stored as one tensor of the file, one after the other by rows.
enum class Fused : uint8_t {
  kNo,
  kQkv,     // queries, keys and values; GgufTensorName::id is that of the queries
  kGateUp,  // gate and up; the id is that of the gate
};

// A tensor's name. For a tensor of layer N the file adds "blk.N." in front.
struct GgufTensorName {
  const char* name;
  TensorId id;
  bool of_layer;
  Fused fused = Fused::kNo;
};

struct GgufTensorNames {
  const GgufTensorName* names = nullptr;
  size_t count = 0;
};
template <size_t kCount>
constexpr GgufTensorNames NamesOf(const GgufTensorName (&names)[kCount]) {
  return {names, kCount};
}

struct Architecture {
  const char* name;                   // general.architecture
  const GgufTensorNames* tensors[8];  // ends with nullptr; tensors with other names are refused

  // Sets all of file->config from the file's keys, and adds its layers by AddLayer(), but does not
  // set vocab_size and shared_classifier, which follow from the tensors. Refuses what is unknown
  // and would change the results.
  Status (*read_config)(Memory& memory, const Gguf& gguf, ModelFile* file);
};

extern const Architecture kGemmaArchitecture;
extern const Architecture kGemma2Architecture;
extern const Architecture kGemma3Architecture;
extern const Architecture kGptOssArchitecture;
extern const Architecture kGraniteArchitecture;
extern const Architecture kLlamaArchitecture;
extern const Architecture kMistral3Architecture;
extern const Architecture kOlmo2Architecture;
extern const Architecture kPhi3Architecture;
extern const Architecture kQwen2Architecture;
extern const Architecture kQwen3Architecture;
extern const Architecture kQwen3MoeArchitecture;
extern const Architecture kSmolLm3Architecture;

}  // namespace clamma

#endif  // CLAMMA_MODEL_ARCHITECTURES_ARCHITECTURE_H_
