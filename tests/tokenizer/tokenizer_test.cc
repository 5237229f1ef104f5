// SPDX-License-Identifier: MIT
#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/endian.h"
#include "platform/memory.h"
#include "test_data.h"

namespace clamma {
namespace {

using namespace std::string_literals;
using clamma_test::ModelPath;
using clamma_test::ReadBytes;
using Tokens = std::vector<TokenId>;

// --- Dictionaries -------------------------------------------------------------------------------

struct Token {
  std::string text;
  float score = 0;
};
using Dictionary = std::vector<Token>;

void PutLe32(std::vector<uint8_t>* bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes->push_back(static_cast<uint8_t>(value >> 8 * i));
}

void PutToken(std::vector<uint8_t>* bytes, const Token& token) {
  uint32_t score = 0;
  std::memcpy(&score, &token.score, sizeof(score));
  PutLe32(bytes, score);
  PutLe32(bytes, static_cast<uint32_t>(token.text.size()));
  bytes->insert(bytes->end(), token.text.begin(), token.text.end());
}

std::vector<uint8_t> FileOf(const Dictionary& dictionary) {
  std::vector<uint8_t> bytes;
  PutLe32(&bytes, 27);
  for (const Token& token : dictionary) PutToken(&bytes, token);
  return bytes;
}

// The way back. The file must be sound.
Dictionary Parse(const std::vector<uint8_t>& bytes) {
  Dictionary dictionary;
  for (size_t at = 4; at < bytes.size();) {
    const size_t length = ReadLe32(&bytes[at + 4]);
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at) + 8;
    dictionary.push_back({{begin, begin + static_cast<ptrdiff_t>(length)}, ReadLeF32(&bytes[at])});
    at += 8 + length;
  }
  return dictionary;
}

std::string ByteTokenText(int byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

// Control tokens, as they are in real files, byte tokens, and then `more`.
Dictionary WithBytes(const Dictionary& more) {
  Dictionary dictionary = {{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (int byte = 0; byte < 256; ++byte) dictionary.push_back({ByteTokenText(byte), 0});
  dictionary.insert(dictionary.end(), more.begin(), more.end());
  return dictionary;
}
constexpr TokenId kFirstByte = 3;
constexpr TokenId kFirst = 259;  // of `more`

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
  // Pieces as they are in the dictionary, for messages and expectations that read well.
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

// --- llama2.c's algorithm, as it is written there -----------------------------------------------

// Length of the well-formed UTF-8 character at the front, or 0: by decoding it.
size_t CharacterLength(std::string_view text) {
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

// With spaces for U+2581, as SentencePiece has it.
std::string WithSpaces(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool mark = text.compare(i, 3, "\xe2\x96\x81") == 0;
    result += mark ? ' ' : text[i];
    if (mark) i += 2;
  }
  return result;
}

// Scans all pairs for the best one, merges it, and scans again. Beyond llama2.c, which leaves these
// to chance: bytes that are no UTF-8 become byte tokens, control and byte tokens match no text, and
// of equal texts the first counts. As SentencePiece has it, U+2581 is a space, and a character that
// is no token may be a part of one.
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
    std::string text;  // "": a byte of no character, which merges with nothing
    TokenId id;        // -1: a character that is no token, and may become a part of one
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

std::string Utf8Of(uint32_t code) {
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
      case 5: {  // cut and overlong characters, controls, names of byte tokens
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

std::string Show(std::string_view text) {
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

void ExpectAgreement(Opened& opened, size_t texts, size_t longest) {
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

// --- Tests on the real dictionaries -------------------------------------------------------------

class TokenizerOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    CLAMMA_NEED_FILE(ModelPath(GetParam()));
    opened_ = std::make_unique<Opened>(ReadBytes(ModelPath(GetParam())));
  }

  std::unique_ptr<Opened> opened_;
};

INSTANTIATE_TEST_SUITE_P(Dictionaries, TokenizerOf, testing::Values("tok512.bin", "tokenizer.bin"),
                         [](const testing::TestParamInfo<std::string>& file) {
                           return file.param.substr(0, file.param.find('.'));
                         });

TEST_P(TokenizerOf, AgreesWithRescanningForTheBestPair) { ExpectAgreement(*opened_, 4000, 40); }

TEST_P(TokenizerOf, AgreesWithRescanningForTheBestPairOnLongerTexts) {
  ExpectAgreement(*opened_, 40, 600);
}

TEST_P(TokenizerOf, DecodesToTheSameBytes) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(opened_->Decode(opened_->Encode(text)), text) << byte;
  }
  RandomTexts random(opened_->dictionary(), 2);
  for (int i = 0; i < 4000; ++i) {
    const std::string text = WithSpaces(random.Next(200));
    ASSERT_EQ(opened_->Decode(opened_->Encode(text)), text) << Show(text);
    const Tokens prefixed = opened_->Encode(text, {.bos = true, .dummy_prefix = true, .eos = true});
    ASSERT_EQ(opened_->Decode(prefixed), text.empty() ? "" : " " + text) << Show(text);
  }
}

TEST_P(TokenizerOf, EveryTokenHasItsBytes) {
  const Tokenizer& tokenizer = opened_->tokenizer();
  ASSERT_EQ(tokenizer.vocab_size(), opened_->dictionary().size());
  size_t longest = 0;
  for (TokenId id = 0; tokenizer.IsValid(id); ++id) {
    const std::string& text = opened_->dictionary()[static_cast<size_t>(id)].text;
    longest = std::max(longest, text.size());
    if (id < 3) {
      EXPECT_EQ(tokenizer.Bytes(id), "") << id;
    } else if (id < kFirst) {
      EXPECT_EQ(tokenizer.Bytes(id), std::string(1, static_cast<char>(id - kFirstByte))) << id;
    } else {
      EXPECT_EQ(tokenizer.Bytes(id), text) << id;
    }
  }
  EXPECT_EQ(tokenizer.longest_token(), longest);
}

// 1 MB: what took hours by rescanning.
TEST_P(TokenizerOf, EncodesAMegabyte) {
  constexpr size_t kSize = 1 << 20;
  std::mt19937 random(3);
  std::string noise(kSize, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  std::string letters(kSize, ' ');
  for (char& c : letters) c = static_cast<char>(random() % 5 == 0 ? ' ' : 'a' + random() % 26);
  for (const std::string& text :
       {std::string(kSize, 'a'), std::string(kSize, ' '), noise, letters}) {
    const Tokens tokens = opened_->Encode(text);
    EXPECT_TRUE(opened_->Decode(tokens) == text) << Show(text.substr(0, 20));
    EXPECT_LE(tokens.size(), kSize);
  }
}

TEST_P(TokenizerOf, ControlTokensAreNeverMatchedByText) {
  for (const std::string& text :
       {"<s>"s, "</s>"s, "<unk>"s, "\n<s>\n"s, "\n</s>\n"s, "a<s>b"s, "\n<s>\n\n</s>\n<unk>"s}) {
    for (const TokenId token : opened_->Encode(text)) EXPECT_GT(token, 2) << Show(text);
  }
}

TEST_P(TokenizerOf, ByteTokensAreNeverMatchedByTheirNames) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string name = ByteTokenText(byte);
    const TokenId its_token = kFirstByte + byte;
    for (const std::string& text : {name, "a" + name + "b", name + name}) {
      const Tokens tokens = opened_->Encode(text);
      EXPECT_EQ(std::count(tokens.begin(), tokens.end(), its_token), 0) << text;
      EXPECT_EQ(opened_->Decode(tokens), text);
    }
  }
}

TEST_P(TokenizerOf, RefusesAnotherVocabularySize) {
  const std::vector<uint8_t> bytes = ReadBytes(ModelPath(GetParam()));
  const auto size = static_cast<uint32_t>(Parse(bytes).size());
  for (const uint32_t wrong : {size - 1, size + 1, size / 2, size * 2, 3u, 0u, UINT32_MAX}) {
    Memory memory;
    Tokenizer tokenizer;
    const Status status = tokenizer.Open(memory, bytes.data(), bytes.size(), wrong);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt) << wrong;
    EXPECT_NE(std::strstr(status.message(), std::to_string(wrong).c_str()), nullptr)
        << status.message();
  }
}

TEST_P(TokenizerOf, HoldsNothingButItsResults) {
  const size_t before = opened_->memory().bytes_in_use();
  Array<TokenId> tokens;
  size_t count = 0;
  ASSERT_TRUE(
      opened_->tokenizer().Encode(opened_->memory(), "Once upon a time", {}, &tokens, &count).ok());
  EXPECT_EQ(opened_->memory().bytes_in_use(), before + tokens.size() * sizeof(TokenId));
}

// Known from llama2.c and from the original tokenizer.
TEST(Tokenizer, GivesTheKnownTokensOfLlama2) {
  CLAMMA_NEED_FILE(ModelPath("tokenizer.bin"));
  Opened opened(ReadBytes(ModelPath("tokenizer.bin")));
  const Tokenizer::EncodeOptions options = {.bos = true, .dummy_prefix = true, .eos = false};
  EXPECT_EQ(opened.Encode("", options), (Tokens{1}));
  EXPECT_EQ(opened.Encode("I believe the meaning of life is", options),
            (Tokens{1, 306, 4658, 278, 6593, 310, 2834, 338}));
  EXPECT_EQ(opened.Encode("Simply put, the theory of relativity states that ", options),
            (Tokens{1, 3439, 17632, 1925, 29892, 278, 6368, 310, 14215, 537, 5922, 393, 29871}));
  EXPECT_EQ(opened.Encode("Translate English to French:\n\n        sea otter => loutre de mer\n"
                          "        peppermint => menthe poivrée\n        plush girafe => girafe "
                          "peluche\n        cheese =>",
                          options),
            (Tokens{1,    4103, 9632, 4223, 304,   5176,  29901, 13,   13,   4706, 7205, 4932, 357,
                    1149, 301,  449,  276,  316,   2778,  13,    4706, 1236, 407,  837,  524,  1149,
                    6042, 354,  772,  440,  29878, 1318,  13,    4706, 715,  1878, 330,  3055, 1725,
                    1149, 330,  3055, 1725, 4639,  28754, 13,    4706, 923,  968,  1149}));
}

// --- Tests on made-up dictionaries --------------------------------------------------------------

TEST(Tokenizer, MergesTheHighestScoreFirst) {
  Opened opened(WithBytes({{"a", 0}, {"b", 0}, {"c", 0}, {"ab", 1}, {"bc", 2}}));
  EXPECT_EQ(opened.Pieces("abc"), (Pieces{"a", "bc"}));
  EXPECT_EQ(opened.Pieces("abab"), (Pieces{"ab", "ab"}));
  EXPECT_EQ(opened.Pieces("abcabc"), (Pieces{"a", "bc", "a", "bc"}));
  EXPECT_EQ(opened.Pieces("ababc"), (Pieces{"ab", "a", "bc"}));
}

TEST(Tokenizer, MergesTheLeftmostOfEqualScoresFirst) {
  Opened opened(WithBytes({{"a", 0}, {"b", 0}, {"aa", 1}, {"ab", 1}, {"ba", 1}}));
  EXPECT_EQ(opened.Pieces("aaa"), (Pieces{"aa", "a"}));
  EXPECT_EQ(opened.Pieces("aaaaa"), (Pieces{"aa", "aa", "a"}));
  EXPECT_EQ(opened.Pieces("aba"), (Pieces{"ab", "a"}));
  EXPECT_EQ(opened.Pieces("bab"), (Pieces{"ba", "b"}));
  EXPECT_EQ(opened.Pieces("aabb"), (Pieces{"aa", "b", "b"}));
}

TEST(Tokenizer, MergesMergedTokensOn) {
  Opened opened(WithBytes(
      {{"a", 0}, {"aa", 5}, {"aaa", 7}, {"aaaa", 6}, {"b", 0}, {"aab", 9}, {"aabb", -3}}));
  EXPECT_EQ(opened.Pieces("aaaa"), (Pieces{"aaaa"}));
  EXPECT_EQ(opened.Pieces("aaaaaaa"), (Pieces{"aaaa", "aaa"}));
  EXPECT_EQ(opened.Pieces("aabb"), (Pieces{"aabb"}));
  EXPECT_EQ(opened.Pieces("abb"), (Pieces{"a", "b", "b"}));
}

TEST(Tokenizer, AgreesWithRescanningUnderManyTies) {
  std::mt19937 random(4);
  for (int round = 0; round < 40; ++round) {
    Dictionary more = {{"a", 0}, {"b", 0}, {" ", 0}};
    const size_t scores = 1 + random() % 6;
    for (int i = 0; i < 40; ++i) {
      std::string text;
      const size_t length = 2 + random() % 5;
      for (size_t k = 0; k < length; ++k) text += "ab "[random() % 3];
      more.push_back({text, static_cast<float>(random() % scores)});
    }
    Opened opened(WithBytes(more));
    ExpectAgreement(opened, 200, 60);
    if (HasFatalFailure()) return;
  }
}

TEST(Tokenizer, OfEqualTextsTheFirstCounts) {
  Opened opened(
      WithBytes({{"a", 0}, {"b", 0}, {"a", 9}, {"ab", 1}, {"ab", 5}, {"b", 0}, {"ba", 3}}));
  EXPECT_EQ(opened.Encode("a"), (Tokens{kFirst}));
  EXPECT_EQ(opened.Encode("b"), (Tokens{kFirst + 1}));
  EXPECT_EQ(opened.Encode("ab"), (Tokens{kFirst + 3}));
  // By the first one's score, "ab" comes after "ba".
  EXPECT_EQ(opened.Encode("aba"), (Tokens{kFirst, kFirst + 6}));
  EXPECT_EQ(opened.Decode({kFirst + 2, kFirst + 4}), "aab");
}

TEST(Tokenizer, OfEqualByteTokensTheFirstCounts) {
  Opened opened(WithBytes({{"<0x41>", 0}, {"<0x42>", 5}}));
  EXPECT_EQ(opened.Encode("AB"), (Tokens{ByteTokenOf('A'), ByteTokenOf('B')}));
  EXPECT_EQ(opened.Decode({kFirst, kFirst + 1}), "AB");
}

TEST(Tokenizer, BytesNotInTheDictionaryBecomeByteTokens) {
  Opened opened(WithBytes({{"a", 0}, {"\xc3\xa9", 0}}));
  EXPECT_EQ(opened.Encode("a\xc3\xa9z"), (Tokens{kFirst, kFirst + 1, ByteTokenOf('z')}));
  EXPECT_EQ(opened.Encode("\xe4\xb8\xad"),
            (Tokens{ByteTokenOf('\xe4'), ByteTokenOf('\xb8'), ByteTokenOf('\xad')}));
  // A cut character beside a whole one.
  EXPECT_EQ(opened.Encode("\xc3\xc3\xa9\xc3"),
            (Tokens{ByteTokenOf('\xc3'), kFirst + 1, ByteTokenOf('\xc3')}));
  EXPECT_EQ(opened.Encode("a\0a"s), (Tokens{kFirst, ByteTokenOf('\0'), kFirst}));
}

// As in SentencePiece, which looks at what a merge gives, and not at its halves.
TEST(Tokenizer, CharactersThatAreNoTokensMergeToTokens) {
  Opened opened(WithBytes({{"a", 0}, {"zz", 1}, {"az", 1}}));
  EXPECT_EQ(opened.Pieces("zz"), (Pieces{"zz"}));
  EXPECT_EQ(opened.Pieces("zza"), (Pieces{"zz", "a"}));
  EXPECT_EQ(opened.Encode("azz"), (Tokens{kFirst + 2, ByteTokenOf('z')}));
  EXPECT_EQ(opened.Encode("zzz"), (Tokens{kFirst + 1, ByteTokenOf('z')}));
}

TEST(Tokenizer, BytesOfNoCharacterTakePartInNoMerge) {
  Opened opened(WithBytes({{"a", 0}, {"a\xff", 1}, {"\xff", 0}, {"\xff\xff", 2}}));
  EXPECT_EQ(opened.Encode("a\xff\xff"), (Tokens{kFirst, ByteTokenOf('\xff'), ByteTokenOf('\xff')}));
}

TEST(Tokenizer, SentencePiecesMarkIsASpace) {
  Opened opened(WithBytes({{"a", 0}, {" ", 0}, {" a", 1}}));
  EXPECT_EQ(opened.Encode("a\xe2\x96\x81"
                          "a"),
            opened.Encode("a a"));
  EXPECT_EQ(opened.Encode("\xe2\x96\x81"
                          "a",
                          {.dummy_prefix = true}),
            (Tokens{kFirst + 1, kFirst + 2}));
  EXPECT_EQ(opened.Encode("\xe2\x96"), (Tokens{ByteTokenOf('\xe2'), ByteTokenOf('\x96')}));
}

TEST(Tokenizer, WithoutByteTokensTheUnknownTokenStandsForThem) {
  Opened opened(Dictionary{{"<unk>", 0}, {"<s>", 0}, {"</s>", 0}, {"a", 0}, {"b", 0}, {"ab", 1}});
  EXPECT_EQ(opened.Encode("abz"), (Tokens{5, 0}));
  EXPECT_EQ(opened.Encode("\xe4\xb8\xad"), (Tokens{0})) << "once for a run, as in SentencePiece";
  EXPECT_EQ(opened.Encode("a\xff"
                          "b"),
            (Tokens{3, 0, 4}));
}

// Even where all its pieces and all but the last of its merges are in the dictionary.
TEST(Tokenizer, NeitherByteNorControlTokensAreMatchedByMerging) {
  Opened opened(
      WithBytes({{"<", 0},  {"0", 0},    {"x", 0},     {"4", 0},     {"1", 0},   {">", 0},
                 {"<0", 1}, {"<0x", 2},  {"<0x4", 3},  {"<0x41", 4}, {"u", 0},   {"n", 0},
                 {"k", 0},  {"<u", 1},   {"<un", 2},   {"<unk", 3},  {"s", 0},   {"<s", 1},
                 {"\n", 0}, {"\n<s", 5}, {"\n<s>", 6}, {"<s>", 0},   {"1>", -5}, {"<0x42>", 9}}));
  EXPECT_EQ(opened.Pieces("<0x41>"), (Pieces{"<0x41", ">"}));
  EXPECT_EQ(opened.Pieces("<unk>"), (Pieces{"<unk", ">"}));
  EXPECT_EQ(opened.Pieces("\n<s>\n"), (Pieces{"\n<s>", "\n"}));
  // "<s>" is an ordinary token of this dictionary.
  EXPECT_EQ(opened.Pieces("<s>"), (Pieces{"<s>"}));
}

TEST(Tokenizer, AControlTokensTextIsNotATextsToken) {
  Opened opened(Dictionary{{"u", 0}, {"s", 0}, {"e", 0}, {"a", 0}, {"<0x73>", 0}});
  EXPECT_EQ(opened.Encode("use"), (Tokens{0, 4, 0}));
}

TEST(Tokenizer, NeverMergesByScoresThatAreNoNumberOrTooLow) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  Opened opened(WithBytes({{"a", nan},
                           {"b", 0},
                           {"c", 0},
                           {"ab", nan},
                           {"bc", -1e10f},
                           {"ca", -infinity},
                           {"ba", -9e9f},
                           {"cb", infinity},
                           {"ac", -nan}}));
  EXPECT_EQ(opened.Pieces("ab"), (Pieces{"a", "b"}));
  EXPECT_EQ(opened.Pieces("bc"), (Pieces{"b", "c"}));
  EXPECT_EQ(opened.Pieces("ca"), (Pieces{"c", "a"}));
  EXPECT_EQ(opened.Pieces("ac"), (Pieces{"a", "c"}));
  EXPECT_EQ(opened.Pieces("ba"), (Pieces{"ba"}));
  EXPECT_EQ(opened.Pieces("cba"), (Pieces{"cb", "a"}));
}

TEST(Tokenizer, RandomScoresAgreeWithRescanning) {
  std::mt19937 random(5);
  const float odd[] = {
      std::numeric_limits<float>::quiet_NaN(), 1e38f, -1e38f, -1e10f, -9.9e9f, 0, -0.0f,
      std::numeric_limits<float>::infinity()};
  for (int round = 0; round < 40; ++round) {
    Dictionary more = {{"a", 0}, {"b", 0}, {" ", 0}};
    for (int i = 0; i < 30; ++i) {
      std::string text;
      for (size_t k = 2 + random() % 4; k > 0; --k) text += "ab "[random() % 3];
      more.push_back({text, odd[random() % std::size(odd)]});
    }
    Opened opened(WithBytes(more));
    ExpectAgreement(opened, 100, 40);
    if (HasFatalFailure()) return;
  }
}

TEST(Tokenizer, PutsBosPrefixAndEosAround) {
  Opened opened(WithBytes({{"a", 0}, {" ", 0}, {" a", 1}}));
  EXPECT_EQ(opened.Encode("a", {.bos = true, .dummy_prefix = false, .eos = false}),
            (Tokens{1, kFirst}));
  EXPECT_EQ(opened.Encode("a", {.bos = false, .dummy_prefix = true, .eos = false}),
            (Tokens{kFirst + 2}));
  EXPECT_EQ(opened.Encode("a", {.bos = true, .dummy_prefix = true, .eos = true}),
            (Tokens{1, kFirst + 2, 2}));
  // Nothing is put before an empty text.
  EXPECT_EQ(opened.Encode("", {.bos = true, .dummy_prefix = true, .eos = true}), (Tokens{1, 2}));
  EXPECT_EQ(opened.Encode("", {.bos = false, .dummy_prefix = true, .eos = false}), (Tokens{}));
}

TEST(Tokenizer, AppendsToWhatIsThere) {
  Opened opened(WithBytes({{"a", 0}, {"b", 0}}));
  Array<TokenId> tokens;
  size_t count = 0;
  Tokens expected;
  for (int i = 0; i < 20; ++i) {
    const std::string text = std::string(static_cast<size_t>(i), 'a') + "b";
    ASSERT_TRUE(
        opened.tokenizer().Encode(opened.memory(), text, {.bos = true}, &tokens, &count).ok());
    for (const TokenId token : opened.Encode(text, {.bos = true})) expected.push_back(token);
    ASSERT_LE(count, tokens.size());
    ASSERT_EQ(Tokens(tokens.data(), tokens.data() + count), expected);
  }
}

TEST(Tokenizer, IdsOutOfRangeHaveNoBytes) {
  Opened opened(WithBytes({{"a", 0}}));
  for (const TokenId id : {-1, kFirst + 1, INT32_MAX, INT32_MIN}) {
    EXPECT_FALSE(opened.tokenizer().IsValid(id)) << id;
    EXPECT_EQ(opened.tokenizer().Bytes(id), "") << id;
  }
  EXPECT_TRUE(opened.tokenizer().IsValid(0));
  EXPECT_TRUE(opened.tokenizer().IsValid(kFirst));
}

TEST(Tokenizer, EmptyTokensAreHarmless) {
  Opened opened(WithBytes({{"", 100}, {"a", 0}, {"", 0}, {"aa", 1}}));
  EXPECT_EQ(opened.Encode("aaa"), (Tokens{kFirst + 3, kFirst + 1}));
  EXPECT_EQ(opened.Decode({kFirst, kFirst + 2}), "");
}

TEST(Tokenizer, ATokenOfManyBytesIsFoundAndDecoded) {
  const std::string lone(65536, 'x');
  Opened opened(WithBytes({{"x", 0}, {lone, 0}}));
  EXPECT_EQ(opened.tokenizer().longest_token(), 65536u);
  EXPECT_EQ(opened.Decode({kFirst + 1}), lone);
}

// --- Damaged dictionaries -----------------------------------------------------------------------

// On a copy of exactly that size, so that a sanitizer sees every read beyond it.
Status Open(const std::vector<uint8_t>& bytes, uint32_t vocab_size) {
  const std::vector<uint8_t> copy(bytes);
  Memory memory;
  Status status;
  {
    Tokenizer tokenizer;
    status = tokenizer.Open(memory, copy.data(), copy.size(), vocab_size);
    if (status.ok()) {
      Array<TokenId> tokens;
      size_t count = 0;
      EXPECT_TRUE(
          tokenizer.Encode(memory, "ab \xc3\xa9<0x41>", {true, true, true}, &tokens, &count).ok());
      for (size_t i = 0; i < count; ++i) static_cast<void>(tokenizer.Bytes(tokens[i]));
    }
  }
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  return status;
}

void ExpectRefused(const std::vector<uint8_t>& bytes, uint32_t vocab_size) {
  const Status status = Open(bytes, vocab_size);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STRNE(status.message(), "");
}

Dictionary SmallDictionary() {
  return WithBytes({{"a", 0}, {"b", -1}, {"ab", 2}, {"\xc3\xa9", 1}});
}

// Fewer tokens than the three that have a meaning.
TEST(Tokenizer, ATinyVocabularyIsSafe) {
  const Dictionary tokens = {{"<unk>", 0}, {"<s>", 0}, {"</s>", 0}};
  for (size_t n = 0; n < tokens.size(); ++n) {
    const std::vector<uint8_t> bytes =
        FileOf({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(n)});
    Memory memory;
    Tokenizer tokenizer;
    EXPECT_TRUE(tokenizer.Open(memory, bytes.data(), bytes.size(), static_cast<uint32_t>(n)).ok());
    EXPECT_EQ(tokenizer.vocab_size(), n);
    for (TokenId id = -1; id < 4; ++id) {
      EXPECT_EQ(tokenizer.EndsText(id), id == 1 && n > 1) << id;
      EXPECT_EQ(tokenizer.Bytes(id), "") << id;
    }
  }
}

TEST(Tokenizer, RefusesEveryCutDictionary) {
  const std::vector<uint8_t> whole = FileOf(SmallDictionary());
  const auto vocab_size = static_cast<uint32_t>(SmallDictionary().size());
  ASSERT_TRUE(Open(whole, vocab_size).ok());
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    ExpectRefused({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)}, vocab_size);
  }
}

