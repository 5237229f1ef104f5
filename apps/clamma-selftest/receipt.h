// SPDX-License-Identifier: MIT
// A receipt: a hash of a model's results as a short text, the same on every machine.
#ifndef CLAMMA_APPS_SELFTEST_RECEIPT_H_
#define CLAMMA_APPS_SELFTEST_RECEIPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"

namespace selftest {

// An open model.
class Model {
 public:
  // Both return "" or the reason of a failure. The bytes must outlive the object.
  std::string OpenAt(const std::vector<uint8_t>& bytes);
  std::string Open(const std::string& path, const char* model_dir);

  // Hashes the logits at six positions of a fixed text, which include both ends of a page of the KV
  // cache, with float and with half-precision keys and values: "0123456789abcdef-...". The hashes
  // are those of engine/logit_hash.h. Returns "" and sets *receipt,
  // or returns the reason of a failure.
  std::string Compute(const clamma::Kernels& kernels, std::string* receipt);

  // A number that distinguishes models; of a large model only pieces are read.
  std::string Fingerprint(uint64_t* fingerprint) const;

 private:
  std::string Read();
  std::string HashLogits(const clamma::Kernels& kernels, clamma::KvType type, uint64_t* hash);

  clamma::Memory memory_;
  clamma::ModelFiles files_;
  clamma::Weights weights_;
};

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_RECEIPT_H_
