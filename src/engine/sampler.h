// SPDX-License-Identifier: MIT
// Samples a token from logits.
#ifndef CLAMMA_ENGINE_SAMPLER_H_
#define CLAMMA_ENGINE_SAMPLER_H_

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

struct LogitBias {
  TokenId token;
  float bias;  // finite
};

struct SamplingOptions {
  float temperature = 0;              // 0: greedy; else logits are divided by it
  float topp = 0;                     // nucleus; <= 0 or >= 1: off
  uint32_t top_k = 0;                 // keep that many of the likeliest; 0: off
  float min_p = 0;                    // keep those with p >= min_p * the likeliest's p; 0: off
  float repetition_penalty = 0;       // lowers the logits of the context's tokens; 0 or 1: off
  float frequency_penalty = 0;        // subtracted once for each time that a token was generated
  float presence_penalty = 0;         // subtracted once if a token was generated
  const LogitBias* biases = nullptr;  // (n_biases): added to logits
  size_t n_biases = 0;
  // (ceil(tokens of the vocabulary / 64)): bit i % 64 of word i / 64 tells whether token i may be
  // sampled, whatever the biases are; nullptr: all may
  const uint64_t* allowed = nullptr;
};

// The tokens in the context.
struct SampledContext {
  const TokenId* tokens = nullptr;  // (n)
  size_t n = 0;
  size_t n_generated = 0;  // how many of the last ones the query has generated
};

// The generator of llama2.c: xorshift64* (Vigna: An experimental exploration of Marsaglia's
// xorshift generators, scrambled, 2016). The state is never 0.
class RandomGenerator {
 public:
  explicit RandomGenerator(uint64_t seed = 1) : state_(seed) {}
  float Uniform();                           // in [0, 1), a multiple of 2^-24
  uint64_t state() const { return state_; }  // a generator with this seed continues the sequence

 private:
  uint64_t state_;
};

// Samples for any number of sessions. Only one thread at a time may use it.
class Sampler {
 public:
  // `order` is the model's order of sums, vocab_size its number of logits. The tokenizer must
  // outlive this, and has at most vocab_size tokens; nullptr: tokens 0, 1 and 2 are the unknown
  // token, BOS and EOS.
  Status Init(Memory& memory, const Kernels& kernels, SumOrder order, uint32_t vocab_size,
              const Tokenizer* tokenizer);

  // Samples a token from `logits` (vocab_size), among those that may be generated. Applies, in this
  // order: repetition penalty over the context, frequency and presence penalty over the generated
  // tokens, biases, `allowed`, temperature, softmax, top-k, min-p, top-p. Ties go to the lower id,
  // and the result depends only on the arguments. Fails if the largest logit is not finite.
  Status Sample(const float* logits, const SamplingOptions& options, const SampledContext& context,
                RandomGenerator* random, TokenId* token);

 private:
  struct Candidate {
    float probability;
    TokenId token;
  };

  static uint32_t BitsOf(const Candidate& c);  // the bits of its probability
  static bool Before(const Candidate& a, const Candidate& b);
  void SortMany();
  Status ExcludeTokens(Memory& memory, uint32_t vocab_size);
  bool MayBePenalized(TokenId token) const;
  void KeepAllowed(const uint64_t* allowed);
  TokenId LastAllowed(const uint64_t* allowed) const;
  void AdjustLogits(const SamplingOptions& options, const SampledContext& context);
  void Penalize(float penalty, const TokenId* context, size_t n_context);
  void Subtract(const SamplingOptions& options, const TokenId* generated, size_t n);
  TokenId PickInOrder(const SamplingOptions& options, float coin) const;
  TokenId PickFiltered(const SamplingOptions& options, float largest, float coin);
  void FindLargestOfRanges();
  float BoundOfTopK(size_t k);
  void CollectCandidates(float at_least);
  const Candidate& Ranked(size_t place);

  const Kernels* kernels_ = nullptr;
  SumOrder order_ = SumOrder::kLlama2c;
  const Tokenizer* tokenizer_ = nullptr;
  Array<TokenId> excluded_;      // tokens that are never generated
  Array<float> probabilities_;   // (vocab_size): logits first, then probabilities
  Array<Candidate> candidates_;  // (vocab_size): the first n_candidates_ are in use
  size_t n_candidates_ = 0;
  size_t n_sorted_ = 0;  // the first candidates that are in their final order
  float least_ = 0;      // the least probability of a candidate
  bool flat_ = false;    // whether many candidates will be needed
  // (vocab_size): the largest probability of each range of tokens (their ids are unused), until
  // SortMany() overwrites it
  Array<Candidate> scratch_;
  Array<uint8_t> seen_;  // (vocab_size): all 0 between calls
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SAMPLER_H_
