// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/strings.h"

#include "engine/grammar/regex.h"
#include "engine/grammar/schema/formats.h"

namespace clamma {
namespace {

// Makes the set of a node of its own grammar, and keeps it.
bool MakeKept(SchemaWork& work, const Grammar& grammar, NodeId node, const void* key,
              const StringSet** set) {
  auto* const made = work.bump.New<StringSet>();
  if (made == nullptr) return work.FailMemory();
  if (!StringsOfNode(work, grammar, node, made)) return false;
  *set = made;
  return work.kept_sets.Add(work.bump, {key, made}) || work.FailMemory();
}

const StringSet* FindKept(const SchemaWork& work, const void* key) {
  for (const SchemaWork::KeptSet& kept : work.kept_sets) {
    if (kept.key == key) return kept.set;
  }
  return nullptr;
}

}  // namespace

bool ReadPattern(SchemaWork& work, const SchemaText& pattern, std::string_view keyword,
                 bool is_json, Grammar* grammar, NodeId* node, bool* is_there) {
  const RegexOptions search = {.search = true, .json_string = is_json};
  const Status read = ParseRegex(pattern.text, search, grammar, node);
  *is_there = read.ok();
  if (read.ok()) return true;
  if (read.code() == StatusCode::kOutOfMemory) return work.Fail(read);
  return work.Unsupported(pattern.id, keyword, read.message());
}

bool ReadFormat(SchemaWork& work, const SchemaText& format, bool is_json, Grammar* grammar,
                NodeId* node, bool* is_there) {
  const JsonFormat* const known = FindJsonFormat(format.text);
  *is_there = known != nullptr && known->expression != nullptr;
  if (known == nullptr) return true;
  if (!*is_there) return work.Unsupported(format.id, "format", "this format is not supported");
  const RegexOptions whole = {.json_string = is_json};
  const Status read = ParseRegex(known->expression, whole, grammar, node);
  return read.ok() || work.Fail(read);
}

bool StringsOfPattern(SchemaWork& work, const SchemaText& pattern, std::string_view keyword,
                      const StringSet** set) {
  *set = FindKept(work, pattern.text.data());
  if (*set != nullptr) return true;
  Grammar grammar(work.memory);
  NodeId node = 0;
  bool is_there = false;
  if (!ReadPattern(work, pattern, keyword, false, &grammar, &node, &is_there)) return false;
  return !is_there || MakeKept(work, grammar, node, pattern.text.data(), set);
}

bool StringsOfFormat(SchemaWork& work, const SchemaText& format, const StringSet** set) {
  const JsonFormat* const known = FindJsonFormat(format.text);
  *set = FindKept(work, known);
  if (known == nullptr || *set != nullptr) return true;
  Grammar grammar(work.memory);
  NodeId node = 0;
  bool is_there = false;
  if (!ReadFormat(work, format, false, &grammar, &node, &is_there)) return false;
  return !is_there || MakeKept(work, grammar, node, known, set);
}

bool StringsOfShape(SchemaWork& work, const SchemaShape& shape, Vec<StringSet>* sets) {
  const StringSet* set = nullptr;
  for (const SchemaText& pattern : shape.patterns) {
    if (!StringsOfPattern(work, pattern, "pattern", &set)) return false;
    if (set != nullptr && !sets->Add(work.bump, *set)) return work.FailMemory();
  }
  for (const SchemaText& format : shape.formats) {
    if (!StringsOfFormat(work, format, &set)) return false;
    if (set != nullptr && !sets->Add(work.bump, *set)) return work.FailMemory();
  }
  if (shape.length.min == 0 && shape.length.max == kNoMaximum) return true;
  StringSet lengths;
  if (!StringsOfLength(work, shape.length, &lengths)) return false;
  return sets->Add(work.bump, lengths) || work.FailMemory();
}

}  // namespace clamma
