// SPDX-License-Identifier: MIT
// The table of filters, and the filters for texts and numbers.
#include <limits>

#include "chat/template/decimal.h"
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

// Copies a number as Python's int() and float() read it, without white space around it and without
// '_' between digits. Returns the length, 0 if it is not a number.
size_t CleanNumber(std::string_view text, char* out, size_t max) {
  size_t begin = 0, end = text.size();
  while (begin < end && IsSpace(static_cast<uint8_t>(text[begin]))) ++begin;
  while (end > begin && IsSpace(static_cast<uint8_t>(text[end - 1]))) --end;
  if (end - begin > max) return 0;
  const auto is_digit = [&](size_t i) {
    return i >= begin && i < end && text[i] >= '0' && text[i] <= '9';
  };
  size_t n = 0;
  for (size_t i = begin; i < end; ++i) {
    if (text[i] != '_') {
      out[n++] = text[i];
    } else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) {
      return 0;
    }
  }
  return n;
}

constexpr size_t kMaxNumber = 400;  // characters

enum class Number : uint8_t { kNone, kGood, kTooLarge };

Number ReadInt(std::string_view text, int64_t base, int64_t* value) {
  char digits[kMaxNumber];
  const size_t n = CleanNumber(text, digits, sizeof(digits));
  size_t i = 0;
  const bool is_negative = n > 0 && digits[0] == '-';
  if (n > 0 && (digits[0] == '-' || digits[0] == '+')) ++i;
  const char mark = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
  if (mark != '\0' && i + 2 < n && digits[i] == '0' && (digits[i + 1] | 0x20) == mark) i += 2;
  if (i == n) return Number::kNone;
  bool overflows = false;
  *value = 0;
  for (; i < n; ++i) {
    const char c = digits[i];
    const char low = static_cast<char>(c | 0x20);
    const int digit = c >= '0' && c <= '9'       ? c - '0'
                      : low >= 'a' && low <= 'z' ? low - 'a' + 10
                                                 : 99;
    if (digit >= base) return Number::kNone;
    overflows = overflows || __builtin_mul_overflow(*value, base, value) ||
                __builtin_add_overflow(*value, int64_t{is_negative ? -digit : digit}, value);
  }
  return overflows ? Number::kTooLarge : Number::kGood;
}

bool ReadFloat(std::string_view text, double* value) {
  char digits[kMaxNumber];
  const size_t n = CleanNumber(text, digits, sizeof(digits));
  if (n == 0) return false;
  const size_t sign = digits[0] == '-' || digits[0] == '+' ? 1 : 0;
  char word[9];
  size_t length = 0;
  for (size_t i = sign; i < n && length < sizeof(word); ++i) {
    word[length++] = static_cast<char>(digits[i] | 0x20);
  }
  const std::string_view name(word, length);
  double special = 0;
  if (name == "inf" || name == "infinity") {
    special = std::numeric_limits<double>::infinity();
  } else if (name == "nan") {
    special = std::numeric_limits<double>::quiet_NaN();
  } else {
    return ParseDouble({digits, n}, value);
  }
  *value = digits[0] == '-' ? -special : special;
  return true;
}

}  // namespace

