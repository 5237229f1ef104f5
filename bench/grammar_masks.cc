// SPDX-License-Identifier: MIT
// Measures masks of tokens for bench/grammars.py:
//   grammar_masks VOCABULARY.gguf < CASES
// Each line of CASES is {"schema": TEXT, "tokens": [ID ...]}: a JSON schema, and an instance as
// tokens. For each, the schema is compiled, and the instance walked token by token. Prints a line:
//   {"error": TEXT}, or
//   {"compile": N, "masks": [N ...], "advances": [N ...], "allowed": [N ...], "at": N}, all but the
// last two in nanoseconds. A mask is computed before each token and at the end. `allowed`: the
// tokens in each. `at`: how many tokens were taken; all of them, and one more for the end.
#include <time.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/json.h"
#include "engine/grammar/constraint.h"
#include "engine/grammar/vocabulary_trie.h"
#include "model/model_files.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

struct Opened {
  Memory memory;
  ModelFiles files;
  Tokenizer tokenizer;
  VocabularyTrie trie;

  Status Open(const char* path) {
    CLAMMA_RETURN_IF_ERROR(files.Open(memory, path, "", true));
    if (files.gguf() == nullptr) return Status::Error(StatusCode::kCorrupt, "not a GGUF file");
    CLAMMA_RETURN_IF_ERROR(tokenizer.Open(memory, *files.gguf()));
    return trie.Build(memory, tokenizer);
  }
};

// Measures this thread's time on the processor, in which other programs have no part.
class Stopwatch {
 public:
  // Since this was made, without what reading the clock takes.
  long long Nanoseconds() const { return std::max(Now() - start_ - overhead, 0LL); }

  static void Calibrate() {
    long long least = LLONG_MAX;
    for (int i = 0; i < 2000; ++i) least = std::min(least, Stopwatch().Nanoseconds());
    overhead = least;
  }

 private:
  static long long Now() {
    timespec time = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1'000'000'000LL * time.tv_sec + time.tv_nsec;
  }
  static inline long long overhead = 0;
  long long start_ = Now();
};

struct Walk {
  long long compile = 0;
  std::vector<long long> masks;
  std::vector<long long> advances;
  std::vector<long long> allowed;
  size_t at = 0;

  Status Run(const Opened& vocabulary, std::string_view schema,
             const std::vector<TokenId>& tokens) {
    Memory memory;
    Program program;
    Constraint constraint;
    DroppedConstraints dropped;
    const GrammarText text = {.source = GrammarSource::kJsonSchema, .text = schema, .trigger = {}};
    const Stopwatch compiling;
    CLAMMA_RETURN_IF_ERROR(CompileGrammar(memory, text, vocabulary.tokenizer, &program, &dropped));
    CLAMMA_RETURN_IF_ERROR(
        constraint.Init(memory, program, text, vocabulary.tokenizer, vocabulary.trie, nullptr, 0));
    compile = compiling.Nanoseconds();
    for (; at <= tokens.size(); ++at) {
      TokenMask mask;
      const Stopwatch masking;
      CLAMMA_RETURN_IF_ERROR(constraint.Find(false, &mask));
      masks.push_back(masking.Nanoseconds());
      int n_allowed = 0;
      for (size_t i = 0; i < vocabulary.trie.n_words(); ++i) {
        n_allowed += std::popcount(mask.allowed[i]);
      }
      allowed.push_back(n_allowed);
      const TokenId next = at == tokens.size() ? vocabulary.tokenizer.eos() : tokens[at];
      if (!HasToken(mask.allowed, next)) return Status();
      if (at == tokens.size()) continue;
      const Stopwatch advancing;
      CLAMMA_RETURN_IF_ERROR(constraint.Advance(next, false));
      advances.push_back(advancing.Nanoseconds());
    }
    return Status();
  }
};

void PrintList(const char* name, const std::vector<long long>& values) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%lld", i == 0 ? "" : ",", values[i]);
  std::printf("], ");
}

void Answer(const Opened& vocabulary, const Dict& request) {
  std::vector<TokenId> tokens;
  const List& ids = *DictFind(request, "tokens")->list;
  for (size_t i = 0; i < ids.size; ++i) {
    tokens.push_back(static_cast<TokenId>(ids.items[i].AsInt()));
  }
  Walk walk;
  const Status status = walk.Run(vocabulary, DictFind(request, "schema")->str->view(), tokens);
  if (!status.ok()) {
    std::string reason = status.message();
    std::replace_if(
        reason.begin(), reason.end(),
        [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }, '\'');
    std::printf("{\"error\": \"%s\"}\n", reason.c_str());
    return;
  }
  std::printf("{\"compile\": %lld, ", walk.compile);
  PrintList("masks", walk.masks);
  PrintList("advances", walk.advances);
  PrintList("allowed", walk.allowed);
  std::printf("\"at\": %zu}\n", walk.at);
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: grammar_masks VOCABULARY.gguf < CASES\n");
    return 2;
  }
  clamma::Stopwatch::Calibrate();
  const auto vocabulary = std::make_unique<clamma::Opened>();
  clamma::Status status = vocabulary->Open(argv[1]);
  for (std::string line; status.ok() && std::getline(std::cin, line);) {
    clamma::Memory memory;
    clamma::Bump bump(memory, size_t{64} << 20);
    clamma::Value request;
    status = clamma::ParseJson(bump, line, clamma::Origin::kCaller, &request);
    if (status.ok()) clamma::Answer(*vocabulary, *request.dict);
  }
  if (!status.ok()) std::fprintf(stderr, "grammar_masks: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
