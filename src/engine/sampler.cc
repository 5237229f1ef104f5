// SPDX-License-Identifier: MIT
#include "engine/sampler.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <utility>

#include "platform/features.h"

namespace clamma {
namespace {

// Adds to a logit. Finite logits stay finite; infinite ones, of excluded tokens, do not change.
void AddTo(float* logit, float bias) {
  if (std::isfinite(*logit)) *logit = std::clamp(*logit + bias, -FLT_MAX, FLT_MAX);
}

// The number of candidates that are sorted at first; few steps need more.
constexpr size_t kFew = 64;

// The number of tokens in a range, which is skipped if even its likeliest token is too unlikely.
constexpr size_t kRange = 256;

// Returns the largest value, -infinity if there is none; ignores NaN.
float LargestOf(const float* values, size_t n) {
  constexpr size_t kSideBySide = 16;  // independent maxima, so that comparisons run in parallel
  float largest[kSideBySide];
  std::fill_n(largest, kSideBySide, -__builtin_inff());
  size_t i = 0;
  for (; i + kSideBySide <= n; i += kSideBySide) {
    for (size_t k = 0; k < kSideBySide; ++k) {
      largest[k] = values[i + k] > largest[k] ? values[i + k] : largest[k];
    }
  }
  for (; i < n; ++i) largest[0] = values[i] > largest[0] ? values[i] : largest[0];
  return *std::max_element(largest, largest + kSideBySide);
}

// Returns the first index of the largest logit; -1 if it is infinite, or if all logits are NaN.
TokenId ArgMax(const float* logits, size_t n) {
  const float most = LargestOf(logits, n);
  return std::isfinite(most) ? static_cast<TokenId>(std::find(logits, logits + n, most) - logits)
                             : -1;
}

}  // namespace

uint32_t Sampler::BitsOf(const Candidate& c) { return __builtin_bit_cast(uint32_t, c.probability); }

bool Sampler::Before(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

float RandomGenerator::Uniform() {
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  const auto bits = static_cast<uint32_t>((state_ * 0x2545f4914f6cdd1du) >> 32);
  return static_cast<float>(bits >> 8) / 16777216.0f;
}

Status Sampler::Init(Memory& memory, const Kernels& kernels, SumOrder order, uint32_t vocab_size,
                     const Tokenizer* tokenizer) {
  kernels_ = &kernels;
  order_ = order;
  tokenizer_ = tokenizer;
  if (tokenizer != nullptr) {
    CLAMMA_RETURN_IF_ERROR(ExcludeTokens(memory, vocab_size));
  }
  CLAMMA_RETURN_IF_ERROR(probabilities_.Resize(memory, vocab_size));
  CLAMMA_RETURN_IF_ERROR(candidates_.Resize(memory, vocab_size));
  CLAMMA_RETURN_IF_ERROR(scratch_.Resize(memory, vocab_size));
  return seen_.Resize(memory, vocab_size);
}

// Lists the tokens that are never generated, including ids that are not in the vocabulary.
Status Sampler::ExcludeTokens(Memory& memory, uint32_t vocab_size) {
  const uint32_t missing = vocab_size - tokenizer_->vocab_size();
  CLAMMA_RETURN_IF_ERROR(excluded_.Resize(memory, missing + tokenizer_->never_generated()));
  if (memory.is_plan()) return Status();
  size_t count = 0;
  for (TokenId id = 0; static_cast<uint32_t>(id) < vocab_size; ++id) {
    if (!tokenizer_->IsGenerated(id)) excluded_[count++] = id;
  }
  return Status();
}

Status Sampler::Sample(const float* logits, const SamplingOptions& options,
                       const SampledContext& context, RandomGenerator* random, TokenId* token) {
  const size_t n = probabilities_.size();
  float* p = probabilities_.data();
  std::memcpy(p, logits, n * sizeof(float));
  for (size_t i = 0; i < excluded_.size(); ++i) {
    p[static_cast<size_t>(excluded_[i])] = -__builtin_inff();
  }
  AdjustLogits(options, context);
  if (kHasGrammar && options.allowed != nullptr) KeepAllowed(options.allowed);
  const TokenId likeliest = ArgMax(p, n);
  if (likeliest < 0) {
    return Status::Error(StatusCode::kCorrupt,
                         "the model's output is not a number: its weights are damaged");
  }
  *token = likeliest;
  if (options.temperature == 0) return Status();
  if (options.temperature != 1.0f) {
    for (size_t i = 0; i < n; ++i) p[i] /= options.temperature;
  }
  if (!std::isfinite(p[likeliest])) return Status();  // so low a temperature is greedy
  kernels_->orders[order_]->softmax(p, n);
  const float coin = random->Uniform();
  const bool nucleus = options.topp > 0 && options.topp < 1;
  const bool filtered = nucleus || options.top_k > 0 || options.min_p > 0;
  const TokenId picked =
      filtered ? PickFiltered(options, p[likeliest], coin) : PickInOrder(options, coin);
  if (picked >= 0) *token = picked;
  return Status();
}

// Control tokens are never penalized, as texts must be able to end.
bool Sampler::MayBePenalized(TokenId token) const {
  return tokenizer_ == nullptr ? token > 2 : !tokenizer_->IsSilent(token);
}

void Sampler::AdjustLogits(const SamplingOptions& options, const SampledContext& context) {
  const float penalty = options.repetition_penalty;
  if (penalty > 0 && penalty != 1.0f) Penalize(penalty, context.tokens, context.n);
  if (options.frequency_penalty != 0 || options.presence_penalty != 0) {
    Subtract(options, context.tokens + (context.n - context.n_generated), context.n_generated);
  }
  for (size_t i = 0; i < options.n_biases; ++i) {
    AddTo(&probabilities_[static_cast<size_t>(options.biases[i].token)], options.biases[i].bias);
  }
}

// The frequency penalty applies to each occurrence of a token, the presence penalty once.
// (https://platform.openai.com/docs/advanced-usage, "Frequency and presence penalties")
void Sampler::Subtract(const SamplingOptions& options, const TokenId* generated, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const auto id = static_cast<size_t>(generated[i]);
    if (!MayBePenalized(generated[i])) continue;
    const float once = seen_[id] == 0 ? options.presence_penalty : 0;
    seen_[id] = 1;
    AddTo(&probabilities_[id], -(options.frequency_penalty + once));
  }
  for (size_t i = 0; i < n; ++i) seen_[static_cast<size_t>(generated[i])] = 0;
}

// Divides positive logits of the context's tokens by the penalty, and multiplies negative ones.
// (Keskar et al.: CTRL, 2019)
void Sampler::Penalize(float penalty, const TokenId* context, size_t n_context) {
  for (size_t i = 0; i < n_context; ++i) {
    const auto id = static_cast<size_t>(context[i]);
    if (seen_[id] != 0 || !MayBePenalized(context[i])) continue;
    seen_[id] = 1;
    float& logit = probabilities_[id];
    logit = logit > 0 ? logit / penalty : logit * penalty;
    logit = std::clamp(logit, -FLT_MAX, FLT_MAX);  // an extreme penalty is no error
  }
  for (size_t i = 0; i < n_context; ++i) seen_[static_cast<size_t>(context[i])] = 0;
}

// Excludes all other tokens.
void Sampler::KeepAllowed(const uint64_t* allowed) {
  const size_t n = tokenizer_->vocab_size();  // all tokens from n on are excluded anyway
  for (size_t begin = 0; begin < n; begin += 64) {
    uint64_t excluded = ~allowed[begin / 64];
    if (n - begin < 64) excluded &= (uint64_t{1} << (n - begin)) - 1;
    for (; excluded != 0; excluded &= excluded - 1) {
      probabilities_[begin + static_cast<size_t>(__builtin_ctzll(excluded))] = -__builtin_inff();
    }
  }
}

// Returns the last token that is allowed; there is one.
TokenId Sampler::LastAllowed(const uint64_t* allowed) const {
  uint32_t last = tokenizer_->vocab_size() - 1;
  while ((allowed[last / 64] >> last % 64 & 1) == 0) --last;
  return static_cast<TokenId>(last);
}

// The token at which the running sum of probabilities, in order of ids, exceeds the coin.
TokenId Sampler::PickInOrder(const SamplingOptions& options, float coin) const {
  const size_t n = probabilities_.size();
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += probabilities_[i];
    if (coin < sum) return static_cast<TokenId>(i);
  }
  // Rounding left the sum below 1: returns the last token that may be generated.
  if (kHasGrammar && options.allowed != nullptr) return LastAllowed(options.allowed);
  auto last = static_cast<TokenId>(n - 1);
  for (size_t i = excluded_.size(); i > 0 && excluded_[i - 1] == last; --i) --last;
  return last;
}

