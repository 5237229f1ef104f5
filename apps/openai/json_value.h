// SPDX-License-Identifier: MIT
// JSON values of untrusted texts. Objects keep the order of their members, because that of schemas
// and tools has a meaning.
#ifndef CLAMMA_APPS_OPENAI_JSON_VALUE_H_
#define CLAMMA_APPS_OPENAI_JSON_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace openai {

struct Member;

class Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::vector<Member>;

  Value() = default;  // null
  template <typename T>
  explicit Value(T value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_number() const { return value_.index() >= 2 && value_.index() <= 4; }

  // Return nullptr if the value is of another kind.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }
  Array* array() { return std::get_if<Array>(&value_); }
  Object* object() { return std::get_if<Object>(&value_); }

  // A number as a double, whatever its form; 0 if the value is none.
  double number() const;
  // Sets *whole to the number if it is one without a fraction that int64_t can hold.
  bool Whole(int64_t* whole) const;

  // A member of an object, also null; nullptr if there is none, or the value is no object.
  const Value* Find(std::string_view name) const;

  // The value as JSON, without white space.
  std::string Text() const;
  void AppendTo(std::string* out) const;

  // "a string", "null" ... for messages.
  const char* KindName() const;

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> value_;
};

struct Member {
  std::string name;
  Value value;
};

struct JsonLimits {
  size_t depth = 64;
  size_t values = size_t{1} << 20;
};

// Parses a text. Returns false and a reason if it is not JSON or exceeds a limit. Of members with
// the same name the last one counts.
bool ParseJson(std::string_view text, const JsonLimits& limits, Value* value, std::string* reason);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_JSON_VALUE_H_
