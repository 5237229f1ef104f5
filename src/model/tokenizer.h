// SPDX-License-Identifier: MIT
// Vocabularies of SentencePiece's kind, whose tokens have scores, and their byte-pair encoding: of
// llama2.c, and inside GGUF files.
//
// llama2.c's format (https://github.com/karpathy/llama2.c, tokenizer.py), little-endian: int32
// length of the longest token, then for each token float score, int32 length, bytes. Tokens 0, 1, 2
// are unknown, BOS and EOS; "<0xHH>" stand for raw bytes.
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

inline constexpr TokenId kNoToken = -1;

class Gguf;

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

  // The same for the vocabulary in a GGUF file's metadata, of at most vocab_size tokens: the model
  // has rows for so many. Copies the texts.
  Status Open(Memory& memory, const Gguf& gguf, uint32_t vocab_size);

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

  TokenId bos() const { return bos_; }
  TokenId eos() const { return eos_; }
  bool adds_bos() const { return adds_bos_; }        // texts begin with BOS
  bool adds_prefix() const { return adds_prefix_; }  // ... and with a space
  // Whether a text ends with the token: EOS and the like, or BOS, which begins the next.
  bool EndsText(TokenId token) const {
    return token == bos_ || token == eos_ || token == other_ends_[0] || token == other_ends_[1];
  }
  // Whether the model may generate it: it is no padding, and not the unknown token.
  bool IsGenerated(TokenId token) const {
    return IsValid(token) && (tokens_[static_cast<size_t>(token)].offset & kNeverGenerated) == 0;
  }
  uint32_t never_generated() const { return n_never_generated_; }  // how many of vocab_size()

  // Control tokens and the unknown one: no text gives them, and they give none.
  bool IsSilent(TokenId token) const {
    return IsValid(token) && (tokens_[static_cast<size_t>(token)].offset & kSilent) != 0;
  }

  // The token's bytes: raw ones for byte tokens, none for control tokens as BOS and EOS, and
  // unknown ones (and for ids out of range). Valid as long as the vocabulary.
  std::string_view Bytes(TokenId token) const;

  bool IsValid(TokenId token) const {
    return token >= 0 && static_cast<uint32_t>(token) < vocab_size();
  }

 private:
  // Of Entry::offset.
  static constexpr uint64_t kRawByte = uint64_t{1} << 63;         // the rest is its value
  static constexpr uint64_t kSilent = uint64_t{1} << 62;          // control token, or unknown
  static constexpr uint64_t kNeverGenerated = uint64_t{1} << 61;  // unknown, or of no use

  struct Entry {
    uint64_t offset;  // of its bytes at data_, and the above
    uint32_t length;
    float score;
  };

  std::string_view Text(TokenId token) const;
  Status ReadGgufTexts(Memory& memory, const Gguf& gguf);
  Status ReadGgufKinds(const Gguf& gguf);
  Status ReadGgufEnds(const Gguf& gguf);
  Status ReserveIndex(Memory& memory);
  Status BuildIndex(Memory& memory);
  size_t FirstSlot(std::string_view text) const;  // of index_, from where to look
  TokenId Lookup(std::string_view text) const;    // -1: no such token
  TokenId ByteToken(uint8_t byte) const { return byte_tokens_[byte]; }
  friend class BytePairEncoder;

  const uint8_t* data_ = nullptr;
  Array<uint8_t> texts_;  // what data_ points to, of a GGUF file's vocabulary
  Array<Entry> tokens_;
  Array<TokenId> index_;  // open-addressing hash table of token ids, -1: free
  TokenId byte_tokens_[256] = {};
  TokenId unknown_ = 0;
  TokenId bos_ = 1;
  TokenId eos_ = 2;
  TokenId other_ends_[2] = {kNoToken, kNoToken};
  bool adds_bos_ = true;
  bool adds_prefix_ = true;
  uint32_t n_never_generated_ = 0;
  size_t longest_token_ = 1;
  uint64_t hash_seed_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_TOKENIZER_H_
