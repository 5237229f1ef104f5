// SPDX-License-Identifier: MIT
// The messages between page and server: JSON objects in text frames, described in
// docs/ws-demo-protocol.md.
#ifndef CLAMMA_WS_DEMO_MESSAGES_H_
#define CLAMMA_WS_DEMO_MESSAGES_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "generation.h"

namespace demo {

inline constexpr size_t kMaxPromptBytes = 4096;
inline constexpr size_t kMaxChatBytes = 16384;  // of the contents of all messages of a chat
inline constexpr size_t kMaxChatMessages = 64;
inline constexpr float kMaxTemperature = 10;

// The most bytes of a message of the page. A byte of text takes at most six bytes in JSON; the rest
// is for the other fields.
constexpr size_t MaxMessageBytes(Mode mode) {
  return mode == Mode::kStories ? 6 * kMaxPromptBytes + 1024
                                : 6 * kMaxChatBytes + 64 * kMaxChatMessages + 1024;
}

struct Message {
  enum class Type : uint8_t { kBegin, kStop };
  Type type = Type::kStop;
  Request request;  // kBegin; Parse() keeps the values of fields that the page leaves out
};

// Parses a message of the page, which may contain anything. message.request.mode determines the
// allowed fields. Returns "" or the reason of a failure.
std::string Parse(std::string_view text, Message& message);

// Messages to the page.
// `thinks`: answers begin inside the model's reasoning, because the chat template opens it.
std::string HelloMessage(std::string_view model, const Request& defaults, bool thinks);
std::string WaitingMessage(size_t place);  // from 1
std::string BeginMessage(const Request& request);
std::string ProgressMessage(const std::vector<StreamUpdate>& updates);
std::string ErrorMessage(std::string_view reason);
std::string DrainMessage(unsigned seconds);

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_MESSAGES_H_
