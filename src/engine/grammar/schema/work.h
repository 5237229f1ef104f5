// SPDX-License-Identifier: MIT
// What the parts of the schema compiler share: the document, memory, limits, and the reason of a
// failure. Their functions return false after a failure, whose reason is in `status`.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_WORK_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_WORK_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/grammar/json_schema.h"
#include "engine/grammar/schema/document.h"
#include "engine/grammar/schema/vec.h"

namespace clamma {

// Schemas that must all hold, in order of their numbers, each once.
struct SchemaSet {
  const SchemaId* ids = nullptr;
  size_t n = 0;

  bool Has(SchemaId id) const {
    for (size_t i = 0; i < n; ++i) {
      if (ids[i] == id) return true;
    }
    return false;
  }
};

struct StringSet;

class SchemaWork {
 public:
  // The set of strings of a pattern or format, by the address of the pattern or format.
  struct KeptSet {
    const void* key;
    const StringSet* set;
  };

  SchemaWork(Memory& of_grammar, Bump& of_work, const JsonSchemaOptions& given,
             DroppedConstraints* dropped)
      : memory(of_grammar),
        bump(of_work),
        document(of_work),
        options(given),
        dropped_(dropped),
        steps_(given.steps != nullptr ? *given.steps : own_steps_) {}

  // These return false, to be returned by the caller.
  bool Fail(const Status& reason);
  bool FailMemory() { return Fail(Locate("JSON schema", bump.status())); }
  bool FailLimit(const char* reason);
  bool Malformed(SchemaId id, std::string_view keyword, const char* reason);

  // Refuses a constraint. Returns true if it is dropped instead, and while alternatives are only
  // compared.
  bool Unsupported(SchemaId id, std::string_view keyword, const char* reason);

  // Counts work. Returns false if it is too much.
  bool Step(uint64_t n = 1);

  // Remembers why no value is valid at a place, in case none is valid at all.
  void NoteEmpty(SchemaId id, std::string_view keyword, const char* reason);
  bool FailEmpty();

  // Adds a schema to a set; `id` and `keyword` are where it is.
  bool AddSchema(const Value& schema, SchemaId id, std::string_view keyword, Vec<SchemaId>* set);
  static void SortSet(Vec<SchemaId>* set);

  Memory& memory;
  Bump& bump;
  SchemaDocument document;
  const JsonSchemaOptions options;
  Status status;
  Vec<KeptSet> kept_sets;
  unsigned probing = 0;  // while alternatives are only compared, nothing is refused or reported

 private:
  struct Reported {
    SchemaId id;
    std::string_view keyword;
  };
  bool Report(SchemaId id, std::string_view keyword);

  DroppedConstraints* dropped_;
  Vec<Reported> reported_;
  uint64_t own_steps_ = 0;
  uint64_t& steps_;
  bool has_empty_ = false;
  Status empty_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_WORK_H_
