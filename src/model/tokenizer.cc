// SPDX-License-Identifier: MIT
#include "model/tokenizer.h"

#include <algorithm>

#include "model/byte_pair_encoder.h"
#include "model/config.h"
#include "model/files/gguf.h"
#include "platform/clock.h"
#include "platform/endian.h"
#include "platform/hash.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {
namespace {

// Far beyond any real token; bounds what a session holds to put one together.
constexpr int32_t kMaxTokenBytes = 1 << 16;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that "<0xHH>" stands for, or -1.
int RawByteOf(std::string_view text) {
  if (text.size() != 6 || !StartsWith(text, "<0x") || text[5] != '>') return -1;
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

// Of tokenizer.ggml.token_type, as SentencePiece numbers them.
enum TokenKind : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// U+2581, in which SentencePiece keeps a space.
constexpr std::string_view kSpace = "\xe2\x96\x81";

// A text without its U+2581; out may be nullptr, to count. Returns its bytes.
size_t CopyWithSpaces(std::string_view text, uint8_t* out) {
  size_t n = 0;
  while (!text.empty()) {
    const bool space = StartsWith(text, kSpace);
    if (out != nullptr) out[n] = space ? ' ' : static_cast<uint8_t>(text[0]);
    ++n;
    text.remove_prefix(space ? kSpace.size() : 1);
  }
  return n;
}

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
    if (static_cast<TokenId>(id) <= eos_) tokens_[id].offset |= kSilent;
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

Status Tokenizer::Open(Memory& memory, const Gguf& gguf, uint32_t vocab_size) {
  std::string_view kind;
  CLAMMA_RETURN_IF_ERROR(gguf.GetString("tokenizer.ggml.model", Gguf::Presence::kRequired, &kind));
  if (kind != "llama") {
    return Status::Error(StatusCode::kCorrupt,
                         "the vocabulary inside the file is of kind %s, and only those of kind "
                         "\"llama\" are read: give a tokenizer_path",
                         Quoted(kind).c_str());
  }
  CLAMMA_RETURN_IF_ERROR(ReadGgufTexts(memory, gguf));
  if (tokens_.size() > vocab_size || tokens_.size() < ModelLimits::kMinVocabSize) {
    return Status::Error(StatusCode::kCorrupt,
                         "the vocabulary inside the file has %zu tokens, and the model %u",
                         tokens_.size(), static_cast<unsigned>(vocab_size));
  }
  CLAMMA_RETURN_IF_ERROR(ReadGgufEnds(gguf));
  CLAMMA_RETURN_IF_ERROR(ReadGgufKinds(gguf));
  return memory.is_plan() ? ReserveIndex(memory) : BuildIndex(memory);
}

// The tokens' texts and scores.
Status Tokenizer::ReadGgufTexts(Memory& memory, const Gguf& gguf) {
  GgufValue texts;
  GgufValue scores;
  CLAMMA_RETURN_IF_ERROR(gguf.GetArray("tokenizer.ggml.tokens", Gguf::Elements::kStrings,
                                       Gguf::Presence::kRequired, &texts));
  CLAMMA_RETURN_IF_ERROR(gguf.GetArray("tokenizer.ggml.scores", Gguf::Elements::kNumbers,
                                       Gguf::Presence::kRequired, &scores));
  if (texts.count > ModelLimits::kMaxVocabSize || scores.count != texts.count) {
    return Status::Error(StatusCode::kCorrupt,
                         "the vocabulary inside the file has %llu tokens and %llu scores",
                         static_cast<unsigned long long>(texts.count),
                         static_cast<unsigned long long>(scores.count));
  }
  uint64_t bytes = 0;
  std::string_view text;
  for (GgufStrings all(texts); all.Next(&text);) {
    if (text.size() > static_cast<size_t>(kMaxTokenBytes)) {
      return Status::Error(StatusCode::kCorrupt,
                           "a token of the vocabulary inside the file has %zu bytes", text.size());
    }
    bytes += CopyWithSpaces(text, nullptr);
  }
  CLAMMA_RETURN_IF_ERROR(tokens_.Resize(memory, texts.count));
  CLAMMA_RETURN_IF_ERROR(texts_.Resize(memory, bytes));
  if (memory.is_plan()) return Status();
  data_ = texts_.data();
  size_t at = 0;
  size_t id = 0;
  for (GgufStrings all(texts); all.Next(&text); ++id) {
    const size_t length = CopyWithSpaces(text, texts_.data() + at);
    tokens_[id] = {at, static_cast<uint32_t>(length), 0};
    scores.Float(id, &tokens_[id].score);
    at += length;
    longest_token_ = std::max(longest_token_, length);
  }
  return Status();
}

// What kind each token is of. Without kinds all but the unknown token, BOS and EOS are texts. A
// plan only counts those that are never generated.
Status Tokenizer::ReadGgufKinds(const Gguf& gguf) {
  GgufValue kinds;
  CLAMMA_RETURN_IF_ERROR(gguf.GetArray("tokenizer.ggml.token_type", Gguf::Elements::kIntegers,
                                       Gguf::Presence::kOptional, &kinds));
  for (size_t id = 0; id < tokens_.size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    int64_t kind = kNormal;
    if (kinds.data != nullptr && !kinds.Int(id, &kind)) {
      return Status::Error(StatusCode::kCorrupt, "token %zu of the vocabulary has no type", id);
    }
    // Files give ends of texts any type.
    if (token == unknown_) kind = kUnknown;
    if (EndsText(token)) kind = kControl;
    uint64_t flags = 0;
    if (kind == kControl || kind == kUnknown) flags |= kSilent;
    if (kind == kUnused || kind == kUnknown) flags |= kNeverGenerated;
    n_never_generated_ += (flags & kNeverGenerated) != 0 ? 1 : 0;
    if (tokens_.data() != nullptr) tokens_[id].offset |= flags;
  }
  return Status();
}

// The tokens that begin and end texts.
Status Tokenizer::ReadGgufEnds(const Gguf& gguf) {
  const struct {
    const char* key;
    TokenId* token;
  } named[] = {{"tokenizer.ggml.unknown_token_id", &unknown_},
               {"tokenizer.ggml.bos_token_id", &bos_},
               {"tokenizer.ggml.eos_token_id", &eos_},
               {"tokenizer.ggml.eot_token_id", &other_ends_[0]},
               {"tokenizer.ggml.eom_token_id", &other_ends_[1]}};
  for (const auto& entry : named) {
    uint32_t id = UINT32_MAX;
    const Gguf::Range range = {0, static_cast<uint32_t>(tokens_.size()) - 1};
    CLAMMA_RETURN_IF_ERROR(gguf.GetUint32(entry.key, Gguf::Presence::kOptional, range, &id));
    if (id != UINT32_MAX) *entry.token = static_cast<TokenId>(id);
  }
  CLAMMA_RETURN_IF_ERROR(
      gguf.GetBool("tokenizer.ggml.add_bos_token", Gguf::Presence::kOptional, &adds_bos_));
  return gguf.GetBool("tokenizer.ggml.add_space_prefix", Gguf::Presence::kOptional, &adds_prefix_);
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
  for (TokenId& token : byte_tokens_) token = unknown_;
  for (TokenId id = 0; IsValid(id); ++id) {
    Entry& entry = tokens_[static_cast<size_t>(id)];
    if ((entry.offset & (kSilent | kNeverGenerated)) != 0) continue;
    const std::string_view text = Text(id);
    if (const int byte = RawByteOf(text); byte >= 0) {
      if (byte_tokens_[byte] == unknown_) byte_tokens_[byte] = id;
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
  const uint64_t offset = entry.offset & ~(kSilent | kNeverGenerated);
  return {reinterpret_cast<const char*>(data_) + offset, entry.length};
}

std::string_view Tokenizer::Bytes(TokenId token) const {
  if (!IsValid(token)) return {};
  return (tokens_[static_cast<size_t>(token)].offset & kSilent) != 0 ? std::string_view()
                                                                     : Text(token);
}

size_t Tokenizer::FirstSlot(std::string_view text) const {
  return static_cast<size_t>(SeededHash(hash_seed_, text)) & (index_.size() - 1);
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
  if (options.bos) (*tokens)[(*count)++] = bos_;
  *count += encoder.Take(tokens->data() + *count);
  if (options.eos) (*tokens)[(*count)++] = eos_;
  return Status();
}

}  // namespace clamma
