// SPDX-License-Identifier: MIT
#include "openai/tools/tool_list.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "openai/json_text.h"

namespace openai {
namespace {

constexpr size_t kMaxTools = 128;
constexpr size_t kMaxName = 64;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

Tool ReadTool(const Value& value, const std::string& path, ToolStyle style) {
  Fields fields(value, path);
  const std::string& type = fields.NeededText("type");
  if (type != "function") {
    throw Unsupported(path + ".type",
                      "only functions can be called, not '" + type.substr(0, 64) + "'");
  }
  const Value* function = &value;
  if (style == ToolStyle::kChat) {
    function = fields.Object("function");
    if (function == nullptr) {
      throw InvalidRequest("'" + path + ".function' is missing", path + ".function",
                           "missing_required_parameter");
    }
  }
  Fields parts(*function, style == ToolStyle::kChat ? path + ".function" : path);
  Tool tool;
  tool.name = parts.NeededText("name");
  if (!IsName(tool.name)) {
    throw parts.Wrong("name", "must have 1 to 64 letters, digits, '_', '-' and '.'");
  }
  if (const std::string* description = parts.Text("description")) tool.description = *description;
  const Value* const parameters = parts.Object("parameters");
  tool.parameters = parameters != nullptr ? *parameters : Value(Value::Object());
  if (tool.parameters.Find("type") == nullptr && tool.parameters.object()->empty()) {
    tool.parameters.object()->push_back({"type", Value(std::string("object"))});
    tool.parameters.object()->push_back({"properties", Value(Value::Object())});
  }
  tool.is_strict = parts.Bool("strict").value_or(false);
  return tool;
}

std::string TemplateTools(const std::vector<Tool>& tools) {
  JsonWriter w;
  w.Open('[');
  for (const Tool& tool : tools) {
    w.OpenItem('{').Text("type", "function").Open("function", '{').Text("name", tool.name);
    if (!tool.description.empty()) w.Text("description", tool.description);
    w.Raw("parameters", tool.parameters.Text()).Close().Close();
  }
  return w.Close().Take();
}

// The name in an object that chooses a function.
const std::string& ChosenName(const Value& value, const std::string& path, ToolStyle style) {
  const Value* const function = style == ToolStyle::kChat ? value.Find("function") : &value;
  const Value* const name = function == nullptr ? nullptr : function->Find("name");
  if (name == nullptr || name->text() == nullptr) {
    throw InvalidRequest("'" + path + "' names no function", path, "invalid_value");
  }
  return *name->text();
}

// Leaves only the tools that are named.
void Keep(const std::vector<std::string>& names, ToolChoice* choice) {
  for (const std::string& name : names) {
    if (std::none_of(choice->tools.begin(), choice->tools.end(),
                     [&](const Tool& tool) { return tool.name == name; })) {
      throw InvalidRequest("'tool_choice' names the function '" + name.substr(0, kMaxName) +
                               "', which 'tools' does not have",
                           "tool_choice", "invalid_value");
    }
  }
  std::erase_if(choice->tools, [&](const Tool& tool) {
    return std::find(names.begin(), names.end(), tool.name) == names.end();
  });
}

void ReadMode(const std::string& mode, Fields& fields, ToolChoice* choice) {
  if (mode == "none") {
    choice->mode = ToolMode::kNone;
  } else if (mode == "auto") {
    choice->mode = ToolMode::kAuto;
  } else if (mode == "required") {
    choice->mode = ToolMode::kRequired;
  } else {
    throw fields.Wrong("tool_choice", "must be none, auto, required or name a function");
  }
}

void ReadAllowed(const Value& value, Fields& fields, ToolStyle style, ToolChoice* choice) {
  const Value* const inner = style == ToolStyle::kChat ? value.Find("allowed_tools") : &value;
  if (inner == nullptr) throw fields.Wrong("tool_choice", "has no 'allowed_tools'");
  Fields parts(*inner, "tool_choice");
  ReadMode(parts.NeededText("mode"), fields, choice);
  std::vector<std::string> names;
  const Value::Array* const tools = parts.Array("tools", kMaxTools);
  for (size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
    names.push_back(ChosenName((*tools)[i], ItemPath("tool_choice.tools", i), style));
  }
  Keep(names, choice);
}

void ReadChoice(Fields& fields, ToolStyle style, ToolChoice* choice) {
  const Value* const value = fields.Find("tool_choice");
  if (value == nullptr) {
    choice->mode = choice->tools.empty() ? ToolMode::kNone : ToolMode::kAuto;
    return;
  }
  if (const std::string* mode = value->text()) {
    ReadMode(*mode, fields, choice);
  } else if (value->object() != nullptr) {
    const Value* const type = value->Find("type");
    if (type != nullptr && type->text() != nullptr && *type->text() == "allowed_tools") {
      ReadAllowed(*value, fields, style, choice);
    } else {
      choice->mode = ToolMode::kRequired;
      choice->is_parallel = false;
      Keep({ChosenName(*value, "tool_choice", style)}, choice);
    }
  } else {
    throw fields.Wrong("tool_choice", "must be a string or an object");
  }
  if (choice->tools.empty() && choice->mode == ToolMode::kRequired) {
    throw fields.Wrong("tool_choice", "needs 'tools'");
  }
}

}  // namespace

ToolChoice ReadTools(Fields& fields, ToolStyle style) {
  ToolChoice choice;
  const Value::Array* const list = fields.Array("tools", kMaxTools);
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::string path = ItemPath("tools", i);
    Tool tool = ReadTool((*list)[i], path, style);
    for (const Tool& other : choice.tools) {
      if (other.name == tool.name) {
        throw InvalidRequest("'" + path + "' has the name of another tool", path, "invalid_value");
      }
    }
    choice.tools.push_back(std::move(tool));
  }
  if (!choice.tools.empty()) choice.template_tools = TemplateTools(choice.tools);
  choice.is_parallel = fields.Bool("parallel_tool_calls").value_or(true);
  ReadChoice(fields, style, &choice);
  if (choice.mode == ToolMode::kNone) choice.tools.clear();
  return choice;
}

}  // namespace openai
