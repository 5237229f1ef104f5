// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "platform/endian.h"
#include "platform/file.h"
#include "temporary_folder.h"
#include "test_models.h"

namespace clamma {
namespace {

using clamma_test::LayOut;
using clamma_test::Stretch;
using clamma_test::TestModel;

// Returns all matrices that a forward pass multiplies.
std::vector<TensorPlace> Matrices(const Weights& weights) {
  std::vector<TensorPlace> all = {weights.MatrixPlace(TensorId::kOutput)};
  for (const TensorId id : {TensorId::kQ, TensorId::kK, TensorId::kV, TensorId::kAttentionOutput,
                            TensorId::kGate, TensorId::kDown, TensorId::kUp}) {
    for (uint32_t layer = 0; layer < weights.config().n_layers; ++layer) {
      all.push_back(weights.MatrixPlace(id, layer));
    }
  }
  return all;
}

uint64_t LargestMatrix(const Weights& weights) {
  uint64_t largest = 0;
  for (const TensorPlace& place : Matrices(weights)) largest = std::max(largest, place.bytes);
  return largest;
}

class WeightsOf : public testing::TestWithParam<TestModel> {
 protected:
  void SetUp() override {
    CLAMMA_NEED_MODEL(GetParam());
    bytes_ = clamma_test::BytesOf(GetParam());
    in_memory_.base = bytes_.data();
    in_memory_.size = bytes_.size();
    ASSERT_TRUE(file_.Open(folder_.Write("model.bin", bytes_).c_str(), "").ok());
    in_file_.file = &file_;
    in_file_.size = file_.size();
  }

  Weights::Options Cached(size_t limit = 0) const {
    Weights::Options options;
    options.use_cache = true;
    options.cache_limit = limit;
    return options;
  }

  Stretch Find(const std::string& name) const {
    for (const Stretch& stretch : LayOut(GetParam().shape)) {
      if (stretch.name == name) return stretch;
    }
    ADD_FAILURE() << "no stretch " << name;
    return {};
  }

  void ExpectNorms(const Weights& weights) {
    const size_t dim = weights.config().dim;
    const auto expect = [&](const float* norm, const std::string& name, size_t first) {
      const Stretch stretch = Find(name);
      for (size_t i = 0; i < dim; ++i) {
        ASSERT_EQ(static_cast<double>(norm[i]),
                  ElementOf(GetParam().shape, bytes_, stretch, first + i))
            << name << ", " << first + i;
      }
    };
    for (uint32_t layer = 0; layer < weights.config().n_layers; ++layer) {
      expect(weights.Vector(TensorId::kAttentionNorm, layer), "attention_norm", layer * dim);
      expect(weights.Vector(TensorId::kFfnNorm, layer), "ffn_norm", layer * dim);
    }
    expect(weights.Vector(TensorId::kOutputNorm), "final_norm", 0);
    EXPECT_EQ(weights.Vector(TensorId::kQBias), nullptr);
    EXPECT_EQ(weights.Vector(TensorId::kFfnNorm, weights.config().n_layers), nullptr);
  }

  void ExpectMatricesOfFile(Weights& weights) {
    for (const TensorPlace& place : Matrices(weights)) {
      AcquiredMatrix acquired;
      const Status status = acquired.Acquire(weights, place);
      ASSERT_TRUE(status.ok()) << status.message();
      const Matrix& matrix = *acquired;
      EXPECT_EQ(matrix.rows, place.rows);
      EXPECT_EQ(matrix.cols, place.cols);
      EXPECT_EQ(matrix.group_size, weights.config().group_size);
      // Returns the data, followed by the scales.
      const bool q80 = weights.config().weight_type == WeightType::kInt8Groups;
      const uint64_t elements = uint64_t{place.rows} * place.cols;
      const std::vector<uint8_t> expected =
          clamma_test::InMachineOrder(&bytes_[place.offset], place.bytes, q80 ? elements : 0);
      ASSERT_EQ(std::memcmp(matrix.data, expected.data(), place.bytes), 0)
          << "offset " << place.offset;
      EXPECT_EQ(matrix.scales, q80 ? matrix.data + elements : nullptr);
    }
  }

