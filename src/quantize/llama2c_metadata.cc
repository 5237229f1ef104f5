// SPDX-License-Identifier: MIT
#include "quantize/llama2c_metadata.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "platform/endian.h"
#include "platform/text.h"
#include "tokenizer/llama2c_vocabulary.h"

namespace clamma {
namespace {

using namespace std::string_view_literals;

constexpr uint32_t kGgufVersion = 3;
constexpr uint64_t kFrontBytes = 24;  // before the first key

// Writes the keys of a GGUF file to `out`, or counts them and their bytes for nullptr.
class KeyWriter {
 public:
  explicit KeyWriter(uint8_t* out) : out_(out) {}
  uint64_t bytes() const { return bytes_; }
  uint64_t keys() const { return keys_; }

  void Uint32(std::string_view key, uint32_t value) {
    Begin(key, GgufType::kUint32);
    Put32(value);
  }
  void Float(std::string_view key, float value) {
    Begin(key, GgufType::kFloat32);
    Put32(__builtin_bit_cast(uint32_t, value));
  }
  void Bool(std::string_view key, bool value) {
    Begin(key, GgufType::kBool);
    const uint8_t byte = value ? 1 : 0;
    Put(&byte, 1);
  }
  void String(std::string_view key, std::string_view text) {
    Begin(key, GgufType::kString);
    PutString(text);
  }
  // The caller adds `count` elements afterwards.
  void BeginArray(std::string_view key, GgufType type, uint64_t count) {
    Begin(key, GgufType::kArray);
    Put32(static_cast<uint32_t>(type));
    Put64(count);
  }

  void Put32(uint32_t value) {
    uint8_t number[4];
    WriteLe32(number, value);
    Put(number, sizeof(number));
  }
  void Put64(uint64_t value) {
    uint8_t number[8];
    WriteLe64(number, value);
    Put(number, sizeof(number));
  }
  void PutBytes(std::string_view text) { Put(text.data(), text.size()); }

 private:
  void Begin(std::string_view key, GgufType type) {
    ++keys_;
    PutString(key);
    Put32(static_cast<uint32_t>(type));
  }
  void PutString(std::string_view text) {
    Put64(text.size());
    PutBytes(text);
  }
  void Put(const void* bytes, size_t n) {
    if (out_ != nullptr && n > 0) std::memcpy(out_ + bytes_, bytes, n);
    bytes_ += n;
  }

