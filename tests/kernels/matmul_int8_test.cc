// SPDX-License-Identifier: MIT
// Products of int8 matrices and activations in every table that this machine can run, compared with
// exact arithmetic and, bit for bit, with the documented order of operations and the scalar table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "kernel_fixture.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::BytesOf;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::Guarded;
using clamma_test::KernelsTest;
using clamma_test::kRounding;
using clamma_test::PlaceInLine;
using clamma_test::Quantized;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::AllTables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

struct Int8Shape {
  size_t rows, cols, group, tokens;  // group divides rows * cols
};
constexpr Int8Shape kShapes[] = {
    {1, 1, 1, 1},       {2, 4, 4, 1},       {3, 8, 4, 2},      {4, 12, 8, 3},
    {2, 12, 24, 1},     {10, 6, 4, 5},      {64, 64, 4, 1},    {64, 64, 64, 4},
    {172, 64, 8, 3},    {64, 172, 8, 9},    {64, 172, 4, 2},   {33, 96, 32, 33},
    {16, 288, 96, 5},   {7, 64, 32, 17},    {5, 256, 256, 2},  {8, 160, 1280, 3},
    {4, 4096, 64, 1},   {3, 100, 25, 4},    {6, 70, 60, 2},    {2, 11008, 128, 1},
    {3, 200, 100, 4},   {2, 150, 300, 3},   {4, 132, 66, 2},   {70, 1088, 64, 7},
    {35, 1024, 64, 33}, {33, 576, 32, 12},  {64, 64, 64, 260}, {33, 1024, 64, 1},
    {17, 1088, 64, 1},  {16, 8256, 64, 1},  {18, 9280, 64, 1}, {150, 512, 64, 3},
    {100, 2048, 64, 8}, {139, 1024, 32, 6}, {70, 128, 64, 16}, {34, 32, 32, 5},
    {50, 64, 64, 2},    {49, 128, 32, 12}};

struct Int8Problem {
  // With `exact`, every result is a float, whatever the order of the sum.
  Int8Problem(const Int8Shape& s, uint32_t seed, bool exact, size_t misalignment = 0) : shape(s) {
    Random random(seed);
    group = std::gcd(s.group, s.cols);
    weights = random.Int8s(s.rows * s.cols);
    // The extreme values, next to each other.
    weights[0] = -128;
    weights.back() = 127;
    weight_scales.resize(s.rows * s.cols / s.group);
    for (float& value : weight_scales) value = exact ? Power(random) : std::abs(random.Normal());
    x = random.Normals(s.tokens * s.cols);
    if (exact) MakeExact(random);
    for (const auto sign : {-1.0f, 1.0f}) {  // becomes -127 or 127
      float& value = sign < 0 ? x.front() : x.back();
      value = sign * LargestOfGroup(static_cast<size_t>(&value - x.data()) / group);
    }
    Quantize();
    weight_bytes = BytesOf(weights, misalignment);
    scale_bytes = BytesOf(weight_scales, misalignment);
    matrix = {.type = WeightType::kInt8Groups,
              .data = weight_bytes.data() + misalignment,
              .rows = static_cast<uint32_t>(s.rows),
              .cols = static_cast<uint32_t>(s.cols),
              .row_bytes = s.cols,
              .scales = scale_bytes.data() + misalignment,
              .group_size = static_cast<uint32_t>(s.group)};
  }

  static float Power(Random& random) {
    return std::ldexp(1.0f, -static_cast<int>(random.Below(3)));
  }

  // Numbers that are integers times their group's scale, which is a power of two.
  void MakeExact(Random& random) {
    const Guarded<int8_t> whole = random.Int8s(x.size(), -127);
    float scale = 1;
    for (size_t k = 0; k < x.size(); ++k) {
      if (k % group == 0) scale = Power(random);
      x[k] = scale * static_cast<float>(k % group == 0 ? 127 : whole[k]);
    }
  }

