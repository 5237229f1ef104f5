// SPDX-License-Identifier: MIT
#include "openai/embedding.h"

#include <bit>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "openai/completion_request.h"
#include "openai/json_text.h"

namespace openai {
namespace {

constexpr size_t kMaxInputs = 2048;
constexpr char kBase64Digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void AddInput(const Value& input, const std::string& path, EmbeddingRequest* request) {
  if (const std::string* text = input.text()) {
    if (text->empty()) throw InvalidRequest("'" + path + "' is empty", path, "invalid_value");
    request->texts.push_back(*text);
    return;
  }
  const Value::Array* const list = input.array();
  if (list == nullptr || list->empty()) {
    throw InvalidRequest("'" + path + "' must be a string or a list of tokens, and not empty", path,
                         "invalid_value");
  }
  request->tokens.push_back(ReadTokens(*list, *request->model, path));
}

// The floats as bytes, the lowest of each first.
std::string Base64(std::span<const float> floats) {
  std::string bytes;
  bytes.reserve(4 * floats.size());
  for (const float number : floats) {
    const auto bits = std::bit_cast<uint32_t>(number);
    for (unsigned shift = 0; shift < 32; shift += 8) {
      bytes += static_cast<char>(static_cast<unsigned char>(bits >> shift));
    }
  }
  std::string text;
  text.reserve(bytes.size() / 3 * 4 + 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](size_t k) {
      return k < bytes.size() ? static_cast<uint32_t>(static_cast<unsigned char>(bytes[k])) : 0u;
    };
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    text += kBase64Digits[group >> 18];
    text += kBase64Digits[group >> 12 & 63];
    text += i + 1 < bytes.size() ? kBase64Digits[group >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kBase64Digits[group & 63] : '=';
  }
  return text;
}

void WriteEmbedding(std::span<const float> floats, bool as_base64, JsonWriter* w) {
  if (as_base64) {
    w->Text("embedding", Base64(floats));
    return;
  }
  std::string list = "[";
  for (const float& number : floats) {
    if (&number != floats.data()) list += ',';
    AppendNumber(number, &list);
  }
  w->Raw("embedding", list + "]");
}

std::vector<clamma_text_t> ListOf(const EmbeddingRequest& request) {
  std::vector<clamma_text_t> list;
  for (const std::string& text : request.texts) list.push_back({text.data(), text.size(), {}, 0});
  for (const auto& tokens : request.tokens) {
    list.push_back({nullptr, 0, tokens.data(), tokens.size()});
  }
  return list;
}

// Throws if an input has more tokens than the context.
void CheckLengths(const EmbeddingRequest& request) {
  const Model& model = *request.model;
  size_t longest = 0;
  for (const auto& tokens : request.tokens) longest = std::max(longest, tokens.size());
  for (const std::string& text : request.texts) {
    size_t count = 0;
    clamma_encode(model.handle(), text.data(), text.size(), 0, nullptr, 0, &count);
    longest = std::max(longest, count);
  }
  // The tokens that begin and end a text are the model's matter.
  if (longest + 2 > model.facts().context) {
    throw ContextTooLong(model.facts().context, longest, "input");
  }
}

}  // namespace

EmbeddingRequest ReadEmbeddingRequest(Fields& fields, const Model& model) {
  EmbeddingRequest request;
  request.model = &model;
  const Value* const input = fields.Find("input");
  if (input == nullptr) {
    throw InvalidRequest("'input' is missing", "input", "missing_required_parameter");
  }
  const Value::Array* const list = input->array();
  if (list == nullptr || (!list->empty() && list->front().is_number())) {
    AddInput(*input, "input", &request);
  } else {
    if (list->empty()) throw fields.Wrong("input", "must not be empty");
    if (list->size() > kMaxInputs) {
      throw fields.Wrong("input", "must have at most " + std::to_string(kMaxInputs) + " items");
    }
    for (size_t i = 0; i < list->size(); ++i) {
      AddInput((*list)[i], ItemPath("input", i), &request);
    }
    if (!request.texts.empty() && !request.tokens.empty()) {
      throw fields.Wrong("input", "must not mix texts and lists of tokens");
    }
  }
  if (const std::string* format = fields.Text("encoding_format")) {
    if (*format != "float" && *format != "base64") {
      throw fields.Wrong("encoding_format", "must be float or base64");
    }
    request.as_base64 = *format == "base64";
  }
  const int64_t dim = model.facts().dim;
  const std::optional<int64_t> dimensions = fields.Whole("dimensions", 1, INT64_MAX);
  if (dimensions.has_value() && *dimensions != dim) {
    throw Unsupported("dimensions", "this model's embeddings have " + std::to_string(dim));
  }
  fields.Ignore({"user"});
  return request;
}

void Embed(const EmbeddingRequest& request, Call& call) {
  const Model& model = *request.model;
  const std::vector<clamma_text_t> list = ListOf(request);
  const size_t dim = model.facts().dim;
  std::vector<float> floats(list.size() * dim);
  clamma_embed_facts_t facts = {};
  TakeReason();
  const int failed = clamma_embed(
      model.handle(), list.data(), list.size(), 0,
      [](void* opaque, size_t, size_t) { return static_cast<Call*>(opaque)->cancelled() ? 1 : 0; },
      &call, floats.data(), floats.size(), &facts);
  if (call.cancelled()) return call.EndCancelled({});
  if (failed != 0) {
    const std::string reason = TakeReason();
    if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
    CheckLengths(request);
    throw InvalidRequest(reason, "input");
  }
  JsonWriter w;
  w.Open('{').Text("object", "list").Open("data", '[');
  for (size_t i = 0; i < list.size(); ++i) {
    w.OpenItem('{').Text("object", "embedding").Number("index", i);
    WriteEmbedding(std::span(floats).subspan(i * dim, dim), request.as_base64, &w);
    w.Close();
  }
  w.Close().Text("model", model.id()).Open("usage", '{');
  w.Number("prompt_tokens", facts.tokens).Number("total_tokens", facts.tokens);
  w.Close().Close();
  call.Reply(200, {}, w.Take(), {facts.tokens, 0, 0});
}

}  // namespace openai
