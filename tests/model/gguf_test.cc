// SPDX-License-Identifier: MIT
#include "model/files/gguf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "gguf_fixture.h"
#include "test_data.h"

namespace clamma {
namespace {

using clamma_test::GgufBytes;
using clamma_test::ParsedGguf;
using clamma_test::ReadBytes;

// A file with keys and tensors of all kinds.
GgufBytes Sample() {
  GgufBytes file;
  file.Add("general.architecture", "llama")
      .Add("general.name", std::string("a\0b", 3))
      .Add("u8", uint8_t{200})
      .Add("i64", int64_t{-5})
      .Add("flag", true)
      .AddArray("numbers", std::vector<uint16_t>{1, 2, 3})
      .AddArray("texts", std::vector<std::string>{"", "one", std::string("t\0o", 3)})
      .AddTensor("norm", clamma_test::kF32, {5})
      .AddTensor("matrix", clamma_test::kQ4_K, {512, 3})
      .AddTensor("deep", clamma_test::kF16, {2, 3, 4, 5});
  return file;
}

TEST(Gguf, ReadsKeysAndTensors) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBytes file = Sample();
    file.version = version;
    const std::vector<uint8_t> bytes = file.Build();
    const ParsedGguf gguf(bytes);
    ASSERT_TRUE(gguf.status().ok()) << gguf.status().message();
    EXPECT_EQ(gguf.wanted(), 0u);
    EXPECT_EQ(gguf->version(), version);
    EXPECT_EQ(gguf->n_keys(), 7u);
    EXPECT_EQ(gguf->n_tensors(), 3u);
    EXPECT_EQ(gguf->alignment(), 32u);
    EXPECT_EQ(gguf->header_bytes(), file.BuildHeader().size());
    EXPECT_EQ(gguf->data_begin() % 32, 0u);
    EXPECT_EQ(gguf->data_end(), bytes.size());

    GgufTensor tensor;
    ASSERT_TRUE(gguf->FindTensor("matrix", &tensor));
    EXPECT_EQ(tensor.name, "matrix");
    EXPECT_STREQ(tensor.type->name, "Q4_K");
    EXPECT_EQ(tensor.n_dims, 2u);
    EXPECT_EQ(tensor.dims[0], 512u);
    EXPECT_EQ(tensor.dims[1], 3u);
    EXPECT_EQ(tensor.dims[2], 1u);
    EXPECT_EQ(tensor.bytes, 3u * 2 * 144);
    EXPECT_EQ(tensor.offset, gguf->data_begin() + 32);  // behind 20 bytes of floats
    ASSERT_TRUE(gguf->FindTensor("deep", &tensor));
    EXPECT_EQ(tensor.n_dims, 4u);
    EXPECT_EQ(tensor.bytes, 2u * 3 * 4 * 5 * 2);
    EXPECT_FALSE(gguf->FindTensor("deeper", &tensor));
    EXPECT_TRUE(gguf->CheckTensorTypes().ok());
  }
}

TEST(Gguf, WalksInTheOrderOfTheFile) {
  const ParsedGguf gguf(Sample());
  std::vector<std::string> names;
  std::string_view name;
  GgufValue value;
  for (Gguf::Keys keys(*gguf); keys.Next(&name, &value);) names.emplace_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"general.architecture", "general.name", "u8", "i64",
                                             "flag", "numbers", "texts"}));
  names.clear();
  GgufTensor tensor;
  for (Gguf::Tensors tensors(*gguf); tensors.Next(&tensor);) names.emplace_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"norm", "matrix", "deep"}));
}

TEST(Gguf, AsksForMoreBytesUntilTheHeaderIsWhole) {
  const std::vector<uint8_t> bytes = Sample().Build();
  const size_t header = Sample().BuildHeader().size();
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const ParsedGguf gguf(std::vector<uint8_t>(bytes.begin(), bytes.begin() + size), bytes.size());
    ASSERT_TRUE(gguf.status().ok()) << size << ": " << gguf.status().message();
    if (size < header) {
      EXPECT_GT(gguf.wanted(), size);
      EXPECT_LE(gguf.wanted(), header);
    } else {
      EXPECT_EQ(gguf.wanted(), 0u);
      EXPECT_EQ(gguf->data_end(), bytes.size());
    }
  }
}

