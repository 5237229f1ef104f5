// SPDX-License-Identifier: MIT
// Takes any bytes as a vocabulary and a text. The first byte chooses what follows: a vocabulary in
// llama2.c's format, the content of a byte-level or a SentencePiece vocabulary in a GGUF file, or
// only a text for each pre-tokenizer. Encoded text must decode to the same bytes, take no more than
// a plan allows, and not depend on whether control tokens are parsed if all of it is the user's.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "model/files/gguf.h"
#include "platform/memory.h"
#include "tests/support/gguf_bytes.h"
#include "tokenizer/nfc.h"
#include "tokenizer/pretokenizers.h"
#include "tokenizer/tokenizer.h"

namespace {

using clamma::Array;
using clamma::Memory;
using clamma::Status;
using clamma::TextRange;
using clamma::TokenId;
using clamma::Tokenizer;
using clamma_test::GgufBytes;

// An assert that is on in every build.
void Demand(bool holds) {
  if (!holds) std::abort();
}

// Takes values from the front of the input.
class Input {
 public:
  Input(const uint8_t* bytes, size_t n) : rest_(reinterpret_cast<const char*>(bytes), n) {}
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  std::string Text(size_t n) {
    const std::string text(rest_.substr(0, n));
    rest_.remove_prefix(text.size());
    return text;
  }
  std::string Rest() { return Text(rest_.size()); }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::string Decode(const Tokenizer& tokenizer, const Array<TokenId>& tokens, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    Demand(tokenizer.IsValid(tokens[i]));
    text += tokenizer.Bytes(tokens[i]);
  }
  return text;
}

std::string WithSpaces(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const bool mark = text.substr(i, 3) == clamma::kSpaceMark;
    result += mark ? ' ' : text[i];
    i += mark ? 3 : 1;
  }
  return result;
}

// Properties of a vocabulary that its texts are checked against.
struct Promises {
  bool has_all_bytes = false;
  bool marks_are_spaces = false;
  bool wants_nfc = false;  // texts that are not in NFC decode to other texts
};

void UseText(const Tokenizer& tokenizer, const std::string& text, const Promises& promises) {
  Memory memory;
  Array<TokenId> tokens;
  size_t count = 0;
  Demand(tokenizer.Encode(memory, text, {}, &tokens, &count).ok());
  const std::string decoded = Decode(tokenizer, tokens, count);
  if (promises.has_all_bytes && !(promises.wants_nfc && clamma::MayChangeByNfc(text))) {
    Demand(decoded == (promises.marks_are_spaces ? WithSpaces(text) : text));
  }
  const TextRange all = {0, text.size()};
  Tokenizer::EncodeOptions options = {.parse_control = true, .data = &all, .n_data = 1};
  Array<TokenId> same;
  size_t same_count = 0;
  Demand(tokenizer.Encode(memory, text, options, &same, &same_count).ok());
  Demand(same_count == count && std::equal(same.data(), same.data() + count, tokens.data()));

  options = {.bos = true, .dummy_prefix = true, .eos = true, .parse_control = true};
  Memory real;
  Memory plan((Memory::Plan()));
  Array<TokenId> marked;
  Array<TokenId> planned;
  size_t marked_count = 0;
  size_t max = 0;
  Demand(tokenizer.Encode(real, text, options, &marked, &marked_count).ok());
  Demand(tokenizer.Encode(plan, text, options, &planned, &max).ok());
  Demand(marked_count <= max && marked.size() <= max);
  Decode(tokenizer, marked, marked_count);
}

void UseTokens(const Tokenizer& tokenizer) {
  uint32_t never = 0;
  for (TokenId id = -1; id <= static_cast<TokenId>(tokenizer.vocab_size()); ++id) {
    const std::string bytes(tokenizer.Bytes(id));
    const std::string piece(tokenizer.Piece(id));
    if (!tokenizer.IsValid(id)) {
      Demand(bytes.empty() && piece.empty() && !tokenizer.EndsText(id));
      continue;
    }
    never += tokenizer.IsGenerated(id) ? 0 : 1;
    if (tokenizer.EndsText(id)) Demand(tokenizer.IsSilent(id));
    if (tokenizer.IsSilent(id)) Demand(bytes.empty());
    const TokenId found = tokenizer.Find(piece);
    Demand(piece.empty() ? found < 0 : found >= 0 && found <= id);
  }
  Demand(never == tokenizer.never_generated());
}

