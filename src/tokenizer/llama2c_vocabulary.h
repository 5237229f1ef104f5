// SPDX-License-Identifier: MIT
// Reads vocabularies in llama2.c's format (https://github.com/karpathy/llama2.c, tokenizer.py),
// little-endian: the int32 length of the longest token, then for each token a float score, an int32
// length, and the bytes. Tokens 0, 1, 2 are unknown, BOS and EOS; "<0xHH>" stands for a raw byte.
#ifndef CLAMMA_TOKENIZER_LLAMA2C_VOCABULARY_H_
#define CLAMMA_TOKENIZER_LLAMA2C_VOCABULARY_H_

#include <cstdint>

#include "model/model_file.h"
#include "platform/file.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

inline constexpr uint32_t kLlama2cControlTokens = 3;  // unknown, BOS, EOS

// Reads exactly vocab_size tokens from [data, data + size), which must outlive them. Any bytes are
// safe; bytes that are not a vocabulary of that size are refused. A plan does not read the bytes.
// `text_tokens` are the tokens that begin and end texts, all of them valid; nullptr: 1 and 2.
Status ReadLlama2cVocabulary(Memory& memory, const uint8_t* data, uint64_t size,
                             uint32_t vocab_size, const TextTokens* text_tokens,
                             Vocabulary* vocabulary);

// The number of tokens of the vocabulary in a file; 0: not a vocabulary, or unreadable.
uint32_t CountLlama2cTokens(const File& file);

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_LLAMA2C_VOCABULARY_H_
