// SPDX-License-Identifier: MIT
// The vocabulary inside a GGUF model as a file of llama2.c's format.
#ifndef CLAMMA_QUANTIZE_VOCABULARY_FILE_H_
#define CLAMMA_QUANTIZE_VOCABULARY_FILE_H_

#include <cstdint>

#include "model/files/gguf.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// What a model of such a file does otherwise.
struct VocabularyLosses {
  bool adds_bos = false;      // it puts the begin token in front of texts
  bool adds_prefix = false;   // ... and a space
  bool drops_eos = false;     // it puts no end token behind them
  bool lacks_bytes = false;   // bytes without a token become the unknown one
  uint32_t user_defined = 0;  // tokens that are no longer taken whole
  uint32_t control = 0;       // control tokens that become plain text, ends of texts among them
};

// Writes the vocabulary for a model of vocab_size tokens to *out. Refuses by name what the format
// cannot express.
Status MakeVocabularyFile(Memory& memory, const Gguf& gguf, uint32_t vocab_size,
                          Array<uint8_t>* out, VocabularyLosses* losses);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_VOCABULARY_FILE_H_
