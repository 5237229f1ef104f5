// SPDX-License-Identifier: MIT
// Runs a model, using only libclamma's public API.
#ifndef CLAMMA_BENCH_WORKLOAD_H_
#define CLAMMA_BENCH_WORKLOAD_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <memory>
#include <string>
#include <vector>

#include "options.h"
#include "shape.h"

namespace bench {

// The source of a model, and the parameters to run it.
struct Source {
  std::string checkpoint;
  std::string tokenizer;         // used if `vocabulary` is empty
  std::vector<char> vocabulary;  // in memory
  unsigned threads = 0;
  std::string kv = "f32";  // as --kv
  bool gguf = false;
  std::string type;         // of the weights of a random GGUF model; "": another model
  uint64_t gguf_bytes = 0;  // see Shape
  bool gguf_int8 = false;
  uint64_t gguf_weights = 0;
};

// The tokens of all prompts except the long prompt, including BOS.
inline constexpr unsigned kShortPrompt = 8;
inline constexpr unsigned kProcessPrompt = 16;  // for the first token of a process

class Workload {
 public:
  // Loads a model; *seconds receives the time. Returns nullptr on failure; the library has printed
  // the reason to stderr. The source must outlive the result.
  static std::unique_ptr<Workload> Load(const Source& source, double* seconds);

  const clamma_txf_facts_t& facts() const { return facts_; }
  Shape shape() const;
  std::string weight_type() const;  // as --type names it, or a GGUF file

  // A text of `tokens` tokens including BOS, or slightly fewer; different for each seed.
  std::string MakePrompt(unsigned tokens, unsigned seed) const;

  // The times and rates below are 0 on failure; the library has printed the reason to stderr.

  // Seconds from a query to the first call of its callback.
  double FirstText(const std::string& prompt) const;

  // Tokens of the prompt per second, from the query to the first generated token.
  double PromptRate(const std::string& prompt, size_t* tokens) const;

  // Tokens per second of this many sessions together, measured from when all of them generate: over
  // the first 64 tokens of each, or as many as take `seconds`.
  double GenerationRate(unsigned sessions, double seconds) const;

 private:
  Workload(txf* model, const Source& source)
      : source_(source), model_(model, &clamma_txf_destroy) {}

  uint32_t Metadata(const char* key) const;

  const Source& source_;
  std::unique_ptr<txf, decltype(&clamma_txf_destroy)> model_;
  clamma_txf_facts_t facts_ = {};
};

}  // namespace bench

#endif  // CLAMMA_BENCH_WORKLOAD_H_
