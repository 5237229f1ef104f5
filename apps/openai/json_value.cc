// SPDX-License-Identifier: MIT
#include "openai/json_value.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "openai/json_text.h"

namespace openai {
namespace {

// Leaves out the members of an object whose names come again later. Takes O(n log n), as the object
// is a stranger's.
void DropRepeated(Value::Object* object) {
  std::vector<size_t> order(object->size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return (*object)[a].name < (*object)[b].name; });
  std::vector<bool> repeated(object->size(), false);
  bool any = false;
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    if ((*object)[order[i]].name != (*object)[order[i + 1]].name) continue;
    repeated[order[i]] = any = true;
  }
  if (!any) return;
  Value::Object kept;
  for (size_t i = 0; i < object->size(); ++i) {
    if (!repeated[i]) kept.push_back(std::move((*object)[i]));
  }
  *object = std::move(kept);
}

// Builds a Value, within limits. nlohmann's parser does not recurse.
class Builder {
 public:
  Builder(const JsonLimits& limits, Value* root) : limits_(limits), root_(root) {}

  bool null() { return Add(Value()); }
  bool boolean(bool value) { return Add(Value(value)); }
  bool number_integer(int64_t value) { return Add(Value(value)); }
  bool number_unsigned(uint64_t value) {
    return value <= INT64_MAX ? Add(Value(static_cast<int64_t>(value))) : Add(Value(value));
  }
  bool number_float(double value, const std::string& /*text*/) {
    if (!std::isfinite(value)) return Refuse("a number is too large");
    return Add(Value(value));
  }
  bool string(std::string& value) { return Add(Value(std::move(value))); }
  static bool binary(nlohmann::json::binary_t& /*value*/) { return false; }
  bool start_object(size_t /*size*/) { return Open(Value(Value::Object())); }
  bool start_array(size_t /*size*/) { return Open(Value(Value::Array())); }
  bool key(std::string& name) {
    open_.back()->object()->push_back({std::move(name), Value()});
    return true;
  }
  bool end_object() {
    DropRepeated(open_.back()->object());
    open_.pop_back();
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(size_t place, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) {
    return Refuse("it is not JSON, at byte " + std::to_string(place));
  }

  const std::string& reason() const { return reason_; }

 private:
  bool Refuse(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
    return false;
  }

  Value* Place(Value value) {
    if (open_.empty()) {
      *root_ = std::move(value);
      return root_;
    }
    if (Value::Array* array = open_.back()->array()) {
      array->push_back(std::move(value));
      return &array->back();
    }
    Value* const member = &open_.back()->object()->back().value;
    *member = std::move(value);
    return member;
  }

  bool Add(Value value) {
    if (++values_ > limits_.values) {
      return Refuse("it has more than " + std::to_string(limits_.values) + " values");
    }
    Place(std::move(value));
    return true;
  }

  bool Open(Value value) {
    if (open_.size() >= limits_.depth) {
      return Refuse("it is nested more than " + std::to_string(limits_.depth) + " deep");
    }
    if (++values_ > limits_.values) {
      return Refuse("it has more than " + std::to_string(limits_.values) + " values");
    }
    open_.push_back(Place(std::move(value)));
    return true;
  }

  const JsonLimits limits_;
  Value* const root_;
  std::vector<Value*> open_;  // arrays and objects; none grows while one inside it is open
  size_t values_ = 0;
  std::string reason_;
};

}  // namespace

double Value::number() const {
  if (const auto* whole = std::get_if<int64_t>(&value_)) return static_cast<double>(*whole);
  if (const auto* whole = std::get_if<uint64_t>(&value_)) return static_cast<double>(*whole);
  const auto* number = std::get_if<double>(&value_);
  return number == nullptr ? 0 : *number;
}

bool Value::Whole(int64_t* whole) const {
  if (const auto* value = std::get_if<int64_t>(&value_)) {
    *whole = *value;
    return true;
  }
  const auto* number = std::get_if<double>(&value_);
  constexpr double kMaxExact = 9007199254740992.0;  // 2^53
  if (number == nullptr || std::floor(*number) != *number || std::abs(*number) > kMaxExact) {
    return false;
  }
  *whole = static_cast<int64_t>(*number);
  return true;
}

const Value* Value::Find(std::string_view name) const {
  const Object* const members = object();
  if (members == nullptr) return nullptr;
  for (const Member& member : *members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::string Value::Text() const {
  std::string out;
  AppendTo(&out);
  return out;
}

// NOLINTNEXTLINE(misc-no-recursion): JsonLimits limits how deeply values nest
void Value::AppendTo(std::string* out) const {
  if (const bool* truth = boolean()) {
    *out += *truth ? "true" : "false";
  } else if (const auto* whole = std::get_if<int64_t>(&value_)) {
    *out += std::to_string(*whole);
  } else if (const auto* large = std::get_if<uint64_t>(&value_)) {
    *out += std::to_string(*large);
  } else if (const auto* real = std::get_if<double>(&value_)) {
    AppendNumber(*real, out);
  } else if (const std::string* string = text()) {
    AppendQuoted(*string, out);
  } else if (const Array* items = array()) {
    *out += '[';
    for (const Value& item : *items) {
      if (&item != items->data()) *out += ',';
      item.AppendTo(out);
    }
    *out += ']';
  } else if (const Object* members = object()) {
    *out += '{';
    for (const Member& member : *members) {
      if (&member != members->data()) *out += ',';
      AppendQuoted(member.name, out);
      *out += ':';
      member.value.AppendTo(out);
    }
    *out += '}';
  } else {
    *out += "null";
  }
}

const char* Value::KindName() const {
  static constexpr const char* kNames[] = {"null",     "a boolean", "a number", "a number",
                                           "a number", "a string",  "an array", "an object"};
  return kNames[value_.index()];
}

bool ParseJson(std::string_view text, const JsonLimits& limits, Value* value, std::string* reason) {
  Builder builder(limits, value);
  if (nlohmann::json::sax_parse(text, &builder)) return true;
  *value = Value();
  *reason = builder.reason();
  return false;
}

}  // namespace openai
