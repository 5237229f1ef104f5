// SPDX-License-Identifier: MIT
#include "engine/query.h"

#include <algorithm>

#include "engine/pooling.h"
#include "engine/text_stream.h"

namespace clamma {
namespace {

// Copies `n` items.
template <typename T>
Status Copy(Memory& memory, const T* items, size_t n, Array<T>* copy) {
  CLAMMA_RETURN_IF_ERROR(copy->Resize(memory, n));
  if (!memory.is_plan()) std::copy_n(items, n, copy->data());
  return Status();
}

// One call of PrepareQuery(), with its arguments.
class Preparation {
 public:
  Preparation(const Transformer& transformer, const Conversation& conversation, const Query& query,
              Memory& scratch, Memory& memory, PreparedQuery* prepared)
      : transformer_(transformer),
        conversation_(conversation),
        query_(query),
        scratch_(scratch),
        memory_(memory),
        prepared_(prepared) {}

  Status Run();

 private:
  const ModelConfig& config() const { return transformer_.config(); }
  Status AddTexts();
  Status AddChat();
  Status CopyLists();
  Status CompileGrammar();

  const Transformer& transformer_;
  const Conversation& conversation_;
  const Query& query_;
  Memory& scratch_;
  Memory& memory_;
  PreparedQuery* prepared_;
};

Status Preparation::Run() {
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(CheckGeneratesText(transformer_));
  CLAMMA_RETURN_IF_ERROR(query_.chat == nullptr ? AddTexts() : AddChat());
  StopStrings& stops = prepared_->stops;
  const size_t n_stops = IsConstrained(query_.grammar) ? 0 : query_.n_stop_strings;
  CLAMMA_RETURN_IF_ERROR(stops.Set(memory_, query_.stop_strings, n_stops));
  CLAMMA_RETURN_IF_ERROR(
      TextStream::ReserveStops(memory_, transformer_.tokenizer, transformer_.channels(), &stops));
  CLAMMA_RETURN_IF_ERROR(CopyLists());
  if constexpr (kHasGrammar) CLAMMA_RETURN_IF_ERROR(CompileGrammar());
  if (query_.logprobs == nullptr) return Status();
  return prepared_->pending.InitLogprobs(
      memory_, std::min<size_t>(query_.n_top_logprobs, config().vocab_size),
      1 + std::min<size_t>(query_.n_drafts, kMaxDrafts));
}

// Encodes the texts that the query adds to the conversation.
Status Preparation::AddTexts() {
  const TokenId last =
      conversation_.n_tokens == 0 ? kNoToken : conversation_.tokens[conversation_.n_tokens - 1];
  prepared_->n_kept = conversation_.n_tokens;
  return EncodePrompt(scratch_, transformer_.prompt_format(), query_.texts, last,
                      config().seq_len - conversation_.position, &prepared_->added,
                      &prepared_->n_added);
}

// Encodes the whole chat. The tokens at its beginning that the conversation already has are kept.
Status Preparation::AddChat() {
  const TokenId* const held = conversation_.tokens.data();
  Array<TokenId>& tokens = prepared_->added;
  size_t count = 0;
  CLAMMA_RETURN_IF_ERROR(EncodeChat(scratch_, transformer_.chat_format, *query_.chat, held,
                                    conversation_.n_tokens, config().seq_len, &tokens, &count));
  size_t same = 0;
  if (!memory_.is_plan()) {
    while (same < std::min(count, conversation_.n_tokens) && tokens[same] == held[same]) ++same;
    std::copy(tokens.data() + same, tokens.data() + count, tokens.data());
  }
  prepared_->n_kept = same;
  prepared_->n_added = count - same;
  return Copy(memory_, held + same, conversation_.n_tokens - same, &prepared_->displaced);
}

// Checks and copies the query's lists of tokens.
Status Preparation::CopyLists() {
  for (size_t i = 0; i < query_.n_stop_tokens; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckToken(config(), "stop_tokens", i, query_.stop_tokens[i]));
  }
  const SamplingOptions& sampling = query_.sampling;
  for (size_t i = 0; i < sampling.n_biases; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckToken(config(), "logit_bias", i, sampling.biases[i].token));
  }
  CLAMMA_RETURN_IF_ERROR(
      Copy(memory_, query_.stop_tokens, query_.n_stop_tokens, &prepared_->stop_tokens));
  return Copy(memory_, sampling.biases, sampling.n_biases, &prepared_->biases);
}

Status Preparation::CompileGrammar() {
  if (!HasGrammar(query_.grammar)) return Status();
  return prepared_->constraint.Make(memory_, query_.grammar, transformer_.tokenizer,
                                    transformer_.trie, query_.stop_tokens, query_.n_stop_tokens);
}

}  // namespace

Status CheckToken(const ModelConfig& config, const char* list, size_t i, TokenId token) {
  if (token >= 0 && static_cast<uint32_t>(token) < config.vocab_size) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "%s: token %d at %zu is not one of 0 .. %u",
                       list, static_cast<int>(token), i,
                       static_cast<unsigned>(config.vocab_size) - 1);
}

Status PrepareQuery(const Transformer& transformer, const Conversation& conversation,
                    const Query& query, Memory& scratch, Memory& memory, PreparedQuery* prepared) {
  return Preparation(transformer, conversation, query, scratch, memory, prepared).Run();
}

}  // namespace clamma
