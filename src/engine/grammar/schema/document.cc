// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/document.h"

#include <cstring>

#include "chat/json.h"
#include "platform/sort.h"
#include "platform/text.h"

namespace clamma {
namespace {

std::string_view From(std::string_view text, size_t begin) {
  return {text.data() + begin, text.size() - begin};
}

// The bytes up to the first `c`; all if there is none.
std::string_view UpTo(std::string_view text, char c) { return Front(text, text.find(c)); }

bool HasScheme(std::string_view uri) {
  for (size_t i = 0; i < uri.size(); ++i) {
    const char c = uri[i];
    if (c == ':') return i > 0;
    const bool is_letter = (c | 32) >= 'a' && (c | 32) <= 'z';
    const bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!is_letter && (i == 0 || !is_other)) return false;
  }
  return false;
}

// Whether a part of a URI's fragment, between two '/', is a key of a JSON pointer.
bool IsKey(std::string_view part, std::string_view key) {
  size_t k = 0;
  for (size_t i = 0; i < part.size(); ++i, ++k) {
    char c = part[i];
    if (c == '%' && i + 2 < part.size() && HexDigit(part[i + 1]) >= 0 &&
        HexDigit(part[i + 2]) >= 0) {
      c = static_cast<char>(HexDigit(part[i + 1]) * 16 + HexDigit(part[i + 2]));
      i += 2;
    }
    if (c == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1')) {
      c = part[++i] == '0' ? '~' : '/';
    }
    if (k == key.size() || key[k] != c) return false;
  }
  return k == key.size();
}

bool IsIndex(std::string_view part, size_t n, size_t* index) {
  *index = 0;
  if (part.empty() || part.size() > 9 || (part[0] == '0' && part.size() > 1)) return false;
  for (const char c : part) {
    if (c < '0' || c > '9') return false;
    *index = *index * 10 + static_cast<size_t>(c - '0');
  }
  return *index < n;
}

}  // namespace

// What a value is to its schema.
enum class SchemaDocument::Role : uint8_t { kOther, kSchema, kSchemas };

SchemaDocument::Role SchemaDocument::RoleOf(std::string_view keyword) {
  static constexpr std::string_view kSchema[] = {"items",
                                                 "additionalProperties",
                                                 "not",
                                                 "if",
                                                 "then",
                                                 "else",
                                                 "contains",
                                                 "propertyNames",
                                                 "unevaluatedItems",
                                                 "unevaluatedProperties",
                                                 "contentSchema",
                                                 "additionalItems"};
  static constexpr std::string_view kSchemas[] = {
      "$defs", "definitions", "properties", "patternProperties", "dependentSchemas",
      "allOf", "anyOf",       "oneOf",      "prefixItems"};
  for (const std::string_view name : kSchema) {
    if (keyword == name) return Role::kSchema;
  }
  for (const std::string_view name : kSchemas) {
    if (keyword == name) return Role::kSchemas;
  }
  return Role::kOther;
}

Status SchemaDocument::Parse(std::string_view text) {
  CLAMMA_RETURN_IF_ERROR(ParseJson(bump_, text, Origin::kCaller, &root_));
  if (!root_.Is(Kind::kDict) && !root_.Is(Kind::kBool)) {
    return Status::Error(StatusCode::kInvalidArgument, "a JSON schema is an object, true or false");
  }
  Record none = {};  // the schema `false`
  none.value = Value::Bool(false);
  if (!records_.Add(bump_, none)) return bump_.status();
  CLAMMA_RETURN_IF_ERROR(Walk(root_, Role::kSchema, none));
  for (uint32_t i = 1; i < records_.size; ++i) {
    if (!places_.Add(bump_, {records_[i].value.dict, i})) return bump_.status();
  }
  Sort<Place, Place::Before>(places_.items, places_.size);
  return Status();
}

// `place` says where the value is.
Status SchemaDocument::Walk(const Value& value, Role role, const Record& place) {
  const bool is_dict = value.Is(Kind::kDict);
  if (!is_dict && !value.Is(Kind::kList)) return Status();
  const auto self = static_cast<uint32_t>(records_.size);
  Record record = place;
  record.value = value;
  record.is_schema = is_dict && role == Role::kSchema;
  if (self == 1) record.resource = 1;
  if (!records_.Add(bump_, record)) return bump_.status();
  if (record.is_schema) CLAMMA_RETURN_IF_ERROR(AddResource(self));
  const size_t n = is_dict ? value.dict->size : value.list->size;
  for (size_t i = 0; i < n; ++i) {
    Record child = {};
    child.parent = self;
    child.resource = records_[self].resource;
    child.index = i;
    Role child_role = role == Role::kSchemas ? Role::kSchema : Role::kOther;
    if (is_dict) {
      child.key = value.dict->keys[i].str->view();
      if (role == Role::kSchema) child_role = RoleOf(child.key);
    }
    CLAMMA_RETURN_IF_ERROR(
        Walk(is_dict ? value.dict->values[i] : value.list->items[i], child_role, child));
  }
  return Status();
}