  uint8_t* const out_;
  uint64_t bytes_ = 0;
  uint64_t keys_ = 0;
};

// llama2.c writes "\n<s>\n" for "<s>".
std::string_view WithoutLineEnds(std::string_view text) {
  if (text.size() > 2 && text.front() == '\n' && text.back() == '\n') {
    text.remove_prefix(1);
    text.remove_suffix(1);
  }
  return text;
}

std::string_view TextOf(const Vocabulary& vocabulary, TokenId token) {
  const std::string_view text = vocabulary.Text(token);
  return vocabulary.kind(token) == TokenKind::kControl ? WithoutLineEnds(text) : text;
}

uint64_t BytesWithMarks(std::string_view text) {
  const auto spaces = static_cast<uint64_t>(std::count(text.begin(), text.end(), ' '));
  return text.size() + spaces * (kSpaceMark.size() - 1);
}

void PutWithMarks(std::string_view text, KeyWriter* out) {
  out->Put64(BytesWithMarks(text));
  for (; !text.empty(); text.remove_prefix(1)) {
    out->PutBytes(text.front() == ' ' ? kSpaceMark : Front(text, 1));
  }
}

constexpr TextTokens kUsual = {.is_said = false, .bos = 1, .n_ends = 1, .ends = {2}};

// Each token that ends texts has its own key.
constexpr std::string_view kEndKeys[] = {"tokenizer.ggml.eos_token_id"sv,
                                         "tokenizer.ggml.eot_token_id"sv,
                                         "tokenizer.ggml.eom_token_id"sv};

void PutTextTokens(const TextTokens& tokens, KeyWriter* out) {
  if (tokens.bos >= 0)
    out->Uint32("tokenizer.ggml.bos_token_id"sv, static_cast<uint32_t>(tokens.bos));
  for (uint32_t i = 0; i < tokens.n_ends; ++i) {
    out->Uint32(kEndKeys[i], static_cast<uint32_t>(tokens.ends[i]));
  }
  out->Bool("tokenizer.ggml.add_bos_token"sv, tokens.bos >= 0);
}

void PutVocabulary(const Vocabulary& v, const TextTokens& text_tokens, KeyWriter* out) {
  out->String("tokenizer.ggml.model"sv, "llama"sv);
  out->BeginArray("tokenizer.ggml.tokens"sv, GgufType::kString, v.size());
  for (TokenId id = 0; v.IsValid(id); ++id) PutWithMarks(TextOf(v, id), out);
  out->BeginArray("tokenizer.ggml.scores"sv, GgufType::kFloat32, v.size());
  for (TokenId id = 0; v.IsValid(id); ++id) {
    out->Put32(__builtin_bit_cast(uint32_t, v.score(id)));
  }
  out->BeginArray("tokenizer.ggml.token_type"sv, GgufType::kInt32, v.size());
  for (TokenId id = 0; v.IsValid(id); ++id) out->Put32(static_cast<uint32_t>(v.kind(id)));
  out->Uint32("tokenizer.ggml.unknown_token_id"sv, static_cast<uint32_t>(v.unknown()));
  PutTextTokens(text_tokens, out);
  out->Bool("tokenizer.ggml.add_eos_token"sv, false);
  out->Bool("tokenizer.ggml.add_space_prefix"sv, true);
}

void PutKeys(const ModelConfig& config, const Vocabulary& vocabulary, const TextTokens& text_tokens,
             KeyWriter* out) {
  const LayerConfig& layer = config.widest;
  out->String("general.architecture"sv, "llama"sv);
  out->Uint32("general.file_type"sv, 0);
  out->Uint32("general.quantization_version"sv, 0);
  out->Uint32("llama.block_count"sv, config.n_layers);
  out->Uint32("llama.context_length"sv, config.seq_len);
  out->Uint32("llama.embedding_length"sv, config.dim);
  out->Uint32("llama.feed_forward_length"sv, layer.hidden_dim);
  out->Uint32("llama.attention.head_count"sv, layer.n_heads);
  out->Uint32("llama.attention.head_count_kv"sv, layer.n_kv_heads);
  out->Float("llama.attention.layer_norm_rms_epsilon"sv, config.norm_epsilon);
  out->Uint32("llama.rope.dimension_count"sv, config.rope_dims);
  out->Float("llama.rope.freq_base"sv, config.ropes[0].theta);
  out->Uint32("llama.vocab_size"sv, config.vocab_size);
  PutVocabulary(vocabulary, text_tokens, out);
}

// Refuses texts that GGUF files cannot express.
Status CheckTexts(const Vocabulary& vocabulary) {
  for (TokenId id = 0; vocabulary.IsValid(id); ++id) {
    const std::string_view text = vocabulary.Text(id);
    if (text.find(kSpaceMark) != std::string_view::npos) {
      return Status::Error(StatusCode::kInvalidArgument,
                           "token %d of the vocabulary has U+2581 in its text, which is a space in "
                           "GGUF files",
                           id);
    }
    if (BytesWithMarks(text) > uint64_t{kMaxTokenBytes}) {
      return Status::Error(StatusCode::kLimit, "token %d of the vocabulary is too long", id);
    }
  }
  return Status();
}

}  // namespace

Status Llama2cMetadata::Build(Memory& memory, const ModelFile& model, const uint8_t* vocabulary,
                              uint64_t vocabulary_bytes) {
  const ModelConfig& config = model.config;
  if (vocabulary == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "a llama2.c checkpoint needs its vocabulary to become a GGUF model");
  }
  Vocabulary tokens;
  CLAMMA_RETURN_IF_ERROR(ReadLlama2cVocabulary(memory, vocabulary, vocabulary_bytes,
                                               config.vocab_size, TextTokensOf(model), &tokens));
  const TextTokens text_tokens = TextTokensOf(model) != nullptr ? *TextTokensOf(model) : kUsual;
  if (text_tokens.n_ends > std::size(kEndKeys)) {
    return Status::Error(StatusCode::kLimit,
                         "%u tokens end its texts, but a GGUF file can name only %zu",
                         static_cast<unsigned>(text_tokens.n_ends), std::size(kEndKeys));
  }
  CLAMMA_RETURN_IF_ERROR(CheckTexts(tokens));
  KeyWriter counter(nullptr);
  PutKeys(config, tokens, text_tokens, &counter);
  const uint64_t bytes = kFrontBytes + counter.bytes();
  if (bytes > GgufLimits::kHeaderBytes) {
    return Status::Error(StatusCode::kLimit, "the vocabulary is too large for a GGUF file");
  }
  CLAMMA_RETURN_IF_ERROR(bytes_.Resize(memory, bytes));
  std::memcpy(bytes_.data(), "GGUF", 4);
  WriteLe32(bytes_.data() + 4, kGgufVersion);
  WriteLe64(bytes_.data() + 8, 0);  // tensors
  WriteLe64(bytes_.data() + 16, counter.keys());
  KeyWriter writer(bytes_.data() + kFrontBytes);
  PutKeys(config, tokens, text_tokens, &writer);
  uint64_t wanted = 0;
  return gguf_.Parse(memory, bytes_.data(), bytes, bytes, &wanted);
}

}  // namespace clamma
