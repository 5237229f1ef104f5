// SPDX-License-Identifier: MIT
#include "engine/grammar/json_schema.h"

#include "engine/grammar/schema/compiler.h"
#include "engine/grammar/schema/work.h"

namespace clamma {

Status CompileJsonSchema(Memory& memory, std::string_view schema, const JsonSchemaOptions& options,
                         Grammar* grammar, RuleId* root, DroppedConstraints* dropped) {
  if (options.indent > JsonSchemaLimits::kMaxIndent) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "JSON schema: an indentation of %u columns is asked for: the limit is %u",
                         options.indent, JsonSchemaLimits::kMaxIndent);
  }
  Bump bump(memory, JsonSchemaLimits::kMaxMemory);
  SchemaWork work(memory, bump, options, dropped);
  CLAMMA_RETURN_IF_ERROR(work.document.Parse(schema));
  SchemaCompiler compiler(work, *grammar);
  return compiler.Compile(root) ? Status() : work.status;
}

}  // namespace clamma
