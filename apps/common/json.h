// SPDX-License-Identifier: MIT
// JSON values. Only json.cc includes nlohmann-json, which takes far longer to compile than its
// users. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_JSON_H_
#define CLAMMA_APPS_COMMON_JSON_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

class Json {
 public:
  enum class Kind : uint8_t { kNull, kBool, kWhole, kNumber, kText, kArray, kObject };
  struct Field;

  Json() = default;  // null
  // Implicit, so that fields and items can be listed in braces.
  Json(bool value);
  Json(double value);
  template <std::unsigned_integral T>
  Json(T value) : kind_(Kind::kWhole), whole_(value) {}
  Json(const char* value);
  Json(std::string_view value);
  Json(std::string value);
  static Json Array();
  static Json Array(std::vector<Json> items);
  static Json Object();
  static Json Object(std::vector<Field> fields);

  // Parses untrusted text; returns nothing if it is not JSON, nested more than 64 levels deep, or
  // has more than max_values values. If several fields have the same name, the last one counts.
  // Fields are sorted by name.
  static std::optional<Json> Parse(std::string_view text, size_t max_values = SIZE_MAX);

  // Returns the text: one line or, with `indent`, lines indented by so many spaces per level. Bytes
  // that are not UTF-8 are replaced; Exact() returns nothing instead.
  std::string Text(int indent = -1) const;
  std::optional<std::string> Exact() const;

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_whole() const { return kind_ == Kind::kWhole; }  // from 0 to 2^64-1
  bool is_number() const { return kind_ == Kind::kNumber || is_whole(); }
  bool is_text() const { return kind_ == Kind::kText; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_object() const { return kind_ == Kind::kObject; }

  // Return the value, or nothing if it is of another kind.
  bool boolean() const { return kind_ == Kind::kBool && whole_ != 0; }
  uint64_t whole() const { return is_whole() ? whole_ : 0; }
  double number() const { return is_whole() ? static_cast<double>(whole_) : number_; }
  const std::string& text() const { return text_; }
  const std::vector<Json>& items() const { return items_; }
  const std::vector<Field>& fields() const { return fields_; }
  const Json* Find(std::string_view name) const;  // nullptr: there is no such field

  void Add(Json item);                     // adds an item to an array
  void Set(std::string name, Json value);  // adds a field to an object

 private:
  Kind kind_ = Kind::kNull;
  uint64_t whole_ = 0;
  double number_ = 0;
  std::string text_;
  std::vector<Json> items_;
  std::vector<Field> fields_;
};

struct Json::Field {
  std::string name;
  Json value;
};

#endif  // CLAMMA_APPS_COMMON_JSON_H_
