// SPDX-License-Identifier: MIT
// llama2.c's vocabularies for tests, as values and as files, and an independent encoder.
#ifndef CLAMMA_TESTS_TOKENIZER_TOKENIZER_FIXTURE_H_
#define CLAMMA_TESTS_TOKENIZER_TOKENIZER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/endian.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

using namespace std::string_literals;
using Tokens = std::vector<TokenId>;

// --- Dictionaries -------------------------------------------------------------------------------

struct Token {
  std::string text;
  float score = 0;
};
using Dictionary = std::vector<Token>;

inline void PutLe32(std::vector<uint8_t>* bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes->push_back(static_cast<uint8_t>(value >> 8 * i));
}

inline void PutToken(std::vector<uint8_t>* bytes, const Token& token) {
  uint32_t score = 0;
  std::memcpy(&score, &token.score, sizeof(score));
  PutLe32(bytes, score);
  PutLe32(bytes, static_cast<uint32_t>(token.text.size()));
  bytes->insert(bytes->end(), token.text.begin(), token.text.end());
}

inline std::vector<uint8_t> FileOf(const Dictionary& dictionary) {
  std::vector<uint8_t> bytes;
  PutLe32(&bytes, 27);
  for (const Token& token : dictionary) PutToken(&bytes, token);
  return bytes;
}

// The inverse. The file must be valid.
inline Dictionary Parse(const std::vector<uint8_t>& bytes) {
  Dictionary dictionary;
  for (size_t at = 4; at < bytes.size();) {
    const size_t length = ReadLe32(&bytes[at + 4]);
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at) + 8;
    dictionary.push_back({{begin, begin + static_cast<ptrdiff_t>(length)}, ReadLeF32(&bytes[at])});
    at += 8 + length;
  }
  return dictionary;
}

