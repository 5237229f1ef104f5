// SPDX-License-Identifier: MIT
// The filter tojson: Python's json.dumps(), without ASCII escapes unless asked for.
#include "chat/template/decimal.h"
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {
namespace {

void AddUnit(uint32_t unit, Origin origin, TextBuilder* text) {
  text->Add("\\u", origin);
  for (int i = 3; i >= 0; --i) text->Add("0123456789abcdef"[unit >> 4 * i & 15], origin);
}

}  // namespace

bool Interpreter::FilterToJson(const Value& value, const Arguments& arguments, Value* out) {
  Value given[4];
  JsonStyle style{};
  if (!BindArguments(arguments, "tojson", "?ensure_ascii ?indent ?separators ?sort_keys", given) ||
      !ReadJsonStyle(given, &style)) {
    return false;
  }
  TextBuilder text(bump_, options_.limits.max_output);
  return AddJson(value, style, 0, &text) && NewText(&text, out);
}

bool Interpreter::ReadJsonStyle(const Value* given, JsonStyle* style) {
  Value item, key;
  if (!NewTextCopy(", ", &item) || !NewTextCopy(": ", &key)) return false;
  if (!IsUnset(given[0]) && !Truth(given[0], &style->ascii)) return false;
  if (!IsUnset(given[3]) && !Truth(given[3], &style->sorts)) return false;
  if (!IsUnset(given[1]) && !given[1].Is(Kind::kNone)) {
    Value indent = given[1];
    if (indent.IsIntegral()) {
      const Value blank = indent;
      if (!NewTextCopy(" ", &indent) || !Repeat(indent, blank.AsInt(), &indent)) return false;
    }
    if (!indent.Is(Kind::kString)) return FailType("tojson: an indentation is expected", indent);
    style->indent = indent.str;
    if (!NewTextCopy(",", &item)) return false;
  }
  if (!IsUnset(given[2]) && !given[2].Is(Kind::kNone)) {
    const Value* pair = nullptr;
    size_t n = 0;
    if (!Items(given[2], &pair, &n)) return false;
    if (n != 2 || !pair[0].Is(Kind::kString) || !pair[1].Is(Kind::kString)) {
      return Fail("tojson: separators are two texts");
    }
    item = pair[0];
    key = pair[1];
  }
  style->item_separator = item.str;
  style->key_separator = key.str;
  return true;
}

bool Interpreter::AddJson(const Value& value, const JsonStyle& style, unsigned level,
                          TextBuilder* text) {
  if (++depth_ > TemplateLimits::kMaxDepth) return Fail("values are nested too deeply");
  if (!Step()) return false;
  bool ok = true;
  switch (value.kind) {
    case Kind::kNone:
      text->Add("null", Origin::kTemplate);
      break;
    case Kind::kBool:
      text->Add(value.boolean ? "true" : "false", Origin::kTemplate);
      break;
    case Kind::kInt:
      text->AddInt(value.integer, Origin::kTemplate);
      break;
    case Kind::kFloat:
      AddJsonFloat(value.real, text);
      break;
    case Kind::kString:
      AddJsonString(*value.str, style.ascii, text);
      ok = StepText(value.str->size);
      break;
    case Kind::kList:
    case Kind::kTuple:
      ok = AddJsonList(value, style, level, text);
      break;
    case Kind::kDict:
      ok = AddJsonDict(*value.dict, style, level, text);
      break;
    default:
      ok = FailType("tojson: a value that JSON has is expected", value);
      break;
  }
  --depth_;
  return ok && (text->ok() || FailBuilder(*text));
}

void Interpreter::AddJsonFloat(double value, TextBuilder* text) {
  if (!(value == value)) {
    text->Add("NaN", Origin::kTemplate);
  } else if (value - value != 0) {
    text->Add(value < 0 ? "-Infinity" : "Infinity", Origin::kTemplate);
  } else {
    AddFloat(value, text);
  }
}

void Interpreter::AddJsonBreak(const JsonStyle& style, unsigned level, TextBuilder* text) {
  if (style.indent == nullptr) return;
  text->Add('\n', Origin::kTemplate);
  for (unsigned i = 0; i < level; ++i) text->Add(*style.indent);
}

bool Interpreter::AddJsonList(const Value& value, const JsonStyle& style, unsigned level,
                              TextBuilder* text) {
  const List& list = *value.list;
  text->Add('[', Origin::kTemplate);
  for (size_t i = 0; i < list.size; ++i) {
    // ReadJsonStyle() sets them. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker)
    if (i > 0) text->Add(*style.item_separator);
    AddJsonBreak(style, level + 1, text);
    if (!AddJson(list.items[i], style, level + 1, text)) return false;
  }
  if (list.size > 0) AddJsonBreak(style, level, text);
  text->Add(']', Origin::kTemplate);
  return true;
}

bool Interpreter::AddJsonKey(const Value& key, const JsonStyle& style, TextBuilder* text) {
  if (key.Is(Kind::kString)) {
    AddJsonString(*key.str, style.ascii, text);
    return true;
  }
  if (!key.IsNumber() && !key.Is(Kind::kNone)) {
    return FailType("tojson: a key that JSON has is expected", key);
  }
  text->Add('"', Origin::kTemplate);
  if (!AddJson(key, style, 0, text)) return false;
  text->Add('"', Origin::kTemplate);
  return true;
}

bool Interpreter::SortKeys(const Dict& dict, const Value** order) {
  auto* const keyed = bump_.New<Keyed>(dict.size);
  auto* const sorted = bump_.New<Value>(dict.size);
  if (keyed == nullptr || sorted == nullptr) return FailMemory();
  for (size_t i = 0; i < dict.size; ++i) keyed[i] = Keyed{dict.keys[i], dict.keys[i]};
  if (!SortKeyed(keyed, dict.size, false, false)) return false;
  for (size_t i = 0; i < dict.size; ++i) sorted[i] = keyed[i].value;
  *order = sorted;
  return true;
}

bool Interpreter::AddJsonDict(const Dict& dict, const JsonStyle& style, unsigned level,
                              TextBuilder* text) {
  const Value* keys = dict.keys;
  if (style.sorts && !SortKeys(dict, &keys)) return false;
  text->Add('{', Origin::kTemplate);
  for (size_t i = 0; i < dict.size; ++i) {
    // ReadJsonStyle() sets them. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker)
    if (i > 0) text->Add(*style.item_separator);
    AddJsonBreak(style, level + 1, text);
    if (!AddJsonKey(keys[i], style, text)) return false;
    text->Add(*style.key_separator);  // NOLINT(clang-analyzer-core.NonNullParamChecker)
    const Value& value = style.sorts ? *DictFind(dict, keys[i]) : dict.values[i];
    if (!AddJson(value, style, level + 1, text)) return false;
  }
  if (dict.size > 0) AddJsonBreak(style, level, text);
  text->Add('}', Origin::kTemplate);
  return true;
}

void Interpreter::AddJsonString(const Str& str, bool ascii, TextBuilder* text) {
  static constexpr char kBytes[] = "\"\\\b\f\n\r\t";
  static constexpr char kNames[] = "\"\\bfnrt";
  const std::string_view view = str.view();
  text->Add('"', Origin::kTemplate);
  for (size_t i = 0; i < view.size();) {
    const Character c = CharacterAt(view, i);
    const Origin origin = str.OriginOf(i);
    size_t name = 0;
    while (kBytes[name] != '\0' && kBytes[name] != view[i]) ++name;
    if (view[i] != '\0' && kBytes[name] != '\0') {
      text->Add('\\', origin);
      text->Add(kNames[name], origin);
    } else if (c.code_point < 0x20 ||
               (ascii && c.code_point >= 0x7f && c.code_point < 0x10000 && c.code_point != 0x7f)) {
      AddUnit(c.code_point, origin, text);
    } else if (ascii && c.code_point >= 0x10000 && c.code_point != kNoCharacter) {
      AddUnit(0xd800 + ((c.code_point - 0x10000) >> 10), origin, text);
      AddUnit(0xdc00 + ((c.code_point - 0x10000) & 0x3ff), origin, text);
    } else {
      text->Add({view.data() + i, c.length}, origin);
    }
    i += c.length;
  }
  text->Add('"', Origin::kTemplate);
}

}  // namespace clamma