  clamma_test::TemporaryFolder folder_;
  std::vector<uint8_t> bytes_;
  ByteSource in_memory_;
  ByteSource in_file_;
  File file_;
  Memory memory_;
};

INSTANTIATE_TEST_SUITE_P(Models, WeightsOf, testing::ValuesIn(clamma_test::TestModels()),
                         clamma_test::NameOf);

// On a big-endian machine these are converted copies.
TEST_P(WeightsOf, InPlaceEveryTensorIsWhereTheFileHasIt) {
  Weights weights;
  const Status status = weights.Open(memory_, in_memory_, {});
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(weights.cached(), kBigEndianHost);
  ExpectMatricesOfFile(weights);
  ExpectNorms(weights);
  Matrix matrix;
  const TensorPlace classifier = weights.MatrixPlace(TensorId::kOutput);
  ASSERT_TRUE(weights.Acquire(classifier, &matrix).ok());
  EXPECT_EQ(matrix.data == bytes_.data() + classifier.offset, !kBigEndianHost);
  weights.Release(classifier);
}

TEST_P(WeightsOf, ThroughTheCacheEveryTensorIsTheSame) {
  Weights weights;
  ASSERT_TRUE(weights.Open(memory_, in_file_, Cached()).ok());
  EXPECT_TRUE(weights.cached());
  ExpectMatricesOfFile(weights);
  ExpectMatricesOfFile(weights);
  ExpectNorms(weights);
  EXPECT_EQ(weights.cache_stats().evictions, 0u);
}

// Saved sessions depend on these values, those of the library's first version.
TEST_P(WeightsOf, FingerprintsStayWhatTheyWere) {
  const std::map<std::string, uint64_t> fingerprints = {
      {"stories260K", 0x35c415c7b782850cu},
      {"stories260K_v1", 0x8eaf3c839d52f114u},
      {"stories260K_q80", 0xe3d38f2440eba9d3u},
      {"stories260K_q80_straddling", 0xbb441f3ab2426c24u},
      {"made_legacy", 0x364aa7c6014bb628u},
      {"made_legacy_unshared", 0x40caa0d64fff05aau},
      {"made_v1", 0xd023f4c8b24d2020u},
      {"made_v1_unshared", 0x8f1a0b5f9b18c1afu},
      {"made_q80", 0x199f02adfd373c68u},
      {"made_q80_unshared", 0x2bcd4cf14d90205du},
      {"made_q80_straddling", 0xef2ef820a7fcc02du},
      {"made_wide", 0xa6a23385bd3e9ff6u},
  };
  for (const ByteSource& source : {in_memory_, in_file_}) {
    Weights weights;
    ASSERT_TRUE(weights.Open(memory_, source, Cached()).ok());
    Checksum checksum;
    ASSERT_TRUE(weights.AddSamples(&checksum).ok());
    EXPECT_EQ(checksum.Value(), fingerprints.at(GetParam().name));
  }
}

// Only rows are read of an embedding that is not the classifier, so it need not fit in the cache.
TEST_P(WeightsOf, TheCacheHoldsWhatIsMultipliedByOnly) {
  Weights weights;
  ASSERT_TRUE(weights.Open(memory_, in_file_, Cached()).ok());
  std::vector<float> row(weights.config().dim);
  ASSERT_TRUE(weights.ReadEmbedding(0, row.data()).ok());
  EXPECT_EQ(weights.cache_stats().bytes, 0u);
  ExpectMatricesOfFile(weights);
  uint64_t total = 0;
  for (const TensorPlace& place : Matrices(weights)) total += place.bytes;
  EXPECT_EQ(weights.cache_stats().bytes, total);
}

TEST_P(WeightsOf, ThroughTheSmallestCacheEveryTensorIsTheSame) {
  Weights in_place;
  ASSERT_TRUE(in_place.Open(memory_, in_memory_, {}).ok());
  const uint64_t largest = LargestMatrix(in_place);
  Weights weights;
  ASSERT_TRUE(weights.Open(memory_, in_file_, Cached(largest)).ok());
  ExpectMatricesOfFile(weights);
  EXPECT_GT(weights.cache_stats().evictions, 0u);
  EXPECT_LE(weights.cache_stats().bytes, largest);
}

TEST_P(WeightsOf, ACacheTooSmallForATensorIsRefusedWithTheSizeNeeded) {
  Weights in_place;
  ASSERT_TRUE(in_place.Open(memory_, in_memory_, {}).ok());
  const uint64_t largest = LargestMatrix(in_place);
  Weights weights;
  const Status status = weights.Open(memory_, in_file_, Cached(largest - 1));
  EXPECT_EQ(status.code(), StatusCode::kLimit);
  EXPECT_NE(std::strstr(status.message(), std::to_string(largest).c_str()), nullptr)
      << status.message();
}

TEST_P(WeightsOf, EmbeddingRowsAreTheFilesElements) {
  Weights in_place;
  Weights cached;
  ASSERT_TRUE(in_place.Open(memory_, in_memory_, {}).ok());
  ASSERT_TRUE(cached.Open(memory_, in_file_, Cached()).ok());
  const Stretch embedding = Find("embedding");
  const size_t dim = in_place.config().dim;
  std::vector<float> row(dim + 1, -1);
  std::vector<float> row_cached(dim + 1, -1);
  for (uint32_t token = 0; token < in_place.config().vocab_size; ++token) {
    ASSERT_TRUE(in_place.ReadEmbedding(token, row.data()).ok());
    ASSERT_TRUE(cached.ReadEmbedding(token, row_cached.data()).ok());
    ASSERT_EQ(row, row_cached) << token;
    for (size_t i = 0; i < dim; ++i) {
      const double exact = ElementOf(GetParam().shape, bytes_, embedding, token * dim + i);
      ASSERT_EQ(row[i], static_cast<float>(exact)) << token << ", " << i;
    }
    ASSERT_EQ(row[dim], -1) << "written beyond the row";
  }
}

TEST_P(WeightsOf, ReadsTheConfiguration) {
  Weights weights;
  ASSERT_TRUE(weights.Open(memory_, in_file_, Cached()).ok());
  const clamma_test::ModelShape& shape = GetParam().shape;
  EXPECT_EQ(weights.config().dim, static_cast<uint32_t>(shape.dim));
  EXPECT_EQ(weights.config().vocab_size, static_cast<uint32_t>(shape.vocab));
  EXPECT_EQ(weights.file().bytes, bytes_.size());
}

TEST_P(WeightsOf, HoldsNothingAfterItsEnd) {
  {
    Weights weights;
    ASSERT_TRUE(weights.Open(memory_, in_file_, Cached()).ok());
    ExpectMatricesOfFile(weights);
    EXPECT_GE(memory_.bytes_in_use(), weights.cache_stats().bytes);
  }
  EXPECT_EQ(memory_.bytes_in_use(), 0u);
}

TEST_P(WeightsOf, RefusesACutFileInEitherMode) {
  for (const size_t missing : {size_t{1}, bytes_.size() / 2, bytes_.size() - 20, bytes_.size()}) {
    SCOPED_TRACE(missing);
    std::vector<uint8_t> cut(bytes_.begin(), bytes_.end() - static_cast<ptrdiff_t>(missing));
    ByteSource source;
    source.base = cut.empty() ? bytes_.data() : cut.data();
    source.size = cut.size();
    Weights in_place;
    EXPECT_EQ(in_place.Open(memory_, source, {}).code(), StatusCode::kCorrupt);
    File file;
    ASSERT_TRUE(file.Open(folder_.Write("cut.bin", cut).c_str(), "").ok());
    ByteSource in_file;
    in_file.file = &file;
    in_file.size = file.size();
    Weights cached;
    EXPECT_EQ(cached.Open(memory_, in_file, Cached()).code(), StatusCode::kCorrupt);
  }
}

TEST_P(WeightsOf, AllowsTrailingBytesOnRequestOnly) {
  std::vector<uint8_t> longer = bytes_;
  longer.resize(longer.size() + 1000, 0xff);
  ByteSource source;
  source.base = longer.data();
  source.size = longer.size();
  Weights::Options options;
  Weights strict;
  EXPECT_FALSE(strict.Open(memory_, source, options).ok());
  options.allow_trailing = true;
  Weights lenient;
  ASSERT_TRUE(lenient.Open(memory_, source, options).ok());
  ExpectMatricesOfFile(lenient);
}

// As a flash partition may have it.
TEST_P(WeightsOf, WorksAtAnyAddress) {
  for (size_t offset = 1; offset < 4; ++offset) {
    std::vector<uint8_t> moved(offset, 0);
    moved.insert(moved.end(), bytes_.begin(), bytes_.end());
    ByteSource source;
    source.base = moved.data() + offset;
    source.size = bytes_.size();
    Weights weights;
    ASSERT_TRUE(weights.Open(memory_, source, {}).ok());
    ExpectMatricesOfFile(weights);
    ExpectNorms(weights);
    std::vector<float> row(weights.config().dim);
    ASSERT_TRUE(weights.ReadEmbedding(3, row.data()).ok());
    EXPECT_EQ(row[1], static_cast<float>(ElementOf(GetParam().shape, bytes_, Find("embedding"),
                                                   3 * row.size() + 1)));
  }
}

TEST_P(WeightsOf, AFileCutShortLaterGivesReadErrors) {
  Weights weights;
  ASSERT_TRUE(weights.Open(memory_, in_file_, Cached()).ok());
  std::filesystem::resize_file(folder_.path("model.bin"), 300);
  Matrix matrix;
  EXPECT_EQ(weights.Acquire(weights.MatrixPlace(TensorId::kUp), &matrix).code(), StatusCode::kIo);
  std::vector<float> row(weights.config().dim);
  EXPECT_EQ(weights.ReadEmbedding(weights.config().vocab_size - 1, row.data()).code(),
            StatusCode::kIo);
}

}  // namespace
}  // namespace clamma
