// SPDX-License-Identifier: MIT
#include "engine/session.h"

#include <algorithm>

#include "engine/transformer.h"

namespace clamma {
namespace {

// A copy of `n` items.
template <typename T>
Status Copy(Memory& memory, const T* items, size_t n, Array<T>* copy) {
  CLAMMA_RETURN_IF_ERROR(copy->Resize(memory, n));
  if (!memory.is_plan()) std::copy_n(items, n, copy->data());
  return Status();
}

// Of what is put together to characters.
size_t LongestPiece(const Transformer& transformer) {
  const size_t longest = transformer.tokenizer.longest_token();
  const ChatFormat* const chat = transformer.chat_format;
  const bool has_channels = kHasGguf && chat != nullptr && chat->channels().format != nullptr;
  return has_channels ? std::max(longest, ChannelReader::kMaxMark) : longest;
}

}  // namespace

Session::Session(Transformer& transformer)
    : transformer_(transformer), memory_(transformer.memory.arena()) {}

Session::~Session() { TellDestroyed(); }

void Session::TellDestroyed() {
  if (query_.null_on_destroy != nullptr) *query_.null_on_destroy = nullptr;
  query_.null_on_destroy = nullptr;
}

Status Session::Init() {
  conversation_.kv.Init(memory_, transformer_.config(), transformer_.kv_type);
  return utf8_.Init(memory_, LongestPiece(transformer_));
}

Status Session::NoRoomInArena(const Transformer& transformer) {
  Memory plan((Memory::Plan()));
  plan.PlanFor(sizeof(Session));
  Utf8Assembler utf8;
  CLAMMA_RETURN_IF_ERROR(utf8.Init(plan, LongestPiece(transformer)));
  return ArenaIsTooSmall(transformer.memory.arena(), plan.planned_bytes());
}

Status Session::NoRoomInArena(const Query& query, const PreparedQuery& prepared) const {
  Memory plan((Memory::Plan()));
  PreparedQuery planned;
  CLAMMA_RETURN_IF_ERROR(PrepareIn(plan, plan, query, &planned));
  // Tokens that were encoded are counted; else there are at most as many as bytes.
  const size_t n_added = prepared.complete ? prepared.n_added : planned.n_added;
  const size_t positions = PositionsOf(query, planned.n_kept + n_added);
  if (positions + 1 > conversation_.tokens.size()) {
    plan.PlanFor(TokensFor(positions + 1) * sizeof(TokenId));
  }
  conversation_.kv.PlanReserve(plan, positions);
  CLAMMA_RETURN_IF_ERROR(transformer_.forward.ReserveScores(plan, positions));
  return ArenaIsTooSmall(memory_.arena(), plan.planned_bytes());
}

Status Session::Prepare(const Query& query, PreparedQuery* prepared) {
  CLAMMA_RETURN_IF_ERROR(PrepareIn(transformer_.memory, memory_, query, prepared));
  prepared->complete = true;
  return Status();
}

// What is there for the duration of the call is in `scratch`.
Status Session::PrepareIn(Memory& scratch, Memory& memory, const Query& query,
                          PreparedQuery* prepared) const {
  CLAMMA_RETURN_IF_ERROR(query.chat == nullptr ? PrepareTexts(scratch, query, prepared)
                                               : PrepareChat(scratch, memory, query, prepared));
  CLAMMA_RETURN_IF_ERROR(prepared->stops.Set(memory, query.stop_strings, query.n_stop_strings));
  CLAMMA_RETURN_IF_ERROR(prepared->stops.Reserve(memory, utf8_.longest_output()));
  CLAMMA_RETURN_IF_ERROR(PrepareTokens(memory, query, prepared));
  if (query.logprobs == nullptr) return Status();
  return prepared->logprobs.Init(
      memory, std::min<size_t>(query.n_top_logprobs, transformer_.config().vocab_size));
}

// What the query adds to the conversation.
Status Session::PrepareTexts(Memory& scratch, const Query& query, PreparedQuery* prepared) const {
  const TokenId last =
      conversation_.n_tokens == 0 ? kNoToken : conversation_.tokens[conversation_.n_tokens - 1];
  prepared->n_kept = conversation_.n_tokens;
  return EncodePrompt(scratch, transformer_.prompt_format(), query.texts, last,
                      transformer_.config().seq_len - conversation_.position, &prepared->added,
                      &prepared->n_added);
}

// What the conversation becomes: as much as it has of that already stays.
Status Session::PrepareChat(Memory& scratch, Memory& memory, const Query& query,
                            PreparedQuery* prepared) const {
  const TokenId* const held = conversation_.tokens.data();
  Array<TokenId>& tokens = prepared->added;
  size_t count = 0;
  CLAMMA_RETURN_IF_ERROR(EncodeChat(scratch, transformer_.chat_format, *query.chat, held,
                                    conversation_.n_tokens, transformer_.config().seq_len, &tokens,
                                    &count));
  size_t same = 0;
  if (!memory.is_plan()) {
    while (same < std::min(count, conversation_.n_tokens) && tokens[same] == held[same]) ++same;
    std::copy(tokens.data() + same, tokens.data() + count, tokens.data());
  }
  prepared->n_kept = same;
  prepared->n_added = count - same;
  return Copy(memory, held + same, conversation_.n_tokens - same, &prepared->displaced);
}

// Copies the query's lists of tokens.
Status Session::PrepareTokens(Memory& memory, const Query& query, PreparedQuery* prepared) const {
  const auto check = [&](const char* list, size_t i, TokenId token) {
    if (token >= 0 && static_cast<uint32_t>(token) < transformer_.config().vocab_size) {
      return Status();
    }
    return Status::Error(StatusCode::kInvalidArgument, "%s: token %d at %zu is not one of 0 .. %u",
                         list, static_cast<int>(token), i,
                         static_cast<unsigned>(transformer_.config().vocab_size) - 1);
  };
  for (size_t i = 0; i < query.n_stop_tokens; ++i) {
    CLAMMA_RETURN_IF_ERROR(check("stop_tokens", i, query.stop_tokens[i]));
  }
  const SamplingOptions& sampling = query.sampling;
  for (size_t i = 0; i < sampling.n_biases; ++i) {
    CLAMMA_RETURN_IF_ERROR(check("logit_bias", i, sampling.biases[i].token));
  }
  CLAMMA_RETURN_IF_ERROR(
      Copy(memory, query.stop_tokens, query.n_stop_tokens, &prepared->stop_tokens));
  return Copy(memory, sampling.biases, sampling.n_biases, &prepared->biases);
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

Status Session::Begin(const Query& query, PreparedQuery* prepared) {
  CLAMMA_RETURN_IF_ERROR(CheckRoom(query, *prepared));
  const size_t n_added = prepared->n_added;
  const size_t count = prepared->n_kept + n_added;
  CLAMMA_RETURN_IF_ERROR(memory_.arena() == nullptr ? ReserveTokens(count + 1)
                                                    : ReserveWhole(PositionsOf(query, count)));
  std::copy_n(prepared->added.data(), n_added, conversation_.tokens.data() + prepared->n_kept);

  n_tokens_before_ = conversation_.n_tokens;
  position_before_ = conversation_.position;
  n_kept_ = prepared->n_kept;
  displaced_.Swap(prepared->displaced);
  prompt_tokens_ = n_added;
  conversation_.position = std::min(conversation_.position, n_kept_);
  if (conversation_.position == count && count > 0)
    --conversation_.position;  // the last token waits, as ever
  conversation_.n_tokens = count;
  generated_ = 0;
  if constexpr (kHasGguf) StartChannels(query);
  query_ = query;
  query_.texts = PromptTexts();  // the caller's strings are not kept
  query_.chat = nullptr;
  query_.stop_strings = nullptr;
  stops_.Swap(prepared->stops);
  query_.stop_tokens = nullptr;
  stop_tokens_.Swap(prepared->stop_tokens);
  biases_.Swap(prepared->biases);
  query_.sampling.biases = biases_.data();
  logprobs_.Swap(prepared->logprobs);
  conversation_.seed = query.seed;
  conversation_.random = RandomGenerator(query.seed);
  outcome_ = Outcome::kNone;
  cancelled_.store(false, std::memory_order_relaxed);
  return Status();
}

// An answer of a chat is issued without its channels' marks; a text is issued as it is.
void Session::StartChannels(const Query& query) {
  channels_ = ChannelReader();
  const bool is_chat = query.chat != nullptr || transformer_.type == ModelType::kChat;
  if (!is_chat || transformer_.chat_format == nullptr) return;
  channels_ = ChannelReader(transformer_.chat_format->channels(), transformer_.tokenizer,
                            conversation_.tokens.data(), conversation_.n_tokens);
}

// How many positions of the context are in use when, behind `count` of them, the query has
// generated all that it may: the last token that it generates takes none.
size_t Session::PositionsOf(const Query& query, size_t count) const {
  const size_t most = transformer_.config().seq_len;
  count = std::min(most, count);
  if (query.limit == 0 || query.limit > most - count) return most;
  return count + static_cast<size_t>(query.limit) - 1;
}

// So that a query that has begun never runs out of memory. On failure nothing more is held than
// before, but perhaps a larger table of blocks.
Status Session::ReserveWhole(size_t positions) {
  Array<TokenId> tokens;
  const bool grows = positions + 1 > conversation_.tokens.size();
  const size_t blocks = conversation_.kv.blocks();
  Status status = conversation_.kv.Reserve(positions);
  if (status.ok() && grows) status = tokens.Resize(memory_, TokensFor(positions + 1));
  if (status.ok()) {
    status = transformer_.forward.ReserveScores(transformer_.memory, positions);
  }
  if (!status.ok()) {
    conversation_.kv.ShrinkToBlocks(blocks);
    return status;
  }
  if (grows) {
    std::copy_n(conversation_.tokens.data(), conversation_.n_tokens, tokens.data());
    conversation_.tokens.Swap(tokens);
  }
  return status;
}

// Room for `size` tokens; grows by doubling, up to the context and the token that ends it.
Status Session::ReserveTokens(size_t size) {
  return size <= conversation_.tokens.size()
             ? Status()
             : conversation_.tokens.Resize(memory_, TokensFor(size));
}

size_t Session::TokensFor(size_t size) const {
  const size_t most = size_t{transformer_.config().seq_len} + 1;
  return std::max(size, std::min(most, std::max<size_t>(64, 2 * size)));
}

void Session::Fail(const Status& status) {
  failure_ = status;
  outcome_ = Outcome::kFailed;
}

// A query that ends before its first token leaves the conversation as it was.
void Session::RollBack() {
  std::copy_n(displaced_.data(), displaced_.size(), conversation_.tokens.data() + n_kept_);
  conversation_.n_tokens = n_tokens_before_;
  conversation_.position = std::min({conversation_.position, position_before_, n_kept_});
  prompt_tokens_ = 0;
}

// Starts from the first token where what the KV cache holds is of no use: where the sequence has
// become longer than what short factors are for, or no longer is (transformers does the same:
// models/phi3/modeling_phi3.py), or where it was cut to before what layers with a window still
// hold.
void Session::StartAnewIfNeeded() {
  const uint32_t short_context = transformer_.config().short_context;
  const bool is_long = short_context > 0 && conversation_.n_tokens > short_context;
  if (is_long == conversation_.kv.is_long() && conversation_.kv.Covers(conversation_.position))
    return;
  if (!conversation_.kv.Covers(0)) conversation_.kv.Restart();
  conversation_.kv.SetLong(is_long);
  conversation_.position = 0;
}

bool Session::AddRows(size_t count, ForwardRow* rows) {
  if constexpr (kHasGguf) StartAnewIfNeeded();
  Status status = conversation_.kv.Reserve(conversation_.position + count);
  if (status.ok()) status = ReserveTokens(conversation_.n_tokens + 1);
  if (!status.ok()) {
    Fail(status);
    return false;
  }
  if constexpr (kHasGguf) conversation_.kv.StoreFrom(conversation_.position);
  for (size_t i = 0; i < count; ++i) {
    const bool last = conversation_.position + i + 1 == conversation_.n_tokens;
    rows[i] = {conversation_.tokens[conversation_.position + i], conversation_.position + i,
               &conversation_.kv, nullptr, last};
  }
  return true;
}

bool Session::Advance(size_t count) {
  conversation_.position += count;
  outcome_ = Outcome::kPartDone;
  if constexpr (kHasGguf) {
    if (conversation_.kv.Overflows(conversation_.position)) {
      Fail(KvCache::OverflowReason());
      return false;
    }
    // In an arena a query has all that it needs from the beginning.
    if (memory_.arena() == nullptr) conversation_.kv.GiveBackBefore(conversation_.position);
  }
  return true;
}

void Session::Sample(const float* logits, Sampler& sampler) {
  random_before_ = conversation_.random;
  const SampledContext context = {conversation_.tokens.data(), conversation_.n_tokens,
                                  static_cast<size_t>(generated_)};
  const Status status =
      sampler.Sample(logits, query_.sampling, context, &conversation_.random, &token_);
  outcome_ = Outcome::kToken;
  if (!status.ok()) {
    Fail(status);
  } else if (query_.logprobs != nullptr) {
    logprobs_.Compute(logits, transformer_.config().vocab_size, token_);
  }
}

Session::Progress Session::End(Done why, Done* out) {
  // A token that was not handed out is forgotten: its predecessor waits again, for a further query
  // to go on there.
  if (conversation_.n_tokens > 0 && conversation_.position == conversation_.n_tokens) {
    --conversation_.position;
    conversation_.random = random_before_;
  }
  if (generated_ == 0 && (why == Done::kCancelled || why == Done::kError)) RollBack();
  *out = why;
  return Progress::kEnded;
}

void Session::Abandon() {
  Done why = Done::kCancelled;
  End(why, &why);
}

Session::Progress Session::Deliver(Done* why) {
  const Outcome outcome = outcome_;
  outcome_ = Outcome::kNone;
  if (IsCancelled()) return End(Done::kCancelled, why);
  switch (outcome) {
    case Outcome::kFailed:
      transformer_.log.Write(failure_.message());
      return End(Done::kError, why);
    case Outcome::kToken:
      return DeliverToken(why);
    case Outcome::kNone:
    case Outcome::kPartDone:
      break;
  }
  return Progress::kGoesOn;
}

Session::Progress Session::DeliverToken(Done* why) {
  const TokenId previous = conversation_.tokens[conversation_.n_tokens - 1];
  conversation_.tokens[conversation_.n_tokens++] = token_;
  // What was unfinished before a prompt is not continued behind it.
  const bool goes_on = prompt_tokens_ == 0 && displaced_.size() == 0;
  if (generated_ == 0 && !goes_on) utf8_.Drop();
  if (!TellLogprobs()) return Progress::kDestroyed;
  if (EndsText(token_)) return EndShown(Done::kEndOfText, why);
  bool stopped = false;
  const Progress progress = Emit(token_, previous, &stopped);
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

// False if that destroyed the session.
bool Session::TellLogprobs() {
  if (query_.logprobs == nullptr) return true;
  query_.logprobs(query_.opaque, token_, logprobs_.chosen(), logprobs_.n_top(),
                  logprobs_.top_tokens(), logprobs_.top_logprobs());
  return !delete_deferred;
}

// Ends, and shows what was held back: at a limit not the bytes of a character that the next query
// may complete.
Session::Progress Session::EndShown(Done why, Done* out) {
  bool stopped = false;
  Progress progress = Progress::kGoesOn;
  if (why != Done::kLimit) progress = Show(utf8_.Flush(), &stopped);
  if (progress == Progress::kGoesOn && !stopped) progress = CallIssue(stops_.Flush());
  if (progress == Progress::kDestroyed) return progress;
  if (progress == Progress::kEnded) return End(Done::kCancelled, out);
  return End(stopped ? Done::kStopString : why, out);
}

Session::Progress Session::Emit(TokenId token, TokenId previous, bool* stopped) {
  std::string_view bytes = transformer_.tokenizer.Bytes(token);
  // The space that stands before a text's first word is the tokenizer's, not the text's.
  const bool answers =
      transformer_.type == ModelType::kChat && generated_ == 0 && prompt_tokens_ > 0;
  const bool begins = previous == transformer_.tokenizer.bos() || answers;
  if (begins && transformer_.tokenizer.adds_prefix() && !bytes.empty() && bytes[0] == ' ') {
    bytes.remove_prefix(1);
  }
  ++generated_;
  if constexpr (kHasGguf) {
    const ChannelReader::Output output = channels_.Read(token, bytes);
    if (!output.mark.empty()) {
      const Progress progress = Show(utf8_.Append(output.mark), stopped);
      if (progress != Progress::kGoesOn || *stopped) return progress;
    }
    bytes = output.text;
  }
  return Show(utf8_.Append(bytes), stopped);
}

// Passes text on up to a stop string, or what may be the beginning of one.
Session::Progress Session::Show(const char* text, bool* stopped) {
  return CallIssue(stops_.any() ? stops_.Append(text, stopped) : text);
}

Session::Progress Session::CallIssue(const char* text) {
  if (text[0] == '\0' || query_.issue == nullptr) return Progress::kGoesOn;
  const int refused = query_.issue(query_.opaque, text);
  if (delete_deferred) return Progress::kDestroyed;
  return refused != 0 || IsCancelled() ? Progress::kEnded : Progress::kGoesOn;
}

Status Session::SetTokens(const TokenId* tokens, size_t n) {
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
  CLAMMA_RETURN_IF_ERROR(ReserveTokens(n));
  size_t same = 0;
  while (same < std::min(n, conversation_.n_tokens) && tokens[same] == conversation_.tokens[same])
    ++same;
  if (same == n && n == conversation_.n_tokens) return Status();
  std::copy_n(tokens, n, conversation_.tokens.data());
  conversation_.n_tokens = n;
  conversation_.position = std::min(conversation_.position, same);
  if (n > 0 && conversation_.position == n)
    --conversation_.position;  // the last token waits, as ever
  utf8_.Drop();
  return Status();
}

Status Session::Save(const StateSink& sink) {
  const std::string_view held = utf8_.held();
  conversation_.n_held = held.size();
  std::copy(held.begin(), held.end(), conversation_.held);
  return WriteState(transformer_, conversation_, sink);
}

Status Session::Load(const StateSource& source, Conversation* loaded) {
  loaded->kv.Init(memory_, transformer_.config(), transformer_.kv_type);
  return ReadState(transformer_, memory_, source, loaded);
}

void Session::Adopt(Conversation* loaded) {
  conversation_.kv.Swap(loaded->kv);
  conversation_.tokens.Swap(loaded->tokens);
  conversation_.n_tokens = loaded->n_tokens;
  conversation_.position = loaded->position;
  conversation_.random = loaded->random;
  conversation_.seed = loaded->seed;
  utf8_.Set({loaded->held, loaded->n_held});
  generated_ = 0;
  prompt_tokens_ = 0;
}

uint64_t Session::BytesAtFullContext() const {
  const ModelConfig& c = transformer_.config();
  const uint64_t full_kv =
      KvCache::BytesFor(c, transformer_.kv_type, c.seq_len, memory_.arena() == nullptr);
  const uint64_t full_tokens = (uint64_t{c.seq_len} + 1) * sizeof(TokenId);
  return bytes_in_use() - conversation_.kv.bytes_held() -
         conversation_.tokens.size() * sizeof(TokenId) + full_kv + full_tokens;
}

}  // namespace clamma
