// SPDX-License-Identifier: MIT
#include "model/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "checkpoint_bytes.h"

namespace clamma {
namespace {

using clamma_test::FileBytes;
using clamma_test::LayOut;
using clamma_test::MakeHeader;
using clamma_test::ModelShape;
using clamma_test::ParameterOffset;
using clamma_test::PutLe32;
using clamma_test::SmallShapes;
using clamma_test::Stretch;

// Copies the header, so that a sanitizer sees every read beyond it.
Status Parse(const std::vector<uint8_t>& header, uint64_t file_bytes, Checkpoint* checkpoint,
             bool allow_trailing = false) {
  const std::vector<uint8_t> copy(header);
  return ParseCheckpoint(copy.data(), copy.size(), file_bytes, allow_trailing, checkpoint);
}

void ExpectRefused(const std::vector<uint8_t>& header, uint64_t file_bytes,
                   bool allow_trailing = false) {
  Checkpoint checkpoint;
  const Status status = Parse(header, file_bytes, &checkpoint, allow_trailing);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STRNE(status.message(), "");
}

ModelShape Shape7B(int version) {
  return {version, 4096, 11008, 32, 32, 32, 32000, 2048, false, version == 2 ? 64 : 0};
}
ModelShape Shape70B(int version) {
  return {version, 8192, 28672, 80, 64, 8, 32000, 4096, false, version == 2 ? 64 : 0};
}

std::vector<std::pair<std::string, ModelShape>> AllShapes() {
  auto shapes = SmallShapes();
  for (int version = 0; version <= 2; ++version) {
    shapes.emplace_back(std::string("7B.").append(std::to_string(version)), Shape7B(version));
    shapes.emplace_back(std::string("70B.").append(std::to_string(version)), Shape70B(version));
  }
  return shapes;
}

// Where the parser says each stretch lies; norms by their offset alone.
std::map<std::string, TensorExtent> ExtentsOf(const Checkpoint& c) {
  std::map<std::string, TensorExtent> extents;
  extents["attention_norm"].offset = c.attention_norm;
  extents["ffn_norm"].offset = c.ffn_norm;
  extents["final_norm"].offset = c.final_norm;
  extents["embedding"] = c.embedding;
  if (!c.config.shared_classifier) extents["classifier"] = c.classifier;
  const std::pair<const char*, const TensorSeries*> all[] = {
      {"wq.", &c.wq}, {"wk.", &c.wk}, {"wv.", &c.wv}, {"wo.", &c.wo},
      {"w1.", &c.w1}, {"w2.", &c.w2}, {"w3.", &c.w3}};
  for (const auto& [name, series] : all) {
    for (uint32_t layer = 0; layer < c.config.n_layers; ++layer) {
      extents[name + std::to_string(layer)] = series->layer(layer);
    }
  }
  return extents;
}

TEST(Checkpoint, FindsEveryTensorOfEveryFormat) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    Checkpoint checkpoint;
    const Status status = Parse(MakeHeader(shape), FileBytes(shape), &checkpoint);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(checkpoint.bytes, FileBytes(shape));
    std::map<std::string, TensorExtent> extents = ExtentsOf(checkpoint);
    for (const Stretch& stretch : LayOut(shape)) {
      if (stretch.name == "cosines" || stretch.name == "sines") continue;
      ASSERT_TRUE(extents.contains(stretch.name)) << stretch.name;
      const TensorExtent& extent = extents[stretch.name];
      EXPECT_EQ(extent.offset, stretch.offset) << stretch.name;
      if (extent.bytes != 0) {
        EXPECT_EQ(extent.bytes, stretch.bytes) << stretch.name;
        EXPECT_EQ(extent.rows, stretch.rows) << stretch.name;
        EXPECT_EQ(extent.cols, stretch.cols) << stretch.name;
      }
      extents.erase(stretch.name);
    }
    EXPECT_TRUE(extents.empty()) << extents.begin()->first;
  }
}

