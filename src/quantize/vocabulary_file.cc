// SPDX-License-Identifier: MIT
#include "quantize/vocabulary_file.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "platform/endian.h"
#include "platform/quoted.h"
#include "platform/text.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

using namespace std::string_view_literals;

constexpr TokenId kUnknown = 0;
constexpr TokenId kBos = 1;
constexpr TokenId kEos = 2;

Status CheckKind(const Gguf& gguf) {
  std::string_view kind;
  CLAMMA_RETURN_IF_ERROR(gguf.GetString("tokenizer.ggml.model", Gguf::Presence::kRequired, &kind));
  if (kind == "llama"sv) return Status();
  return Status::Error(StatusCode::kInvalidArgument,
                       "its vocabulary is of kind %s, but only one of kind \"llama\" "
                       "(SentencePiece) can be converted to llama2.c's format",
                       Quoted(kind).c_str());
}

Status CheckToken(const char* what, TokenId token, TokenId expected) {
  if (token == expected) return Status();
  return Status::Error(StatusCode::kInvalidArgument,
                       "its %s token is number %d, but it is %d in every llama2.c vocabulary", what,
                       token, expected);
}

class Writer {
 public:
  Writer(const Tokenizer& tokenizer, const GgufValue& scores)
      : tokenizer_(tokenizer), scores_(scores) {}

  // Writes all tokens to `out`, or counts their bytes for nullptr. *longest receives the bytes of
  // the longest one.
  uint64_t Write(uint32_t vocab_size, uint8_t* out, uint32_t* longest) const {
    uint64_t bytes = 4;
    *longest = 0;
    for (uint32_t i = 0; i < vocab_size; ++i) {
      const auto id = static_cast<TokenId>(i);
      const std::string_view text = TextOf(id);
      const auto length = static_cast<uint32_t>(text.size());
      *longest = std::max(*longest, length);
      if (out != nullptr) {
        WriteLe32(out + bytes, __builtin_bit_cast(uint32_t, ScoreOf(id)));
        WriteLe32(out + bytes + 4, length);
        if (length > 0) std::memcpy(out + bytes + 8, text.data(), length);
      }
      bytes += 8 + uint64_t{length};
    }
    if (out != nullptr) WriteLe32(out, *longest);
    return bytes;
  }

 private:
  // Rows of the embedding without a token; GGUF files may have "[PAD7]" in their place.
  bool IsEmpty(TokenId id) const {
    if (!tokenizer_.IsValid(id)) return true;
    return tokenizer_.kind(id) == TokenKind::kUnused && StartsWith(tokenizer_.Piece(id), "[PAD"sv);
  }
  // BOS and EOS have texts that cannot occur in the middle of a line, as in llama2.c.
  std::string_view TextOf(TokenId id) const {
    if (id == kBos) return "\n<s>\n"sv;
    if (id == kEos) return "\n</s>\n"sv;
    return IsEmpty(id) ? ""sv : tokenizer_.Piece(id);
  }
  float ScoreOf(TokenId id) const {
    float score = 0;
    if (!IsEmpty(id)) scores_.Float(static_cast<uint64_t>(id), &score);
    return score;
  }

  const Tokenizer& tokenizer_;
  const GgufValue& scores_;
};

void FindLosses(const Tokenizer& tokenizer, VocabularyLosses* losses) {
  *losses = VocabularyLosses();
  losses->adds_bos = !tokenizer.adds_bos();
  losses->adds_prefix = !tokenizer.adds_prefix();
  losses->drops_eos = tokenizer.adds_eos();
  uint32_t bytes = 0;
  for (TokenId id = 0; tokenizer.IsValid(id); ++id) {
    const TokenKind kind = tokenizer.kind(id);
    if (kind == TokenKind::kByte) ++bytes;
    if (kind == TokenKind::kUserDefined) ++losses->user_defined;
    if (id > kEos && kind == TokenKind::kControl) ++losses->control;
  }
  losses->lacks_bytes = bytes < 256;
}

}  // namespace

Status MakeVocabularyFile(Memory& memory, const Gguf& gguf, uint32_t vocab_size,
                          Array<uint8_t>* out, VocabularyLosses* losses) {
  CLAMMA_RETURN_IF_ERROR(CheckKind(gguf));
  Tokenizer tokenizer;
  CLAMMA_RETURN_IF_ERROR(tokenizer.Open(memory, gguf, vocab_size));
  CLAMMA_RETURN_IF_ERROR(CheckToken("begin", tokenizer.bos(), kBos));
  CLAMMA_RETURN_IF_ERROR(CheckToken("end", tokenizer.eos(), kEos));
  if (tokenizer.kind(kUnknown) != TokenKind::kUnknown) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "its token 0 is not the unknown token, as in every llama2.c vocabulary");
  }
  GgufValue scores;
  CLAMMA_RETURN_IF_ERROR(gguf.GetArray("tokenizer.ggml.scores", Gguf::Elements::kNumbers,
                                       Gguf::Presence::kRequired, &scores));
  FindLosses(tokenizer, losses);
  const Writer writer(tokenizer, scores);
  uint32_t longest = 0;
  const uint64_t bytes = writer.Write(vocab_size, nullptr, &longest);
  CLAMMA_RETURN_IF_ERROR(out->Resize(memory, bytes));
  writer.Write(vocab_size, out->data(), &longest);
  return Status();
}

}  // namespace clamma
