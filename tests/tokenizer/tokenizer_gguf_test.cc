// SPDX-License-Identifier: MIT
// Vocabularies in GGUF files: kinds of tokens, ends of texts, defaults, refusals, and merging.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gguf_fixture.h"
#include "tokenizer_vocabularies.h"

namespace clamma_test {
namespace {

using namespace std::string_literals;
using clamma::kNoToken;
using clamma::StatusCode;
using clamma::TokenId;
using clamma::TokenKind;

// --- Ends, and what begins texts
// ------------------------------------------------------------------

TEST(GgufVocabulary, AllEndsOfATextAreKnownByIdAndByText) {
  GgufBytes file = ByteLevel({{"<|end_of_text|>", kControl},
                              {"<|eot_id|>", kNormal},
                              {"<|im_end|>", kUserDefined},
                              {"[eom]", kControl},
                              {"<|other|>", kControl},
                              {"<|begin_of_text|>", kControl}},
                             {}, "llama-bpe");
  file.Add("tokenizer.ggml.eom_token_id", uint32_t{kMore + 3});
  file.Add("tokenizer.ggml.bos_token_id", uint32_t{kMore + 5});
  const OpenedGguf opened(file);
  ASSERT_TRUE(opened.status().ok()) << opened.status().message();
  for (TokenId id = 0; id < kMore + 6; ++id) {
    const bool expected = id >= kMore && id != kMore + 4;  // BOS begins the next text
    EXPECT_EQ(opened->EndsText(id), expected) << opened->Piece(id);
    EXPECT_EQ(opened->kind(id) == TokenKind::kControl, id >= kMore) << opened->Piece(id);
    EXPECT_EQ(opened->IsSilent(id), id >= kMore) << opened->Piece(id);
  }
  EXPECT_FALSE(opened->EndsText(-1));
  EXPECT_FALSE(opened->EndsText(kMore + 6));
}

TEST(GgufVocabulary, WhereAnAnswerEndsWithReturnOrCallEndEndsNone) {
  const std::vector<GgufToken> tokens = {
      {"<|end|>", kControl}, {"<|return|>", kControl}, {"<|call|>", kControl}};
  const OpenedGguf all(ByteLevel(tokens, {}, "gpt-4o"));
  EXPECT_FALSE(all->EndsText(kMore));
  EXPECT_TRUE(all->EndsText(kMore + 1));
  EXPECT_TRUE(all->EndsText(kMore + 2));
  const OpenedGguf two(ByteLevel({tokens[0], tokens[1]}, {}, "gpt-4o"));
  EXPECT_TRUE(two->EndsText(kMore));
  EXPECT_TRUE(two->EndsText(kMore + 1));
}

TEST(GgufVocabulary, WithoutBeginAndEndThereAreNone) {
  OpenedGguf opened(ByteLevel({}, {}, "llama-bpe"));
  EXPECT_EQ(opened->bos(), kNoToken);
  EXPECT_EQ(opened->eos(), kNoToken);
  EXPECT_FALSE(opened->adds_bos());
  EXPECT_EQ(opened.Encode("a", {.bos = true, .eos = true}), (Ids{'a'}));
  EXPECT_EQ(opened.Encode("", {.bos = true, .dummy_prefix = true, .eos = true}), (Ids{}));
}

struct Adds {
  const char* pre;
  bool bos;
};

TEST(GgufVocabulary, WhetherTextsBeginWithBosDependsOnTheKindUnlessTheFileSays) {
  for (const Adds& adds : {Adds{"llama-bpe", true}, Adds{"tekken", true}, Adds{"llama3", true},
                           Adds{"gpt-2", false}, Adds{"qwen2", false}, Adds{"default", false}}) {
    GgufBytes file = ByteLevel({{"<b>", kControl}, {"<e>", kControl}}, {}, adds.pre);
    file.Add("tokenizer.ggml.bos_token_id", uint32_t{kMore});
    file.Add("tokenizer.ggml.eos_token_id", uint32_t{kMore + 1});
    EXPECT_EQ(OpenedGguf(file)->adds_bos(), adds.bos) << adds.pre;
    EXPECT_FALSE(OpenedGguf(file)->adds_eos()) << adds.pre;
    EXPECT_FALSE(OpenedGguf(file)->adds_prefix()) << adds.pre;
    file.Add("tokenizer.ggml.add_bos_token", !adds.bos);
    file.Add("tokenizer.ggml.add_eos_token", true);
    EXPECT_EQ(OpenedGguf(file)->adds_bos(), !adds.bos) << adds.pre;
    EXPECT_TRUE(OpenedGguf(file)->adds_eos()) << adds.pre;
  }
  const OpenedGguf pieces(Pieces({}));
  EXPECT_TRUE(pieces->adds_bos());
  EXPECT_TRUE(pieces->adds_prefix());
  EXPECT_FALSE(pieces->adds_eos());
}

// --- Kinds
// ----------------------------------------------------------------------------------------

TEST(GgufVocabulary, PaddingIsNeitherMatchedNorGenerated) {
  GgufBytes file = ByteLevel({{"[PAD256]", kUnused},
                              {"[PAD257]", kUnknown},
                              {"<pad>", kControl},
                              {"<|endoftext|>", kControl},
                              {"<unk>", kUnknown}},
                             {}, "qwen2");
  file.Add("tokenizer.ggml.padding_token_id", uint32_t{kMore + 2});
  file.Add("tokenizer.ggml.unknown_token_id", uint32_t{kMore + 4});
  OpenedGguf opened(file);
  for (const TokenId id : {kMore, kMore + 1, kMore + 2}) {
    EXPECT_FALSE(opened->IsGenerated(id)) << id;
    const std::string text(opened->Piece(id));
    EXPECT_EQ(opened.Encode(text, {.parse_control = true}).size(), text.size()) << text;
  }
  EXPECT_TRUE(opened->IsGenerated(kMore + 3));
  EXPECT_FALSE(opened->IsGenerated(kMore + 4));
  EXPECT_EQ(opened->never_generated(), 4u);
  EXPECT_EQ(opened.Encode("<unk>", {.parse_control = true}), (Ids{kMore + 4}));
}

TEST(GgufVocabulary, AnEndThatServesAsPaddingAndUnknownTokenStaysAnEnd) {
  GgufBytes file = ByteLevel({{"<|endoftext|>", kControl}}, {}, "smollm");
  for (const char* name : {"padding", "unknown", "eos", "bos"}) {
    file.Add("tokenizer.ggml."s + name + "_token_id", uint32_t{kMore});
  }
  OpenedGguf opened(file);
  EXPECT_TRUE(opened->IsGenerated(kMore));
  EXPECT_TRUE(opened->EndsText(kMore));
  EXPECT_EQ(opened.Encode("<|endoftext|>", {.parse_control = true}), (Ids{kMore}));
}

TEST(GgufVocabulary, OnlyNormalTokensAreWrittenInTheAlphabetOfBytes) {
  OpenedGguf opened(ByteLevel({{AlphabetOf("\n\n")},
                               {"\n\n\n", kUserDefined},
                               {"\xc4\xa0", kUserDefined},  // the character that means a space
                               {"<\xef\xbd\x9c"
                                "b\xe2\x96\x81>",
                                kNormal}},
                              {"\xc4\x8a \xc4\x8a"}, "gpt-2"));
  EXPECT_EQ(opened->Bytes(kMore), "\n\n");
  EXPECT_EQ(opened->Bytes(kMore + 1), "\n\n\n");
  EXPECT_EQ(opened->Bytes(kMore + 2), "\xc4\xa0");
  EXPECT_EQ(opened->Bytes(kMore + 3),
            "<\xef\xbd\x9c"
            "b\xe2\x96\x81>");
  EXPECT_EQ(opened.Encode("\n\n"), (Ids{kMore}));
  EXPECT_EQ(opened.Encode("\n\n\n\n\n"), (Ids{kMore + 1, kMore}));
}

TEST(GgufVocabulary, PiecesAreFoundByTheirTexts) {
  const OpenedGguf opened(ByteLevel({{"<|im_start|>", kControl}, {AlphabetOf(" a")}}, {}, "qwen2"));
  EXPECT_EQ(opened->Find("<|im_start|>"), kMore);
  EXPECT_EQ(opened->Find(" a"), kMore + 1);
  EXPECT_EQ(opened->Find("\xff"), 0xff);
  EXPECT_EQ(opened->Find("<|im_end|>"), kNoToken);
  EXPECT_EQ(opened->Find(""), kNoToken);
  EXPECT_EQ(opened->Piece(kMore), "<|im_start|>");
  EXPECT_EQ(opened->Bytes(kMore), "");
  EXPECT_EQ(opened->Piece(-1), "");
  EXPECT_EQ(opened->Piece(kMore + 2), "");
}

TEST(GgufVocabulary, HtmlThatIsATokenOfByteLevelVocabulariesIsNoControlToken) {
  OpenedGguf opened(ByteLevel({{"<s>"}, {"<s"}}, {"< s", "<s >"}, "llama-bpe"));
  EXPECT_EQ(opened->kind(kMore), TokenKind::kNormal);
  EXPECT_EQ(opened.Encode("<s>"), (Ids{kMore + 1, '>'}));
  EXPECT_EQ(opened.Encode("<s>", {.parse_control = true}), (Ids{kMore + 1, '>'}));
}

// --- SentencePiece's kinds
// ------------------------------------------------------------------------

const std::vector<GgufToken> kAbc = {{"a", kNormal, -1}, {"b", kNormal, -2}, {"c", kNormal, -3}};

std::vector<GgufToken> AbcAnd(const std::vector<GgufToken>& more) {
  std::vector<GgufToken> tokens = kAbc;
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

TEST(GgufPieces, UnusedTokensAreTakenApart) {
  OpenedGguf opened(Pieces(AbcAnd({{"ab", kUnused, 3}, {"abc", kNormal, 2}, {"bc", kNormal, 1}})));
  EXPECT_EQ(opened.Pieces("ab"), (Texts{"a", "b"}));
  EXPECT_EQ(opened.Pieces("abc"), (Texts{"abc"}));  // it was only needed to form another token
  EXPECT_EQ(opened.Pieces("abab"), (Texts{"a", "b", "a", "b"}));
  EXPECT_EQ(opened.Pieces("bca"), (Texts{"bc", "a"}));
  EXPECT_FALSE(opened->IsGenerated(kMorePieces + 3));
}

TEST(GgufPieces, UnusedTokensInsideUnusedOnesAreTakenApartToTheLast) {
  OpenedGguf opened(Pieces(AbcAnd(
      {{"ab", kUnused, 9}, {"abc", kUnused, 8}, {"abcabc", kUnused, 7}, {"zz", kUnused, 5}})));
  EXPECT_EQ(opened.Pieces("abcabc"), (Texts{"a", "b", "c", "a", "b", "c"}));
  EXPECT_EQ(opened.Pieces("zz"), (Texts{"<0x7A>", "<0x7A>"}));
  EXPECT_EQ(opened.Pieces("bzzab"), (Texts{"b", "<0x7A>", "<0x7A>", "a", "b"}));
}

TEST(GgufPieces, UserDefinedTokensHavePlainSpacesAndAreTakenWhole) {
  OpenedGguf opened(Pieces(AbcAnd({{"\xe2\x96\x81", kNormal, 0},
                                   {"\xe2\x96\x81"
                                    "a",
                                    kNormal, 5},
                                   {"  ", kUserDefined},
                                   {"    ", kUserDefined},
                                   {"b a", kUserDefined}})));
  EXPECT_EQ(opened.Pieces("a     a"), (Texts{"a", "    ", " a"}));
  EXPECT_EQ(opened.Pieces("a   a"), (Texts{"a", "  ", " a"}));
  EXPECT_EQ(opened.Pieces("ab ac"), (Texts{"a", "b a", "c"}));
  // U+2581 is a space there, too.
  EXPECT_EQ(opened.Pieces("ab\xe2\x96\x81"
                          "ac"),
            (Texts{"a", "b a", "c"}));
  EXPECT_EQ(opened.Pieces("a\xe2\x96\x81 \xe2\x96\x81"
                          "a"),
            opened.Pieces("a   a"));
}

TEST(GgufPieces, ASpaceStandsInFrontAndBehindControlTokens) {
  OpenedGguf opened(Pieces(AbcAnd({{"\xe2\x96\x81", kNormal, 0},
                                   {"\xe2\x96\x81"
                                    "a",
                                    kNormal, 5},
                                   {"<|x|>", kControl},
                                   {"<y>", kUserDefined}})));
  const clamma::Tokenizer::EncodeOptions options = {.dummy_prefix = true, .parse_control = true};
  EXPECT_EQ(opened.Pieces("a<|x|>a", options), (Texts{" a", "<|x|>", " a"}));
  EXPECT_EQ(opened.Pieces("<|x|>a", options), (Texts{"<|x|>", " a"}));
  EXPECT_EQ(opened.Pieces("<|x|><|x|>", options), (Texts{"<|x|>", "<|x|>"}));
  // As in SentencePiece, where it is a part of the text.
  EXPECT_EQ(opened.Pieces("<y>a", options), (Texts{" ", "<y>", "a"}));
  EXPECT_EQ(opened.Pieces("a<|x|>a", {.parse_control = true}), (Texts{"a", "<|x|>", "a"}));
}

TEST(GgufPieces, PhisControlTokensTakeTheWhiteSpaceBehindThem) {
  GgufBytes file = Pieces(AbcAnd({{"\xe2\x96\x81", kNormal, 0}, {"<|user|>", kUserDefined}}));
  const clamma::Tokenizer::EncodeOptions options = {.parse_control = true};
  EXPECT_EQ(OpenedGguf(file).Pieces("<|user|> \na b", options),
            (Texts{"<|user|>", " ", "<0x0A>", "a", " ", "b"}));
  file.Add("general.architecture", "phi3");
  OpenedGguf opened(file);
  EXPECT_EQ(opened->kind(kMorePieces + 4), TokenKind::kControl);
  EXPECT_EQ(opened.Pieces("<|user|> \n\xe2\x80\xa8"
                          "a b",
                          options),
            (Texts{"<|user|>", "a", " ", "b"}));
  EXPECT_EQ(opened.Pieces("a <|user|>  ", options), (Texts{"a", " ", "<|user|>"}));
}

TEST(GgufPieces, AnyBytesComeBack) {
  OpenedGguf opened(Pieces(AbcAnd({{"\xe4\xb8\xad", kNormal, 1}})));
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) {
      const std::string parts[] = {"a",        "b",    "\xe4\xb8\xad",
                                   "\xe4\xb8", "\xff", std::string(1, static_cast<char>(random()))};
      text += parts[random() % std::size(parts)];
    }
    ASSERT_EQ(opened.Decode(opened.Encode(text)), text) << AlphabetOf(text);
  }
}

// --- Merging by rank
// ------------------------------------------------------------------------------

// Scans all pairs for the best one, merges it, and scans again.
std::vector<std::string> Rescanned(const std::vector<std::pair<std::string, std::string>>& merges,
                                   const std::string& word) {
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  for (;;) {
    size_t best = merges.size();
    size_t at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      for (size_t rank = 0; rank < best; ++rank) {
        if (merges[rank].first != parts[i] || merges[rank].second != parts[i + 1]) continue;
        best = rank;
        at = i;
      }
    }
    if (best == merges.size()) return parts;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

TEST(RankMerges, AgreeWithRescanning) {
  std::mt19937 random(8);
  for (int round = 0; round < 60; ++round) {
    std::vector<GgufToken> tokens;
    std::vector<std::string> lines;
    std::vector<std::pair<std::string, std::string>> merges;
    std::vector<std::string> known = {"a", "b", "c"};
    for (int i = 0; i < 20; ++i) {
      const std::string left = known[random() % known.size()];
      const std::string right = known[random() % known.size()];
      if (std::find(known.begin(), known.end(), left + right) != known.end()) continue;
      known.push_back(left + right);
      tokens.push_back({left + right});
      merges.emplace_back(left, right);
      lines.push_back(left + " " + right);
    }
    OpenedGguf opened(ByteLevel(tokens, lines, "gpt-2"));
    for (int i = 0; i < 60; ++i) {
      std::string word;
      for (size_t n = random() % 30; n > 0; --n) word += "abc"[random() % 3];
      ASSERT_EQ(opened.Pieces(word), Rescanned(merges, word)) << word;
    }
  }
}

TEST(RankMerges, AWordThatIsATokenIsTakenWholeWhereTheRuleSaysSo) {
  const std::vector<GgufToken> tokens = {{"ab"}, {"abc"}};
  EXPECT_EQ(OpenedGguf(ByteLevel(tokens, {"a b"}, "qwen2")).Pieces("abc"), (Texts{"ab", "c"}));
  EXPECT_EQ(OpenedGguf(ByteLevel(tokens, {"a b"}, "llama-bpe")).Pieces("abc"), (Texts{"abc"}));
  EXPECT_EQ(OpenedGguf(ByteLevel(tokens, {"a b"}, "tekken")).Pieces("abc abcd"),
            (Texts{"abc", " ", "ab", "c", "d"}));
}

TEST(RankMerges, MergesOfNoTokensAreLeftOut) {
  OpenedGguf opened(ByteLevel({{"ab"}, {"bc"}},
                              {"a c", "ab", "", " ", "a ", " b", "zz z", "b c", "a b"}, "gpt-2"));
  EXPECT_EQ(opened.Pieces("abc"), (Texts{"a", "bc"}));
}

TEST(RankMerges, BytesWithoutATokenAreLeftOut) {
  GgufBytes file;
  file.Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", "gpt-2");
  AddTokens({{"a"}, {"b"}, {"ab"}, {"c"}}, &file);
  file.AddArray("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
  OpenedGguf opened(file);
  EXPECT_EQ(opened.Pieces("azb"), (Texts{"ab"}));
  EXPECT_EQ(opened.Pieces("zzz"), (Texts{}));
}

TEST(RankMerges, AWordOfAMegabyteIsMerged) {
  std::vector<GgufToken> tokens;
  std::vector<std::string> merges;
  for (size_t n = 1; n <= 512; n *= 2) {
    const std::string half(n, 'a');
    tokens.push_back({half + half});
    merges.push_back(half + " " + half);
  }
  OpenedGguf opened(ByteLevel(tokens, merges, "gpt-2"));
  EXPECT_EQ(opened.Encode(std::string(1 << 20, 'a')), Ids(1 << 10, kMore + 9));
}

// --- Pre-tokenizers' names, and refusals
// ----------------------------------------------------------

TEST(GgufVocabulary, AnUnknownOrMissingRuleIsReplacedAndReported) {
  EXPECT_EQ(OpenedGguf(ByteLevel({}, {}, "qwen2"))->warning(), nullptr);
  const OpenedGguf unknown(ByteLevel({}, {}, "no-such"));
  EXPECT_STREQ(unknown->warning(),
               "the vocabulary's rule \"no-such\" for splitting texts into words is unknown: "
               "using \"default\"");
  const OpenedGguf missing(ByteLevel({}, {}, ""));
  EXPECT_STREQ(missing->warning(),
               "the file does not name the rule by which its vocabulary splits texts into words "
               "(tokenizer.ggml.pre): using \"default\"");
  std::vector<GgufToken> many(128256 - 256);
  for (size_t i = 0; i < many.size(); ++i) many[i].text = "t" + std::to_string(i);
  const OpenedGguf guessed(ByteLevel(many, {}, ""));
  EXPECT_STREQ(guessed->warning(),
               "the file does not name the rule by which its vocabulary splits texts into words "
               "(tokenizer.ggml.pre): using \"llama-bpe\"");
}

TEST(GgufVocabulary, ACallersRuleCountsMoreThanTheFiles) {
  const std::vector<GgufToken> tokens = {{"abc"}};
  OpenedGguf opened(ByteLevel(tokens, {}, "no-such"), "llama-bpe");
  EXPECT_EQ(opened->warning(), nullptr);
  EXPECT_EQ(opened.Pieces("abc"), (Texts{"abc"}));
  ExpectReason(OpenedGguf(ByteLevel(tokens, {}, "qwen2"), "typo").status(), {"\"typo\""});
}

TEST(GgufVocabulary, OtherKindsAreRefusedByName) {
  for (const char* kind : {"bert", "t5", "rwkv", "no_vocab", ""}) {
    GgufBytes file;
    file.Add("tokenizer.ggml.model", kind);
    AddTokens({{"a"}, {"b"}, {"c"}}, &file);
    ExpectReason(OpenedGguf(file).status(), {"\""s + kind + "\"", "\"llama\"", "\"gpt2\""});
  }
}

TEST(GgufVocabulary, DamagedOnesAreRefusedWithAReason) {
  GgufBytes no_merges;
  no_merges.Add("tokenizer.ggml.model", "gpt2");
  AddTokens({{"a"}, {"b"}, {"c"}}, &no_merges);
  ExpectReason(OpenedGguf(no_merges).status(), {"tokenizer.ggml.merges"});
  GgufBytes bad_id = ByteLevel({}, {}, "gpt-2");
  bad_id.Add("tokenizer.ggml.eos_token_id", uint32_t{256});
  ExpectReason(OpenedGguf(bad_id).status(), {"tokenizer.ggml.eos_token_id"});
  ExpectReason(OpenedGguf(ByteLevel({}, {}, "gpt-2"), nullptr, 255).status(), {"256", "255"});
  EXPECT_TRUE(OpenedGguf(ByteLevel({}, {}, "gpt-2"), nullptr, 256).status().ok());
  ExpectReason(OpenedGguf(ByteLevel({{std::string(257, 'x'), kControl}}, {}, "gpt-2")).status(),
               {"256", "257 bytes", "xxx"});
  EXPECT_TRUE(
      OpenedGguf(ByteLevel({{std::string(256, 'x'), kControl}}, {}, "gpt-2")).status().ok());
  ExpectReason(OpenedGguf(ByteLevel({{std::string(65537, 'x')}}, {}, "gpt-2")).status(),
               {"65537 bytes"});
}

}  // namespace
}  // namespace clamma_test
