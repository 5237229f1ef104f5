// SPDX-License-Identifier: MIT
// Filters for lists and dicts.
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"
#include "platform/quoted.h"

namespace clamma {

bool Interpreter::FilterDefault(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  bool by_truth = false, holds = true;
  if (!BindArguments(arguments, "default", "?default_value ?boolean", given)) return false;
  if (!IsUnset(given[1]) && !Truth(given[1], &by_truth)) return false;
  if (by_truth && !Truth(value, &holds)) return false;
  *out = value;
  if (!value.Is(Kind::kUndefined) && holds) return true;
  *out = given[0];
  return !IsUnset(given[0]) || NewTextCopy({}, out);
}

bool Interpreter::FilterAttr(const Value& value, const Arguments& arguments, Value* out) {
  Value name;
  const Str* text = nullptr;
  bool found = false;
  if (!BindArguments(arguments, "attr", "name", &name) || !ToStr(name, &text)) return false;
  if (value.Is(Kind::kUndefined)) return FailUndefined(value);
  if (!FindAttribute(value, text->view(), out, &found)) return false;
  return found || NewMissing(text->view(), Missing::Reason::kAttribute, value.kind, out);
}

bool Interpreter::FilterLength(const Value& value, const Arguments& arguments, Value* out) {
  *out = Value::Int(0);
  return BindArguments(arguments, "length", "", nullptr) && Length(value, &out->integer);
}

bool Interpreter::FilterFirst(const Value& value, const Arguments& arguments, Value* out) {
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "first", "", nullptr)) return false;
  // Of an iterator only the first element is consumed.
  const size_t used = value.Is(Kind::kGenerator) ? value.list->used : 0;
  if (!Items(value, &items, &n)) return false;
  if (n == 0) {
    return NewMissing("there is no first element", Missing::Reason::kOther, value.kind, out);
  }
  if (value.Is(Kind::kGenerator)) value.list->used = used + 1;
  *out = items[0];
  return true;
}

bool Interpreter::FilterLast(const Value& value, const Arguments& arguments, Value* out) {
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "last", "", nullptr)) return false;
  if (value.Is(Kind::kGenerator)) return FailType("last: a list is expected", value);
  if (!Items(value, &items, &n)) return false;
  if (n == 0) {
    return NewMissing("there is no last element", Missing::Reason::kOther, value.kind, out);
  }
  *out = items[n - 1];
  return true;
}

bool Interpreter::FilterList(const Value& value, const Arguments& arguments, Value* out) {
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "list", "", nullptr) || !Items(value, &items, &n)) return false;
  List* const list = bump_.New<List>();
  if (list == nullptr) return FailMemory();
  *list = List{const_cast<Value*>(items), n, 0};  // shared: nothing changes a list
  *out = Value::Of(Kind::kList, list);
  return true;
}

bool Interpreter::FilterReverse(const Value& value, const Arguments& arguments, Value* out) {
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "reverse", "", nullptr) || !Items(value, &items, &n)) return false;
  if (value.Is(Kind::kString)) {
    TextBuilder text(bump_, options_.limits.max_output);
    for (size_t i = n; i-- > 0;) text.Add(*items[i].str);
    return NewText(&text, out);
  }
  List* const list = NewList(bump_, n);
  if (list == nullptr) return FailMemory();
  for (size_t i = 0; i < n; ++i) list->items[i] = items[n - 1 - i];
  *out = Value::Of(Kind::kGenerator, list);
  return Step(n / 4);
}

bool Interpreter::FilterItems(const Value& value, const Arguments& arguments, Value* out) {
  if (!BindArguments(arguments, "items", "", nullptr)) return false;
  if (!value.Is(Kind::kDict) && !value.Is(Kind::kUndefined)) {
    return FailType("items: a dict is expected", value);
  }
  List* const empty = NewList(bump_, 0);
  if (empty == nullptr) return FailMemory();
  *out = Value::Of(Kind::kGenerator, empty);
  if (value.Is(Kind::kUndefined)) return true;
  if (!DictItems(value, arguments, out)) return false;
  *out = Value::Of(Kind::kGenerator, out->list);
  return true;
}

