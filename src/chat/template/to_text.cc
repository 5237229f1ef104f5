// SPDX-License-Identifier: MIT
// Python's str() and repr().
#include "chat/template/decimal.h"
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {
namespace {

void AddHex(uint32_t code, int digits, Origin origin, TextBuilder* text) {
  for (int i = digits - 1; i >= 0; --i) text->Add("0123456789abcdef"[code >> 4 * i & 15], origin);
}

}  // namespace

bool Interpreter::ToStr(const Value& value, const Str** out) {
  if (value.Is(Kind::kString)) {
    *out = value.str;
    return true;
  }
  TextBuilder text(bump_, options_.limits.max_output);
  Value result;
  if (!AddText(value, &text) || !NewText(&text, &result)) return false;
  *out = result.str;
  return true;
}

bool Interpreter::AddText(const Value& value, TextBuilder* text) {
  if (value.Is(Kind::kString)) {
    text->Add(*value.str);
    return StepText(value.str->size);
  }
  return value.Is(Kind::kUndefined) || AddRepr(value, text);
}

void Interpreter::AddFloat(double value, TextBuilder* text) {
  char digits[kMaxReprBytes];
  text->Add({digits, ReprDouble(value, digits)}, Origin::kTemplate);
}

bool Interpreter::AddRepr(const Value& value, TextBuilder* text) {
  const auto add = [text](std::string_view part) { text->Add(part, Origin::kTemplate); };
  if (++depth_ > TemplateLimits::kMaxDepth) return Fail("values are nested too deeply");
  if (!Step()) return false;
  bool ok = true;
  switch (value.kind) {
    case Kind::kUndefined:
      add("Undefined");
      break;
    case Kind::kNone:
      add("None");
      break;
    case Kind::kBool:
      add(value.boolean ? "True" : "False");
      break;
    case Kind::kInt:
      text->AddInt(value.integer, Origin::kTemplate);
      break;
    case Kind::kFloat:
      AddFloat(value.real, text);
      break;
    case Kind::kString:
      if (value.str->is_safe) add("Markup(");
      AddReprString(*value.str, text);
      if (value.str->is_safe) add(")");
      break;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      ok = AddReprList(value, text);
      break;
    case Kind::kDict:
      ok = AddReprDict(*value.dict, text);
      break;
    case Kind::kNamespace:
      add("<Namespace ");
      ok = AddReprDict(*value.dict, text);
      add(">");
      break;
    case Kind::kRange:
      add("range(");
      text->AddInt(value.range->start, Origin::kTemplate);
      ok = Fail("a range as text is not supported");
      break;
    case Kind::kMacro:
      add("<Macro ");
      if (value.macro->node->name == nullptr) {
        add("anonymous");
      } else {
        AddReprString(*value.macro->node->name, text);
      }
      add(">");
      break;
    case Kind::kLoop: {
      int64_t length = 0;
      ok = LoopLength(value.loop, &length);
      add("<LoopContext ");
      text->AddInt(value.loop->index0 + 1, Origin::kTemplate);
      add("/");
      text->AddInt(length, Origin::kTemplate);
      add(">");
      break;
    }
    default:
      ok = Fail("a value of %s as text is not supported", TypeName(value));
      break;
  }
  --depth_;
  return ok && (text->ok() || FailBuilder(*text));
}

bool Interpreter::AddReprItems(const Value* items, size_t n, TextBuilder* text) {
  for (size_t i = 0; i < n; ++i) {
    if (i > 0) text->Add(", ", Origin::kTemplate);
    if (!AddRepr(items[i], text)) return false;
  }
  return true;
}

bool Interpreter::AddReprList(const Value& value, TextBuilder* text) {
  const auto add = [text](std::string_view part) { text->Add(part, Origin::kTemplate); };
  static constexpr std::string_view kViews[] = {"dict_keys([", "dict_values([", "dict_items(["};
  const bool is_tuple = value.Is(Kind::kTuple), is_view = value.Is(Kind::kView);
  add(is_view ? kViews[value.detail] : is_tuple ? "(" : "[");
  if (!AddReprItems(value.list->items, value.list->size, text)) return false;
  add(is_view ? "])" : !is_tuple ? "]" : value.list->size == 1 ? ",)" : ")");
  return true;
}

bool Interpreter::AddReprDict(const Dict& dict, TextBuilder* text) {
  text->Add('{', Origin::kTemplate);
  for (size_t i = 0; i < dict.size; ++i) {
    if (i > 0) text->Add(", ", Origin::kTemplate);
    if (!AddRepr(dict.keys[i], text)) return false;
    text->Add(": ", Origin::kTemplate);
    if (!AddRepr(dict.values[i], text)) return false;
  }
  text->Add('}', Origin::kTemplate);
  return true;
}

// In single quotes; in double quotes if the text has single quotes but no double ones.
void Interpreter::AddReprString(const Str& str, TextBuilder* text) {
  const std::string_view view = str.view();
  bool has_single = false, has_double = false;
  for (const char c : view) {
    has_single = has_single || c == '\'';
    has_double = has_double || c == '"';
  }
  const char quote = has_single && !has_double ? '"' : '\'';
  text->Add(quote, Origin::kTemplate);
  for (size_t i = 0; i < view.size();) {
    const Character c = CharacterAt(view, i);
    const Origin origin = str.OriginOf(i);
    const char byte = view[i];
    if (byte == quote || byte == '\\') {
      text->Add('\\', origin);
      text->Add(byte, origin);
    } else if (byte == '\n' || byte == '\r' || byte == '\t') {
      text->Add('\\', origin);
      text->Add(byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't', origin);
    } else if (c.code_point == kNoCharacter || IsPrintable(c.code_point)) {
      text->Add({view.data() + i, c.length}, origin);
    } else {
      const int digits = c.code_point < 0x100 ? 2 : c.code_point < 0x10000 ? 4 : 8;
      text->Add('\\', origin);
      text->Add(digits == 2 ? 'x' : digits == 4 ? 'u' : 'U', origin);
      AddHex(c.code_point, digits, origin, text);
    }
    i += c.length;
  }
  text->Add(quote, Origin::kTemplate);
}

}  // namespace clamma
