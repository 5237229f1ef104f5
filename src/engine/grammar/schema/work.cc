// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/work.h"

#include <algorithm>
#include <cstring>

namespace clamma {
namespace {

Status AtPath(const SchemaDocument& document, SchemaId id, std::string_view keyword,
              StatusCode code, const char* reason) {
  char path[SchemaDocument::kMaxPath + 1];
  document.WritePath(id, keyword, path);
  return Status::Error(code, "JSON schema, %s%s: %s", path[0] == '\0' ? "the root" : "at ", path,
                       reason);
}

}  // namespace

bool SchemaWork::Fail(const Status& reason) {
  if (status.ok()) status = reason;
  return false;
}

bool SchemaWork::FailLimit(const char* reason) {
  return Fail(Status::Error(StatusCode::kLimit, "JSON schema: %s", reason));
}

bool SchemaWork::Malformed(SchemaId id, std::string_view keyword, const char* reason) {
  return Fail(AtPath(document, id, keyword, StatusCode::kInvalidArgument, reason));
}

bool SchemaWork::Unsupported(SchemaId id, std::string_view keyword, const char* reason) {
  if (probing > 0) return true;
  if (options.is_strict) return Malformed(id, keyword, reason);
  return Report(id, keyword);
}

bool SchemaWork::Report(SchemaId id, std::string_view keyword) {
  for (const Reported& reported : reported_) {
    if (reported.id == id && reported.keyword == keyword) return true;
  }
  if (!Step(reported_.size)) return false;
  if (!reported_.Add(bump, {id, keyword})) return FailMemory();
  if (dropped_ == nullptr) return true;
  ++dropped_->count;
  char path[SchemaDocument::kMaxPath + 1];
  document.WritePath(id, keyword, path);
  const size_t n = std::strlen(path);
  if (dropped_->n_bytes + n + 1 > JsonSchemaLimits::kMaxReported) return true;
  if (dropped_->n_bytes + n + 1 > dropped_->paths.size()) {
    const Status grown = dropped_->paths.Resize(memory, 2 * (dropped_->n_bytes + n + 1));
    if (!grown.ok()) return Fail(grown);
  }
  std::memcpy(dropped_->paths.data() + dropped_->n_bytes, path, n);
  dropped_->n_bytes += n;
  dropped_->paths[dropped_->n_bytes++] = '\n';
  return true;
}

bool SchemaWork::Step(uint64_t n) {
  steps_ += n;
  if (steps_ <= JsonSchemaLimits::kMaxSteps) return true;
  return FailLimit("it takes too much work: fewer alternatives, references or counts are needed");
}

void SchemaWork::NoteEmpty(SchemaId id, std::string_view keyword, const char* reason) {
  if (has_empty_ || probing > 0) return;
  has_empty_ = true;
  empty_ = AtPath(document, id, keyword, StatusCode::kInvalidArgument, reason);
}

bool SchemaWork::FailEmpty() {
  if (has_empty_) return Fail(empty_);
  return Malformed(1, "", "no value is valid: each would hold another one without end");
}

bool SchemaWork::AddSchema(const Value& schema, SchemaId id, std::string_view keyword,
                           Vec<SchemaId>* set) {
  if (schema.Is(Kind::kBool) && schema.boolean) return true;
  if (!schema.Is(Kind::kBool) && !schema.Is(Kind::kDict)) {
    return Malformed(id, keyword, "a schema is an object, true or false");
  }
  const SchemaId added = schema.Is(Kind::kBool) ? kFalseSchema : document.IdOf(schema.dict);
  return set->Add(bump, added) || FailMemory();
}

void SchemaWork::SortSet(Vec<SchemaId>* set) {
  std::sort(set->begin(), set->end());
  set->size = static_cast<size_t>(std::unique(set->begin(), set->end()) - set->begin());
}

}  // namespace clamma