// The same object may be used for each attempt.
TEST(Gguf, ParsesAgain) {
  const std::vector<uint8_t> bytes = Sample().Build();
  Memory memory;
  Gguf gguf;
  uint64_t wanted = 1;
  int attempts = 0;
  for (uint64_t size = 4; wanted != 0; size = wanted) {
    ASSERT_LT(++attempts, 100);
    ASSERT_TRUE(gguf.Parse(memory, bytes.data(), size, bytes.size(), &wanted).ok());
  }
  GgufValue value;
  EXPECT_TRUE(gguf.Find("texts", &value));
  ASSERT_TRUE(gguf.Parse(memory, bytes.data(), bytes.size(), bytes.size(), &wanted).ok());
}

TEST(Gguf, SaysHowMuchOfACutFileIsMissing) {
  const std::vector<uint8_t> bytes = Sample().Build();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const ParsedGguf gguf(std::vector<uint8_t>(bytes.begin(), bytes.begin() + size));
    EXPECT_EQ(gguf.status().code(), StatusCode::kCorrupt) << size;
    EXPECT_EQ(gguf.wanted(), 0u);
    clamma_test::ExpectReason(gguf.status(), {"cut short"});
  }
  const ParsedGguf gguf(std::vector<uint8_t>(bytes.begin(), bytes.end() - 10));
  clamma_test::ExpectReason(gguf.status(), {"\"deep\"", "10 are missing"});
}

TEST(Gguf, KeepsToAnyAlignment) {
  for (uint64_t alignment = 8; alignment <= 65536; alignment *= 2) {
    GgufBytes file;
    file.alignment = alignment;
    file.Add("general.alignment", static_cast<uint32_t>(alignment));
    file.AddTensor("a", clamma_test::kF32, {1}).AddTensor("b", clamma_test::kF32, {1});
    const ParsedGguf gguf(file);
    ASSERT_TRUE(gguf.status().ok()) << gguf.status().message();
    EXPECT_EQ(gguf->alignment(), alignment);
    EXPECT_EQ(gguf->data_begin(), alignment * ((file.BuildHeader().size() - 1) / alignment + 1));
    GgufTensor tensor;
    ASSERT_TRUE(gguf->FindTensor("b", &tensor));
    EXPECT_EQ(tensor.offset, gguf->data_begin() + alignment);
  }
}

// In any order, with gaps between them, and with bytes after the last one.
TEST(Gguf, FindsTensorsAnywhere) {
  GgufBytes file;
  file.AddTensorAt("last", clamma_test::kF32, {8}, 256);
  file.AddTensorAt("first", clamma_test::kF32, {8}, 0);
  file.AddTensorAt("middle", clamma_test::kF32, {16}, 64);
  file.AddData(1000);
  const ParsedGguf gguf(file);
  ASSERT_TRUE(gguf.status().ok()) << gguf.status().message();
  EXPECT_EQ(gguf->data_end(), gguf->data_begin() + 288);
}

TEST(Gguf, ReadsAFileOfNothing) {
  const ParsedGguf gguf{GgufBytes()};
  ASSERT_TRUE(gguf.status().ok()) << gguf.status().message();
  GgufValue value;
  GgufTensor tensor;
  EXPECT_FALSE(gguf->Find("", &value));
  EXPECT_FALSE(gguf->Find("a", &value));
  EXPECT_FALSE(gguf->FindTensor("a", &tensor));
}

TEST(Gguf, FindsEachOfManyNames) {
  GgufBytes file;
  constexpr uint32_t kMany = 20000;
  for (uint32_t i = 0; i < kMany; ++i) {
    file.Add("key." + std::to_string(i), i);
    file.AddTensor("blk." + std::to_string(i), clamma_test::kF32, {1});
  }
  const ParsedGguf gguf(file);
  ASSERT_TRUE(gguf.status().ok()) << gguf.status().message();
  EXPECT_LT(gguf.bytes_in_use(), size_t{1} << 20);
  for (uint32_t i = 0; i < kMany; ++i) {
    uint32_t number = 0;
    ASSERT_TRUE(
        gguf->GetUint32("key." + std::to_string(i), Gguf::Presence::kRequired, {}, &number).ok());
    ASSERT_EQ(number, i);
    GgufTensor tensor;
    ASSERT_TRUE(gguf->FindTensor("blk." + std::to_string(i), &tensor));
    ASSERT_EQ(tensor.offset, gguf->data_begin() + 32 * uint64_t{i});
  }
}

