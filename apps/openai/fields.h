// SPDX-License-Identifier: MIT
// Reads the members of an object in a request. A wrong value throws an ApiError that names it; null
// counts as absent.
#ifndef CLAMMA_APPS_OPENAI_FIELDS_H_
#define CLAMMA_APPS_OPENAI_FIELDS_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openai/errors.h"
#include "openai/json_value.h"

namespace openai {

class Fields {
 public:
  // `path` is the object's place in the request, for messages: "" or "messages[0]". The object must
  // outlive this. Throws if the value is no object.
  Fields(const Value& object, std::string path);

  // Returns nullptr if the member is absent.
  const Value* Find(std::string_view name);

  std::optional<double> Number(std::string_view name, double min, double max);
  std::optional<int64_t> Whole(std::string_view name, int64_t min, int64_t max);
  std::optional<bool> Bool(std::string_view name);
  // The text, which has no NUL.
  const std::string* Text(std::string_view name);
  const Value::Array* Array(std::string_view name, size_t max_size);
  const Value* Object(std::string_view name);

  // Throws if the member is absent.
  const std::string& NeededText(std::string_view name);

  // Members that are taken without effect.
  void Ignore(std::initializer_list<std::string_view> names);
  // A member that is refused, unless it is absent or has the value that changes nothing.
  void Refuse(std::string_view name, const char* why);
  void RefuseUnless(std::string_view name, bool harmless_value, const char* why);

  // The path of a member: "messages[0].role".
  std::string PathOf(std::string_view name) const;
  ApiError Wrong(std::string_view name, const std::string& what) const;

  // Names that nobody asked for.
  std::vector<std::string> Unknown() const;

 private:
  ApiError WrongKind(std::string_view name, const char* wanted, const Value& found) const;

  const Value::Object* members_;
  std::string path_;
  std::vector<std::string_view> known_;
};

// The path of an item: "messages[3]".
std::string ItemPath(std::string_view list, size_t index);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_FIELDS_H_
