// SPDX-License-Identifier: MIT
// The text of a receipt: only texts that could have been written are read.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "receipt.h"

namespace clamma_test {
namespace {

using receipt::Receipt;

const std::string kSum(64, 'a');

Receipt Full() {
  Receipt r;
  r.library = "1.0.0";
  r.sum_order = 3;
  r.date = "2026-12-01T06:00:00Z";
  r.model = {{"a-00001-of-00002.gguf", kSum}, {"a-00002-of-00002.gguf", std::string(64, '0')}};
  r.vocabulary = {"tok.bin", kSum};
  r.pre_tokenizer = "llama-bpe";
  r.kv = "q8";
  r.context = 4096;
  r.chat_template = {"chatml", kSum};
  r.query = {.chat = true, .system = "", .prompt = "\"Caf\u00e9\"\n\\u0000 \xf0\x9f\x90\xb6"};
  r.sampling = {.temperature = 0.7f,
                .top_p = 0.9f,
                .min_p = 0.05f,
                .repetition_penalty = 1.1f,
                .frequency_penalty = -0.5f,
                .presence_penalty = 1e-30f,
                .top_k = 4000000000u};
  r.seed = UINT64_MAX;
  r.prompt_ids = {1, 0, INT32_MAX};
  r.ids = {7, 8};
  r.hashes = {0, UINT64_MAX};
  return r;
}

std::string Text(const Receipt& r) {
  std::string text;
  EXPECT_EQ(receipt::Write(r, &text), "");
  return text;
}

std::string Reason(std::string_view text) {
  Receipt ignored;
  return receipt::Read(text, &ignored);
}

// Returns the text of Full() in which `new_text` replaces `old`, which occurs once.
std::string With(const std::string& old, const std::string& new_text) {
  std::string text = Text(Full());
  const size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return at == std::string::npos ? text : text.replace(at, old.size(), new_text);
}

TEST(ReceiptText, IsReadAsItWasWritten) {
  const Receipt r = Full();
  Receipt read;
  ASSERT_EQ(receipt::Read(Text(r), &read), "");
  EXPECT_TRUE(read.checksum_holds);
  EXPECT_EQ(Text(read), Text(r));
  EXPECT_EQ(read.model.size(), 2u);
  EXPECT_EQ(read.model[0].name, "a-00001-of-00002.gguf");
  EXPECT_EQ(read.query.system, "");
  EXPECT_EQ(read.query.prompt, r.query.prompt);
  EXPECT_EQ(read.sampling.temperature, 0.7f);
  EXPECT_EQ(read.sampling.presence_penalty, 1e-30f);
  EXPECT_EQ(read.sampling.top_k, 4000000000u);
  EXPECT_EQ(read.seed, UINT64_MAX);
  EXPECT_EQ(read.prompt_ids, r.prompt_ids);
  EXPECT_EQ(read.ids, r.ids);
  EXPECT_EQ(read.hashes, r.hashes);
}

TEST(ReceiptText, LeavesOutWhatThereIsNot) {
  Receipt r = Full();
  r.vocabulary.reset();
  r.pre_tokenizer.clear();
  r.chat_template.reset();
  r.query = {.chat = false, .sha256 = kSum};
  r.prompt_ids.clear();
  r.ids.clear();
  r.hashes.clear();
  const std::string text = Text(r);
  EXPECT_NE(text.find("\"prompt_ids\": null"), std::string::npos);
  EXPECT_EQ(text.find("\"prompt\""), std::string::npos);
  Receipt read;
  ASSERT_EQ(receipt::Read(text, &read), "");
  EXPECT_EQ(read.query.sha256, kSum);
  EXPECT_FALSE(read.vocabulary.has_value());
  EXPECT_EQ(Text(read), text);
}

TEST(ReceiptText, ChangedFieldBreaksTheChecksum) {
  const std::pair<const char*, const char*> changes[] = {
      {"1.0.0", "1.0.1"},
      {"\"sum_order\": 3", "\"sum_order\": 4"},
      {"2026-12-01", "2026-12-02"},
      {"a-00001", "b-00001"},
      {"tok.bin", "tak.bin"},
      {"llama-bpe", "qwen2"},
      {"\"q8\"", "\"f16\""},
      {"4096", "4097"},
      {"chatml", "llama3"},
      {"Caf", "Cof"},
      {"0.7", "0.8"},
      {"\"seed\": 1", "\"seed\": 2"},
      {"[7,8]", "[7,9]"},
      {"\"0000000000000000\"", "\"0000000000000001\""}};
  for (const auto& [old, changed] : changes) {
    Receipt read;
    // Like the largest seed, but one digit is too large.
    const std::string text =
        std::string(old) == "\"seed\": 1" ? With("18446744073709551615", "5") : With(old, changed);
    EXPECT_EQ(receipt::Read(text, &read), "") << old;
    EXPECT_FALSE(read.checksum_holds) << old;
  }
}

TEST(ReceiptText, RefusesWhatIsNoReceiptAndSaysWhy) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{}", "clamma_receipt: is missing"},
      {"{\"clamma_receipt\": 1}", "library: is missing"},
      {With("receipt\": 1", "receipt\": 2"), "clamma_receipt: is not a version"},
      {With("1.0.0", ""), "library: is not a printable text"},
      {With("1.0.0", std::string(33, '1')), "library: is not a printable text"},
      {With("1.0.0", "\\u001b[2J"), "library: is not a printable text"},
      {With("\"sum_order\": 3", "\"sum_order\": 0"), "sum_order: is not a number"},
      {With("\"sum_order\": 3", "\"sum_order\": 4294967296"), "sum_order: is not a number"},
      {With("2026-12-01", "2026-13-01"), "date: is not a date"},
      {With("T06:00:00Z", " 06:00:00Z"), "date: is not a date"},
      {With("a-00001", "../a"), "model: is not the name of a file"},
      {With("a-00001-of-00002.gguf", ".."), "model: is not the name of a file"},
      {With("tok.bin", "/etc/passwd"), "vocabulary: is not the name of a file"},
      {With("tok.bin", std::string(256, 'x')), "name: is not a printable text"},
      {With(kSum, "A" + kSum.substr(1)), "sha256: is not a SHA-256"},
      {With(kSum, kSum.substr(1)), "sha256: is not a SHA-256"},
      {With("\"q8\"", "\"q9\""), "kv: is none of"},
      {With("4096", "16777217"), "context: is not a number"},
      {With("4096", "0"), "context: is not a number"},
      {With("\"chat\":true", "\"chat\":false"), "template: belongs to a chat"},
      {With("\"chat\":true", "\"chat\":1"), "query.chat: is neither"},
      {With("\"chat\":true,", "\"chat\":true,\"sha256\":\"" + kSum + "\","),
       "query.prompt: is not a field"},
      {With("Caf", "\\u0000"), "prompt: has a NUL"},
      {With("0.7", "-0.7"), "temperature: is not a number"},
      {With("0.7", "1e999"), ""},
      {With("0.9", "1.5"), "top_p: is not a number"},
      {With("\"top_k\":4000000000", "\"top_k\":0.5"), "top_k: is not a number"},
      {With("18446744073709551615", "0"), "seed: is not a number"},
      {With("18446744073709551615", "18446744073709551616"), "seed: is not a number"},
      {With("[1,0,2147483647]", "[]"), "prompt_ids: is empty"},
      {With("[1,0,2147483647]", "null"), "prompt_ids: is not an array"},
      {With("2147483647", "2147483648"), "prompt_ids: has an item"},
      {With("[7,8]", "[7,-8]"), "ids: has an item"},
      {With("[7,8]", "[7]"), "hashes: must be as many"},
      {With("\"0000000000000000\"", "\"000000000000000g\""), "hashes: has an item"},
      {With("\"0000000000000000\"", "0"), "hashes: has an item"},
      {With("  \"kv\": \"q8\",\n", ""), "kv: is missing"},
      {With("  \"kv\"", "  \"x\\u001b\": 1,\n  \"kv\""), "x\\x1b: is not a field"},
      {With("\"name\":\"tok", "\"more\":1,\"name\":\"tok"), "vocabulary.more: is not a field"},
  };
  for (const auto& [text, reason] : cases) {
    const std::string why = Reason(text);
    EXPECT_NE(why, "") << text;
    EXPECT_NE(why.find(reason), std::string::npos) << why << "\nlacks: " << reason;
  }
}

