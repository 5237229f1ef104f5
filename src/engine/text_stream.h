// SPDX-License-Identifier: MIT
// Turns tokens into text as they arrive: whole characters, up to a stop string.
#ifndef CLAMMA_ENGINE_TEXT_STREAM_H_
#define CLAMMA_ENGINE_TEXT_STREAM_H_

#include <cstddef>
#include <string_view>
#include <utility>

#include "chat/channels.h"
#include "engine/stop_strings.h"
#include "engine/utf8_assembler.h"
#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// A returned text is valid until the next call, and "" if there is none. When a stop string is
// reached, *stopped is set, and the text after it is dropped.
class TextStream {
 public:
  // The tokenizer must outlive this. `marks` are those of its channels, if it has any.
  Status Init(Memory& memory, const Tokenizer& tokenizer, const ChannelMarks& marks);

  // Makes room in `stops` for the longest text that a stream with this tokenizer appends at a time.
  static Status ReserveStops(Memory& memory, const Tokenizer& tokenizer, const ChannelMarks& marks,
                             StopStrings* stops);
  // Swaps the stop strings; ReserveStops() must have made room in `stops`.
  void SwapStops(StopStrings& stops) { stops_.Swap(stops); }

  // The next tokens are plain text.
  void ReadPlain() {
    if constexpr (kHasGguf) channels_ = ChannelReader();
  }
  // The next tokens are messages in channels, whose marks are removed (channels.h). They follow the
  // `n` tokens of a conversation.
  void ReadChannels(const ChannelMarks& marks, const TokenId* tokens, size_t n);

  // Returns the text that `token` adds. If it is the first token of a text, the space that the
  // tokenizer puts in front is removed. If there are stop strings, that is without its last
  // `n_rest` bytes, which AppendRest() adds behind EndStops().
  const char* Append(TokenId token, bool is_first, size_t n_rest, bool* stopped);
  const char* AppendRest() {
    const std::string_view rest = std::exchange(rest_, {});
    return rest.empty() ? "" : utf8_.Append({}, rest);
  }
  // The same for a token that ends the text without being shown: only the mark of a channel that
  // begins with it.
  const char* AppendMark(TokenId token, bool* stopped);
  // Returns U+FFFD if an unfinished character is held back.
  const char* FlushCharacter(bool* stopped);
  // The text that follows has no stop strings. Returns the text that is held back because one might
  // have begun.
  const char* EndStops() { return stops_.any() ? stops_.End() : ""; }
  // Returns the text that is held back because a stop string may begin with it.
  const char* FlushText() { return stops_.Flush(); }

  // The bytes of an unfinished character, which are held back.
  void DropHeld() { utf8_.Drop(); }
  std::string_view held() const { return utf8_.held(); }
  void SetHeld(std::string_view held) { utf8_.Set(held); }

 private:
  const char* UpToStop(const char* text, bool* stopped);

  const Tokenizer* tokenizer_ = nullptr;
  ChannelReader channels_;
  Utf8Assembler utf8_;
  StopStrings stops_;
  std::string_view rest_;  // for AppendRest()
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_TEXT_STREAM_H_
