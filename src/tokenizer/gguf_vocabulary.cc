// SPDX-License-Identifier: MIT
#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <iterator>

#include "model/config.h"
#include "model/files/gguf.h"
#include "platform/text.h"

namespace clamma {
namespace {

using namespace std::string_view_literals;

// The texts of the tokens that end a text, in all families of models.
constexpr std::string_view kEnds[] = {
    "<|eot_id|>"sv,
    "<|eom_id|>"sv,
    "<|im_end|>"sv,
    "<|end|>"sv,
    "<|endoftext|>"sv,
    "<|end_of_text|>"sv,
    "<end_of_turn>"sv,
    "<turn|>"sv,
    "<|EOT|>"sv,
    "<｜end▁of▁sentence｜>"sv,
    "<|endofturn|>"sv,
    "[|endofturn|]"sv,
    "<|eot|>"sv,
    "<|eom|>"sv,
    "<|END_OF_TURN_TOKEN|>"sv,
    "<|return|>"sv,
    "<|call|>"sv,
    "<|endofprompt|>"sv,
};

// The texts of other tokens that mark parts of a conversation.
constexpr std::string_view kMarks[] = {
    "<s>"sv,
    "</s>"sv,
    "<bos>"sv,
    "<eos>"sv,
    "<|begin_of_text|>"sv,
    "<|startoftext|>"sv,
    "<｜begin▁of▁sentence｜>"sv,
    "<|start_header_id|>"sv,
    "<|end_header_id|>"sv,
    "<|header_start|>"sv,
    "<|header_end|>"sv,
    "<|im_start|>"sv,
    "<|im_sep|>"sv,
    "<|system|>"sv,
    "<|user|>"sv,
    "<|assistant|>"sv,
    "<|observation|>"sv,
    "<|start|>"sv,
    "<|message|>"sv,
    "<|channel|>"sv,
    "<|constrain|>"sv,
    "<start_of_turn>"sv,
    "<|turn>"sv,
    "<｜User｜>"sv,
    "<｜Assistant｜>"sv,
    "<|START_OF_TURN_TOKEN|>"sv,
    "<|SYSTEM_TOKEN|>"sv,
    "<|USER_TOKEN|>"sv,
    "<|CHATBOT_TOKEN|>"sv,
    "[|system|]"sv,
    "[|user|]"sv,
    "[|assistant|]"sv,
    "[INST]"sv,
    "[/INST]"sv,
    "[SYSTEM_PROMPT]"sv,
    "[/SYSTEM_PROMPT]"sv,
};

constexpr uint64_t kNamedTokens = std::size(kEnds) + std::size(kMarks) + 6;  // 6 are named by id

// "[PAD7]", for example: converters pad a vocabulary with such tokens.
bool IsNumberedPadding(std::string_view text) {
  if (text.size() < 6 || !StartsWith(text, "[PAD"sv) || text[text.size() - 1] != ']') return false;
  for (size_t i = 4; i + 1 < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

// Reads one vocabulary.
class Reader {
 public:
  Reader(Memory& memory, const Gguf& gguf, const GgufVocabularyTraits& traits,
         Vocabulary* vocabulary)
      : memory_(memory), gguf_(gguf), traits_(traits), vocabulary_(*vocabulary) {}

  Status ReadTokens(uint32_t max_tokens);
  Status ReadNames();
  void MarkNamed();
  void CountNeverGenerated();
  uint64_t most_special() const { return n_special_ + kNamedTokens; }

 private:
  Status FindArrays(uint32_t max_tokens);
  Status MeasureTexts(uint64_t* bytes);
  Status KindOf(uint64_t id, std::string_view text, TokenKind* kind) const;
  void MarkEnd(TokenId token);
  void MarkByText(std::string_view text, bool is_end);
  bool IsOrdinary(TokenId token) const;

  Memory& memory_;
  const Gguf& gguf_;
  const GgufVocabularyTraits& traits_;
  Vocabulary& vocabulary_;
  GgufValue texts_;
  GgufValue scores_;
  GgufValue kinds_;
  TokenId eot_ = kNoToken;
  TokenId eom_ = kNoToken;
  TokenId padding_ = kNoToken;
  uint64_t n_special_ = 0;  // according to the kinds in the file
  uint32_t n_never_ = 0;
};

Status Reader::FindArrays(uint32_t max_tokens) {
  CLAMMA_RETURN_IF_ERROR(gguf_.GetArray("tokenizer.ggml.tokens", Gguf::Elements::kStrings,
                                        Gguf::Presence::kRequired, &texts_));
  CLAMMA_RETURN_IF_ERROR(gguf_.GetArray("tokenizer.ggml.token_type", Gguf::Elements::kIntegers,
                                        Gguf::Presence::kOptional, &kinds_));
  if (traits_.has_scores) {
    CLAMMA_RETURN_IF_ERROR(gguf_.GetArray("tokenizer.ggml.scores", Gguf::Elements::kNumbers,
                                          Gguf::Presence::kRequired, &scores_));
    if (scores_.count != texts_.count) {
      return Status::Error(StatusCode::kCorrupt,
                           "the vocabulary inside the file has %llu tokens and %llu scores",
                           Ull{texts_.count}, Ull{scores_.count});
    }
  }
  const uint64_t most = max_tokens == 0 ? uint64_t{ModelLimits::kMaxVocabSize} : max_tokens;
  if (texts_.count > most || texts_.count < ModelLimits::kMinVocabSize) {
    return Status::Error(StatusCode::kCorrupt,
                         "the vocabulary inside the file has %llu tokens, and the model %u",
                         Ull{texts_.count}, static_cast<unsigned>(max_tokens));
  }
  return Status();
}

// The kind in the file; but the kind that the text shows if the file's kind is invalid or does not
// fit the text.
Status Reader::KindOf(uint64_t id, std::string_view text, TokenKind* kind) const {
  auto number = static_cast<int64_t>(TokenKind::kNormal);
  if (kinds_.data != nullptr && !kinds_.Int(id, &number)) {
    return Status::Error(StatusCode::kCorrupt, "token %llu of the vocabulary has no type", Ull{id});
  }
  *kind = number >= 1 && number <= 6 ? static_cast<TokenKind>(number) : TokenKind::kNormal;
  if (traits_.is_byte_level) {
    if (*kind == TokenKind::kByte) *kind = TokenKind::kNormal;
    return Status();
  }
  const bool is_byte = RawByteOf(text) >= 0;
  if (*kind == TokenKind::kByte && !is_byte) *kind = TokenKind::kNormal;
  if (*kind == TokenKind::kNormal && is_byte) *kind = TokenKind::kByte;
  return Status();
}

// Checks all tokens, and counts them by kind.
Status Reader::MeasureTexts(uint64_t* bytes) {
  *bytes = 0;
  std::string_view text;
  uint64_t id = 0;
  for (GgufStrings all(texts_); all.Next(&text); ++id) {
    if (text.size() > static_cast<size_t>(kMaxTokenBytes)) {
      return Status::Error(StatusCode::kCorrupt,
                           "a token of the vocabulary inside the file has %zu bytes", text.size());
    }
    TokenKind kind = TokenKind::kNormal;
    CLAMMA_RETURN_IF_ERROR(KindOf(id, text, &kind));
    const bool silent = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if (silent || kind == TokenKind::kUserDefined) ++n_special_;
    if (kind == TokenKind::kUnused || kind == TokenKind::kUnknown || IsNumberedPadding(text)) {
      ++n_never_;
    }
    *bytes += traits_.copy_text(kind, text, nullptr);
  }
  return Status();
}

Status Reader::ReadTokens(uint32_t max_tokens) {
  CLAMMA_RETURN_IF_ERROR(FindArrays(max_tokens));
  uint64_t bytes = 0;
  CLAMMA_RETURN_IF_ERROR(MeasureTexts(&bytes));
  CLAMMA_RETURN_IF_ERROR(vocabulary_.Resize(memory_, texts_.count));
  CLAMMA_RETURN_IF_ERROR(vocabulary_.ResizeTexts(memory_, bytes));
  std::string_view text;
  uint64_t id = 0;
  size_t at = 0;
  for (GgufStrings all(texts_); all.Next(&text); ++id) {
    TokenKind kind = TokenKind::kNormal;
    CLAMMA_RETURN_IF_ERROR(KindOf(id, text, &kind));
    char* const out = memory_.is_plan() ? nullptr : vocabulary_.texts() + at;
    const size_t length = traits_.copy_text(kind, text, reinterpret_cast<uint8_t*>(out));
    if (memory_.is_plan()) {
      vocabulary_.PlanToken(length, kind);
      continue;
    }
    float score = 0;
    if (traits_.has_scores) scores_.Float(id, &score);
    vocabulary_.Set(static_cast<TokenId>(id), {out, length}, score, kind);
    at += length;
  }
  return Status();
}

// Reads the tokens that the file names by id.
Status Reader::ReadNames() {
  TokenId unknown = traits_.default_unknown;
  TokenId bos = traits_.default_bos;
  TokenId eos = traits_.default_eos;
  const struct {
    const char* key;
    TokenId* token;
  } named[] = {{"tokenizer.ggml.unknown_token_id", &unknown},
               {"tokenizer.ggml.bos_token_id", &bos},
               {"tokenizer.ggml.eos_token_id", &eos},
               {"tokenizer.ggml.eot_token_id", &eot_},
               {"tokenizer.ggml.eom_token_id", &eom_},
               {"tokenizer.ggml.padding_token_id", &padding_}};
  for (const auto& entry : named) {
    uint32_t id = UINT32_MAX;
    const Gguf::Range range = {0, static_cast<uint32_t>(vocabulary_.size()) - 1};
    CLAMMA_RETURN_IF_ERROR(gguf_.GetUint32(entry.key, Gguf::Presence::kOptional, range, &id));
    if (id != UINT32_MAX) *entry.token = static_cast<TokenId>(id);
  }
  vocabulary_.set_unknown(unknown);
  vocabulary_.set_bos(bos);
  vocabulary_.set_eos(eos);
  return Status();
}

void Reader::MarkEnd(TokenId token) {
  if (!vocabulary_.IsValid(token)) return;
  vocabulary_.SetKind(token, TokenKind::kControl);
  vocabulary_.SetEnd(token, true);
}

// Whether the token may be a merged part of plain text, such as HTML's "<s>".
bool Reader::IsOrdinary(TokenId token) const {
  if (!traits_.is_byte_level || vocabulary_.kind(token) != TokenKind::kNormal) return false;
  const std::string_view text = vocabulary_.Text(token);
  return !StartsWith(text, "<|"sv) && !StartsWith(text, "<｜"sv) && !StartsWith(text, "[|"sv);
}

void Reader::MarkByText(std::string_view text, bool is_end) {
  // The text as this kind of vocabulary stores it: one with scores has spaces in place of U+2581.
  uint8_t copy[64];
  const size_t length = traits_.copy_text(TokenKind::kControl, text, copy);
  const std::string_view key(reinterpret_cast<const char*>(copy), length);
  const TokenId token = vocabulary_.Find(key, kAnyKind);
  if (token < 0 || IsOrdinary(token)) return;
  if (is_end) {
    MarkEnd(token);
  } else {
    vocabulary_.SetKind(token, TokenKind::kControl);
  }
}

// Sets the kinds and ends of the tokens with a special meaning.
void Reader::MarkNamed() {
  const TokenId unknown = vocabulary_.unknown();
  if (vocabulary_.IsValid(unknown)) vocabulary_.SetKind(unknown, TokenKind::kUnknown);
  for (const std::string_view text : kMarks) MarkByText(text, false);
  for (const std::string_view text : kEnds) MarkByText(text, true);
  for (const TokenId token : {vocabulary_.bos(), vocabulary_.eos(), eot_, eom_}) MarkEnd(token);
  // In gpt-oss <|end|> ends a message, not the answer; <|return|> and <|call|> end the answer.
  const TokenId end = vocabulary_.Find("<|end|>"sv, kAnyKind);
  if (end >= 0 && vocabulary_.Find("<|return|>"sv, kAnyKind) >= 0 &&
      vocabulary_.Find("<|call|>"sv, kAnyKind) >= 0) {
    vocabulary_.SetEnd(end, false);
  }
  if (vocabulary_.IsValid(padding_) && !vocabulary_.EndsText(padding_) && padding_ != unknown) {
    vocabulary_.SetPadding(padding_);
  }
}

void Reader::CountNeverGenerated() {
  if (memory_.is_plan()) {
    vocabulary_.PlanNeverGenerated(n_never_ + 2);  // the unknown token and the padding one
    return;
  }
  for (TokenId id = 0; vocabulary_.IsValid(id); ++id) {
    const TokenKind kind = vocabulary_.kind(id);
    const bool ends = vocabulary_.EndsText(id);
    if (!ends && IsNumberedPadding(vocabulary_.Text(id))) vocabulary_.SetPadding(id);
    const bool never = kind == TokenKind::kUnused || kind == TokenKind::kUnknown;
    if (never || vocabulary_.IsPadding(id)) vocabulary_.SetNeverGenerated(id);
  }
}

}  // namespace

Status ReadGgufVocabulary(Memory& memory, const Gguf& gguf, const GgufVocabularyTraits& traits,
                          uint32_t max_tokens, Vocabulary* vocabulary, uint64_t* n_special) {
  Reader reader(memory, gguf, traits, vocabulary);
  CLAMMA_RETURN_IF_ERROR(reader.ReadTokens(max_tokens));
  CLAMMA_RETURN_IF_ERROR(reader.ReadNames());
  CLAMMA_RETURN_IF_ERROR(vocabulary->BuildIndex(memory));
  if (!memory.is_plan()) {
    reader.MarkNamed();
    vocabulary->FindByteTokens(traits.is_byte_level,
                               traits.is_byte_level ? kNoToken : vocabulary->unknown());
  }
  reader.CountNeverGenerated();
  *n_special = reader.most_special();
  return Status();
}

}  // namespace clamma