constinit const Interpreter::FilterEntry Interpreter::kFilters[] = {
    {"abs", &Interpreter::FilterAbs},
    {"attr", &Interpreter::FilterAttr},
    {"batch", &Interpreter::FilterBatch},
    {"capitalize", &Interpreter::FilterCapitalize},
    {"center", &Interpreter::FilterCenter},
    {"count", &Interpreter::FilterLength},
    {"d", &Interpreter::FilterDefault},
    {"default", &Interpreter::FilterDefault},
    {"dictsort", &Interpreter::FilterDictSort},
    {"e", &Interpreter::FilterEscape},
    {"escape", &Interpreter::FilterEscape},
    {"first", &Interpreter::FilterFirst},
    {"float", &Interpreter::FilterFloat},
    {"format", &Interpreter::FilterFormat},
    {"groupby", &Interpreter::FilterGroupBy},
    {"indent", &Interpreter::FilterIndent},
    {"int", &Interpreter::FilterInt},
    {"items", &Interpreter::FilterItems},
    {"join", &Interpreter::FilterJoin},
    {"last", &Interpreter::FilterLast},
    {"length", &Interpreter::FilterLength},
    {"list", &Interpreter::FilterList},
    {"lower", &Interpreter::FilterLower},
    {"map", &Interpreter::FilterMap},
    {"max", &Interpreter::FilterMax},
    {"min", &Interpreter::FilterMin},
    {"reject", &Interpreter::FilterReject},
    {"rejectattr", &Interpreter::FilterRejectAttr},
    {"replace", &Interpreter::FilterReplace},
    {"reverse", &Interpreter::FilterReverse},
    {"round", &Interpreter::FilterRound},
    {"safe", &Interpreter::FilterSafe},
    {"select", &Interpreter::FilterSelect},
    {"selectattr", &Interpreter::FilterSelectAttr},
    {"slice", &Interpreter::FilterSlice},
    {"sort", &Interpreter::FilterSort},
    {"string", &Interpreter::FilterString},
    {"sum", &Interpreter::FilterSum},
    {"title", &Interpreter::FilterTitle},
    {"tojson", &Interpreter::FilterToJson},
    {"trim", &Interpreter::FilterTrim},
    {"truncate", &Interpreter::FilterTruncate},
    {"unique", &Interpreter::FilterUnique},
    {"upper", &Interpreter::FilterUpper},
    {"urlencode", &Interpreter::FilterUrlEncode},
    {"wordcount", &Interpreter::FilterWordCount},
};
const size_t Interpreter::kFilterCount = sizeof(kFilters) / sizeof(kFilters[0]);

bool Interpreter::ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments,
                              Value* out) {
  for (const auto& filter : kFilters) {
    if (filter.name == name) return (this->*filter.apply)(value, arguments, out);
  }
  return Fail("the filter %s is unknown or not supported", Quoted(name).c_str());
}

// --- Texts ---

bool Interpreter::FilterLower(const Value& value, const Arguments& arguments, Value* out) {
  return UnaryText(value, arguments, "lower", Casing::kLower, out);
}
bool Interpreter::FilterUpper(const Value& value, const Arguments& arguments, Value* out) {
  return UnaryText(value, arguments, "upper", Casing::kUpper, out);
}
bool Interpreter::FilterTitle(const Value& value, const Arguments& arguments, Value* out) {
  return UnaryText(value, arguments, "title", Casing::kFilterTitle, out);
}
bool Interpreter::FilterCapitalize(const Value& value, const Arguments& arguments, Value* out) {
  return UnaryText(value, arguments, "capitalize", Casing::kCapitalize, out);
}

bool Interpreter::FilterString(const Value& value, const Arguments& arguments, Value* out) {
  const Str* text = nullptr;
  if (!BindArguments(arguments, "string", "", nullptr) || !ToStr(value, &text)) return false;
  *out = Value::String(text);
  return true;
}

bool Interpreter::FilterSafe(const Value& value, const Arguments& arguments, Value* out) {
  Value text;
  if (!FilterString(value, arguments, &text) || !NewTextPart(*text.str, 0, text.str->size, out)) {
    return false;
  }
  Str* const safe = NewPart(bump_, *text.str, 0, text.str->size);
  if (safe == nullptr) return FailMemory();
  safe->is_safe = true;
  *out = Value::String(safe);
  return true;
}

bool Interpreter::FilterEscape(const Value& value, const Arguments& arguments, Value* out) {
  Value text;
  if (!FilterString(value, arguments, &text)) return false;
  *out = text;
  if (text.str->is_safe) return true;
  TextBuilder result(bump_, options_.limits.max_output);
  for (size_t i = 0; i < text.str->size; ++i) {
    const char c = text.str->data[i];
    const Origin origin = text.str->OriginOf(i);
    const std::string_view escaped = c == '&'    ? "&amp;"
                                     : c == '<'  ? "&lt;"
                                     : c == '>'  ? "&gt;"
                                     : c == '"'  ? "&#34;"
                                     : c == '\'' ? "&#39;"
                                                 : std::string_view(&c, 1);
    result.Add(escaped, origin);
  }
  Str* const str = result.Finish();
  if (str == nullptr) return FailBuilder(result);
  str->is_safe = true;
  *out = Value::String(str);
  return StepText(text.str->size);
}