  float LargestOfGroup(size_t g) const {
    float largest = 0;
    for (size_t k = g * group; k < (g + 1) * group; ++k) {
      largest = std::max(largest, std::abs(x[k]));
    }
    return largest;
  }

  // q and the scales, as kernels.h defines them.
  void Quantize() {
    q.resize(x.size());
    scales.resize(x.size() / group);
    for (size_t g = 0; g < scales.size(); ++g) {
      scales[g] = LargestOfGroup(g) / 127.0f;
      for (size_t k = g * group; k < (g + 1) * group; ++k) {
        q[k] = static_cast<int8_t>(scales[g] > 0 ? std::round(x[k] / scales[g]) : 0);
      }
    }
  }

  Quantized Tokens(const Kernels& kernels, size_t begin, size_t end) const {
    return Quantized(kernels, x.data() + begin * shape.cols, end - begin, shape.cols, group);
  }
  Quantized Tokens(const Kernels& kernels) const { return Tokens(kernels, 0, shape.tokens); }

  void Multiply(const Kernels& kernels, float* out, size_t out_stride, const Activations& tokens,
                size_t row_begin, size_t row_end) const {
    kernels.matmul[matrix.type](out, out_stride, tokens, matrix, row_begin, row_end);
  }

  Floats Solve(const Kernels& kernels) const {
    Floats out(shape.tokens * shape.rows);
    Multiply(kernels, out.data(), shape.rows, *Tokens(kernels), 0, shape.rows);
    return out;
  }

  // weight * activation as the formats define them, element by element.
  double Term(size_t row, size_t t, size_t k) const {
    const size_t element = row * shape.cols + k;
    const double weight =
        double{weight_scales[element / shape.group]} * static_cast<double>(weights[element]);
    const size_t at = t * shape.cols + k;
    return weight * double{scales[at / group]} * static_cast<double>(q[at]);
  }

  Int8Shape shape;
  size_t group;  // of the activations
  Guarded<int8_t> weights;
  Floats x;           // (tokens, cols)
  Guarded<int8_t> q;  // (tokens, cols)
  Floats weight_scales;
  Floats scales;  // (tokens, cols / group)
  Bytes weight_bytes;
  Bytes scale_bytes;
  Matrix matrix;
};

std::string NameOf(const Int8Shape& shape) {
  return std::to_string(shape.rows) + " x " + std::to_string(shape.cols) + ", " +
         std::to_string(shape.tokens) + " tokens, groups of " + std::to_string(shape.group);
}

// Expects that rows [begin, end) have the expected results (tokens, rows), and that nothing else is
// written.
void ExpectRange(const Kernels& kernels, const Int8Problem& problem, const Activations& x,
                 const Floats& expected, size_t begin, size_t end) {
  const size_t rows = problem.shape.rows;
  const size_t stride = rows + 5;
  Floats out(x.n_tokens * stride, -77);
  Floats wanted = out;
  for (size_t t = 0; t < x.n_tokens; ++t) {
    for (size_t row = begin; row < end; ++row) wanted[t * stride + row] = expected[t * rows + row];
  }
  problem.Multiply(kernels, out.data(), stride, x, begin, end);
  SCOPED_TRACE(testing::Message() << "rows " << begin << " to " << end);
  ExpectSameBits(out, wanted);
}

TEST_P(KernelsTest, MatmulInt8IsExactWhereFloatsAre) {
  for (const Int8Shape& shape : kShapes) {
    // A quarter of half of 11008 products of up to 127 * 128 needs more than 24 bits.
    if (shape.cols > 64) continue;
    SCOPED_TRACE(NameOf(shape));
    const Int8Problem problem(shape, 1, true);
    const Floats out = problem.Solve(kernels_);
    for (size_t t = 0; t < shape.tokens; ++t) {
      for (size_t row = 0; row < shape.rows; ++row) {
        double sum = 0;
        for (size_t k = 0; k < shape.cols; ++k) sum += problem.Term(row, t, k);
        ASSERT_EQ(static_cast<double>(out[t * shape.rows + row]), sum)
            << "token " << t << ", row " << row;
      }
    }
  }
}

