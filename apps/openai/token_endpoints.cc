// SPDX-License-Identifier: MIT
#include "openai/token_endpoints.h"

#include <new>
#include <utility>
#include <vector>

#include "openai/completion_request.h"
#include "openai/json_text.h"
#include "openai/messages.h"
#include "openai/template_arguments.h"

namespace openai {
namespace {

// Throws the library's reason.
[[noreturn]] void Refused(const char* param) {
  const std::string reason = TakeReason();
  if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
  throw InvalidRequest(reason, param);
}

std::vector<tok_id_t> Encode(const std::string& text, unsigned flags, const Model& model) {
  std::vector<tok_id_t> tokens(text.size() + 3);
  size_t count = 0;
  TakeReason();
  if (clamma_encode(model.handle(), text.data(), text.size(), flags, tokens.data(), tokens.size(),
                    &count) != 0) {
    Refused("content");
  }
  tokens.resize(count);
  return tokens;
}

void WritePiece(std::string_view bytes, JsonWriter* w) {
  if (IsUtf8(bytes)) {
    w->Text("piece", bytes);
    return;
  }
  w->Open("piece", '[');
  for (const char byte : bytes) w->Item(static_cast<int>(static_cast<unsigned char>(byte)));
  w->Close();
}

// The text under one of two names.
const std::string& TextOf(Fields& fields, const char* name, const char* other) {
  const std::string* const text = fields.Text(other);
  if (text == nullptr) return fields.NeededText(name);
  if (fields.Find(name) != nullptr) {
    throw fields.Wrong(other, "cannot be combined with '" + std::string(name) + "'");
  }
  return *text;
}

}  // namespace

std::string Tokenize(Fields& fields, const Model& model) {
  const std::string& text = TextOf(fields, "content", "prompt");
  const bool adds_special = fields.Bool("add_special_tokens").value_or(false);
  unsigned flags = CLAMMA_ENCODE_DUMMY_PREFIX;
  if (fields.Bool("add_special").value_or(adds_special)) flags |= CLAMMA_ENCODE_BOS;
  // Clients that send 'prompt', such as lm_eval, ask for the ids of control tokens by their names.
  const bool is_prompt = fields.Text("prompt") != nullptr;
  if (fields.Bool("parse_special").value_or(is_prompt)) flags |= CLAMMA_ENCODE_CONTROL;
  const bool with_pieces = fields.Bool("with_pieces").value_or(false);
  const std::vector<tok_id_t> tokens = Encode(text, flags, model);
  JsonWriter w;
  w.Open('{').Open("tokens", '[');
  for (const tok_id_t token : tokens) {
    if (!with_pieces) {
      w.Item(token);
      continue;
    }
    w.OpenItem('{').Number("id", token);
    WritePiece(model.TokenBytes(token), &w);
    w.Close();
  }
  w.Close().Number("count", tokens.size()).Number("max_model_len", model.facts().context);
  return w.Close().Take();
}

std::string Detokenize(Fields& fields, const Model& model) {
  const Value::Array* const list = fields.Array("tokens", size_t{1} << 20);
  if (list == nullptr) {
    throw InvalidRequest("'tokens' is missing", "tokens", "missing_required_parameter");
  }
  const std::vector<tok_id_t> tokens = ReadTokens(*list, model, "tokens");
  std::string text;
  size_t size = 0;
  TakeReason();
  do {
    text.resize(size);
    if (clamma_decode(model.handle(), tokens.data(), tokens.size(), text.data(), text.size(),
                      &size) != 0) {
      Refused("tokens");
    }
  } while (size != text.size());
  JsonWriter w;
  return w.Open('{').Text("content", text).Text("prompt", text).Close().Take();
}

std::string ApplyTemplate(Fields& fields, const Model& model) {
  const std::vector<ChatMessage> messages = ReadMessages(fields, model);
  const std::string arguments = ReadTemplateArguments(fields, fields.Text("reasoning_effort"));
  const bool opens = fields.Bool("add_generation_prompt").value_or(true);
  const Value::Array* const tools = fields.Array("tools", 1024);
  const std::string tools_text = tools == nullptr ? "" : fields.Find("tools")->Text();
  const std::vector<clamma_message_t> list = ListOf(messages);
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.chat_arguments = arguments.empty() ? nullptr : arguments.c_str();
  model.Apply(&info);
  info.chat_tools = tools_text.empty() ? nullptr : tools_text.c_str();
  std::string text;
  size_t size = 0;
  TakeReason();
  do {
    text.resize(size);
    if (clamma_chat_render(model.handle(), &info, list.data(), list.size(), opens ? 1 : 0,
                           text.data(), text.size(), &size) != 0) {
      Refused("messages");
    }
  } while (size != text.size());
  JsonWriter w;
  return w.Open('{').Text("prompt", text).Close().Take();
}

}  // namespace openai