bool Interpreter::FilterTrim(const Value& value, const Arguments& arguments, Value* out) {
  const Str* text = nullptr;
  Value characters;
  if (!BindArguments(arguments, "trim", "?chars", &characters) || !ToStr(value, &text)) {
    return false;
  }
  if (IsUnset(characters) || characters.Is(Kind::kNone)) {
    return Strip(*text, nullptr, true, true, out);
  }
  if (!characters.Is(Kind::kString)) return FailType("trim: a text is expected", characters);
  return Strip(*text, characters.str, true, true, out);
}

bool Interpreter::FilterReplace(const Value& value, const Arguments& arguments, Value* out) {
  Value given[3];
  const Str *text = nullptr, *old = nullptr, *with = nullptr;
  int64_t count = -1;
  if (!BindArguments(arguments, "replace", "old new ?count", given) || !ToStr(value, &text) ||
      !ToStr(given[0], &old) || !ToStr(given[1], &with)) {
    return false;
  }
  if (!IsUnset(given[2]) && !given[2].Is(Kind::kNone) && !ToIndex(given[2], &count)) return false;
  return Replace(*text, *old, *with, count, out);
}

bool Interpreter::FilterCenter(const Value& value, const Arguments& arguments, Value* out) {
  const Str* text = nullptr;
  Value width;
  if (!BindArguments(arguments, "center", "?width", &width) || !ToStr(value, &text)) return false;
  if (IsUnset(width)) width = Value::Int(80);
  const Arguments one{&width, 1, nullptr, nullptr, 0};
  return Justify(*text, one, 'c', out);
}

bool Interpreter::FilterFormat(const Value& value, const Arguments& arguments, Value* out) {
  const Str* format = nullptr;
  if (arguments.n > 0 && arguments.n_keywords > 0) {
    return Fail("format: arguments with and without names cannot be mixed");
  }
  if (!ToStr(value, &format)) return false;
  if (arguments.n_keywords == 0) {
    return FormatPercentWith(*format, arguments.values, arguments.n, nullptr, false, out);
  }
  Value names;
  if (!CallDict(Kind::kDict, arguments, &names)) return false;
  return FormatPercentWith(*format, &names, 1, names.dict, false, out);
}

// Puts the indentation before each line except the first and empty ones.
bool Interpreter::FilterIndent(const Value& value, const Arguments& arguments, Value* out) {
  Value given[3];
  bool first = false, blank = false;
  if (!BindArguments(arguments, "indent", "?width ?first ?blank", given)) return false;
  if (!value.Is(Kind::kString)) return FailType("indent: a text is expected", value);
  if (!IsUnset(given[1]) && !Truth(given[1], &first)) return false;
  if (!IsUnset(given[2]) && !Truth(given[2], &blank)) return false;
  Value indent = IsUnset(given[0]) ? Value::Int(4) : given[0];
  if (indent.IsIntegral()) {
    const int64_t n = indent.AsInt();
    Value space;
    if (!NewTextCopy(" ", &space) || !Repeat(space, n, &indent)) return false;
  }
  if (!indent.Is(Kind::kString)) return FailType("indent: a width is expected", indent);
  Value newline, text, lines;
  const Arguments none{nullptr, 0, nullptr, nullptr, 0};
  if (!NewTextCopy("\n", &newline) || !AddStrings(*value.str, *newline.str, &text) ||
      !StringSplitLines(text, none, &lines)) {
    return false;
  }
  TextBuilder result(bump_, options_.limits.max_output);
  for (size_t i = 0; i < lines.list->size; ++i) {
    const Str& line = *lines.list->items[i].str;
    if (i > 0) result.Add('\n', Origin::kTemplate);
    if (i == 0 ? first : blank || line.size > 0) result.Add(*indent.str);
    result.Add(line);
  }
  return NewText(&result, out);
}

