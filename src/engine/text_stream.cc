// SPDX-License-Identifier: MIT
#include "engine/text_stream.h"

namespace clamma {

Status TextStream::Init(Memory& memory, const Tokenizer& tokenizer) {
  tokenizer_ = &tokenizer;
  return utf8_.Init(memory, tokenizer.longest_token());
}

Status TextStream::ReserveStops(Memory& memory, const Tokenizer& tokenizer, StopStrings* stops) {
  const uint64_t longest = Utf8Assembler::LongestOutput(tokenizer.longest_token());
  return stops->Reserve(memory, static_cast<size_t>(longest));
}

const char* TextStream::Append(TokenId token, bool is_first, bool* stopped) {
  std::string_view bytes = tokenizer_->Bytes(token);
  if (is_first && tokenizer_->adds_prefix() && !bytes.empty() && bytes[0] == ' ') {
    bytes.remove_prefix(1);
  }
  return UpToStop(utf8_.Append(bytes), stopped);
}

const char* TextStream::FlushCharacter(bool* stopped) { return UpToStop(utf8_.Flush(), stopped); }

const char* TextStream::UpToStop(const char* text, bool* stopped) {
  return stops_.any() ? stops_.Append(text, stopped) : text;
}

}  // namespace clamma