TEST(Checkpoint, ReadsTheConfiguration) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    Checkpoint checkpoint;
    ASSERT_TRUE(Parse(MakeHeader(shape), FileBytes(shape), &checkpoint).ok());
    const ModelConfig& config = checkpoint.config;
    EXPECT_EQ(config.dim, static_cast<uint32_t>(shape.dim));
    EXPECT_EQ(config.hidden_dim, static_cast<uint32_t>(shape.hidden_dim));
    EXPECT_EQ(config.n_layers, static_cast<uint32_t>(shape.layers));
    EXPECT_EQ(config.n_heads, static_cast<uint32_t>(shape.heads));
    EXPECT_EQ(config.n_kv_heads, static_cast<uint32_t>(shape.kv_heads));
    EXPECT_EQ(config.vocab_size, static_cast<uint32_t>(shape.vocab));
    EXPECT_EQ(config.seq_len, static_cast<uint32_t>(shape.seq_len));
    EXPECT_EQ(config.group_size, static_cast<uint32_t>(shape.group));
    EXPECT_EQ(config.shared_classifier, shape.shared);
    EXPECT_EQ(config.weight_type, shape.version == 2 ? WeightType::kInt8Groups : WeightType::kF32);
    EXPECT_EQ(checkpoint.format, static_cast<CheckpointFormat>(shape.version));
    EXPECT_STRNE(CheckpointFormatName(checkpoint.format), "");
    if (shape.shared) {
      EXPECT_EQ(checkpoint.classifier.offset, checkpoint.embedding.offset);
      EXPECT_EQ(checkpoint.classifier.rows, checkpoint.embedding.rows);
    }
  }
}

// Numbers known from the real files, computed by hand.
TEST(Checkpoint, SizesGoBeyond32Bits) {
  EXPECT_EQ(FileBytes(Shape7B(1)), 256u + 4u * 6738415616u);
  EXPECT_EQ(FileBytes(Shape70B(1)), 256u + 4u * 68976648192u);
  Checkpoint checkpoint;
  ASSERT_TRUE(Parse(MakeHeader(Shape7B(1)), 256u + 4u * 6738415616u, &checkpoint).ok());
  EXPECT_GT(checkpoint.w3.first.offset, uint64_t{1} << 32);
  ASSERT_TRUE(Parse(MakeHeader(Shape70B(1)), 256u + 4u * 68976648192u, &checkpoint).ok());
  // Sizes that differ from the true one by a multiple of 2^32 are not it.
  for (const uint64_t difference : {uint64_t{1} << 32, uint64_t{1} << 33, uint64_t{1} << 36}) {
    ExpectRefused(MakeHeader(Shape70B(1)), 256u + 4u * 68976648192u - difference);
    ExpectRefused(MakeHeader(Shape70B(1)), 256u + 4u * 68976648192u + difference);
  }
}

// What a header with the i-th parameter set to `value` describes; false if nothing can be.
bool WithParameter(ModelShape shape, size_t i, int32_t value, ModelShape* result) {
  int32_t* const fields[] = {&shape.dim,      &shape.hidden_dim, &shape.layers, &shape.heads,
                             &shape.kv_heads, &shape.vocab,      &shape.seq_len};
  if (i == 5 && shape.version == 0) {
    if (value == INT32_MIN) return false;
    shape.shared = value > 0;
    value = value < 0 ? -value : value;
  }
  *fields[i] = value;
  for (const int32_t* field : fields) {
    if (*field < 1) return false;
  }
  *result = shape;
  return true;
}

std::vector<int32_t> HostileValues(std::mt19937* random) {
  std::vector<int32_t> values = {
      0,       1,       -1,      2,       3,          INT32_MIN, INT32_MAX, INT32_MIN + 1,
      1 << 16, 1 << 24, 1 << 28, 1 << 30, -(1 << 30), 65537};
  for (int i = 0; i < 200; ++i) {
    values.push_back(static_cast<int32_t>((*random)() >> (*random)() % 32));
  }
  return values;
}

TEST(Checkpoint, RefusesEveryParameterThatDoesNotFitTheSize) {
  std::mt19937 random(1);
  for (const auto& [name, shape] : AllShapes()) {
    const uint64_t size = FileBytes(shape);
    for (size_t i = 0; i < 7; ++i) {
      for (const int32_t value : HostileValues(&random)) {
        SCOPED_TRACE(testing::Message() << name << ", parameter " << i << " = " << value);
        std::vector<uint8_t> header = MakeHeader(shape);
        PutLe32(&header, ParameterOffset(shape, i), static_cast<uint32_t>(value));
        Checkpoint checkpoint;
        const Status status = Parse(header, size, &checkpoint);
        if (!status.ok()) {
          EXPECT_EQ(status.code(), StatusCode::kCorrupt);
          EXPECT_STRNE(status.message(), "");
          continue;
        }
        // Accepted: then it must describe a file of just this size.
        ModelShape described;
        ASSERT_TRUE(WithParameter(shape, i, value, &described));
        EXPECT_EQ(FileBytes(described), size);
        EXPECT_EQ(checkpoint.bytes, size);
      }
    }
  }
}

