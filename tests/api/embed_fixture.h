// SPDX-License-Identifier: MIT
// The code that the tests of embeddings and of continuations share.
#ifndef CLAMMA_TESTS_API_EMBED_FIXTURE_H_
#define CLAMMA_TESTS_API_EMBED_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api_fixture.h"
#include "gguf_models.h"
#include "temporary_folder.h"

namespace clamma_test {

using Tokens = std::vector<tok_id_t>;

inline clamma_text_t TextOf(const std::string& text) { return {text.data(), text.size(), {}, {}}; }
inline clamma_text_t TextOf(const Tokens& tokens) {
  return {nullptr, 0, tokens.data(), tokens.size()};
}
template <typename Item>
std::vector<clamma_text_t> TextsOf(const std::vector<Item>& items) {
  std::vector<clamma_text_t> texts;
  for (const Item& item : items) texts.push_back(TextOf(item));
  return texts;
}

// Any tokens of a vocabulary, after BOS.
inline Tokens SomeTokens(size_t n, uint32_t seed, tok_id_t vocab) {
  Tokens tokens = {1};
  uint32_t state = seed * 2654435761u + 1;
  while (tokens.size() < n) {
    state = state * 1664525u + 1013904223u;
    tokens.push_back(static_cast<tok_id_t>(3 + (state >> 8) % static_cast<uint32_t>(vocab - 3)));
  }
  return tokens;
}

// The arguments of a progress_cb's calls.
struct Parts {
  std::vector<std::pair<size_t, size_t>> told;
  std::function<int()> on_part;
  static int OnPart(void* opaque, size_t processed, size_t total) {
    auto& self = *static_cast<Parts*>(opaque);
    self.told.emplace_back(processed, total);
    return self.on_part ? self.on_part() : 0;
  }
};

// Opens GGUF files that contain a vocabulary, and collects messages.
class GgufOpener {
 public:
  TxfPtr Open(GgufSpec spec, clamma_kv_type_t kv_type = CLAMMA_KV_F32, unsigned threads = 1) {
    spec.tokens = spec.vocab;
    clamma_txf_info_t info = ModelInfo(folder_.Write("model.gguf", MakeGguf(spec).Build()));
    info.tokenizer_path = nullptr;
    info.kv_type = kv_type;
    info.threads = threads;
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log;
    return clamma_test::Open(info);
  }
  LogCollector log;

 private:
  TemporaryFolder folder_;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_API_EMBED_FIXTURE_H_
