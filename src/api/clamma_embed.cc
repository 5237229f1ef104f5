// SPDX-License-Identifier: MIT
// Embeddings, and scores of continuations.
#include <algorithm>
#include <string_view>

#include "api/convert.h"
#include "api/handles.h"
#include "api/run_in_turns.h"
#include "clamma-extra.h"
#include "engine/continuations.h"
#include "engine/embedding.h"
#include "engine/pooling.h"
#include "engine/token_lists.h"
#include "platform/format.h"

namespace clamma {
namespace {

static_assert(static_cast<int>(Pooling::kLast) == CLAMMA_POOLING_LAST);
static_assert(static_cast<int>(Pooling::kMean) == CLAMMA_POOLING_MEAN);
static_assert(static_cast<int>(Pooling::kFirst) == CLAMMA_POOLING_FIRST);

Status AddList(const clamma_text_t& text, const Tokenizer::EncodeOptions& options, size_t most,
               TokenLists* lists) {
  if (text.tokens != nullptr) return lists->AddTokens(text.tokens, text.count, most);
  if (text.text == nullptr && text.size > 0) {
    return Status::Error(StatusCode::kInvalidArgument, "size is given, and text is NULL");
  }
  return lists->AddText({text.text, text.size}, options, most);
}

// Appends texts (count), whose kind is `what` in messages.
Status AddLists(const char* what, const clamma_text_t* texts, size_t count,
                const Tokenizer::EncodeOptions& options, size_t most, TokenLists* lists) {
  for (size_t i = 0; i < count; ++i) {
    const Status status = AddList(texts[i], options, most, lists);
    if (status.ok()) continue;
    char place[48];
    Format(place, sizeof(place), "%s %zu", what, i);
    return Locate(place, status);
  }
  return Status();
}

Status Embed(Transformer& transformer, const clamma_text_t* texts, size_t count, unsigned flags,
             const Caller& caller, float* embeddings, size_t max, clamma_embed_facts_t* facts) {
  const NoCancel guard;
  if ((flags & ~CLAMMA_EMBED_RAW) != 0) {
    return Status::Error(StatusCode::kInvalidArgument, "flags 0x%x: unknown ones are set", flags);
  }
  if constexpr (!kHasGguf) {
    return Status::Error(StatusCode::kInvalidArgument, "this build has no embeddings");
  }
  const ModelConfig& config = transformer.config();
  uint64_t floats = 0;
  if (!CheckedMultiply(count, config.dim, &floats) || floats > max) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "%zu embeddings of %u floats do not fit in an array of %zu", count,
                         static_cast<unsigned>(config.dim), max);
  }
  Pooling pooling = Pooling::kLast;
  bool is_stated = false;
  CLAMMA_RETURN_IF_ERROR(ReadPooling(transformer, &pooling, &is_stated));
  TokenLists lists;
  CLAMMA_RETURN_IF_ERROR(lists.Init(transformer, count));
  const Tokenizer::EncodeOptions options = {.bos = transformer.tokenizer.adds_bos(),
                                            .dummy_prefix = transformer.tokenizer.adds_prefix(),
                                            .eos = transformer.tokenizer.adds_eos()};
  CLAMMA_RETURN_IF_ERROR(AddLists("text", texts, count, options, config.seq_len, &lists));
  Embedding job(transformer, lists, pooling, (flags & CLAMMA_EMBED_RAW) == 0, embeddings);
  CLAMMA_RETURN_IF_ERROR(job.Init());
  CLAMMA_RETURN_IF_ERROR(RunInTurns(transformer, caller, job));
  if (facts == nullptr) return Status();
  *facts = {};
  facts->dim = config.dim;
  facts->pooling = static_cast<clamma_pooling_t>(pooling);
  facts->made_for_embeddings = is_stated ? 1 : 0;
  facts->tokens = lists.total();
  return Status();
}

Status ScoreContinuations(Transformer& transformer, const clamma_text_t& context,
                          const clamma_text_t* continuations, size_t count, const Caller& caller,
                          clamma_continuation_score_t* scores) {
  const NoCancel guard;
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(CheckGeneratesText(transformer));
  const size_t seq_len = transformer.config().seq_len;
  uint64_t n_lists = 0;
  if (!CheckedAdd(count, 1, &n_lists)) return Status::OutOfMemory(UINT64_MAX);
  TokenLists lists;
  CLAMMA_RETURN_IF_ERROR(lists.Init(transformer, static_cast<size_t>(n_lists)));
  CLAMMA_RETURN_IF_ERROR(Locate(
      "the context", AddList(context, {.bos = true, .dummy_prefix = true}, seq_len, &lists)));
  CLAMMA_RETURN_IF_ERROR(
      AddLists("continuation", continuations, count, {}, seq_len - lists.size(0), &lists));
  if (count == 0) return Status();
  Array<ContinuationScore> computed;
  CLAMMA_RETURN_IF_ERROR(computed.Resize(transformer.memory, count));
  std::fill_n(computed.data(), count, ContinuationScore());
  Continuations job(transformer, lists, computed.data());
  CLAMMA_RETURN_IF_ERROR(RunInTurns(transformer, caller, job));
  for (size_t i = 0; i < count; ++i) {
    scores[i] = {lists.size(i + 1), computed[i].log_likelihood, computed[i].is_greedy ? 1 : 0};
  }
  return Status();
}

}  // namespace
}  // namespace clamma

using clamma::FromHandle;

int clamma_embed(const struct txf* txf, const clamma_text_t* texts, size_t count,
                 unsigned int flags, clamma_progress_cb_t progress_cb, void* opaque_user_pointer,
                 float* embeddings, size_t max, clamma_embed_facts_t* facts) {
  if (txf == nullptr || (texts == nullptr && count > 0) || (embeddings == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_embed");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  return clamma::Return(
      transformer.log,
      clamma::Embed(transformer, texts, count, flags,
                    {"clamma_embed", progress_cb, opaque_user_pointer}, embeddings, max, facts));
}

int clamma_score_continuations(const struct txf* txf, const clamma_text_t* context,
                               const clamma_text_t* continuations, size_t count,
                               clamma_progress_cb_t progress_cb, void* opaque_user_pointer,
                               clamma_continuation_score_t* scores) {
  if (txf == nullptr || context == nullptr ||
      ((continuations == nullptr || scores == nullptr) && count > 0)) {
    return clamma::ReturnMissing(txf, "clamma_score_continuations");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  const clamma::Caller caller = {"clamma_score_continuations", progress_cb, opaque_user_pointer};
  return clamma::Return(
      transformer.log,
      clamma::ScoreContinuations(transformer, *context, continuations, count, caller, scores));
}
