// SPDX-License-Identifier: MIT
#include "chat/json.h"

#include <cstdint>
#include <limits>

#include "chat/template/decimal.h"
#include "chat/template/text_builder.h"
#include "chat/template/unicode.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {
namespace {

class JsonParser {
 public:
  JsonParser(Bump& bump, std::string_view text, Origin origin)
      : bump_(bump), text_(text), origin_(origin) {}

  bool ParseAll(Value* value) {
    SkipSpace();
    if (!ParseValue(value, 0)) return false;
    SkipSpace();
    return i_ == text_.size() || Fail("there is more than one value");
  }
  const Status& status() const { return status_; }

 private:
  bool Fail(const char* reason) {
    const std::string_view rest(text_.data() + i_, text_.size() - i_);
    status_ = Status::Error(StatusCode::kInvalidArgument, "JSON, byte %zu, at %s: %s", i_,
                            Quoted(Front(rest, 24)).c_str(), reason);
    return false;
  }
  bool FailMemory() {
    status_ = bump_.status();
    return false;
  }

  char Peek() const { return i_ < text_.size() ? text_[i_] : '\0'; }
  bool Take(char c) {
    if (i_ == text_.size() || text_[i_] != c) return false;
    ++i_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!StartsWith({text_.data() + i_, text_.size() - i_}, word)) return false;
    i_ += word.size();
    return true;
  }
  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') ++i_;
  }

  bool ParseValue(Value* value, unsigned depth) {
    switch (Peek()) {
      case '{':
        return ParseObject(value, depth);
      case '[':
        return ParseArray(value, depth);
      case '"':
        return ParseString(value);
      default:
        return ParseWord(value) || (status_.ok() && ParseNumber(value));
    }
  }
  bool ParseWord(Value* value);
  bool ParseNumber(Value* value);
  bool ParseObject(Value* value, unsigned depth);
  bool ParseArray(Value* value, unsigned depth);
  bool ParseString(Value* value);
  bool ParseEscape(TextBuilder* out);
  bool ParseHex(uint32_t* unit);

  Bump& bump_;
  std::string_view text_;
  Origin origin_;
  size_t i_ = 0;
  Status status_;
};

bool JsonParser::ParseWord(Value* value) {
  if (TakeWord("null")) {
    *value = Value::None();
  } else if (TakeWord("true")) {
    *value = Value::Bool(true);
  } else if (TakeWord("false")) {
    *value = Value::Bool(false);
  } else if (TakeWord("NaN")) {
    *value = Value::Float(std::numeric_limits<double>::quiet_NaN());
  } else if (TakeWord("Infinity")) {
    *value = Value::Float(std::numeric_limits<double>::infinity());
  } else if (TakeWord("-Infinity")) {
    *value = Value::Float(-std::numeric_limits<double>::infinity());
  } else {
    return false;
  }
  return true;
}

bool JsonParser::ParseNumber(Value* value) {
  const size_t begin = i_;
  const auto skip_digits = [this] {
    const size_t first = i_;
    while (Peek() >= '0' && Peek() <= '9') ++i_;
    return i_ > first;
  };
  Take('-');
  if (!Take('0') && !skip_digits()) {
    i_ = begin;
    return Fail("a value is expected");
  }
  bool is_float = false;
  if (Peek() == '.') {
    ++i_;
    is_float = true;
    if (!skip_digits()) return Fail("digits are expected");
  }
  if (Peek() == 'e' || Peek() == 'E') {
    ++i_;
    is_float = true;
    if (!Take('+')) Take('-');
    if (!skip_digits()) return Fail("digits are expected");
  }
  const std::string_view number(text_.data() + begin, i_ - begin);
  if (is_float) {
    *value = Value::Float(0);
    return ParseDouble(number, &value->real) || Fail("a number is expected");
  }
  int64_t integer = 0;
  const bool is_negative = number[0] == '-';
  for (size_t k = is_negative ? 1 : 0; k < number.size(); ++k) {
    const int digit = number[k] - '0';
    if (__builtin_mul_overflow(integer, int64_t{10}, &integer) ||
        __builtin_add_overflow(integer, int64_t{is_negative ? -digit : digit}, &integer)) {
      i_ = begin;
      return Fail("integers beyond 64 bits are not supported");
    }
  }
  *value = Value::Int(integer);
  return true;
}

