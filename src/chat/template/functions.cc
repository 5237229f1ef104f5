// SPDX-License-Identifier: MIT
// The functions that templates can call by name, and the code that all calls share.
#include "chat/template/interpreter.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

enum Function : uint8_t {
  kRangeFunction,
  kDictFunction,
  kNamespaceFunction,
  kCyclerFunction,
  kJoinerFunction,
  kRaiseException,
  kStrftimeNow,
  kLipsum,
};

constexpr std::string_view kNames[] = {
    "range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now", "lipsum"};

constexpr Missing kUnset = {"", Missing::Reason::kOther, Kind::kUndefined};

// Returns the next name of a signature, and whether the argument is optional.
std::string_view NextName(const char** signature, bool* is_optional) {
  while (**signature == ' ' || **signature == '/') ++*signature;
  *is_optional = **signature == '?';
  if (*is_optional) ++*signature;
  const char* const begin = *signature;
  while (**signature != ' ' && **signature != '\0') ++*signature;
  return {begin, static_cast<size_t>(*signature - begin)};
}

}  // namespace

bool FindFunction(std::string_view name, Value* out) {
  for (size_t i = 0; i < sizeof(kNames) / sizeof(kNames[0]); ++i) {
    if (name != kNames[i]) continue;
    *out = Value();
    out->kind = Kind::kFunction;
    out->detail = static_cast<uint8_t>(i);
    return true;
  }
  return false;
}

bool Interpreter::IsUnset(const Value& value) {
  return value.Is(Kind::kUndefined) && value.missing == &kUnset;
}

bool Interpreter::BindArguments(const Arguments& arguments, const char* function,
                                const char* signature, Value* out) {
  const bool by_name = *signature != '/';
  size_t n = 0, n_named = 0;
  for (bool is_optional = false;; ++n) {
    const std::string_view name = NextName(&signature, &is_optional);
    if (name.empty()) break;
    out[n] = Value();
    out[n].missing = &kUnset;
    if (n < arguments.n) out[n] = arguments.values[n];
    for (size_t k = 0; by_name && k < arguments.n_keywords; ++k) {
      if (arguments.names[k]->view() != name) continue;
      if (n < arguments.n) return Fail("an argument of %s is given twice", function);
      out[n] = arguments.keywords[k];
      ++n_named;
    }
    if (IsUnset(out[n]) && !is_optional) return Fail("%s lacks an argument", function);
  }
  if (arguments.n > n) return Fail("%s takes at most %zu arguments", function, n);
  return n_named == arguments.n_keywords || Fail("%s takes no such named argument", function);
}

bool Interpreter::ToIndex(const Value& value, int64_t* index) {
  if (!value.IsIntegral()) return FailType("an integer is expected", value);
  *index = value.AsInt();
  return true;
}

bool Interpreter::NewMethod(const Value& self, MethodFunction call, Value* out) {
  auto* const method = bump_.New<Method>();
  if (method == nullptr) return FailMemory();
  *method = Method{self, call};
  *out = Value();
  out->kind = Kind::kMethod;
  out->method = method;
  return true;
}

bool Interpreter::NewText(TextBuilder* text, Value* out) {
  const Str* const str = text->Finish();
  if (str == nullptr) return FailBuilder(*text);
  *out = Value::String(str);
  return StepText(str->size);
}

bool Interpreter::NewTextPart(const Str& text, size_t begin, size_t end, Value* out) {
  const Str* const str = NewPart(bump_, text, begin, end);
  if (str == nullptr) return FailMemory();
  *out = Value::String(str);
  return true;
}

bool Interpreter::NewTextCopy(std::string_view text, Value* out) {
  const Str* const str = NewStr(bump_, text, Origin::kTemplate);
  if (str == nullptr) return FailMemory();
  *out = Value::String(str);
  return true;
}

bool Interpreter::Call(const Value& callee, const Arguments& arguments, Value* out) {
  switch (callee.kind) {
    case Kind::kMacro:
      return CallMacro(*callee.macro, arguments, out);
    case Kind::kMethod: {
      const Method& method = *callee.method;
      return (this->*method.call)(method.self, arguments, out);
    }
    case Kind::kFunction:
      return CallFunction(callee.detail, arguments, out);
    case Kind::kJoiner:
      return CallJoiner(callee.joiner, arguments, out);
    case Kind::kLoop:
      return Fail("recursive loops are not supported");
    default:
      return FailType("a callable value is expected", callee);
  }
}

bool Interpreter::CallFunction(uint8_t which, const Arguments& arguments, Value* out) {
  Value argument;
  switch (which) {
    case kRangeFunction:
      return CallRange(arguments, out);
    case kDictFunction:
      return CallDict(Kind::kDict, arguments, out);
    case kNamespaceFunction:
      return CallDict(Kind::kNamespace, arguments, out);
    case kCyclerFunction:
      return CallCycler(arguments, out);
    case kJoinerFunction: {
      auto* const joiner = bump_.New<Joiner>();
      if (joiner == nullptr) return FailMemory();
      if (!BindArguments(arguments, "joiner", "?sep", &argument)) return false;
      if (IsUnset(argument) && !NewTextCopy(", ", &argument)) return false;
      joiner->separator = argument;
      *out = Value();
      out->kind = Kind::kJoiner;
      out->joiner = joiner;
      return true;
    }
    case kRaiseException: {
      const Str* message = nullptr;
      if (!BindArguments(arguments, "raise_exception", "message", &argument) ||
          !ToStr(argument, &message)) {
        return false;
      }
      // A message ends at the first NUL.
      char text[Status::kMaxMessage + 1];
      size_t n = 0;
      for (; n < message->size && n < Status::kMaxMessage; ++n) {
        text[n] = message->data[n] == '\0' ? '?' : message->data[n];
      }
      text[n] = '\0';
      was_raised_ = true;
      status_ = Status::Error(StatusCode::kInvalidArgument, "%s", text);
      return false;
    }
    case kStrftimeNow:
      return CallStrftime(arguments, out);
    default:
      return Fail("the function lipsum is not supported in chat templates");
  }
}

