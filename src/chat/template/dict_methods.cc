// SPDX-License-Identifier: MIT
// Methods of dicts, lists and tuples. Methods that change an object exist, but using them is an
// error.
#include "chat/template/interpreter.h"

namespace clamma {

bool Interpreter::FindDictMethod(const Value& object, std::string_view name, Value* out,
                                 bool* found) {
  *found = true;
  if (name == "get") return NewMethod(object, &Interpreter::DictGet, out);
  if (name == "keys") return NewMethod(object, &Interpreter::DictKeys, out);
  if (name == "values") return NewMethod(object, &Interpreter::DictValues, out);
  if (name == "items") return NewMethod(object, &Interpreter::DictItems, out);
  if (name == "copy") return NewMethod(object, &Interpreter::DictCopy, out);
  if (name == "fromkeys") return NewMethod(object, &Interpreter::RefuseMethod, out);
  for (const std::string_view unsafe :
       {std::string_view("clear"), std::string_view("pop"), std::string_view("popitem"),
        std::string_view("setdefault"), std::string_view("update")}) {
    if (name == unsafe) return NewMissing(name, Missing::Reason::kUnsafe, object.kind, out);
  }
  *found = false;
  return true;
}

bool Interpreter::FindListMethod(const Value& object, std::string_view name, Value* out,
                                 bool* found) {
  *found = true;
  if (name == "count") return NewMethod(object, &Interpreter::ListCount, out);
  if (name == "index") return NewMethod(object, &Interpreter::ListIndex, out);
  if (object.Is(Kind::kList)) {
    if (name == "copy") return NewMethod(object, &Interpreter::ListCopy, out);
    for (const std::string_view unsafe :
         {std::string_view("append"), std::string_view("clear"), std::string_view("extend"),
          std::string_view("insert"), std::string_view("pop"), std::string_view("remove"),
          std::string_view("reverse"), std::string_view("sort")}) {
      if (name == unsafe) return NewMissing(name, Missing::Reason::kUnsafe, object.kind, out);
    }
  }
  *found = false;
  return true;
}

bool Interpreter::RefuseMethod(const Value& self, const Arguments& /*arguments*/, Value* /*out*/) {
  return Fail("this method of a value of %s is not supported", TypeName(self));
}

bool Interpreter::DictGet(const Value& self, const Arguments& arguments, Value* out) {
  Value given[2];
  if (!BindArguments(arguments, "get()", "/key ?default", given)) return false;
  if (!CheckKey(given[0])) return false;
  const Value* const value = DictFind(*self.dict, given[0]);
  *out = value != nullptr ? *value : IsUnset(given[1]) ? Value::None() : given[1];
  return true;
}

bool Interpreter::DictView(const Value& self, const Arguments& arguments, uint8_t part,
                           Value* out) {
  if (!BindArguments(arguments, "a method of a dict", "", nullptr)) return false;
  const Dict& dict = *self.dict;
  List* const list = NewList(bump_, dict.size);
  if (list == nullptr) return FailMemory();
  for (size_t i = 0; i < dict.size; ++i) {
    if (part < 2) {
      list->items[i] = part == 0 ? dict.keys[i] : dict.values[i];
      continue;
    }
    List* const pair = NewList(bump_, 2);
    if (pair == nullptr) return FailMemory();
    pair->items[0] = dict.keys[i];
    pair->items[1] = dict.values[i];
    list->items[i] = Value::Of(Kind::kTuple, pair);
  }
  *out = Value::Of(Kind::kView, list);
  out->detail = part;
  return Step(dict.size / 4);
}

bool Interpreter::DictKeys(const Value& self, const Arguments& arguments, Value* out) {
  return DictView(self, arguments, 0, out);
}

bool Interpreter::DictValues(const Value& self, const Arguments& arguments, Value* out) {
  return DictView(self, arguments, 1, out);
}

bool Interpreter::DictItems(const Value& self, const Arguments& arguments, Value* out) {
  return DictView(self, arguments, 2, out);
}

bool Interpreter::DictCopy(const Value& self, const Arguments& arguments, Value* out) {
  *out = self;  // no copy is needed: nothing changes a list
  return BindArguments(arguments, "copy()", "", nullptr);
}

bool Interpreter::ListCopy(const Value& self, const Arguments& arguments, Value* out) {
  *out = self;
  return BindArguments(arguments, "copy()", "", nullptr);
}

bool Interpreter::ListCount(const Value& self, const Arguments& arguments, Value* out) {
  Value value;
  const Value* items = nullptr;
  size_t size = 0;
  if (!BindArguments(arguments, "count()", "/value", &value) || !Items(self, &items, &size)) {
    return false;
  }
  int64_t n = 0;
  for (size_t i = 0; i < size; ++i) {
    bool is_equal = false;
    if (!TestEqual(items[i], value, &is_equal)) return false;
    n += is_equal ? 1 : 0;
  }
  *out = Value::Int(n);
  return true;
}

bool Interpreter::ListIndex(const Value& self, const Arguments& arguments, Value* out) {
  Value given[3];
  const Value* items = nullptr;
  size_t size = 0;
  if (!BindArguments(arguments, "index()", "/value ?start ?stop", given)) return false;
  if (!IsUnset(given[1])) return Fail("index() from a position is not supported");
  if (!Items(self, &items, &size)) return false;
  for (size_t i = 0; i < size; ++i) {
    bool is_equal = false;
    if (!TestEqual(items[i], given[0], &is_equal)) return false;
    if (!is_equal) continue;
    *out = Value::Int(static_cast<int64_t>(i));
    return true;
  }
  return Fail("index(): the value is not in the list");
}

}  // namespace clamma
