// SPDX-License-Identifier: MIT
// Filters that sort or compare: sort, dictsort, groupby, unique, min, max. By default texts are
// compared without regard to case.
#include "chat/template/interpreter.h"

namespace clamma {

bool Interpreter::FoldCase(const Value& value, Value* out) {
  *out = value;
  return !value.Is(Kind::kString) || ChangeCase(*value.str, Casing::kLower, out);
}

// Makes the sort keys of items: the items themselves, an attribute, or several attributes ("a,b").
bool Interpreter::MakeKeyed(const Value* items, size_t n, const Value& attribute, bool folds_case,
                            Keyed** out) {
  *out = bump_.New<Keyed>(n);
  if (*out == nullptr) return FailMemory();
  const bool by_attribute = !IsUnset(attribute) && !attribute.Is(Kind::kNone);
  for (size_t i = 0; i < n; ++i) {
    Value key = items[i];
    if (!Step() || (by_attribute && !GetPath(items[i], attribute, &key))) return false;
    if (folds_case) {
      const Value plain = key;
      if (!FoldCase(plain, &key)) return false;
    }
    (*out)[i] = Keyed{key, items[i]};
  }
  return true;
}

// A bottom-up merge sort, which is stable and not recursive. With allows_equal, equal keys need not
// have an order.
bool Interpreter::SortKeyed(Keyed* items, size_t n, bool reverse, bool allows_equal) {
  auto* from = items;
  auto* to = bump_.New<Keyed>(n);
  if (to == nullptr) return FailMemory();
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t begin = 0; begin < n; begin += 2 * width) {
      const size_t middle = begin + width < n ? begin + width : n;
      const size_t end = begin + 2 * width < n ? begin + 2 * width : n;
      size_t a = begin, b = middle;
      for (size_t i = begin; i < end; ++i) {
        bool takes_b = a == middle;
        if (!takes_b && b < end) {
          int order = 0;
          bool is_equal = false;
          if (!Step()) return false;
          if (allows_equal && !TestEqual(from[b].key, from[a].key, &is_equal)) return false;
          if (!is_equal && !Order(from[b].key, from[a].key, &order)) return false;
          takes_b = reverse ? order == 1 : order == -1;
        }
        to[i] = takes_b ? from[b++] : from[a++];
      }
    }
    Keyed* const swapped = from;
    from = to;
    to = swapped;
  }
  for (size_t i = 0; from != items && i < n; ++i) items[i] = from[i];
  return true;
}

bool Interpreter::FilterSort(const Value& value, const Arguments& arguments, Value* out) {
  Value given[3];
  const Value* items = nullptr;
  size_t n = 0;
  bool reverse = false, case_sensitive = false;
  if (!BindArguments(arguments, "sort", "?reverse ?case_sensitive ?attribute", given)) return false;
  if (!IsUnset(given[0]) && !Truth(given[0], &reverse)) return false;
  if (!IsUnset(given[1]) && !Truth(given[1], &case_sensitive)) return false;
  if (!Items(value, &items, &n)) return false;
  if (given[2].Is(Kind::kString)) {
    for (const char c : given[2].str->view()) {
      if (c == ',') return Fail("sort by several attributes is not supported");
    }
  }
  Keyed* keyed = nullptr;
  if (!MakeKeyed(items, n, given[2], !case_sensitive, &keyed) ||
      !SortKeyed(keyed, n, reverse, true)) {
    return false;
  }
  List* const list = NewList(bump_, n);
  if (list == nullptr) return FailMemory();
  for (size_t i = 0; i < n; ++i) list->items[i] = keyed[i].value;
  *out = Value::Of(Kind::kList, list);
  return true;
}

bool Interpreter::FilterDictSort(const Value& value, const Arguments& arguments, Value* out) {
  Value given[3];
  bool case_sensitive = false, reverse = false;
  if (!BindArguments(arguments, "dictsort", "?case_sensitive ?by ?reverse", given)) return false;
  if (!value.Is(Kind::kDict)) return FailType("dictsort: a dict is expected", value);
  if (!IsUnset(given[0]) && !Truth(given[0], &case_sensitive)) return false;
  if (!IsUnset(given[2]) && !Truth(given[2], &reverse)) return false;
  const std::string_view by = IsUnset(given[1])            ? "key"
                              : given[1].Is(Kind::kString) ? given[1].str->view()
                                                           : "";
  if (by != "key" && by != "value") return Fail("dictsort: by is 'key' or 'value'");
  Value pairs;
  const Arguments none{nullptr, 0, nullptr, nullptr, 0};
  if (!DictItems(value, none, &pairs)) return false;
  Keyed* keyed = nullptr;
  const Value position = Value::Int(by == "key" ? 0 : 1);
  if (!MakeKeyed(pairs.list->items, pairs.list->size, position, !case_sensitive, &keyed) ||
      !SortKeyed(keyed, pairs.list->size, reverse, false)) {
    return false;
  }
  for (size_t i = 0; i < pairs.list->size; ++i) pairs.list->items[i] = keyed[i].value;
  *out = Value::Of(Kind::kList, pairs.list);
  return true;
}

