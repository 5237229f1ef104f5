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
  CLAMMA_RETURN_IF_ERROR(rows_.Resize(memory_, transformer_.forward.max_rows()));
  return utf8_.Init(memory_, transformer_.tokenizer.longest_token());
}

Status Session::EncodeQuery(const Query& query, Array<TokenId>* added, size_t* n_added) {
  const TokenId last = n_tokens_ == 0 ? kNoToken : tokens_[n_tokens_ - 1];
  return EncodePrompt(transformer_.memory, transformer_.tokenizer, transformer_.type, query.texts,
                      last, added, n_added);
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
  if (prompt_tokens_ > 0) utf8_.Drop();  // what was unfinished is not continued
  n_tokens_ = count;
  generated_ = 0;
  query_ = query;
  query_.texts = PromptTexts();  // the caller's strings are his again
  random_ = RandomGenerator(query_.seed);
  cancelled_.store(false, std::memory_order_relaxed);
  return Status();
}

// Room for `size` tokens; grows by doubling, up to the context and the token that ends it.
Status Session::ReserveTokens(size_t size) {
  if (size <= tokens_.size()) return Status();
  const size_t most = size_t{transformer_.config().seq_len} + 1;
  return tokens_.Resize(memory_, std::max(size, std::min(most, std::max<size_t>(64, 2 * size))));
}

Session::Progress Session::End(Done why, Done* out) {
  *out = why;
  return Progress::kEnded;
}

Session::Progress Session::Fail(const Status& status, Done* out) {
  transformer_.log.Write(status.message());
  if (generated_ == 0) RollBack();
  // Where the failure came after the pass, the last token waits again: a further query goes on
  // there.
  if (n_tokens_ > 0 && position_ == n_tokens_) --position_;
  return End(Done::kError, out);
}

// A query that ends before its first token leaves the conversation as it was.
void Session::RollBack() {
  n_tokens_ = n_tokens_before_;
  position_ = std::min(position_, position_before_);
}

Session::Progress Session::Advance(Done* why) {
  if (cancelled_.load(std::memory_order_relaxed)) {
    if (generated_ == 0) RollBack();
    return End(Done::kCancelled, why);
  }
  const float* logits = nullptr;
  if (Status status = FeedChunk(&logits); !status.ok()) return Fail(status, why);
  if (logits == nullptr) return Progress::kGoesOn;  // there is more of the prompt

  TokenId token = 0;
  Status status = ReserveTokens(n_tokens_ + 1);
  if (status.ok()) {
    status = transformer_.sampler.Sample(logits, query_.sampling, tokens_.data(), n_tokens_,
                                         &random_, &token);
  }
  if (!status.ok()) return Fail(status, why);
  const TokenId previous = tokens_[n_tokens_ - 1];
  tokens_[n_tokens_++] = token;
  if (EndsText(token)) {
    const Progress progress = CallIssue(utf8_.Flush());
    return progress == Progress::kDestroyed ? progress : End(Done::kEndOfText, why);
  }
  const Progress progress = Emit(token, previous);
  if (progress == Progress::kDestroyed) return progress;
  if (progress == Progress::kEnded) return End(Done::kCancelled, why);
  if (query_.limit != 0 && generated_ >= query_.limit) return End(Done::kLimit, why);
  if (position_ == transformer_.config().seq_len) return End(Done::kContextFull, why);
  return Progress::kGoesOn;
}

// Feeds as many of the waiting tokens as fit in a batch; *logits is set once none is left.
Status Session::FeedChunk(const float** logits) {
  const size_t count = std::min(n_tokens_ - position_, rows_.size());
  CLAMMA_RETURN_IF_ERROR(kv_.Reserve(position_ + count));
  for (size_t i = 0; i < count; ++i) {
    const bool last = position_ + i + 1 == n_tokens_;
    rows_[i] = {tokens_[position_ + i], position_ + i, &kv_, nullptr, last};
  }
  CLAMMA_RETURN_IF_ERROR(transformer_.forward.Run(rows_.data(), count));
  position_ += count;
  *logits = rows_[count - 1].logits;
  return Status();
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
  return refused != 0 || cancelled_.load(std::memory_order_relaxed) ? Progress::kEnded
                                                                    : Progress::kGoesOn;
}

uint64_t Session::BytesAtFullContext() const {
  const ModelConfig& c = transformer_.config();
  const uint64_t full_kv = KvCache::BytesFor(c, transformer_.kv_type, c.seq_len);
  const uint64_t full_tokens = (uint64_t{c.seq_len} + 1) * sizeof(TokenId);
  return bytes_in_use() - kv_.bytes_held() - tokens_.size() * sizeof(TokenId) + full_kv +
         full_tokens;
}

}  // namespace clamma
