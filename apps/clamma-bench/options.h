// SPDX-License-Identifier: MIT
#ifndef CLAMMA_BENCH_OPTIONS_H_
#define CLAMMA_BENCH_OPTIONS_H_

#include <cstdint>
#include <string>

namespace bench {

inline constexpr int kExitSetup = 1;
inline constexpr int kExitMeasurement = 3;

struct Options {
  std::string checkpoint;  // "": make a model
  std::string tokenizer;   // "": the one inside or beside the checkpoint
  std::string shape = "tinyllama-1.1b";
  std::string type = "q80";
  uint32_t context = 0;  // of the random model; 0: that of the shape
  std::string keep;
  bool make_only = false;
  unsigned threads = 0;
  unsigned prompt = 0;   // tokens; 0: kDefaultPrompt, or as many as fit
  unsigned repeats = 0;  // 0: kDefaultRepeats, but no new one after kMaxSeconds
  std::string kv = "auto";
  bool json = false;
  bool quiet = false;
};

inline constexpr unsigned kDefaultPrompt = 512;
inline constexpr unsigned kDefaultRepeats = 5;
inline constexpr double kMaxSeconds = 150;

// Returns -1 to continue, else the exit code.
int ParseOptions(int argc, char** argv, Options* o);

}  // namespace bench

#endif  // CLAMMA_BENCH_OPTIONS_H_