inline std::string ByteTokenText(int byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

// Returns control tokens as in real files, byte tokens, and then `more`.
inline Dictionary WithBytes(const Dictionary& more) {
  Dictionary dictionary = {{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (int byte = 0; byte < 256; ++byte) dictionary.push_back({ByteTokenText(byte), 0});
  dictionary.insert(dictionary.end(), more.begin(), more.end());
  return dictionary;
}
inline constexpr TokenId kFirstByte = 3;
inline constexpr TokenId kFirst = 259;  // the first of `more`

TokenId ByteTokenOf(char c) { return kFirstByte + static_cast<uint8_t>(c); }

// --- The tokenizer, with values -----------------------------------------------------------------

class Opened {
 public:
  explicit Opened(std::vector<uint8_t> bytes)
      : bytes_(std::move(bytes)), dictionary_(Parse(bytes_)) {
    const Status status = tokenizer_.Open(memory_, bytes_.data(), bytes_.size(),
                                          static_cast<uint32_t>(dictionary_.size()));
    EXPECT_TRUE(status.ok()) << status.message();
  }
  explicit Opened(const Dictionary& dictionary) : Opened(FileOf(dictionary)) {}

  Tokens Encode(std::string_view text, const Tokenizer::EncodeOptions& options = {}) {
    Array<TokenId> tokens;
    size_t count = 0;
    const Status status = tokenizer_.Encode(memory_, text, options, &tokens, &count);
    EXPECT_TRUE(status.ok()) << status.message();
    return {tokens.data(), tokens.data() + count};
  }
  std::string Decode(const Tokens& tokens) const {
    std::string text;
    for (const TokenId token : tokens) text += tokenizer_.Bytes(token);
    return text;
  }
  // Pieces as in the dictionary, for readable messages and expectations.
  std::vector<std::string> Pieces(std::string_view text) {
    std::vector<std::string> pieces;
    for (const TokenId token : Encode(text)) {
      pieces.push_back(dictionary_[static_cast<size_t>(token)].text);
    }
    return pieces;
  }

  const Dictionary& dictionary() const { return dictionary_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  Memory& memory() { return memory_; }

 private:
  std::vector<uint8_t> bytes_;
  Dictionary dictionary_;
  Memory memory_;
  Tokenizer tokenizer_;
};

using Pieces = std::vector<std::string>;

// --- llama2.c's algorithm -----------------------------------------------------------------------

// Returns the length of the well-formed UTF-8 character at the front, by decoding it; 0: there is
// none.
inline size_t CharacterLength(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const uint8_t lead = byte(0);
  const size_t length = lead < 0x80             ? 1
                        : (lead & 0xe0) == 0xc0 ? 2
                        : (lead & 0xf0) == 0xe0 ? 3
                        : (lead & 0xf8) == 0xf0 ? 4
                                                : 0;
  if (length < 2) return length;
  uint32_t code = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeast[length] || code > 0x10ffff || surrogate ? 0 : length;
}

// With spaces for U+2581, as in SentencePiece.
inline std::string WithSpaces(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool mark = text.compare(i, 3, "\xe2\x96\x81") == 0;
    result += mark ? ' ' : text[i];
    if (mark) i += 2;
  }
  return result;
}

// Scans all pairs for the best one, merges it, and scans again. Defines what llama2.c leaves
// undefined: bytes that are not UTF-8 become byte tokens, control and byte tokens match no text,
// and of equal texts the first counts. As in SentencePiece, U+2581 is a space, and a character that
// is no token may be part of one.
class Reference {
 public:
  explicit Reference(const Dictionary& dictionary) : dictionary_(dictionary) {
    for (TokenId id = 3; id < static_cast<TokenId>(dictionary.size()); ++id) {
      const std::string& text = dictionary[static_cast<size_t>(id)].text;
      bool is_byte = false;
      for (int byte = 0; byte < 256 && !is_byte; ++byte) {
        is_byte = text == ByteTokenText(byte);
        if (is_byte) bytes_.emplace(static_cast<char>(static_cast<uint8_t>(byte)), id);
      }
      if (!is_byte && !text.empty()) ids_.emplace(text, id);
    }
  }

  Tokens Encode(const std::string& text, const Tokenizer::EncodeOptions& options) const {
    Tokens tokens;
    if (options.bos) tokens.push_back(1);
    if (!text.empty()) {
      const std::string plain = WithSpaces(text);
      for (const Symbol& symbol : Merge(Split(options.dummy_prefix ? " " + plain : plain))) {
        if (symbol.id >= 0) {
          tokens.push_back(symbol.id);
        } else {
          for (const char c : symbol.text) tokens.push_back(ByteToken(c));
        }
      }
    }
    if (options.eos) tokens.push_back(2);
    return tokens;
  }

 private:
  struct Symbol {
    std::string text;  // "": a byte that is not UTF-8, which merges with nothing
    TokenId id;        // -1: a character that is no token, and may become part of one
  };

  TokenId ByteToken(char c) const {
    const auto found = bytes_.find(c);
    return found == bytes_.end() ? 0 : found->second;
  }

  TokenId Lookup(const std::string& text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? -1 : found->second;
  }

  std::vector<Symbol> Split(const std::string& text) const {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < text.size();) {
      const size_t length = CharacterLength(std::string_view(text).substr(at));
      const std::string character = text.substr(at, length);
      if (length > 0) {
        symbols.push_back({character, Lookup(character)});
        at += length;
      } else {
        symbols.push_back({"", ByteToken(text[at++])});
      }
    }
    return symbols;
  }

  std::vector<Symbol> Merge(std::vector<Symbol> symbols) const {
    for (;;) {
      float best_score = -1e10f;
      size_t best = SIZE_MAX;
      TokenId best_id = -1;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        if (symbols[i].text.empty() || symbols[i + 1].text.empty()) continue;
        const TokenId id = Lookup(symbols[i].text + symbols[i + 1].text);
        if (id >= 0 && dictionary_[static_cast<size_t>(id)].score > best_score) {
          best_score = dictionary_[static_cast<size_t>(id)].score;
          best = i;
          best_id = id;
        }
      }
      if (best == SIZE_MAX) return symbols;
      symbols[best] = {symbols[best].text + symbols[best + 1].text, best_id};
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
  }

  const Dictionary& dictionary_;
  std::unordered_map<std::string, TokenId> ids_;
  std::map<char, TokenId> bytes_;
};

// --- Random texts -------------------------------------------------------------------------------

inline std::string Utf8Of(uint32_t code) {
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

class RandomTexts {
 public:
  RandomTexts(const Dictionary& dictionary, uint32_t seed)
      : dictionary_(dictionary), random_(seed) {}

  std::string Next(size_t longest) {
    const size_t length = random_() % (longest + 1);
    const size_t kind = random_() % 7;
    std::string text;
    while (text.size() < length) text += Piece(kind);
    return text;
  }

 private:
  size_t Below(size_t n) { return random_() % n; }

  std::string Piece(size_t kind) {
    constexpr std::string_view kLetters = "etaoinshrdlu ,.\n ETA0123  ";
    switch (kind) {
      case 0:
        return {kLetters[Below(kLetters.size())]};
      case 1:  // many ties
        return {"ab "[Below(3)]};
      case 2:
        return dictionary_[Below(dictionary_.size())].text;
      case 3: {  // Latin, Greek, CJK, emoji
        const uint32_t first[] = {0xe0, 0x3b1, 0x4e00, 0x1f600, 0x3041};
        const uint32_t span[] = {32, 24, 3000, 80, 80};
        const size_t script = Below(5);
        return Utf8Of(first[script] + static_cast<uint32_t>(Below(span[script])));
      }
      case 4:
        return {static_cast<char>(static_cast<uint8_t>(Below(256)))};
      case 5: {  // truncated and overlong characters, control characters, names of byte tokens
        const std::string odd[] = {"\xe4\xb8"s,    "\xf0\x9f\x98"s, "\xc0\x80"s, "\xed\xa0\x80"s,
                                   "\xff"s,        "\0"s,           "<s>"s,      "\n<s>\n"s,
                                   "</s>"s,        "<0x41>"s,       "<unk>"s,    "\x80"s,
                                   "\xe2\x96\x81"s};
        return odd[Below(std::size(odd))];
      }
      default:
        return Piece(Below(6));
    }
  }

  const Dictionary& dictionary_;
  std::mt19937 random_;
};

inline std::string Show(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '\\') {
      shown += c;
    } else {
      shown += "\\x" + ByteTokenText(static_cast<uint8_t>(c)).substr(3, 2);
    }
  }
  return shown;
}

inline void ExpectAgreement(Opened& opened, size_t texts, size_t longest) {
  const Reference reference(opened.dictionary());
  RandomTexts random(opened.dictionary(), 1);
  for (size_t i = 0; i < texts; ++i) {
    const std::string text = random.Next(longest);
    Tokenizer::EncodeOptions options;
    options.bos = i % 2 == 0;
    options.dummy_prefix = i % 3 == 0;
    options.eos = i % 5 == 0;
    ASSERT_EQ(opened.Encode(text, options), reference.Encode(text, options)) << Show(text);
  }
}

}  // namespace clamma

#endif  // CLAMMA_TESTS_TOKENIZER_TOKENIZER_FIXTURE_H_
