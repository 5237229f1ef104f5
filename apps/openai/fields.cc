// SPDX-License-Identifier: MIT
#include "openai/fields.h"

#include <algorithm>
#include <utility>

#include "openai/json_text.h"

namespace openai {
namespace {

std::string Written(double number) {
  std::string text;
  AppendNumber(number, &text);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

}  // namespace

std::string ItemPath(std::string_view list, size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

Fields::Fields(const Value& object, std::string path)
    : members_(object.object()), path_(std::move(path)) {
  if (members_ == nullptr) {
    throw InvalidRequest((path_.empty() ? "The body" : "'" + path_ + "'") +
                             " must be an object, not " + object.KindName(),
                         path_, "invalid_type");
  }
}

std::string Fields::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

ApiError Fields::Wrong(std::string_view name, const std::string& what) const {
  const std::string path = PathOf(name);
  return InvalidRequest("'" + path + "' " + what, path, "invalid_value");
}

ApiError Fields::WrongKind(std::string_view name, const char* wanted, const Value& found) const {
  const std::string path = PathOf(name);
  return InvalidRequest("'" + path + "' must be " + wanted + ", not " + found.KindName(), path,
                        "invalid_type");
}

const Value* Fields::Find(std::string_view name) {
  known_.push_back(name);
  for (const Member& member : *members_) {
    if (member.name == name) return member.value.is_null() ? nullptr : &member.value;
  }
  return nullptr;
}

std::optional<double> Fields::Number(std::string_view name, double min, double max) {
  const Value* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) throw WrongKind(name, "a number", *value);
  const double number = value->number();
  if (!(number >= min && number <= max)) {
    throw Wrong(name, "must be from " + Written(min) + " to " + Written(max));
  }
  return number;
}

std::optional<int64_t> Fields::Whole(std::string_view name, int64_t min, int64_t max) {
  const Value* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  int64_t number = 0;
  if (!value->is_number()) throw WrongKind(name, "a whole number", *value);
  if (!value->Whole(&number) || number < min || number > max) {
    if (max == INT64_MAX)
      throw Wrong(name, "must be a whole number, at least " + std::to_string(min));
    throw Wrong(
        name, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return number;
}

std::optional<bool> Fields::Bool(std::string_view name) {
  const Value* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->boolean() == nullptr) throw WrongKind(name, "a boolean", *value);
  return *value->boolean();
}

const std::string* Fields::Text(std::string_view name) {
  const Value* const value = Find(name);
  if (value == nullptr) return nullptr;
  if (value->text() == nullptr) throw WrongKind(name, "a string", *value);
  if (value->text()->find('\0') != std::string::npos) {
    throw Wrong(name, "must not contain the character U+0000");
  }
  return value->text();
}

const Value::Array* Fields::Array(std::string_view name, size_t max_size) {
  const Value* const value = Find(name);
  if (value == nullptr) return nullptr;
  if (value->array() == nullptr) throw WrongKind(name, "an array", *value);
  if (value->array()->size() > max_size) {
    throw Wrong(name, "must have at most " + std::to_string(max_size) + " items");
  }
  return value->array();
}

const Value* Fields::Object(std::string_view name) {
  const Value* const value = Find(name);
  if (value != nullptr && value->object() == nullptr) throw WrongKind(name, "an object", *value);
  return value;
}

const std::string& Fields::NeededText(std::string_view name) {
  const std::string* const text = Text(name);
  if (text != nullptr) return *text;
  const std::string path = PathOf(name);
  throw InvalidRequest("'" + path + "' is missing", path, "missing_required_parameter");
}

void Fields::Ignore(std::initializer_list<std::string_view> names) {
  known_.insert(known_.end(), names);
}

void Fields::Refuse(std::string_view name, const char* why) {
  if (Find(name) != nullptr) throw Unsupported(PathOf(name), why);
}

void Fields::RefuseUnless(std::string_view name, bool harmless_value, const char* why) {
  const std::optional<bool> value = Bool(name);
  if (value.has_value() && *value != harmless_value) throw Unsupported(PathOf(name), why);
}

std::vector<std::string> Fields::Unknown() const {
  std::vector<std::string> names;
  for (const Member& member : *members_) {
    if (std::find(known_.begin(), known_.end(), member.name) == known_.end()) {
      names.push_back(member.name);
    }
  }
  return names;
}

}  // namespace openai
