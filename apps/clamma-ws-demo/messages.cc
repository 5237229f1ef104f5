// SPDX-License-Identifier: MIT
#include "messages.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "json.h"

namespace demo {
namespace {

// The largest integer that a page's JSON numbers hold exactly.
constexpr uint64_t kMaxSeed = (uint64_t{1} << 53) - 1;
// The largest length if the server has no limit: more than any context.
constexpr size_t kMaxLength = 100'000'000;

// A value as users write it: 0.9, not the nearest float.
double Short(float amount) { return std::round(static_cast<double>(amount) * 1e6) / 1e6; }

// Each of these functions sets a field and returns "", or returns the reason of a failure.

std::string TooLong(const char* what, size_t bytes, size_t max) {
  return std::string(what) + " " + std::to_string(bytes) + " bytes; at most " +
         std::to_string(max) + " are allowed";
}

std::string SetPrompt(const Json& value, Request& request) {
  if (request.mode != Mode::kStories) return "a chat has messages, not a prompt";
  if (value.is_null()) {
    request.prompt.reset();
    return "";
  }
  if (!value.is_text()) return "prompt is neither a string nor null";
  const std::string& text = value.text();
  if (text.size() > kMaxPromptBytes) return TooLong("the prompt has", text.size(), kMaxPromptBytes);
  if (text.find('\0') != std::string::npos) return "the prompt contains a NUL";
  request.prompt = text;
  return "";
}

// Adds the next message of a chat, in which user and assistant alternate.
std::string AddChatMessage(const Json& value, std::vector<ChatMessage>& messages) {
  const std::string which = "message " + std::to_string(messages.size()) + " of the chat ";
  const bool is_answer = messages.size() % 2 == 1;
  const Json* role = value.Find("role");
  const Json* content = value.Find("content");
  if (role == nullptr || content == nullptr || value.fields().size() != 2) {
    return which + "is not an object with role and content";
  }
  if (role->text() != (is_answer ? "assistant" : "user")) {
    return which + "is not the " + (is_answer ? "assistant" : "user") + "'s: they must alternate";
  }
  if (!content->is_text()) return which + "has a content that is not a string";
  if (content->text().find('\0') != std::string::npos) return which + "contains a NUL";
  messages.push_back({is_answer, content->text()});
  return "";
}

std::string SetMessages(const Json& value, Request& request) {
  if (request.mode != Mode::kChat) return "stories have a prompt, not messages";
  if (!value.is_array()) return "messages is not an array";
  if (value.items().size() > kMaxChatMessages) {
    return "the chat has more than " + std::to_string(kMaxChatMessages) + " messages";
  }
  size_t bytes = 0;
  for (const Json& item : value.items()) {
    if (std::string wrong = AddChatMessage(item, request.messages); !wrong.empty()) return wrong;
    bytes += request.messages.back().content.size();
  }
  if (bytes > kMaxChatBytes) return TooLong("the chat has", bytes, kMaxChatBytes);
  if (request.messages.empty() || request.messages.back().is_answer) {
    return "the last message of the chat is not the user's";
  }
  return "";
}

std::string SetAmount(const char* name, const Json& value, float most, float& amount) {
  const double number = value.is_number() ? value.number() : -1;
  if (std::isfinite(number) && number >= 0 && number <= static_cast<double>(most)) {
    amount = static_cast<float>(number);
    return "";
  }
  return std::string(name) + " is not a number from 0 to " + std::to_string(static_cast<int>(most));
}

std::string SetSeed(const Json& value, uint64_t& seed) {
  if (value.is_whole() && value.whole() <= kMaxSeed) {
    seed = value.whole();
    return "";
  }
  return "seed is not a whole number from 0 to 2^53-1";
}

std::string SetLength(const Json& value, Request& request) {
  const size_t most = request.max_length == 0 ? kMaxLength : request.max_length;
  if (value.is_whole() && value.whole() <= most) {
    request.length = static_cast<size_t>(value.whole());
    return "";
  }
  return "length is not a whole number from 0 to " + std::to_string(most);
}

std::string SetType(const Json& value, Message::Type& type) {
  if (value.text() == "begin") {
    type = Message::Type::kBegin;
  } else if (value.text() == "stop") {
    type = Message::Type::kStop;
  } else {
    return R"(type is neither "begin" nor "stop")";
  }
  return "";
}

std::string SetField(const std::string& name, const Json& value, Message& message) {
  if (name == "type") return SetType(value, message.type);
  if (name == "prompt") return SetPrompt(value, message.request);
  if (name == "messages") return SetMessages(value, message.request);
  if (name == "temperature") {
    return SetAmount("temperature", value, kMaxTemperature, message.request.temperature);
  }
  if (name == "topp") return SetAmount("topp", value, 1, message.request.topp);
  if (name == "length") return SetLength(value, message.request);
  if (name == "seed") return SetSeed(value, message.request.seed);
  return "the message has an unknown field";
}

}  // namespace

std::string Parse(std::string_view text, Message& message) {
  const std::optional<Json> value = Json::Parse(text);
  if (!value) return "the message is not JSON";
  if (!value->is_object()) return "the message is not an object";
  if (value->Find("type") == nullptr) return "the message has no type";
  for (const auto& [name, field] : value->fields()) {
    if (std::string wrong = SetField(name, field, message); !wrong.empty()) return wrong;
  }
  if (message.type == Message::Type::kStop && value->fields().size() > 1) {
    return R"(a message of type "stop" has no further field)";
  }
  if (message.type == Message::Type::kBegin && message.request.mode == Mode::kChat &&
      message.request.messages.empty()) {
    return "a chat needs messages";
  }
  return "";
}

std::string HelloMessage(std::string_view model, const Request& defaults, bool thinks) {
  const bool is_chat = defaults.mode == Mode::kChat;
  Json message = Json::Object({{"type", "hello"},
                               {"mode", is_chat ? "chat" : "stories"},
                               {"model", model},
                               {"temperature", Short(defaults.temperature)},
                               {"topp", Short(defaults.topp)},
                               {"max_length", defaults.max_length},
                               {"max_prompt", is_chat ? kMaxChatBytes : kMaxPromptBytes}});
  if (is_chat) {
    message.Set("max_messages", kMaxChatMessages);
    message.Set("thinks", thinks);
  }
  return message.Text();
}

std::string WaitingMessage(size_t place) {
  return Json::Object({{"type", "waiting"}, {"place", place}}).Text();
}

std::string BeginMessage(const Request& request) {
  if (request.mode == Mode::kChat) return Json::Object({{"type", "begin"}}).Text();
  const Json prompt = request.prompt ? Json(*request.prompt) : Json();
  return Json::Object({{"type", "begin"}, {"prompt", prompt}}).Text();
}

std::string ProgressMessage(const std::vector<StreamUpdate>& updates) {
  Json stories = Json::Array();
  for (const StreamUpdate& update : updates) {
    const Progress& progress = update.progress;
    Json entry = Json::Object({{"story", update.stream},
                               {"text", update.text},
                               {"tokens", progress.tokens},
                               {"tokens_per_second", progress.tokens_per_second},
                               {"seed", std::to_string(progress.seed)}});
    if (progress.tokens == 0 && progress.prompt_tokens > 0) {
      entry.Set("prompt_tokens", progress.prompt_tokens);
      entry.Set("read_tokens", progress.read_tokens);
    }
    if (progress.forgotten > 0) entry.Set("forgotten", progress.forgotten);
    if (update.ending) entry.Set("end", Name(*update.ending));
    if (!update.reason.empty()) entry.Set("reason", update.reason);
    stories.Add(std::move(entry));
  }
  return Json::Object({{"type", "progress"}, {"stories", std::move(stories)}}).Text();
}

std::string ErrorMessage(std::string_view reason) {
  return Json::Object({{"type", "error"}, {"reason", reason}}).Text();
}

std::string DrainMessage(unsigned seconds) {
  return Json::Object({{"type", "drain"}, {"seconds", seconds}}).Text();
}

}  // namespace demo
