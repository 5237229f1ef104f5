// SPDX-License-Identifier: MIT
#include "model/files/llama2c.h"

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
Status Parse(const std::vector<uint8_t>& header, uint64_t file_bytes, ModelFile* file,
             bool allow_trailing = false) {
  static Memory memory;
  const std::vector<uint8_t> copy(header);
  return ParseLlama2c(memory, copy.data(), copy.size(), file_bytes, allow_trailing, file);
}

void ExpectRefused(const std::vector<uint8_t>& header, uint64_t file_bytes,
                   bool allow_trailing = false) {
  ModelFile file;
  const Status status = Parse(header, file_bytes, &file, allow_trailing);
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

// Returns where the parser finds each range of the file. The norms of all layers are one range.
std::map<std::string, TensorPlace> PlacesOf(const ModelFile& file) {
  const std::map<TensorId, const char*> names = {
      {TensorId::kAttentionNorm, "attention_norm"},
      {TensorId::kFfnNorm, "ffn_norm"},
      {TensorId::kOutputNorm, "final_norm"},
      {TensorId::kEmbedding, "embedding"},
      {TensorId::kOutput, "classifier"},
      {TensorId::kQ, "wq."},
      {TensorId::kK, "wk."},
      {TensorId::kV, "wv."},
      {TensorId::kAttentionOutput, "wo."},
      {TensorId::kGate, "w1."},
      {TensorId::kDown, "w2."},
      {TensorId::kUp, "w3."},
  };
  std::map<std::string, TensorPlace> places;
  for (const auto& [id, name] : names) {
    const bool of_layers = name[std::strlen(name) - 1] == '.';
    TensorPlace place;
    for (uint32_t layer = 0; file.tensors.Find(id, layer, &place); ++layer) {
      if (IsVector(id) && layer > 0) {
        TensorPlace& first = places[name];
        EXPECT_EQ(place.offset, first.offset + first.bytes);
        first.bytes += place.bytes;
        first.rows += place.rows;
      } else {
        places[of_layers ? name + std::to_string(layer) : name] = place;
      }
    }
  }
  return places;
}

TEST(Llama2c, FindsEveryTensorOfEveryFormat) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    ModelFile file;
    const Status status = Parse(MakeHeader(shape), FileBytes(shape), &file);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(file.bytes, FileBytes(shape));
    std::map<std::string, TensorPlace> places = PlacesOf(file);
    for (const Stretch& stretch : LayOut(shape)) {
      if (stretch.name == "cosines" || stretch.name == "sines") continue;
      ASSERT_TRUE(places.contains(stretch.name)) << stretch.name;
      const TensorPlace& place = places[stretch.name];
      EXPECT_EQ(place.type, stretch.quantized ? WeightType::kInt8Groups : WeightType::kF32);
      EXPECT_EQ(place.file, 0u);
      EXPECT_EQ(place.offset, stretch.offset) << stretch.name;
      EXPECT_EQ(place.bytes, stretch.bytes) << stretch.name;
      EXPECT_EQ(place.rows, stretch.rows) << stretch.name;
      EXPECT_EQ(place.cols, stretch.cols) << stretch.name;
      EXPECT_EQ(place.row_bytes, stretch.cols * (stretch.quantized ? 1 : 4)) << stretch.name;
      places.erase(stretch.name);
    }
    EXPECT_TRUE(places.empty()) << places.begin()->first;
  }
}

