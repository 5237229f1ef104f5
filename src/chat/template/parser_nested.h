// SPDX-License-Identifier: MIT
#ifndef CLAMMA_CHAT_TEMPLATE_PARSER_NESTED_H_
#define CLAMMA_CHAT_TEMPLATE_PARSER_NESTED_H_

#include "chat/chat_template.h"
#include "chat/template/parser.h"

namespace clamma {

// Counts one level of the source's nesting during its lifetime.
class Parser::Nested {
 public:
  explicit Nested(Parser* parser) : parser_(parser) {
    ok_ = ++parser->nesting_ <= TemplateLimits::kMaxNesting ||
          parser->Fail("blocks and expressions are nested too deeply");
  }
  ~Nested() { --parser_->nesting_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  bool ok() const { return ok_; }

 private:
  Parser* parser_;
  bool ok_;
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_PARSER_NESTED_H_
