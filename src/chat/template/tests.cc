// SPDX-License-Identifier: MIT
// Tests: the operator `is`.
#include "chat/template/interpreter.h"
#include "platform/quoted.h"

namespace clamma {

// Whether two values are the same object. Numbers and texts that are equal and of the same type
// count as the same.
bool Interpreter::IsSame(const Value& a, const Value& b, bool* result) {
  *result = false;
  if (a.kind != b.kind) return true;
  switch (a.kind) {
    case Kind::kNone:
      *result = true;
      return true;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kString:
    case Kind::kFunction:
      return TestEqual(a, b, result);
    case Kind::kUndefined:
      *result = a.missing == b.missing;
      return true;
    default:
      *result = a.list == b.list;
      return true;
  }
}

bool Interpreter::ApplyTest(std::string_view name, const Value& value, const Arguments& arguments,
                            bool* result) {
  bool found = false;
  if (arguments.n_keywords > 0) return Fail("tests with named arguments are not supported");
  if (arguments.n == 1) {
    if (!TestWithArgument(name, value, arguments.values[0], result, &found)) return false;
  } else if (arguments.n == 0) {
    if (!TestAlone(name, value, result, &found)) return false;
  }
  return found || Fail("the test %s with %zu arguments is unknown or not supported",
                       Quoted(name).c_str(), arguments.n);
}

bool Interpreter::TestWithArgument(std::string_view name, const Value& value, const Value& argument,
                                   bool* result, bool* found) {
  *found = true;
  const auto is = [name](std::string_view a, std::string_view b, std::string_view c) {
    return name == a || name == b || name == c;
  };
  if (is("eq", "equalto", "==")) return TestEqual(value, argument, result);
  if (is("ne", "!=", "!=")) {
    if (!TestEqual(value, argument, result)) return false;
    *result = !*result;
    return true;
  }
  if (name == "in") return Contains(argument, value, result);
  if (name == "sameas") return IsSame(value, argument, result);
  if (name == "divisibleby") {
    Value rest;
    if (!Arithmetic(TokenKind::kMod, value, argument, &rest)) return false;
    *result = rest.IsNumber() && rest.AsFloat() == 0;
    return true;
  }
  const bool less = is("lt", "lessthan", "<"), greater = is("gt", "greaterthan", ">");
  const bool at_most = is("le", "<=", "<="), at_least = is("ge", ">=", ">=");
  *found = less || greater || at_most || at_least;
  if (!*found) return true;
  int order = 0;
  if (!Order(value, argument, &order)) return false;
  *result = order == 0    ? at_most || at_least
            : order == -1 ? less || at_most
                          : order == 1 && (greater || at_least);
  return true;
}

bool Interpreter::TestAlone(std::string_view name, const Value& value, bool* result, bool* found) {
  *found = true;
  const Kind kind = value.kind;
  const bool is_list = kind == Kind::kList || kind == Kind::kTuple;
  if (name == "defined") {
    *result = kind != Kind::kUndefined;
  } else if (name == "undefined") {
    *result = kind == Kind::kUndefined;
  } else if (name == "none") {
    *result = kind == Kind::kNone;
  } else if (name == "string") {
    *result = kind == Kind::kString;
  } else if (name == "mapping") {
    *result = kind == Kind::kDict;
  } else if (name == "sequence") {
    *result = is_list || kind == Kind::kString || kind == Kind::kDict || kind == Kind::kRange ||
              kind == Kind::kUndefined;
  } else if (name == "iterable") {
    *result = is_list || kind == Kind::kString || kind == Kind::kDict || kind == Kind::kRange ||
              kind == Kind::kUndefined || kind == Kind::kGenerator || kind == Kind::kView ||
              kind == Kind::kLoop;
  } else if (name == "number") {
    *result = value.IsNumber();
  } else if (name == "integer") {
    *result = kind == Kind::kInt;
  } else if (name == "float") {
    *result = kind == Kind::kFloat;
  } else if (name == "boolean") {
    *result = kind == Kind::kBool;
  } else if (name == "true" || name == "false") {
    *result = kind == Kind::kBool && value.boolean == (name == "true");
  } else if (name == "callable") {
    // Jinja2's Undefined has a __call__ (which fails), so it counts as callable.
    *result = kind == Kind::kMacro || kind == Kind::kFunction || kind == Kind::kMethod ||
              kind == Kind::kJoiner || kind == Kind::kLoop || kind == Kind::kUndefined;
  } else if (name == "escaped") {
    *result = kind == Kind::kString && value.str->is_safe;
  } else if (name == "odd" || name == "even") {
    const Value two = Value::Int(2);
    Value rest;
    if (!Arithmetic(TokenKind::kMod, value, two, &rest)) return false;
    *result = rest.IsNumber() && rest.AsFloat() == (name == "odd" ? 1 : 0);
  } else if (name == "lower" || name == "upper") {
    const Str* text = nullptr;
    Value answer;
    const Arguments none{nullptr, 0, nullptr, nullptr, 0};
    if (!ToStr(value, &text)) return false;
    const Value str = Value::String(text);
    if (name == "lower" ? !StringIsLower(str, none, &answer) : !StringIsUpper(str, none, &answer)) {
      return false;
    }
    *result = answer.boolean;
  } else if (name == "filter" || name == "test") {
    if (name == "test") return Fail("the test \"test\" is not supported");
    *result = false;
    for (size_t i = 0; kind == Kind::kString && i < kFilterCount; ++i) {
      *result = *result || kFilters[i].name == value.str->view();
    }
  } else {
    *found = false;
  }
  return true;
}

}  // namespace clamma