TEST_P(KernelsTest, MatmulInt8IsNearTheExactProduct) {
  for (const Int8Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const Int8Problem problem(shape, 2, false);
    const Floats out = problem.Solve(kernels_);
    const size_t group = problem.group;
    for (size_t t = 0; t < shape.tokens; ++t) {
      for (size_t row = 0; row < shape.rows; ++row) {
        double sum = 0;
        double size = 0;
        for (size_t k = 0; k < shape.cols; k += group) {
          double of_group = 0;
          for (size_t i = k; i < k + group; ++i) of_group += problem.Term(row, t, i);
          sum += of_group;
          size += std::abs(of_group);
        }
        // Three roundings within a group, and one for each sum.
        const double bound = kRounding * size * (4 + static_cast<double>(shape.cols / group));
        ASSERT_NEAR(static_cast<double>(out[t * shape.rows + row]), sum, bound)
            << "token " << t << ", row " << row;
      }
    }
  }
}

TEST_P(KernelsTest, MatmulInt8SumsInTheDocumentedOrder) {
  for (const Int8Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const Int8Problem problem(shape, 3, false);
    const size_t group = problem.group;
    std::vector<float> expected;
    for (size_t t = 0; t < shape.tokens; ++t) {
      for (size_t row = 0; row < shape.rows; ++row) {
        float acc = 0;
        for (size_t k = 0; k < shape.cols; k += group) {
          const size_t element = row * shape.cols + k;
          const size_t at = t * shape.cols + k;
          int32_t sum = 0;
          for (size_t i = 0; i < group; ++i) {
            sum += int32_t{problem.weights[element + i]} * problem.q[at + i];
          }
          const float weight_scale = problem.weight_scales[element / shape.group];
          acc = acc + (static_cast<float>(sum) * weight_scale) * problem.scales[at / group];
        }
        expected.push_back(acc);
      }
    }
    ExpectSameBits(problem.Solve(kernels_), Floats(expected.begin(), expected.end()));
  }
}

