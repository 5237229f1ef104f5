// SPDX-License-Identifier: MIT
#include "constraint_options.h"

#include <utility>

#include "text_input.h"

namespace {

// Replaces the name of a file by its text. Returns "" or the reason of a failure.
std::string ReadNamed(std::string* file) {
  const std::string path = std::exchange(*file, "");
  return path.empty() ? "" : ReadText(path, file);
}

}  // namespace

void Declare(options::CommandLine& line, ConstraintOptions& o) {
  line.Add("--grammar", o.grammar, "The text matches this GBNF grammar: a file, or its text");
  line.Add("--regex", o.regex, "The text matches this regular expression");
  line.Add("--json-schema", o.schema, "The text is valid by the JSON schema in this file");
  line.Add("--grammar-trigger", o.trigger, "The grammar begins after this text");
  line.Find("--grammar").Excludes(line.Find("--regex"));
  line.Find("--json-schema").Excludes(line.Find("--regex"));
  line.Find("--json-schema").Excludes(line.Find("--grammar"));
}

std::string ReadConstraint(ConstraintOptions* o) {
  const bool is_text = o->grammar.find("::=") != std::string::npos;
  std::string wrong = is_text ? "" : ReadNamed(&o->grammar);
  return wrong.empty() ? ReadNamed(&o->schema) : wrong;
}

void Apply(const options::CommandLine& line, const ConstraintOptions& o, clamma_txf_info_t& info) {
  if (line.IsGiven("--grammar")) info.grammar = o.grammar.c_str();
  if (line.IsGiven("--regex")) info.regex = o.regex.c_str();
  if (line.IsGiven("--json-schema")) info.json_schema = o.schema.c_str();
  info.grammar_trigger = o.trigger.c_str();
}
