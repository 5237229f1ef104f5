// SPDX-License-Identifier: MIT
// The llama2.c dictionary and its byte-pair encoding.
//
// Format (https://github.com/karpathy/llama2.c, tokenizer.py), little-endian: int32 length of the
// longest token, then for each token float score, int32 length, bytes. Tokens 0, 1, 2 are unknown,
// BOS and EOS; "<0xHH>" stand for raw bytes.
#ifndef CLAMMA_MODEL_TOKENIZER_H_
#define CLAMMA_MODEL_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

using TokenId = int;  // tok_id_t
static_assert(sizeof(TokenId) == 4);

inline constexpr TokenId kUnknownToken = 0;
inline constexpr TokenId kBosToken = 1;
inline constexpr TokenId kEosToken = 2;

// Constant once opened: any number of threads may use it.
class Tokenizer {
 public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Indexes the dictionary of exactly vocab_size tokens at [data, data + size), which must outlive
  // this. Any bytes are safe; what is not a dictionary of that size is refused. A plan does not
  // look at the bytes.
  Status Open(Memory& memory, const uint8_t* data, uint64_t size, uint32_t vocab_size);

  uint32_t vocab_size() const { return static_cast<uint32_t>(tokens_.size()); }
  size_t longest_token() const { return longest_token_; }  // bytes

  struct EncodeOptions {
    bool bos = false;           // begin with BOS
    bool dummy_prefix = false;  // encode as if a space stood before the text (unless it is empty)
    bool eos = false;           // end with EOS
  };

  // Appends the encoding of `text` to *tokens from index *count on, growing it as needed, in
  // O(n log n). Bytes that are no UTF-8, or no token, become byte tokens; control and byte tokens
  // are never matched by text. A plan does not look at the text, and counts a token for each byte.
  Status Encode(Memory& memory, std::string_view text, const EncodeOptions& options,
                Array<TokenId>* tokens, size_t* count) const;

  // The token's bytes: raw ones for byte tokens, none for BOS, EOS and unknown (and for ids out of
  // range). Valid as long as the dictionary.
  std::string_view Bytes(TokenId token) const;

  bool IsValid(TokenId token) const {
    return token >= 0 && static_cast<uint32_t>(token) < vocab_size();
  }

 private:
  struct Entry {
    uint64_t offset;  // of its bytes in the dictionary; kRawByte | value for byte tokens
    uint32_t length;
    float score;
  };

  std::string_view Text(TokenId token) const;
  Status ReserveIndex(Memory& memory);
  Status BuildIndex(Memory& memory);
  size_t FirstSlot(std::string_view text) const;  // of index_, from where to look
  TokenId Lookup(std::string_view text) const;    // -1: no such token
  TokenId ByteToken(uint8_t byte) const { return byte_tokens_[byte]; }
  friend class BytePairEncoder;

  const uint8_t* data_ = nullptr;
  Array<Entry> tokens_;
  Array<TokenId> index_;  // open-addressing hash table of token ids, -1: free
  TokenId byte_tokens_[256] = {};
  size_t longest_token_ = 1;
  uint64_t hash_seed_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_TOKENIZER_H_