// Makes a vocabulary of the rest of the input: kinds and texts, merges, and then a text.
void UseGguf(Input input, bool byte_level) {
  std::vector<std::string> texts;
  std::vector<int32_t> kinds;
  std::vector<float> scores;
  const auto add = [&](const std::string& text, int kind, float score) {
    texts.push_back(text);
    kinds.push_back(kind);
    scores.push_back(score);
  };
  if (!byte_level) {
    add("<unk>", 2, 0);
    add("<s>", 3, 0);
    add("</s>", 3, 0);
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte_level) {
      const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
      static int next = 0;
      if (byte == 0) next = 256;
      const int code = printable ? byte : next++;
      add(code < 0x80 ? std::string(1, static_cast<char>(code))
                      : std::string{static_cast<char>(0xc0 | code >> 6),
                                    static_cast<char>(0x80 | (code & 0x3f))},
          1, 0);
    } else {
      constexpr char kDigits[] = "0123456789ABCDEF";
      add({'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'}, 6, 0);
    }
  }
  const size_t n_fixed = texts.size();
  const char* const names[] = {"llama-bpe", "qwen2", "tekken", "default", "deepseek-llm", "?"};
  const uint8_t rule = input.Byte();
  for (int n = input.Byte() % 24; n > 0 && !input.empty(); --n) {
    const uint8_t how = input.Byte();
    const std::string text = input.Text(input.Byte() % 12);
    add(text, how % 8, static_cast<float>(static_cast<int8_t>(input.Byte())));
  }
  std::vector<std::string> merges;
  for (int n = input.Byte() % 24; n > 0 && !input.empty(); --n) {
    merges.push_back(texts[input.Byte() * 2u % texts.size()] + " " +
                     texts[(texts.size() - 1 - input.Byte() % texts.size())]);
  }
  GgufBytes file;
  file.Add("tokenizer.ggml.model", byte_level ? "gpt2" : "llama");
  const char* const pre_name = names[rule % std::size(names)];
  const clamma::Pretokenizer* const pre = clamma::FindPretokenizer(pre_name);
  file.Add("tokenizer.ggml.pre", pre_name);
  file.AddArray("tokenizer.ggml.tokens", texts);
  file.AddArray("tokenizer.ggml.token_type", kinds);
  file.AddArray("tokenizer.ggml.scores", scores);
  file.AddArray("tokenizer.ggml.merges", merges);
  if ((rule & 0x40) != 0) file.Add("general.architecture", "phi3");
  for (const char* name : {"bos", "eos", "eot", "padding", "unknown"}) {
    const uint8_t id = input.Byte();
    if (id % 2 == 0 || texts.size() <= n_fixed) continue;
    file.Add(std::string("tokenizer.ggml.") + name + "_token_id",
             static_cast<uint32_t>(n_fixed + id % (texts.size() - n_fixed)));
  }
  const std::vector<uint8_t> bytes = file.Build();
  Memory memory;
  clamma::Gguf gguf;
  uint64_t wanted = 0;
  Demand(gguf.Parse(memory, bytes.data(), bytes.size(), bytes.size(), &wanted).ok());
  Memory plan((Memory::Plan()));
  Memory own;
  Tokenizer tokenizer;
  Tokenizer planned;
  Demand(tokenizer.Open(own, gguf).ok() && planned.Open(plan, gguf).ok());
  Demand(own.bytes_in_use() <= plan.planned_bytes());
  UseTokens(tokenizer);
  UseText(tokenizer, input.Rest(),
          {.has_all_bytes = true,
           .marks_are_spaces = !byte_level,
           .wants_nfc = byte_level && pre != nullptr && pre->wants_nfc});
}

void UseLlama2c(Input input) {
  const uint32_t vocab_size = input.Byte() * 2u;
  const size_t length = (input.Byte() << 8 | input.Byte()) % 4096u;
  const std::string bytes = input.Text(length);
  Memory memory;
  Tokenizer tokenizer;
  const Status status = tokenizer.Open(memory, reinterpret_cast<const uint8_t*>(bytes.data()),
                                       bytes.size(), vocab_size);
  Demand(status.ok() == std::string_view(status.message()).empty());
  if (!status.ok() || vocab_size < 3) return;
  UseTokens(tokenizer);
  UseText(tokenizer, input.Rest(), {});
}

void UseWords(Input input) {
  const char* const names[] = {"default", "gpt-2",       "smollm",       "llama-bpe",
                               "qwen2",   "qwen35",      "deepseek-llm", "deepseek-coder",
                               "tekken",  "deepseek-v3", "gpt-4o",       "falcon"};
  const std::string text = input.Rest();
  for (const char* name : names) {
    std::string joined;
    std::string_view word;
    for (clamma::WordSplitter words(*clamma::FindPretokenizer(name), text); words.Next(&word);) {
      Demand(!word.empty());
      joined += word;
    }
    Demand(joined == text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  Input input(bytes, n);
  switch (input.Byte() % 4) {
    case 0:
      UseLlama2c(input);
      break;
    case 1:
      UseGguf(input, true);
      break;
    case 2:
      UseGguf(input, false);
      break;
    default:
      UseWords(input);
      break;
  }
  return 0;
}
