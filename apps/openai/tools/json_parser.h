// SPDX-License-Identifier: MIT
// Finds calls that are JSON objects: between tags, or as the whole answer.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_JSON_PARSER_H_
#define CLAMMA_APPS_OPENAI_TOOLS_JSON_PARSER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "openai/tools/call_scanner.h"
#include "openai/tools/tool_parser.h"

namespace openai {

struct JsonCallFormat {
  // What stands before and behind a call; "": nothing does, so that a call begins with "{".
  std::string open, close;
  // A list of calls, "[{...}, {...}]", may stand in place of one.
  bool may_be_list = false;
  // Makes the id of a call.
  std::function<std::string()> make_id;
  // The names that are calls; of anything else the text is content.
  std::vector<std::string> names;
};

// With tags, content may stand between calls. Without, an answer is content unless it begins with a
// call; white space, ",", ";" and brackets may stand between calls.
class JsonParser : public ToolParser {
 public:
  explicit JsonParser(JsonCallFormat format) : format_(std::move(format)) {}

  void Finish(std::string* content, std::vector<ToolDelta>* calls) override;

 private:
  bool Advance(std::string* content, std::vector<ToolDelta>* calls) override;

  enum class Place : uint8_t { kOutside, kInList, kInCall, kBehindCall, kContent };

  // Each uses some of held_ and returns false if it needs more.
  bool FindCall(std::string* content);
  bool ReadCall(std::string* content, std::vector<ToolDelta>* calls);
  bool FindInList();
  void BeginCall();
  bool SkipClose();
  void GiveUp(std::string* content);
  bool IsKnown(const std::string& name) const;

  const JsonCallFormat format_;
  Place place_ = Place::kOutside;
  std::string raw_;  // of a call whose name is not known yet, with its tag
  CallScanner scanner_;
  bool is_announced_ = false;   // the call that is read
  bool is_after_call_ = false;  // white space is no content here
  size_t n_calls_ = 0;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_JSON_PARSER_H_
