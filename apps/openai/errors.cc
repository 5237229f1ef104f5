// SPDX-License-Identifier: MIT
#include "openai/errors.h"

#include <utility>

namespace openai {
namespace {

constexpr const char* kInvalidRequest = "invalid_request_error";
constexpr const char* kServerError = "server_error";
constexpr size_t kMaxQuoted = 200;  // bytes of a stranger's text in a message

std::string Shortened(const std::string& text) {
  return text.size() <= kMaxQuoted ? text : text.substr(0, kMaxQuoted) + "...";
}

}  // namespace

ApiError::ApiError(int status, std::string type, std::string message, std::string param,
                   std::string code)
    : status_(status),
      type_(std::move(type)),
      message_(std::move(message)),
      param_(std::move(param)),
      code_(std::move(code)) {}

void ApiError::WriteTo(JsonWriter* w) const {
  if (param_.empty()) {
    w->Null("param");
  } else {
    w->Text("param", param_);
  }
  if (code_.empty()) {
    w->Null("code");
  } else {
    w->Text("code", code_);
  }
}

std::string ApiError::Body() const {
  JsonWriter w;
  w.Open('{').Open("error", '{').Text("message", message_).Text("type", type_);
  WriteTo(&w);
  return w.Close().Close().Take();
}

std::string ApiError::Event(uint64_t number) const {
  JsonWriter w;
  w.Open('{').Text("type", "error").Number("sequence_number", number).Text("message", message_);
  WriteTo(&w);
  return w.Close().Take();
}

std::vector<Header> ApiError::Headers() const {
  if (status_ != 429 && status_ != 503) return {};
  return {{"retry-after", status_ == 429 ? "1" : "5"}};
}

ApiError InvalidRequest(std::string message, std::string param, std::string code) {
  return {400, kInvalidRequest, std::move(message), std::move(param), std::move(code)};
}

ApiError Unsupported(std::string param, const std::string& why) {
  std::string message = "'" + param + "' is not supported: " + why;
  return {400, kInvalidRequest, std::move(message), std::move(param), "unsupported_parameter"};
}

ApiError ModelNotFound(const std::string& model) {
  return {404, kInvalidRequest, "The model '" + Shortened(model) + "' does not exist", "model",
          "model_not_found"};
}

ApiError ContextTooLong(size_t context, size_t prompt, const std::string& param) {
  return {400, kInvalidRequest,
          "This model's maximum context length is " + std::to_string(context) +
              " tokens. However, your prompt has " + std::to_string(prompt) +
              " tokens, which leaves no room for an answer. Please shorten it.",
          param, "context_length_exceeded"};
}

ApiError QueueFull() {
  return {429, "rate_limit_error", "Too many requests are waiting. Please try again later.", "",
          "queue_full"};
}

ApiError Draining() {
  return {503, kServerError, "The server is shutting down. Please try again later.", "",
          "shutting_down"};
}

const ApiError& NoMemory() {
  static const ApiError error(
      503, kServerError, "There is not enough memory for this request. Please try again later.", "",
      "out_of_memory");
  return error;
}

ApiError Failed(std::string message) { return {500, kServerError, std::move(message), "", ""}; }

}  // namespace openai
