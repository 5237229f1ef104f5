// SPDX-License-Identifier: MIT
// Measures how well a model predicts a text.
#ifndef CLAMMA_QUANTIZE_EVALUATION_H_
#define CLAMMA_QUANTIZE_EVALUATION_H_

#include <string>
#include <vector>

#include "options.h"

namespace quantize_app {

struct Evaluation {
  std::vector<float> logprobs;  // the natural logarithm of each token's probability
  double mean = 0;              // of -logprobs
  double deviation = 0;         // standard error of the mean

  double perplexity() const;
  double perplexity_error() const { return perplexity() * deviation; }
};

// Scores `text` with the model `o`, in pieces that fit its context and each begin with the BOS
// token. Returns "" on success, else the reason; `progress` receives shares from 0 to 1.
std::string Evaluate(const options::Model& o, const std::string& text,
                     void (*progress)(double share), Evaluation* evaluation);

// Computes the mean of the differences token by token, and its standard error. For the same tokens
// this is far more precise than the difference of two perplexities.
void Compare(const Evaluation& before, const Evaluation& after, double* mean, double* deviation);

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_EVALUATION_H_
