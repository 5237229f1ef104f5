// SPDX-License-Identifier: MIT
#include "evaluation.h"

#include <clamma-extra.h>
#include <clamma.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "printable.h"

namespace quantize_app {
namespace {

constexpr size_t kMaxWindow = 1024;  // tokens per piece

std::string last_message;
void OnLog(void*, const char* message) { last_message = message; }

// The length of a prefix of `text` of about `most` bytes that ends after a line, else after a word,
// else after a character.
size_t CutAt(std::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  for (const char end : {'\n', ' '}) {
    const size_t at = text.rfind(end, most - 1);
    if (at != std::string_view::npos && at >= most / 2) return at + 1;
  }
  size_t cut = most;
  while (cut > 1 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return cut;
}

// Finds the longest prefix, cut by CutAt(), that has at most `window` tokens, including BOS.
std::string NextPiece(const txf* model, std::string_view text, size_t window,
                      std::string_view* piece) {
  for (size_t most = 4 * window; most > 0; most /= 2) {
    *piece = text.substr(0, CutAt(text, most));
    size_t count = 0;
    if (clamma_encode(model, piece->data(), piece->size(),
                      CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX, nullptr, 0, &count) != 0) {
      return last_message;
    }
    if (count <= window) return "";
  }
  return "the context is too short for a single character of the text";
}

void Summarise(const std::vector<double>& values, double* mean, double* deviation) {
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  *mean = sum / n;
  double squares = 0;
  for (const double value : values) squares += (value - *mean) * (value - *mean);
  *deviation = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
}

}  // namespace

double Evaluation::perplexity() const { return std::exp(mean); }

std::string Evaluate(const options::Model& o, const std::string& text,
                     void (*progress)(double share), Evaluation* evaluation) {
  std::string desc;
  const options::ModelPtr model = options::Open(o, OnLog, &desc);
  if (model == nullptr) return last_message;
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model.get(), &facts);
  const size_t window = std::min<size_t>(facts.context, kMaxWindow);
  std::string_view left = text;
  while (!left.empty()) {
    std::string_view piece;
    if (std::string wrong = NextPiece(model.get(), left, window, &piece); !wrong.empty()) {
      return wrong;
    }
    std::vector<float> logprobs(window);
    clamma_score_t score = {};
    if (clamma_score(model.get(), piece.data(), piece.size(), &score, logprobs.data(),
                     logprobs.size()) != 0) {
      return last_message;
    }
    const size_t count = std::min(score.tokens, logprobs.size());
    evaluation->logprobs.insert(evaluation->logprobs.end(), logprobs.begin(),
                                logprobs.begin() + static_cast<std::ptrdiff_t>(count));
    left.remove_prefix(piece.size());
    progress(1 - static_cast<double>(left.size()) / static_cast<double>(text.size()));
  }
  if (evaluation->logprobs.empty()) return "the text has no tokens";
  std::vector<double> losses;
  losses.reserve(evaluation->logprobs.size());
  for (const float logprob : evaluation->logprobs) {
    losses.push_back(-static_cast<double>(logprob));
  }
  Summarise(losses, &evaluation->mean, &evaluation->deviation);
  return "";
}

void Compare(const Evaluation& before, const Evaluation& after, double* mean, double* deviation) {
  std::vector<double> differences;
  const size_t n = std::min(before.logprobs.size(), after.logprobs.size());
  for (size_t i = 0; i < n; ++i) {
    differences.push_back(static_cast<double>(before.logprobs[i]) -
                          static_cast<double>(after.logprobs[i]));
  }
  Summarise(differences, mean, deviation);
}

}  // namespace quantize_app