void Sampler::FindLargestOfRanges() {
  const size_t n = probabilities_.size();
  for (size_t i = 0; i < n; i += kRange) {
    scratch_[i / kRange].probability = LargestOf(&probabilities_[i], std::min(kRange, n - i));
  }
}

// Returns a probability that at least k tokens reach: the k-th largest of the ranges' maxima, or 0
// if there are fewer than k ranges. (Builds without GGUF do not call it: their vocabularies are
// small.)
float Sampler::BoundOfTopK(size_t k) {
  const size_t n_ranges = (probabilities_.size() + kRange - 1) / kRange;
  if (k > n_ranges) return 0;
  Candidate* const copy = candidates_.data();
  std::copy_n(scratch_.data(), n_ranges, copy);
  for (size_t i = 0; i < n_ranges; ++i) copy[i].token = 0;
  std::nth_element(copy, copy + (k - 1), copy + n_ranges, Before);
  return copy[k - 1].probability;
}

// Collects the tokens with at least this probability, in order of their ids.
void Sampler::CollectCandidates(float at_least) {
  least_ = at_least;
  n_candidates_ = 0;
  n_sorted_ = 0;
  const size_t n = probabilities_.size();
  for (size_t begin = 0; begin < n; begin += kRange) {
    if (scratch_[begin / kRange].probability < at_least) continue;
    const size_t end = std::min(begin + kRange, n);
    for (size_t i = begin; i < end; ++i) {
      candidates_[n_candidates_] = {probabilities_[i], static_cast<TokenId>(i)};
      n_candidates_ += probabilities_[i] >= at_least ? 1 : 0;
    }
  }
}

