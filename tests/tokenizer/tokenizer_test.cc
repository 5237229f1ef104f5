// SPDX-License-Identifier: MIT
// Texts to tokens and back, by merging the pair of the highest score.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "test_data.h"
#include "tokenizer_fixture.h"

namespace clamma {
namespace {

using clamma_test::ModelPath;
using clamma_test::ReadBytes;

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

// 1 MB, which would take hours by rescanning.
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

// Tokens of llama2.c and of the original tokenizer.
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
  // A truncated character beside a whole one.
  EXPECT_EQ(opened.Encode("\xc3\xc3\xa9\xc3"),
            (Tokens{ByteTokenOf('\xc3'), kFirst + 1, ByteTokenOf('\xc3')}));
  EXPECT_EQ(opened.Encode("a\0a"s), (Tokens{kFirst, ByteTokenOf('\0'), kFirst}));
}

// As in SentencePiece, where only the result of a merge matters, not its halves.
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

// Even if all its pieces and all its merges except the last are in the dictionary.
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
  // Nothing is added before an empty text.
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

}  // namespace
}  // namespace clamma
