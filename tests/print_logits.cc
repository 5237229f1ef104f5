// SPDX-License-Identifier: MIT
// print_logits MODEL TOKEN...: writes the logits at each of the tokens, which stand at positions 0,
// 1, ..., to stdout as float32 (tokens, vocab_size). A helper of tests in Python.
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_file.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"

namespace clamma {
namespace {

Status PrintLogits(const char* path, const std::vector<TokenId>& tokens) {
  Memory memory;
  ModelFiles files;
  CLAMMA_RETURN_IF_ERROR(files.Open(memory, path, "", true));
  ModelFile model;
  CLAMMA_RETURN_IF_ERROR(files.ReadModel(&model));
  Weights weights;
  CLAMMA_RETURN_IF_ERROR(
      weights.Open(memory, std::move(model), files.sources(), files.count(), {}));
  ThreadPool pool;
  CLAMMA_RETURN_IF_ERROR(pool.Start(memory, 1));
  Forward forward;
  CLAMMA_RETURN_IF_ERROR(forward.Init(memory, weights, SelectKernels(), pool));
  KvCache kv;
  const ModelConfig& config = weights.config();
  kv.Init(memory, config, KvType::kF32);
  CLAMMA_RETURN_IF_ERROR(kv.Reserve(tokens.size()));
  for (size_t position = 0; position < tokens.size(); ++position) {
    if (tokens[position] < 0 || static_cast<uint32_t>(tokens[position]) >= config.vocab_size) {
      return Status::Error(StatusCode::kInvalidArgument, "token %d is out of range",
                           static_cast<int>(tokens[position]));
    }
    ForwardRow row = {tokens[position], position, &kv, nullptr, true};
    CLAMMA_RETURN_IF_ERROR(forward.Run(&row, 1));
    if (fwrite(row.logits, sizeof(float), config.vocab_size, stdout) != config.vocab_size) {
      return Status::Error(StatusCode::kIo, "stdout cannot be written");
    }
  }
  return Status();
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  std::vector<clamma::TokenId> tokens;
  for (int i = 2; i < argc; ++i) tokens.push_back(atoi(argv[i]));
  if (tokens.empty()) {
    fprintf(stderr, "usage: print_logits MODEL TOKEN...\n");
    return 2;
  }
  const clamma::Status status = clamma::PrintLogits(argv[1], tokens);
  if (!status.ok()) fprintf(stderr, "print_logits: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
