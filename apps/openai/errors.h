// SPDX-License-Identifier: MIT
// The API's errors. Inside the library they are thrown; the workers catch them.
#ifndef CLAMMA_APPS_OPENAI_ERRORS_H_
#define CLAMMA_APPS_OPENAI_ERRORS_H_

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "openai/json_text.h"
#include "openai/service.h"

namespace openai {

class ApiError : public std::exception {
 public:
  ApiError(int status, std::string type, std::string message, std::string param = "",
           std::string code = "");

  int status() const { return status_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }
  // {"error": {"message": ..., "type": ..., "param": ..., "code": ...}}
  std::string Body() const;
  // {"type": "error", "sequence_number": ..., "message": ..., "param": ..., "code": ...}
  std::string Event(uint64_t number) const;
  // Retry-After for those that may succeed later.
  std::vector<Header> Headers() const;

 private:
  void WriteTo(JsonWriter* w) const;

  int status_;
  std::string type_;
  std::string message_;
  std::string param_;  // "": null
  std::string code_;   // "": null
};

ApiError InvalidRequest(std::string message, std::string param = "", std::string code = "");
// A value that is taken elsewhere, but would change the answer here.
ApiError Unsupported(std::string param, const std::string& why);
ApiError ModelNotFound(const std::string& model);
ApiError ContextTooLong(size_t context, size_t prompt, const std::string& param);
ApiError QueueFull();
ApiError Draining();
// Made at the first call, so that it can be had when memory is short.
const ApiError& NoMemory();
ApiError Failed(std::string message);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_ERRORS_H_
