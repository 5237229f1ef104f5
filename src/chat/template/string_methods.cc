// SPDX-License-Identifier: MIT
// Methods of texts. Those that split texts are in string_methods_split.cc.
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {

bool Interpreter::FindStringMethod(const Value& object, std::string_view name, Value* out,
                                   bool* found) {
  static constexpr struct {
    std::string_view name;
    MethodFunction call;
  } kMethods[] = {
      {"strip", &Interpreter::StringStrip},
      {"lstrip", &Interpreter::StringLeftStrip},
      {"rstrip", &Interpreter::StringRightStrip},
      {"split", &Interpreter::StringSplit},
      {"rsplit", &Interpreter::StringRightSplit},
      {"splitlines", &Interpreter::StringSplitLines},
      {"partition", &Interpreter::StringPartition},
      {"rpartition", &Interpreter::StringRightPartition},
      {"startswith", &Interpreter::StringStartsWith},
      {"endswith", &Interpreter::StringEndsWith},
      {"removeprefix", &Interpreter::StringRemovePrefix},
      {"removesuffix", &Interpreter::StringRemoveSuffix},
      {"replace", &Interpreter::StringReplace},
      {"find", &Interpreter::StringFind},
      {"rfind", &Interpreter::StringRightFind},
      {"index", &Interpreter::StringIndex},
      {"rindex", &Interpreter::StringRightIndex},
      {"count", &Interpreter::StringCount},
      {"join", &Interpreter::StringJoin},
      {"lower", &Interpreter::StringLower},
      {"upper", &Interpreter::StringUpper},
      {"title", &Interpreter::StringTitle},
      {"capitalize", &Interpreter::StringCapitalize},
      {"center", &Interpreter::StringCenter},
      {"ljust", &Interpreter::StringLeftJustify},
      {"rjust", &Interpreter::StringRightJustify},
      {"zfill", &Interpreter::StringZeroFill},
      {"isdigit", &Interpreter::StringIsDigit},
      {"isdecimal", &Interpreter::StringIsDecimal},
      {"isnumeric", &Interpreter::StringIsNumeric},
      {"isalpha", &Interpreter::StringIsAlpha},
      {"isalnum", &Interpreter::StringIsAlnum},
      {"isspace", &Interpreter::StringIsSpace},
      {"isascii", &Interpreter::StringIsAscii},
      {"isprintable", &Interpreter::StringIsPrintable},
      {"isupper", &Interpreter::StringIsUpper},
      {"islower", &Interpreter::StringIsLower},
      {"format", &Interpreter::StringFormat},
      {"casefold", &Interpreter::RefuseMethod},
      {"encode", &Interpreter::RefuseMethod},
      {"expandtabs", &Interpreter::RefuseMethod},
      {"format_map", &Interpreter::RefuseMethod},
      {"isidentifier", &Interpreter::RefuseMethod},
      {"istitle", &Interpreter::RefuseMethod},
      {"maketrans", &Interpreter::RefuseMethod},
      {"swapcase", &Interpreter::RefuseMethod},
      {"translate", &Interpreter::RefuseMethod},
  };
  for (const auto& method : kMethods) {
    if (method.name != name) continue;
    *found = true;
    return NewMethod(object, method.call, out);
  }
  *found = false;
  return true;
}

// --- White space and affixes ---

// Removes the characters, or white space for nullptr, at the ends.
bool Interpreter::Strip(const Str& text, const Str* characters, bool left, bool right, Value* out) {
  const std::string_view view = text.view();
  const auto is_stripped = [&](const Character& c, size_t at) {
    if (characters == nullptr) return IsSpace(c.code_point);
    const std::string_view set = characters->view();
    for (size_t i = 0; i < set.size();) {
      const size_t length = CharacterAt(set, i).length;
      if (std::string_view(set.data() + i, length) ==
          std::string_view(view.data() + at, c.length)) {
        return true;
      }
      i += length;
    }
    return false;
  };
  size_t begin = 0, end = view.size();
  while (left && begin < end) {
    const Character c = CharacterAt(view, begin);
    if (!is_stripped(c, begin)) break;
    begin += c.length;
  }
  while (right && end > begin) {
    const Character c = CharacterBefore(view, end);
    if (!is_stripped(c, end - c.length)) break;
    end -= c.length;
  }
  const size_t taken = view.size() - (end - begin);
  const size_t set_size = characters == nullptr ? 1 : characters->size + 1;
  return Step(taken / 16 * set_size + 1) && NewTextPart(text, begin, end, out);
}

bool Interpreter::StripWith(const Str& text, const Arguments& arguments, bool left, bool right,
                            Value* out) {
  Value characters;
  if (!BindArguments(arguments, "strip()", "/?chars", &characters)) return false;
  if (IsUnset(characters) || characters.Is(Kind::kNone)) {
    return Strip(text, nullptr, left, right, out);
  }
  if (!characters.Is(Kind::kString)) return FailType("strip(): a text is expected", characters);
  return Strip(text, characters.str, left, right, out);
}

bool Interpreter::StringStrip(const Value& self, const Arguments& arguments, Value* out) {
  return StripWith(*self.str, arguments, true, true, out);
}
bool Interpreter::StringLeftStrip(const Value& self, const Arguments& arguments, Value* out) {
  return StripWith(*self.str, arguments, true, false, out);
}
bool Interpreter::StringRightStrip(const Value& self, const Arguments& arguments, Value* out) {
  return StripWith(*self.str, arguments, false, true, out);
}

// startswith() and endswith(), with a text or a tuple of texts, within bounds.
bool Interpreter::HasAffix(const Str& text, const Arguments& arguments, bool at_end, Value* out) {
  Value given[3];
  size_t begin = 0, end = 0;
  bool is_empty = false;
  if (!BindArguments(arguments, at_end ? "endswith()" : "startswith()", "/affix ?start ?end",
                     given) ||
      !Bounds(text, given[1], given[2], &begin, &end, &is_empty)) {
    return false;
  }
  const Value* affixes = given;
  size_t n = 1;
  if (given[0].Is(Kind::kTuple) && !Items(given[0], &affixes, &n)) return false;
  bool has = false;
  for (size_t i = 0; i < n && !has; ++i) {
    if (!affixes[i].Is(Kind::kString)) return FailType("a text is expected", affixes[i]);
    const std::string_view affix = affixes[i].str->view();
    if (is_empty || affix.size() > end - begin) continue;
    const size_t at = at_end ? end - affix.size() : begin;
    has = std::string_view(text.data + at, affix.size()) == affix;
    if (!StepText(affix.size())) return false;
  }
  *out = Value::Bool(has);
  return true;
}

bool Interpreter::StringStartsWith(const Value& self, const Arguments& arguments, Value* out) {
  return HasAffix(*self.str, arguments, false, out);
}
bool Interpreter::StringEndsWith(const Value& self, const Arguments& arguments, Value* out) {
  return HasAffix(*self.str, arguments, true, out);
}

bool Interpreter::StringRemovePrefix(const Value& self, const Arguments& arguments, Value* out) {
  Value has, affix;
  if (!BindArguments(arguments, "removeprefix()", "/prefix", &affix) ||
      !HasAffix(*self.str, arguments, false, &has)) {
    return false;
  }
  if (!affix.Is(Kind::kString)) return FailType("removeprefix(): a text is expected", affix);
  return NewTextPart(*self.str, has.boolean ? affix.str->size : 0, self.str->size, out);
}

bool Interpreter::StringRemoveSuffix(const Value& self, const Arguments& arguments, Value* out) {
  Value has, affix;
  if (!BindArguments(arguments, "removesuffix()", "/suffix", &affix) ||
      !HasAffix(*self.str, arguments, true, &has)) {
    return false;
  }
  if (!affix.Is(Kind::kString)) return FailType("removesuffix(): a text is expected", affix);
  return NewTextPart(*self.str, 0, self.str->size - (has.boolean ? affix.str->size : 0), out);
}

// --- Searching ---

// The bytes of text[start:end]. *is_empty is set if start is after the end: then not even "" is
// found.
bool Interpreter::Bounds(const Str& text, const Value& start, const Value& end, size_t* begin_byte,
                         size_t* end_byte, bool* is_empty) {
  *begin_byte = 0;
  *end_byte = text.size;
  *is_empty = false;
  const auto is_given = [](const Value& v) { return !IsUnset(v) && !v.Is(Kind::kNone); };
  if (!is_given(start) && !is_given(end)) return true;
  const auto length = static_cast<int64_t>(CountCharacters(text.view()));
  int64_t first = 0, last = length;
  if (is_given(start) && !ToIndex(start, &first)) return false;
  if (is_given(end) && !ToIndex(end, &last)) return false;
  const auto adjust = [length](int64_t i) { return i >= 0 ? i : i + length < 0 ? 0 : i + length; };
  first = adjust(first);
  last = adjust(last) > length ? length : adjust(last);
  *is_empty = first > last;
  if (*is_empty) return true;
  *begin_byte = ByteOfCharacter(text.view(), static_cast<size_t>(first));
  *end_byte = ByteOfCharacter(text.view(), static_cast<size_t>(last));
  return StepText(text.size);
}

bool Interpreter::FindIn(const Str& text, const Arguments& arguments, bool from_right,
                         int64_t* index) {
  Value given[3];
  size_t begin = 0, end = 0;
  bool is_empty = false;
  *index = -1;
  if (!BindArguments(arguments, "find()", "/sub ?start ?end", given) ||
      !Bounds(text, given[1], given[2], &begin, &end, &is_empty)) {
    return false;
  }
  if (!given[0].Is(Kind::kString)) return FailType("find(): a text is expected", given[0]);
  if (is_empty) return true;
  const std::string_view part = given[0].str->view(), within(text.data, end);
  size_t at = 0, latest = 0;
  bool found = false, any = false;
  if (from_right && part.empty()) {
    any = true;
    latest = end;
  }
  for (size_t from = begin; !any || from_right;) {
    if (any && part.empty()) break;
    if (!FindText(within, part, from, &at, &found)) return false;
    if (!found) break;
    any = true;
    latest = at;
    from = at + 1;
  }
  if (any) *index = static_cast<int64_t>(CountCharacters({text.data, latest}));
  return StepText(latest);
}

bool Interpreter::StringFind(const Value& self, const Arguments& arguments, Value* out) {
  *out = Value::Int(0);
  return FindIn(*self.str, arguments, false, &out->integer);
}
bool Interpreter::StringRightFind(const Value& self, const Arguments& arguments, Value* out) {
  *out = Value::Int(0);
  return FindIn(*self.str, arguments, true, &out->integer);
}
bool Interpreter::StringIndex(const Value& self, const Arguments& arguments, Value* out) {
  return StringFind(self, arguments, out) &&
         (out->integer >= 0 || Fail("index(): the text is not found"));
}
bool Interpreter::StringRightIndex(const Value& self, const Arguments& arguments, Value* out) {
  return StringRightFind(self, arguments, out) &&
         (out->integer >= 0 || Fail("rindex(): the text is not found"));
}

bool Interpreter::StringCount(const Value& self, const Arguments& arguments, Value* out) {
  Value given[3];
  size_t begin = 0, end = 0;
  bool is_empty = false;
  if (!BindArguments(arguments, "count()", "/sub ?start ?end", given) ||
      !Bounds(*self.str, given[1], given[2], &begin, &end, &is_empty)) {
    return false;
  }
  if (!given[0].Is(Kind::kString)) return FailType("count(): a text is expected", given[0]);
  const std::string_view part = given[0].str->view();
  int64_t n = 0;
  if (part.empty() && !is_empty) {
    n = static_cast<int64_t>(CountCharacters({self.str->data + begin, end - begin})) + 1;
  }
  for (size_t from = begin; !part.empty() && !is_empty; ++n) {
    size_t at = 0;
    bool found = false;
    if (!FindText({self.str->data, end}, part, from, &at, &found)) return false;
    if (!found) break;
    from = at + part.size();
  }
  *out = Value::Int(n);
  return StepText(self.str->size);
}

bool Interpreter::StringReplace(const Value& self, const Arguments& arguments, Value* out) {
  Value given[3];
  int64_t max = -1;
  if (!BindArguments(arguments, "replace()", "/old new ?count", given)) return false;
  for (int i = 0; i < 2; ++i) {
    if (!given[i].Is(Kind::kString)) return FailType("replace(): a text is expected", given[i]);
  }
  if (!IsUnset(given[2]) && !ToIndex(given[2], &max)) return false;
  return Replace(*self.str, *given[0].str, *given[1].str, max, out);
}

// Replaces at most `max` occurrences; a negative `max`: all.
bool Interpreter::Replace(const Str& text, const Str& old, const Str& with, int64_t max,
                          Value* out) {
  TextBuilder result(bump_, options_.limits.max_output);
  const auto add_part = [&](size_t begin, size_t end) {
    Str part = text;
    part.data += begin;
    part.size = end - begin;
    if (part.origins != nullptr) part.origins += begin;
    result.Add(part);
  };
  size_t from = 0;
  for (int64_t n = 0; max < 0 || n < max; ++n) {
    if (!result.ok()) return FailBuilder(result);
    size_t at = 0;
    bool found = false;
    if (old.size == 0) {  // insert before each character, and at the end
      if (!Step()) return false;
      result.Add(with);
      if (from == text.size) return NewText(&result, out);
      const size_t length = CharacterAt(text.view(), from).length;
      add_part(from, from + length);
      from += length;
      continue;
    }
    if (!FindText(text.view(), old.view(), from, &at, &found)) return false;
    if (!found) break;
    add_part(from, at);
    result.Add(with);
    from = at + old.size;
  }
  add_part(from, text.size);
  return NewText(&result, out);
}

bool Interpreter::Join(const Str& separator, const Value* items, size_t n, bool converts,
                       Value* out) {
  TextBuilder text(bump_, options_.limits.max_output);
  for (size_t i = 0; i < n; ++i) {
    if (i > 0) text.Add(separator);
    if (!converts && !items[i].Is(Kind::kString)) {
      return FailType("join(): a text is expected", items[i]);
    }
    if (!AddText(items[i], &text)) return false;
    if (!text.ok()) return FailBuilder(text);
  }
  return NewText(&text, out);
}

bool Interpreter::StringJoin(const Value& self, const Arguments& arguments, Value* out) {
  Value over;
  const Value* items = nullptr;
  size_t n = 0;
  return BindArguments(arguments, "join()", "/iterable", &over) && Items(over, &items, &n) &&
         Join(*self.str, items, n, false, out);
}

// --- Widths ---

bool Interpreter::Justify(const Str& text, const Arguments& arguments, char align, Value* out) {
  Value given[2];
  FormatSpec spec{};
  spec.fill = ' ';
  spec.align = align;
  if (!BindArguments(arguments, "a method that fills", "/width ?fillchar", given) ||
      !ToIndex(given[0], &spec.width)) {
    return false;
  }
  if (!IsUnset(given[1])) {
    if (!given[1].Is(Kind::kString) || given[1].str->size != 1) {
      return Fail("a single ASCII fill character is expected");
    }
    spec.fill = given[1].str->data[0];
  }
  TextBuilder result(bump_, options_.limits.max_output);
  Pad(spec, text, '<', &result);
  return NewText(&result, out);
}

bool Interpreter::StringCenter(const Value& self, const Arguments& arguments, Value* out) {
  return Justify(*self.str, arguments, 'c', out);
}
bool Interpreter::StringLeftJustify(const Value& self, const Arguments& arguments, Value* out) {
  return Justify(*self.str, arguments, '<', out);
}
bool Interpreter::StringRightJustify(const Value& self, const Arguments& arguments, Value* out) {
  return Justify(*self.str, arguments, '>', out);
}

bool Interpreter::StringZeroFill(const Value& self, const Arguments& arguments, Value* out) {
  Value width;
  FormatSpec spec{};
  spec.fill = '0';
  spec.align = '=';
  if (!BindArguments(arguments, "zfill()", "/width", &width) || !ToIndex(width, &spec.width)) {
    return false;
  }
  TextBuilder result(bump_, options_.limits.max_output);
  Pad(spec, *self.str, '=', &result);
  return NewText(&result, out);
}

}  // namespace clamma
