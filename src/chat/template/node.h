// SPDX-License-Identifier: MIT
// The syntax tree of a template. What Jinja2 nests to the left (a + b + c, a.b.c|d) is a list here,
// so that the tree is only as deep as brackets and blocks are.
#ifndef CLAMMA_CHAT_TEMPLATE_NODE_H_
#define CLAMMA_CHAT_TEMPLATE_NODE_H_

#include <cstddef>
#include <cstdint>

#include "chat/template/lexer.h"
#include "chat/template/value.h"

namespace clamma {

enum class NodeKind : uint8_t {
  // Expressions.
  kConst,  // value
  kName,   // name
  kList,   // items
  kTuple,  // items
  kDict,   // items: key, value, key, value ...
  kNot,    // a
  // Items, of which each but the first is a kOperand; operators of one precedence, from the left.
  kOr,
  kAnd,
  kCompare,
  kMath,
  kConcat,
  kOperand,  // op, a; is_in and is_negated in place of op
  kNegative,
  kPositive,     // a
  kConditional,  // a if b else c; c may be nullptr
  kChain,        // a, and what is done with it one after the other: items
  // What a chain has.
  kAttribute,  // name
  kElement,    // a: the index
  kSlice,      // a, b, c: start, stop, step, each may be nullptr
  kCall,       // items: arguments
  kFilter,     // name, items: arguments
  kTest,       // name, items: arguments, is_negated
  // Arguments that are no plain expression.
  kKeyword,       // name, a
  kStarArgument,  // a
  kStarKeywords,  // a
  // Targets.
  kNamespaceTarget,  // name, value: the attribute
  // Statements.
  kData,         // value
  kPrint,        // items
  kFor,          // a: target, b: what over, c: the condition or nullptr; body, other
  kIf,           // items: kBranch
  kBranch,       // a: the condition, nullptr for else; body
  kSet,          // a: target, b
  kSetBlock,     // a: target, items: filters; body
  kMacro,        // name, items: kParameter; body
  kParameter,    // name, a: default or nullptr
  kCallBlock,    // a: the call; b: a kMacro of the block
  kFilterBlock,  // items: filters; body
  kWith,         // items: target, value, target, value ...; body
  kScope,        // body
  kBreak,
  kContinue,
};

struct TemplateNode {
  NodeKind kind;
  TokenKind op;
  bool is_in;
  bool is_negated;
  // kMacro: which of the special names its body has.
  bool uses_caller, uses_varargs, uses_kwargs;
  uint32_t offset;  // in the source
  const Str* name;  // equal names of a template are the same Str
  Value value;
  TemplateNode* a;
  TemplateNode* b;
  TemplateNode* c;
  TemplateNode* items;  // the first
  TemplateNode* body;   // the first
  TemplateNode* other;  // the first
  TemplateNode* next;   // in the list that this one is in
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_NODE_H_