// The context's length is no part of these formats' size.
TEST(Checkpoint, AcceptsAnySensibleContextInVersions1And2) {
  for (const int version : {1, 2}) {
    ModelShape shape = Shape7B(version);
    for (const int32_t seq_len : {1, 2, 512, 4096, 131072, 1 << 20}) {
      shape.seq_len = seq_len;
      Checkpoint checkpoint;
      EXPECT_TRUE(Parse(MakeHeader(shape), FileBytes(shape), &checkpoint).ok()) << seq_len;
      EXPECT_EQ(checkpoint.config.seq_len, static_cast<uint32_t>(seq_len));
    }
    for (const int32_t seq_len : {0, -1, INT32_MIN, INT32_MAX}) {
      shape.seq_len = seq_len;
      ExpectRefused(MakeHeader(shape), FileBytes(Shape7B(version)));
    }
  }
}

TEST(Checkpoint, RandomHeadersAreRefusedOrTrue) {
  std::mt19937 random(2);
  const auto small = [&random] { return static_cast<int32_t>(1 + random() % 12); };
  size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    ModelShape shape = {static_cast<int>(random() % 3),
                        2 * small(),
                        small(),
                        small(),
                        small(),
                        small(),
                        small(),
                        small(),
                        random() % 2 == 0,
                        0};
    if (shape.version == 2) shape.group = small();
    const bool sound = shape.dim % shape.heads == 0 && shape.head_size() % 2 == 0 &&
                       shape.heads % shape.kv_heads == 0 && shape.vocab >= 3;
    bool fits = true;
    for (const Stretch& stretch : LayOut(shape)) {
      if (!stretch.quantized) continue;
      fits = fits && stretch.rows * stretch.cols % static_cast<uint64_t>(shape.group) == 0;
    }
    Checkpoint checkpoint;
    const Status status = Parse(MakeHeader(shape), FileBytes(shape), &checkpoint);
    EXPECT_EQ(status.ok(), sound && fits) << status.message();
    accepted += status.ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, 500u);
}

TEST(Checkpoint, RandomBytesAreRefused) {
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> header(random() % 257);
    for (uint8_t& byte : header) byte = static_cast<uint8_t>(random());
    // Half of them pass the first check.
    if (i % 2 == 0 && header.size() >= 8) {
      PutLe32(&header, 0, 0x616b3432);
      PutLe32(&header, 4, 1 + random() % 2);
    }
    ExpectRefused(header, random(), false);
    ExpectRefused(header, (uint64_t{random()} << 32) | random(), true);
  }
}

TEST(Checkpoint, RefusesEveryCutHeader) {
  for (const auto& [name, shape] : SmallShapes()) {
    const std::vector<uint8_t> whole = MakeHeader(shape);
    for (size_t length = 0; length < whole.size(); ++length) {
      SCOPED_TRACE(testing::Message() << name << ", " << length << " bytes");
      const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
      ExpectRefused(cut, length);
      ExpectRefused(cut, length, true);
      ExpectRefused(cut, FileBytes(shape));
    }
    // Legacy headers end before 256 bytes: what follows them is the first tensor.
    for (size_t length = whole.size(); length <= kCheckpointHeaderBytes; ++length) {
      std::vector<uint8_t> longer = whole;
      longer.resize(length, 0xaa);
      Checkpoint checkpoint;
      EXPECT_TRUE(Parse(longer, FileBytes(shape), &checkpoint).ok()) << name << ", " << length;
      ExpectRefused(longer, length);
    }
  }
}

TEST(Checkpoint, RefusesAnEmptyFile) {
  Checkpoint checkpoint;
  const uint8_t none = 0;
  const Status status = ParseCheckpoint(&none, 0, 0, true, &checkpoint);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STRNE(status.message(), "");
}

TEST(Checkpoint, RefusesASizeOffByOne) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    const uint64_t size = FileBytes(shape);
    ExpectRefused(MakeHeader(shape), size - 1);
    ExpectRefused(MakeHeader(shape), size + 1);
    ExpectRefused(MakeHeader(shape), size / 2);
    ExpectRefused(MakeHeader(shape), 0);
    ExpectRefused(MakeHeader(shape), UINT64_MAX);
  }
}

TEST(Checkpoint, TrailingBytesAreAllowedOnRequestAndMissingOnesNever) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    const uint64_t size = FileBytes(shape);
    for (const uint64_t file_bytes : {size, size + 1, size + 4096, UINT64_MAX}) {
      Checkpoint checkpoint;
      EXPECT_TRUE(Parse(MakeHeader(shape), file_bytes, &checkpoint, true).ok()) << file_bytes;
      EXPECT_EQ(checkpoint.bytes, size);
    }
    ExpectRefused(MakeHeader(shape), size - 1, true);
  }
}

