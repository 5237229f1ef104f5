// SPDX-License-Identifier: MIT
#include "chat/template/interpreter.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr Str kLoopName = {"loop", nullptr, 4, nullptr, Origin::kTemplate, false};
constexpr Str kCallerName = {"caller", nullptr, 6, nullptr, Origin::kTemplate, false};
constexpr Str kVarargsName = {"varargs", nullptr, 7, nullptr, Origin::kTemplate, false};
constexpr Str kKwargsName = {"kwargs", nullptr, 6, nullptr, Origin::kTemplate, false};

}  // namespace

Interpreter::Flow Interpreter::Execute(const TemplateNode* first) {
  for (const TemplateNode* node = first; node != nullptr; node = node->next) {
    if (!Enter(node)) return Flow::kFailed;
    const Flow flow = ExecuteOne(node);
    --depth_;
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteOne(const TemplateNode* node) {
  const auto done = [](bool ok) { return ok ? Flow::kNext : Flow::kFailed; };
  switch (node->kind) {
    case NodeKind::kData:
      out_->Add(*node->value.str);
      return done(out_->ok() || FailBuilder(*out_));
    case NodeKind::kPrint:
      return done(ExecutePrint(node));
    case NodeKind::kIf:
      return ExecuteIf(node);
    case NodeKind::kFor:
      return ExecuteFor(node);
    case NodeKind::kSet:
      return done(ExecuteSet(node));
    case NodeKind::kSetBlock:
    case NodeKind::kFilterBlock:
      return ExecuteCapture(node);
    case NodeKind::kMacro:
      return done(ExecuteMacro(node));
    case NodeKind::kCallBlock:
      return done(ExecuteCallBlock(node));
    case NodeKind::kWith:
      return ExecuteWith(node);
    case NodeKind::kScope: {
      Scope* const scope = NewScope(scope_);
      return scope == nullptr ? Flow::kFailed : ExecuteBody(node->body, scope);
    }
    case NodeKind::kBreak:
      return Flow::kBreak;
    case NodeKind::kContinue:
      return Flow::kContinue;
    default:
      return done(Fail("this is not a statement"));
  }
}

Interpreter::Flow Interpreter::ExecuteBody(const TemplateNode* first, Scope* scope) {
  Scope* const outer = scope_;
  scope_ = scope;
  const Flow flow = Execute(first);
  scope_ = outer;
  return flow;
}

bool Interpreter::PrintValue(const Value& value) {
  if (!AddText(value, out_)) return false;
  return out_->ok() || FailBuilder(*out_);
}

bool Interpreter::ExecutePrint(const TemplateNode* node) {
  for (const TemplateNode* item = node->items; item != nullptr; item = item->next) {
    Value value;
    if (!Eval(item, &value)) return false;
    offset_ = item->offset;
    if (!PrintValue(value)) return false;
  }
  return true;
}

Interpreter::Flow Interpreter::ExecuteIf(const TemplateNode* node) {
  for (const TemplateNode* branch = node->items; branch != nullptr; branch = branch->next) {
    bool holds = true;
    if (branch->a != nullptr) {
      Value value;
      if (!Eval(branch->a, &value) || !Truth(value, &holds)) return Flow::kFailed;
    }
    if (holds) return Execute(branch->body);
  }
  return Flow::kNext;
}

bool Interpreter::ExecuteSet(const TemplateNode* node) {
  Value value;
  return Eval(node->b, &value) && Assign(node->a, value);
}

bool Interpreter::AssignNamespace(const TemplateNode* target, const Value& value) {
  Value object;
  offset_ = target->offset;
  if (!Resolve(target->name, &object)) return false;
  if (!object.Is(Kind::kNamespace)) return FailType("a namespace is expected", object);
  if (target->value.str->size > 0 && target->value.str->data[0] == '_') {
    return Fail("attributes of a namespace cannot begin with an underscore");
  }
  return DictSet(bump_, *object.dict, target->value, value) || FailMemory();
}

bool Interpreter::Assign(const TemplateNode* target, const Value& value) {
  if (target->kind == NodeKind::kName) return Bind(scope_, target->name, value);
  if (target->kind == NodeKind::kNamespaceTarget) return AssignNamespace(target, value);
  const Value* items = nullptr;
  size_t n = 0;
  offset_ = target->offset;
  if (!Items(value, &items, &n)) return false;
  if (depth_ > TemplateLimits::kMaxDepth) return Fail("targets are nested too deeply");
  size_t i = 0;
  for (const TemplateNode* item = target->items; item != nullptr; item = item->next, ++i) {
    if (i == n) return Fail("there are too few values to unpack");
    ++depth_;
    if (!Assign(item, items[i])) return false;
    --depth_;
  }
  return i == n || Fail("there are too many values to unpack");
}

// A block whose output becomes a value: of `set`, or the input of filters.
Interpreter::Flow Interpreter::ExecuteCapture(const TemplateNode* node) {
  Scope* const scope = NewScope(scope_);
  if (scope == nullptr) return Flow::kFailed;
  TextBuilder text(bump_, options_.limits.max_output);
  TextBuilder* const outer = out_;
  out_ = &text;
  const Flow flow = ExecuteBody(node->body, scope);
  out_ = outer;
  if (flow != Flow::kNext) return flow;
  Value value;
  if (!NewText(&text, &value)) return Flow::kFailed;
  for (const TemplateNode* filter = node->items; filter != nullptr; filter = filter->next) {
    if (!ApplyFilterNode(filter, &value)) return Flow::kFailed;
  }
  const bool ok = node->a != nullptr ? Assign(node->a, value) : PrintValue(value);
  return ok ? Flow::kNext : Flow::kFailed;
}

Interpreter::Flow Interpreter::ExecuteWith(const TemplateNode* node) {
  Scope* const outer = scope_;
  Scope* const scope = NewScope(outer);
  if (scope == nullptr) return Flow::kFailed;
  for (const TemplateNode* item = node->items; item != nullptr; item = item->next->next) {
    Value value;
    if (!Eval(item->next, &value)) return Flow::kFailed;
    scope_ = scope;
    const bool ok = Assign(item, value);
    scope_ = outer;
    if (!ok) return Flow::kFailed;
  }
  return ExecuteBody(node->body, scope);
}

// --- Loops ---

bool Interpreter::StartLoop(const TemplateNode* node, Loop** loop) {
  Value over;
  if (!Eval(node->b, &over)) return false;
  *loop = bump_.New<Loop>();
  if (*loop == nullptr) return FailMemory();
  (*loop)->node = node;
  (*loop)->outer = scope_;
  (*loop)->is_filtered = node->c != nullptr;
  (*loop)->index0 = -1;
  offset_ = node->b->offset;
  if (!Items(over, &(*loop)->items, &(*loop)->n_items)) return false;
  const bool has_length = !(*loop)->is_filtered;
  (*loop)->length = has_length ? static_cast<int64_t>((*loop)->n_items) : -1;
  return true;
}

// Finds the next element for which the condition is true.
bool Interpreter::FindNext(Loop* loop, Value* item, bool* has_item) {
  *has_item = false;
  while (loop->next < loop->n_items) {
    const Value value = loop->items[loop->next++];
    if (loop->is_filtered) {
      Scope* const before = scope_;
      scope_ = NewScope(loop->outer);
      Value condition;
      bool holds = false;
      if (scope_ == nullptr || !Assign(loop->node->a, value) || !Eval(loop->node->c, &condition) ||
          !Truth(condition, &holds)) {
        return false;
      }
      scope_ = before;
      if (!holds) continue;
    }
    *item = value;
    *has_item = true;
    return true;
  }
  return true;
}

bool Interpreter::LookAhead(Loop* loop) {
  if (loop->has_after) return true;
  bool has_item = false;
  if (!FindNext(loop, &loop->after, &has_item)) return false;
  loop->has_after = true;
  loop->at_end = !has_item;
  return true;
}

bool Interpreter::Advance(Loop* loop, Value* item, bool* has_item) {
  if (!LookAhead(loop)) return false;
  loop->has_after = false;
  *has_item = !loop->at_end;
  if (!*has_item) return true;
  *item = loop->after;
  ++loop->index0;
  loop->previous = loop->current;
  loop->current = *item;
  return true;
}

// If there is a condition, this examines all remaining elements at once, as Jinja2 does.
bool Interpreter::LoopLength(Loop* loop, int64_t* length) {
  if (loop->length < 0) {
    List* const rest = NewList(bump_, loop->n_items - loop->next);
    if (rest == nullptr) return FailMemory();
    rest->size = 0;
    for (;;) {
      Value item;
      bool has_item = false;
      if (!FindNext(loop, &item, &has_item)) return false;
      if (!has_item) break;
      rest->items[rest->size++] = item;
    }
    const bool has_after = loop->has_after && !loop->at_end;
    loop->length = loop->index0 + 1 + static_cast<int64_t>(rest->size) + (has_after ? 1 : 0);
    loop->items = rest->items;
    loop->n_items = rest->size;
    loop->next = 0;
    loop->is_filtered = false;
  }
  *length = loop->length;
  return true;
}

Interpreter::Flow Interpreter::ExecuteFor(const TemplateNode* node) {
  Loop* loop = nullptr;
  if (!StartLoop(node, &loop)) return Flow::kFailed;
  Value loop_value;
  loop_value.kind = Kind::kLoop;
  loop_value.loop = loop;
  Scope* const outer = scope_;
  for (;;) {
    Value item;
    bool has_item = false;
    if (!Advance(loop, &item, &has_item)) return Flow::kFailed;
    if (!has_item) break;
    scope_ = NewScope(outer);
    if (scope_ == nullptr || !Step() || !Assign(node->a, item) ||
        !Bind(scope_, &kLoopName, loop_value)) {
      return Flow::kFailed;
    }
    const Flow flow = Execute(node->body);
    scope_ = outer;
    if (flow == Flow::kFailed) return flow;
    if (flow == Flow::kBreak) break;
  }
  if (loop->index0 >= 0 || node->other == nullptr) return Flow::kNext;
  Scope* const scope = NewScope(outer);
  return scope == nullptr ? Flow::kFailed : ExecuteBody(node->other, scope);
}

bool Interpreter::LoopAttribute(Loop* loop, std::string_view name, Value* out, bool* found) {
  *found = true;
  int64_t length = 0;
  if (name == "index0") {
    *out = Value::Int(loop->index0);
  } else if (name == "index") {
    *out = Value::Int(loop->index0 + 1);
  } else if (name == "first") {
    *out = Value::Bool(loop->index0 == 0);
  } else if (name == "last") {
    if (!LookAhead(loop)) return false;
    *out = Value::Bool(loop->at_end);
  } else if (name == "length" || name == "revindex" || name == "revindex0") {
    if (!LoopLength(loop, &length)) return false;
    *out = Value::Int(name == "length"     ? length
                      : name == "revindex" ? length - loop->index0
                                           : length - loop->index0 - 1);
  } else if (name == "previtem") {
    *out = loop->previous;
    if (loop->index0 == 0) {
      return NewMissing("there is no previous item", Missing::Reason::kOther, Kind::kLoop, out);
    }
  } else if (name == "nextitem") {
    if (!LookAhead(loop)) return false;
    *out = loop->after;
    if (loop->at_end) {
      return NewMissing("there is no next item", Missing::Reason::kOther, Kind::kLoop, out);
    }
  } else if (name == "depth" || name == "depth0") {
    *out = Value::Int(name == "depth" ? 1 : 0);
  } else if (name == "cycle" || name == "changed") {
    Value self;
    self.kind = Kind::kLoop;
    self.loop = loop;
    return NewMethod(self, name == "cycle" ? &Interpreter::LoopCycle : &Interpreter::LoopChanged,
                     out);
  } else {
    *found = false;
  }
  return true;
}

bool Interpreter::LoopCycle(const Value& self, const Arguments& arguments, Value* out) {
  if (arguments.n == 0 || arguments.n_keywords > 0) return Fail("cycle() needs values to cycle");
  *out = arguments.values[static_cast<size_t>(self.loop->index0) % arguments.n];
  return true;
}

bool Interpreter::LoopChanged(const Value& self, const Arguments& arguments, Value* out) {
  Loop* const loop = self.loop;
  bool is_same = loop->changed != nullptr && loop->n_changed == arguments.n;
  for (size_t i = 0; is_same && i < arguments.n; ++i) {
    if (!TestEqual(loop->changed[i], arguments.values[i], &is_same)) return false;
  }
  loop->changed = arguments.values;
  loop->n_changed = arguments.n;
  *out = Value::Bool(!is_same);
  return true;
}

// --- Macros ---

bool Interpreter::NewMacro(const TemplateNode* node, Value* out) {
  auto* const macro = bump_.New<Macro>();
  if (macro == nullptr) return FailMemory();
  *macro = Macro{node, scope_};
  *out = Value();
  out->kind = Kind::kMacro;
  out->macro = macro;
  return true;
}

bool Interpreter::ExecuteMacro(const TemplateNode* node) {
  Value macro;
  return NewMacro(node, &macro) && Bind(scope_, node->name, macro);
}

bool Interpreter::ExecuteCallBlock(const TemplateNode* node) {
  Value caller, value;
  if (!NewMacro(node->b, &caller)) return false;
  // Evaluate the chain except its last link, which is the call.
  const TemplateNode* link = node->a->items;
  if (!Eval(node->a->a, &value)) return false;
  for (; link->next != nullptr; link = link->next) {
    if (!ApplyLink(link, &value)) return false;
  }
  Arguments arguments;
  if (!EvalArguments(link->items, &arguments)) return false;
  auto** const names = bump_.New<const Str*>(arguments.n_keywords + 1);
  auto* const keywords = bump_.New<Value>(arguments.n_keywords + 1);
  if (names == nullptr || keywords == nullptr) return FailMemory();
  for (size_t i = 0; i < arguments.n_keywords; ++i) {
    names[i] = arguments.names[i];
    keywords[i] = arguments.keywords[i];
  }
  names[arguments.n_keywords] = &kCallerName;
  keywords[arguments.n_keywords] = caller;
  arguments.names = names;
  arguments.keywords = keywords;
  ++arguments.n_keywords;
  Value result;
  return Call(value, arguments, &result) && PrintValue(result);
}

bool Interpreter::BindParameters(const Macro& macro, const Arguments& arguments, Scope* scope) {
  auto* const used = bump_.New<bool>(arguments.n_keywords);
  if (used == nullptr) return FailMemory();
  size_t i = 0;
  for (const TemplateNode* p = macro.node->items; p != nullptr; p = p->next, ++i) {
    Value value;
    bool is_given = i < arguments.n;
    if (!Step(arguments.n_keywords / 16)) return false;
    if (is_given) value = arguments.values[i];
    for (size_t k = 0; !is_given && k < arguments.n_keywords; ++k) {
      if (used[k] || arguments.names[k]->view() != p->name->view()) continue;
      used[k] = is_given = true;
      value = arguments.keywords[k];
    }
    if (!is_given && p->a != nullptr) {
      if (!Eval(p->a, &value)) return false;
    } else if (!is_given &&
               !NewMissing(p->name->view(), Missing::Reason::kName, Kind::kUndefined, &value)) {
      return false;
    }
    if (!Bind(scope, p->name, value)) return false;
  }
  return BindSpecials(macro, arguments, i, used, scope);
}

// Binds caller, kwargs and varargs if the body uses them; otherwise passing them is an error.
bool Interpreter::BindSpecials(const Macro& macro, const Arguments& arguments, size_t n_parameters,
                               const bool* used, Scope* scope) {
  Value caller;
  bool has_parameter = false;
  for (const TemplateNode* p = macro.node->items; p != nullptr; p = p->next) {
    has_parameter = has_parameter || p->name->view() == "caller";
  }
  const bool takes_caller = macro.node->uses_caller && !has_parameter;
  if (takes_caller &&
      !NewMissing("no caller is defined", Missing::Reason::kOther, Kind::kMacro, &caller)) {
    return false;
  }
  Dict* const kwargs = NewDict(bump_);
  if (kwargs == nullptr) return FailMemory();
  for (size_t k = 0; k < arguments.n_keywords; ++k) {
    if (used[k]) continue;
    if (takes_caller && arguments.names[k]->view() == "caller") {
      caller = arguments.keywords[k];
    } else if (!macro.node->uses_kwargs) {
      return Fail("the macro takes no argument named %s",
                  Quoted(arguments.names[k]->view()).c_str());
    } else if (!DictSet(bump_, *kwargs, Value::String(arguments.names[k]), arguments.keywords[k])) {
      return FailMemory();
    }
  }
  if (takes_caller && !Bind(scope, &kCallerName, caller)) return false;
  if (macro.node->uses_kwargs && !Bind(scope, &kKwargsName, Value::Of(Kind::kDict, kwargs))) {
    return false;
  }
  const size_t n_more = arguments.n > n_parameters ? arguments.n - n_parameters : 0;
  if (!macro.node->uses_varargs) {
    return n_more == 0 || Fail("the macro takes at most %zu arguments", n_parameters);
  }
  List* const varargs = NewList(bump_, n_more);
  if (varargs == nullptr) return FailMemory();
  for (size_t k = 0; k < n_more; ++k) varargs->items[k] = arguments.values[n_parameters + k];
  return Bind(scope, &kVarargsName, Value::Of(Kind::kTuple, varargs));
}

bool Interpreter::CallMacro(const Macro& macro, const Arguments& arguments, Value* out) {
  Scope* const scope = NewScope(macro.scope);
  if (scope == nullptr) return false;
  Scope* const before = scope_;
  TextBuilder* const outer = out_;
  TextBuilder text(bump_, options_.limits.max_output);
  scope_ = scope;
  out_ = &text;
  if (!BindParameters(macro, arguments, scope) || Execute(macro.node->body) == Flow::kFailed) {
    out_ = outer;
    return false;
  }
  scope_ = before;
  out_ = outer;
  return NewText(&text, out);
}

}  // namespace clamma
