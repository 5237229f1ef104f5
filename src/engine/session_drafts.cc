// SPDX-License-Identifier: MIT
// The part of a session that builds without speculation lack.
#include <algorithm>

#include "engine/grammar/constraint.h"
#include "engine/session.h"

namespace clamma {

// The session keeps the draft model of its last query, with what that has computed, if this query
// has the same transformer for it. If not, that one may be destroyed at any time, and the model
// with it.
Status Session::MakeDraftModel(const Query& query, PreparedQuery* prepared) {
  Transformer* const draft = query.draft_transformer;
  if (draft == nullptr || prepared->keeps_draft_model) return Status();
  if (memory_.arena() != nullptr) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "sessions in an arena cannot have a draft transformer");
  }
  CLAMMA_RETURN_IF_ERROR(CheckDraftTransformer(transformer_, *draft));
  return prepared->draft_model.Make(memory_, *draft);
}

void Session::BeginDrafts(const Query& query, PreparedQuery* prepared) {
  if (!prepared->keeps_draft_model) drafter_.SwapModel(prepared->draft_model);
  drafter_.Begin(query.n_drafts);
}

Transformer* Session::draft_transformer(TurnHeld /*held*/) const {
  return drafter_.model() == nullptr ? nullptr : &drafter_.model()->transformer();
}

// How many drafts are of use. A token is sampled behind the last one, too, and the query has no
// more than its limit. A sequence must not outgrow its short rotation factors within a pass.
size_t Session::MostDrafts() const {
  const ModelConfig& config = transformer_.config();
  const size_t n = conversation_.n_tokens;
  size_t most = config.seq_len - std::min<size_t>(config.seq_len, n);
  if (query_.limit != 0) {
    most = static_cast<size_t>(std::min<uint64_t>(most, query_.limit - generated_ - 1));
  }
  if (config.short_context > 0 && n <= config.short_context) {
    most = std::min(most, config.short_context - n);
  }
  return std::min(most, kMaxDrafts);
}

// The drafts lie behind the conversation's tokens.
size_t Session::LookForDrafts(TurnHeld /*held*/) {
  const size_t most = std::min(drafter_.most(), drafter_.most() == 0 ? 0 : MostDrafts());
  const size_t n = conversation_.n_tokens;
  if (most == 0 || !conversation_.ReserveTokens(n + most + 1).ok()) return 0;
  if constexpr (kHasGrammar) {
    if (const size_t forced = LookForForced(most); forced > 0) return forced;
  }
  return drafter_.Look(conversation_.tokens.data(), n, most, conversation_.tokens.data() + n);
}

// Looks for text with which the grammar lets any text go on. Its usual tokens are the drafts.
size_t Session::LookForForced(size_t most) {
  if constexpr (kHasGrammar) {
    constexpr size_t kMaxBytes = 64;
    char bytes[kMaxBytes];
    const size_t n = conversation_.n_tokens;
    const SampledContext context = {conversation_.tokens.data(), n,
                                    static_cast<size_t>(generated_)};
    Constraint* const constraint = constraint_.get();
    if (constraint == nullptr || StripsSpace(context)) return 0;
    const size_t size = constraint->FindForcedBytes(bytes, kMaxBytes);
    Array<TokenId> tokens;
    size_t count = 0;
    if (size == 0 ||
        !transformer_.tokenizer.Encode(memory_, {bytes, size}, {}, &tokens, &count).ok()) {
      return 0;
    }
    count = std::min(count, most);
    std::copy_n(tokens.data(), count, conversation_.tokens.data() + n);
    drafter_.UseForced();
    return count;
  }
  return 0;
}

size_t Session::AddDraftRows(TurnHeld /*held*/, size_t count, ForwardRow* rows) {
  const size_t n = conversation_.n_tokens;
  TokenId* const drafts = conversation_.tokens.data() + n;
  const SampledContext context = {conversation_.tokens.data(), n, static_cast<size_t>(generated_)};
  count = drafter_.Take(context, count, query_.sampling, conversation_.random, drafts);
  KvCache& kv = conversation_.kv;
  const bool has_room = count > 0 && kv.Reserve(n + count, conversation_.position).ok() &&
                        transformer_.forward.ReserveScores(transformer_.memory, n + count).ok();
  if (!has_room) return 0;
  for (size_t i = 0; i < count; ++i) rows[i] = {drafts[i], n + i, &kv, nullptr, true};
  return count;
}

void Session::SampleBehindDrafts(TurnHeld /*held*/, const float* logits, size_t n_drafts,
                                 Sampler& sampler) {
  if (pending_.empty()) return;
  const TokenId* const drafts = conversation_.tokens.data() + conversation_.n_tokens;
  size_t n_right = 0;
  TokenId token = pending_.front().token;
  while (n_right < n_drafts && token == drafts[n_right] && !EndsText(token)) {
    const float* const next = logits + n_right * transformer_.config().vocab_size;
    ++n_right;
    // What fails here fails in the next pass again, when its turn has come.
    if (!SampleToken(next, sampler, &token).ok() || token == kNoToken) break;
  }
  drafter_.Learn(n_drafts, n_right);
  record_.AddDrafts(n_drafts, n_right);
}

}  // namespace clamma
