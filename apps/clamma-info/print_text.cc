// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <string_view>

#include "print.h"
#include "printable.h"

namespace info {
namespace {

using clamma::Gguf;
using clamma::GgufValue;

constexpr uint64_t kShownElements = 8;
constexpr size_t kShownText = 160;    // bytes
constexpr size_t kShownElement = 32;  // ... of a text in an array

std::string Decimal(double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof(text), value < 9.995 ? "%.2f %s" : "%.1f %s", value, unit);
  return text;
}

std::string Bytes(uint64_t bytes) {
  const auto n = static_cast<double>(bytes);
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  if (bytes < 1000000) return Decimal(n / 1e3, "kB");
  return bytes < 1000000000 ? Decimal(n / 1e6, "MB") : Decimal(n / 1e9, "GB");
}

std::string Count(uint64_t count) {
  const auto n = static_cast<double>(count);
  std::string text = std::to_string(count);
  if (count >= 1000000000) return text + " (" + Decimal(n / 1e9, "B") + ")";
  return count >= 1000000 ? text + " (" + Decimal(n / 1e6, "M") + ")" : text;
}

void Line(const char* name, const std::string& value) {
  if (!value.empty()) std::printf("%-15s %s\n", name, value.c_str());
}

void Line(const char* name, const std::optional<uint64_t>& value, const char* unit = "") {
  if (value) Line(name, std::to_string(*value) + unit);
}

std::string Element(const GgufValue& value, uint64_t i) {
  uint64_t natural = 0;
  int64_t integer = 0;
  bool truth = false;
  if (value.Uint(i, &natural)) return std::to_string(natural);
  if (value.Int(i, &integer)) return std::to_string(integer);
  if (value.Bool(i, &truth)) return truth ? "true" : "false";
  if (!value.is_float()) return "?";  // a boolean that is neither 0 nor 1
  char text[32];
  const int digits = value.type == clamma::GgufType::kFloat32 ? 9 : 17;
  std::snprintf(text, sizeof(text), "%.*g", digits, Real(value, i));
  return text;
}

std::string Value(const GgufValue& value, bool all) {
  std::string_view text;
  if (value.String(&text)) return '"' + Printable(text, all ? SIZE_MAX : kShownText) + '"';
  if (!value.is_array) return Element(value, 0);
  const uint64_t shown = all ? value.count : std::min(value.count, kShownElements);
  std::string out = "[";
  clamma::GgufStrings strings(value);
  for (uint64_t i = 0; i < shown; ++i) {
    if (i > 0) out += ", ";
    if (strings.Next(&text)) {
      out += '"' + Printable(text, all ? SIZE_MAX : kShownElement) + '"';
    } else {
      out += Element(value, i);
    }
  }
  if (shown < value.count) out += ", ... " + std::to_string(value.count) + " in all";
  return out + "]";
}

void PrintMetadata(const Gguf& gguf, bool all) {
  std::printf("\nmetadata: %" PRIu64 " keys\n", gguf.n_keys());
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(gguf); keys.Next(&key, &value);) {
    std::printf("  %s: %s%s = %s\n", Printable(key, all ? SIZE_MAX : kShownText).c_str(),
                clamma::GgufTypeName(value.type), value.is_array ? "[]" : "",
                Value(value, all).c_str());
  }
}

void PrintTensors(const Facts& facts) {
  std::printf("\ntensors: %zu%s\n", facts.tensors.size(),
              facts.tensors.empty() ? "" : "; name, type, shape (columns first), bytes, offset");
  size_t width = 0;
  for (const TensorFacts& tensor : facts.tensors) {
    width = std::max(width, std::min<size_t>(Printable(tensor.name).size(), 60));
  }
  for (const TensorFacts& tensor : facts.tensors) {
    std::string shape;
    for (const uint64_t n : tensor.shape) shape += (shape.empty() ? "" : " x ") + std::to_string(n);
    std::printf("  %-*s  %-7s  %-20s  %12" PRIu64 "  %12" PRIu64, static_cast<int>(width),
                Printable(tensor.name).c_str(), tensor.type.c_str(), shape.c_str(), tensor.bytes,
                tensor.offset);
    if (facts.files > 1) std::printf("  file %zu", tensor.file + 1);
    std::printf("\n");
  }
}

std::string Tokenizer(const Facts& facts) {
  std::string text = Printable(facts.tokenizer, 60);
  if (!facts.pre_tokenizer.empty()) text += ", pre " + Printable(facts.pre_tokenizer, 60);
  if (facts.tokens) {
    text += (text.empty() ? "" : ", ") + std::to_string(*facts.tokens) + " tokens";
  }
  return text;
}

