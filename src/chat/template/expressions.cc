// SPDX-License-Identifier: MIT
#include "chat/template/interpreter.h"
#include "platform/quoted.h"

namespace clamma {

bool Interpreter::Eval(const TemplateNode* node, Value* out) {
  if (!Enter(node) || !EvalNode(node, out)) return false;
  --depth_;
  return true;
}

bool Interpreter::EvalNode(const TemplateNode* node, Value* out) {
  switch (node->kind) {
    case NodeKind::kConst:
      *out = node->value;
      return true;
    case NodeKind::kName:
      return Resolve(node->name, out);
    case NodeKind::kList:
      return EvalItems(node, Kind::kList, out);
    case NodeKind::kTuple:
      return EvalItems(node, Kind::kTuple, out);
    case NodeKind::kDict:
      return EvalDict(node, out);
    case NodeKind::kOr:
    case NodeKind::kAnd:
    case NodeKind::kNot:
      return EvalLogic(node, out);
    case NodeKind::kCompare:
      return EvalCompare(node, out);
    case NodeKind::kMath:
      return EvalMath(node, out);
    case NodeKind::kConcat:
      return EvalConcat(node, out);
    case NodeKind::kNegative:
    case NodeKind::kPositive:
      return EvalSign(node, out);
    case NodeKind::kConditional:
      return EvalConditional(node, out);
    case NodeKind::kChain:
      return EvalChain(node, out);
    default:
      return Fail("this is not an expression");
  }
}

bool Interpreter::EvalItems(const TemplateNode* node, Kind kind, Value* out) {
  size_t n = 0;
  for (const TemplateNode* item = node->items; item != nullptr; item = item->next) ++n;
  List* const list = NewList(bump_, n);
  if (list == nullptr) return FailMemory();
  size_t i = 0;
  for (const TemplateNode* item = node->items; item != nullptr; item = item->next) {
    if (!Eval(item, &list->items[i++])) return false;
  }
  *out = Value::Of(kind, list);
  return true;
}

bool Interpreter::EvalDict(const TemplateNode* node, Value* out) {
  Dict* const dict = NewDict(bump_);
  if (dict == nullptr) return FailMemory();
  for (const TemplateNode* item = node->items; item != nullptr; item = item->next->next) {
    Value key, value;
    if (!Eval(item, &key) || !Eval(item->next, &value)) return false;
    if (!CheckKey(key)) return false;
    if (!DictSet(bump_, *dict, key, value)) return FailMemory();
  }
  *out = Value::Of(Kind::kDict, dict);
  return true;
}

bool Interpreter::EvalLogic(const TemplateNode* node, Value* out) {
  bool holds = false;
  if (node->kind == NodeKind::kNot) {
    if (!Eval(node->a, out) || !Truth(*out, &holds)) return false;
    *out = Value::Bool(!holds);
    return true;
  }
  const bool ends_at = node->kind == NodeKind::kOr;
  if (!Eval(node->items, out)) return false;
  for (const TemplateNode* item = node->items->next; item != nullptr; item = item->next) {
    if (!Truth(*out, &holds)) return false;
    if (holds == ends_at) return true;
    if (!Eval(item->a, out)) return false;
  }
  return true;
}

bool Interpreter::CompareBy(const TemplateNode* operand, const Value& a, const Value& b,
                            bool* result) {
  if (operand->is_in) {
    if (!Contains(b, a, result)) return false;
    if (operand->is_negated) *result = !*result;
    return true;
  }
  if (operand->op == TokenKind::kEq || operand->op == TokenKind::kNe) {
    if (!TestEqual(a, b, result)) return false;
    if (operand->op == TokenKind::kNe) *result = !*result;
    return true;
  }
  int order = 0;
  if (!Order(a, b, &order)) return false;
  switch (operand->op) {
    case TokenKind::kLt:
      *result = order == -1;
      break;
    case TokenKind::kLe:
      *result = order == -1 || order == 0;
      break;
    case TokenKind::kGt:
      *result = order == 1;
      break;
    default:
      *result = order == 1 || order == 0;
      break;
  }
  return true;
}

// a < b < c: evaluates each value at most once, and stops when a comparison is false.
bool Interpreter::EvalCompare(const TemplateNode* node, Value* out) {
  Value left;
  if (!Eval(node->items, &left)) return false;
  bool holds = true;
  for (const TemplateNode* item = node->items->next; holds && item != nullptr; item = item->next) {
    Value right;
    if (!Eval(item->a, &right)) return false;
    offset_ = item->offset;
    if (!CompareBy(item, left, right, &holds)) return false;
    left = right;
  }
  *out = Value::Bool(holds);
  return true;
}

bool Interpreter::EvalMath(const TemplateNode* node, Value* out) {
  if (!Eval(node->items, out)) return false;
  for (const TemplateNode* item = node->items->next; item != nullptr; item = item->next) {
    Value right;
    if (!Eval(item->a, &right)) return false;
    offset_ = item->offset;
    const Value left = *out;
    const bool ok = item->op == TokenKind::kAdd ? Add(left, right, out)
                                                : Arithmetic(item->op, left, right, out);
    if (!ok) return false;
  }
  return true;
}

bool Interpreter::EvalConcat(const TemplateNode* node, Value* out) {
  TextBuilder text(bump_, options_.limits.max_output);
  for (const TemplateNode* item = node->items; item != nullptr; item = item->next) {
    Value value;
    if (!Eval(item == node->items ? item : item->a, &value)) return false;
    offset_ = item->offset;
    if (!AddText(value, &text)) return false;
  }
  return NewText(&text, out);
}

bool Interpreter::EvalSign(const TemplateNode* node, Value* out) {
  if (!Eval(node->a, out)) return false;
  offset_ = node->offset;
  if (!out->IsNumber()) return FailType("a number is expected", *out);
  const bool negates = node->kind == NodeKind::kNegative;
  if (out->Is(Kind::kFloat)) {
    if (negates) out->real = -out->real;
    return true;
  }
  int64_t integer = out->AsInt();
  if (negates && __builtin_sub_overflow(int64_t{0}, integer, &integer)) {
    return Fail("integers beyond 64 bits are not supported");
  }
  *out = Value::Int(integer);
  return true;
}

bool Interpreter::EvalConditional(const TemplateNode* node, Value* out) {
  while (node->kind == NodeKind::kConditional) {
    bool holds = false;
    if (!Eval(node->b, out) || !Truth(*out, &holds)) return false;
    if (!holds && node->c == nullptr) {
      return NewMissing("else", Missing::Reason::kNoElse, Kind::kUndefined, out);
    }
    node = holds ? node->a : node->c;
  }
  return Eval(node, out);
}

// --- Chains ---

bool Interpreter::EvalChain(const TemplateNode* node, Value* out) {
  if (!Eval(node->a, out)) return false;
  for (const TemplateNode* link = node->items; link != nullptr; link = link->next) {
    if (!ApplyLink(link, out)) return false;
  }
  return true;
}

bool Interpreter::ApplyLink(const TemplateNode* link, Value* value) {
  offset_ = link->offset;
  if (!Step()) return false;
  switch (link->kind) {
    case NodeKind::kAttribute: {
      const Value object = *value;
      return GetAttribute(object, *link->name, value);
    }
    case NodeKind::kElement: {
      Value index;
      if (!Eval(link->a, &index)) return false;
      offset_ = link->offset;
      const Value object = *value;
      return GetElement(object, index, value);
    }
    case NodeKind::kSlice:
      return ApplySlice(link, value);
    case NodeKind::kCall:
      return ApplyCall(link, value);
    case NodeKind::kFilter:
      return ApplyFilterNode(link, value);
    default:
      return ApplyTestNode(link, value);
  }
}

bool Interpreter::ApplySlice(const TemplateNode* link, Value* value) {
  Value start = Value::None(), stop = Value::None(), step = Value::None();
  if ((link->a != nullptr && !Eval(link->a, &start)) ||
      (link->b != nullptr && !Eval(link->b, &stop)) ||
      (link->c != nullptr && !Eval(link->c, &step))) {
    return false;
  }
  offset_ = link->offset;
  const Value object = *value;
  return Slice(object, start, stop, step, value);
}

bool Interpreter::ApplyCall(const TemplateNode* link, Value* value) {
  Arguments arguments;
  if (!EvalArguments(link->items, &arguments)) return false;
  offset_ = link->offset;
  const Value callee = *value;
  return Call(callee, arguments, value);
}

bool Interpreter::ApplyFilterNode(const TemplateNode* link, Value* value) {
  Arguments arguments;
  if (!EvalArguments(link->items, &arguments)) return false;
  offset_ = link->offset;
  const Value input = *value;
  return ApplyFilter(link->name->view(), input, arguments, value);
}

bool Interpreter::ApplyTestNode(const TemplateNode* link, Value* value) {
  Arguments arguments;
  bool result = false;
  if (!EvalArguments(link->items, &arguments)) return false;
  offset_ = link->offset;
  if (!ApplyTest(link->name->view(), *value, arguments, &result)) return false;
  *value = Value::Bool(result != link->is_negated);
  return true;
}

bool Interpreter::EvalArguments(const TemplateNode* first, Arguments* out) {
  *out = Arguments{nullptr, 0, nullptr, nullptr, 0};
  if (first == nullptr) return true;
  size_t n = 0;
  bool has_stars = false;
  for (const TemplateNode* node = first; node != nullptr; node = node->next) {
    ++n;
    has_stars =
        has_stars || node->kind == NodeKind::kStarArgument || node->kind == NodeKind::kStarKeywords;
  }
  auto* const evaluated = bump_.New<Value>(n);
  if (evaluated == nullptr) return FailMemory();
  size_t i = 0, n_plain = 0;
  for (const TemplateNode* node = first; node != nullptr; node = node->next) {
    const bool is_plain = node->kind != NodeKind::kKeyword &&
                          node->kind != NodeKind::kStarArgument &&
                          node->kind != NodeKind::kStarKeywords;
    n_plain += is_plain ? 1 : 0;
    if (!Eval(is_plain ? node : node->a, &evaluated[i++])) return false;
  }
  if (n_plain < n) return ExpandArguments(first, evaluated, out);
  out->values = evaluated;
  out->n = n;
  return true;
}

bool Interpreter::ExpandArguments(const TemplateNode* first, const Value* evaluated,
                                  Arguments* out) {
  size_t i = 0;
  uint64_t n_values = 0, n_keywords = 0;
  for (const TemplateNode* node = first; node != nullptr; node = node->next, ++i) {
    if (node->kind == NodeKind::kKeyword) {
      ++n_keywords;
    } else if (node->kind == NodeKind::kStarKeywords) {
      if (!evaluated[i].Is(Kind::kDict)) return FailType("a dict is expected", evaluated[i]);
      n_keywords += evaluated[i].dict->size;
    } else if (node->kind == NodeKind::kStarArgument) {
      int64_t length = 0;
      if (!evaluated[i].Is(Kind::kList) && !evaluated[i].Is(Kind::kTuple)) {
        return FailType("a list is expected", evaluated[i]);
      }
      if (!Length(evaluated[i], &length)) return false;
      n_values += static_cast<uint64_t>(length);
    } else {
      ++n_values;
    }
  }
  out->values = bump_.New<Value>(n_values);
  out->keywords = bump_.New<Value>(n_keywords);
  out->names = bump_.New<const Str*>(n_keywords);
  if (out->values == nullptr || out->keywords == nullptr || out->names == nullptr) {
    return FailMemory();
  }
  i = 0;
  for (const TemplateNode* node = first; node != nullptr; node = node->next, ++i) {
    if (node->kind == NodeKind::kKeyword) {
      out->names[out->n_keywords] = node->name;
      out->keywords[out->n_keywords++] = evaluated[i];
    } else if (node->kind == NodeKind::kStarKeywords) {
      if (!AddKeywords(evaluated[i], out)) return false;
    } else if (node->kind == NodeKind::kStarArgument) {
      for (size_t k = 0; k < evaluated[i].list->size; ++k) {
        out->values[out->n++] = evaluated[i].list->items[k];
      }
    } else {
      out->values[out->n++] = evaluated[i];
    }
  }
  for (size_t a = 0; a < out->n_keywords; ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (!Step()) return false;
      if (out->names[a]->view() == out->names[b]->view()) {
        return Fail("the argument %s is given twice", Quoted(out->names[a]->view()).c_str());
      }
    }
  }
  return true;
}

bool Interpreter::AddKeywords(const Value& value, Arguments* out) {
  for (size_t k = 0; k < value.dict->size; ++k) {
    const Value& key = value.dict->keys[k];
    if (!key.Is(Kind::kString)) return FailType("the name of an argument is expected", key);
    out->names[out->n_keywords] = key.str;
    out->keywords[out->n_keywords++] = value.dict->values[k];
  }
  return true;
}

}  // namespace clamma