TEST(Llama2c, ReadsTheConfiguration) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    ModelFile file;
    ASSERT_TRUE(Parse(MakeHeader(shape), FileBytes(shape), &file).ok());
    const ModelConfig& config = file.config;
    EXPECT_EQ(config.dim, static_cast<uint32_t>(shape.dim));
    EXPECT_EQ(config.n_layers, static_cast<uint32_t>(shape.layers));
    EXPECT_EQ(config.vocab_size, static_cast<uint32_t>(shape.vocab));
    EXPECT_EQ(config.seq_len, static_cast<uint32_t>(shape.seq_len));
    EXPECT_EQ(config.group_size, static_cast<uint32_t>(shape.group));
    EXPECT_EQ(config.shared_classifier, shape.shared);
    EXPECT_EQ(config.weight_type, shape.version == 2 ? WeightType::kInt8Groups : WeightType::kF32);
    EXPECT_EQ(config.order, SumOrder::kLlama2c);
    EXPECT_EQ(config.rope_dims, shape.head_size());
    EXPECT_EQ(config.layers, nullptr);
    const LayerConfig& layer = config.layer(config.n_layers - 1);
    EXPECT_EQ(layer.hidden_dim, static_cast<uint32_t>(shape.hidden_dim));
    EXPECT_EQ(layer.n_heads, static_cast<uint32_t>(shape.heads));
    EXPECT_EQ(layer.n_kv_heads, static_cast<uint32_t>(shape.kv_heads));
    EXPECT_EQ(layer.head_size, shape.head_size());
    constexpr const char* kFormats[] = {"llama2.c legacy", "llama2.c version 1",
                                        "llama2.c version 2"};
    EXPECT_STREQ(file.format, kFormats[shape.version]);
    EXPECT_EQ(file.tensors.Has(TensorId::kOutput), !shape.shared);
  }
}

// A header with the extension that names the tokens of texts, at byte 64.
std::vector<uint8_t> WithTextTokens(const ModelShape& shape, const std::vector<int32_t>& numbers) {
  std::vector<uint8_t> header = MakeHeader(shape);
  PutLe32(&header, 64, 0x736b6f74);
  for (size_t i = 0; i < numbers.size(); ++i) {
    PutLe32(&header, 68 + 4 * i, static_cast<uint32_t>(numbers[i]));
  }
  return header;
}

TEST(Llama2c, ReadsTheTokensThatBeginAndEndTexts) {
  for (const auto& [name, shape] : AllShapes()) {
    if (shape.version == 0) continue;
    SCOPED_TRACE(name);
    ModelFile file;
    ASSERT_TRUE(Parse(MakeHeader(shape), FileBytes(shape), &file).ok());
    EXPECT_EQ(TextTokensOf(file), nullptr);
    const int32_t last = shape.vocab - 1;
    ASSERT_TRUE(Parse(WithTextTokens(shape, {last, 2, 0, last}), FileBytes(shape), &file).ok());
    const TextTokens* tokens = TextTokensOf(file);
    ASSERT_NE(tokens, nullptr);
    EXPECT_EQ(tokens->bos, last);
    ASSERT_EQ(tokens->n_ends, 2u);
    EXPECT_EQ(tokens->ends[0], 0);
    EXPECT_EQ(tokens->ends[1], last);
    ASSERT_TRUE(Parse(WithTextTokens(shape, {-1, 0}), FileBytes(shape), &file).ok());
    EXPECT_EQ(TextTokensOf(file)->bos, -1);
    EXPECT_EQ(TextTokensOf(file)->n_ends, 0u);
    std::vector<int32_t> most(17, 2);
    most[1] = 15;
    ASSERT_TRUE(Parse(WithTextTokens(shape, most), FileBytes(shape), &file).ok());
    EXPECT_EQ(TextTokensOf(file)->n_ends, 15u);
    // Another magic is not one of ours.
    std::vector<uint8_t> other = WithTextTokens(shape, {-9, 99});
    other[64] = 'T';
    ASSERT_TRUE(Parse(other, FileBytes(shape), &file).ok());
    EXPECT_EQ(TextTokensOf(file), nullptr);
  }
}

TEST(Llama2c, RefusesTokensThatTheModelHasNot) {
  const ModelShape shape = Shape7B(1);
  for (const std::vector<int32_t>& numbers : std::vector<std::vector<int32_t>>{
           {-2, 0},
           {32000, 0},
           {INT32_MAX, 0},
           {1, 16},
           {1, -1},
           {1, INT32_MAX},
           {1, 1, -1},
           {1, 1, 32000},
           {1, 3, 2, 3, 40000},
       }) {
    ExpectRefused(WithTextTokens(shape, numbers), FileBytes(shape));
  }
}