void PrintShape(const Facts& facts) {
  Line("context", facts.context, " positions");
  Line("layers", facts.layers);
  Line("width", facts.width);
  if (facts.hidden) {
    Line("hidden", std::to_string(*facts.hidden) + (facts.layers_differ ? " at most" : ""));
  }
  if (facts.heads) {
    Line("heads", std::to_string(*facts.heads) + ", " + std::to_string(facts.kv_heads.value_or(0)) +
                      " of keys and values" +
                      (facts.layers_differ ? " at most: layers differ" : ""));
  }
  if (facts.experts.value_or(0) > 0) {
    Line("experts", std::to_string(*facts.experts) + ", of which " +
                        std::to_string(facts.experts_used.value_or(0)) + " are used");
  }
}

void PrintVocabulary(const Facts& facts) {
  Line("tokenizer", Tokenizer(facts));
  std::string special;
  for (const auto& [name, id] : facts.special_tokens) {
    special += (special.empty() ? "" : ", ") + Printable(name, 40) + " " + std::to_string(id);
  }
  Line("special tokens", special);
  std::string templates = facts.chat_template;
  for (const std::string& name : facts.named_templates) {
    templates += (templates.empty() ? "" : ", ") + ("also \"" + Printable(name, 40) + "\"");
  }
  Line("chat template", facts.tokens && templates.empty() ? "none" : templates);
}

void PrintMemory(const MemoryUse& memory, uint64_t sessions) {
  std::printf("%-15s at a context of %" PRIu64 " positions%s\n", "memory", memory.context,
              memory.estimated ? ", estimated" : "");
  std::printf("  %-13s %s\n", "weights", Bytes(memory.weights).c_str());
  if (memory.working) std::printf("  %-13s %s\n", "working", Bytes(*memory.working).c_str());
  if (!memory.kv_q8 || !memory.kv_f16 || !memory.kv_f32) return;
  std::printf("  %-13s %s in q8, %s in f16, %s in f32, a session\n", "keys, values",
              Bytes(*memory.kv_q8).c_str(), Bytes(*memory.kv_f16).c_str(),
              Bytes(*memory.kv_f32).c_str());
  for (const uint64_t n : {uint64_t{1}, sessions}) {
    const auto q8 = Total(memory, memory.kv_q8, n);
    const auto f16 = Total(memory, memory.kv_f16, n);
    const auto f32 = Total(memory, memory.kv_f32, n);
    if (!q8 || !f16 || !f32) return;
    const std::string who = std::to_string(n) + (n == 1 ? " session" : " sessions");
    std::printf("  %-13s %s in q8, %s in f16, %s in f32\n", who.c_str(), Bytes(*q8).c_str(),
                Bytes(*f16).c_str(), Bytes(*f32).c_str());
    if (sessions == 1) return;
  }
}

}  // namespace

std::optional<uint64_t> Total(const MemoryUse& memory, const std::optional<uint64_t>& kv,
                              uint64_t sessions) {
  uint64_t total = 0;
  if (!kv || !clamma::CheckedMultiply(*kv, sessions, &total) ||
      !clamma::CheckedAdd(total, memory.weights, &total) ||
      !clamma::CheckedAdd(total, memory.working.value_or(0), &total)) {
    return std::nullopt;
  }
  return total;
}

void PrintText(const PrintOptions& options, const Facts& facts,
               const std::optional<MemoryUse>& memory, const Gguf* gguf) {
  const std::string files = facts.files > 1 ? std::to_string(facts.files) + " files, " : "";
  Line("file", Printable(options.file));
  Line("format", facts.format + ", " + files + Bytes(facts.file_bytes));
  if (!facts.kind.empty()) Line("kind", Printable(facts.kind, 60));
  Line("name", Printable(facts.name, kShownText));
  Line("architecture", Printable(facts.architecture, 60));
  Line("runs", facts.unsupported.empty() ? "yes" : "no: " + Printable(facts.unsupported));
  if (facts.parameters > 0) {
    Line("parameters", Count(facts.parameters));
    char bits[64];
    std::snprintf(bits, sizeof(bits), ", %.2f bits per weight", facts.bits_per_weight);
    std::string types;
    for (const auto& [name, n] : facts.types) {
      char share[64];
      std::snprintf(share, sizeof(share), "%s%s %.1f %%", types.empty() ? "" : ", ", name.c_str(),
                    100 * static_cast<double>(n) / static_cast<double>(facts.parameters));
      types += share;
    }
    Line("file type", facts.file_type + bits + " (" + types + ")");
  }
  PrintShape(facts);
  PrintVocabulary(facts);
  Line("licence", Printable(facts.licence, kShownText));
  if (memory) PrintMemory(*memory, options.sessions);
  if (options.metadata && gguf != nullptr) PrintMetadata(*gguf, options.all);
  if (options.tensors) PrintTensors(facts);
}

}  // namespace info
