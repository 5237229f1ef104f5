// SPDX-License-Identifier: MIT
// What a reader of model files (model/files/) makes of one: the numbers of the model, and where its
// tensors are.
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

// The tokens that begin and end texts, where a llama2.c checkpoint says which (docs/formats.md).
// Builds without GGUF take the usual ones for granted.
struct TextTokens {
  static constexpr uint32_t kMaxEnds = 15;

  bool is_said = false;
  int32_t bos = -1;  // -1: there is none
  uint32_t n_ends = 0;
  int32_t ends[kMaxEnds] = {};
};
struct NoTextTokens {};

struct ModelFile {
  ModelFile();  // compiled once, as boards count bytes of code

  const char* format = "";  // for people, as are these
  const char* architecture = "llama";
  const char* file_type = "";  // what its weights are: "Q4_K_M"
  uint64_t bytes = 0;          // of all files, without what may stand behind them
  uint64_t sampled_bytes = 0;  // of the first file's front: all of them are in the fingerprint
  // Writes, for messages, what the file calls a tensor, and "" if it has no name for it. nullptr:
  // its tensors have no names.
  void (*name_of)(const ModelFile& file, TensorId id, uint32_t layer, char* out,
                  size_t size) = nullptr;
  ModelConfig config;
  Tensors tensors;
  Array<LayerConfig> layers;  // empty: all are alike
  [[no_unique_address]] std::conditional_t<kHasGguf, TextTokens, NoTextTokens> text_tokens;

  // Adds the next layer: config.n_layers of them, once that is set. Memory is taken when the first
  // one comes that differs. Where all are known to be alike, setting config.widest does as well.
  Status AddLayer(Memory& memory, const LayerConfig& layer);

  // Whether the forward pass can run the model: all tensors are there that it needs, and all that
  // are there have the shapes that the numbers ask for. If not, the reason names the tensor. Of a
  // plan nothing is checked.
  Status Check() const;

  uint32_t n_added = 0;  // layers
};

// nullptr: the usual ones.
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
