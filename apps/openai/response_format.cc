// SPDX-License-Identifier: MIT
#include "openai/response_format.h"

namespace openai {

std::string JsonObjectRules() {
  return R"(value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( string ":" ws value ws ( "," ws string ":" ws value ws )* )? "}"
array ::= "[" ws ( value ws ( "," ws value ws )* )? "]"
string ::= "\"" ( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ( "0" | [1-9] [0-9]* ) ( "." [0-9]+ )? ( [eE] [-+]? [0-9]+ )?
ws ::= ( " " | "\n" [ ]{0,20} )?
)";
}

Constraint ReadFormat(std::string_view type, const Value& schema, const std::string& path) {
  Constraint constraint;
  if (type == "text") return constraint;
  if (type == "json_object") {
    constraint.grammar = "root ::= object\n" + JsonObjectRules();
    return constraint;
  }
  if (type != "json_schema") {
    throw InvalidRequest("'" + path + ".type' must be text, json_object or json_schema",
                         path + ".type", "invalid_value");
  }
  Fields fields(schema, path);
  fields.Text("name");
  fields.Text("description");
  constraint.is_loose = !fields.Bool("strict").value_or(false);
  constraint.param = path + ".schema";
  const Value* const found = fields.Object("schema");
  if (found == nullptr) {
    throw InvalidRequest("'" + path + ".schema' is missing", path + ".schema",
                         "missing_required_parameter");
  }
  constraint.json_schema = found->Text();
  return constraint;
}

void BeginAfterReasoning(Constraint* constraint) {
  const bool is_any = !constraint->json_schema.empty() || !constraint->grammar.empty();
  if (is_any && constraint->trigger.empty() && constraint->trigger_token < 0) {
    constraint->trigger = "</think>";
  }
}

Constraint ReadResponseFormat(Fields& fields) {
  const Value* const format = fields.Object("response_format");
  if (format == nullptr) return {};
  Fields members(*format, "response_format");
  const std::string& type = members.NeededText("type");
  if (type != "json_schema") return ReadFormat(type, *format, "response_format");
  const Value* const schema = members.Object("json_schema");
  if (schema == nullptr) {
    throw InvalidRequest("'response_format.json_schema' is missing", "response_format.json_schema",
                         "missing_required_parameter");
  }
  return ReadFormat(type, *schema, "response_format.json_schema");
}

}  // namespace openai
