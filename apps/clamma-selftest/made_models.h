// SPDX-License-Identifier: MIT
// Makes small models with weights from a seed, with the same bytes on every machine.
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

// Makes one model of each weight type of this build: llama2.c's float and int8, and GGUF files.
std::vector<MadeModel> MakeModels();

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_MADE_MODELS_H_
