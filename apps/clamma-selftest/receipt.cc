// SPDX-License-Identifier: MIT
#include "receipt.h"

#include <cstddef>
#include <cstdio>
#include <utility>

#include "engine/logit_hash.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "platform/checksum.h"
#include "platform/status.h"
#include "platform/thread_pool.h"

namespace selftest {
namespace {

using clamma::Status;

constexpr size_t kPositions[] = {0, 1, 15, 31, 32, 47};  // positions whose logits are hashed

std::string WhatIsWrong(const Status& status) { return status.ok() ? "" : status.message(); }

}  // namespace

std::string Model::OpenAt(const std::vector<uint8_t>& bytes) {
  const Status status = files_.OpenAt(memory_, bytes.data(), bytes.size());
  return status.ok() ? Read() : status.message();
}

std::string Model::Open(const std::string& path, const char* model_dir) {
  const Status status = files_.Open(memory_, path.c_str(), model_dir, true);
  if (!status.ok()) return status.message();
  const std::string wrong = Read();
  return wrong.empty() ? "" : path + ": " + wrong;
}

std::string Model::Read() {
  clamma::ModelFile model;
  const Status status = files_.ReadModel(&model);
  if (!status.ok()) return status.message();
  return WhatIsWrong(
      weights_.Open(memory_, std::move(model), files_.sources(), files_.count(), {}));
}

std::string Model::HashLogits(const clamma::Kernels& kernels, clamma::KvType type, uint64_t* hash) {
  clamma::ThreadPool pool;
  clamma::Forward forward;
  Status status = pool.Start(memory_, clamma::kMaxThreads > 1 ? 2 : 1);
  if (status.ok()) status = forward.Init(memory_, weights_, kernels, pool);
  clamma::KvCache kv;
  kv.Init(memory_, weights_.config(), type);
  const clamma::ModelConfig& config = weights_.config();
  *hash = clamma::kLogitHashStart;
  size_t next = 0;
  for (const size_t wanted : kPositions) {
    if (wanted >= config.seq_len) break;
    std::vector<clamma::ForwardRow> rows;
    for (; next <= wanted; ++next) {
      const auto token = static_cast<clamma::TokenId>((1 + 29 * next) % config.vocab_size);
      rows.push_back({token, next, &kv, nullptr, next == wanted});
    }
    if (status.ok()) status = kv.Reserve(next);
    if (status.ok()) status = forward.ReserveScores(memory_, next);
    for (size_t i = 0; status.ok() && i < rows.size(); i += forward.max_rows()) {
      const size_t left = rows.size() - i;
      status = forward.Run(rows.data() + i, left < forward.max_rows() ? left : forward.max_rows());
    }
    if (!status.ok()) return status.message();
    *hash = clamma::AddLogits(*hash, rows.back().logits, config.vocab_size);
  }
  return "";
}

std::string Model::Compute(const clamma::Kernels& kernels, std::string* receipt) {
  uint64_t single = 0;
  uint64_t half = 0;
  std::string wrong = HashLogits(kernels, clamma::KvType::kF32, &single);
  if (wrong.empty()) wrong = HashLogits(kernels, clamma::KvType::kF16, &half);
  char text[40];
  std::snprintf(text, sizeof(text), "%016llx-%016llx", static_cast<clamma::Ull>(single),
                static_cast<clamma::Ull>(half));
  *receipt = text;
  return wrong;
}

std::string Model::Fingerprint(uint64_t* fingerprint) const {
  clamma::Checksum checksum;
  const Status status = weights_.AddSamples(&checksum);
  *fingerprint = checksum.Value();
  return WhatIsWrong(status);
}

}  // namespace selftest
