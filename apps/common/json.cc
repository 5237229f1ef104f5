// SPDX-License-Identifier: MIT
#include "json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace {

using Other = nlohmann::json;

constexpr int kMostLevels = 64;

// Writes a value, and what it holds a level deeper, as nlohmann-json would, but in the order of its
// fields. Throws Other::exception where that does for bytes that are not UTF-8.
class Writer {
 public:
  Writer(int indent, Other::error_handler_t if_wrong) : indent_(indent), if_wrong_(if_wrong) {}

  void Write(const Json& json, int level = 0) {  // NOLINT(misc-no-recursion): as deep as `json`
    if (json.is_array()) {
      text_ += '[';
      for (const Json& item : json.items()) {
        Begin(&item == json.items().data(), level + 1);
        Write(item, level + 1);
      }
      End(json.items().empty(), level, ']');
    } else if (json.is_object()) {
      text_ += '{';
      for (const Json::Field& field : json.fields()) {
        Begin(&field == json.fields().data(), level + 1);
        Put(field.name);
        text_ += indent_ < 0 ? ":" : ": ";
        Write(field.value, level + 1);
      }
      End(json.fields().empty(), level, '}');
    } else {
      WriteScalar(json);
    }
  }

  std::string& text() { return text_; }

 private:
  void WriteScalar(const Json& json) {
    if (json.is_text()) {
      Put(json.text());
    } else if (json.is_whole()) {
      Put(json.whole());
    } else if (json.is_number()) {
      Put(json.number());
    } else if (json.kind() == Json::Kind::kBool) {
      Put(json.boolean());
    } else {
      Put(nullptr);
    }
  }

  void Put(const Other& scalar) { text_ += scalar.dump(-1, ' ', false, if_wrong_); }

  void Begin(bool first, int level) {
    if (!first) text_ += ',';
    NewLine(level);
  }

  void End(bool empty, int level, char bracket) {
    if (!empty) NewLine(level);
    text_ += bracket;
  }

  void NewLine(int level) {
    if (indent_ < 0) return;
    text_ += '\n';
    text_.append(static_cast<size_t>(level) * static_cast<size_t>(indent_), ' ');
  }

  int indent_;
  Other::error_handler_t if_wrong_;
  std::string text_;
};

// False: it is nested deeper than `levels`.
// NOLINTNEXTLINE(misc-no-recursion): no deeper than that
bool FromOther(const Other& other, int levels, Json& json) {
  if (other.is_structured() && levels == 0) return false;
  if (other.is_boolean()) {
    json = Json(other.get<bool>());
  } else if (other.is_number_unsigned()) {
    json = Json(other.get<uint64_t>());
  } else if (other.is_number()) {
    json = Json(other.get<double>());
  } else if (other.is_string()) {
    json = Json(other.get_ref<const std::string&>());
  } else if (other.is_array()) {
    json = Json::Array();
    for (const Other& item : other) {
      Json value;
      if (!FromOther(item, levels - 1, value)) return false;
      json.Add(std::move(value));
    }
  } else if (other.is_object()) {
    json = Json::Object();
    for (const auto& [name, field] : other.items()) {
      Json value;
      if (!FromOther(field, levels - 1, value)) return false;
      json.Set(name, std::move(value));
    }
  }
  return true;
}

}  // namespace

Json::Json(bool value) : kind_(Kind::kBool), whole_(value ? 1 : 0) {}
Json::Json(double value) : kind_(Kind::kNumber), number_(value) {}
Json::Json(const char* value) : kind_(Kind::kText), text_(value) {}
Json::Json(std::string_view value) : kind_(Kind::kText), text_(value) {}
Json::Json(std::string value) : kind_(Kind::kText), text_(std::move(value)) {}

Json Json::Array() { return Array({}); }

Json Json::Array(std::vector<Json> items) {
  Json json;
  json.kind_ = Kind::kArray;
  json.items_ = std::move(items);
  return json;
}

Json Json::Object() { return Object({}); }

Json Json::Object(std::vector<Field> fields) {
  Json json;
  json.kind_ = Kind::kObject;
  json.fields_ = std::move(fields);
  return json;
}

std::optional<Json> Json::Parse(std::string_view text) {
  const Other other = Other::parse(text, nullptr, false);
  Json json;
  if (other.is_discarded() || !FromOther(other, kMostLevels, json)) return std::nullopt;
  return json;
}

std::string Json::Text(int indent) const {
  Writer writer(indent, Other::error_handler_t::replace);
  writer.Write(*this);
  return std::move(writer.text());
}

std::optional<std::string> Json::Exact() const {
  Writer writer(-1, Other::error_handler_t::strict);
  try {
    writer.Write(*this);
  } catch (const Other::exception&) {
    return std::nullopt;
  }
  return std::move(writer.text());
}

const Json* Json::Find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

void Json::Add(Json item) { items_.push_back(std::move(item)); }

void Json::Set(std::string name, Json value) {
  fields_.push_back({std::move(name), std::move(value)});
}