Status SchemaDocument::AddResource(uint32_t record) {
  const Value* const id = DictFind(*records_[record].value.dict, "$id");
  if (id == nullptr || !id->Is(Kind::kString)) return Status();
  const std::string_view uri = UpTo(id->str->view(), '#');
  if (uri.empty()) return Status();
  const std::string_view base = records_[records_[record].resource].uri;
  if (!JoinUri(base, uri, &records_[record].uri)) return bump_.status();
  records_[record].resource = record;
  return Status();
}

// As RFC 3986 says, but without regard for "." and "..".
bool SchemaDocument::JoinUri(std::string_view base, std::string_view reference,
                             std::string_view* uri) const {
  *uri = reference;
  if (HasScheme(reference) || base.empty()) return true;
  const size_t colon = base.find(':');
  size_t kept = colon == std::string_view::npos ? 0 : colon + 1;
  if (!StartsWith(reference, "//")) {
    const size_t authority = StartsWith(From(base, kept), "//") ? kept + 2 : kept;
    const size_t path = authority + UpTo(From(base, authority), '/').size();
    if (authority > kept) kept = path;
    if (reference[0] != '/') {
      const size_t slash = base.rfind('/');
      if (slash != std::string_view::npos && slash >= path) kept = slash + 1;
    }
  }
  char* const joined = bump_.New<char>(kept + reference.size());
  if (joined == nullptr) return false;
  std::memcpy(joined, base.data(), kept);
  std::memcpy(joined + kept, reference.data(), reference.size());
  *uri = {joined, kept + reference.size()};
  return true;
}

uint32_t SchemaDocument::FindRecord(const void* address) const {
  size_t low = 0, high = places_.size;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (places_[middle].address < address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return places_[low].record;
}

SchemaId SchemaDocument::IdOf(const Dict* dict) const { return FindRecord(dict); }

const Value* SchemaDocument::Follow(const Value& from, std::string_view pointer) const {
  const Value* value = &from;
  while (!pointer.empty()) {
    if (pointer[0] != '/') return nullptr;
    const std::string_view part = UpTo(From(pointer, 1), '/');
    pointer = From(pointer, 1 + part.size());
    const Value* next = nullptr;
    size_t index = 0;
    if (value->Is(Kind::kList) && IsIndex(part, value->list->size, &index)) {
      next = &value->list->items[index];
    } else if (value->Is(Kind::kDict)) {
      for (size_t i = 0; i < value->dict->size && next == nullptr; ++i) {
        if (IsKey(part, value->dict->keys[i].str->view())) next = &value->dict->values[i];
      }
    }
    if (next == nullptr) return nullptr;
    value = next;
  }
  return value;
}

const Value* SchemaDocument::Resolve(SchemaId from, std::string_view reference) const {
  const std::string_view base = UpTo(reference, '#');
  const std::string_view fragment =
      base.size() == reference.size() ? std::string_view() : From(reference, base.size() + 1);
  uint32_t resource = records_[from].resource;
  if (!base.empty()) {
    std::string_view uri;
    if (!JoinUri(records_[resource].uri, base, &uri)) return nullptr;
    for (resource = 1; resource < records_.size && records_[resource].uri != uri;) ++resource;
    if (resource == records_.size) return nullptr;
  }
  if (fragment.empty() || fragment[0] == '/') {
    return Follow(records_[resource].value, fragment);
  }
  for (uint32_t i = 1; i < records_.size; ++i) {
    if (records_[i].resource != resource || !records_[i].is_schema) continue;
    for (const std::string_view keyword : {"$anchor", "$dynamicAnchor"}) {
      const Value* const anchor = DictFind(*records_[i].value.dict, keyword);
      if (anchor != nullptr && anchor->Is(Kind::kString) && anchor->str->view() == fragment) {
        return &records_[i].value;
      }
    }
  }
  return nullptr;
}

void SchemaDocument::WritePath(SchemaId id, std::string_view keyword,
                               char out[kMaxPath + 1]) const {
  char text[kMaxPath];  // from its end
  size_t at = kMaxPath;
  bool is_cut = false;
  const auto put = [&](char c) {
    if (at == 0) {
      is_cut = true;
    } else {
      text[--at] = c >= ' ' && c <= '~' ? c : '?';
    }
  };
  const auto put_key = [&](std::string_view key) {
    for (size_t i = key.size(); i-- > 0;) {
      if (key[i] == '~' || key[i] == '/') {
        put(key[i] == '~' ? '0' : '1');
        put('~');
      } else {
        put(key[i]);
      }
    }
    put('/');
  };
  if (!keyword.empty()) put_key(keyword);
  for (uint32_t i = id; i > 1; i = records_[i].parent) {
    char number[24];
    Format(number, sizeof(number), "%zu", records_[i].index);
    const bool is_key = records_[records_[i].parent].value.Is(Kind::kDict);
    put_key(is_key ? records_[i].key : std::string_view(number));
  }
  std::memcpy(out, text + at, kMaxPath - at);
  out[kMaxPath - at] = '\0';
  if (is_cut) std::memcpy(out, "...", 3);
}

}  // namespace clamma