bool Interpreter::FilterJoin(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  const Str* separator = nullptr;
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "join", "?d ?attribute", given)) return false;
  if (IsUnset(given[0]) && !NewTextCopy({}, &given[0])) return false;
  if (!ToStr(given[0], &separator) || !Items(value, &items, &n)) return false;
  if (IsUnset(given[1]) || given[1].Is(Kind::kNone)) return Join(*separator, items, n, true, out);
  auto* const attributes = bump_.New<Value>(n);
  if (attributes == nullptr) return FailMemory();
  for (size_t i = 0; i < n; ++i) {
    if (!Step() || !GetPath(items[i], given[1], &attributes[i])) return false;
  }
  return Join(*separator, attributes, n, true, out);
}

// The items of a value; no items if the value is false (0, none), as in Jinja2's map() and
// select().
bool Interpreter::ItemsIfTrue(const Value& value, const Value** items, size_t* n) {
  bool is_true = false;
  if (!Truth(value, &is_true)) return false;
  *n = 0;
  return !is_true || Items(value, items, n);
}

// map(attribute="a.b", default=...), or map("filter", arguments ...)
bool Interpreter::FilterMap(const Value& value, const Arguments& arguments, Value* out) {
  const Value* items = nullptr;
  size_t n = 0;
  Value given[2];
  const bool by_attribute = arguments.n == 0;
  if (by_attribute && !BindArguments(arguments, "map", "attribute ?default", given)) return false;
  if (!by_attribute && !arguments.values[0].Is(Kind::kString)) {
    return FailType("map: the name of a filter is expected", arguments.values[0]);
  }
  if (!ItemsIfTrue(value, &items, &n)) return false;
  List* const list = NewList(bump_, n);
  if (list == nullptr) return FailMemory();
  Arguments rest = arguments;
  if (!by_attribute) {
    rest.values = arguments.values + 1;
    rest.n = arguments.n - 1;
  }
  for (size_t i = 0; i < n; ++i) {
    if (!Step()) return false;
    Value* const mapped = &list->items[i];
    if (!by_attribute) {
      if (!ApplyFilter(arguments.values[0].str->view(), items[i], rest, mapped)) return false;
      continue;
    }
    if (!GetPath(items[i], given[0], mapped)) return false;
    const bool has_default = !IsUnset(given[1]) && !given[1].Is(Kind::kNone);
    if (mapped->Is(Kind::kUndefined) && has_default) *mapped = given[1];
  }
  *out = Value::Of(Kind::kGenerator, list);
  return true;
}

bool Interpreter::SelectBy(const Value& value, const Arguments& arguments, bool by_attribute,
                           bool keeps, Value* out) {
  const Value* items = nullptr;
  size_t n = 0;
  const size_t first = by_attribute ? 1 : 0;
  if (arguments.n < first) return Fail("the name of an attribute is expected");
  const bool has_test = arguments.n > first;
  if (has_test && !arguments.values[first].Is(Kind::kString)) {
    return FailType("the name of a test is expected", arguments.values[first]);
  }
  if (!ItemsIfTrue(value, &items, &n)) return false;
  List* const list = NewList(bump_, n);
  if (list == nullptr) return FailMemory();
  list->size = 0;
  Arguments rest = arguments;
  if (has_test) {
    rest.values = arguments.values + first + 1;
    rest.n = arguments.n - first - 1;
  }
  for (size_t i = 0; i < n; ++i) {
    Value tested = items[i];
    bool holds = false;
    if (!Step()) return false;
    if (by_attribute && !GetPath(items[i], arguments.values[0], &tested)) return false;
    const bool ok = has_test ? ApplyTest(arguments.values[first].str->view(), tested, rest, &holds)
                             : Truth(tested, &holds);
    if (!ok) return false;
    if (holds == keeps) list->items[list->size++] = items[i];
  }
  *out = Value::Of(Kind::kGenerator, list);
  return true;
}

