// SPDX-License-Identifier: MIT
// Measures encoding a text of 1 MB with the vocabulary of each GGUF file that is named before
// Google Benchmark's options, and splitting it by each pre-tokenizer:
//   tokenizer_bench FILE.gguf... [--benchmark_filter=TEXT]
// The texts are words of several scripts and code, and one word of 1 MB.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_files.h"
#include "platform/memory.h"
#include "tokenizer/pretokenizers.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

constexpr size_t kBytes = 1000000;

std::string Prose() {
  constexpr std::string_view kParts[] = {"the ",
                                         "of ",
                                         "tokenizer ",
                                         "I'll ",
                                         "1234 ",
                                         "a->b();",
                                         "    return ",
                                         "\n\n",
                                         "na\xc3\xafve ",
                                         "\xe4\xbd\xa0\xe5\xa5\xbd",
                                         "\xd1\x81\xd0\xbb\xd0\xbe\xd0\xb2\xd0\xbe ",
                                         "\xf0\x9f\x98\x80 ",
                                         "Sentence. ",
                                         "HTTPServer "};
  std::mt19937 random(1);
  std::string text;
  while (text.size() < kBytes) text += kParts[random() % std::size(kParts)];
  return text;
}

std::string OneWord() {
  std::mt19937 random(2);
  std::string text;
  while (text.size() < kBytes) text += "etaoinshrdlu"[random() % 12];
  return text;
}

struct Opened {
  Memory memory;
  ModelFiles files;
  Tokenizer tokenizer;
};

void Encode(benchmark::State& state, const Tokenizer* tokenizer, const std::string* text) {
  Memory memory;
  size_t count = 0;
  for (auto _ : state) {
    Array<TokenId> tokens;
    count = 0;
    if (!tokenizer->Encode(memory, *text, {}, &tokens, &count).ok()) std::abort();
  }
  state.counters["tokens"] = static_cast<double>(count);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text->size()));
}

void Split(benchmark::State& state, const char* name, const std::string* text) {
  const Pretokenizer& rule = *FindPretokenizer(name);
  for (auto _ : state) {
    size_t n = 0;
    std::string_view word;
    for (WordSplitter words(rule, *text); words.Next(&word);) ++n;
    benchmark::DoNotOptimize(n);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text->size()));
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  static const std::string texts[] = {clamma::Prose(), clamma::OneWord()};
  const char* const names[] = {"prose", "one_word"};
  std::vector<std::unique_ptr<clamma::Opened>> all;
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    all.push_back(std::make_unique<clamma::Opened>());
    clamma::Opened& opened = *all.back();
    clamma::Status status = opened.files.Open(opened.memory, argv[i], "", true);
    if (status.ok() && opened.files.gguf() == nullptr) {
      status = clamma::Status::Error(clamma::StatusCode::kCorrupt, "%s: not a GGUF file", argv[i]);
    }
    if (status.ok()) status = opened.tokenizer.Open(opened.memory, *opened.files.gguf());
    if (!status.ok()) {
      std::fprintf(stderr, "tokenizer_bench: %s\n", status.message());
      return 1;
    }
    const std::string path = argv[i];
    for (int t = 0; t < 2; ++t) {
      const std::string name = "encode/" + path.substr(path.rfind('/') + 1) + "/" + names[t];
      benchmark::RegisterBenchmark(name.c_str(), clamma::Encode, &opened.tokenizer, &texts[t])
          ->Unit(benchmark::kMillisecond);
    }
  }
  for (const char* rule : {"default", "gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "tekken",
                           "gpt-4o", "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon"}) {
    const std::string name = std::string("split/") + rule;
    benchmark::RegisterBenchmark(name.c_str(), clamma::Split, rule, &texts[0])
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
