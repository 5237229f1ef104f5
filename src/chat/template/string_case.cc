// SPDX-License-Identifier: MIT
// Methods of texts that concern the classes and the case of characters.
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {
namespace {

// A sigma is final if a letter precedes it and none follows.
bool IsFinalSigma(std::string_view text, size_t at, size_t length) {
  size_t i = at;
  bool before = false;
  while (i > 0 && !before) {
    const Character c = CharacterBefore(text, i);
    i -= c.length;
    if (IsCaseIgnorable(c.code_point)) continue;
    before = IsCased(c.code_point);
    break;
  }
  if (!before) return false;
  for (i = at + length; i < text.size();) {
    const Character c = CharacterAt(text, i);
    i += c.length;
    if (!IsCaseIgnorable(c.code_point)) return !IsCased(c.code_point);
  }
  return true;
}

bool StartsWordOfFilter(uint32_t before) {  // -, white space, ( { [ <
  return IsSpace(before) || before == '-' || before == '(' || before == '{' || before == '[' ||
         before == '<';
}

}  // namespace

bool Interpreter::ChangeCase(const Str& text, Casing casing, Value* out) {
  constexpr uint32_t kSigma = 0x3a3, kSmallFinalSigma = 0x3c2;
  TextBuilder result(bump_, options_.limits.max_output);
  const std::string_view view = text.view();
  bool in_word = false;
  for (size_t i = 0; i < view.size();) {
    const Character c = CharacterAt(view, i);
    const Origin origin = text.OriginOf(i);
    Case to = casing == Casing::kUpper ? Case::kUpper : Case::kLower;
    if (casing == Casing::kTitle || casing == Casing::kCapitalize) {
      if (!in_word) to = Case::kTitle;
      in_word = casing == Casing::kCapitalize || IsCased(c.code_point);
    } else if (casing == Casing::kFilterTitle) {
      if (!in_word) to = Case::kUpper;
      in_word = !StartsWordOfFilter(c.code_point);
    }
    uint32_t converted[3];
    size_t n = 1;
    if (c.code_point == kNoCharacter) {
      result.Add({view.data() + i, 1}, origin);
      n = 0;
    } else if (c.code_point == kSigma && to == Case::kLower && IsFinalSigma(view, i, c.length)) {
      converted[0] = kSmallFinalSigma;
    } else {
      n = Convert(c.code_point, to, converted);
    }
    for (size_t k = 0; k < n; ++k) result.AddCharacter(converted[k], origin);
    i += c.length;
  }
  if (!Step(IsAscii(view) ? view.size() / 16 : view.size() * 2)) return false;
  return NewText(&result, out);
}

bool Interpreter::StringLower(const Value& self, const Arguments& arguments, Value* out) {
  return UnaryText(self, arguments, "lower()", Casing::kLower, out);
}
bool Interpreter::StringUpper(const Value& self, const Arguments& arguments, Value* out) {
  return UnaryText(self, arguments, "upper()", Casing::kUpper, out);
}
bool Interpreter::StringTitle(const Value& self, const Arguments& arguments, Value* out) {
  return UnaryText(self, arguments, "title()", Casing::kTitle, out);
}
bool Interpreter::StringCapitalize(const Value& self, const Arguments& arguments, Value* out) {
  return UnaryText(self, arguments, "capitalize()", Casing::kCapitalize, out);
}

bool Interpreter::UnaryText(const Value& value, const Arguments& arguments, const char* name,
                            Casing casing, Value* out) {
  const Str* text = nullptr;
  return BindArguments(arguments, name, "", nullptr) && ToStr(value, &text) &&
         ChangeCase(*text, casing, out);
}

bool Interpreter::TestCharacters(const Value& self, const Arguments& arguments,
                                 bool (*is)(uint32_t), bool when_empty, Value* out) {
  if (!BindArguments(arguments, "a method that tests", "", nullptr)) return false;
  const std::string_view view = self.str->view();
  bool all = !view.empty() || when_empty;
  for (size_t i = 0; all && i < view.size();) {
    const Character c = CharacterAt(view, i);
    all = is(c.code_point);
    i += c.length;
  }
  *out = Value::Bool(all);
  return StepText(view.size());
}

bool Interpreter::StringIsDigit(const Value& self, const Arguments& arguments, Value* out) {
  return TestCharacters(self, arguments, IsDigit, false, out);
}
bool Interpreter::StringIsDecimal(const Value& self, const Arguments& arguments, Value* out) {
  return TestCharacters(self, arguments, IsDecimal, false, out);
}
bool Interpreter::StringIsNumeric(const Value& self, const Arguments& arguments, Value* out) {
  return TestCharacters(self, arguments, IsNumeric, false, out);
}
bool Interpreter::StringIsAlpha(const Value& self, const Arguments& arguments, Value* out) {
  return TestCharacters(self, arguments, IsAlpha, false, out);
}
bool Interpreter::StringIsAlnum(const Value& self, const Arguments& arguments, Value* out) {
  const auto is = [](uint32_t c) { return IsAlpha(c) || IsNumeric(c) || IsDigit(c); };
  return TestCharacters(self, arguments, is, false, out);
}
bool Interpreter::StringIsSpace(const Value& self, const Arguments& arguments, Value* out) {
  return TestCharacters(self, arguments, IsSpace, false, out);
}
bool Interpreter::StringIsAscii(const Value& self, const Arguments& arguments, Value* out) {
  const auto is = [](uint32_t c) { return c < 0x80; };
  return TestCharacters(self, arguments, is, true, out);
}
bool Interpreter::StringIsPrintable(const Value& self, const Arguments& arguments, Value* out) {
  return TestCharacters(self, arguments, IsPrintable, true, out);
}

// Whether there is a cased letter, and all cased letters are upper case.
bool Interpreter::StringIsUpper(const Value& self, const Arguments& arguments, Value* out) {
  const auto is = [](uint32_t c) { return !IsLower(c) && !IsTitle(c); };
  const auto has_none = [](uint32_t c) { return !IsUpper(c); };
  Value none;
  if (!TestCharacters(self, arguments, is, false, out) ||
      !TestCharacters(self, arguments, has_none, true, &none)) {
    return false;
  }
  *out = Value::Bool(out->boolean && !none.boolean);
  return true;
}

bool Interpreter::StringIsLower(const Value& self, const Arguments& arguments, Value* out) {
  const auto is = [](uint32_t c) { return !IsUpper(c) && !IsTitle(c); };
  const auto has_none = [](uint32_t c) { return !IsLower(c); };
  Value none;
  if (!TestCharacters(self, arguments, is, false, out) ||
      !TestCharacters(self, arguments, has_none, true, &none)) {
    return false;
  }
  *out = Value::Bool(out->boolean && !none.boolean);
  return true;
}

}  // namespace clamma