bool Interpreter::FilterSelect(const Value& value, const Arguments& arguments, Value* out) {
  return SelectBy(value, arguments, false, true, out);
}
bool Interpreter::FilterReject(const Value& value, const Arguments& arguments, Value* out) {
  return SelectBy(value, arguments, false, false, out);
}
bool Interpreter::FilterSelectAttr(const Value& value, const Arguments& arguments, Value* out) {
  return SelectBy(value, arguments, true, true, out);
}
bool Interpreter::FilterRejectAttr(const Value& value, const Arguments& arguments, Value* out) {
  return SelectBy(value, arguments, true, false, out);
}

bool Interpreter::FilterSum(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "sum", "?attribute ?start", given) || !Items(value, &items, &n)) {
    return false;
  }
  *out = IsUnset(given[1]) ? Value::Int(0) : given[1];
  if (out->Is(Kind::kString)) return Fail("sum: texts cannot be summed");
  for (size_t i = 0; i < n; ++i) {
    Value item = items[i];
    const bool by_attribute = !IsUnset(given[0]) && !given[0].Is(Kind::kNone);
    if (!Step() || (by_attribute && !GetPath(items[i], given[0], &item))) return false;
    const Value sum = *out;
    if (!Add(sum, item, out)) return false;
  }
  return true;
}

bool Interpreter::FilterBatch(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  int64_t size = 0;
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "batch", "linecount ?fill_with", given) ||
      !ToIndex(given[0], &size) || !Items(value, &items, &n)) {
    return false;
  }
  if (size < 1 || size > TemplateLimits::kMaxRange)
    return Fail("batch: this size is not supported");
  const auto width = static_cast<size_t>(size);
  const bool fills = !IsUnset(given[1]) && !given[1].Is(Kind::kNone);
  List* const rows = NewList(bump_, (n + width - 1) / width);
  if (rows == nullptr) return FailMemory();
  for (size_t r = 0; r < rows->size; ++r) {
    const size_t left = n - r * width;
    const size_t have = left < width ? left : width;
    List* const row = NewList(bump_, fills ? width : have);
    if (row == nullptr) return FailMemory();
    for (size_t i = 0; i < row->size; ++i) {
      row->items[i] = i < have ? items[r * width + i] : given[1];
    }
    rows->items[r] = Value::Of(Kind::kList, row);
  }
  *out = Value::Of(Kind::kGenerator, rows);
  return Step(n + 1);
}

bool Interpreter::FilterSlice(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  int64_t slices = 0;
  const Value* items = nullptr;
  size_t n = 0;
  if (!BindArguments(arguments, "slice", "slices ?fill_with", given) ||
      !ToIndex(given[0], &slices) || !Items(value, &items, &n)) {
    return false;
  }
  if (slices < 1 || slices > TemplateLimits::kMaxRange) {
    return Fail("slice: this number is not supported");
  }
  const auto count = static_cast<size_t>(slices);
  const bool fills = !IsUnset(given[1]) && !given[1].Is(Kind::kNone);
  List* const rows = NewList(bump_, count);
  if (rows == nullptr || !Step(count + n)) return FailMemory();
  size_t from = 0;
  for (size_t r = 0; r < count; ++r) {
    const size_t have = n / count + (r < n % count ? 1 : 0);
    const bool is_short = fills && r >= n % count;
    List* const row = NewList(bump_, have + (is_short ? 1 : 0));
    if (row == nullptr) return FailMemory();
    for (size_t i = 0; i < row->size; ++i) row->items[i] = i < have ? items[from + i] : given[1];
    from += have;
    rows->items[r] = Value::Of(Kind::kList, row);
  }
  *out = Value::Of(Kind::kGenerator, rows);
  return true;
}

}  // namespace clamma
