// SPDX-License-Identifier: MIT
// Finds the vocabulary file of a llama2.c checkpoint for which the caller names none.
#ifndef CLAMMA_ENGINE_VOCABULARY_SEARCH_H_
#define CLAMMA_ENGINE_VOCABULARY_SEARCH_H_

#include <cstddef>
#include <cstdint>

#include "platform/file.h"
#include "platform/status.h"

namespace clamma {

struct VocabularySearch {
  const char* checkpoint_path = nullptr;  // nullptr: the checkpoint is not a file with a name
  File::Place checkpoint_place = File::Place::kAsNamed;  // where the checkpoint was found
  const char* model_dir = "";
  uint32_t vocab_size = 0;  // the number of the model's tokens
};

// Opens the first of these files that is a vocabulary of vocab_size tokens: NAME.tokenizer.bin
// beside a checkpoint NAME.bin, as export.py writes it; tokenizer.bin beside the checkpoint, in the
// working directory, in the folder that the environment names, and in the model directory. Writes
// its path to path[0 .. kMaxPathBytes). If there is none, the error says what was found instead.
Status OpenVocabulary(const VocabularySearch& search, File* file, char* path);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_VOCABULARY_SEARCH_H_