bool Interpreter::FilterTruncate(const Value& value, const Arguments& arguments, Value* out) {
  Value given[4];
  if (!BindArguments(arguments, "truncate", "?length ?killwords ?end ?leeway", given)) return false;
  int64_t length = 255, leeway = 5, size = 0, end_size = 0;
  bool kills = false;
  if (!IsUnset(given[0]) && !ToIndex(given[0], &length)) return false;
  if (!IsUnset(given[1]) && !Truth(given[1], &kills)) return false;
  if (!IsUnset(given[3]) && !given[3].Is(Kind::kNone) && !ToIndex(given[3], &leeway)) return false;
  if (IsUnset(given[2]) && !NewTextCopy("...", &given[2])) return false;
  if (!given[2].Is(Kind::kString)) return FailType("truncate: a text is expected", given[2]);
  if (!Length(value, &size) || !Length(given[2], &end_size)) return false;
  if (length < end_size || leeway < 0) return Fail("truncate: the length is too small");
  *out = value;
  if (size - leeway <= length) return true;
  if (!value.Is(Kind::kString)) return FailType("truncate: a text is expected", value);
  size_t end = ByteOfCharacter(value.str->view(), static_cast<size_t>(length - end_size));
  for (size_t i = end; !kills && i-- > 0;) {
    if (value.str->data[i] != ' ') continue;
    end = i;
    break;
  }
  Value head;
  return NewTextPart(*value.str, 0, end, &head) && AddStrings(*head.str, *given[2].str, out);
}

bool Interpreter::FilterWordCount(const Value& value, const Arguments& arguments, Value* out) {
  const Str* text = nullptr;
  if (!BindArguments(arguments, "wordcount", "", nullptr) || !ToStr(value, &text)) return false;
  int64_t n = 0;
  bool in_word = false;
  for (size_t i = 0; i < text->size;) {
    const Character c = CharacterAt(text->view(), i);
    const bool is_word = IsAlpha(c.code_point) || IsNumeric(c.code_point) || c.code_point == '_';
    n += is_word && !in_word ? 1 : 0;
    in_word = is_word;
    i += c.length;
  }
  *out = Value::Int(n);
  return StepText(text->size);
}