bool JsonParser::ParseObject(Value* value, unsigned depth) {
  if (depth == kMaxJsonDepth) return Fail("lists and objects are nested too deeply");
  ++i_;
  Dict* const dict = NewDict(bump_);
  if (dict == nullptr) return FailMemory();
  *value = Value::Of(Kind::kDict, dict);
  SkipSpace();
  if (Take('}')) return true;
  do {
    Value key, element;
    SkipSpace();
    if (Peek() != '"') return Fail("a key in double quotes is expected");
    if (!ParseString(&key)) return false;
    SkipSpace();
    if (!Take(':')) return Fail("':' is expected");
    SkipSpace();
    if (!ParseValue(&element, depth + 1)) return false;
    if (!DictSet(bump_, *dict, key, element)) return FailMemory();
    SkipSpace();
  } while (Take(','));
  return Take('}') || Fail("',' or '}' is expected");
}

bool JsonParser::ParseArray(Value* value, unsigned depth) {
  if (depth == kMaxJsonDepth) return Fail("lists and objects are nested too deeply");
  ++i_;
  List* const list = NewList(bump_, 4);
  if (list == nullptr) return FailMemory();
  size_t capacity = list->size;
  list->size = 0;
  *value = Value::Of(Kind::kList, list);
  SkipSpace();
  if (Take(']')) return true;
  do {
    Value element;
    SkipSpace();
    if (!ParseValue(&element, depth + 1)) return false;
    if (list->size == capacity) {
      auto* const items = bump_.New<Value>(uint64_t{2} * capacity);
      if (items == nullptr) return FailMemory();
      for (size_t k = 0; k < list->size; ++k) items[k] = list->items[k];
      list->items = items;
      capacity *= 2;
    }
    list->items[list->size++] = element;
    SkipSpace();
  } while (Take(','));
  return Take(']') || Fail("',' or ']' is expected");
}

bool JsonParser::ParseString(Value* value) {
  ++i_;
  TextBuilder out(bump_, kMaxJsonBytes);
  for (size_t begin = i_;;) {
    if (i_ == text_.size()) return Fail("the string does not end");
    const char c = text_[i_];
    if (static_cast<uint8_t>(c) < 0x20) return Fail("a control character in a string");
    if (c != '"' && c != '\\') {
      const Character character = CharacterAt(text_, i_);
      if (character.code_point == kNoCharacter) return Fail("invalid UTF-8");
      i_ += character.length;
      continue;
    }
    out.Add({text_.data() + begin, i_ - begin}, origin_);
    ++i_;
    if (c == '"') break;
    if (!ParseEscape(&out)) return false;
    begin = i_;
  }
  const Str* const str = out.Finish();
  if (str == nullptr) return FailMemory();
  *value = Value::String(str);
  return true;
}

bool JsonParser::ParseHex(uint32_t* unit) {
  *unit = 0;
  for (int k = 0; k < 4; ++k, ++i_) {
    const char c = Peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return Fail("four hexadecimal digits are expected");
    *unit = *unit << 4 | static_cast<uint32_t>(digit);
  }
  return true;
}

bool JsonParser::ParseEscape(TextBuilder* out) {
  static constexpr char kNames[] = "\"\\/bfnrt";
  static constexpr char kBytes[] = "\"\\/\b\f\n\r\t";
  const char c = Peek();
  for (size_t k = 0; k + 1 < sizeof(kNames); ++k) {
    if (c == kNames[k]) {
      ++i_;
      out->Add(kBytes[k], origin_);
      return true;
    }
  }
  if (c != 'u') return Fail("an unknown escape");
  ++i_;
  uint32_t unit = 0, low = 0;
  if (!ParseHex(&unit)) return false;
  if (unit >= 0xd800 && unit < 0xe000) {
    const bool is_pair = unit < 0xdc00 && TakeWord("\\u");
    if (is_pair && !ParseHex(&low)) return false;
    if (!is_pair || low < 0xdc00 || low >= 0xe000) return Fail("half of a UTF-16 pair");
    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  }
  out->AddCharacter(unit, origin_);
  return true;
}

}  // namespace

Status ParseJson(Bump& bump, std::string_view text, Origin origin, Value* value) {
  if (text.size() > kMaxJsonBytes) {
    return Status::Error(StatusCode::kLimit, "a JSON text has %zu bytes: the limit is %zu",
                         text.size(), kMaxJsonBytes);
  }
  JsonParser parser(bump, text, origin);
  return parser.ParseAll(value) ? Status() : parser.status();
}

}  // namespace clamma