bool Interpreter::FilterGroupBy(const Value& value, const Arguments& arguments, Value* out) {
  Value given[3];
  const Value* items = nullptr;
  size_t n = 0;
  bool case_sensitive = false;
  if (!BindArguments(arguments, "groupby", "attribute ?default ?case_sensitive", given)) {
    return false;
  }
  if (!IsUnset(given[1])) return Fail("groupby with a default is not supported");
  if (!IsUnset(given[2]) && !Truth(given[2], &case_sensitive)) return false;
  if (!Items(value, &items, &n)) return false;
  Keyed* keyed = nullptr;
  if (!MakeKeyed(items, n, given[0], !case_sensitive, &keyed) ||
      !SortKeyed(keyed, n, false, false)) {
    return false;
  }
  List* const groups = NewList(bump_, n);
  if (groups == nullptr) return FailMemory();
  groups->size = 0;
  for (size_t begin = 0; begin < n;) {
    size_t end = begin + 1;
    for (bool is_equal = true; end < n; ++end) {
      if (!TestEqual(keyed[begin].key, keyed[end].key, &is_equal)) return false;
      if (!is_equal) break;
    }
    List* const group = NewList(bump_, end - begin);
    List* const pair = NewList(bump_, 2);
    if (group == nullptr || pair == nullptr) return FailMemory();
    for (size_t i = begin; i < end; ++i) group->items[i - begin] = keyed[i].value;
    if (!GetPath(group->items[0], given[0], &pair->items[0])) return false;
    pair->items[1] = Value::Of(Kind::kList, group);
    groups->items[groups->size++] = Value::Of(Kind::kTuple, pair);
    begin = end;
  }
  *out = Value::Of(Kind::kList, groups);
  return true;
}

bool Interpreter::FilterUnique(const Value& value, const Arguments& arguments, Value* out) {
  Value given[2];
  const Value* items = nullptr;
  size_t n = 0;
  bool case_sensitive = false;
  if (!BindArguments(arguments, "unique", "?case_sensitive ?attribute", given)) return false;
  if (!IsUnset(given[0]) && !Truth(given[0], &case_sensitive)) return false;
  if (!Items(value, &items, &n)) return false;
  Keyed* keyed = nullptr;
  Dict* const seen = NewDict(bump_);
  List* const list = NewList(bump_, n);
  if (seen == nullptr || list == nullptr) return FailMemory();
  if (!MakeKeyed(items, n, given[1], !case_sensitive, &keyed)) return false;
  list->size = 0;
  for (size_t i = 0; i < n; ++i) {
    const Value& key = keyed[i].key;
    if (!CheckKey(key)) return false;
    if (DictFind(*seen, key) != nullptr) continue;
    if (!DictSet(bump_, *seen, key, key)) return FailMemory();
    list->items[list->size++] = keyed[i].value;
  }
  *out = Value::Of(Kind::kGenerator, list);
  return true;
}

bool Interpreter::Extreme(const Value& value, const Arguments& arguments, int sign, Value* out) {
  Value given[2];
  const Value* items = nullptr;
  size_t n = 0;
  bool case_sensitive = false;
  if (!BindArguments(arguments, sign < 0 ? "min" : "max", "?case_sensitive ?attribute", given)) {
    return false;
  }
  if (!IsUnset(given[0]) && !Truth(given[0], &case_sensitive)) return false;
  if (!Items(value, &items, &n)) return false;
  if (n == 0) return NewMissing("there is no element", Missing::Reason::kOther, value.kind, out);
  Keyed* keyed = nullptr;
  if (!MakeKeyed(items, n, given[1], !case_sensitive, &keyed)) return false;
  size_t best = 0;
  for (size_t i = 1; i < n; ++i) {
    int order = 0;
    if (!Order(keyed[i].key, keyed[best].key, &order)) return false;
    if (order == sign) best = i;
  }
  *out = keyed[best].value;
  return true;
}

bool Interpreter::FilterMin(const Value& value, const Arguments& arguments, Value* out) {
  return Extreme(value, arguments, -1, out);
}
bool Interpreter::FilterMax(const Value& value, const Arguments& arguments, Value* out) {
  return Extreme(value, arguments, 1, out);
}

}  // namespace clamma