bool Interpreter::FilterUrlEncode(const Value& value, const Arguments& arguments, Value* out) {
  const Str* text = nullptr;
  if (!BindArguments(arguments, "urlencode", "", nullptr)) return false;
  bool is_true = false;
  if (!Truth(value, &is_true)) return false;
  const bool is_scalar = value.Is(Kind::kString) || value.IsNumber();
  if (!is_scalar && !is_true && !value.Is(Kind::kNone)) return NewTextCopy({}, out);
  if (!is_scalar) {
    return FailType("urlencode: what is no text is not supported", value);
  }
  if (!ToStr(value, &text)) return false;
  TextBuilder result(bump_, options_.limits.max_output);
  for (size_t i = 0; i < text->size; ++i) {
    const char c = text->data[i];
    const auto byte = static_cast<uint8_t>(c);
    const bool is_plain = byte < 0x80 && (IsAlpha(byte) || IsDigit(byte) || c == '_' || c == '.' ||
                                          c == '-' || c == '~' || c == '/');
    if (is_plain) {
      result.Add(c, text->OriginOf(i));
    } else {
      const char escape[3] = {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
      result.Add({escape, 3}, text->OriginOf(i));
    }
  }
  return NewText(&result, out);
}

// --- Numbers ---

bool Interpreter::FilterAbs(const Value& value, const Arguments& arguments, Value* out) {
  if (!BindArguments(arguments, "abs", "", nullptr)) return false;
  if (!value.IsNumber()) return FailType("abs: a number is expected", value);
  *out = value;
  if (value.Is(Kind::kFloat)) {
    out->real =
        value.real < 0 || (value.real == 0 && 1 / value.real < 0) ? -value.real : value.real;
    return true;
  }
  const int64_t integer = value.AsInt();
  if (integer == INT64_MIN) return Fail("integers beyond 64 bits are not supported");
  *out = Value::Int(integer < 0 ? -integer : integer);
  return true;
}

bool Interpreter::FilterInt(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  int64_t base = 10;
  if (!BindArguments(arguments, "int", "?default ?base", given)) return false;
  if (!IsUnset(given[1]) && !ToIndex(given[1], &base)) return false;
  if (value.Is(Kind::kUndefined)) return FailUndefined(value);
  const Value otherwise = IsUnset(given[0]) ? Value::Int(0) : given[0];
  double real = 0;
  if (value.IsIntegral()) {
    *out = Value::Int(value.AsInt());
    return true;
  }
  if (value.Is(Kind::kFloat)) {
    real = value.real;
    if (real - real != 0 && real == real) return Fail("int: infinity is no integer");
  } else if (value.Is(Kind::kString)) {
    if (base < 2 || base > 36) return Fail("int: this base is not supported");
    int64_t integer = 0;
    const Number number = ReadInt(value.str->view(), base, &integer);
    if (number == Number::kTooLarge) return Fail("integers beyond 64 bits are not supported");
    if (number == Number::kGood) {
      *out = Value::Int(integer);
      return true;
    }
    if (!ReadFloat(value.str->view(), &real)) real = std::numeric_limits<double>::quiet_NaN();
  } else {
    real = std::numeric_limits<double>::quiet_NaN();
  }
  if (real - real != 0) {
    *out = otherwise;
    return true;
  }
  if (!(real > -9223372036854775808.0 && real < 9223372036854775808.0)) {
    return Fail("integers beyond 64 bits are not supported");
  }
  *out = Value::Int(static_cast<int64_t>(real));
  return true;
}

bool Interpreter::FilterFloat(const Value& value, const Arguments& arguments, Value* out) {
  Value otherwise;
  if (!BindArguments(arguments, "float", "?default", &otherwise)) return false;
  if (value.Is(Kind::kUndefined)) return FailUndefined(value);
  if (value.IsNumber()) {
    *out = Value::Float(value.AsFloat());
    return true;
  }
  double real = 0;
  if (value.Is(Kind::kString) && ReadFloat(value.str->view(), &real)) {
    *out = Value::Float(real);
    return true;
  }
  *out = IsUnset(otherwise) ? Value::Float(0) : otherwise;
  return true;
}

bool Interpreter::FilterRound(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  int64_t precision = 0;
  if (!BindArguments(arguments, "round", "?precision ?method", given)) return false;
  if (!value.IsNumber()) return FailType("round: a number is expected", value);
  if (!IsUnset(given[0]) && !ToIndex(given[0], &precision)) return false;
  const std::string_view method = IsUnset(given[1])            ? "common"
                                  : given[1].Is(Kind::kString) ? given[1].str->view()
                                                               : "";
  if (method != "common" && method != "ceil" && method != "floor") {
    return Fail("round: the method is common, ceil or floor");
  }
  constexpr int64_t kMax = 15;
  if (precision < 0 || precision > kMax) return Fail("round: this precision is not supported");
  const double real = value.AsFloat();
  if (method == "common") {
    if (value.IsIntegral()) {
      *out = Value::Int(value.AsInt());
      return true;
    }
    char digits[kMaxFixedBytes];
    *out = value;
    if (real - real != 0) return true;
    const size_t n = FixedDouble(real, static_cast<unsigned>(precision), digits);
    return ParseDouble({digits, n}, &out->real) || Fail("round: a number is expected");
  }
  double scale = 1;
  for (int64_t i = 0; i < precision; ++i) scale *= 10;
  if (real - real != 0) return Fail("round: infinity has no %s", Quoted(method).c_str());
  const double scaled = real * scale;
  // math.ceil() and math.floor() return integers, which have no negative 0.
  const double whole = method == "floor" ? Floor(scaled) : -Floor(-scaled);
  *out = Value::Float((whole + 0.0) / scale);
  return true;
}

}  // namespace clamma