TEST(Checkpoint, TheReasonNamesBothSizes) {
  const ModelShape shape = SmallShapes()[0].second;
  const uint64_t size = FileBytes(shape);
  for (const uint64_t wrong : {size - 1, size + 1}) {
    Checkpoint checkpoint;
    const std::string reason = Parse(MakeHeader(shape), wrong, &checkpoint).message();
    EXPECT_NE(reason.find(std::to_string(size)), std::string::npos) << reason;
    EXPECT_NE(reason.find(std::to_string(wrong)), std::string::npos) << reason;
  }
}

TEST(Checkpoint, RefusesUnknownVersions) {
  const ModelShape shape = Shape7B(1);
  for (const uint32_t version : {0u, 3u, 4u, 256u, 0x01000000u, 0xffffffffu}) {
    std::vector<uint8_t> header = MakeHeader(shape);
    PutLe32(&header, 4, version);
    Checkpoint checkpoint;
    const Status status = Parse(header, FileBytes(shape), &checkpoint);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_NE(std::strstr(status.message(), std::to_string(version).c_str()), nullptr)
        << status.message();
  }
}

TEST(Checkpoint, RefusesAnotherMagic) {
  for (const size_t i : {0u, 1u, 2u, 3u}) {
    std::vector<uint8_t> header = MakeHeader(Shape7B(1));
    header[i] ^= 1;
    ExpectRefused(header, FileBytes(Shape7B(1)));
  }
}

TEST(Checkpoint, RefusesSharedFlagsOtherThan0And1) {
  for (const int version : {1, 2}) {
    ModelShape shape = Shape7B(version);
    for (int flag = 0; flag < 256; ++flag) {
      std::vector<uint8_t> header = MakeHeader(shape);
      header[clamma_test::kSharedOffset] = static_cast<uint8_t>(flag);
      shape.shared = flag == 1;
      if (flag > 1) {
        ExpectRefused(header, FileBytes(shape));
        continue;
      }
      Checkpoint checkpoint;
      EXPECT_TRUE(Parse(header, FileBytes(shape), &checkpoint).ok()) << flag;
    }
  }
}

TEST(Checkpoint, RefusesGroupSizesThatDoNotDivide) {
  const ModelShape shape = {2, 32, 48, 2, 4, 2, 50, 64, true, 16};
  for (const int32_t group :
       {3, 5, 7, 17, 24, 63, 1024, 65536, 65537, 0, -1, -16, INT32_MIN, INT32_MAX}) {
    std::vector<uint8_t> header = MakeHeader(shape);
    PutLe32(&header, clamma_test::kGroupOffset, static_cast<uint32_t>(group));
    SCOPED_TRACE(group);
    ExpectRefused(header, FileBytes(shape));
    ExpectRefused(header, UINT64_MAX, true);
  }
}

// Heads must split dim into even sizes, and kv heads must split the heads.
TEST(Checkpoint, RefusesHeadsThatDoNotDivide) {
  for (const auto& [heads, kv_heads] :
       {std::pair{5, 5}, {3, 1}, {32, 32}, {4, 3}, {4, 8}, {64, 1}}) {
    const ModelShape shape = {1, 32, 44, 2, heads, kv_heads, 50, 64, true, 0};
    SCOPED_TRACE(testing::Message() << heads << " heads, " << kv_heads << " kv heads");
    std::vector<uint8_t> header = MakeHeader(shape);
    ExpectRefused(header, FileBytes({1, 32, 44, 2, 4, 4, 50, 64, true, 0}));
    ExpectRefused(header, UINT64_MAX, true);
  }
}

// Products that wrap around 2^64 must not come out as small sizes.
TEST(Checkpoint, RefusesSizesBeyond64Bits) {
  constexpr int32_t kHuge = 1 << 28;
  for (int version = 0; version <= 2; ++version) {
    for (const ModelShape& shape :
         {ModelShape{version, kHuge, kHuge, 1 << 16, 1, 1, 1 << 21, 1 << 24, true, 1},
          ModelShape{version, kHuge, kHuge, 1 << 16, 1 << 16, 1 << 16, 1 << 21, 1, false, 1},
          ModelShape{version, 1 << 27, 1, 1 << 10, 1, 1, 1, 1, true, 1}}) {
      for (const uint64_t size : {uint64_t{28}, uint64_t{256}, uint64_t{1} << 40, UINT64_MAX}) {
        ExpectRefused(MakeHeader(shape), size);
        ExpectRefused(MakeHeader(shape), size, true);
      }
    }
  }
}

}  // namespace
}  // namespace clamma
