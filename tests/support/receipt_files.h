// SPDX-License-Identifier: MIT
// The receipts in tests/api/receipts/, which clamma-gen made on an x86-64 machine, read without the
// JSON library of the apps, so that they can be verified wherever the tests are built.
#ifndef CLAMMA_TESTS_SUPPORT_RECEIPT_FILES_H_
#define CLAMMA_TESTS_SUPPORT_RECEIPT_FILES_H_

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "clamma-extra.h"
#include "gguf_models.h"

namespace clamma_test {

// The GGUF model of a kept receipt: weights of a super-block type, and a vocabulary.
inline GgufSpec KeptSpec() {
  GgufSpec spec;
  spec.dim = 256;
  spec.hidden = 256;
  spec.vocab = 290;
  spec.tokens = 290;
  spec.context = 128;
  spec.type = kQ4_K;
  return spec;
}

struct KeptReceipt {
  unsigned sum_order = 0;
  std::string kv;
  clamma_txf_info_t sampling = {};
  std::vector<tok_id_t> tokens;  // of the prompt, and then those that were generated
  size_t n_prompt = 0;
  std::vector<uint64_t> hashes;
};

// Returns the text after "name": in a line of the receipt, or in an object in it.
inline std::string FieldOf(const std::string& text, const std::string& name) {
  const size_t at = text.find("\"" + name + "\":");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 3;
  return text.substr(begin, text.find('\n', begin) - begin);
}

inline KeptReceipt ReadKeptReceipt(const std::string& name) {
  std::ifstream file(std::string(CLAMMA_SOURCE_DIR) + "/tests/api/receipts/" + name + ".json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  KeptReceipt receipt;
  const auto number = [&](const char* field) {
    return std::strtof(FieldOf(text, field).c_str(), nullptr);
  };
  const auto items = [&](const char* field, int base, const auto& add) {
    const std::string list = FieldOf(text, field);
    for (const char* c = list.c_str(); *c != '\0' && *c != '\n';) {
      char* end = nullptr;
      const unsigned long long item = std::strtoull(c, &end, base);
      if (end != c) add(item);
      c = end == c ? c + 1 : end;
    }
  };
  receipt.sum_order = static_cast<unsigned>(number("sum_order"));
  receipt.kv = FieldOf(text, "kv");
  receipt.sampling.temperature = number("temperature");
  receipt.sampling.topp = number("top_p");
  receipt.sampling.top_k = static_cast<unsigned>(number("top_k"));
  receipt.sampling.min_p = number("min_p");
  receipt.sampling.repetition_penalty = number("repetition_penalty");
  receipt.sampling.frequency_penalty = number("frequency_penalty");
  receipt.sampling.presence_penalty = number("presence_penalty");
  receipt.sampling.rng_seed = std::strtoull(FieldOf(text, "seed").c_str(), nullptr, 10);
  const auto add_token = [&](uint64_t id) { receipt.tokens.push_back(static_cast<tok_id_t>(id)); };
  items("prompt_ids", 10, add_token);
  receipt.n_prompt = receipt.tokens.size();
  items("ids", 10, add_token);
  items("hashes", 16, [&](uint64_t hash) { receipt.hashes.push_back(hash); });
  return receipt;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_RECEIPT_FILES_H_
