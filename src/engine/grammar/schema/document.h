// SPDX-License-Identifier: MIT
// The JSON text of a schema: its objects by number, their places, and what references refer to.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_DOCUMENT_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_DOCUMENT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/value.h"
#include "engine/grammar/schema/vec.h"
#include "platform/status.h"

namespace clamma {

// The number of a schema that is an object, in the document's order. A schema `false` has a number,
// too; `true` has none, as it constrains nothing.
using SchemaId = uint32_t;
inline constexpr SchemaId kFalseSchema = 0;

class SchemaDocument {
 public:
  explicit SchemaDocument(Bump& bump) : bump_(bump) {}

  Status Parse(std::string_view text);

  const Value& root() const { return root_; }
  const Dict& dict(SchemaId id) const { return *records_[id].value.dict; }
  // The value of a keyword; nullptr if the schema does not have it, or is `false`.
  const Value* Find(SchemaId id, std::string_view keyword) const {
    return id == kFalseSchema ? nullptr : DictFind(*records_[id].value.dict, keyword);
  }
  // The number of an object of the document.
  SchemaId IdOf(const Dict* dict) const;
  size_t size() const { return records_.size; }

  // Finds what `reference`, in the schema `from`, refers to. Returns nullptr if that is not in the
  // document.
  const Value* Resolve(SchemaId from, std::string_view reference) const;

  static constexpr size_t kMaxPath = 240;
  // Writes the JSON pointer of a keyword of the schema (of the schema itself if it is empty) on one
  // line, in ASCII; "..." stands for the beginning of a long one.
  void WritePath(SchemaId id, std::string_view keyword, char out[kMaxPath + 1]) const;

 private:
  struct Record {
    Value value;  // a dict or a list
    uint32_t parent;
    uint32_t resource;     // the record of the schema whose $id is the base of references
    std::string_view key;  // in the parent, if that is a dict
    size_t index;          // in the parent, if that is a list
    std::string_view uri;  // of a resource
    bool is_schema;        // else a value within one
  };
  struct Place {  // for finding a record by address
    const void* address;
    uint32_t record;
    static bool Before(const Place& a, const Place& b) { return a.address < b.address; }
  };
  enum class Role : uint8_t;

  static Role RoleOf(std::string_view keyword);
  Status Walk(const Value& value, Role role, const Record& place);
  Status AddResource(uint32_t record);
  bool JoinUri(std::string_view base, std::string_view reference, std::string_view* uri) const;
  const Value* Follow(const Value& from, std::string_view pointer) const;
  uint32_t FindRecord(const void* address) const;

  Bump& bump_;
  Value root_;
  Vec<Record> records_;
  Vec<Place> places_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_DOCUMENT_H_
