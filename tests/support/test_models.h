// SPDX-License-Identifier: MIT
// The checkpoints for tests of weights and forward passes: the real ones of the test data, and
// small generated ones, which are always there.
#ifndef CLAMMA_TESTS_SUPPORT_TEST_MODELS_H_
#define CLAMMA_TESTS_SUPPORT_TEST_MODELS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "checkpoint_bytes.h"
#include "test_data.h"

namespace clamma_test {

struct TestModel {
  std::string name;
  std::string file;  // in the test data; "": generated
  ModelShape shape;
};

inline std::vector<TestModel> TestModels() {
  const auto stories = [](int version, int32_t group) {
    return ModelShape{version, 64, 172, 5, 8, 4, 512, 512, true, group};
  };
  std::vector<TestModel> models = {
      {"stories260K", "stories260K.bin", stories(0, 0)},
      {"stories260K_v1", "stories260K.v1.bin", stories(1, 0)},
      {"stories260K_q80", "stories260K.q80.bin", stories(2, 4)},
      {"stories260K_q80_straddling", "stories260K.q80-gs8-straddling.bin", stories(2, 8)},
  };
  for (const auto& [name, shape] : SmallShapes()) models.push_back({"made_" + name, "", shape});
  // Rows that are wide enough for AVX2's kernel for many tokens.
  models.push_back({"made_wide", "", {0, 192, 208, 1, 4, 1, 50, 64, true, 0}});
  return models;
}

inline std::string NameOf(const testing::TestParamInfo<TestModel>& model) {
  return model.param.name;
}

inline std::ostream& operator<<(std::ostream& out, const TestModel& model) {
  return out << model.name;
}

// Returns the checkpoint's bytes; empty if its file is missing.
inline std::vector<uint8_t> BytesOf(const TestModel& model) {
  return model.file.empty() ? MakeModel(model.shape, 1) : ReadBytes(ModelPath(model.file));
}

}  // namespace clamma_test

// Skips the test if the model's file is missing.
#define CLAMMA_NEED_MODEL(model) \
  if (!(model).file.empty()) CLAMMA_NEED_FILE(clamma_test::ModelPath((model).file))

#endif  // CLAMMA_TESTS_SUPPORT_TEST_MODELS_H_
