// SPDX-License-Identifier: MIT
// Builds GGUF metadata of the architecture llama for a llama2.c checkpoint: its dimensions and its
// vocabulary.
#ifndef CLAMMA_QUANTIZE_LLAMA2C_METADATA_H_
#define CLAMMA_QUANTIZE_LLAMA2C_METADATA_H_

#include <cstdint>

#include "model/config.h"
#include "model/files/gguf.h"
#include "model/model_file.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class Llama2cMetadata {
 public:
  // `vocabulary` is in llama2.c's format (docs/formats.md). Spaces become U+2581, as in GGUF files;
  // a text that already contains U+2581 is refused.
  Status Build(Memory& memory, const ModelFile& model, const uint8_t* vocabulary,
               uint64_t vocabulary_bytes);

  const Gguf& gguf() const { return gguf_; }

 private:
  Array<uint8_t> bytes_;
  Gguf gguf_;
};

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_LLAMA2C_METADATA_H_
