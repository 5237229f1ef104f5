// SPDX-License-Identifier: MIT
// The result of reading a model file (model/files/): the numbers of the model, and the places of
// its tensors.
#ifndef CLAMMA_MODEL_MODEL_FILE_H_
#define CLAMMA_MODEL_MODEL_FILE_H_

#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/tensors.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// The tokens that begin and end texts, if a llama2.c checkpoint names them (docs/formats.md).
// Builds without GGUF always assume the usual ones.
struct TextTokens {
  static constexpr uint32_t kMaxEnds = 15;

  bool is_said = false;
  int32_t bos = -1;  // -1: none
  uint32_t n_ends = 0;
  int32_t ends[kMaxEnds] = {};
};
struct NoTextTokens {};

struct ModelFile {
  ModelFile();  // not inline, to save code on boards

  const char* format = "";  // for display, as the next two
  const char* architecture = "llama";
  const char* file_type = "";  // the type of the weights, such as "Q4_K_M"
  uint64_t bytes = 0;          // size of all files, without trailing bytes
  uint64_t sampled_bytes = 0;  // bytes at the first file's beginning that the fingerprint covers
  // Writes a tensor's name in the file, for messages, or "" if it has none. nullptr: the file's
  // tensors have no names.
  void (*name_of)(const ModelFile& file, TensorId id, uint32_t layer, char* out,
                  size_t size) = nullptr;
  ModelConfig config;
  Tensors tensors;
  Array<LayerConfig> layers;  // empty: all are alike
  [[no_unique_address]] std::conditional_t<kHasGguf, TextTokens, NoTextTokens> text_tokens;

  // Adds the next layer, of config.n_layers in all, which must be set. Memory is allocated only
  // when a layer differs from the others. If all are known to be alike, setting config.widest is
  // enough.
  Status AddLayer(Memory& memory, const LayerConfig& layer);

  // Checks that the forward pass can run the model: all tensors that it needs are there, and all
  // that are there have the shapes that follow from the numbers. An error names the tensor. A plan
  // is not checked.
  Status Check() const;

  uint32_t n_added = 0;  // layers added so far
};

// Returns the tokens that the file names, or nullptr: then the usual ones apply.
inline const TextTokens* TextTokensOf(const ModelFile& file) {
  const auto address_of = [](const auto& tokens) -> const TextTokens* {
    if constexpr (kHasGguf) {
      return tokens.is_said ? &tokens : nullptr;
    } else {
      return nullptr;
    }
  };
  return address_of(file.text_tokens);
}

}  // namespace clamma

#endif  // CLAMMA_MODEL_MODEL_FILE_H_
