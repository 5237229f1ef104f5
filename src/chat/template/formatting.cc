// SPDX-License-Identifier: MIT
// Python's "%s" % x and "{}".format(x), as far as templates use them.
#include "chat/template/decimal.h"
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {
namespace {

constexpr int64_t kMaxWidth = 10000;

// Reads a number in a format. It stops growing above kMaxWidth, which the caller refuses.
bool ReadNumber(std::string_view text, size_t* i, int64_t* value) {
  *value = 0;
  const size_t begin = *i;
  for (; *i < text.size() && text[*i] >= '0' && text[*i] <= '9'; ++*i) {
    if (*value <= kMaxWidth) *value = *value * 10 + (text[*i] - '0');
  }
  return *i > begin;
}

bool IsAlign(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

}  // namespace

// Adds the piece, padded to the width.
void Interpreter::Pad(const FormatSpec& spec, const Str& piece, char default_align,
                      TextBuilder* text) {
  const auto size = static_cast<int64_t>(CountCharacters(piece.view()));
  const int64_t width = spec.width > size ? spec.width : size;
  const auto missing = static_cast<size_t>(width - size);
  const char align = spec.align != 0 ? spec.align : default_align;
  const char fill = spec.fill != 0 ? spec.fill : ' ';
  size_t left = 0;
  if (align == '>') left = missing;
  if (align == '^') left = missing / 2;
  if (align == 'c') left = missing / 2 + (missing & static_cast<size_t>(width) & 1);  // center()
  const bool has_sign = piece.size > 0 && (piece.data[0] == '-' || piece.data[0] == '+');
  if (align == '=') {
    Str sign = piece, rest = piece;
    sign.size = has_sign ? 1 : 0;
    rest.data += sign.size;
    rest.size -= sign.size;
    if (rest.origins != nullptr) rest.origins += sign.size;
    text->Add(sign);
    text->AddRepeated(fill, missing, Origin::kTemplate);
    text->Add(rest);
    return;
  }
  text->AddRepeated(fill, left, Origin::kTemplate);
  text->Add(piece);
  text->AddRepeated(fill, missing - left, Origin::kTemplate);
}

bool Interpreter::FormatNumber(const FormatSpec& spec, const Value& value, TextBuilder* text) {
  TextBuilder number(bump_, options_.limits.max_output);
  const bool is_fixed = spec.type == 'f' || spec.type == 'F';
  const bool is_negative = value.IsIntegral() ? value.AsInt() < 0 : value.real < 0;
  if (!is_negative && (spec.plus || spec.space)) {
    number.Add(spec.plus ? '+' : ' ', Origin::kTemplate);
  }
  if (is_fixed) {
    const int64_t precision = spec.precision < 0 ? 6 : spec.precision;
    if (precision > int64_t{kMaxPrecision}) return Fail("a format has too many digits");
    char digits[kMaxFixedBytes];
    number.Add({digits, FixedDouble(value.AsFloat(), static_cast<unsigned>(precision), digits)},
               Origin::kTemplate);
  } else if (spec.type == 'x' || spec.type == 'X' || spec.type == 'o') {
    const unsigned shift = spec.type == 'o' ? 3 : 4;
    const int64_t integer = value.AsInt();
    uint64_t rest =
        is_negative ? uint64_t{0} - static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
    char digits[24];
    size_t n = 0;
    const char* const alphabet = spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
      digits[n++] = alphabet[rest & ((1u << shift) - 1)];
      rest >>= shift;
    } while (rest != 0);
    if (is_negative) number.Add('-', Origin::kTemplate);
    while (n > 0) number.Add(digits[--n], Origin::kTemplate);
  } else {
    number.AddInt(value.AsInt(), Origin::kTemplate);
  }
  const Str* const str = number.Finish();
  if (str == nullptr) return FailBuilder(number);
  Pad(spec, *str, '>', text);
  return true;
}

bool Interpreter::FormatOne(const FormatSpec& spec, const Value& value, TextBuilder* text) {
  Value piece = value;
  switch (spec.type) {
    case 's':
    case 'r': {
      TextBuilder built(bump_, options_.limits.max_output);
      const bool ok = spec.type == 's' ? AddText(value, &built) : AddRepr(value, &built);
      if (!ok || !NewText(&built, &piece)) return false;
      break;
    }
    case 'd':
    case 'i':
    case 'u':
      if (!value.IsNumber()) return FailType("a number is expected for this format", value);
      if (value.Is(Kind::kFloat)) {
        if (!(value.real > -9e18 && value.real < 9e18)) {
          return Fail("integers beyond 64 bits are not supported");
        }
        piece = Value::Int(static_cast<int64_t>(value.real));
      }
      return FormatNumber(spec, piece, text);
    case 'x':
    case 'X':
    case 'o':
      if (!value.IsIntegral()) return FailType("an integer is expected for this format", value);
      return FormatNumber(spec, piece, text);
    case 'f':
    case 'F':
      if (!value.IsNumber()) return FailType("a number is expected for this format", value);
      return FormatNumber(spec, piece, text);
    default:
      return Fail("this format is not supported");
  }
  if (spec.precision >= 0) {
    const size_t end = ByteOfCharacter(piece.str->view(), static_cast<size_t>(spec.precision));
    const Value whole = piece;
    if (!NewTextPart(*whole.str, 0, end, &piece)) return false;
  }
  Pad(spec, *piece.str, '>', text);
  return true;
}

// format % arguments: a tuple holds all arguments; any other value is a single argument.
bool Interpreter::FormatPercent(const Str& format, const Value& arguments, Value* out) {
  if (arguments.Is(Kind::kTuple)) {
    return FormatPercentWith(format, arguments.list->items, arguments.list->size, nullptr, false,
                             out);
  }
  const Dict* const by_name = arguments.Is(Kind::kDict) ? arguments.dict : nullptr;
  const bool has_elements =
      arguments.Is(Kind::kList) || arguments.Is(Kind::kRange) || arguments.Is(Kind::kUndefined);
  return FormatPercentWith(format, &arguments, 1, by_name, has_elements, out);
}

// Reads "(name)" at *i and looks up its value.
bool Interpreter::ReadPercentName(std::string_view view, const Dict* by_name, size_t* i,
                                  Value* value) {
  const size_t begin = ++*i;
  while (*i < view.size() && view[*i] != ')') ++*i;
  if (*i == view.size()) return Fail("a format's name does not end");
  if (by_name == nullptr) return Fail("a format with names needs a dict");
  const Value* const found = DictFind(*by_name, std::string_view(view.data() + begin, *i - begin));
  if (found == nullptr) return Fail("a format's name is not in the dict");
  *value = *found;
  ++*i;
  return true;
}

// Reads [flags][width][.precision]type at *i.
bool Interpreter::ReadPercentSpec(std::string_view view, size_t* i, FormatSpec* spec) {
  for (; *i < view.size(); ++*i) {
    const char c = view[*i];
    if (c != '-' && c != '0' && c != '+' && c != ' ') break;
    if (c == '-') spec->align = '<';
    if (c == '0') spec->zero = true;
    if (c == '+') spec->plus = true;
    if (c == ' ') spec->space = true;
  }
  ReadNumber(view, i, &spec->width);
  if (*i < view.size() && view[*i] == '.') {
    ++*i;
    ReadNumber(view, i, &spec->precision);
  }
  if (spec->width > kMaxWidth) return Fail("a format is too wide");
  if (*i == view.size()) return Fail("a format does not end");
  spec->type = view[(*i)++];
  if (spec->zero && spec->align == 0 && spec->type != 's' && spec->type != 'r') {
    spec->align = '=';
    spec->fill = '0';
  }
  return true;
}

bool Interpreter::FormatPercentWith(const Str& format, const Value* items, size_t n,
                                    const Dict* by_name, bool allows_unused, Value* out) {
  const std::string_view view = format.view();
  TextBuilder text(bump_, options_.limits.max_output);
  size_t used = 0;
  bool named = false;
  for (size_t i = 0; i < view.size();) {
    if (view[i] != '%') {
      text.Add(view[i], format.OriginOf(i));
      ++i;
      continue;
    }
    ++i;
    FormatSpec spec{};
    spec.precision = -1;
    Value value;
    bool has_value = false;
    if (i < view.size() && view[i] == '(') {
      if (!ReadPercentName(view, by_name, &i, &value)) return false;
      has_value = named = true;
    }
    if (!ReadPercentSpec(view, &i, &spec)) return false;
    if (spec.type == '%') {
      text.Add('%', Origin::kTemplate);
      continue;
    }
    if (!has_value) {
      if (used == n) return Fail("there are too few values for the format");
      value = items[used++];
    }
    if (!FormatOne(spec, value, &text)) return false;
    if (!text.ok()) return FailBuilder(text);
  }
  // A single value with elements may stay unused.
  const bool may_be_unused = by_name != nullptr || (n == 1 && allows_unused);
  if (used < n && !named && !may_be_unused) {
    return Fail("there are too many values for the format");
  }
  return StepText(view.size()) && NewText(&text, out);
}

// --- str.format() ---

bool Interpreter::StringFormat(const Value& self, const Arguments& arguments, Value* out) {
  return FormatBraces(*self.str, arguments, out);
}

bool Interpreter::FormatBraces(const Str& format, const Arguments& arguments, Value* out) {
  const std::string_view view = format.view();
  TextBuilder text(bump_, options_.limits.max_output);
  size_t automatic = 0;
  for (size_t i = 0; i < view.size();) {
    const char c = view[i];
    const bool is_double = i + 1 < view.size() && view[i + 1] == c;
    if ((c != '{' && c != '}') || is_double) {
      text.Add(c, format.OriginOf(i));
      i += (c == '{' || c == '}') ? 2 : 1;
      continue;
    }
    if (c == '}') return Fail("format(): a single '}'");
    size_t end = i + 1;
    while (end < view.size() && view[end] != '}' && view[end] != '{') ++end;
    if (end == view.size()) return Fail("format(): '}' is expected");
    if (view[end] == '{') return Fail("format(): fields within fields are not supported");
    if (!FormatField(format, i + 1, end, arguments, &automatic, &text)) return false;
    if (!text.ok()) return FailBuilder(text);
    i = end + 1;
  }
  return StepText(view.size()) && NewText(&text, out);
}

// Formats a field [name or number][!conversion][:spec].
bool Interpreter::FormatField(const Str& format, size_t begin, size_t end,
                              const Arguments& arguments, size_t* automatic, TextBuilder* text) {
  const std::string_view view = format.view();
  size_t name_end = begin;
  while (name_end < end && view[name_end] != ':' && view[name_end] != '!') ++name_end;
  const std::string_view name(view.data() + begin, name_end - begin);
  size_t digits = 0;
  int64_t index = 0;
  const bool is_number = ReadNumber(name, &digits, &index) && digits == name.size();
  Value value;
  if (name.empty() || is_number) {
    if (name.empty()) index = static_cast<int64_t>((*automatic)++);
    if (static_cast<uint64_t>(index) >= arguments.n) return Fail("format(): too few values");
    value = arguments.values[index];
  } else {
    size_t k = 0;
    while (k < arguments.n_keywords && arguments.names[k]->view() != name) ++k;
    if (k == arguments.n_keywords) return Fail("format(): there is no argument of this name");
    value = arguments.keywords[k];
  }
  FormatSpec spec{};
  spec.precision = -1;
  if (name_end < end && view[name_end] == '!') {
    if (name_end + 1 == end) return Fail("format(): a conversion is expected");
    const char conversion = view[name_end + 1];
    const Value plain = value;
    TextBuilder built(bump_, options_.limits.max_output);
    if (conversion != 's' && conversion != 'r') return Fail("format(): an unknown conversion");
    if (conversion == 's' ? !AddText(plain, &built) : !AddRepr(plain, &built)) return false;
    if (!NewText(&built, &value)) return false;
    name_end += 2;
  }
  if (name_end < end) {
    if (view[name_end] != ':') return Fail("format(): ':' is expected");
    if (!ReadFormatSpec({view.data() + name_end + 1, end - name_end - 1}, &spec)) return false;
    if (value.Is(Kind::kUndefined) || !(value.Is(Kind::kString) || value.IsNumber())) {
      if (name_end + 1 < end) return Fail("format(): this format is not supported for this value");
    }
  }
  const bool is_text = !value.IsNumber() || value.Is(Kind::kBool);
  const char align = is_text ? '<' : '>';
  if (spec.zero && spec.align == 0) {
    spec.align = '=';
    spec.fill = '0';
  }
  if (spec.align == 0) spec.align = align;
  if (spec.type == 0) {
    if (value.Is(Kind::kFloat) && spec.precision >= 0) {
      return Fail("format(): this format is not supported");
    }
    spec.type = value.Is(Kind::kInt) ? 'd' : 's';
  } else if ((spec.type == 's') != value.Is(Kind::kString) ||
             (spec.type == 'd' && value.Is(Kind::kFloat))) {
    return Fail("format(): the format does not fit the value");
  }
  return FormatOne(spec, value, text);
}

// [[fill]align][sign][0][width][.precision][type]
bool Interpreter::ReadFormatSpec(std::string_view spec, FormatSpec* out) {
  size_t i = 0;
  if (spec.size() > 1 && IsAlign(spec[1])) {
    out->fill = spec[0];
    out->align = spec[1];
    i = 2;
  } else if (!spec.empty() && IsAlign(spec[0])) {
    out->align = spec[0];
    i = 1;
  }
  if (i < spec.size() && (spec[i] == '+' || spec[i] == '-' || spec[i] == ' ')) {
    out->plus = spec[i] == '+';
    out->space = spec[i] == ' ';
    ++i;
  }
  if (i < spec.size() && spec[i] == '0') {
    out->zero = true;
    ++i;
  }
  ReadNumber(spec, &i, &out->width);
  if (i < spec.size() && spec[i] == '.') {
    ++i;
    if (!ReadNumber(spec, &i, &out->precision)) return Fail("format(): digits are expected");
  }
  if (out->width > kMaxWidth || out->precision > kMaxWidth) return Fail("format(): too wide");
  if (i < spec.size()) out->type = spec[i++];
  const char t = out->type;
  const bool is_known =
      t == 0 || t == 's' || t == 'd' || t == 'f' || t == 'F' || t == 'x' || t == 'X' || t == 'o';
  return (i == spec.size() && is_known) || Fail("format(): this format is not supported");
}

}  // namespace clamma
