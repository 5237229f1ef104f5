// SPDX-License-Identifier: MIT
// Encodes texts for tests in Python.
//
// print_tokens DICTIONARY VOCAB_SIZE TEXT...: prints the tokens of each text on a line of its own,
// encoded like a prompt but without BOS.
//
// print_tokens --gguf FILE [--pre NAME] [--control] [--prefix] [--decode]: the same for the
// vocabulary in a GGUF file and texts from standard input, each as a uint32 (little-endian) and
// this number of bytes.
// --control parses control tokens; --prefix adds the space in front, if the vocabulary has one;
// --decode also checks that the tokens' bytes are the text.
//
// print_tokens --split NAME: prints the number of bytes of each word of such texts, as the
// pre-tokenizer of this name splits them.
//
// print_tokens --nfc: prints the bytes of such texts in NFC.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/model_files.h"
#include "platform/endian.h"
#include "platform/file.h"
#include "platform/memory.h"
#include "tokenizer/nfc.h"
#include "tokenizer/pretokenizers.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

Status Failure(const std::string& what) {
  return Status::Error(StatusCode::kInvalidArgument, "%s", what.c_str());
}

// Reads the next text from standard input. Returns false if there are no more.
bool ReadText(std::string* text) {
  uint8_t length[4];
  if (fread(length, 1, sizeof(length), stdin) != sizeof(length)) return false;
  text->resize(ReadLe32(length));
  return fread(text->data(), 1, text->size(), stdin) == text->size();
}

Status Print(Memory& memory, const Tokenizer& tokenizer, std::string_view text,
             const Tokenizer::EncodeOptions& options, std::string* decoded) {
  Array<TokenId> tokens;
  size_t count = 0;
  CLAMMA_RETURN_IF_ERROR(tokenizer.Encode(memory, text, options, &tokens, &count));
  decoded->clear();
  for (size_t t = 0; t < count; ++t) {
    printf("%s%d", t == 0 ? "" : " ", tokens[t]);
    *decoded += tokenizer.Bytes(tokens[t]);
  }
  printf("\n");
  return Status();
}

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
  std::string decoded;
  for (int i = 0; i < n_texts; ++i) {
    CLAMMA_RETURN_IF_ERROR(Print(memory, tokenizer, texts[i], options, &decoded));
  }
  return Status();
}

// With spaces for U+2581, and with the space that was added in front of the text.
std::string AsDecoded(std::string_view text, bool marks_are_spaces, bool prefix) {
  std::string result = prefix && !text.empty() ? " " : "";
  for (size_t i = 0; i < text.size();) {
    const bool mark = marks_are_spaces && text.substr(i).starts_with(kSpaceMark);
    result += mark ? ' ' : text[i];
    i += mark ? kSpaceMark.size() : 1;
  }
  return result;
}

struct GgufOptions {
  const char* path = nullptr;
  const char* pre = nullptr;
  bool control = false;
  bool prefix = false;
  bool decode = false;
};

Status PrintGguf(const GgufOptions& asked) {
  Memory memory;
  ModelFiles files;
  CLAMMA_RETURN_IF_ERROR(files.Open(memory, asked.path, "", true));
  if (files.gguf() == nullptr) return Failure("not a GGUF file");
  Tokenizer tokenizer;
  CLAMMA_RETURN_IF_ERROR(tokenizer.Open(memory, *files.gguf(), 0, asked.pre));
  if (tokenizer.warning() != nullptr) fprintf(stderr, "%s\n", tokenizer.warning());
  std::string_view model;
  CLAMMA_RETURN_IF_ERROR(
      files.gguf()->GetString("tokenizer.ggml.model", Gguf::Presence::kRequired, &model));
  Tokenizer::EncodeOptions options;
  options.parse_control = asked.control;
  options.dummy_prefix = asked.prefix && tokenizer.adds_prefix();
  std::string text;
  std::string decoded;
  while (ReadText(&text)) {
    CLAMMA_RETURN_IF_ERROR(Print(memory, tokenizer, text, options, &decoded));
    if (asked.decode && decoded != AsDecoded(text, model == "llama", options.dummy_prefix)) {
      return Failure("decoded otherwise: " + decoded);
    }
  }
  return Status();
}

Status PrintWords(const char* name) {
  const Pretokenizer* const rule = FindPretokenizer(name);
  if (rule == nullptr) return Failure(std::string("no pre-tokenizer ") + name);
  for (std::string text; ReadText(&text);) {
    std::string_view word;
    const char* space = "";
    for (WordSplitter words(*rule, text); words.Next(&word); space = " ") {
      printf("%s%zu", space, word.size());
    }
    printf("\n");
  }
  return Status();
}

Status PrintNfc() {
  Memory memory;
  for (std::string text; ReadText(&text);) {
    NfcNormalizer normalizer;
    CLAMMA_RETURN_IF_ERROR(normalizer.Reserve(memory, text.size()));
    const std::string_view normal = normalizer.Normalize(text);
    if (!MayChangeByNfc(text) && normal != text) return Failure("changed: " + text);
    const char* space = "";
    for (const char c : normal) {
      printf("%s%d", space, static_cast<uint8_t>(c));
      space = " ";
    }
    printf("\n");
  }
  return Status();
}

Status Run(int argc, char** argv) {
  const std::string_view first = argv[1];
  if (first == "--nfc") return PrintNfc();
  if (first == "--split") return PrintWords(argv[2]);
  if (first != "--gguf") {
    const auto vocab_size = static_cast<uint32_t>(strtoul(argv[2], nullptr, 10));
    return PrintTokens(argv[1], vocab_size, argv + 3, argc - 3);
  }
  GgufOptions options;
  options.path = argv[2];
  for (int i = 3; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--control") options.control = true;
    if (argument == "--prefix") options.prefix = true;
    if (argument == "--decode") options.decode = true;
    if (argument == "--pre" && i + 1 < argc) options.pre = argv[++i];
  }
  return PrintGguf(options);
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  if (argc < 2 || (argc < 3 && std::string_view(argv[1]) != "--nfc")) {
    fprintf(
        stderr,
        "usage: print_tokens DICTIONARY VOCAB_SIZE TEXT... | --gguf FILE | --split NAME | --nfc\n");
    return 2;
  }
  const clamma::Status status = clamma::Run(argc, argv);
  if (!status.ok()) fprintf(stderr, "print_tokens: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
