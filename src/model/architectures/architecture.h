// SPDX-License-Identifier: MIT
// What GGUF files of an architecture hold: its tensors' names, and the keys of its numbers. An
// architecture is a file in this folder and a row in gguf_model.cc. Keys, names and the order in
// which tensors hold their numbers are as llama.cpp's converters write them
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

// Tensors that lie one behind the other in one of the file, by their rows.
enum class Fused : uint8_t {
  kNo,
  kQkv,     // queries, keys and values; GgufTensorName::id is that of the queries
  kGateUp,  // ... of the gate
};

// A tensor's name: "blk.N." in front if it is of layer N.
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
  const GgufTensorNames* tensors[8];  // up to nullptr; a file's tensor of another name is refused

  // Sets all of file->config, and its layers by AddLayer(), from the file's keys; but for
  // vocab_size and shared_classifier, which its tensors tell. What would change the results and is
  // not known is refused.
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
