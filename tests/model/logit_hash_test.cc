// SPDX-License-Identifier: MIT
// Compares logits, to the bit, with hashes that an x86 machine computed: on every machine, and by
// every kernel table. If a change is meant to change logits, write the file again:
//   logit_hash_test --write tests/model/logit_hashes.txt
#include "engine/logit_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gguf_models.h"
#include "kernel_fixture.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"
#include "test_models.h"

namespace clamma_test {
namespace {

using clamma::KvType;
using clamma::Status;

// Both ends of a block of the KV cache, after batches of 1, 1, 14, 16, 1 and 15 tokens.
constexpr size_t kPositions[] = {0, 1, 15, 31, 32, 47};

struct Case {
  KvType kv;
  size_t position;
  uint64_t hash;
};

const char* Name(KvType type) { return clamma::kKvFormats[type].name; }

std::string HashesPath() {
  return std::string(CLAMMA_SOURCE_DIR) + "/tests/model/logit_hashes.txt";
}

// The checkpoints of other tests, and a GGUF model of each type.
struct HashedModel {
  std::string name;
  TestModel checkpoint;
  GgufSpec gguf;  // if the checkpoint has no name

  bool is_gguf() const { return checkpoint.name.empty(); }
  // The order of sums of int8 activations is the same for all types of weights.
  std::vector<KvType> kv_types() const {
    if (is_gguf() && gguf.type != GgufSpec().type) return {KvType::kF32, KvType::kF16};
    return {KvType::kF32, KvType::kF16, KvType::kQ8};
  }
};

std::ostream& operator<<(std::ostream& out, const HashedModel& model) { return out << model.name; }

std::vector<HashedModel> HashedModels() {
  std::vector<HashedModel> models;
  for (const TestModel& model : TestModels()) models.push_back({model.name, model, {}});
  for (const NamedGguf& model : GgufModels())
    models.push_back({"gguf_" + model.name, {}, model.spec});
  return models;
}

// Processes tokens up to each of kPositions, and adds a hash of the logits there.
void AddHashes(const std::vector<uint8_t>& bytes, const clamma::Kernels& kernels, KvType type,
               std::vector<Case>* cases) {
  clamma::Memory memory;
  clamma::ModelFiles files;
  Status status = files.OpenAt(memory, bytes.data(), bytes.size());
  ASSERT_TRUE(status.ok()) << status.message();
  clamma::ModelFile model;
  status = files.ReadModel(&model);
  ASSERT_TRUE(status.ok()) << status.message();
  clamma::Weights weights;
  status = weights.Open(memory, std::move(model), files.sources(), files.count(), {});
  ASSERT_TRUE(status.ok()) << status.message();
  clamma::ThreadPool pool;
  ASSERT_TRUE(pool.Start(memory, 1).ok());
  clamma::Forward forward;
  ASSERT_TRUE(forward.Init(memory, weights, kernels, pool, false, type).ok());
  clamma::KvCache kv;
  kv.Init(memory, weights.config(), type);
  const uint32_t vocab_size = weights.config().vocab_size;
  size_t next = 0;
  for (const size_t wanted : kPositions) {
    std::vector<clamma::ForwardRow> rows;
    for (; next <= wanted; ++next) {
      const auto token = static_cast<clamma::TokenId>((1 + 29 * next) % vocab_size);
      rows.push_back({token, next, &kv, nullptr, next == wanted});
    }
    ASSERT_TRUE(kv.Reserve(next).ok());
    status = forward.Run(rows.data(), rows.size());
    ASSERT_TRUE(status.ok()) << status.message();
    cases->push_back(
        {type, wanted, clamma::AddLogits(clamma::kLogitHashStart, rows.back().logits, vocab_size)});
  }
}

std::vector<Case> HashesOf(const HashedModel& model, const clamma::Kernels& kernels) {
  std::vector<Case> cases;
  const std::vector<uint8_t> bytes =
      model.is_gguf() ? MakeGguf(model.gguf).Build() : BytesOf(model.checkpoint);
  for (const KvType type : model.kv_types()) AddHashes(bytes, kernels, type, &cases);
  return cases;
}

std::string LineOf(const HashedModel& model, const Case& c) {
  char line[128];
  std::snprintf(line, sizeof(line), "%s %s %zu %016llx", model.name.c_str(), Name(c.kv), c.position,
                static_cast<unsigned long long>(c.hash));
  return line;
}

// Returns the lines of the file of hashes about a model.
std::vector<std::string> KeptLines(const std::string& model) {
  std::ifstream file(HashesPath());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(model + " ", 0) == 0) lines.push_back(line);
  }
  return lines;
}

using Parameters = std::tuple<HashedModel, const clamma::Kernels*>;

class LogitHashTest : public testing::TestWithParam<Parameters> {};

TEST_P(LogitHashTest, LogitsAreThoseOfX86ToTheBit) {
  const auto& [model, kernels] = GetParam();
  CLAMMA_NEED_MODEL(model.checkpoint);
  std::vector<std::string> lines;
  for (const Case& c : HashesOf(model, *kernels)) lines.push_back(LineOf(model, c));
  EXPECT_EQ(lines.size(), model.kv_types().size() * std::size(kPositions));
  EXPECT_EQ(lines, KeptLines(model.name));
}

std::string ParametersName(const testing::TestParamInfo<Parameters>& parameters) {
  const auto& [model, kernels] = parameters.param;
  return model.name + "_" + NameOf(testing::TestParamInfo<const clamma::Kernels*>(kernels, 0));
}

INSTANTIATE_TEST_SUITE_P(All, LogitHashTest,
                         testing::Combine(testing::ValuesIn(HashedModels()),
                                          testing::ValuesIn(Tables())),
                         ParametersName);

// Writes the hashes of the scalar table, which every machine has.
int WriteHashes(const char* path) {
  std::ofstream file(path);
  file << "# Hashes of logits, made on x86: model, KV cache, position, FNV-1a 64 of the logits'\n"
          "# bits. See logit_hash_test.cc.\n";
  for (const HashedModel& model : HashedModels()) {
    const std::vector<Case> cases = HashesOf(model, clamma::kScalarKernels);
    for (const Case& c : cases) file << LineOf(model, c) << "\n";
    if (cases.size() == model.kv_types().size() * std::size(kPositions)) continue;
    std::fprintf(stderr, "logit_hash_test: there are no logits of %s\n", model.name.c_str());
    return 1;
  }
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "logit_hash_test: cannot write '%s'\n", path);
  return 1;
}

}  // namespace
}  // namespace clamma_test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::strcmp(argv[1], "--write") == 0) return clamma_test::WriteHashes(argv[2]);
  return RUN_ALL_TESTS();
}
