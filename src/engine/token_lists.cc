// SPDX-License-Identifier: MIT
#include "engine/token_lists.h"

#include <algorithm>

#include "engine/prompt.h"

namespace clamma {

Status TokenLists::Init(Transformer& transformer, size_t count) {
  transformer_ = &transformer;
  return ends_.Resize(transformer.memory, count);
}

Status TokenLists::AddText(std::string_view text, const Tokenizer::EncodeOptions& options,
                           size_t most) {
  const Tokenizer& tokenizer = transformer_->tokenizer;
  CLAMMA_RETURN_IF_ERROR(CheckFits(tokenizer, text.size(), most));
  size_t n = 0;
  CLAMMA_RETURN_IF_ERROR(tokenizer.Encode(transformer_->memory, text, options, &encoded_, &n));
  return AddTokens(encoded_.data(), n, most);
}

Status TokenLists::AddTokens(const TokenId* tokens, size_t n, size_t most) {
  if (n == 0) return Status::Error(StatusCode::kInvalidArgument, "there are no tokens");
  if (n > most) {
    return Status::Error(StatusCode::kLimit, "there are %zu tokens, and room for %zu", n, most);
  }
  for (size_t i = 0; i < n; ++i) {
    if (transformer_->tokenizer.IsValid(tokens[i])) continue;
    return Status::Error(StatusCode::kInvalidArgument, "token %d at %zu is not one of 0 .. %u",
                         static_cast<int>(tokens[i]), i,
                         static_cast<unsigned>(transformer_->config().vocab_size) - 1);
  }
  const size_t begin = total();
  if (begin + n > tokens_.size()) {
    const size_t size = std::max(begin + n, 2 * tokens_.size());
    CLAMMA_RETURN_IF_ERROR(tokens_.Resize(transformer_->memory, size));
  }
  std::copy_n(tokens, n, tokens_.data() + begin);
  ends_[count_++] = begin + n;
  return Status();
}

}  // namespace clamma
