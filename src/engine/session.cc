// SPDX-License-Identifier: MIT
#include "engine/session.h"

#include <algorithm>

#include "engine/transformer.h"

namespace clamma {
namespace {

bool EndsText(TokenId token) { return token == kBosToken || token == kEosToken; }

}  // namespace

Session::~Session() { TellDestroyed(); }

void Session::TellDestroyed() {
  if (query_.null_on_destroy != nullptr) *query_.null_on_destroy = nullptr;
  query_.null_on_destroy = nullptr;
}

Status Session::Init() {
  kv_.Init(memory_, transformer_.config(), transformer_.kv_type);
  return utf8_.Init(memory_, transformer_.tokenizer.longest_token());
}

Status Session::EncodeQuery(const Query& query, Array<TokenId>* added, size_t* n_added) {
  const TokenId last = n_tokens_ == 0 ? kNoToken : tokens_[n_tokens_ - 1];
  return EncodePrompt(transformer_.memory, transformer_.tokenizer, transformer_.type, query.texts,
                      last, transformer_.config().seq_len - position_, added, n_added);
}

Status Session::Begin(const Query& query, const Array<TokenId>& added, size_t n_added) {
  const size_t seq_len = transformer_.config().seq_len;
  if (position_ >= seq_len) {
    return Status::Error(StatusCode::kLimit,
                         "the context of %zu positions is full: a new session starts afresh",
                         seq_len);
  }
  const size_t count = n_tokens_ + n_added;
  if (count > seq_len) {
    return Status::Error(StatusCode::kLimit,
                         "the prompt takes %zu positions, and %zu of the context's %zu are left",
                         count - position_, seq_len - position_, seq_len);
  }
  CLAMMA_RETURN_IF_ERROR(ReserveTokens(count + 1));
  std::copy_n(added.data(), n_added, tokens_.data() + n_tokens_);

  n_tokens_before_ = n_tokens_;
  position_before_ = position_;
  prompt_tokens_ = n_added;
  n_tokens_ = count;
  generated_ = 0;
  query_ = query;
  query_.texts = PromptTexts();  // the caller's strings are his again
  random_ = RandomGenerator(query_.seed);
  outcome_ = Outcome::kNone;
  cancelled_.store(false, std::memory_order_relaxed);
  return Status();
}

// Room for `size` tokens; grows by doubling, up to the context and the token that ends it.
Status Session::ReserveTokens(size_t size) {
  if (size <= tokens_.size()) return Status();
  const size_t most = size_t{transformer_.config().seq_len} + 1;
  return tokens_.Resize(memory_, std::max(size, std::min(most, std::max<size_t>(64, 2 * size))));
}

void Session::Fail(const Status& status) {
  failure_ = status;
  outcome_ = Outcome::kFailed;
}

// A query that ends before its first token leaves the conversation as it was.
void Session::RollBack() {
  n_tokens_ = n_tokens_before_;
  position_ = std::min(position_, position_before_);
  prompt_tokens_ = 0;
}

bool Session::AddRows(size_t count, ForwardRow* rows) {
  Status status = kv_.Reserve(position_ + count);
  if (status.ok()) status = ReserveTokens(n_tokens_ + 1);
  if (!status.ok()) {
    Fail(status);
    return false;
  }
  for (size_t i = 0; i < count; ++i) {
    const bool last = position_ + i + 1 == n_tokens_;
    rows[i] = {tokens_[position_ + i], position_ + i, &kv_, nullptr, last};
  }
  return true;
}

void Session::Fed(size_t count, const float* logits) {
  position_ += count;
  outcome_ = Outcome::kPartFed;
  if (logits == nullptr) return;
  const Status status = transformer_.sampler.Sample(logits, query_.sampling, tokens_.data(),
                                                    n_tokens_, &random_, &token_);
  outcome_ = Outcome::kToken;
  if (!status.ok()) Fail(status);
}

Session::Progress Session::End(Done why, Done* out) {
  if (generated_ == 0 && (why == Done::kCancelled || why == Done::kError)) RollBack();
  // A token that was not handed out is forgotten: its predecessor waits again, for a further query
  // to go on there.
  if (n_tokens_ > 0 && position_ == n_tokens_) --position_;
  *out = why;
  return Progress::kEnded;
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
    case Outcome::kPartFed:
      break;
  }
  return Progress::kGoesOn;
}

Session::Progress Session::DeliverToken(Done* why) {
  const TokenId previous = tokens_[n_tokens_ - 1];
  tokens_[n_tokens_++] = token_;
  // What was unfinished before a prompt is not continued behind it.
  if (generated_ == 0 && prompt_tokens_ > 0) utf8_.Drop();
  if (EndsText(token_)) return EndWhole(Done::kEndOfText, why);
  const Progress progress = Emit(token_, previous);
  if (progress == Progress::kDestroyed) return progress;
  if (progress == Progress::kEnded) return End(Done::kCancelled, why);
  if (query_.limit != 0 && generated_ >= query_.limit) return End(Done::kLimit, why);
  if (position_ == transformer_.config().seq_len) return EndWhole(Done::kContextFull, why);
  return Progress::kGoesOn;
}

// Ends for a reason after which nothing can complete an unfinished character.
Session::Progress Session::EndWhole(Done why, Done* out) {
  const Progress progress = CallIssue(utf8_.Flush());
  return progress == Progress::kDestroyed ? progress : End(why, out);
}

Session::Progress Session::Emit(TokenId token, TokenId previous) {
  std::string_view bytes = transformer_.tokenizer.Bytes(token);
  // The space that stands before a text's first word is the tokenizer's, not the text's.
  const bool starts_text =
      previous == kBosToken || (transformer_.type == ModelType::kChat && generated_ == 0);
  if (starts_text && !bytes.empty() && bytes[0] == ' ') bytes.remove_prefix(1);
  ++generated_;
  return CallIssue(utf8_.Append(bytes));
}

Session::Progress Session::CallIssue(const char* text) {
  if (text[0] == '\0' || query_.issue == nullptr) return Progress::kGoesOn;
  const int refused = query_.issue(query_.opaque, text);
  if (doomed) return Progress::kDestroyed;
  return refused != 0 || IsCancelled() ? Progress::kEnded : Progress::kGoesOn;
}

uint64_t Session::BytesAtFullContext() const {
  const ModelConfig& c = transformer_.config();
  const uint64_t full_kv = KvCache::BytesFor(c, transformer_.kv_type, c.seq_len);
  const uint64_t full_tokens = (uint64_t{c.seq_len} + 1) * sizeof(TokenId);
  return bytes_in_use() - kv_.bytes_held() - tokens_.size() * sizeof(TokenId) + full_kv +
         full_tokens;
}

}  // namespace clamma
