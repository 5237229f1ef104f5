// SPDX-License-Identifier: MIT
// Answers in channels: of some models (gpt-oss) an answer is several messages, and the channel of
// each says whether it is reasoning or what is said. Here they become one text, with the reasoning
// between <think> and </think>, as other models write it themselves.
#ifndef CLAMMA_CHAT_CHANNELS_H_
#define CLAMMA_CHAT_CHANNELS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace clamma {

struct ChannelFormat;

// The tokens around a message: START role CHANNEL channel MESSAGE text.
struct ChannelMarks {
  const ChannelFormat* format = nullptr;  // nullptr: the vocabulary has none
  TokenId start = kNoToken;
  TokenId channel = kNoToken;
  TokenId message = kNoToken;
};

ChannelMarks FindChannelMarks(const Tokenizer& tokenizer);

// Follows a conversation token by token, and tells what is to be issued of each.
class ChannelReader {
 public:
  // The longest mark that Read() returns.
  static constexpr size_t kMaxMark = 11;

  // Issues the bytes of tokens as they are.
  ChannelReader() = default;

  // Begins behind the `n` tokens of a conversation; marks that an answer among them has been issued
  // with are not issued again when it goes on.
  ChannelReader(const ChannelMarks& marks, const Tokenizer& tokenizer, const TokenId* tokens,
                size_t n);

  struct Output {
    std::string_view mark;  // which begins or ends the reasoning, or parts it; static
    std::string_view text;
  };

  // The next token, of these bytes.
  Output Read(TokenId token, std::string_view bytes);

 private:
  enum class Part : uint8_t { kRole, kChannel, kReasoning, kSaid };

  void BeginName(Part part);
  void EndName();
  void AddToName(std::string_view bytes);

  ChannelMarks marks_;
  Part part_ = Part::kSaid;
  bool is_model_ = true;   // it speaks
  bool in_think_ = false;  // <think> is issued, and no </think> since
  bool parts_ = false;     // reasoning follows other reasoning
  bool name_ended_ = false;
  uint8_t name_size_ = 0;
  char name_[16] = {};  // of the role or channel that is read: its first word, or how that begins
};

// Takes an answer apart as ChannelReader put it together: *reasoning becomes what was between the
// marks, and *said what follows. False: it has no reasoning.
bool PartReasoning(std::string_view answer, std::string_view* reasoning, std::string_view* said);

}  // namespace clamma

#endif  // CLAMMA_CHAT_CHANNELS_H_