TEST(Gguf, OfAPlanWalksAndCountsItsMemory) {
  GgufBytes file = Sample();
  file.AddTensorAt("early", clamma_test::kF32, {1}, 32);  // overlaps, which a plan does not check
  const std::vector<uint8_t> bytes = file.Build();
  Memory plan((Memory::Plan()));
  Gguf gguf;
  uint64_t wanted = 1;
  ASSERT_TRUE(gguf.Parse(plan, bytes.data(), bytes.size(), bytes.size(), &wanted).ok());
  EXPECT_EQ(wanted, 0u);
  EXPECT_GT(plan.planned_bytes(), 0u);
  uint32_t number = 0;
  EXPECT_TRUE(gguf.GetUint32("u8", Gguf::Presence::kRequired, {}, &number).ok());
  EXPECT_EQ(number, 200u);
  GgufTensor tensor;
  EXPECT_TRUE(gguf.FindTensor("matrix", &tensor));
  EXPECT_FALSE(gguf.FindTensor("matrices", &tensor));
  GgufValue value;
  EXPECT_FALSE(gguf.Find("u9", &value));
}

// An arena of the size that a plan counts is large enough, and if it is aligned, no smaller one is.
TEST(Gguf, TakesFromAnArenaWhatAPlanCounts) {
  const std::vector<uint8_t> bytes = Sample().Build();
  Memory plan((Memory::Plan()));
  uint64_t wanted = 0;
  ASSERT_TRUE(Gguf().Parse(plan, bytes.data(), bytes.size(), bytes.size(), &wanted).ok());
  struct alignas(kAlignment) Line {
    uint8_t bytes[kAlignment];
  };
  const size_t anywhere = Arena::Overhead() + plan.planned_bytes();
  const size_t aligned = anywhere - (kAlignment - 1);
  std::vector<Line> place(anywhere / kAlignment + 1);
  const auto parse = [&](size_t offset, size_t size) {
    Memory memory(Arena::Make(reinterpret_cast<uint8_t*>(place.data()) + offset, size));
    Gguf gguf;
    return gguf.Parse(memory, bytes.data(), bytes.size(), bytes.size(), &wanted);
  };
  EXPECT_TRUE(parse(0, aligned).ok());
  EXPECT_EQ(parse(0, aligned - 1).code(), StatusCode::kOutOfMemory);
  EXPECT_TRUE(parse(1, anywhere).ok());
  EXPECT_EQ(parse(1, anywhere - 1).code(), StatusCode::kOutOfMemory);
}

// Real files: vocabularies without tensors.
TEST(Gguf, ReadsRealVocabularies) {
  const struct {
    const char* name;
    uint64_t tokens;
    uint64_t merges;
  } kFiles[] = {{"gpt-2", 50257, 50000},
                {"llama-spm", 32000, 0},
                {"phi-3", 32064, 0},
                {"starcoder", 49152, 48872}};
  for (const auto& file : kFiles) {
    const std::string path =
        clamma_test::DataRoot() / "vocab" / ("ggml-vocab-" + std::string(file.name) + ".gguf");
    CLAMMA_NEED_FILE(path);
    SCOPED_TRACE(path);
    const ParsedGguf gguf(ReadBytes(path));
    ASSERT_TRUE(gguf.status().ok()) << gguf.status().message();
    EXPECT_EQ(gguf->n_tensors(), 0u);
    constexpr auto kRequired = Gguf::Presence::kRequired;
    GgufValue tokens, merges, scores;
    ASSERT_TRUE(
        gguf->GetArray("tokenizer.ggml.tokens", Gguf::Elements::kStrings, kRequired, &tokens).ok());
    EXPECT_EQ(tokens.count, file.tokens);
    GgufStrings texts(tokens);
    uint64_t n = 0;
    for (std::string_view text; texts.Next(&text); ++n) ASSERT_FALSE(text.empty()) << n;
    EXPECT_EQ(n, file.tokens);
    EXPECT_TRUE(gguf->GetArray("tokenizer.ggml.merges", Gguf::Elements::kStrings,
                               Gguf::Presence::kOptional, &merges)
                    .ok());
    EXPECT_EQ(merges.count, file.merges);
    EXPECT_TRUE(
        gguf->GetArray("tokenizer.ggml.token_type", Gguf::Elements::kIntegers, kRequired, &scores)
            .ok());
    EXPECT_EQ(scores.count, file.tokens);
  }
}

}  // namespace
}  // namespace clamma