TEST(Tokenizer, RefusesWhatFollowsTheLastToken) {
  std::vector<uint8_t> bytes = FileOf(SmallDictionary());
  for (int i = 0; i < 20; ++i) {
    bytes.push_back(0);
    SCOPED_TRACE(i);
    ExpectRefused(bytes, static_cast<uint32_t>(SmallDictionary().size()));
  }
}

TEST(Tokenizer, RefusesAnyOtherVocabularySize) {
  const std::vector<uint8_t> bytes = FileOf(SmallDictionary());
  const auto right = static_cast<uint32_t>(SmallDictionary().size());
  for (uint32_t wrong = 0; wrong < 2 * right; ++wrong) {
    if (wrong == right) continue;
    SCOPED_TRACE(wrong);
    ExpectRefused(bytes, wrong);
  }
  for (const uint32_t wrong : {1u << 21, 1u << 31, UINT32_MAX}) ExpectRefused(bytes, wrong);
}

TEST(Tokenizer, RefusesLengthsThatAreNegativeOrTooLarge) {
  const std::vector<uint8_t> whole = FileOf(SmallDictionary());
  const auto vocab_size = static_cast<uint32_t>(SmallDictionary().size());
  const size_t last = whole.size() - 2 - 4;  // where the length of the last token is
  for (const size_t at : {size_t{8}, last}) {
    for (const int32_t length : {-1, -2, -8, INT32_MIN, INT32_MAX, INT32_MIN + 1, 65537, 1 << 24,
                                 static_cast<int32_t>(whole.size()) + 1}) {
      SCOPED_TRACE(testing::Message() << length << " at byte " << at);
      std::vector<uint8_t> bytes = whole;
      for (size_t i = 0; i < 4; ++i) {
        bytes[at + i] = static_cast<uint8_t>(static_cast<uint32_t>(length) >> 8 * i);
      }
      ExpectRefused(bytes, vocab_size);
    }
  }
}

TEST(Tokenizer, ByteFlipsNeverCrash) {
  const std::vector<uint8_t> whole = FileOf(SmallDictionary());
  std::mt19937 random(6);
  for (int i = 0; i < 3000; ++i) {
    std::vector<uint8_t> bytes = whole;
    for (size_t flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    const Status status = Open(bytes, static_cast<uint32_t>(SmallDictionary().size()));
    EXPECT_EQ(status.ok(), std::string_view(status.message()).empty()) << status.message();
  }
}

}  // namespace
}  // namespace clamma
