// SPDX-License-Identifier: MIT
// Products of float matrices and activations in every table that this machine can run, compared
// with exact arithmetic and, bit for bit, with the documented order of operations and the scalar
// table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/math.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::BytesOf;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::KernelsTest;
using clamma_test::kLine;
using clamma_test::kNaN;
using clamma_test::kRounding;
using clamma_test::PlaceInLine;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::AllTables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

struct FloatProblem {
  FloatProblem(size_t rows, size_t cols, size_t n_tokens, uint32_t seed, size_t misalignment = 0)
      : tokens(n_tokens) {
    Random random(seed);
    weights = random.Normals(rows * cols);
    x = random.Normals(n_tokens * cols);
    bytes = BytesOf(weights, misalignment);
    matrix.data = bytes.data() + misalignment;
    matrix.rows = static_cast<uint32_t>(rows);
    matrix.cols = static_cast<uint32_t>(cols);
    matrix.row_bytes = cols * sizeof(float);
  }

  Floats Solve(const Kernels& kernels) const {
    Floats out(tokens * matrix.rows);
    Multiply(kernels, out.data(), matrix.rows, 0, tokens, 0, matrix.rows);
    return out;
  }

  // Multiplies rows [row_begin, row_end) by n_tokens tokens from `first` on. The first result goes
  // to out.
  void Multiply(const Kernels& kernels, float* out, size_t out_stride, size_t first,
                size_t n_tokens, size_t row_begin, size_t row_end) const {
    const Activations activations = {
        .x = x.data() + first * matrix.cols, .n_tokens = n_tokens, .cols = matrix.cols};
    kernels.matmul[WeightType::kF32](out, out_stride, activations, matrix, row_begin, row_end);
  }

  size_t tokens;
  Floats weights;
  Floats x;  // (tokens, cols)
  Bytes bytes;
  Matrix matrix;
};

struct Shape {
  size_t rows, cols, tokens;
};
constexpr Shape kShapes[] = {{1, 1, 1},     {3, 2, 2},    {5, 7, 1},     {4, 15, 3},
                             {4, 16, 4},    {4, 17, 5},   {7, 31, 2},    {9, 33, 6},
                             {64, 64, 1},   {65, 64, 9},  {172, 64, 7},  {64, 172, 17},
                             {64, 172, 1},  {33, 300, 1}, {37, 36, 1},   {33, 288, 1},
                             {33, 288, 33}, {5, 4096, 2}, {3, 11008, 1}, {13, 1040, 65}};

std::string NameOf(const Shape& shape) {
  return std::to_string(shape.rows) + " x " + std::to_string(shape.cols) + ", " +
         std::to_string(shape.tokens) + " tokens";
}

TEST_P(KernelsTest, MatmulF32IsNearTheExactProduct) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 1);
    const Floats out = problem.Solve(kernels_);
    for (size_t t = 0; t < shape.tokens; ++t) {
      for (size_t row = 0; row < shape.rows; ++row) {
        double sum = 0;
        double size = 0;
        for (size_t k = 0; k < shape.cols; ++k) {
          const double term = static_cast<double>(problem.weights[row * shape.cols + k]) *
                              static_cast<double>(problem.x[t * shape.cols + k]);
          sum += term;
          size += std::abs(term);
        }
        // One rounding for each link of a chain, and four to join the chains.
        const double bound = kRounding * size * static_cast<double>(shape.cols / 16 + 5);
        const auto value = static_cast<double>(out[t * shape.rows + row]);
        ASSERT_NEAR(value, sum, bound) << "token " << t << ", row " << row;
      }
    }
  }
}

TEST_P(KernelsTest, MatmulF32SumsInTheDocumentedOrder) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 2);
    std::vector<float> expected;
    for (size_t t = 0; t < shape.tokens; ++t) {
      for (size_t row = 0; row < shape.rows; ++row) {
        float sums[16] = {};
        for (size_t k = 0; k < shape.cols; ++k) {
          sums[k % 16] = Fma(problem.weights[row * shape.cols + k], problem.x[t * shape.cols + k],
                             sums[k % 16]);
        }
        expected.push_back(Reduce16(sums));
      }
    }
    ExpectSameBits(problem.Solve(kernels_), Floats(expected.begin(), expected.end()));
  }
}

