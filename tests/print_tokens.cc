// SPDX-License-Identifier: MIT
// print_tokens DICTIONARY VOCAB_SIZE TEXT...: prints the tokens of each text, encoded as a prompt
// is but without BOS, on a line of its own. A helper of export_test.py.
#include <cstdio>
#include <cstdlib>

#include "model/tokenizer.h"
#include "platform/file.h"
#include "platform/memory.h"

namespace clamma {
namespace {

Status PrintTokens(const char* path, uint32_t vocab_size, char** texts, int n_texts) {
  Memory memory;
  File file;
  CLAMMA_RETURN_IF_ERROR(file.Open(path, ""));
  const uint8_t* data = nullptr;
  CLAMMA_RETURN_IF_ERROR(file.Map(&data));
  Tokenizer tokenizer;
  CLAMMA_RETURN_IF_ERROR(tokenizer.Open(memory, data, file.size(), vocab_size));
  Tokenizer::EncodeOptions options;
  options.dummy_prefix = true;
  for (int i = 0; i < n_texts; ++i) {
    Array<TokenId> tokens;
    size_t count = 0;
    CLAMMA_RETURN_IF_ERROR(tokenizer.Encode(memory, texts[i], options, &tokens, &count));
    for (size_t t = 0; t < count; ++t) printf("%s%d", t == 0 ? "" : " ", tokens[t]);
    printf("\n");
  }
  return Status();
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: print_tokens DICTIONARY VOCAB_SIZE TEXT...\n");
    return 2;
  }
  const auto vocab_size = static_cast<uint32_t>(strtoul(argv[2], nullptr, 10));
  const clamma::Status status = clamma::PrintTokens(argv[1], vocab_size, argv + 3, argc - 3);
  if (!status.ok()) fprintf(stderr, "print_tokens: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