// Numbers of the real files, computed by hand.
TEST(Llama2c, SizesGoBeyond32Bits) {
  EXPECT_EQ(FileBytes(Shape7B(1)), 256u + 4u * 6738415616u);
  EXPECT_EQ(FileBytes(Shape70B(1)), 256u + 4u * 68976648192u);
  ModelFile file;
  ASSERT_TRUE(Parse(MakeHeader(Shape7B(1)), 256u + 4u * 6738415616u, &file).ok());
  TensorPlace place;
  ASSERT_TRUE(file.tensors.Find(TensorId::kUp, 0, &place));
  EXPECT_GT(place.offset, uint64_t{1} << 32);
  ASSERT_TRUE(Parse(MakeHeader(Shape70B(1)), 256u + 4u * 68976648192u, &file).ok());
  // Sizes that differ from the right one by a multiple of 2^32 are refused.
  for (const uint64_t difference : {uint64_t{1} << 32, uint64_t{1} << 33, uint64_t{1} << 36}) {
    ExpectRefused(MakeHeader(Shape70B(1)), 256u + 4u * 68976648192u - difference);
    ExpectRefused(MakeHeader(Shape70B(1)), 256u + 4u * 68976648192u + difference);
  }
}

// Sets *result to the shape in a header whose i-th parameter is `value`. Returns false if there can
// be none.
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

TEST(Llama2c, RefusesEveryParameterThatDoesNotFitTheSize) {
  std::mt19937 random(1);
  for (const auto& [name, shape] : AllShapes()) {
    const uint64_t size = FileBytes(shape);
    for (size_t i = 0; i < 7; ++i) {
      for (const int32_t value : HostileValues(&random)) {
        SCOPED_TRACE(testing::Message() << name << ", parameter " << i << " = " << value);
        std::vector<uint8_t> header = MakeHeader(shape);
        PutLe32(&header, ParameterOffset(shape, i), static_cast<uint32_t>(value));
        ModelFile file;
        const Status status = Parse(header, size, &file);
        if (!status.ok()) {
          EXPECT_EQ(status.code(), StatusCode::kCorrupt);
          EXPECT_STRNE(status.message(), "");
          continue;
        }
        // If it is accepted, it must describe a file of exactly this size.
        ModelShape described;
        ASSERT_TRUE(WithParameter(shape, i, value, &described));
        EXPECT_EQ(FileBytes(described), size);
        EXPECT_EQ(file.bytes, size);
      }
    }
  }
}

// In these formats the size does not depend on the context's length.
TEST(Llama2c, AcceptsAnySensibleContextInVersions1And2) {
  for (const int version : {1, 2}) {
    ModelShape shape = Shape7B(version);
    for (const int32_t seq_len : {1, 2, 512, 4096, 131072, 1 << 20}) {
      shape.seq_len = seq_len;
      ModelFile file;
      EXPECT_TRUE(Parse(MakeHeader(shape), FileBytes(shape), &file).ok()) << seq_len;
      EXPECT_EQ(file.config.seq_len, static_cast<uint32_t>(seq_len));
    }
    for (const int32_t seq_len : {0, -1, INT32_MIN, INT32_MAX}) {
      shape.seq_len = seq_len;
      ExpectRefused(MakeHeader(shape), FileBytes(Shape7B(version)));
    }
  }
}

TEST(Llama2c, RandomHeadersAreRefusedOrTrue) {
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
    ModelFile file;
    const Status status = Parse(MakeHeader(shape), FileBytes(shape), &file);
    EXPECT_EQ(status.ok(), sound && fits) << status.message();
    accepted += status.ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, 500u);
}

