// SPDX-License-Identifier: MIT
// The vocabulary of models of random weights: the control tokens, a token for each byte, and random
// strings of letters.
#ifndef CLAMMA_BENCH_VOCABULARY_H_
#define CLAMMA_BENCH_VOCABULARY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

inline constexpr uint32_t kControlTokens = 3;  // unknown, BOS, EOS
inline constexpr uint32_t kByteTokens = 256;
inline constexpr uint32_t kFirstString = kControlTokens + kByteTokens;

// The factor of the weights of unlikely tokens, so that texts neither end nor contain invalid
// UTF-8.
inline constexpr float kQuiet = 1e-3f;
// The standard deviation of the logits: that of stories260K in the middle of a story. Sampling from
// a flatter distribution takes longer, because its nucleus has many tokens instead of a few.
inline constexpr float kLogitDeviation = 7.3f;

std::string ByteToken(uint32_t byte);

// The texts of the tokens from kFirstString on, in order, all different. A token's score is its
// negated id.
std::vector<std::string> RandomStrings(uint32_t vocab_size);

}  // namespace bench

#endif  // CLAMMA_BENCH_VOCABULARY_H_
