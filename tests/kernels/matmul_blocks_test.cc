// SPDX-License-Identifier: MIT
// Products of matrices of GGUF types and activations: the scalar table is compared with dequantised
// rows in double, and every table that this machine can run with the scalar one, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/weight_types.h"
#include "platform/endian.h"
#include "random_blocks.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::BytesOf;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::Halves;
using clamma_test::HalvesOf;
using clamma_test::kBlockTypes;
using clamma_test::Random;

// Rows of random bytes, except for the scales, which are ordinary numbers.
Bytes RandomRows(WeightType type, size_t rows, size_t cols, Random& random) {
  Bytes bytes(rows * RowBytes(type, cols));
  const auto normal = [&random] { return random.Normal(); };
  clamma_test::FillBlocks(
      type, bytes.data(), bytes.size(),
      [&random] { return static_cast<uint8_t>(random.Below(256)); }, normal, normal);
  return bytes;
}

size_t GroupOf(WeightType type) { return KindOf(type) == ActivationKind::kBlocks256 ? 256 : 32; }

// Returns the products of all rows, computed for [0, cut) and then for the rest.
Floats Products(const Kernels& kernels, const Matrix& w, const Floats& x, size_t n_tokens,
                size_t cut, size_t stride) {
  const Kernels::Quantizer& quantizer = kernels.quantizers[KindOf(w.type)];
  Activations activations = {.x = x.data(), .n_tokens = n_tokens, .cols = w.cols};
  Bytes bytes;
  if (quantizer.quantize != nullptr) {
    const size_t group = GroupOf(w.type);
    const size_t groups = w.cols / group;
    bytes = Bytes(quantizer.bytes(n_tokens, w.cols, group), 0xa5);
    activations.bytes = bytes.data();
    activations.group = group;
    quantizer.quantize(activations, 0, groups / 2);
    quantizer.quantize(activations, groups / 2, groups);
  }
  Floats out(n_tokens * stride, -1.0f);
  kernels.matmul[w.type](out.data(), stride, activations, w, 0, cut);
  kernels.matmul[w.type](out.data(), stride, activations, w, cut, w.rows);
  return out;
}

Matrix MatrixOf(WeightType type, const uint8_t* data, size_t rows, size_t cols) {
  return {.type = type,
          .data = data,
          .rows = static_cast<uint32_t>(rows),
          .cols = static_cast<uint32_t>(cols),
          .row_bytes = RowBytes(type, cols)};
}

std::string NameOf(WeightType type) { return FactsOf(type).name; }

using TypeAndTable = std::tuple<WeightType, const Kernels*>;
class MatmulBlocks : public testing::TestWithParam<TypeAndTable> {};

