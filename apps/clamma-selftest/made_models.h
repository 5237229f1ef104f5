// SPDX-License-Identifier: MIT
// Small models whose weights are made of a seed, the same bytes on every machine.
#ifndef CLAMMA_APPS_SELFTEST_MADE_MODELS_H_
#define CLAMMA_APPS_SELFTEST_MADE_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace selftest {

struct MadeModel {
  std::string name;
  std::vector<uint8_t> bytes;  // of its file
};

// One of each weight type of this build: llama2.c's float and int8, and GGUF files.
std::vector<MadeModel> MakeModels();

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_MADE_MODELS_H_
