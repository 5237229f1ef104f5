// SPDX-License-Identifier: MIT
// Reads a call that is a JSON object, {"name": "f", "arguments": {...}}, while it arrives.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_CALL_SCANNER_H_
#define CLAMMA_APPS_OPENAI_TOOLS_CALL_SCANNER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace openai {

class CallScanner {
 public:
  // Takes the next characters, from "{" on, up to the end of the object. Returns how many belong to
  // it. Arguments are known once their name is, and are appended to `arguments` as they stand.
  size_t Add(std::string_view text, std::string* arguments);

  // Takes the arguments of a call alone: what follows is their object.
  void BeginArguments(std::string name);

  bool has_name() const { return has_name_ && !name_.empty(); }
  const std::string& name() const { return name_; }
  bool is_done() const { return state_ == State::kDone; }
  // It is no such object.
  bool has_failed() const { return state_ == State::kFailed; }

 private:
  enum class State : uint8_t {
    kBegin,
    kKey,
    kInKey,
    kColon,
    kValue,
    kInValue,
    kComma,
    kDone,
    kFailed
  };

  void AddStructure(char c);
  void BeginValue(char c);
  void EndValue();
  // Follows a value; returns whether `c` still belongs to it.
  bool FollowValue(char c);
  bool is_arguments() const { return key_ == "arguments" || key_ == "parameters"; }

  State state_ = State::kBegin;
  std::string key_, name_;
  std::string early_;  // arguments that came before the name
  bool has_name_ = false;
  bool is_alone_ = false;  // there are only arguments
  // Of the value that is read:
  unsigned depth_ = 0;
  bool in_string_ = false;
  bool is_escaped_ = false;
  bool is_scalar_ = false;  // neither a string, an array nor an object
  std::string value_;       // of a name, with its quotation marks
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_CALL_SCANNER_H_
