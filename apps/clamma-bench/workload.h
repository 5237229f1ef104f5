// SPDX-License-Identifier: MIT
// A model at work, through libclamma's public API alone.
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

// Where a model comes from, and how it is to run.
struct Source {
  std::string checkpoint;
  std::string tokenizer;         // unless there is a
  std::vector<char> vocabulary;  // in memory
  unsigned threads = 0;
  std::string kv = "f32";  // as --kv
  bool gguf = false;
  std::string type;         // of the weights of a GGUF model that was made; "": of another model
  uint64_t gguf_bytes = 0;  // see Shape
  bool gguf_int8 = false;
  uint64_t gguf_weights = 0;
};

// Tokens of the prompt of everything but the long prompt, BOS included.
inline constexpr unsigned kShortPrompt = 8;
inline constexpr unsigned kProcessPrompt = 16;  // ... of the first token of a process

class Workload {
 public:
  // nullptr if the library refuses; it has told why on stderr. *seconds: how long it took. The
  // source must outlive it.
  static std::unique_ptr<Workload> Load(const Source& source, double* seconds);

  const clamma_txf_facts_t& facts() const { return facts_; }
  Shape shape() const;
  std::string weight_type() const;  // as --type names it, or a GGUF file

  // Text that makes `tokens` tokens, BOS included, or a few fewer; different for each seed.
  std::string MakePrompt(unsigned tokens, unsigned seed) const;

  // The times and rates below are 0 if the measurement failed; the library has told why on stderr.

  // Seconds from a query to the first call of its callback.
  double FirstText(const std::string& prompt) const;

  // Tokens of the prompt a second, from the query to the first generated token.
  double PromptRate(const std::string& prompt, size_t* tokens) const;

  // Tokens a second of so many sessions together, from when all of them generate on: of the first
  // 64 of each, or as many as take `seconds`.
  double GenerationRate(unsigned sessions, double seconds) const;

 private:
  Workload(txf* model, const Source& source)
      : source_(source), model_(model, &clamma_txf_destroy) {}

  const Source& source_;
  std::unique_ptr<txf, decltype(&clamma_txf_destroy)> model_;
  clamma_txf_facts_t facts_ = {};
};

}  // namespace bench

#endif  // CLAMMA_BENCH_WORKLOAD_H_
