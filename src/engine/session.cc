// SPDX-License-Identifier: MIT
#include "engine/session.h"

#include <algorithm>
#include <utility>

#include "engine/grammar/constraint.h"
#include "engine/prefix_cache.h"

namespace clamma {

Session::Session(Transformer& transformer)
    : transformer_(transformer), memory_(transformer.memory.arena()) {}

Session::~Session() { TellDestroyed(); }

void Session::TellDestroyed() {
  if (query_.null_on_destroy != nullptr) *query_.null_on_destroy = nullptr;
  query_.null_on_destroy = nullptr;
}

void Session::DeferDelete(TurnHeld /*held*/) {
  delete_deferred_ = true;
  TellDestroyed();
}

Status Session::Init() {
  conversation_.Init(memory_, transformer_.config(), transformer_.kv_type);
  if constexpr (kHasPrefixCache) conversation_.kv.SetPages(SharedPagesOf(transformer_));
  return text_.Init(memory_, transformer_.tokenizer, transformer_.channels());
}

Status Session::NoRoomInArena(const Transformer& transformer) {
  Memory plan((Memory::Plan()));
  plan.PlanFor(sizeof(Session));
  TextStream text;
  CLAMMA_RETURN_IF_ERROR(text.Init(plan, transformer.tokenizer, transformer.channels()));
  return ArenaIsTooSmall(transformer.memory.arena(), plan.planned_bytes());
}

Status Session::NoRoomInArena(SessionHeld /*held*/, TurnHeld /*turn*/, const Query& query,
                              const PreparedQuery& prepared) {
  Memory plan((Memory::Plan()));
  PreparedQuery planned;
  CLAMMA_RETURN_IF_ERROR(PrepareQuery(transformer_, conversation_, query, plan, plan, &planned));
  // If the prompt was encoded, its number of tokens is known; else the plan has an upper bound.
  const PreparedQuery& known = prepared.complete ? prepared : planned;
  const size_t positions = PositionsOf(query, known.n_kept + known.n_added);
  if constexpr (kHasPrefixCache) SetKept(known.n_kept, conversation_);
  CLAMMA_RETURN_IF_ERROR(conversation_.PlanWhole(positions, transformer_.forward, plan));
  return ArenaIsTooSmall(memory_.arena(), plan.planned_bytes());
}

Status Session::Prepare(SessionHeld /*held*/, const Query& query, PreparedQuery* prepared) {
  CLAMMA_RETURN_IF_ERROR(
      PrepareQuery(transformer_, conversation_, query, transformer_.memory, memory_, prepared));
  if constexpr (kHasSpeculation) CLAMMA_RETURN_IF_ERROR(MakeDraftModel(query, prepared));
  prepared->complete = true;
  return Status();
}

Status Session::CheckRoom(const Query& query, const PreparedQuery& prepared) const {
  const size_t seq_len = transformer_.config().seq_len;
  if (query.chat == nullptr && conversation_.position >= seq_len) {
    return Status::Error(StatusCode::kLimit,
                         "the context of %zu positions is full: a new session starts afresh",
                         seq_len);
  }
  const size_t used = std::min(conversation_.position, prepared.n_kept);
  const size_t count = prepared.n_kept + prepared.n_added;
  if (count > seq_len) {
    return Status::Error(StatusCode::kLimit,
                         "the prompt takes %zu positions, and %zu of the context's %zu are left",
                         count - used, seq_len - used, seq_len);
  }
  return Status();
}

Status Session::Reserve(SessionHeld /*held*/, LockHeld /*lock*/, const Query& query,
                        const PreparedQuery& prepared) {
  CLAMMA_RETURN_IF_ERROR(CheckRoom(query, prepared));
  return conversation_.ReserveTokens(prepared.n_kept + prepared.n_added + 1);
}

// Allocates all memory at once, so that a query that has begun never runs out of memory.
Status Session::ReserveWhole(SessionHeld /*held*/, TurnHeld /*turn*/, LockHeld /*lock*/,
                             const Query& query, const PreparedQuery& prepared) {
  CLAMMA_RETURN_IF_ERROR(CheckRoom(query, prepared));
  if constexpr (kHasPrefixCache) SetKept(prepared.n_kept, conversation_);
  return conversation_.ReserveWhole(PositionsOf(query, prepared.n_kept + prepared.n_added),
                                    transformer_.forward, transformer_.memory);
}

void Session::Begin(SessionHeld /*held*/, LockHeld /*lock*/, const Query& query,
                    PreparedQuery* prepared) {
  n_tokens_before_ = conversation_.n_tokens;
  position_before_ = conversation_.position;
  n_kept_ = prepared->n_kept;
  displaced_.Swap(prepared->displaced);
  prompt_tokens_ = prepared->n_added;
  conversation_.Replace(n_kept_, prepared->added.data(), prompt_tokens_);
  generated_ = 0;
  logit_hash_ = kLogitHashStart;
  if constexpr (kHasGguf) StartText(query);
  query_ = query;
  query_.texts = PromptTexts();  // the caller's strings may not outlive the call
  query_.chat = nullptr;
  query_.stop_strings = nullptr;
  text_.SwapStops(prepared->stops);
  query_.stop_tokens = nullptr;
  is_constrained_ = IsConstrained(query.grammar);
  if constexpr (kHasGrammar) query_.grammar = {};
  stop_tokens_.Swap(prepared->stop_tokens);
  biases_.Swap(prepared->biases);
  constraint_.Swap(prepared->constraint);
  query_.sampling.biases = biases_.data();
  pending_.SwapRoom(prepared->pending);
  if constexpr (kHasSpeculation) BeginDrafts(query, prepared);
  if constexpr (kHasPrefixCache) {
    const Query::OpenPrefix open = query.prefix_open;
    SetSalt(query.prefix_salt, open.tokens, open.n, conversation_);
    query_.prefix_open = {};
  }
  conversation_.seed = query.seed;
  conversation_.random = RandomGenerator(query.seed);
  outcome_ = Outcome::kNone;
  cancelled_.store(false, std::memory_order_relaxed);
  record_.Begin(conversation_.n_tokens, conversation_.position);
}

// The answer of a chat is issued without the marks of its channels, other text as it is. A query
// that only continues an answer continues its reading, too.
void Session::StartText(const Query& query) {
  if (query.chat != nullptr || transformer_.type == ModelType::kChat) {
    text_.ReadChannels(transformer_.channels(), conversation_.tokens.data(),
                       conversation_.n_tokens);
  } else if (!OnlyContinues()) {
    text_.ReadPlain();
  }
}

// Returns how many positions are in use when the query has generated as many tokens as it may,
// after `count` others. The last generated token takes no position.
size_t Session::PositionsOf(const Query& query, size_t count) const {
  const size_t most = transformer_.config().seq_len;
  count = std::min(most, count);
  if (query.limit == 0 || query.limit > most - count) return most;
  return count + static_cast<size_t>(query.limit) - 1;
}

void Session::SetFailure(const Status& status) {
  failure_ = status;
  outcome_ = Outcome::kFailed;
}

void Session::Fail(TurnHeld /*held*/, const Status& status) { SetFailure(status); }

// Restores the conversation as it was before the query, which ended before its first token.
void Session::RollBack() {
  std::copy_n(displaced_.data(), displaced_.size(), conversation_.tokens.data() + n_kept_);
  conversation_.n_tokens = n_tokens_before_;
  conversation_.position = std::min({conversation_.position, position_before_, n_kept_});
  prompt_tokens_ = 0;
}

bool Session::AddRows(TurnHeld /*held*/, size_t count, ForwardRow* rows) {
  const Status status = conversation_.AddRows(count, rows);
  if (!status.ok()) SetFailure(status);
  if (status.ok()) record_.Serve(rows->position);
  return status.ok();
}

bool Session::Advance(TurnHeld /*held*/, size_t count) {
  outcome_ = Outcome::kPartDone;
  const Status status = conversation_.Advance(count);
  if (!status.ok()) SetFailure(status);
  if (status.ok()) record_.Advance(conversation_.waiting());
  return status.ok();
}

void Session::Sample(TurnHeld /*held*/, const float* logits, Sampler& sampler) {
  TokenId token = 0;
  const Status status = SampleToken(logits, sampler, &token);
  if (!status.ok()) return SetFailure(status);
  outcome_ = kHasGrammar && token == kNoToken ? Outcome::kComplete : Outcome::kNone;
}

// Samples a token behind the pending ones, whose places in the conversation have the same tokens
// already, and adds it to them. If the grammar allows none, *token is kNoToken. A failure changes
// nothing.
Status Session::SampleToken(const float* logits, Sampler& sampler, TokenId* token) {
  const RandomGenerator random_before = conversation_.random;
  const size_t n_pending = kHasSpeculation ? pending_.size() : 0;
  const SampledContext context = {conversation_.tokens.data(), conversation_.n_tokens + n_pending,
                                  static_cast<size_t>(generated_) + n_pending};
  const auto sample = [&] {
    if constexpr (kHasGrammar) {
      if (constraint_.get() != nullptr) return SampleConstrained(logits, context, sampler, token);
    }
    return sampler.Sample(logits, query_.sampling, context, &conversation_.random, token);
  };
  const Status status = sample();
  if (!status.ok()) conversation_.random = random_before;
  if (!status.ok() || (kHasGrammar && *token == kNoToken)) return status;
  PendingToken& pending = pending_.Push(*token, random_before);
  pending.follows_draft = n_pending > 0;
  if constexpr (kHasGrammar) {
    if (const Constraint* const constraint = constraint_.get(); constraint != nullptr) {
      pending.is_constrained = constraint->is_active();
      pending.behind_trigger = EndsText(*token) ? 0 : constraint->behind_trigger();
    }
  }
  if (query_.logprobs != nullptr) {
    pending.logprobs.Compute(logits, transformer_.config().vocab_size, *token);
  }
  if (query_.logit_hash != nullptr) {
    logit_hash_ = AddLogits(logit_hash_, logits, transformer_.config().vocab_size);
    pending.logit_hash = logit_hash_;
  }
  return Status();
}

// Discards tokens that were not delivered. The last token waits again, so that another query can
// continue after it.
Session::Progress Session::End(Done why, Done* out) {
  conversation_.LetLastWait();
  if (!pending_.empty()) conversation_.random = pending_.front().random_before;
  pending_.Clear();
  constraint_.Reset();
  if (generated_ == 0 && (why == Done::kCancelled || why == Done::kError)) RollBack();
  record_.End();
  *out = why;
  return Progress::kEnded;
}

void Session::Abandon(TurnHeld /*held*/) {
  Done why = Done::kCancelled;
  End(why, &why);
}

Session::Progress Session::Deliver(TurnHeld /*held*/, Done* why) {
  if (IsCancelled()) return End(Done::kCancelled, why);
  if constexpr (kRecordsQueries) {
    const Progress progress = TellPart();
    if (progress == Progress::kDestroyed) return progress;
    if (progress == Progress::kEnded) return End(Done::kCancelled, why);
  }
  if (!pending_.empty()) return DeliverToken(why);
  const Outcome outcome = std::exchange(outcome_, Outcome::kNone);
  if constexpr (kHasGrammar) {
    if (outcome == Outcome::kComplete) return EndShown(Done::kEndOfText, why);
  }
  if (outcome != Outcome::kFailed) return Progress::kGoesOn;
  transformer_.log.Write(failure_.message());
  return End(Done::kError, why);
}

// Reports a part of the prompt, if one has been processed since the last call.
Session::Progress Session::TellPart() {
  const bool has_part = record_.TakePart() && outcome_ != Outcome::kFailed;
  if (!has_part || query_.progress == nullptr) return Progress::kGoesOn;
  const int refused =
      query_.progress(query_.opaque, conversation_.position, record_.prompt_tokens());
  if (delete_deferred_) return Progress::kDestroyed;
  return refused != 0 || IsCancelled() ? Progress::kEnded : Progress::kGoesOn;
}

Session::Progress Session::DeliverToken(Done* why) {
  if constexpr (kHasSpeculation) {
    // The token before it was a draft: it counts as computed from now on.
    const Status status = pending_.front().follows_draft ? conversation_.Advance(1) : Status();
    if (!status.ok()) {
      transformer_.log.Write(status.message());
      return End(Done::kError, why);
    }
  }
  const PendingToken& given = pending_.Pop();
  const TokenId token = given.token;
  const TokenId previous = conversation_.tokens[conversation_.n_tokens - 1];
  conversation_.tokens[conversation_.n_tokens++] = token;
  // The query completes an unfinished character only if it has not changed the tokens before, and
  // not if its text must match a grammar.
  if (generated_ == 0 && (!OnlyContinues() || is_constrained_)) text_.DropHeld();
  if (!TellLogprobs(given) || !TellLogitHash(given)) return Progress::kDestroyed;
  if (EndsText(token)) return EndAt(token, why);
  bool stopped = false;
  const Progress progress = Emit(given, previous, &stopped);
  if (progress == Progress::kDestroyed) return progress;
  if (progress == Progress::kEnded) return End(Done::kCancelled, why);
  if (stopped) return End(Done::kStopString, why);
  if (query_.limit != 0 && generated_ >= query_.limit) return EndShown(Done::kLimit, why);
  if (conversation_.position == transformer_.config().seq_len)
    return EndShown(Done::kContextFull, why);
  return Progress::kGoesOn;
}

bool Session::EndsText(TokenId token) const {
  const TokenId* const end = stop_tokens_.data() + stop_tokens_.size();
  return transformer_.tokenizer.EndsText(token) ||
         std::find(stop_tokens_.data(), end, token) != end;
}

// Returns false if the callback destroyed the session.
bool Session::TellLogprobs(const PendingToken& given) {
  if (query_.logprobs == nullptr) return true;
  const Logprobs& logprobs = given.logprobs;
  query_.logprobs(query_.opaque, given.token, logprobs.chosen(), logprobs.n_top(),
                  logprobs.top_tokens(), logprobs.top_logprobs());
  return !delete_deferred_;
}

// Likewise.
bool Session::TellLogitHash(const PendingToken& given) {
  const Query::LogitHashCallback callback = query_.logit_hash;
  if (callback == nullptr) return true;
  callback(query_.opaque, given.token, given.logit_hash);
  return !delete_deferred_;
}

// Ends the query at a token that is not shown. Its mark is issued all the same, because a query
// that continues takes the marks of all tokens as issued.
Session::Progress Session::EndAt(TokenId token, Done* why) {
  bool stopped = false;
  Progress progress = Progress::kGoesOn;
  if constexpr (kHasGguf) progress = CallIssue(text_.AppendMark(token, &stopped));
  if (progress == Progress::kDestroyed) return progress;
  if (progress == Progress::kEnded) return End(Done::kCancelled, why);
  return stopped ? End(Done::kStopString, why) : EndShown(Done::kEndOfText, why);
}

// Ends the query after issuing the text that was held back. At a limit, the bytes of an unfinished
// character are kept, as the next query may complete it.
Session::Progress Session::EndShown(Done why, Done* out) {
  bool stopped = false;
  Progress progress = Progress::kGoesOn;
  if (why != Done::kLimit) progress = CallIssue(text_.FlushCharacter(&stopped));
  if (progress == Progress::kGoesOn && !stopped) progress = CallIssue(text_.FlushText());
  if (progress == Progress::kDestroyed) return progress;
  if (progress == Progress::kEnded) return End(Done::kCancelled, out);
  return End(stopped ? Done::kStopString : why, out);
}

Session::Progress Session::Emit(const PendingToken& given, TokenId previous, bool* stopped) {
  const bool is_first = IsFirst(previous, generated_);
  const bool is_constrained = given.is_constrained;
  const size_t behind_trigger = given.behind_trigger;
  ++generated_;
  Progress progress = CallIssue(text_.Append(given.token, is_first, behind_trigger, stopped));
  if (progress != Progress::kGoesOn || *stopped || !is_constrained) return progress;
  progress = CallIssue(text_.EndStops());
  return progress == Progress::kGoesOn ? CallIssue(text_.AppendRest()) : progress;
}

Session::Progress Session::CallIssue(const char* text) {
  if (text[0] == '\0' || query_.issue == nullptr) return Progress::kGoesOn;
  const int refused = query_.issue(query_.opaque, text);
  if (delete_deferred_) return Progress::kDestroyed;
  return refused != 0 || IsCancelled() ? Progress::kEnded : Progress::kGoesOn;
}

Status Session::SetTokens(SessionHeld /*held*/, LockHeld /*lock*/, const TokenId* tokens,
                          size_t n) {
  const size_t seq_len = transformer_.config().seq_len;
  if (n > seq_len) {
    return Status::Error(StatusCode::kLimit, "%zu tokens do not fit in the context of %zu", n,
                         seq_len);
  }
  for (size_t i = 0; i < n; ++i) {
    if (transformer_.tokenizer.IsValid(tokens[i])) continue;
    return Status::Error(StatusCode::kInvalidArgument, "token %d at %zu is not one of 0 .. %u",
                         static_cast<int>(tokens[i]), i,
                         static_cast<unsigned>(transformer_.config().vocab_size) - 1);
  }
  CLAMMA_RETURN_IF_ERROR(conversation_.ReserveTokens(n));
  size_t same = 0;
  while (same < std::min(n, conversation_.n_tokens) && tokens[same] == conversation_.tokens[same])
    ++same;
  if (same == n && n == conversation_.n_tokens) return Status();
  conversation_.Replace(same, tokens + same, n - same);
  text_.ReadPlain();
  text_.DropHeld();
  return Status();
}

Status Session::Save(SessionHeld /*held*/, const StateSink& sink) {
  const std::string_view held = text_.held();
  conversation_.n_held = held.size();
  std::copy(held.begin(), held.end(), conversation_.held);
  return WriteState(transformer_, conversation_, sink);
}

Status Session::Load(SessionHeld /*held*/, const StateSource& source, Conversation* loaded) {
  loaded->Init(memory_, transformer_.config(), transformer_.kv_type);
  if constexpr (kHasPrefixCache) {
    loaded->kv.SetPages(SharedPagesOf(transformer_));
    Distrust(*loaded);
  }
  return ReadState(transformer_, memory_, source, loaded);
}

void Session::Adopt(SessionHeld /*held*/, LockHeld /*lock*/, Conversation* loaded) {
  conversation_.Swap(*loaded);
  text_.ReadPlain();
  text_.SetHeld({conversation_.held, conversation_.n_held});
  generated_ = 0;
  prompt_tokens_ = 0;
  record_ = QueryRecord();
}

uint64_t Session::BytesAtFullContext(TurnHeld /*held*/, LockHeld /*lock*/) const {
  const ModelConfig& c = transformer_.config();
  const uint64_t full_kv =
      KvCache::BytesFor(c, transformer_.kv_type, c.seq_len, memory_.arena() == nullptr);
  const uint64_t full_tokens = (uint64_t{c.seq_len} + 1) * sizeof(TokenId);
  uint64_t full_sharing = 0;
  if constexpr (kHasPrefixCache) full_sharing = conversation_.kv.BytesForSharing(c.seq_len);
  return BytesInUse() - conversation_.kv.bytes_held() -
         conversation_.tokens.size() * sizeof(TokenId) + full_kv + full_sharing + full_tokens;
}

}  // namespace clamma
