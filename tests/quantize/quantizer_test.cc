// SPDX-License-Identifier: MIT
// Whole models are converted.
#include "quantize/quantizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gguf_models.h"
#include "kernels/weight_types.h"
#include "quantize/encode.h"
#include "quantizer_fixture.h"

namespace clamma {
namespace {

using clamma_test::FloatBytes;
using clamma_test::GgufBytes;
using clamma_test::GgufSpec;
using clamma_test::MakeGguf;

TEST_F(QuantizerTest, TheFileHasTheSameTensorsInTheTypesOfTheRecipe) {
  const std::vector<uint8_t> source =
      MakeGguf({.dim = 256, .hidden = 512, .layers = 3, .vocab = 64, .type = clamma_test::kF16})
          .Build();
  Open(source);
  ASSERT_EQ(Run("Q4_K_M"), "");
  const Gguf& from = *files_.back()->gguf();
  Gguf& to = Parsed();
  ASSERT_EQ(to.n_tensors(), from.n_tensors());
  EXPECT_EQ(kept_.bytes.size(), quantizer_->file_bytes());
  GgufTensor a;
  GgufTensor b;
  Gguf::Tensors all(to);
  for (Gguf::Tensors tensors(from); tensors.Next(&a) && all.Next(&b);) {
    EXPECT_EQ(a.name, b.name);
    for (size_t d = 0; d < 4; ++d) EXPECT_EQ(a.dims[d], b.dims[d]) << a.name;
    if (a.n_dims == 1) {
      EXPECT_EQ(DataOf(source, a), DataOf(kept_.bytes, b)) << a.name;
    }
  }
  ASSERT_TRUE(to.FindTensor("blk.2.attn_v.weight", &b));
  EXPECT_STREQ(b.type->name, "Q6_K");
  ASSERT_TRUE(to.FindTensor("blk.1.attn_v.weight", &b));
  EXPECT_STREQ(b.type->name, "Q4_K");
}

TEST_F(QuantizerTest, EachTensorIsWhatEncodeRowGives) {
  const std::vector<uint8_t> source =
      MakeGguf({.dim = 64, .hidden = 96, .vocab = 700, .type = clamma_test::kF32}).Build();
  Open(source);
  ASSERT_EQ(Run("Q5_1"), "");
  GgufTensor from;
  GgufTensor to;
  const std::string name = "token_embd.weight";  // more than the share of one thread
  ASSERT_TRUE(files_.back()->gguf()->FindTensor(name, &from));
  ASSERT_TRUE(Parsed().FindTensor(name, &to));
  ASSERT_STREQ(to.type->name, "Q5_1");
  const size_t n = 64 * 700;
  std::vector<float> x(n);
  DequantizeRow(WeightType::kF32, source.data() + from.offset, n, x.data());
  std::vector<uint8_t> expected(RowBytes(WeightType::kQ5_1, n));
  ASSERT_EQ(EncodeRow(WeightType::kQ5_1, x.data(), nullptr, n, expected.data()), EncodeResult::kOk);
  EXPECT_EQ(DataOf(kept_.bytes, to), expected);
  std::vector<float> again(n);
  DequantizeRow(WeightType::kQ5_1, expected.data(), n, again.data());
  double error = 0;
  double square = 0;
  for (size_t i = 0; i < n; ++i) {
    error += std::pow(static_cast<double>(x[i]) - static_cast<double>(again[i]), 2);
    square += std::pow(static_cast<double>(x[i]), 2);
  }
  for (size_t i = 0; i < quantizer_->count(); ++i) {
    if (quantizer_->tensor(i).from.name != name) continue;
    EXPECT_NEAR(quantizer_->tensor(i).error, std::sqrt(error / square), 1e-9);
  }
}

TEST_F(QuantizerTest, ThreadsChangeNoByte) {
  Open(MakeGguf({.dim = 256, .hidden = 768, .vocab = 2000, .type = clamma_test::kBF16}).Build());
  for (const char* type : {"Q4_K_M", "IQ4_NL", "Q8_0"}) {
    ASSERT_EQ(Run(type, 1), "");
    const std::vector<uint8_t> one = kept_.bytes;
    const double error = quantizer_->tensor(0).error;
    for (const unsigned threads : {2u, 5u}) {
      ASSERT_EQ(Run(type, threads), "");
      EXPECT_TRUE(kept_.bytes == one) << type << ", " << threads << " threads";
      EXPECT_EQ(quantizer_->tensor(0).error, error);
    }
  }
}

TEST_F(QuantizerTest, MetadataAreCopiedWhateverTheirTypes) {
  GgufBytes file;
  file.alignment = 64;
  file.Add("general.architecture", "llama");
  file.Add("general.alignment", uint32_t{64});
  file.Add("a.u8", uint8_t{200}).Add("a.i8", int8_t{-3}).Add("a.u16", uint16_t{60000});
  file.Add("a.i16", int16_t{-300}).Add("a.i32", int32_t{-7}).Add("a.u64", uint64_t{1} << 60);
  file.Add("a.i64", int64_t{-1}).Add("a.f32", 0.5f).Add("a.f64", 0.1).Add("a.bool", true);
  file.Add("a.text", std::string("with \0 and \xff in it", 18)).Add("a.empty", "");
  file.AddArray("a.texts", std::vector<std::string>{"x", "", "zz"});
  file.AddArray("a.none", std::vector<float>{});
  file.AddArray("a.doubles", std::vector<double>{1, 2, 3});
  file.Add("general.file_type", uint32_t{0});
  file.Add("z.last", uint32_t{1});
  file.Add("split.count", uint16_t{1});
  file.AddTensor("a.weight", clamma_test::kF32, {32, 3}, FloatBytes(std::vector<float>(96, 1.0f)));
  Open(file.Build());
  ASSERT_EQ(Run("Q4_0"), "");
  Gguf& to = Parsed();
  EXPECT_EQ(to.alignment(), 64u);
  std::vector<std::string> names;
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(to); keys.Next(&key, &value);) {
    names.emplace_back(key);
    GgufValue before;
    if (!files_.back()->gguf()->Find(key, &before)) continue;
    EXPECT_EQ(value.is_array, before.is_array) << key;
    EXPECT_EQ(value.count, before.count) << key;
    if (key == "general.file_type") continue;
    EXPECT_EQ(value.type, before.type) << key;
    const uint64_t bytes = value.count * GgufTypeBytes(value.type);
    EXPECT_EQ(std::memcmp(value.data, before.data, bytes), 0) << key;
    std::string_view a;
    std::string_view b;
    GgufStrings texts(before);
    for (GgufStrings all(value); all.Next(&a);) {
      ASSERT_TRUE(texts.Next(&b));
      EXPECT_EQ(a, b) << key;
    }
  }
  const std::vector<std::string> expected = {"general.architecture",
                                             "general.alignment",
                                             "a.u8",
                                             "a.i8",
                                             "a.u16",
                                             "a.i16",
                                             "a.i32",
                                             "a.u64",
                                             "a.i64",
                                             "a.f32",
                                             "a.f64",
                                             "a.bool",
                                             "a.text",
                                             "a.empty",
                                             "a.texts",
                                             "a.none",
                                             "a.doubles",
                                             "general.file_type",
                                             "z.last",
                                             "general.quantization_version"};
  EXPECT_EQ(names, expected);
  uint64_t number = 0;
  ASSERT_TRUE(to.Find("general.file_type", &value) && value.Uint(0, &number));
  EXPECT_EQ(number, 2u);
}

TEST_F(QuantizerTest, WhatIsNotFiniteIsRefusedByTheTensorsName) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), HUGE_VALF}) {
    std::vector<float> values(64 * 1000, 0.25f);
    values[64 * 777 + 5] = bad;
    GgufBytes file;
    file.Add("general.architecture", "llama");
    file.AddTensor("good.weight", clamma_test::kF32, {64, 4});
    file.AddTensor("damaged.weight", clamma_test::kF32, {64, 1000}, FloatBytes(values));
    Open(file.Build());
    for (const char* type : {"Q4_0", "Q8_0", "F16", "BF16"}) {
      const std::string reason = Run(type, 3);
      EXPECT_NE(reason.find("damaged.weight"), std::string::npos) << type << ": " << reason;
      EXPECT_NE(reason.find("not a number"), std::string::npos) << type << ": " << reason;
    }
  }
}

