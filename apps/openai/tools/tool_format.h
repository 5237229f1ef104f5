// SPDX-License-Identifier: MIT
// The formats in which models write calls, and the marks in them.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TOOL_FORMAT_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TOOL_FORMAT_H_

#include <clamma.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace openai {

enum class ToolFormat : uint8_t {
  kTaggedJson,    // <tool_call>{"name": ..., "arguments": ...}</tool_call>: Hermes, Qwen
  kLlama3,        // {"name": ..., "parameters": ...}
  kMistral,       // [TOOL_CALLS] [{"name": ..., "arguments": ...}]
  kMistralNamed,  // [TOOL_CALLS]name[ARGS]{...}
  kQwen3Coder,    // <tool_call><function=...><parameter=...>
  kChannels,      // gpt-oss's: <|channel|>commentary to=functions.name<|message|>{...}
  kGeneric        // as kTaggedJson, described in a system message: the template has no tools
};

// By the text of the template.
ToolFormat ToolFormatOf(std::string_view chat_template);
const char* NameOf(ToolFormat format);

// Finds the control token of a name; -1: there is none.
using FindControl = std::function<tok_id_t(std::string_view name)>;

// A mark of a format. Where the vocabulary has a control token for it, which has no text, the text
// that is parsed has a byte in its place that no UTF-8 has.
struct Mark {
  Mark(std::string_view name, char byte, const FindControl& find);

  tok_id_t token;    // -1: it is text
  char byte;         // in the text, in place of the token
  std::string text;  // as it stands in the text that is parsed
  std::string term;  // as GBNF writes it
};

// The bytes for marks.
inline constexpr char kOpenByte = '\xff';
inline constexpr char kIdByte = '\xfd';
inline constexpr char kArgumentsByte = '\xfe';
inline constexpr char kCloseByte = '\xfc';

// Removes the bytes of marks.
void DropMarks(std::string* text);

// A text as GBNF writes it, in quotation marks.
std::string Literal(std::string_view text);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TOOL_FORMAT_H_
