// SPDX-License-Identifier: MIT
#include "chat/template/interpreter.h"

#include <cstdarg>

#include "chat/template/parser.h"
#include "platform/format.h"
#include "platform/quoted.h"

namespace clamma {

bool Interpreter::Fail(const char* format, ...) {
  if (!status_.ok()) return false;
  char reason[256];
  va_list args;
  va_start(args, format);
  FormatList(reason, sizeof(reason), format, args);
  va_end(args);
  status_ = TemplateError(StatusCode::kInvalidArgument, source_, offset_, reason);
  return false;
}

bool Interpreter::FailMemory() {
  if (status_.ok()) {
    status_ = TemplateError(bump_.status().code(), source_, offset_, bump_.status().message());
  }
  return false;
}

bool Interpreter::FailBuilder(const TextBuilder& text) {
  if (!text.is_too_long()) return FailMemory();
  if (status_.ok()) {
    char reason[80];
    Format(reason, sizeof(reason), "a text of more than %zu bytes, the limit",
           options_.limits.max_output);
    status_ = TemplateError(StatusCode::kLimit, source_, offset_, reason);
  }
  return false;
}

bool Interpreter::FailUndefined(const Value& value) {
  const Missing* const missing = value.missing;
  if (missing == nullptr) return Fail("a value is undefined");
  const Quoted name(missing->name);
  switch (missing->reason) {
    case Missing::Reason::kName:
      return Fail("%s is undefined", name.c_str());
    case Missing::Reason::kAttribute: {
      Value owner;
      owner.kind = missing->owner;
      return Fail("a value of %s has no attribute %s", TypeName(owner), name.c_str());
    }
    case Missing::Reason::kElement: {
      Value owner;
      owner.kind = missing->owner;
      return Fail("a value of %s has no such element", TypeName(owner));
    }
    case Missing::Reason::kUnsafe:
      return Fail("the attribute %s must not be used in chat templates", name.c_str());
    case Missing::Reason::kNoElse:
      return Fail("the condition is false, and there is no else");
    case Missing::Reason::kOther:
      break;
  }
  return Fail("%s", name.c_str());
}

bool Interpreter::FailType(const char* what, const Value& value) {
  if (value.Is(Kind::kUndefined)) return FailUndefined(value);
  return Fail("%s, not a value of %s", what, TypeName(value));
}

bool Interpreter::Step(uint64_t n) {
  steps_ += n;
  if (steps_ <= options_.limits.max_steps) return true;
  if (status_.ok()) {
    status_ = TemplateError(StatusCode::kLimit, source_, offset_,
                            "the template takes more steps than the limit allows");
  }
  return false;
}

// After a successful Enter() the caller decrements depth_.
bool Interpreter::Enter(const TemplateNode* node) {
  offset_ = node->offset;
  if (++depth_ > TemplateLimits::kMaxDepth) {
    if (status_.ok()) {
      status_ = TemplateError(StatusCode::kLimit, source_, offset_,
                              "calls and expressions are nested too deeply");
    }
    return false;
  }
  return Step();
}

Scope* Interpreter::NewScope(Scope* parent) {
  auto* const scope = bump_.New<Scope>();
  if (scope == nullptr) {
    FailMemory();
    return nullptr;
  }
  scope->parent = parent;
  return scope;
}

bool Interpreter::Bind(Scope* scope, const Str* name, const Value& value) {
  uint64_t looked_at = 0;
  for (Binding* binding = scope->first; binding != nullptr; binding = binding->next) {
    if (++looked_at % 16 == 0 && !Step()) return false;
    if (binding->name == name) {
      binding->value = value;
      return true;
    }
  }
  auto* const binding = bump_.New<Binding>();
  if (binding == nullptr) return FailMemory();
  *binding = Binding{name, value, scope->first};
  scope->first = binding;
  return true;
}

bool Interpreter::Resolve(const Str* name, Value* out) {
  uint64_t looked_at = 0;
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    for (const Binding* binding = scope->first; binding != nullptr; binding = binding->next) {
      if (++looked_at % 16 == 0 && !Step()) return false;
      // The interpreter's own names (`loop`, `caller` ...) are not interned, so compare the texts.
      if (binding->name == name || binding->name->view() == name->view()) {
        *out = binding->value;
        return true;
      }
    }
  }
  if (context_.Is(Kind::kDict)) {
    const Value* const found = DictFind(*context_.dict, name->view());
    if (found != nullptr) {
      *out = *found;
      return true;
    }
  }
  return FindFunction(name->view(), out) ||
         NewMissing(name->view(), Missing::Reason::kName, Kind::kUndefined, out);
}

bool Interpreter::NewMissing(std::string_view name, Missing::Reason reason, Kind owner,
                             Value* out) {
  auto* const missing = bump_.New<Missing>();
  if (missing == nullptr) return FailMemory();
  *missing = Missing{name, reason, owner};
  *out = Value();
  out->missing = missing;
  return true;
}

bool Interpreter::Run(const TemplateNode* root) {
  scope_ = NewScope(nullptr);
  if (scope_ == nullptr || Execute(root->body) == Flow::kFailed) return false;
  return output_.ok() || FailBuilder(output_);
}

}  // namespace clamma
