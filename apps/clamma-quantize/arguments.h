// SPDX-License-Identifier: MIT
// clamma-quantize's command line.
#ifndef CLAMMA_QUANTIZE_ARGUMENTS_H_
#define CLAMMA_QUANTIZE_ARGUMENTS_H_

#include <string>

namespace quantize_app {

struct Arguments {
  std::string in;
  std::string out;
  std::string type;
  std::string tokenizer;
  std::string imatrix;
  std::string eval;
  unsigned threads = 0;
  bool pure = false;
  bool dry_run = false;
  bool force = false;
  bool quiet = false;
};

// Returns -1 to continue, else the exit code of the program.
int Parse(int argc, char** argv, Arguments& o);

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_ARGUMENTS_H_
