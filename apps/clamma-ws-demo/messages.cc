// SPDX-License-Identifier: MIT
#include "messages.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

namespace demo {
namespace {

using nlohmann::json;

// What a JSON number of a page can hold exactly.
constexpr uint64_t kMostSeed = (uint64_t{1} << 53) - 1;

std::string Text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// An amount as users write it: 0.9 and not what the nearest float is.
double Short(float amount) { return std::round(static_cast<double>(amount) * 1e6) / 1e6; }

// Each of these sets a field and returns "", or returns what is wrong.

std::string SetPrompt(const json& value, Request& request) {
  if (value.is_null()) {
    request.prompt.reset();
    return "";
  }
  if (!value.is_string()) return "prompt is neither a string nor null";
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kMostPromptBytes) {
    return "the prompt has " + std::to_string(text.size()) + " bytes; at most " +
           std::to_string(kMostPromptBytes) + " are allowed";
  }
  if (text.find('\0') != std::string::npos) return "the prompt holds a NUL";
  request.prompt = text;
  return "";
}

std::string SetAmount(const char* name, const json& value, float most, float& amount) {
  const double number = value.is_number() ? value.get<double>() : -1;
  if (std::isfinite(number) && number >= 0 && number <= static_cast<double>(most)) {
    amount = static_cast<float>(number);
    return "";
  }
  return std::string(name) + " is not a number from 0 to " + std::to_string(static_cast<int>(most));
}

std::string SetSeed(const json& value, uint64_t& seed) {
  if (value.is_number_unsigned() && value.get<uint64_t>() <= kMostSeed) {
    seed = value.get<uint64_t>();
    return "";
  }
  return "seed is not a whole number from 0 to 2^53-1";
}

std::string SetType(const json& value, Message::Type& type) {
  if (value == "begin") {
    type = Message::Type::kBegin;
  } else if (value == "stop") {
    type = Message::Type::kStop;
  } else {
    return R"(type is neither "begin" nor "stop")";
  }
  return "";
}

std::string SetField(const std::string& name, const json& value, Message& message) {
  if (name == "type") return SetType(value, message.type);
  if (name == "prompt") return SetPrompt(value, message.request);
  if (name == "temperature") {
    return SetAmount("temperature", value, kMostTemperature, message.request.temperature);
  }
  if (name == "topp") return SetAmount("topp", value, 1, message.request.topp);
  if (name == "seed") return SetSeed(value, message.request.seed);
  return "there is a field that no message has";
}

}  // namespace

std::string Parse(std::string_view text, Message& message) {
  const json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return "the message is not JSON";
  if (!value.is_object()) return "the message is not an object";
  if (!value.contains("type")) return "the message has no type";
  for (const auto& [name, field] : value.items()) {
    if (std::string wrong = SetField(name, field, message); !wrong.empty()) return wrong;
  }
  if (message.type == Message::Type::kStop && value.size() > 1) {
    return R"(a message of type "stop" has no further field)";
  }
  return "";
}

std::string HelloMessage(std::string_view model, const Request& defaults) {
  return Text({{"type", "hello"},
               {"model", model},
               {"temperature", Short(defaults.temperature)},
               {"topp", Short(defaults.topp)},
               {"max_prompt", kMostPromptBytes}});
}

std::string WaitingMessage(size_t place) { return Text({{"type", "waiting"}, {"place", place}}); }

std::string BeginMessage(const Request& request) {
  json message = {{"type", "begin"}, {"prompt", nullptr}};
  if (request.prompt) message["prompt"] = *request.prompt;
  return Text(message);
}

std::string ProgressMessage(const std::vector<News>& news) {
  json stories = json::array();
  for (const News& story : news) {
    json entry = {{"story", story.story},
                  {"text", story.text},
                  {"tokens", story.progress.tokens},
                  {"tokens_per_second", story.progress.tokens_per_second},
                  {"seed", std::to_string(story.progress.seed)}};
    if (story.ending) entry["end"] = Name(*story.ending);
    if (!story.reason.empty()) entry["reason"] = story.reason;
    stories.push_back(std::move(entry));
  }
  return Text({{"type", "progress"}, {"stories", stories}});
}

std::string ErrorMessage(std::string_view reason) {
  return Text({{"type", "error"}, {"reason", reason}});
}

std::string DrainMessage(unsigned seconds) {
  return Text({{"type", "drain"}, {"seconds", seconds}});
}

}  // namespace demo
