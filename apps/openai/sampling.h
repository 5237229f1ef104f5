// SPDX-License-Identifier: MIT
// The parameters of generation that the endpoints share.
#ifndef CLAMMA_APPS_OPENAI_SAMPLING_H_
#define CLAMMA_APPS_OPENAI_SAMPLING_H_

#include <clamma.h>

#include <cstdint>
#include <string>
#include <vector>

#include "openai/fields.h"
#include "openai/model.h"

namespace openai {

inline constexpr size_t kMaxStops = 16;
inline constexpr size_t kMaxStopBytes = 1024;
inline constexpr unsigned kMaxTopLogprobs = 20;

struct Sampling {
  float temperature = 1;
  float top_p = 1;
  unsigned top_k = 0;
  float min_p = 0;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  float repetition_penalty = 0;
  int64_t seed = 0;
  std::vector<clamma_logit_bias_t> logit_bias;
  size_t max_tokens = 0;  // 0: until the context is full
  uint64_t salt = 0;      // of the prefix cache

  // Sets the fields of a query; this must live until the query has started.
  void Apply(clamma_txf_info_t* info) const;
};

// Reads temperature, top_p, top_k, min_p, the penalties, seed, logit_bias and cache_salt. Where
// the request has no seed, it gets one.
Sampling ReadSampling(Fields& fields, const Model& model, uint64_t salt);

// A string, or up to 16 of them.
std::vector<std::string> ReadStops(Fields& fields);

// The seed of a choice, never 0. That of choice 0 is the request's own, unless this is 0.
uint64_t SeedOf(int64_t seed, size_t choice);

// A new seed, small enough for a number of JavaScript.
int64_t RandomSeed();

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_SAMPLING_H_
