// SPDX-License-Identifier: MIT
// The syntax tree of a template. Expressions that Jinja2 nests to the left (a + b + c, a.b.c|d) are
// lists here, so that the tree is only as deep as brackets and blocks are nested.
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
  // Operators of one precedence, from left to right: items, each except the first a kOperand.
  kOr,
  kAnd,
  kCompare,
  kMath,
  kConcat,
  kOperand,  // op, a; is_in and is_negated in place of op
  kNegative,
  kPositive,     // a
  kConditional,  // a if b else c; c may be nullptr
  kChain,        // a; items: the operations applied to it one after another
  // The operations of a chain.
  kAttribute,  // name
  kElement,    // a: the index
  kSlice,      // a, b, c: start, stop, step, each may be nullptr
  kCall,       // items: arguments
  kFilter,     // name, items: arguments
  kTest,       // name, items: arguments, is_negated
  // Arguments that are not plain expressions.
  kKeyword,       // name, a
  kStarArgument,  // a
  kStarKeywords,  // a
  // Targets.
  kNamespaceTarget,  // name, value: the attribute
  // Statements.
  kData,         // value
  kPrint,        // items
  kFor,          // a: target, b: iterable, c: condition or nullptr; body; other: else
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
  // kMacro: which special names its body uses.
  bool uses_caller, uses_varargs, uses_kwargs;
  uint32_t offset;  // in the source
  const Str* name;  // interned: equal names of a template are the same Str
  Value value;
  TemplateNode* a;
  TemplateNode* b;
  TemplateNode* c;
  TemplateNode* items;  // the first
  TemplateNode* body;   // the first
  TemplateNode* other;  // the first
  TemplateNode* next;   // in the list that contains this node
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_NODE_H_
