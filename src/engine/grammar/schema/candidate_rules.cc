// SPDX-License-Identifier: MIT
// The values of enum and const.
#include <cstring>

#include "chat/template/decimal.h"
#include "chat/template/text_builder.h"
#include "engine/grammar/schema/compiler.h"
#include "engine/grammar/schema/validate.h"

namespace clamma {
namespace {

// Writes a value of the document as its text.
class ValueWriter {
 public:
  ValueWriter(SchemaCompiler& compiler, TextBuilder& out) : compiler_(compiler), out_(out) {}

  bool Write(const Value& value, unsigned level);
  void WriteString(std::string_view text);

 private:
  void Put(std::string_view text) { out_.Add(text, Origin::kCaller); }
  bool WriteDouble(double value);
  bool WriteParts(const Value& value, unsigned level);
  void Break(unsigned level) {
    if (compiler_.work.options.indent == 0) return;
    Put("\n");
    out_.AddRepeated(' ', size_t{compiler_.work.options.indent} * level, Origin::kCaller);
  }

  SchemaCompiler& compiler_;
  TextBuilder& out_;
};

void ValueWriter::WriteString(std::string_view text) {
  static constexpr char kNames[] = "\"\\bfnrt";
  static constexpr char kBytes[] = "\"\\\b\f\n\r\t";
  static constexpr char kHex[] = "0123456789abcdef";
  Put("\"");
  for (const char& c : text) {
    const char* const known = c == '\0' ? nullptr : std::strchr(kBytes, c);
    if (known != nullptr) {
      const char escape[] = {'\\', kNames[known - kBytes]};
      Put({escape, 2});
    } else if (static_cast<uint8_t>(c) < 0x20) {
      const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      Put({escape, 6});
    } else {
      Put({&c, 1});
    }
  }
  Put("\"");
}

// Whole numbers without a fraction, as far as all of them are doubles.
bool ValueWriter::WriteDouble(double value) {
  constexpr double kMaxWhole = 1e15;
  if (value - value != 0) {
    return compiler_.work.FailLimit("a number of enum or const is out of range");
  }
  if (Floor(value) == value && value < kMaxWhole && value > -kMaxWhole) {
    out_.AddInt(static_cast<int64_t>(value), Origin::kCaller);
    return true;
  }
  char text[kMaxReprBytes];
  Put({text, ReprDouble(value, text)});
  return true;
}

// With spaces that may be there, as they are in most texts.
bool ValueWriter::WriteParts(const Value& value, unsigned level) {
  const JsonSchemaOptions& options = compiler_.work.options;
  const bool is_list = value.Is(Kind::kList);
  const size_t n = is_list ? value.list->size : value.dict->size;
  Put(is_list ? "[" : "{");
  for (size_t i = 0; i < n; ++i) {
    if (i > 0) Put(options.may_space && options.indent == 0 ? ", " : ",");
    Break(level + 1);
    if (!is_list) {
      WriteString(value.dict->keys[i].str->view());
      Put(options.indent > 0 || options.may_space ? ": " : ":");
    }
    if (!Write(is_list ? value.list->items[i] : value.dict->values[i], level + 1)) return false;
  }
  if (n > 0) Break(level);
  Put(is_list ? "]" : "}");
  return true;
}

bool ValueWriter::Write(const Value& value, unsigned level) {
  switch (value.kind) {
    case Kind::kNone:
      Put("null");
      return true;
    case Kind::kBool:
      Put(value.boolean ? "true" : "false");
      return true;
    case Kind::kInt:
      out_.AddInt(value.integer, Origin::kCaller);
      return true;
    case Kind::kFloat:
      return WriteDouble(value.real);
    case Kind::kString:
      WriteString(value.str->view());
      return true;
    default:
      return WriteParts(value, level);
  }
}

bool AddText(SchemaCompiler& compiler, const TextBuilder& out, NodeId* node) {
  if (!out.ok()) return compiler.work.FailMemory();
  return compiler.nodes.Bytes(out.view(), node);
}

}  // namespace

bool AddCandidates(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level,
                   Vec<NodeId>* choices) {
  Vec<const Value*> candidates;
  if (!FindCandidates(compiler.work, shape, &candidates)) return false;
  for (const Value* value : candidates) {
    TextBuilder out(compiler.work.bump, JsonSchemaLimits::kMaxMemory);
    NodeId node = 0;
    if (!ValueWriter(compiler, out).Write(*value, level) || !AddText(compiler, out, &node) ||
        !compiler.nodes.Push(node, choices)) {
      return false;
    }
  }
  return true;
}

bool AddQuoted(SchemaCompiler& compiler, std::string_view text, NodeId* node) {
  TextBuilder out(compiler.work.bump, JsonSchemaLimits::kMaxMemory);
  ValueWriter(compiler, out).WriteString(text);
  return AddText(compiler, out, node);
}

}  // namespace clamma
