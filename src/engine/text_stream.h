// SPDX-License-Identifier: MIT
// The text of tokens that come one after the other: whole characters, up to a stop string.
#ifndef CLAMMA_ENGINE_TEXT_STREAM_H_
#define CLAMMA_ENGINE_TEXT_STREAM_H_

#include <cstddef>
#include <string_view>

#include "chat/channels.h"
#include "engine/stop_strings.h"
#include "engine/utf8_assembler.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// A text that is returned is valid until the next call, and "" if there is none. Where a stop
// string is reached, *stopped is set, and what follows it is dropped.
class TextStream {
 public:
  // Of a tokenizer, which must outlive this, and the marks of its channels, if it has any.
  Status Init(Memory& memory, const Tokenizer& tokenizer, const ChannelMarks& marks);

  // Makes room in `stops` for the longest text that such a stream appends at a time.
  static Status ReserveStops(Memory& memory, const Tokenizer& tokenizer, const ChannelMarks& marks,
                             StopStrings* stops);
  // Takes stop strings with that room in place of those before, which the other gets.
  void SwapStops(StopStrings& stops) { stops_.Swap(stops); }

  // From here on tokens are text as they are, ...
  void ReadPlain() { channels_ = ChannelReader(); }
  // ... or messages in channels, which come out without their marks, behind these tokens.
  void ReadChannels(const ChannelMarks& marks, const TokenId* tokens, size_t n);

  // What `token` adds. Where it is the first of a text, the tokenizer's space in front is dropped.
  const char* Append(TokenId token, bool is_first, bool* stopped);
  // What is held back of an unfinished character, as U+FFFD.
  const char* FlushCharacter(bool* stopped);
  // What is held back because a stop string might begin with it.
  const char* FlushText() { return stops_.Flush(); }

  // The bytes of an unfinished character.
  void DropHeld() { utf8_.Drop(); }
  std::string_view held() const { return utf8_.held(); }
  void SetHeld(std::string_view held) { utf8_.Set(held); }

 private:
  const char* UpToStop(const char* text, bool* stopped);

  const Tokenizer* tokenizer_ = nullptr;
  ChannelReader channels_;
  Utf8Assembler utf8_;
  StopStrings stops_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_TEXT_STREAM_H_