TEST_F(QuantizerTest, TypesWithoutKernelsAreRefusedByTheTensorsName) {
  GgufBytes file;
  file.Add("general.architecture", "llama");
  file.AddTensor("a.weight", clamma_test::kIQ3_S, {256, 4});
  Open(file.Build());
  const std::string reason = Run("Q4_0");
  EXPECT_NE(reason.find("a.weight"), std::string::npos) << reason;
  EXPECT_NE(reason.find("IQ3_S"), std::string::npos) << reason;
}

TEST_F(QuantizerTest, ATensorThatHasItsTypeIsCopied) {
  const std::vector<uint8_t> source =
      MakeGguf({.dim = 64, .hidden = 64, .type = clamma_test::kQ8_0}).Build();
  Open(source);
  ASSERT_EQ(Run("Q8_0"), "");
  EXPECT_FALSE(quantizer_->source_is_quantised());
  GgufTensor from;
  GgufTensor to;
  ASSERT_TRUE(files_.back()->gguf()->FindTensor("blk.0.attn_q.weight", &from));
  ASSERT_TRUE(Parsed().FindTensor("blk.0.attn_q.weight", &to));
  EXPECT_EQ(DataOf(source, from), DataOf(kept_.bytes, to));
  ASSERT_EQ(Run("Q4_0"), "");
  EXPECT_TRUE(quantizer_->source_is_quantised());
}