// Returns the candidate at a place in their order: the likeliest first, ties by id. A few tokens
// usually have nearly all of the probability, so all candidates are sorted only if more are needed.
const Sampler::Candidate& Sampler::Ranked(size_t place) {
  constexpr size_t kMany = 2048;
  if (place < n_sorted_) return candidates_[place];
  if (place < kFew && n_candidates_ > 4 * kFew && !flat_) {
    n_sorted_ = kFew;
    Candidate* const begin = candidates_.data();
    std::partial_sort(begin, begin + n_sorted_, begin + n_candidates_, Before);
    return candidates_[place];
  }
  if (n_candidates_ < kMany) {
    std::sort(candidates_.data(), candidates_.data() + n_candidates_, Before);
  } else {
    if (n_sorted_ > 0) CollectCandidates(least_);  // restores the order by id
    SortMany();
  }
  n_sorted_ = n_candidates_;
  return candidates_[place];
}

// Sorts candidates, which are in order of their ids, by radix sort (Knuth: The Art of Computer
// Programming, volume 3, 5.2.5). The key is the difference between the bits of the largest
// probability and those of the candidate's; bits of floats from 0 on are in the order of their
// values. The sort starts with the lowest digit and is stable.
void Sampler::SortMany() {
  constexpr unsigned kDigits = 4;
  constexpr unsigned kBits = 9;  // per digit, so that the places written to stay in the cache
  const size_t n = n_candidates_;
  uint32_t top = 0;
  for (size_t i = 0; i < n; ++i) top = std::max(top, BitsOf(candidates_[i]));
  const auto digit = [top](const Candidate& c, unsigned d) {
    return (top - BitsOf(c)) >> (d * kBits) & ((1u << kBits) - 1);
  };
  uint32_t starts[kDigits][1u << kBits] = {};
  for (size_t i = 0; i < n; ++i) {
    for (unsigned d = 0; d < kDigits; ++d) ++starts[d][digit(candidates_[i], d)];
  }
  for (unsigned d = 0; d < kDigits; ++d) {
    if (starts[d][digit(candidates_[0], d)] == n) continue;  // all are equal
    uint32_t start = 0;
    for (uint32_t& count : starts[d]) start += std::exchange(count, start);
    for (size_t i = 0; i < n; ++i) {
      scratch_[starts[d][digit(candidates_[i], d)]++] = candidates_[i];
    }
    candidates_.Swap(scratch_);
  }
}

TokenId Sampler::PickFiltered(const SamplingOptions& options, float largest, float coin) {
  const bool nucleus = options.topp > 0 && options.topp < 1;
  const bool cut = options.top_k > 0 || options.min_p > 0;
  const auto vocab_size = static_cast<float>(probabilities_.size());
  FindLargestOfRanges();
  // A token below `least` cannot be in the nucleus (llama2.c's cut-off), or is removed by min-p or
  // top-k.
  float least = nucleus && !cut ? (1.0f - options.topp) / (vocab_size - 1.0f) : 0.0f;
  if (options.min_p > 0) least = options.min_p * largest;
  if (kHasGguf && options.top_k > 0) least = std::max(least, BoundOfTopK(options.top_k));
  // Even if all tokens were as likely as the likeliest, the nucleus would have more than kFew.
  flat_ = nucleus && !cut && static_cast<float>(kFew) * largest < options.topp;
  CollectCandidates(least);
  if (n_candidates_ == 0) return -1;
  size_t n = n_candidates_;
  if (options.top_k > 0) n = std::min<size_t>(n, options.top_k);
  float mass = 1.0f;
  if (cut && n < probabilities_.size()) {
    mass = 0;
    for (size_t i = 0; i < n; ++i) mass += Ranked(i).probability;
  }
  // The nucleus is the shortest prefix whose sum exceeds topp (of the remaining probability), or
  // all candidates if no sum does.
  const float wanted = nucleus ? options.topp * mass : __builtin_inff();
  float sum = 0;
  size_t last = n - 1;
  for (size_t i = 0; i < n; ++i) {
    sum += Ranked(i).probability;
    if (sum > wanted) {
      last = i;
      break;
    }
  }
  const float target = coin * sum;
  float running = 0;
  for (size_t i = 0; i <= last; ++i) {
    running += Ranked(i).probability;
    if (target < running) return Ranked(i).token;
  }
  // The target was rounded up to the sum. The last candidates may be excluded.
  if (kHasGrammar && options.allowed != nullptr) {
    while (last > 0 && Ranked(last).probability == 0) --last;
  }
  return Ranked(last).token;
}

}  // namespace clamma
