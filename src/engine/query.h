// SPDX-License-Identifier: MIT
// A query, and the data that is prepared before it begins.
#ifndef CLAMMA_ENGINE_QUERY_H_
#define CLAMMA_ENGINE_QUERY_H_

#include <cstddef>
#include <cstdint>

#include "engine/conversation.h"
#include "engine/draft_model.h"
#include "engine/grammar/constraint_slot.h"
#include "engine/pending_tokens.h"
#include "engine/prompt.h"
#include "engine/sampler.h"
#include "engine/stop_strings.h"
#include "engine/transformer.h"
#include "kernels/kernels.h"
#include "platform/features.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Why a query ended; values as in clamma.h.
enum class Done : int {
  kEndOfText = 0,
  kLimit = 1,
  kContextFull = 2,
  kStopString = 3,
  kCancelled = 4,
  kError = 5
};

struct Query {
  PromptTexts texts;
  const ChatRequest* chat = nullptr;  // if set, `texts` is unused: the whole conversation
  SamplingOptions sampling;
  uint64_t limit = 0;  // maximum number of tokens to generate; 0: until the context is full
  uint64_t seed = 0;
  // Only contexts of equal salts share pages.
  [[no_unique_address]] OnlyIf<kHasPrefixCache, uint64_t> prefix_salt = 0;
  // ... except for what is no secret: pages of a context that begins like these tokens.
  struct OpenPrefix {
    const TokenId* tokens = nullptr;  // (n)
    size_t n = 0;
  };
  [[no_unique_address]] OnlyIf<kHasPrefixCache, OpenPrefix> prefix_open;
  const char* const* stop_strings = nullptr;  // (n_stop_strings)
  size_t n_stop_strings = 0;
  const TokenId* stop_tokens = nullptr;  // (n_stop_tokens): each ends the text, as EOS does
  size_t n_stop_tokens = 0;
  // If there is one, texts that do not match are not generated.
  [[no_unique_address]] OnlyIf<kHasGrammar, GrammarText> grammar;
  // Receives the paths of the constraints that were dropped, see WriteDropped().
  struct TextRoom {
    char* text = nullptr;
    size_t size = 0;
  };
  [[no_unique_address]] OnlyIf<kHasGrammar, TextRoom> dropped;
  size_t n_top_logprobs = 0;
  // The most drafts for a pass; and the transformer that computes them, nullptr: they are looked
  // up.
  [[no_unique_address]] OnlyIf<kHasSpeculation, size_t> n_drafts = 0;
  [[no_unique_address]] OnlyIf<kHasSpeculation, Transformer*> draft_transformer = nullptr;
  int (*issue)(void* opaque, const char* text) = nullptr;
  int (*progress)(void* opaque, size_t processed, size_t total) = nullptr;
  void (*logprobs)(void* opaque, TokenId token, float logprob, size_t n_top,
                   const TokenId* top_tokens, const float* top_logprobs) = nullptr;
  using LogitHashCallback = void (*)(void* opaque, TokenId token, uint64_t hash);
  [[no_unique_address]] OnlyIf<kHasGguf, LogitHashCallback> logit_hash = nullptr;
  void (*done)(const Query& query, Done why) = nullptr;
  void (*user_done)() = nullptr;  // the user's callback, for `done` to cast and call
  void* opaque = nullptr;
  void** null_on_destroy = nullptr;
};

// The data that a query needs when it begins.
struct PreparedQuery {
  Array<TokenId> added;  // the first n_added tokens are appended to those kept
  size_t n_added = 0;
  size_t n_kept = 0;         // how many of the conversation's tokens are kept
  Array<TokenId> displaced;  // the conversation's other tokens, which are removed
  StopStrings stops;
  PendingTokens pending;  // with memory for the logprobs that the query asks for
  Array<LogitBias> biases;
  Array<TokenId> stop_tokens;
  [[no_unique_address]] ConstraintSlot constraint;
  [[no_unique_address]] DraftModelSlot draft_model;
  // Whether the session keeps the one of its last query; set before PrepareQuery().
  [[no_unique_address]] OnlyIf<kHasSpeculation, bool> keeps_draft_model = false;
  bool complete = false;  // whether PrepareQuery() succeeded

  void Free() {
    added.Reset();
    displaced.Reset();
    StopStrings().Swap(stops);
    PendingTokens().SwapRoom(pending);
    biases.Reset();
    stop_tokens.Reset();
    constraint.Reset();
    draft_model.Reset();
  }
};

// Checks an element of a list, which has a name for the message, that must be a token of the model.
Status CheckToken(const ModelConfig& config, const char* list, size_t i, TokenId token);

// Compiles the query's grammar, and keeps it for later ones, if the transformer does so.
Status CheckGrammar(const Transformer& transformer, const Query& query);

// Encodes the tokens that the query adds to the conversation, and copies the data that it refers
// to. This may take long. prepared->added and temporary data are allocated from `scratch`,
// everything else from `memory`. Either memory may be a plan.
Status PrepareQuery(const Transformer& transformer, const Conversation& conversation,
                    const Query& query, Memory& scratch, Memory& memory, PreparedQuery* prepared);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_QUERY_H_
