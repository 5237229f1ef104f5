// SPDX-License-Identifier: MIT
#ifndef CLAMMA_BENCH_OPTIONS_H_
#define CLAMMA_BENCH_OPTIONS_H_

#include <cstdint>
#include <string>

namespace bench {

inline constexpr int kExitSetup = 1;
inline constexpr int kExitMeasurement = 3;

struct Options {
  std::string checkpoint;  // "": one is made
  std::string tokenizer;   // "": the one inside the checkpoint or found beside it
  std::string shape = "tinyllama-1.1b";
  std::string type = "q80";
  uint32_t context = 0;  // of the model that is made; 0: the shape's
  std::string keep;
  bool make_only = false;
  unsigned threads = 0;
  unsigned prompt = 0;   // tokens; 0: kDefaultPrompt, or what fits
  unsigned repeats = 0;  // 0: kDefaultRepeats, but no new one after kMostSeconds
  std::string kv = "auto";
  bool json = false;
  bool quiet = false;
};

inline constexpr unsigned kDefaultPrompt = 512;
inline constexpr unsigned kDefaultRepeats = 5;
inline constexpr double kMostSeconds = 150;

// Returns -1 to go on, else the exit code.
int ParseOptions(int argc, char** argv, Options* o);

}  // namespace bench

#endif  // CLAMMA_BENCH_OPTIONS_H_
