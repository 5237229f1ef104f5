// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "json.h"
#include "print.h"
#include "printable.h"

namespace info {
namespace {

using clamma::Gguf;
using clamma::GgufValue;

constexpr uint64_t kShownElements = 8;

Json Optional(const std::optional<uint64_t>& value) { return value ? Json(*value) : Json(); }
Json Optional(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json Element(const GgufValue& value, uint64_t i) {
  uint64_t natural = 0;
  int64_t integer = 0;
  bool truth = false;
  if (value.Uint(i, &natural)) return natural;
  if (value.Int(i, &integer)) return static_cast<double>(integer);
  if (value.Bool(i, &truth)) return truth;
  return value.is_float() ? Json(Real(value, i)) : Json();
}

Json Elements(const GgufValue& value, uint64_t count) {
  Json array = Json::Array();
  clamma::GgufStrings strings(value);
  std::string_view text;
  for (uint64_t i = 0; i < count; ++i) {
    array.Add(strings.Next(&text) ? Json(text) : Element(value, i));
  }
  return array;
}

Json Metadata(const Gguf& gguf, bool all) {
  Json metadata = Json::Array();
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(gguf); keys.Next(&key, &value);) {
    Json entry = Json::Object(
        {{"key", Json(key)},
         {"type", std::string(clamma::GgufTypeName(value.type)) + (value.is_array ? "[]" : "")}});
    std::string_view text;
    if (value.is_array) {
      const uint64_t shown = all ? value.count : std::min(value.count, kShownElements);
      entry.Set("count", value.count);
      entry.Set(shown == value.count ? "value" : "first", Elements(value, shown));
    } else {
      entry.Set("value", value.String(&text) ? Json(text) : Element(value, 0));
    }
    metadata.Add(std::move(entry));
  }
  return metadata;
}

Json Tensors(const Facts& facts) {
  Json tensors = Json::Array();
  for (const TensorFacts& tensor : facts.tensors) {
    Json shape = Json::Array();
    for (const uint64_t n : tensor.shape) shape.Add(n);
    tensors.Add(Json::Object({{"name", tensor.name},
                              {"type", tensor.type},
                              {"shape", shape},
                              {"bytes", tensor.bytes},
                              {"offset", tensor.offset},
                              {"file", uint64_t{tensor.file}}}));
  }
  return tensors;
}

Json Memory(const MemoryUse& memory, uint64_t sessions) {
  return Json::Object({{"context", memory.context},
                       {"estimated", memory.estimated},
                       {"weights_bytes", memory.weights},
                       {"working_bytes", Optional(memory.working)},
                       {"kv_q8_bytes", Optional(memory.kv_q8)},
                       {"kv_f16_bytes", Optional(memory.kv_f16)},
                       {"kv_f32_bytes", Optional(memory.kv_f32)},
                       {"sessions", sessions},
                       {"total_q8_bytes", Optional(Total(memory, memory.kv_q8, 1))},
                       {"total_f16_bytes", Optional(Total(memory, memory.kv_f16, 1))},
                       {"total_f32_bytes", Optional(Total(memory, memory.kv_f32, 1))},
                       {"sessions_q8_bytes", Optional(Total(memory, memory.kv_q8, sessions))},
                       {"sessions_f16_bytes", Optional(Total(memory, memory.kv_f16, sessions))},
                       {"sessions_f32_bytes", Optional(Total(memory, memory.kv_f32, sessions))}});
}

// Escapes terminal control characters beyond C0, which JSON escapes itself; they occur only in
// texts.
std::string EscapeHarmful(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    uint32_t code = 0;
    const size_t n = std::max<size_t>(DecodeUtf8(json, &code), 1);
    if (code >= 0x7f && IsHarmful(code)) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(code & 0xffff));
      out += escaped;
    } else {
      out += json.substr(0, n);
    }
    json.remove_prefix(n);
  }
  return out;
}

}  // namespace

void PrintJson(const PrintOptions& options, const Facts& facts,
               const std::optional<MemoryUse>& memory, const Gguf* gguf) {
  Json types = Json::Object();
  for (const auto& [name, n] : facts.types) types.Set(name, n);
  Json special = Json::Object();
  for (const auto& [name, id] : facts.special_tokens) special.Set(name, id);
  Json named = Json::Array();
  for (const std::string& name : facts.named_templates) named.Add(name);
  Json json = Json::Object({{"file", options.file},
                            {"format", facts.format},
                            {"files", uint64_t{facts.files}},
                            {"file_bytes", facts.file_bytes},
                            {"kind", Optional(facts.kind)},
                            {"name", Optional(facts.name)},
                            {"architecture", Optional(facts.architecture)},
                            {"runs", facts.unsupported.empty()},
                            {"unsupported", Optional(facts.unsupported)},
                            {"parameters", facts.parameters},
                            {"file_type", Optional(facts.file_type)},
                            {"bits_per_weight", facts.bits_per_weight},
                            {"types", types},
                            {"context", Optional(facts.context)},
                            {"layers", Optional(facts.layers)},
                            {"width", Optional(facts.width)},
                            {"hidden", Optional(facts.hidden)},
                            {"heads", Optional(facts.heads)},
                            {"kv_heads", Optional(facts.kv_heads)},
                            {"layers_differ", facts.layers_differ},
                            {"experts", Optional(facts.experts)},
                            {"experts_used", Optional(facts.experts_used)},
                            {"tokenizer", Optional(facts.tokenizer)},
                            {"pre_tokenizer", Optional(facts.pre_tokenizer)},
                            {"tokens", Optional(facts.tokens)},
                            {"special_tokens", special},
                            {"chat_template", Optional(facts.chat_template)},
                            {"named_templates", named},
                            {"licence", Optional(facts.licence)}});
  json.Set("memory", memory ? Memory(*memory, options.sessions) : Json());
  if (options.metadata && gguf != nullptr) json.Set("metadata", Metadata(*gguf, options.all));
  if (options.tensors) json.Set("tensors", Tensors(facts));
  std::printf("%s\n", EscapeHarmful(json.Text(2)).c_str());
}

}  // namespace info
