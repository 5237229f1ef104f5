// SPDX-License-Identifier: MIT
// Converts the vocabulary inside a GGUF model to a file in llama2.c's format.
#ifndef CLAMMA_QUANTIZE_VOCABULARY_FILE_H_
#define CLAMMA_QUANTIZE_VOCABULARY_FILE_H_

#include <cstdint>

#include "model/files/gguf.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// How a model with such a vocabulary file behaves differently.
struct VocabularyLosses {
  bool adds_bos = false;      // it puts the begin token before texts
  bool adds_prefix = false;   // it puts a space before texts
  bool drops_eos = false;     // it puts no end token after texts
  bool lacks_bytes = false;   // bytes without a token become the unknown token
  uint32_t user_defined = 0;  // number of user-defined tokens that no longer match as a whole
  uint32_t control = 0;       // number of control tokens, including ends, that become plain text
};

// Writes the vocabulary for a model of vocab_size tokens to *out. Refuses features that the format
// cannot express, and names them.
Status MakeVocabularyFile(Memory& memory, const Gguf& gguf, uint32_t vocab_size,
                          Array<uint8_t>* out, VocabularyLosses* losses);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_VOCABULARY_FILE_H_
