// SPDX-License-Identifier: MIT
#include "openai/tools/tool_format.h"

#include <array>

namespace openai {

ToolFormat ToolFormatOf(std::string_view chat_template) {
  const auto has = [&](std::string_view text) {
    return chat_template.find(text) != std::string_view::npos;
  };
  if (has("<|channel|>")) return ToolFormat::kChannels;
  if (has("<function=") && has("<parameter=")) return ToolFormat::kQwen3Coder;
  if (has("[TOOL_CALLS]")) return has("[ARGS]") ? ToolFormat::kMistralNamed : ToolFormat::kMistral;
  if (has("<tool_call>") && !has("<arg_key>")) return ToolFormat::kTaggedJson;
  if (has("<|start_header_id|>") && has("tools")) return ToolFormat::kLlama3;
  return has("tools") ? ToolFormat::kTaggedJson : ToolFormat::kGeneric;
}

const char* NameOf(ToolFormat format) {
  static constexpr std::array<const char*, 7> kNames = {
      "tagged-json", "llama3", "mistral", "mistral-named", "qwen3-coder", "channels", "generic"};
  return kNames[static_cast<size_t>(format)];
}

Mark::Mark(std::string_view name, char with_byte, const FindControl& find)
    : token(find(name)), byte(with_byte), text(token >= 0 ? std::string(1, byte) : name) {
  term = token >= 0 ? "<[" + std::to_string(token) + "]>" : Literal(name);
}

void DropMarks(std::string* text) {
  std::erase_if(*text, [](char c) { return static_cast<unsigned char>(c) >= 0xf8; });
}

std::string Literal(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace openai
