// SPDX-License-Identifier: MIT
#include "openai/tools/xml_grammar.h"

#include <algorithm>
#include <array>
#include <utility>

#include "openai/errors.h"
#include "openai/json_text.h"
#include "openai/tools/text_rules.h"
#include "openai/tools/tool_format.h"

namespace openai {
namespace {

constexpr std::string_view kEnd = "</parameter>";
constexpr unsigned kMaxReferences = 8;

// The schema at a JSON pointer of a document; nullptr: there is none.
const Value* Resolve(const Value& document, std::string_view pointer) {
  const Value* found = &document;
  while (found != nullptr && !pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    found = found->Find(pointer.substr(0, end));
    pointer.remove_prefix(end);
  }
  return found;
}

// The schema of an argument, behind its references.
const Value* SchemaOf(const Tool& tool, std::string_view argument) {
  const Value* const properties = tool.parameters.Find("properties");
  const Value* schema = properties == nullptr ? nullptr : properties->Find(argument);
  for (unsigned i = 0; schema != nullptr && i < kMaxReferences; ++i) {
    const Value* const reference = schema->Find("$ref");
    if (reference == nullptr) return schema;
    const std::string* const target = reference->text();
    if (target == nullptr || !target->starts_with("#/")) return nullptr;
    schema = Resolve(tool.parameters, std::string_view{*target}.substr(1));
  }
  return nullptr;
}

// The types that a schema names; none: it does not say.
std::vector<std::string> TypesOf(const Value* schema) {
  const Value* const type = schema == nullptr ? nullptr : schema->Find("type");
  std::vector<std::string> types;
  if (type == nullptr) return types;
  if (type->text() != nullptr) types.push_back(*type->text());
  for (size_t i = 0; type->array() != nullptr && i < type->array()->size(); ++i) {
    if (const std::string* name = (*type->array())[i].text()) types.push_back(*name);
  }
  return types;
}

bool Has(const std::vector<std::string>& types, std::string_view type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

bool IsOf(const Value& value, const std::vector<std::string>& types) {
  int64_t whole = 0;
  if (value.is_number()) {
    return Has(types, "number") || (Has(types, "integer") && value.Whole(&whole));
  }
  return Has(types, value.is_null()              ? "null"
                    : value.boolean() != nullptr ? "boolean"
                    : value.text() != nullptr    ? "string"
                    : value.array() != nullptr   ? "array"
                                                 : "object");
}

// A part of a JSON pointer within the fragment of a URI.
std::string PointerPart(std::string_view name) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (c == '~' || c == '/') {
      out += c == '~' ? "~0" : "~1";
    } else if (is_plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

// The schema of an argument within that of its tool, so that references mean the same.
std::string JsonTerm(const Tool& tool, std::string_view argument) {
  JsonWriter w;
  w.Open('{').Text("$ref", ToolUri(tool) + "#/properties/" + PointerPart(argument));
  w.Open("$defs", '{').Open("tool", '{').Text("$id", ToolUri(tool));
  for (const Member& member : *tool.parameters.object()) {
    if (member.name != "$id" && member.name != "$schema") w.Raw(member.name, member.value.Text());
  }
  return "%json " + w.Close().Close().Close().Take();
}

class RuleWriter {
 public:
  RuleWriter(std::string name, std::string* dropped) : name_(std::move(name)), dropped_(dropped) {}

  void Add(const Tool& tool);
  std::string Take();

 private:
  std::string ValueTerm(const Tool& tool, const std::string& argument);
  std::string TextTerm(const Tool& tool, const std::string& argument, const Value& schema);
  void Drop(const Tool& tool, const std::string& argument, std::string_view keyword);

  const std::string name_;
  std::string* const dropped_;
  std::string tools_;  // alternatives
};

void RuleWriter::Drop(const Tool& tool, const std::string& argument, std::string_view keyword) {
  const std::string path = "/properties/" + argument + std::string(keyword);
  if (tool.is_strict) {
    throw InvalidRequest("the tool '" + tool.name +
                             "' is strict, and this model's form of calls cannot be held to " +
                             path,
                         "tools");
  }
  if (!dropped_->empty()) *dropped_ += ',';
  *dropped_ += path;
}

// A text of a string's schema, up to the end of the tag.
std::string RuleWriter::TextTerm(const Tool& tool, const std::string& argument,
                                 const Value& schema) {
  const Value* const one = schema.Find("const");
  const Value* const values = schema.Find("enum");
  std::string texts;
  const auto add = [&](const Value& value) {
    if (value.text() == nullptr || value.text()->find(kEnd) != std::string::npos) return;
    texts += (texts.empty() ? "" : " | ") + Literal(*value.text());
  };
  if (one != nullptr) add(*one);
  for (size_t i = 0; one == nullptr && values != nullptr && values->array() != nullptr &&
                     i < values->array()->size();
       ++i) {
    add((*values->array())[i]);
  }
  if (!texts.empty()) return "(" + texts + R"() "\n"? "</parameter>")";
  constexpr std::array<const char*, 9> kKeywords = {
      "pattern", "format", "minLength", "maxLength", "allOf", "anyOf", "oneOf", "not", "if"};
  for (const char* const keyword : kKeywords) {
    if (schema.Find(keyword) != nullptr) Drop(tool, argument, std::string("/") + keyword);
  }
  return name_ + "-text";
}

std::string RuleWriter::ValueTerm(const Tool& tool, const std::string& argument) {
  const Value* const schema = SchemaOf(tool, argument);
  const std::vector<std::string> types = TypesOf(schema);
  if (types.size() == 1 && types.front() == "string") return TextTerm(tool, argument, *schema);
  if (types.empty() || Has(types, "string")) {
    const bool is_any = schema != nullptr && schema->object() != nullptr && types.empty() &&
                        (schema->object()->empty() ||
                         (schema->object()->size() == 1 && schema->Find("description") != nullptr));
    if (!is_any) Drop(tool, argument, "");
    return name_ + "-text";
  }
  std::string term = "(" + JsonTerm(tool, argument);
  if (Has(types, "null")) term += R"( | "None")";
  const bool is_free = schema->Find("enum") == nullptr && schema->Find("const") == nullptr;
  if (Has(types, "boolean") && is_free) term += R"( | "True" | "False")";
  return term + R"() "\n"? "</parameter>")";
}

// Its arguments in the order of the schema.
void RuleWriter::Add(const Tool& tool) {
  tools_ += (tools_.empty() ? "" : " | ") + Literal(tool.name + ">") + " c-white";
  const Value* const properties = tool.parameters.Find("properties");
  const Value* const required = tool.parameters.Find("required");
  const auto is_required = [&](const std::string& name) {
    if (required == nullptr || required->array() == nullptr) return false;
    return std::any_of(
        required->array()->begin(), required->array()->end(),
        [&](const Value& each) { return each.text() != nullptr && *each.text() == name; });
  };
  if (properties == nullptr || properties->object() == nullptr) return;
  for (const Member& member : *properties->object()) {
    if (member.name.find_first_of(">\n") != std::string::npos) continue;
    tools_ += " (" + Literal("<parameter=" + member.name + ">") + R"( "\n"? )" +
              ValueTerm(tool, member.name) + R"( "\n"?))" + (is_required(member.name) ? "" : "?");
  }
}

std::string RuleWriter::Take() {
  return name_ + " ::= (" + tools_ + R"() "</function>" (c-white "</tool_call>")?)" + "\n" +
         UntilRules(name_ + "-text", kEnd);
}

}  // namespace

std::string XmlRules(const std::string& name, const std::vector<Tool>& tools,
                     std::string* dropped) {
  RuleWriter writer(name, dropped);
  for (const Tool& tool : tools) writer.Add(tool);
  return writer.Take();
}

std::string XmlValue(const Tool& tool, std::string_view argument, const std::string& text) {
  const std::vector<std::string> types = TypesOf(SchemaOf(tool, argument));
  const auto allows = [&](const Value& value) { return types.empty() || IsOf(value, types); };
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kNames = {
      {{"True", "true"}, {"False", "false"}, {"None", "null"}}};
  Value value;
  std::string reason;
  for (const auto& [name, json] : kNames) {
    if (text != name) continue;
    ParseJson(json, {}, &value, &reason);
    if (!types.empty() && allows(value)) return std::string(json);
  }
  if (ParseJson(text, {}, &value, &reason) && allows(value) &&
      (value.text() == nullptr || types.empty())) {
    return value.Text();
  }
  std::string quoted;
  AppendQuoted(text, &quoted);
  return quoted;
}

}  // namespace openai
