// SPDX-License-Identifier: MIT
#include "engine/text_stream.h"

#include "kernels/kernels.h"
#include "platform/features.h"

namespace clamma {
namespace {

// Returns the largest number of bytes that Append() passes to the assembler at a time.
size_t LongestPiece(const Tokenizer& tokenizer, const ChannelMarks& marks) {
  return tokenizer.longest_token() + (marks.format != nullptr ? ChannelReader::kMaxMark : 0);
}

}  // namespace

Status TextStream::Init(Memory& memory, const Tokenizer& tokenizer, const ChannelMarks& marks) {
  tokenizer_ = &tokenizer;
  return utf8_.Init(memory, LongestPiece(tokenizer, marks));
}

Status TextStream::ReserveStops(Memory& memory, const Tokenizer& tokenizer,
                                const ChannelMarks& marks, StopStrings* stops) {
  const uint64_t longest = Utf8Assembler::LongestOutput(LongestPiece(tokenizer, marks));
  return stops->Reserve(memory, static_cast<size_t>(longest));
}

void TextStream::ReadChannels(const ChannelMarks& marks, const TokenId* tokens, size_t n) {
  channels_ = ChannelReader(marks, *tokenizer_, tokens, n);
}

const char* TextStream::Append(TokenId token, bool is_first, size_t n_rest, bool* stopped) {
  std::string_view bytes = tokenizer_->Bytes(token);
  if (is_first && tokenizer_->adds_prefix() && !bytes.empty() && bytes[0] == ' ') {
    bytes.remove_prefix(1);
  }
  std::string_view mark;
  if constexpr (kHasGguf) {
    const ChannelReader::Output output = channels_.Read(token, bytes);
    mark = output.mark;
    bytes = output.text;
  }
  if constexpr (kHasGrammar) {
    rest_ = {};
    if (n_rest > 0 && n_rest <= bytes.size() && stops_.any()) {
      rest_ = {bytes.data() + bytes.size() - n_rest, n_rest};
      bytes.remove_suffix(n_rest);
    }
  }
  return UpToStop(utf8_.Append(mark, bytes), stopped);
}

const char* TextStream::AppendMark(TokenId token, bool* stopped) {
  const std::string_view mark = channels_.Read(token, tokenizer_->Bytes(token)).mark;
  return mark.empty() ? "" : UpToStop(utf8_.Append(mark, {}), stopped);
}

const char* TextStream::FlushCharacter(bool* stopped) { return UpToStop(utf8_.Flush(), stopped); }

const char* TextStream::UpToStop(const char* text, bool* stopped) {
  return stops_.any() ? stops_.Append(text, stopped) : text;
}

}  // namespace clamma