// For tables that only tests have: the types that they multiply with their own code.
std::vector<TypeAndTable> TypesAndTables() {
  std::vector<TypeAndTable> all;
  for (const WeightType type : kBlockTypes) {
    for (const Kernels* table : clamma_test::Tables()) all.emplace_back(type, table);
    for (const auto& [table, lanes] : clamma_test::VectorTables()) {
      if (clamma_test::IsByVectors(type, lanes)) all.emplace_back(type, table);
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Tables, MatmulBlocks, testing::ValuesIn(TypesAndTables()),
                         [](const testing::TestParamInfo<TypeAndTable>& test) {
                           std::string name = std::get<1>(test.param)->name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return NameOf(std::get<0>(test.param)) + "_" + name;
                         });

TEST_P(MatmulBlocks, GivesTheBitsOfTheScalarTable) {
  const auto [type, kernels] = GetParam();
  Random random(1);
  const size_t block = FactsOf(type).block_cols;
  const std::vector<size_t> widths = block == 1 ? std::vector<size_t>{1, 15, 16, 47, 256, 300, 1000}
                                                : std::vector<size_t>{block, 2 * block, 3 * block};
  for (const size_t cols : widths) {
    for (const size_t rows : {1, 7, 8, 16, 19, 37, 70, 133}) {
      for (const size_t tokens : {1, 2, 3, 4, 5, 8, 9, 13, 16, 17, 65}) {
        const size_t offset = random.Below(7);
        const Bytes weights = RandomRows(type, rows, cols, random);
        const Bytes placed = BytesOf(weights, offset);
        const Matrix w = MatrixOf(type, placed.data() + offset, rows, cols);
        Floats x = random.Normals(tokens * cols);
        const size_t cut = random.Below(rows + 1);
        const size_t stride = rows + random.Below(3);
        SCOPED_TRACE(testing::Message() << rows << " rows of " << cols << ", " << tokens
                                        << " tokens, cut at " << cut << ", offset " << offset);
        ExpectSameBits(Products(*kernels, w, x, tokens, cut, stride),
                       Products(kScalarKernels, w, x, tokens, rows, stride));
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(MatmulBlocks, TreatsHostileActivationsAsTheScalarTableDoes) {
  const auto [type, kernels] = GetParam();
  Random random(2);
  const size_t cols = 512;
  const size_t rows = 40;
  for (const size_t tokens : {1, 3, 9}) {
    const Bytes weights = RandomRows(type, rows, cols, random);
    const Matrix w = MatrixOf(type, weights.data(), rows, cols);
    Floats x = random.Hostile(tokens * cols, 200);
    std::fill_n(x.begin(), 256, 0.0f);                           // no scale
    for (size_t k = 256; k < 512; ++k) x[k] = 1e-40f * (k % 5);  // a scale without an inverse
    ExpectSameBits(Products(*kernels, w, x, tokens, 11, rows),
                   Products(kScalarKernels, w, x, tokens, rows, rows));
  }
}

TEST_P(MatmulBlocks, HoldsTheLargestSums) {
  const auto [type, kernels] = GetParam();
  const size_t cols = 512;
  const size_t rows = 16;
  for (const int byte : {0x00, 0x7f, 0x80, 0xff}) {
    Bytes weights(rows * RowBytes(type, cols), static_cast<uint8_t>(byte));
    const WeightTypeFacts& facts = FactsOf(type);
    for (size_t at = 0; at < weights.size() && facts.block_cols > 1; at += facts.block_bytes) {
      const Halves halves = HalvesOf(type);
      for (const int half : {halves.scale, halves.min}) {
        if (half < 0) continue;
        weights[at + static_cast<size_t>(half)] = 0x00;
        weights[at + static_cast<size_t>(half) + 1] = 0x3c;  // 1
      }
      if (type == WeightType::kMXFP4) weights[at] = 127;
    }
    const Matrix w = MatrixOf(type, weights.data(), rows, cols);
    for (const size_t tokens : {1, 2, 5}) {
      for (const float sign : {1.0f, -1.0f}) {
        const Floats x(tokens * cols, sign);
        ExpectSameBits(Products(*kernels, w, x, tokens, 0, rows),
                       Products(kScalarKernels, w, x, tokens, rows, rows));
      }
    }
  }
}

class MatmulBlocksOfType : public testing::TestWithParam<WeightType> {};
INSTANTIATE_TEST_SUITE_P(Types, MatmulBlocksOfType, testing::ValuesIn(kBlockTypes),
                         [](const auto& test) { return NameOf(test.param); });

// Activations have 8 bits, so the error of a product is about that of 256 of them.
TEST_P(MatmulBlocksOfType, IsNearTheProductOfDequantizedRows) {
  Random random(3);
  const size_t cols = 768;
  const size_t rows = 24;
  const size_t tokens = 3;
  const Bytes weights = RandomRows(GetParam(), rows, cols, random);
  Bytes in_memory = weights;
  if (FactsOf(GetParam()).block_bytes == 2) Le16ToHost(in_memory.data(), rows * cols);
  const Matrix w = MatrixOf(GetParam(), in_memory.data(), rows, cols);
  const Floats x = random.Normals(tokens * cols);
  const Floats out = Products(kScalarKernels, w, x, tokens, rows, rows);
  double error = 0;
  double total = 0;
  for (size_t r = 0; r < rows; ++r) {
    Floats row(cols);
    DequantizeRow(w.type, weights.data() + r * w.row_bytes, cols, row.data());
    for (size_t t = 0; t < tokens; ++t) {
      double exact = 0;
      for (size_t k = 0; k < cols; ++k) exact += double{row[k]} * double{x[t * cols + k]};
      error += std::pow(exact - double{out[t * rows + r]}, 2);
      total += exact * exact;
    }
  }
  EXPECT_LT(std::sqrt(error / total), 0.02);
}

TEST(DequantizeRow, KnowsEachTypesNumbers) {
  struct Case {
    WeightType type;
    std::vector<uint8_t> block;  // its first bytes; the rest is 0
    size_t column;
    float value;
  };
  const Case cases[] = {
      {WeightType::kQ8_0, {0, 0x3c, 0x80, 0x7f}, 0, -128},
      {WeightType::kQ8_0, {0, 0x40, 0x80, 0x7f}, 1, 254},
      {WeightType::kQ4_0, {0, 0x3c, 0xf0}, 0, -8},
      {WeightType::kQ4_0, {0, 0x3c, 0xf0}, 16, 7},
      {WeightType::kQ4_1, {0, 0x3c, 0, 0x40, 0xf3}, 0, 5},
      {WeightType::kQ4_1, {0, 0x3c, 0, 0x40, 0xf3}, 16, 17},
      {WeightType::kQ5_0, {0, 0x3c, 0x01, 0, 0, 0, 0xf0}, 0, 0},
      {WeightType::kQ5_0, {0, 0x3c, 0x00, 0, 0x01, 0, 0xf0}, 16, 15},
      {WeightType::kQ5_1, {0, 0x3c, 0, 0x3c, 0x02, 0, 0, 0, 0x00, 0x03}, 1, 20},
      {WeightType::kIQ4_NL, {0, 0x3c, 0xf0}, 0, -127},
      {WeightType::kIQ4_NL, {0, 0x3c, 0xf0}, 16, 113},
      {WeightType::kMXFP4, {128, 0x7f}, 0, -12},
      {WeightType::kMXFP4, {128, 0x7f}, 16, 12},
      {WeightType::kMXFP4, {0, 0x01}, 0, 0x1p-128f},
      {WeightType::kMXFP4, {1, 0x01}, 0, 0x1p-127f},
      // d 1, dmin 2; of group 0 the scale 3 and the minimum 5.
      {WeightType::kQ4_K, {0, 0x3c, 0, 0x40, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0x07}, 0, 11},
      // Of group 4 the scale 0x3f and the minimum 0x21.
      {WeightType::kQ4_K, {0, 0x3c, 0, 0x40, 0xc0, 0, 0, 0, 0x80, 0, 0, 0, 0x1f}, 128, -66},
  };
  for (const Case& c : cases) {
    std::vector<uint8_t> block = c.block;
    block.resize(FactsOf(c.type).block_bytes);
    Floats row(FactsOf(c.type).block_cols);
    DequantizeRow(c.type, block.data(), row.size(), row.data());
    EXPECT_EQ(row[c.column], c.value) << NameOf(c.type) << " column " << c.column;
  }
  std::vector<uint8_t> q6(210);
  q6[0] = 0x5a;     // column 0 has 10, column 64 has 5
  q6[128] = 0x13;   // ... and 3 and 1 above
  q6[192] = 0xfe;   // the scale -2 of columns 0 to 15
  q6[192 + 4] = 7;  // of columns 64 to 79
  q6[209] = 0x3c;   // d 1
  Floats row(256);
  DequantizeRow(WeightType::kQ6_K, q6.data(), 256, row.data());
  EXPECT_EQ(row[0], -2 * (48 + 10 - 32));
  EXPECT_EQ(row[64], 7 * (16 + 5 - 32));
  std::vector<uint8_t> q2(84);
  q2[0] = 0x53;        // of columns 0 to 15 the scale 3 and the minimum 5
  q2[7] = 0xff;        // of columns 112 to 127 both are 15
  q2[16] = 0x02;       // column 0 has 2
  q2[16 + 17] = 0xc0;  // column 96 + 17 has 3
  q2[8] = 0x0f;        // the scale of columns 128 to 143
  q2[16 + 32] = 0x01;  // column 128 has 1
  q2[81] = 0x3c;       // d 1
  q2[83] = 0x40;       // dmin 2
  DequantizeRow(WeightType::kQ2_K, q2.data(), 256, row.data());
  EXPECT_EQ(row[0], 3 * 2 - 2 * 5);
  EXPECT_EQ(row[113], 15 * 3 - 2 * 15);
  EXPECT_EQ(row[128], 15);
  std::vector<uint8_t> q3(110);
  q3[0] = 0x81;        // columns 0 and 224 have 4
  q3[32] = 0x02;       // column 0 has 2 more
  q3[32 + 32] = 0xc0;  // column 224 has 3 more
  q3[96] = 0x0f;       // scale 0 has 15, scale 8 has 0
  q3[96 + 8] = 0x21;   // ... and 16 and 32 above
  q3[96 + 6] = 0x70;   // scale 14 has 7
  q3[96 + 10] = 0xc0;  // ... and 48 above
  q3[109] = 0x3c;      // d 1
  DequantizeRow(WeightType::kQ3_K, q3.data(), 256, row.data());
  EXPECT_EQ(row[0], (15 + 16 - 32) * 2);
  EXPECT_EQ(row[128], (32 - 32) * -4);
  EXPECT_EQ(row[1], (15 + 16 - 32) * -4);
  EXPECT_EQ(row[224], (7 + 48 - 32) * 3);
  std::vector<uint8_t> iq4(136);
  iq4[1] = 0x3c;           // d 1
  iq4[2] = 0x03;           // 48 of scale 0, none of scale 1
  iq4[3] = 0x80;           // 32 of scale 7
  iq4[4] = 0x72;           // ... and 2 of scale 0, 7 of scale 1
  iq4[8] = 0xf0;           // columns 0 and 16
  iq4[8 + 16] = 0x80;      // columns 32 and 48
  iq4[8 + 7 * 16] = 0x0f;  // column 224
  DequantizeRow(WeightType::kIQ4_XS, iq4.data(), 256, row.data());
  EXPECT_EQ(row[0], (48 + 2 - 32) * -127);
  EXPECT_EQ(row[16], (48 + 2 - 32) * 113);
  EXPECT_EQ(row[48], (7 - 32) * 1);
  EXPECT_EQ(row[224], (32 - 32) * 113);
}

}  // namespace
}  // namespace clamma
