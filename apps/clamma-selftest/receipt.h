// SPDX-License-Identifier: MIT
// What a model computes, as a short text: the same on every machine.
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

// A model that is open.
class Model {
 public:
  // Both return "" or what is wrong. The bytes must outlive this.
  std::string OpenAt(const std::vector<uint8_t>& bytes);
  std::string Open(const std::string& path, const char* model_dir);

  // Hashes of the logits at six positions of a fixed text, which has both ends of a page of the KV
  // cache, with float keys and values and with half-precision ones: "0123456789abcdef-...". They
  // are FNV-1a's of 64 bits, over the logits' bits in little-endian order. *receipt is set where
  // "" is returned.
  std::string Compute(const clamma::Kernels& kernels, std::string* receipt);

  // Tells this model from others; of a large one pieces count.
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