TEST_F(QuantizerTest, TypesThatAreNoTargetsAreRead) {
  for (const uint32_t type : {clamma_test::kQ2_K, clamma_test::kQ3_K, clamma_test::kIQ4_XS}) {
    SCOPED_TRACE(clamma_test::NameOfGgufType(type).name);
    const std::vector<uint8_t> source =
        MakeGguf({.dim = 256, .hidden = 256, .layers = 1, .type = type}).Build();
    Open(source);
    ASSERT_EQ(Run("F32"), "");
    EXPECT_TRUE(quantizer_->source_is_quantised());
    GgufTensor from;
    GgufTensor to;
    ASSERT_TRUE(files_.back()->gguf()->FindTensor("blk.0.attn_q.weight", &from));
    ASSERT_TRUE(Parsed().FindTensor("blk.0.attn_q.weight", &to));
    ASSERT_STREQ(to.type->name, "F32");
    std::vector<float> expected(size_t{256} * 256);
    std::vector<float> floats(expected.size());
    DequantizeRow(clamma_test::NameOfGgufType(type).weight_type, source.data() + from.offset,
                  expected.size(), expected.data());
    DequantizeRow(WeightType::kF32, kept_.bytes.data() + to.offset, floats.size(), floats.data());
    EXPECT_EQ(floats, expected);
  }
}

TEST_F(QuantizerTest, SplitModelsBecomeOneFile) {
  for (uint16_t i = 0; i < 2; ++i) {
    GgufBytes file;
    if (i == 0) file.Add("general.architecture", "llama").Add("general.name", "both");
    file.Add("split.no", i).Add("split.count", uint16_t{2}).Add("split.tensors.count", int32_t{2});
    file.AddTensor(i == 0 ? "a.weight" : "b.weight", clamma_test::kF32, {32, 2},
                   FloatBytes(std::vector<float>(64, 1.0f + static_cast<float>(i))));
    folder_.Write("set-0000" + std::to_string(i + 1) + "-of-00002.gguf", file.Build());
  }
  OpenPath(folder_.path("set-00002-of-00002.gguf"));
  ASSERT_EQ(Run("F16"), "");
  Gguf& to = Parsed();
  GgufValue value;
  EXPECT_FALSE(to.Find("split.count", &value));
  EXPECT_TRUE(to.Find("general.name", &value));
  GgufTensor b;
  ASSERT_EQ(to.n_tensors(), 2u);
  ASSERT_TRUE(to.FindTensor("b.weight", &b));
  float decoded[64];
  DequantizeRow(WeightType::kF16, kept_.bytes.data() + b.offset, 64, decoded);
  EXPECT_EQ(decoded[63], 2.0f);
}

TEST_F(QuantizerTest, PiecesAreSmallAndAFullDiskIsAReason) {
  Open(MakeGguf({.dim = 256, .hidden = 512, .vocab = 9000, .type = clamma_test::kF16}).Build());
  const size_t before = memory_.bytes_in_use();
  ASSERT_EQ(Run("F32", 2), "");
  EXPECT_GT(kept_.bytes.size(), 2 * PieceWriter::kPieceBytes);
  EXPECT_EQ(kept_.largest, PieceWriter::kPieceBytes);
  EXPECT_LT(memory_.bytes_in_use() - before, size_t{6} << 20);
  kept_.room = 3000000;
  EXPECT_EQ(Run("F32", 2), "the disk is full");
}

TEST_F(QuantizerTest, WorkCanBeInterrupted) {
  Open(MakeGguf({.vocab = 200}).Build());
  Quantizer quantizer;
  ASSERT_TRUE(quantizer.Plan(memory_, *files_.back(), {.recipe = FindRecipe("Q4_0")}).ok());
  const Quantizer::Progress stop = {.report = [](void*, size_t i, uint64_t) { return i < 2; },
                                    .context = nullptr};
  EXPECT_STREQ(quantizer.Write({&Kept::Write, &kept_}, stop).message(), "interrupted");
}

}  // namespace
}  // namespace clamma
