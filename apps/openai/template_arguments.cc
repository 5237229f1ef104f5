// SPDX-License-Identifier: MIT
#include "openai/template_arguments.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "openai/json_text.h"

namespace openai {
namespace {

constexpr size_t kMaxBytes = 16384;
constexpr size_t kMaxNames = 64;

// What only the server says.
constexpr std::array<std::string_view, 8> kOwnNames = {
    "messages",  "tools",     "chat_template",   "add_generation_prompt",
    "bos_token", "eos_token", "raise_exception", "strftime_now"};

// Templates know three efforts.
std::string_view EffortOf(Fields& fields, const std::string& effort) {
  if (effort == "minimal" || effort == "low") return "low";
  if (effort == "medium") return "medium";
  if (effort == "high" || effort == "xhigh") return "high";
  if (effort == "none") return "none";
  throw fields.Wrong("reasoning_effort", "must be none, minimal, low, medium, high or xhigh");
}

}  // namespace

std::string ReadTemplateArguments(Fields& fields, const std::string* effort) {
  fields.Refuse("chat_template", "a request cannot bring its own template");
  JsonWriter w;
  w.Open('{');
  const Value* const given = fields.Object("chat_template_kwargs");
  if (given != nullptr) {
    if (given->object()->size() > kMaxNames || given->Text().size() > kMaxBytes) {
      throw fields.Wrong("chat_template_kwargs", "must have at most " + std::to_string(kMaxNames) +
                                                     " members and " + std::to_string(kMaxBytes) +
                                                     " bytes");
    }
    for (const Member& member : *given->object()) {
      if (std::find(kOwnNames.begin(), kOwnNames.end(), member.name) != kOwnNames.end()) {
        throw fields.Wrong("chat_template_kwargs", "must not have '" + member.name + "'");
      }
      w.Raw(member.name, member.value.Text());
    }
  }
  const auto is_given = [&](std::string_view name) {
    return given != nullptr && given->Find(name) != nullptr;
  };
  if (effort != nullptr) {
    const std::string_view known = EffortOf(fields, *effort);
    if (!is_given("reasoning_effort")) w.Text("reasoning_effort", known);
    if (known == "none" && !is_given("enable_thinking")) w.Bool("enable_thinking", false);
  }
  std::string text = w.Close().Take();
  return text == "{}" ? "" : text;
}

}  // namespace openai
