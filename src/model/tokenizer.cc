// SPDX-License-Identifier: MIT
#include "model/tokenizer.h"

#include "model/byte_pair_encoder.h"
#include "platform/clock.h"
#include "platform/endian.h"

namespace clamma {
namespace {

// Far beyond any real token; bounds what a session holds to put one together.
constexpr int32_t kMaxTokenBytes = 1 << 16;

constexpr uint64_t kRawByte = uint64_t{1} << 63;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that "<0xHH>" stands for, or -1.
int RawByteOf(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  const int high = HexDigit(text[3]);
  const int low = HexDigit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Every byte once, for views of byte tokens.
struct AllBytes {
  char bytes[256] = {};
  constexpr AllBytes() {
    for (int i = 0; i < 256; ++i) bytes[i] = static_cast<char>(static_cast<uint8_t>(i));
  }
};
constexpr AllBytes kAllBytes;

bool IsControl(TokenId token) { return token <= kEosToken; }

}  // namespace

Status Tokenizer::Open(Memory& memory, const uint8_t* data, uint64_t size, uint32_t vocab_size) {
  const auto tokens = static_cast<unsigned>(vocab_size);
  // Before anything is allocated for them: each token takes at least 8 bytes of the file.
  if (size < 4 || (size - 4) / 8 < vocab_size) {
    return Status::Error(
        StatusCode::kCorrupt,
        "the dictionary is too small for this model's %u tokens: is it for another "
        "model, or cut short?",
        tokens);
  }
  data_ = data;
  CLAMMA_RETURN_IF_ERROR(tokens_.Resize(memory, vocab_size));
  if (memory.is_plan()) return ReserveIndex(memory);
  uint64_t at = 4;
  for (uint32_t id = 0; id < vocab_size; ++id) {
    if (size - at < 8) {
      return Status::Error(StatusCode::kCorrupt,
                           "the dictionary ends after %u tokens, and this model has %u: is it for "
                           "another model, or cut short?",
                           static_cast<unsigned>(id), tokens);
    }
    const float score = ReadLeF32(data + at);
    const int32_t length = ReadLe32Signed(data + at + 4);
    at += 8;
    if (length < 0 || length > kMaxTokenBytes || static_cast<uint64_t>(length) > size - at) {
      return Status::Error(StatusCode::kCorrupt,
                           "not a dictionary, or damaged: token %u is said to have %d bytes",
                           static_cast<unsigned>(id), static_cast<int>(length));
    }
    tokens_[id] = {at, static_cast<uint32_t>(length), score};
    at += static_cast<uint32_t>(length);
    if (static_cast<size_t>(length) > longest_token_) longest_token_ = static_cast<size_t>(length);
  }
  if (at != size) {
    return Status::Error(StatusCode::kCorrupt,
                         "the dictionary goes on after this model's %u tokens: is it for another "
                         "model?",
                         tokens);
  }
  return BuildIndex(memory);
}

Status Tokenizer::ReserveIndex(Memory& memory) {
  uint64_t slots = 16;
  while (slots < 2 * uint64_t{vocab_size()}) slots *= 2;
  return index_.Resize(memory, slots);
}

Status Tokenizer::BuildIndex(Memory& memory) {
  hash_seed_ = SeedFromClock();
  CLAMMA_RETURN_IF_ERROR(ReserveIndex(memory));
  for (size_t i = 0; i < index_.size(); ++i) index_[i] = -1;
  for (TokenId& token : byte_tokens_) token = kUnknownToken;
  for (TokenId id = 0; IsValid(id); ++id) {
    if (IsControl(id)) continue;
    Entry& entry = tokens_[static_cast<size_t>(id)];
    const std::string_view text = Text(id);
    if (const int byte = RawByteOf(text); byte >= 0) {
      if (byte_tokens_[byte] == kUnknownToken) byte_tokens_[byte] = id;
      entry.offset = kRawByte | static_cast<uint64_t>(byte);
      entry.length = 1;
      continue;
    }
    // Of equal texts the first one counts.
    if (text.empty() || Lookup(text) >= 0) continue;
    size_t slot = FirstSlot(text);
    while (index_[slot] >= 0) slot = (slot + 1) & (index_.size() - 1);
    index_[slot] = id;
  }
  return Status();
}

std::string_view Tokenizer::Text(TokenId token) const {
  const Entry& entry = tokens_[static_cast<size_t>(token)];
  if ((entry.offset & kRawByte) != 0) return {&kAllBytes.bytes[entry.offset & 0xff], 1};
  return {reinterpret_cast<const char*>(data_) + entry.offset, entry.length};
}

std::string_view Tokenizer::Bytes(TokenId token) const {
  return !IsValid(token) || IsControl(token) ? std::string_view() : Text(token);
}

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) from a start that no dictionary can know, so
// that none can make its tokens collide.
size_t Tokenizer::FirstSlot(std::string_view text) const {
  uint64_t hash = hash_seed_;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  hash ^= hash >> 32;
  return static_cast<size_t>(hash * 0x9e3779b97f4a7c15u >> 32) & (index_.size() - 1);
}

TokenId Tokenizer::Lookup(std::string_view text) const {
  // At most half of the slots are taken, so this ends.
  for (size_t slot = FirstSlot(text);; slot = (slot + 1) & (index_.size() - 1)) {
    const TokenId id = index_[slot];
    if (id < 0 || Text(id) == text) return id;
  }
}

Status Tokenizer::Encode(Memory& memory, std::string_view text, const EncodeOptions& options,
                         Array<TokenId>* tokens, size_t* count) const {
  BytePairEncoder encoder(*this);
  if (!text.empty()) CLAMMA_RETURN_IF_ERROR(encoder.Run(memory, text, options.dummy_prefix));
  const size_t needed = *count + encoder.count() + (options.bos ? 1 : 0) + (options.eos ? 1 : 0);
  if (tokens->size() < needed) CLAMMA_RETURN_IF_ERROR(tokens->Resize(memory, needed));
  if (memory.is_plan()) {
    *count = needed;
    return Status();
  }
  if (options.bos) (*tokens)[(*count)++] = kBosToken;
  *count += encoder.Take(tokens->data() + *count);
  if (options.eos) (*tokens)[(*count)++] = kEosToken;
  return Status();
}

}  // namespace clamma