TEST_P(KernelsTest, MatmulF32DoesNotDependOnTheSplitOfRowsOrTheBatch) {
  for (const Shape& shape : {Shape{37, 100, 11}, {19, 528, 68}}) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 3);
    const Floats whole = problem.Solve(kernels_);
    for (const size_t rows_at_once : {1u, 2u, 3u, 4u, 5u, 8u, 16u, 17u, 36u}) {
      for (const size_t tokens_at_once : {1u, 2u, 3u, 4u, 8u, 11u, 16u, 67u}) {
        SCOPED_TRACE(testing::Message()
                     << rows_at_once << " rows, " << tokens_at_once << " tokens");
        Floats out(whole.size());
        for (size_t t = 0; t < shape.tokens; t += tokens_at_once) {
          const size_t tokens = std::min(tokens_at_once, shape.tokens - t);
          for (size_t row = 0; row < shape.rows; row += rows_at_once) {
            problem.Multiply(kernels_, &out[t * shape.rows], shape.rows, t, tokens, row,
                             std::min(row + rows_at_once, shape.rows));
          }
        }
        ExpectSameBits(out, whole);
      }
    }
  }
}

TEST_P(KernelsTest, MatmulF32ReadsWeightsAtAnyAlignment) {
  for (const Shape& s : {Shape{9, 50, 3},
                         {1, 16, 1},
                         {21, 64, 1},
                         {37, 32, 1},
                         {33, 36, 1},
                         {23, 172, 1},
                         {19, 272, 1},
                         {9, 512, 16}}) {
    const Floats aligned = FloatProblem(s.rows, s.cols, s.tokens, 4).Solve(kernels_);
    for (size_t offset = 1; offset <= 64; ++offset) {
      SCOPED_TRACE(testing::Message() << s.rows << " rows of " << s.cols << ", offset " << offset);
      const FloatProblem problem(s.rows, s.cols, s.tokens, 4, offset);
      ASSERT_EQ(PlaceInLine(problem.matrix.data), offset % kLine);
      ExpectSameBits(problem.Solve(kernels_), aligned);
    }
  }
}

// Whole cache lines may be read, including other data in them.
TEST_P(KernelsTest, MatmulF32DoesNotMindWhatLiesBesideTheMatrix) {
  for (const size_t cols : {32u, 36u, 64u, 172u, 272u}) {
    for (size_t offset = 64; offset < 128; offset += 4) {
      SCOPED_TRACE(testing::Message() << cols << " columns, offset " << offset);
      const FloatProblem alone(19, cols, 1, 6);
      Floats around(alone.weights.size() + 64, kNaN);
      std::copy(alone.weights.begin(), alone.weights.end(), around.begin() + offset / 4);
      const Bytes bytes = BytesOf(around, 0);
      FloatProblem beside = alone;
      beside.matrix.data = bytes.data() + offset;
      ExpectSameBits(beside.Solve(kernels_), alone.Solve(kernels_));
    }
  }
}

TEST_P(KernelsTest, MatmulF32WritesItsRowsOnly) {
  for (const Shape& shape :
       {Shape{10, 20, 3}, {37, 36, 1}, {37, 36, 3}, {37, 64, 1}, {29, 528, 50}}) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 5);
    const Floats whole = problem.Solve(kernels_);
    const size_t stride = shape.rows + 3;
    const size_t begin = shape.rows / 5;
    const size_t end = shape.rows - 1;
    Floats expected(shape.tokens * stride, -77);
    Floats out = expected;
    const auto multiply = [&](size_t tokens, size_t from, size_t to) {
      problem.Multiply(kernels_, out.data(), stride, 0, tokens, from, to);
    };
    multiply(shape.tokens, 4, 4);
    multiply(0, 0, shape.rows);
    EXPECT_EQ(out, expected);
    multiply(shape.tokens, begin, end);
    for (size_t t = 0; t < shape.tokens; ++t) {
      for (size_t row = begin; row < end; ++row) {
        expected[t * stride + row] = whole[t * shape.rows + row];
      }
    }
    EXPECT_EQ(out, expected);
  }
}