bool Interpreter::CallRange(const Arguments& arguments, Value* out) {
  Value bounds[3];
  int64_t start = 0, stop = 0, step = 1;
  if (!BindArguments(arguments, "range", "/start ?stop ?step", bounds) ||
      !ToIndex(bounds[0], &stop)) {
    return false;
  }
  if (!IsUnset(bounds[1])) {
    start = stop;
    if (!ToIndex(bounds[1], &stop)) return false;
  }
  if (!IsUnset(bounds[2]) && !ToIndex(bounds[2], &step)) return false;
  if (step == 0) return Fail("the step of a range is 0");
  uint64_t size = 0;
  if (step > 0 ? start < stop : start > stop) {
    const uint64_t distance = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                       : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
    const uint64_t stride =
        step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
    size = (distance - 1) / stride + 1;
  }
  if (size > static_cast<uint64_t>(TemplateLimits::kMaxRange)) {
    return Fail("a range of more than %d numbers, the limit",
                static_cast<int>(TemplateLimits::kMaxRange));
  }
  auto* const range = bump_.New<Range>();
  if (range == nullptr) return FailMemory();
  *range = Range{start, step, static_cast<int64_t>(size)};
  *out = Value();
  out->kind = Kind::kRange;
  out->range = range;
  return true;
}

// dict(dict_or_pairs, name=value, ...)
bool Interpreter::UpdateDict(Dict* dict, const Value& value) {
  if (value.Is(Kind::kDict)) {
    for (size_t i = 0; i < value.dict->size; ++i) {
      if (!DictSet(bump_, *dict, value.dict->keys[i], value.dict->values[i])) return FailMemory();
    }
    return Step(value.dict->size);
  }
  const Value* pairs = nullptr;
  size_t n = 0;
  if (!Items(value, &pairs, &n) || !Step(n)) return false;
  for (size_t i = 0; i < n; ++i) {
    const Value* pair = nullptr;
    size_t size = 0;
    if (!Items(pairs[i], &pair, &size)) return false;
    if (size != 2) return Fail("a dict is made of pairs");
    if (!CheckKey(pair[0])) return false;
    if (!DictSet(bump_, *dict, pair[0], pair[1])) return FailMemory();
  }
  return true;
}

bool Interpreter::CallDict(Kind kind, const Arguments& arguments, Value* out) {
  Dict* const dict = NewDict(bump_);
  if (dict == nullptr) return FailMemory();
  if (arguments.n > 1) return Fail("at most one argument without a name is expected");
  if (arguments.n == 1 && !UpdateDict(dict, arguments.values[0])) return false;
  for (size_t i = 0; i < arguments.n_keywords; ++i) {
    if (!DictSet(bump_, *dict, Value::String(arguments.names[i]), arguments.keywords[i])) {
      return FailMemory();
    }
  }
  for (size_t i = 0; kind == Kind::kNamespace && i < dict->size; ++i) {
    if (dict->keys[i].Is(Kind::kString) && dict->keys[i].str->size > 0 &&
        dict->keys[i].str->data[0] == '_') {
      return Fail("attributes of a namespace cannot begin with an underscore");
    }
  }
  *out = Value::Of(kind, dict);
  return true;
}

bool Interpreter::CallStrftime(const Arguments& arguments, Value* out) {
  Value format;
  if (!BindArguments(arguments, "strftime_now", "format", &format)) return false;
  if (!format.Is(Kind::kString)) return FailType("a format is expected", format);
  TextBuilder text(bump_, options_.limits.max_output);
  return AddDate(format.str->view(), &text) && NewText(&text, out);
}

bool Interpreter::CallCycler(const Arguments& arguments, Value* out) {
  if (arguments.n == 0 || arguments.n_keywords > 0) return Fail("cycler() needs values to cycle");
  auto* const cycler = bump_.New<Cycler>();
  auto* const list = bump_.New<List>();
  if (cycler == nullptr || list == nullptr) return FailMemory();
  *list = List{arguments.values, arguments.n, 0};
  cycler->items = list;
  *out = Value();
  out->kind = Kind::kCycler;
  out->cycler = cycler;
  return true;
}

bool Interpreter::CyclerNext(const Value& self, const Arguments& arguments, Value* out) {
  if (arguments.n + arguments.n_keywords > 0) return Fail("next() takes no arguments");
  Cycler* const cycler = self.cycler;
  *out = cycler->items->items[cycler->at];
  cycler->at = (cycler->at + 1) % cycler->items->size;
  return true;
}

bool Interpreter::CyclerReset(const Value& self, const Arguments& arguments, Value* out) {
  if (arguments.n + arguments.n_keywords > 0) return Fail("reset() takes no arguments");
  self.cycler->at = 0;
  *out = Value::None();
  return true;
}

bool Interpreter::CallJoiner(Joiner* joiner, const Arguments& arguments, Value* out) {
  if (arguments.n + arguments.n_keywords > 0) return Fail("a joiner takes no arguments");
  if (joiner->is_used) {
    *out = joiner->separator;
    return true;
  }
  joiner->is_used = true;
  return NewTextCopy({}, out);
}

}  // namespace clamma
