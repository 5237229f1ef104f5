// SPDX-License-Identifier: MIT
// GGUF files that are refused, each with a reason that names the place.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "gguf_fixture.h"
#include "model/files/gguf.h"

namespace clamma {
namespace {

using clamma_test::ExpectReason;
using clamma_test::GgufBytes;
using clamma_test::kF32;
using clamma_test::ParsedGguf;

void ExpectRefused(const GgufBytes& file, const std::vector<std::string>& reason) {
  const ParsedGguf gguf(file);
  ExpectReason(gguf.status(), reason);
  EXPECT_EQ(gguf.wanted(), 0u);
}

std::vector<uint8_t> Le64(uint64_t value) {
  std::vector<uint8_t> bytes;
  clamma_test::PutLe(&bytes, value);
  return bytes;
}

TEST(GgufRefuses, OtherVersions) {
  GgufBytes file;
  for (const uint32_t version : {0u, 1u, 4u, 1000u, 0x00030003u}) {
    file.version = version;
    ExpectRefused(file, {"version " + std::to_string(version), "2 and 3 are read"});
  }
}

TEST(GgufRefuses, BigEndianFiles) {
  GgufBytes file;
  for (const uint32_t version : {0x01000000u, 0x02000000u, 0x03000000u}) {
    file.version = version;
    ExpectRefused(file, {"big-endian", "gguf-convert-endian"});
  }
}

TEST(GgufRefuses, OtherMagic) {
  GgufBytes file;
  file.magic = "GGUX";
  ExpectRefused(file, {"does not begin with \"GGUF\""});
}

TEST(GgufRefuses, MoreKeysOrTensorsThanTheFileHolds) {
  GgufBytes file;
  file.n_keys = 60000;
  ExpectRefused(file, {"60000 keys", "24"});
  file = GgufBytes();
  file.n_tensors = 60000;
  ExpectRefused(file, {"60000 tensors"});
  file = GgufBytes();
  file.Add("a", uint8_t{1});
  file.n_keys = 2;
  ExpectReason(ParsedGguf(file.BuildHeader()).status(), {"2 keys"});
  // Padding makes it long enough, but it is not a key.
  ExpectRefused(file, {"key 2 of 2", "empty name"});
}

TEST(GgufRefuses, MoreKeysOrTensorsThanItReads) {
  for (const uint64_t count : {uint64_t{65537}, uint64_t{1} << 32, UINT64_MAX}) {
    GgufBytes file;
    file.n_keys = count;
    ExpectRefused(file, {std::to_string(count) + " keys", "65536"});
    file.n_keys.reset();
    file.n_tensors = count;
    ExpectRefused(file, {std::to_string(count) + " tensors", "65536"});
  }
}

TEST(GgufRefuses, StringsBeyondTheFile) {
  ExpectRefused(GgufBytes().AddRaw("text", clamma_test::kGgufString, Le64(100)),
                {"key \"text\"", "100 bytes", "cut short"});
  std::vector<uint8_t> two = Le64(0);
  for (const uint8_t byte : Le64(33)) two.push_back(byte);
  ExpectRefused(GgufBytes().AddRawArray("texts", clamma_test::kGgufString, 2, two),
                {"key \"texts\"", "33 bytes"});
}

TEST(GgufRefuses, StringsBeyondTheBound) {
  for (const uint64_t length : {(uint64_t{16} << 20) + 1, uint64_t{1} << 63, UINT64_MAX}) {
    const std::string number = std::to_string(length);
    ExpectRefused(GgufBytes().AddRaw("text", clamma_test::kGgufString, Le64(length)),
                  {"key \"text\"", number, "at most 16777216"});
    ExpectRefused(GgufBytes().AddRawArray("texts", clamma_test::kGgufString, 1, Le64(length)),
                  {"key \"texts\"", number, "at most 16777216"});
  }
}

TEST(GgufRefuses, NamesBeyondTheBound) {
  ExpectRefused(GgufBytes().Add(std::string(65536, 'k'), uint8_t{1}), {"key 1 of 1", "65535"});
  EXPECT_TRUE(ParsedGguf(GgufBytes().Add(std::string(65535, 'k'), uint8_t{1})).status().ok());
  ExpectRefused(GgufBytes().AddTensor(std::string(256, 't'), kF32, {1}), {"tensor 1 of 1", "255"});
  EXPECT_TRUE(ParsedGguf(GgufBytes().AddTensor(std::string(255, 't'), kF32, {1})).status().ok());
  ExpectRefused(GgufBytes().Add("", uint8_t{1}), {"key 1 of 1", "empty name"});
  ExpectRefused(GgufBytes().AddTensor("", kF32, {1}), {"tensor 1 of 1", "empty name"});
}

TEST(GgufRefuses, ArraysBeyondTheFile) {
  for (const uint32_t type : {0u, 5u, 6u, 7u, 8u, 12u}) {
    ExpectRefused(GgufBytes().AddRawArray("array", type, 1000, {1, 2, 3}),
                  {"key \"array\"", "cut short"});
  }
}

TEST(GgufRefuses, ArraysBeyondTheBound) {
  for (const uint64_t count : {(uint64_t{1} << 24) + 1, uint64_t{1} << 61, UINT64_MAX}) {
    for (const uint32_t type : {0u, 8u, 12u}) {
      ExpectRefused(GgufBytes().AddRawArray("array", type, count, {}),
                    {"key \"array\"", std::to_string(count), "at most 16777216"});
    }
  }
}

TEST(GgufRefuses, ArraysOfArrays) {
  ExpectRefused(GgufBytes().AddRawArray("nested", clamma_test::kGgufArray, 1, {}),
                {"key \"nested\"", "array of arrays"});
}

TEST(GgufRefuses, UnknownTypesOfValues) {
  for (const uint32_t type : {13u, 255u, UINT32_MAX}) {
    ExpectRefused(GgufBytes().AddRaw("odd", type, {0, 0, 0, 0}),
                  {"key \"odd\"", "type " + std::to_string(type)});
    ExpectRefused(GgufBytes().AddRawArray("odd", type, 0, {}),
                  {"key \"odd\"", "type " + std::to_string(type)});
  }
}

TEST(GgufRefuses, HeadersBeyondTheBound) {
  GgufBytes file;
  for (int i = 0; i < 5; ++i) {
    file.Add("text" + std::to_string(i), std::string(size_t{13} << 20, 'x'));
  }
  const std::vector<uint8_t> bytes = file.Build();
  const ParsedGguf whole(bytes);
  ExpectReason(whole.status(), {"\"text4\"", "58720256"});
  EXPECT_EQ(whole.status().code(), StatusCode::kLimit);
  const ParsedGguf begin(std::vector<uint8_t>(bytes.begin(), bytes.begin() + (54 << 20)),
                         bytes.size());
  ExpectReason(begin.status(), {"\"text4\"", "58720256"});
}

TEST(GgufRefuses, KeysThatAreThereTwice) {
  GgufBytes file;
  file.Add("a", uint8_t{1}).Add("b", uint8_t{1}).Add("a", "other");
  ExpectRefused(file, {"key \"a\"", "twice"});
}

TEST(GgufRefuses, TensorsThatAreThereTwice) {
  GgufBytes file;
  file.AddTensor("a", kF32, {1}).AddTensor("b", kF32, {1}).AddTensor("a", kF32, {2});
  ExpectRefused(file, {"tensor \"a\"", "twice"});
  GgufBytes other;  // a key and a tensor may have the same name
  other.Add("a", uint8_t{1}).AddTensor("a", kF32, {1});
  EXPECT_TRUE(ParsedGguf(other).status().ok());
}

TEST(GgufRefuses, OtherNumbersOfDimensions) {
  ExpectRefused(GgufBytes().AddTensorAt("t", kF32, {}, 0), {"tensor \"t\"", "0 dimensions"});
  ExpectRefused(GgufBytes().AddTensor("t", kF32, {1, 1, 1, 1, 1}),
                {"tensor \"t\"", "5 dimensions", "1 to 4"});
}

TEST(GgufRefuses, DimensionsThatOverflow) {
  const std::vector<std::vector<uint64_t>> kDims = {
      {UINT64_MAX},
      {uint64_t{1} << 62},
      {uint64_t{1} << 32, uint64_t{1} << 32},
      {uint64_t{1} << 16, uint64_t{1} << 16, uint64_t{1} << 16, uint64_t{1} << 16},
      {1, UINT64_MAX, 1, UINT64_MAX}};
  for (const auto& dims : kDims) {
    ExpectRefused(GgufBytes().AddTensorAt("huge", kF32, dims, 0),
                  {"tensor \"huge\"", "larger than any file"});
  }
}

// Its size fits in 64 bits, but its end does not.
TEST(GgufRefuses, EndsThatOverflow) {
  const uint64_t rows = uint64_t{1} << 60;
  ExpectRefused(GgufBytes().AddTensorAt("huge", kF32, {8}, UINT64_MAX - 31),
                {"tensor \"huge\"", "beyond any file"});
  ExpectRefused(GgufBytes().AddTensorAt("huge", kF32, {2, rows}, 0), {"\"huge\"", "cut short"});
  ExpectRefused(GgufBytes().AddTensorAt("huge", kF32, {8}, UINT64_MAX - 63),
                {"\"huge\"", "cut short"});
}

TEST(GgufRefuses, DimensionsOf0) {
  ExpectRefused(GgufBytes().AddTensorAt("t", kF32, {4, 0}, 0), {"tensor \"t\"", "dimension of 0"});
}

TEST(GgufRefuses, RowsThatAreNoWholeBlocks) {
  ExpectRefused(GgufBytes().AddTensorAt("t", clamma_test::kQ4_K, {128, 2}, 0),
                {"tensor \"t\"", "128 columns", "Q4_K", "256"});
  ExpectRefused(GgufBytes().AddTensorAt("t", clamma_test::kQ8_0, {48, 2}, 0),
                {"tensor \"t\"", "48 columns", "Q8_0", "32"});
}

TEST(GgufRefuses, OffsetsBeyondTheEnd) {
  GgufBytes file;
  file.AddTensor("here", kF32, {8}).AddTensorAt("gone", kF32, {8}, 32);
  ExpectRefused(file, {"\"gone\"", "32 are missing"});
}

TEST(GgufRefuses, OffsetsThatAreNotAligned) {
  GgufBytes file;
  file.AddTensor("here", kF32, {64}).AddTensorAt("odd", kF32, {8}, 264).AddData(100);
  ExpectRefused(file, {"tensor \"odd\"", "264", "alignment 32"});
  file.Add("general.alignment", uint64_t{8});
  EXPECT_TRUE(ParsedGguf(file).status().ok());
}

TEST(GgufRefuses, TensorsThatOverlap) {
  GgufBytes file;
  file.AddTensor("long", kF32, {32}).AddTensorAt("inside", kF32, {8}, 96);
  ExpectRefused(file, {"\"long\"", "\"inside\"", "overlap"});
  GgufBytes same;
  same.AddTensor("one", kF32, {8}).AddTensorAt("two", kF32, {8}, 0);
  ExpectRefused(same, {"\"one\"", "\"two\"", "overlap"});
  GgufBytes before;
  before.AddTensorAt("second", kF32, {8}, 32).AddTensorAt("first", kF32, {9}, 0).AddData(64);
  ExpectRefused(before, {"\"first\"", "\"second\"", "overlap"});
}

TEST(GgufRefuses, OtherAlignments) {
  for (const uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 131072u, UINT32_MAX}) {
    ExpectRefused(GgufBytes().Add("general.alignment", alignment),
                  {"general.alignment", std::to_string(alignment), "power of two"});
  }
  ExpectRefused(GgufBytes().Add("general.alignment", int32_t{-32}), {"general.alignment"});
  ExpectRefused(GgufBytes().Add("general.alignment", "32"), {"general.alignment"});
  ExpectRefused(GgufBytes().AddArray("general.alignment", std::vector<uint32_t>{32}),
                {"general.alignment"});
}

TEST(GgufRefuses, TypesOfTensorsThatItDoesNotRun) {
  for (uint32_t type = 0; type < 50; ++type) {
    const GgmlType* known = FindGgmlType(type);
    if (known != nullptr && known->runs) continue;
    GgufBytes file;
    file.AddTensor("fine", kF32, {256});
    file.AddTensorAt("bad", type, {256, 2}, 1024).AddData(10000);
    const ParsedGguf gguf(file);
    const Status status = gguf.status().ok() ? gguf->CheckTensorTypes() : gguf.status();
    ExpectReason(status, {"tensor \"bad\"", known == nullptr ? "unknown" : known->name,
                          "number " + std::to_string(type),
                          "F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, "
                          "IQ4_NL, IQ4_XS, BF16, MXFP4"});
  }
}

// No name damages a message: names are quoted, on one line, and truncated.
TEST(GgufRefuses, WithNamesOfAnyBytes) {
  std::string name("a\0\n\"\\\xff", 6);
  name.resize(1000, 'x');
  ExpectRefused(GgufBytes().AddRaw(name, 77, {}),
                {"key \"a\\x00\\n\\\"\\\\\\xffxxxx", "xxx\"...", "type 77"});
}

// A file with one byte changed, a truncated one, or random bytes after the magic: it is refused or
// read, and everything read can be accessed.
TEST(GgufRefuses, WithoutReadingBeyondTheBytes) {
  GgufBytes file;
  file.Add("general.alignment", uint32_t{32}).Add("text", "some text").Add("number", 1.5);
  file.AddArray("texts", std::vector<std::string>{"a", "b"});
  file.AddTensor("a", clamma_test::kQ8_0, {64, 2}).AddTensor("b", kF32, {3});
  const std::vector<uint8_t> sound = file.Build();
  std::mt19937 random(1);
  size_t read = 0;
  const auto walk = [&read](const std::vector<uint8_t>& bytes, uint64_t file_size) {
    const ParsedGguf gguf(bytes, file_size);
    if (!gguf.status().ok() || gguf.wanted() > 0) return;
    ++read;
    std::string_view name;
    GgufValue value, found;
    size_t n = 0;
    for (Gguf::Keys keys(*gguf); keys.Next(&name, &value);) {
      ASSERT_TRUE(gguf->Find(name, &found));
      EXPECT_EQ(found.data, value.data);
      for (GgufStrings texts(value); texts.Next(&name);) n += name.size();
    }
    GgufTensor tensor, same;
    for (Gguf::Tensors tensors(*gguf); tensors.Next(&tensor);) {
      ASSERT_TRUE(gguf->FindTensor(tensor.name, &same));
      EXPECT_EQ(tensor.offset, same.offset);
      EXPECT_LE(tensor.offset + tensor.bytes, file_size);
    }
  };
  for (size_t at = 0; at < file.BuildHeader().size(); ++at) {
    for (const uint8_t change : {0x01, 0x80, 0xff}) {
      std::vector<uint8_t> bytes = sound;
      bytes[at] ^= change;
      walk(bytes, bytes.size());
      walk(bytes, uint64_t{1} << 40);
    }
  }
  EXPECT_GT(read, 0u);
  for (int i = 0; i < 2000; ++i) {
    std::vector<uint8_t> bytes = sound;
    for (size_t at = 24; at < bytes.size(); ++at) bytes[at] = static_cast<uint8_t>(random());
    walk(bytes, UINT64_MAX);
  }
}

}  // namespace
}  // namespace clamma