TEST_P(KernelsTest, MatmulF32GivesTheBitsOfTheScalarTable) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 6);
    ExpectSameBits(problem.Solve(kernels_), problem.Solve(scalar_));
  }
}

struct Sizes {
  std::vector<size_t> rows, cols, tokens;
};

// Heights and batches around the sizes of every table's tiles, for narrow matrices; and wide
// matrices, which are multiplied by chunks of columns.
const Sizes kSizes[] = {
    {{1, 15, 16, 17, 37}, {7, 48, 77, 92}, {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                            13, 14, 15, 16, 17, 18, 19, 20, 63, 64, 65, 130}},
    {{7, 8, 22}, {176, 192, 200, 784, 1552}, {12, 13, 14, 15, 45, 47, 91}},
};

// Ranges of rows that begin anywhere.
TEST_P(KernelsTest, MatmulF32GivesTheBitsOfTheScalarTableForAnyRange) {
  const auto expect_ranges = [this](const FloatProblem& problem) {
    const size_t rows = problem.matrix.rows;
    const Floats expected = problem.Solve(scalar_);
    ExpectSameBits(problem.Solve(kernels_), expected);
    for (const size_t begin : {1u, 5u, 13u}) {
      if (begin >= rows) continue;
      for (const size_t end : {begin + 1, rows}) {
        Floats out = expected;
        for (size_t t = 0; t < problem.tokens; ++t) {
          for (size_t row = begin; row < end; ++row) out[t * rows + row] = kNaN;
        }
        problem.Multiply(kernels_, out.data(), rows, 0, problem.tokens, begin, end);
        ExpectSameBits(out, expected);
      }
    }
  };
  for (const Sizes& sizes : kSizes) {
    for (const size_t rows : sizes.rows) {
      for (const size_t tokens : sizes.tokens) {
        for (const size_t cols : sizes.cols) {
          SCOPED_TRACE(NameOf(Shape{rows, cols, tokens}));
          expect_ranges(FloatProblem(rows, cols, tokens, static_cast<uint32_t>(rows + tokens)));
        }
      }
    }
  }
}

TEST_P(KernelsTest, MatmulF32GivesTheBitsOfTheScalarTableWhateverItIsFed) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    FloatProblem problem(shape.rows, shape.cols, shape.tokens, 7);
    Random random(8);
    problem.x = random.Hostile(problem.x.size(), 50);
    problem.bytes = BytesOf(random.Hostile(problem.weights.size(), 50));
    problem.matrix.data = problem.bytes.data();
    ExpectSameBits(problem.Solve(kernels_), problem.Solve(scalar_));
  }
}

// Underflowing products are zeros with a sign. Sums begin with +0, so adding products of -0 does
// not change them.
TEST_P(KernelsTest, MatmulF32KeepsTheSignOfZero) {
  struct Factors {
    float weight, x;
    bool negative;
  };
  for (const Factors& factors : {Factors{-1e-30f, 1e-30f, true}, Factors{0, -1, false}}) {
    for (const size_t cols : {1u, 5u, 15u, 16u, 17u, 31u, 32u, 40u, 528u}) {
      SCOPED_TRACE(testing::Message() << cols << " columns of " << factors.weight);
      FloatProblem problem(20, cols, cols < 192 ? 7 : 17, 9);
      problem.bytes = BytesOf(Floats(problem.weights.size(), factors.weight));
      problem.matrix.data = problem.bytes.data();
      problem.x = Floats(problem.x.size(), factors.x);
      const Floats out = problem.Solve(kernels_);
      ExpectSameBits(out, problem.Solve(scalar_));
      EXPECT_EQ(std::signbit(out[0]), cols >= 16 && factors.negative);
    }
  }
}

}  // namespace
}  // namespace clamma