TEST(ReceiptText, RefusesEveryOtherWayToWriteTheSame) {
  const std::string text = Text(Full());
  for (const std::string& other :
       {text + "\n", " " + text, With("0.7", "0.70"), With("0.7", "7e-1"),
        With("0.7", "0.70000001"), With("[7,8]", "[7, 8]"), With("Caf", "\\u0043af"),
        With("4096", "4096.0"), With("  \"kv\": \"q8\"", "  \"kv\": \"f32\",\n  \"kv\": \"q8\"")}) {
    EXPECT_NE(Reason(other), "") << other;
  }
}

TEST(ReceiptText, EveryBeginningAndEveryOtherByteIsRefusedOrBreaksTheChecksum) {
  const std::string text = Text(Full());
  for (size_t n = 0; n < text.size(); ++n) {
    EXPECT_NE(Reason(std::string_view(text.data(), n)), "") << n;
    std::string damaged = text;
    damaged[n] = static_cast<char>(damaged[n] ^ 1);
    Receipt read;
    const bool is_read = receipt::Read(damaged, &read).empty();
    EXPECT_FALSE(is_read && read.checksum_holds) << n;
  }
}

TEST(ReceiptText, SizesAreBounded) {
  EXPECT_EQ(Reason(std::string(receipt::kMaxBytes + 1, ' ')), "is too long for a receipt");
  std::string many = "[";
  for (size_t i = 0; i <= receipt::kMaxValues; ++i) many += "0,";
  EXPECT_NE(Reason(With("[7,8]", many + "0]")).find("too large"), std::string::npos);
  EXPECT_NE(Reason(std::string(100000, '[')), "");
  Receipt r = Full();
  r.ids.assign(receipt::kMaxTokens + 1, 1);
  r.hashes.assign(receipt::kMaxTokens + 1, 1);
  std::string text;
  EXPECT_NE(receipt::Write(r, &text), "");
}

TEST(ReceiptText, PromptThatIsNotUtf8CannotBeWritten) {
  Receipt r = Full();
  r.query.prompt = "\xff";
  std::string text;
  EXPECT_NE(receipt::Write(r, &text).find("not UTF-8"), std::string::npos);
}

TEST(ReceiptText, HashOfAQueryTellsItsPartsApart) {
  const receipt::Query one = {.system = "a", .prompt = "b"};
  for (const receipt::Query& other : {receipt::Query{.system = "ab", .prompt = ""},
                                      receipt::Query{.prompt = "ab"}, receipt::Query{.system = "a"},
                                      receipt::Query{.chat = true, .system = "a", .prompt = "b"}}) {
    EXPECT_NE(one.Hash(), other.Hash());
  }
  EXPECT_NE(receipt::Query{}.Hash(), (receipt::Query{.prompt = ""}).Hash());
}

}  // namespace
}  // namespace clamma_test
