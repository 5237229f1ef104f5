// SPDX-License-Identifier: MIT
// The tokens of several texts.
#ifndef CLAMMA_ENGINE_TOKEN_LISTS_H_
#define CLAMMA_ENGINE_TOKEN_LISTS_H_

#include <cstddef>
#include <string_view>

#include "engine/transformer.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class TokenLists {
 public:
  // Makes room for `count` lists. The transformer, from whose memory they come, must outlive this.
  Status Init(Transformer& transformer, size_t count);

  // Append a list of 1 .. `most` tokens: the encoding of a text, or a copy of `tokens` (n).
  Status AddText(std::string_view text, const Tokenizer::EncodeOptions& options, size_t most);
  Status AddTokens(const TokenId* tokens, size_t n, size_t most);

  size_t count() const { return count_; }                               // the lists appended
  size_t total() const { return count_ == 0 ? 0 : ends_[count_ - 1]; }  // tokens of all lists
  size_t size(size_t list) const { return ends_[list] - begin(list); }
  const TokenId* tokens(size_t list) const { return tokens_.data() + begin(list); }

 private:
  size_t begin(size_t list) const { return list == 0 ? 0 : ends_[list - 1]; }

  Transformer* transformer_ = nullptr;
  size_t count_ = 0;
  Array<TokenId> tokens_;
  Array<size_t> ends_;
  Array<TokenId> encoded_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_TOKEN_LISTS_H_