TEST(Llama2c, RandomBytesAreRefused) {
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

TEST(Llama2c, RefusesEveryCutHeader) {
  for (const auto& [name, shape] : SmallShapes()) {
    const std::vector<uint8_t> whole = MakeHeader(shape);
    for (size_t length = 0; length < whole.size(); ++length) {
      SCOPED_TRACE(testing::Message() << name << ", " << length << " bytes");
      const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
      ExpectRefused(cut, length);
      ExpectRefused(cut, length, true);
      ExpectRefused(cut, FileBytes(shape));
    }
    // Legacy headers end before byte 256: the first tensor follows.
    for (size_t length = whole.size(); length <= kLlama2cHeaderBytes; ++length) {
      std::vector<uint8_t> longer = whole;
      longer.resize(length, 0xaa);
      ModelFile file;
      EXPECT_TRUE(Parse(longer, FileBytes(shape), &file).ok()) << name << ", " << length;
      ExpectRefused(longer, length);
    }
  }
}

TEST(Llama2c, RefusesAnEmptyFile) {
  ModelFile file;
  const uint8_t none = 0;
  Memory memory;
  const Status status = ParseLlama2c(memory, &none, 0, 0, true, &file);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STRNE(status.message(), "");
}

TEST(Llama2c, RefusesASizeOffByOne) {
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

TEST(Llama2c, TrailingBytesAreAllowedOnRequestAndMissingOnesNever) {
  for (const auto& [name, shape] : AllShapes()) {
    SCOPED_TRACE(name);
    const uint64_t size = FileBytes(shape);
    for (const uint64_t file_bytes : {size, size + 1, size + 4096, UINT64_MAX}) {
      ModelFile file;
      EXPECT_TRUE(Parse(MakeHeader(shape), file_bytes, &file, true).ok()) << file_bytes;
      EXPECT_EQ(file.bytes, size);
    }
    ExpectRefused(MakeHeader(shape), size - 1, true);
  }
}

TEST(Llama2c, TheReasonNamesBothSizes) {
  const ModelShape shape = SmallShapes()[0].second;
  const uint64_t size = FileBytes(shape);
  for (const uint64_t wrong : {size - 1, size + 1}) {
    ModelFile file;
    const std::string reason = Parse(MakeHeader(shape), wrong, &file).message();
    EXPECT_NE(reason.find(std::to_string(size)), std::string::npos) << reason;
    EXPECT_NE(reason.find(std::to_string(wrong)), std::string::npos) << reason;
  }
}

TEST(Llama2c, RefusesUnknownVersions) {
  const ModelShape shape = Shape7B(1);
  for (const uint32_t version : {0u, 3u, 4u, 256u, 0x01000000u, 0xffffffffu}) {
    std::vector<uint8_t> header = MakeHeader(shape);
    PutLe32(&header, 4, version);
    ModelFile file;
    const Status status = Parse(header, FileBytes(shape), &file);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_NE(std::strstr(status.message(), std::to_string(version).c_str()), nullptr)
        << status.message();
  }
}

TEST(Llama2c, RefusesAnotherMagic) {
  for (const size_t i : {0u, 1u, 2u, 3u}) {
    std::vector<uint8_t> header = MakeHeader(Shape7B(1));
    header[i] ^= 1;
    ExpectRefused(header, FileBytes(Shape7B(1)));
  }
}

TEST(Llama2c, RefusesSharedFlagsOtherThan0And1) {
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
      ModelFile file;
      EXPECT_TRUE(Parse(header, FileBytes(shape), &file).ok()) << flag;
    }
  }
}

TEST(Llama2c, RefusesGroupSizesThatDoNotDivide) {
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
TEST(Llama2c, RefusesHeadsThatDoNotDivide) {
  for (const auto& [heads, kv_heads] :
       {std::pair{5, 5}, {3, 1}, {32, 32}, {4, 3}, {4, 8}, {64, 1}}) {
    const ModelShape shape = {1, 32, 44, 2, heads, kv_heads, 50, 64, true, 0};
    SCOPED_TRACE(testing::Message() << heads << " heads, " << kv_heads << " kv heads");
    std::vector<uint8_t> header = MakeHeader(shape);
    ExpectRefused(header, FileBytes({1, 32, 44, 2, 4, 4, 50, 64, true, 0}));
    ExpectRefused(header, UINT64_MAX, true);
  }
}

// Products that wrap around 2^64 must not become small sizes.
TEST(Llama2c, RefusesSizesBeyond64Bits) {
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
