// SPDX-License-Identifier: MIT
#include "json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace {

using Other = nlohmann::json;

constexpr size_t kMaxLevels = 64;

// Writes a value as nlohmann-json would, but with fields in their own order. Throws
// Other::exception, like nlohmann-json, if bytes are not UTF-8.
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

// Builds a value from the calls of nlohmann-json's SAX parser. nlohmann-json's own values are not
// used: their destructors allocate memory, and would end the program if none is left. A member that
// returns false ends the parsing.
class Reader {
 public:
  Reader(Json& result, size_t max_values) : result_(result), values_left_(max_values) {}

  // The SAX interface of nlohmann-json.
  bool null() { return Put(Json()); }
  bool boolean(bool value) { return Put(Json(value)); }
  bool number_integer(int64_t value) { return Put(Json(static_cast<double>(value))); }
  bool number_unsigned(uint64_t value) { return Put(Json(value)); }
  bool number_float(double value, const std::string&) { return Put(Json(value)); }
  bool string(std::string& value) { return Put(Json(std::move(value))); }
  static bool binary(Other::binary_t&) { return false; }  // does not occur in JSON text
  bool start_object(size_t) { return Open(); }
  bool start_array(size_t) { return Open(); }
  bool key(std::string& name) {
    open_.back().name = std::move(name);
    return true;
  }
  bool end_array() {
    std::vector<Json> items;
    items.reserve(open_.back().fields.size());
    for (Json::Field& field : open_.back().fields) items.push_back(std::move(field.value));
    return Close(Json::Array(std::move(items)));
  }
  bool end_object() {
    std::vector<Json::Field>& fields = open_.back().fields;
    std::stable_sort(fields.begin(), fields.end(),
                     [](const Json::Field& a, const Json::Field& b) { return a.name < b.name; });
    size_t kept = 0;  // fields that stay: the last one of each name
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i + 1 < fields.size() && fields[i + 1].name == fields[i].name) continue;
      if (kept != i) fields[kept] = std::move(fields[i]);
      ++kept;
    }
    fields.resize(kept);
    return Close(Json::Object(std::move(fields)));
  }
  static bool parse_error(size_t, const std::string&, const Other::exception&) { return false; }

 private:
  // An array or object whose end has not been read yet.
  struct Level {
    std::string name;  // the name of the next field
    std::vector<Json::Field> fields;
  };

  bool Open() {
    if (open_.size() == kMaxLevels) return false;
    open_.emplace_back();
    return true;
  }

  bool Close(Json value) {
    open_.pop_back();
    return Put(std::move(value));
  }

  bool Put(Json value) {
    if (values_left_-- == 0) return false;
    if (open_.empty()) {
      result_ = std::move(value);
    } else {
      open_.back().fields.push_back({std::move(open_.back().name), std::move(value)});
    }
    return true;
  }

  Json& result_;
  size_t values_left_;
  std::vector<Level> open_;
};

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

std::optional<Json> Json::Parse(std::string_view text, size_t max_values) {
  Json json;
  Reader reader(json, max_values);
  if (!Other::sax_parse(text.begin(), text.end(), &reader)) return std::nullopt;
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