// All weights -128 and all activations -127: int16 and saturating instructions would fail.
TEST_P(KernelsTest, MatmulInt8KeepsTheLargestSums) {
  for (const int weight : {-128, -127, 127}) {
    for (const int activation : {-127, 127}) {
      for (const size_t group : {4u, 32u, 64u, 256u, 1024u}) {
        for (const Int8Shape& shape : {Int8Shape{17, 1024, group, 1}, Int8Shape{3, 1024, group, 2},
                                       Int8Shape{17, 1024, group, 2}, Int8Shape{3, 1024, group, 18},
                                       Int8Shape{17, 1024, group, 18}}) {
          SCOPED_TRACE(testing::Message()
                       << weight << " * " << activation << ", " << NameOf(shape));
          Int8Problem problem(shape, 4, true);
          std::fill(problem.weights.begin(), problem.weights.end(), static_cast<int8_t>(weight));
          std::fill(problem.x.begin(), problem.x.end(), static_cast<float>(activation));
          std::fill(problem.scale_bytes.begin(), problem.scale_bytes.end(), uint8_t{0});
          const Floats ones(problem.weight_scales.size(), 1.0f);
          std::memcpy(problem.scale_bytes.data(), ones.data(), ones.size() * 4);
          std::memcpy(problem.weight_bytes.data(), problem.weights.data(), problem.weights.size());
          for (const float value : problem.Solve(kernels_)) {
            ASSERT_EQ(value, static_cast<float>(weight * activation * 1024));
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, MatmulInt8DoesNotDependOnTheSplitOfRowsOrTheBatch) {
  for (const Int8Shape& shape : {Int8Shape{38, 100, 40, 11}, Int8Shape{37, 128, 32, 11}}) {
    const Int8Problem problem(shape, 5, false);
    const Floats whole = problem.Solve(kernels_);
    for (const size_t rows_at_once : {1u, 2u, 3u, 4u, 5u, 8u, 16u, 36u}) {
      for (const size_t tokens_at_once : {1u, 2u, 3u, 4u, 8u, 11u}) {
        SCOPED_TRACE(testing::Message()
                     << NameOf(shape) << ": " << rows_at_once << ", " << tokens_at_once);
        Floats out(whole.size());
        for (size_t t = 0; t < shape.tokens; t += tokens_at_once) {
          const Quantized x =
              problem.Tokens(kernels_, t, std::min(t + tokens_at_once, shape.tokens));
          for (size_t row = 0; row < shape.rows; row += rows_at_once) {
            problem.Multiply(kernels_, &out[t * shape.rows], shape.rows, *x, row,
                             std::min(row + rows_at_once, shape.rows));
          }
        }
        ExpectSameBits(out, whole);
      }
    }
  }
}

TEST_P(KernelsTest, MatmulInt8ReadsWeightsAndScalesAtAnyAlignment) {
  for (const Int8Shape& shape :
       {Int8Shape{10, 12, 8, 3}, Int8Shape{9, 128, 64, 2}, Int8Shape{50, 192, 64, 20}}) {
    const Floats aligned = Int8Problem(shape, 6, false).Solve(kernels_);
    for (size_t offset = 1; offset < 8; ++offset) {
      const Int8Problem problem(shape, 6, false, offset);
      ASSERT_EQ(PlaceInLine(problem.matrix.data), offset);
      ASSERT_EQ(PlaceInLine(problem.matrix.scales), offset);
      ExpectSameBits(problem.Solve(kernels_), aligned);
    }
  }
}

TEST_P(KernelsTest, MatmulInt8OfNoTokenDoesNothing) {
  for (const Int8Shape& shape : {Int8Shape{40, 64, 4, 1}, Int8Shape{40, 64, 32, 1},
                                 Int8Shape{40, 64, 64, 1}, Int8Shape{40, 256, 128, 1}}) {
    SCOPED_TRACE(NameOf(shape));
    const Int8Problem problem(shape, 9, false);
    Floats out(shape.rows, -77);
    problem.Multiply(kernels_, out.data(), shape.rows, *problem.Tokens(kernels_, 0, 0), 0,
                     shape.rows);
    EXPECT_EQ(out, Floats(shape.rows, -77));
  }
}

TEST_P(KernelsTest, MatmulInt8WritesItsRowsOnly) {
  const Int8Problem problem({10, 20, 4, 3}, 7, false);
  const Floats whole = problem.Solve(kernels_);
  constexpr size_t kStride = 13;
  Floats out(3 * kStride, -77);
  const Quantized none = problem.Tokens(kernels_, 0, 0);
  const Quantized all = problem.Tokens(kernels_);
  problem.Multiply(kernels_, out.data(), kStride, *all, 4, 4);
  problem.Multiply(kernels_, out.data(), kStride, *none, 0, 10);
  EXPECT_EQ(out, Floats(3 * kStride, -77));
  problem.Multiply(kernels_, out.data(), kStride, *all, 2, 9);
  for (size_t t = 0; t < 3; ++t) {
    for (size_t i = 0; i < kStride; ++i) {
      const bool written = i >= 2 && i < 9;
      EXPECT_EQ(out[t * kStride + i], written ? whole[t * 10 + i] : -77) << t << ", " << i;
    }
  }
}

TEST_P(KernelsTest, MatmulInt8GivesTheBitsOfTheScalarTable) {
  for (const Int8Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const Int8Problem problem(shape, 8, false);
    ExpectSameBits(problem.Solve(kernels_), problem.Solve(scalar_));
  }
}

// Heights and batches around the sizes of every table's tiles, groups of every width, and ranges of
// rows with any beginning.
TEST_P(KernelsTest, MatmulInt8GivesTheBitsOfTheScalarTableForAnyRange) {
  struct Width {
    size_t cols, group;
  };
  // In the last ones, groups of weights straddle rows: groups of activations have 4, 8, 16, 32, 64
  // and 96 columns, and those of weights up to four times as many, in one row or in several.
  constexpr Width kWidths[] = {{12, 4},    {40, 8},    {48, 16},   {96, 32},   {192, 64},
                               {256, 128}, {512, 256}, {192, 192}, {288, 96},  {20, 8},
                               {24, 16},   {80, 32},   {96, 64},   {192, 128}, {288, 192},
                               {1088, 64}, {32, 64},   {64, 256},  {192, 256}};
  for (const Width& width : kWidths) {
    for (const size_t height : {1u, 15u, 16u, 17u, 37u}) {
      // Groups that straddle rows end with the last row.
      size_t rows = height;
      while (rows * width.cols % width.group != 0) ++rows;
      for (const size_t tokens : {1u,  2u,  3u,  4u,  5u,  6u,  7u,  8u,  9u,  10u, 11u, 12u,
                                  13u, 14u, 15u, 16u, 17u, 18u, 19u, 20u, 63u, 64u, 65u, 130u}) {
        const Int8Shape shape = {rows, width.cols, width.group, tokens};
        SCOPED_TRACE(NameOf(shape));
        const Int8Problem problem(shape, static_cast<uint32_t>(rows + tokens), false);
        const Floats expected = problem.Solve(scalar_);
        ExpectSameBits(problem.Solve(kernels_), expected);
        const Quantized x = problem.Tokens(kernels_);
        for (const size_t begin : {1u, 5u, 13u}) {
          if (begin >= rows) continue;
          for (const size_t end : {begin + 1, rows}) {
            ExpectRange(kernels_, problem, *x, expected, begin, end);
          }
        }
      }
    }
  }
}

// Several tiles of rows. Some rows are in the same memory page (some tables multiply rows that are
// a page apart together, and those in between later), and some groups straddle long rows.
TEST_P(KernelsTest, MatmulInt8GivesTheBitsOfTheScalarTableForRangesOfManyRows) {
  struct Width {
    size_t cols, group;
  };
  constexpr Width kWidths[] = {{256, 32}, {512, 32},  {1024, 32}, {2048, 32}, {256, 64},
                               {512, 64}, {1024, 64}, {2048, 64}, {1056, 64}, {2112, 128}};
  for (const Width& width : kWidths) {
    for (const size_t tokens : {1u, 2u, 4u, 5u, 8u, 9u, 16u, 17u}) {
      const Int8Shape shape = {140, width.cols, width.group, tokens};
      SCOPED_TRACE(NameOf(shape));
      const Int8Problem problem(shape, static_cast<uint32_t>(width.cols + tokens), false);
      const Floats expected = problem.Solve(scalar_);
      const Quantized x = problem.Tokens(kernels_);
      for (const size_t begin : {0u, 1u, 33u, 64u}) {
        for (const size_t end : {97u, 128u, 140u}) {
          ExpectRange(kernels_, problem, *x, expected, begin, end);
        }
      }
    }
  }
}

TEST_P(KernelsTest, MatmulInt8GivesTheBitsOfTheScalarTableWhateverTheScales) {
  for (const Int8Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    Int8Problem problem(shape, 9, false);
    Random random(10);
    problem.x = random.Hostile(problem.x.size(), 20);
    problem.scale_bytes = BytesOf(random.Hostile(problem.weight_scales.size(), 20));
    problem.matrix.scales = problem.scale_bytes.data();
    ExpectSameBits(problem.Solve(kernels_), problem.Solve(scalar_));
  }
}

}  // namespace
}  // namespace clamma
