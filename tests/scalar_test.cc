// SPDX-License-Identifier: MIT
// Every table of kernels that this machine can run: against exact arithmetic, against the
// documented order of operations, and against the scalar table, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/math.h"
#include "model/kv_cache.h"
#include "platform/memory.h"

namespace clamma {
namespace {

constexpr double kRounding = 0x1p-24;  // largest relative error of one rounding to float
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<const Kernels*> Tables() {
  std::vector<const Kernels*> tables = {&kScalarKernels};
  if (&SelectKernels() != tables[0]) tables.push_back(&SelectKernels());
  return tables;
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t Below(size_t n) { return engine_() % n; }
  float Normal(float deviation = 1) { return deviation * normal_(engine_); }
  std::vector<float> Normals(size_t n, float deviation = 1) {
    std::vector<float> values(n);
    for (float& value : values) value = Normal(deviation);
    return values;
  }
  // All of int8's range, or that of quantised activations.
  std::vector<int8_t> Int8s(size_t n, int lowest = -128) {
    std::vector<int8_t> values(n);
    for (int8_t& value : values) {
      value =
          static_cast<int8_t>(lowest + static_cast<int>(Below(static_cast<size_t>(128 - lowest))));
    }
    return values;
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

template <typename T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values, size_t offset = 0) {
  std::vector<uint8_t> bytes(offset + values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(bytes.data() + offset, values.data(), bytes.size() - offset);
  return bytes;
}

bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

void ExpectSameBits(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(SameBits(actual[i], expected[i]))
        << "element " << i << ": " << std::hexfloat << actual[i] << ", expected " << expected[i];
  }
}

class KernelsTest : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(Tables()),
                         [](const testing::TestParamInfo<const Kernels*>& table) {
                           return std::string(table.param->name);
                         });

// --- matmul_f32 ---------------------------------------------------------------------------------

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
  }

  std::vector<float> Solve(const Kernels& kernels) const {
    std::vector<float> out(tokens * matrix.rows);
    kernels.matmul_f32(out.data(), matrix.rows, x.data(), tokens, matrix, 0, matrix.rows);
    return out;
  }

  size_t tokens;
  std::vector<float> weights;
  std::vector<float> x;  // (tokens, cols)
  std::vector<uint8_t> bytes;
  Matrix matrix;
};

struct Shape {
  size_t rows, cols, tokens;
};
constexpr Shape kShapes[] = {{1, 1, 1},     {3, 2, 2},    {5, 7, 1},    {4, 15, 3},
                             {4, 16, 4},    {4, 17, 5},   {7, 31, 2},   {9, 33, 6},
                             {64, 64, 1},   {65, 64, 9},  {172, 64, 7}, {64, 172, 17},
                             {33, 288, 33}, {5, 4096, 2}, {3, 11008, 1}};

std::string NameOf(const Shape& shape) {
  return std::to_string(shape.rows) + " x " + std::to_string(shape.cols) + ", " +
         std::to_string(shape.tokens) + " tokens";
}

TEST_P(KernelsTest, MatmulF32IsNearTheExactProduct) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 1);
    const std::vector<float> out = problem.Solve(kernels_);
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
        // One rounding for each link of the chains, and four for their join.
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
    ExpectSameBits(problem.Solve(kernels_), expected);
  }
}

TEST_P(KernelsTest, MatmulF32DoesNotDependOnTheSplitOfRowsOrTheBatch) {
  const FloatProblem problem(37, 100, 11, 3);
  const std::vector<float> whole = problem.Solve(kernels_);
  const size_t rows = problem.matrix.rows;
  const size_t cols = problem.matrix.cols;
  for (const size_t rows_at_once : {1u, 2u, 3u, 4u, 5u, 8u, 16u, 36u}) {
    for (const size_t tokens_at_once : {1u, 2u, 3u, 4u, 8u, 11u}) {
      SCOPED_TRACE(testing::Message() << rows_at_once << " rows, " << tokens_at_once << " tokens");
      std::vector<float> out(whole.size());
      for (size_t t = 0; t < problem.tokens; t += tokens_at_once) {
        const size_t tokens = std::min(tokens_at_once, problem.tokens - t);
        for (size_t row = 0; row < rows; row += rows_at_once) {
          kernels_.matmul_f32(&out[t * rows], rows, &problem.x[t * cols], tokens, problem.matrix,
                              row, std::min(row + rows_at_once, rows));
        }
      }
      ExpectSameBits(out, whole);
    }
  }
}

TEST_P(KernelsTest, MatmulF32ReadsWeightsAtAnyAlignment) {
  const std::vector<float> aligned = FloatProblem(9, 50, 3, 4).Solve(kernels_);
  for (size_t offset = 1; offset < 8; ++offset) {
    ExpectSameBits(FloatProblem(9, 50, 3, 4, offset).Solve(kernels_), aligned);
  }
}

TEST_P(KernelsTest, MatmulF32WritesItsRowsOnly) {
  const FloatProblem problem(10, 20, 3, 5);
  const std::vector<float> whole = problem.Solve(kernels_);
  constexpr size_t kStride = 13;
  std::vector<float> out(3 * kStride, -77);
  kernels_.matmul_f32(out.data(), kStride, problem.x.data(), 3, problem.matrix, 4, 4);
  kernels_.matmul_f32(out.data(), kStride, problem.x.data(), 0, problem.matrix, 0, 10);
  EXPECT_EQ(out, std::vector<float>(3 * kStride, -77));
  kernels_.matmul_f32(out.data(), kStride, problem.x.data(), 3, problem.matrix, 2, 9);
  for (size_t t = 0; t < 3; ++t) {
    for (size_t i = 0; i < kStride; ++i) {
      const bool written = i >= 2 && i < 9;
      EXPECT_EQ(out[t * kStride + i], written ? whole[t * 10 + i] : -77) << t << ", " << i;
    }
  }
}

TEST_P(KernelsTest, MatmulF32GivesTheBitsOfTheScalarTable) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(NameOf(shape));
    const FloatProblem problem(shape.rows, shape.cols, shape.tokens, 6);
    ExpectSameBits(problem.Solve(kernels_), problem.Solve(kScalarKernels));
  }
}

// --- matmul_q80 ---------------------------------------------------------------------------------

struct Q80Shape {
  size_t rows, cols, group, tokens;  // group divides rows * cols
};
constexpr Q80Shape kQ80Shapes[] = {
    {1, 1, 1, 1},      {2, 4, 4, 1},     {3, 8, 4, 2},     {4, 12, 8, 3},   {2, 12, 24, 1},
    {10, 6, 4, 5},     {64, 64, 4, 1},   {64, 64, 64, 4},  {172, 64, 8, 3}, {64, 172, 8, 9},
    {64, 172, 4, 2},   {33, 96, 32, 33}, {16, 288, 96, 5}, {7, 64, 32, 17}, {5, 256, 256, 2},
    {8, 160, 1280, 3}, {4, 4096, 64, 1}, {3, 100, 25, 4},  {6, 70, 60, 2},  {2, 11008, 128, 1}};

struct Q80Problem {
  // With `exact` every result is a float, in whatever order it is summed.
  Q80Problem(const Q80Shape& s, uint32_t seed, bool exact, size_t misalignment = 0) : shape(s) {
    Random random(seed);
    x.group = std::gcd(s.group, s.cols);
    weights = random.Int8s(s.rows * s.cols);
    q = random.Int8s(s.tokens * s.cols, -127);
    // The extremes, side by side.
    weights[0] = -128;
    q[0] = -127;
    weights.back() = 127;
    q.back() = 127;
    const auto scale = [&]() {
      return exact ? std::ldexp(1.0f, -static_cast<int>(random.Below(3)))
                   : std::abs(random.Normal());
    };
    weight_scales.resize(s.rows * s.cols / s.group);
    for (float& value : weight_scales) value = scale();
    scales.resize(s.tokens * s.cols / x.group);
    for (float& value : scales) value = scale();
    x.q = q.data();
    x.scales = scales.data();
    weight_bytes = BytesOf(weights, misalignment);
    scale_bytes = BytesOf(weight_scales, misalignment);
    matrix.data = weight_bytes.data() + misalignment;
    matrix.scales = scale_bytes.data() + misalignment;
    matrix.rows = static_cast<uint32_t>(s.rows);
    matrix.cols = static_cast<uint32_t>(s.cols);
    matrix.group_size = static_cast<uint32_t>(s.group);
  }

  std::vector<float> Solve(const Kernels& kernels) const {
    std::vector<float> out(shape.tokens * shape.rows);
    kernels.matmul_q80(out.data(), shape.rows, x, shape.tokens, matrix, 0, shape.rows);
    return out;
  }

  // weight * activation as the formats define them, element by element.
  double Term(size_t row, size_t t, size_t k) const {
    const size_t element = row * shape.cols + k;
    const double weight =
        double{weight_scales[element / shape.group]} * static_cast<double>(weights[element]);
    const size_t at = t * shape.cols + k;
    return weight * double{scales[at / x.group]} * static_cast<double>(q[at]);
  }

  Q80Shape shape;
  std::vector<int8_t> weights;
  std::vector<int8_t> q;
  std::vector<float> weight_scales;
  std::vector<float> scales;
  std::vector<uint8_t> weight_bytes;
  std::vector<uint8_t> scale_bytes;
  QuantizedRows x;
  Matrix matrix;
};

std::string NameOf(const Q80Shape& shape) {
  return NameOf(Shape{shape.rows, shape.cols, shape.tokens}) + ", groups of " +
         std::to_string(shape.group);
}

TEST_P(KernelsTest, MatmulQ80IsExactWhereFloatsAre) {
  for (const Q80Shape& shape : kQ80Shapes) {
    // 11008 products of up to 127 * 128, in quarters of halves, need more than 24 bits.
    if (shape.cols > 64) continue;
    SCOPED_TRACE(NameOf(shape));
    const Q80Problem problem(shape, 1, true);
    const std::vector<float> out = problem.Solve(kernels_);
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

TEST_P(KernelsTest, MatmulQ80IsNearTheExactProduct) {
  for (const Q80Shape& shape : kQ80Shapes) {
    SCOPED_TRACE(NameOf(shape));
    const Q80Problem problem(shape, 2, false);
    const std::vector<float> out = problem.Solve(kernels_);
    const size_t group = problem.x.group;
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

TEST_P(KernelsTest, MatmulQ80SumsInTheDocumentedOrder) {
  for (const Q80Shape& shape : kQ80Shapes) {
    SCOPED_TRACE(NameOf(shape));
    const Q80Problem problem(shape, 3, false);
    const size_t group = problem.x.group;
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
    ExpectSameBits(problem.Solve(kernels_), expected);
  }
}

// All weights -128 and all activations -127: where an int16 or a saturating instruction breaks.
TEST_P(KernelsTest, MatmulQ80KeepsTheLargestSums) {
  for (const int weight : {-128, -127, 127}) {
    for (const int activation : {-127, 127}) {
      for (const size_t group : {4u, 32u, 64u, 256u, 1024u}) {
        SCOPED_TRACE(testing::Message() << weight << " * " << activation << " * " << group);
        Q80Problem problem({3, 1024, group, 2}, 4, true);
        std::fill(problem.weights.begin(), problem.weights.end(), static_cast<int8_t>(weight));
        std::fill(problem.q.begin(), problem.q.end(), static_cast<int8_t>(activation));
        std::fill(problem.scale_bytes.begin(), problem.scale_bytes.end(), uint8_t{0});
        const std::vector<float> ones(problem.weight_scales.size(), 1.0f);
        std::memcpy(problem.scale_bytes.data(), ones.data(), ones.size() * 4);
        std::fill(problem.scales.begin(), problem.scales.end(), 1.0f);
        std::memcpy(problem.weight_bytes.data(), problem.weights.data(), problem.weights.size());
        for (const float value : problem.Solve(kernels_)) {
          ASSERT_EQ(value, static_cast<float>(weight * activation * 1024));
        }
      }
    }
  }
}

TEST_P(KernelsTest, MatmulQ80DoesNotDependOnTheSplitOfRowsOrTheBatch) {
  for (const Q80Shape& shape : {Q80Shape{38, 100, 40, 11}, Q80Shape{37, 128, 32, 11}}) {
    const Q80Problem problem(shape, 5, false);
    const std::vector<float> whole = problem.Solve(kernels_);
    for (const size_t rows_at_once : {1u, 2u, 3u, 4u, 5u, 8u, 16u, 36u}) {
      for (const size_t tokens_at_once : {1u, 2u, 3u, 4u, 8u, 11u}) {
        SCOPED_TRACE(testing::Message()
                     << NameOf(shape) << ": " << rows_at_once << ", " << tokens_at_once);
        std::vector<float> out(whole.size());
        for (size_t t = 0; t < shape.tokens; t += tokens_at_once) {
          QuantizedRows x = problem.x;
          x.q += t * shape.cols;
          x.scales += t * (shape.cols / x.group);
          for (size_t row = 0; row < shape.rows; row += rows_at_once) {
            kernels_.matmul_q80(&out[t * shape.rows], shape.rows, x,
                                std::min(tokens_at_once, shape.tokens - t), problem.matrix, row,
                                std::min(row + rows_at_once, shape.rows));
          }
        }
        ExpectSameBits(out, whole);
      }
    }
  }
}

TEST_P(KernelsTest, MatmulQ80ReadsWeightsAndScalesAtAnyAlignment) {
  for (const Q80Shape& shape : {Q80Shape{10, 12, 8, 3}, Q80Shape{9, 128, 64, 2}}) {
    const std::vector<float> aligned = Q80Problem(shape, 6, false).Solve(kernels_);
    for (size_t offset = 1; offset < 8; ++offset) {
      ExpectSameBits(Q80Problem(shape, 6, false, offset).Solve(kernels_), aligned);
    }
  }
}

TEST_P(KernelsTest, MatmulQ80WritesItsRowsOnly) {
  const Q80Problem problem({10, 20, 4, 3}, 7, false);
  const std::vector<float> whole = problem.Solve(kernels_);
  constexpr size_t kStride = 13;
  std::vector<float> out(3 * kStride, -77);
  kernels_.matmul_q80(out.data(), kStride, problem.x, 3, problem.matrix, 4, 4);
  kernels_.matmul_q80(out.data(), kStride, problem.x, 0, problem.matrix, 0, 10);
  EXPECT_EQ(out, std::vector<float>(3 * kStride, -77));
  kernels_.matmul_q80(out.data(), kStride, problem.x, 3, problem.matrix, 2, 9);
  for (size_t t = 0; t < 3; ++t) {
    for (size_t i = 0; i < kStride; ++i) {
      const bool written = i >= 2 && i < 9;
      EXPECT_EQ(out[t * kStride + i], written ? whole[t * 10 + i] : -77) << t << ", " << i;
    }
  }
}

TEST_P(KernelsTest, MatmulQ80GivesTheBitsOfTheScalarTable) {
  for (const Q80Shape& shape : kQ80Shapes) {
    SCOPED_TRACE(NameOf(shape));
    const Q80Problem problem(shape, 8, false);
    ExpectSameBits(problem.Solve(kernels_), problem.Solve(kScalarKernels));
  }
}

// --- quantize -----------------------------------------------------------------------------------

struct Quantized {
  Quantized(const Kernels& kernels, const std::vector<float>& x, size_t group)
      : q(x.size()), scales(x.size() / group) {
    kernels.quantize(q.data(), scales.data(), x.data(), x.size(), group);
  }
  std::vector<int8_t> q;
  std::vector<float> scales;
};

TEST_P(KernelsTest, QuantizeRoundsToTheNearestStep) {
  Random random(1);
  for (const size_t group : {1u, 2u, 4u, 8u, 32u, 64u, 100u, 256u}) {
    for (int round = 0; round < 50; ++round) {
      const std::vector<float> x = random.Normals(6 * group, std::exp2(random.Normal(10)));
      const Quantized result(kernels_, x, group);
      for (size_t g = 0; g < 6; ++g) {
        float largest = 0;
        for (size_t k = g * group; k < (g + 1) * group; ++k) {
          largest = std::max(largest, std::abs(x[k]));
        }
        ASSERT_EQ(result.scales[g], largest / 127.0f);
        for (size_t k = g * group; k < (g + 1) * group; ++k) {
          ASSERT_EQ(static_cast<float>(result.q[k]), std::round(x[k] / result.scales[g]))
              << x[k] << " / " << result.scales[g];
        }
      }
    }
  }
}

TEST_P(KernelsTest, QuantizeRoundsTiesAwayFromZero) {
  const std::vector<float> x = {127,   0.5f,   1.5f,    2.5f,        -0.5f,        -1.5f,
                                -2.5f, 126.5f, -126.5f, 0.49999997f, -0.49999997f, 1.4999999f,
                                -127,  0,      -0.0f,   63};
  const Quantized result(kernels_, x, 16);
  EXPECT_EQ(result.scales[0], 1.0f);
  EXPECT_EQ(result.q,
            (std::vector<int8_t>{127, 1, 2, 3, -1, -2, -3, 127, -127, 0, 0, 1, -127, 0, 0, 63}));
}

TEST_P(KernelsTest, QuantizeOfAZeroGroupIsZero) {
  const std::vector<float> x = {0, -0.0f, 0, 0, 1, 2, 3, 4};
  const Quantized result(kernels_, x, 4);
  EXPECT_EQ(result.scales[0], 0.0f);
  EXPECT_EQ(std::vector<int8_t>(result.q.begin(), result.q.begin() + 4), std::vector<int8_t>(4));
  EXPECT_EQ(result.q[7], 127);
}

TEST_P(KernelsTest, QuantizeStaysInRangeWhateverItIsFed) {
  const float hostile[] = {kNaN,   -kNaN,   kInfinity, -kInfinity, 3.4e38f, -3.4e38f,
                           1e-45f, -1e-45f, 1e-38f,    0,          1,       -1};
  Random random(2);
  for (int round = 0; round < 20000; ++round) {
    std::vector<float> x(16);
    for (float& value : x) value = hostile[random.Below(std::size(hostile))];
    const Quantized result(kernels_, x, 8);
    for (const int8_t q : result.q) ASSERT_NE(q, -128);
    const Quantized scalar(kScalarKernels, x, 8);
    ASSERT_EQ(result.q, scalar.q);
    ExpectSameBits(result.scales, scalar.scales);
  }
}

// A NaN in one group leaves the others alone.
TEST_P(KernelsTest, QuantizeKeepsGroupsApart) {
  Random random(3);
  std::vector<float> x = random.Normals(24);
  const Quantized before(kernels_, x, 8);
  x[9] = kNaN;
  x[12] = kInfinity;
  const Quantized after(kernels_, x, 8);
  for (const size_t k : {0u, 7u, 16u, 23u}) EXPECT_EQ(after.q[k], before.q[k]) << k;
  EXPECT_EQ(after.scales[0], before.scales[0]);
  EXPECT_EQ(after.scales[2], before.scales[2]);
}

TEST_P(KernelsTest, QuantizeGivesTheBitsOfTheScalarTable) {
  Random random(4);
  for (const size_t group : {1u, 4u, 7u, 32u, 64u, 128u}) {
    const std::vector<float> x = random.Normals(group * 40);
    const Quantized result(kernels_, x, group);
    const Quantized scalar(kScalarKernels, x, group);
    EXPECT_EQ(result.q, scalar.q) << group;
    ExpectSameBits(result.scales, scalar.scales);
  }
}

// --- rmsnorm, rope, swiglu, add -----------------------------------------------------------------

constexpr size_t kLengths[] = {1, 2, 3, 15, 16, 17, 31, 64, 100, 172, 288, 1000, 4096};

TEST_P(KernelsTest, RmsNormDividesByTheRootOfTheMeanSquare) {
  Random random(1);
  for (const size_t n : kLengths) {
    const std::vector<float> x = random.Normals(n, 3);
    const std::vector<float> weight = random.Normals(n);
    std::vector<float> out(n);
    kernels_.rmsnorm(out.data(), x.data(), weight.data(), n, 1e-5f);
    double squares = 0;
    for (const float value : x) squares += double{value} * double{value};
    const double root = std::sqrt(squares / static_cast<double>(n) + double{1e-5f});
    for (size_t i = 0; i < n; ++i) {
      const double exact = double{weight[i]} * double{x[i]} / root;
      const double bound = kRounding * (static_cast<double>(n) / 2 + 6) * std::abs(exact);
      ASSERT_NEAR(static_cast<double>(out[i]), exact, bound) << i << " of " << n;
    }
    std::vector<float> scalar(n);
    kScalarKernels.rmsnorm(scalar.data(), x.data(), weight.data(), n, 1e-5f);
    ExpectSameBits(out, scalar);
    // In place.
    std::vector<float> same = x;
    kernels_.rmsnorm(same.data(), same.data(), weight.data(), n, 1e-5f);
    ExpectSameBits(same, out);
  }
}

TEST_P(KernelsTest, RmsNormOfZerosIsZero) {
  const std::vector<float> weight(20, 2);
  std::vector<float> x(20);
  kernels_.rmsnorm(x.data(), x.data(), weight.data(), 20, 1e-5f);
  EXPECT_EQ(x, std::vector<float>(20));
}

TEST_P(KernelsTest, RopeTurnsEachPairOfEveryHeadByItsAngle) {
  Random random(2);
  for (const size_t head_size : {2u, 4u, 8u, 18u, 48u, 64u, 128u}) {
    for (const size_t heads : {1u, 2u, 5u}) {
      std::vector<float> cosines(head_size / 2);
      std::vector<float> sines(head_size / 2);
      for (size_t i = 0; i < head_size / 2; ++i) {
        SinCos(std::abs(random.Normal(100)), &sines[i], &cosines[i]);
      }
      const std::vector<float> x = random.Normals(heads * head_size);
      std::vector<float> out = x;
      kernels_.rope(out.data(), cosines.data(), sines.data(), heads, head_size);
      for (size_t k = 0; k < x.size(); k += 2) {
        const double c = double{cosines[k % head_size / 2]};
        const double s = double{sines[k % head_size / 2]};
        const double a = double{x[k]};
        const double b = double{x[k + 1]};
        const double bound = 2 * kRounding * (std::abs(a) + std::abs(b));
        ASSERT_NEAR(static_cast<double>(out[k]), a * c - b * s, bound) << k << ", " << head_size;
        ASSERT_NEAR(static_cast<double>(out[k + 1]), a * s + b * c, bound)
            << k << ", " << head_size;
      }
      std::vector<float> scalar = x;
      kScalarKernels.rope(scalar.data(), cosines.data(), sines.data(), heads, head_size);
      ExpectSameBits(out, scalar);
    }
  }
}

TEST_P(KernelsTest, RopeByNoAngleChangesNothing) {
  Random random(3);
  const std::vector<float> x = random.Normals(3 * 16);
  std::vector<float> out = x;
  const std::vector<float> ones(8, 1);
  const std::vector<float> zeros(8, 0);
  kernels_.rope(out.data(), ones.data(), zeros.data(), 3, 16);
  EXPECT_EQ(out, x);
}

TEST_P(KernelsTest, SwiGluGatesByTheSigmoid) {
  Random random(4);
  for (const size_t n : kLengths) {
    const std::vector<float> gate = random.Normals(n, 8);
    const std::vector<float> up = random.Normals(n);
    std::vector<float> out = gate;
    kernels_.swiglu(out.data(), up.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const double g = double{gate[i]};
      const double exact = g / (1 + std::exp(-g)) * double{up[i]};
      ASSERT_NEAR(static_cast<double>(out[i]), exact, 8 * kRounding * std::abs(exact))
          << gate[i] << ", " << up[i];
    }
    std::vector<float> scalar = gate;
    kScalarKernels.swiglu(scalar.data(), up.data(), n);
    ExpectSameBits(out, scalar);
  }
}

TEST_P(KernelsTest, SwiGluIsOffFarBelowZeroAndOnFarAbove) {
  std::vector<float> gate = {-80, -90, -100, -200, -1000, 0, -0.0f, 100, 1000, 1e10f};
  const std::vector<float> x = gate;
  const std::vector<float> up(gate.size(), 1);
  kernels_.swiglu(gate.data(), up.data(), gate.size());
  for (size_t i = 0; i < 7; ++i) EXPECT_NEAR(gate[i], 0, 1e-30) << x[i];
  for (size_t i = 7; i < x.size(); ++i) EXPECT_EQ(gate[i], x[i]);
}

TEST_P(KernelsTest, AddAddsElementByElement) {
  Random random(5);
  for (const size_t n : kLengths) {
    const std::vector<float> x = random.Normals(n);
    const std::vector<float> y = random.Normals(n);
    std::vector<float> out = x;
    kernels_.add(out.data(), y.data(), n);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], x[i] + y[i]) << i << " of " << n;
  }
  float untouched = 5;
  kernels_.add(&untouched, &untouched, 0);
  EXPECT_EQ(untouched, 5);
}

// --- softmax ------------------------------------------------------------------------------------

TEST_P(KernelsTest, SoftmaxGivesProbabilities) {
  Random random(1);
  for (const size_t n : {1u, 2u, 3u, 15u, 16u, 17u, 100u, 512u, 32000u}) {
    for (const float deviation : {0.1f, 1.0f, 30.0f}) {
      SCOPED_TRACE(testing::Message() << n << " of " << deviation);
      const std::vector<float> x = random.Normals(n, deviation);
      std::vector<float> out = x;
      kernels_.softmax(out.data(), n);
      const double largest = double{*std::max_element(x.begin(), x.end())};
      double total = 0;
      for (const float value : x) total += std::exp(double{value} - largest);
      for (size_t i = 0; i < n; ++i) {
        const double exact = std::exp(double{x[i]} - largest) / total;
        // The difference to the largest is rounded, too, and exp() makes that relative.
        const double relative = kRounding * (static_cast<double>(n) / 2 + 8 + 10 * deviation);
        ASSERT_NEAR(static_cast<double>(out[i]), exact, relative * exact + 1e-37) << x[i];
      }
      std::vector<float> scalar = x;
      kScalarKernels.softmax(scalar.data(), n);
      ExpectSameBits(out, scalar);
    }
  }
}

TEST_P(KernelsTest, SoftmaxOfEqualsIsEven) {
  for (const float value : {0.0f, 1e30f, -1e30f, 3.4e38f}) {
    std::vector<float> x(8, value);
    kernels_.softmax(x.data(), x.size());
    EXPECT_EQ(x, std::vector<float>(8, 0.125f)) << value;
  }
}

TEST_P(KernelsTest, SoftmaxOfWhatIsNoNumberIsZero) {
  std::vector<float> x = {kNaN, 1, -kInfinity, 1, -kNaN, kNaN, -1000};
  kernels_.softmax(x.data(), x.size());
  EXPECT_EQ(x, (std::vector<float>{0, 0.5f, 0, 0.5f, 0, 0, 0}));
}

// --- attention ----------------------------------------------------------------------------------

// One kv head's keys and values for some positions, in a KV cache.
class Context {
 public:
  Context(size_t positions, size_t head_size, KvType type, Random& random, float deviation = 1)
      : head_size_(head_size), type_(type) {
    ModelConfig config;
    config.dim = static_cast<uint32_t>(2 * head_size);
    config.n_heads = 2;
    config.n_kv_heads = 2;
    config.n_layers = 2;
    cache_.Init(memory_, config, type);
    EXPECT_TRUE(cache_.Reserve(positions).ok());
    for (size_t position = 0; position < positions; ++position) {
      Put(position, random.Normals(head_size, deviation), random.Normals(head_size));
    }
  }

  void Put(size_t position, const std::vector<float>& key, const std::vector<float>& value) {
    // Head 1 of layer 1 is the one in question; its neighbour must not matter.
    std::vector<float> keys(head_size_, kNaN);
    std::vector<float> values(head_size_, kNaN);
    keys.insert(keys.end(), key.begin(), key.end());
    values.insert(values.end(), value.begin(), value.end());
    cache_.Store(1, position, keys.data(), values.data());
    keys_.resize(std::max(keys_.size(), position + 1));
    values_.resize(keys_.size());
    keys_[position] = Rounded(key);
    values_[position] = Rounded(value);
  }

  std::vector<float> Attend(const Kernels& kernels, const std::vector<float>& q,
                            size_t n_positions) const {
    AttentionInput input;
    cache_.Attend(1, 1, n_positions, &input);
    input.q = q.data();
    std::vector<float> out(head_size_, kNaN);
    const size_t blocks = (n_positions + kKvBlock - 1) / kKvBlock;
    std::vector<float> scores(blocks * kKvBlock, kNaN);
    kernels.attention(out.data(), scores.data(), input);
    return out;
  }

  std::vector<double> Exact(const std::vector<float>& q, size_t n_positions) const {
    std::vector<double> scores(n_positions);
    for (size_t p = 0; p < n_positions; ++p) {
      double dot = 0;
      for (size_t d = 0; d < head_size_; ++d) dot += double{q[d]} * double{keys_[p][d]};
      scores[p] = dot / std::sqrt(static_cast<double>(head_size_));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    std::vector<double> out(head_size_);
    for (size_t p = 0; p < n_positions; ++p) {
      const double weight = std::exp(scores[p] - largest);
      total += weight;
      for (size_t d = 0; d < head_size_; ++d) out[d] += weight * double{values_[p][d]};
    }
    for (double& value : out) value /= total;
    return out;
  }

 private:
  std::vector<float> Rounded(std::vector<float> vector) const {
    if (type_ == KvType::kF16) {
      for (float& value : vector) value = HalfToFloat(FloatToHalf(value));
    }
    return vector;
  }

  size_t head_size_;
  KvType type_;
  Memory memory_;
  KvCache cache_;
  std::vector<std::vector<float>> keys_;  // as the cache holds them
  std::vector<std::vector<float>> values_;
};

void ExpectNear(const std::vector<float>& actual, const std::vector<double>& exact, double bound) {
  for (size_t d = 0; d < actual.size(); ++d) {
    ASSERT_NEAR(static_cast<double>(actual[d]), exact[d], bound) << "element " << d;
  }
}

TEST_P(KernelsTest, AttentionMixesValuesBySoftmax) {
  Random random(1);
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const size_t head_size : {2u, 8u, 18u, 48u, 64u, 128u}) {
      const Context context(100, head_size, type, random);
      for (size_t n = 1; n <= 100; ++n) {
        SCOPED_TRACE(testing::Message() << n << " positions, head of " << head_size << ", half "
                                        << (type == KvType::kF16));
        const std::vector<float> q = random.Normals(head_size);
        const std::vector<float> out = context.Attend(kernels_, q, n);
        ExpectNear(out, context.Exact(q, n), 3e-6);
        ExpectSameBits(out, context.Attend(kScalarKernels, q, n));
      }
    }
  }
}

TEST_P(KernelsTest, AttentionHoldsForLongContexts) {
  Random random(2);
  const Context context(1500, 16, KvType::kF32, random);
  for (const size_t n : {256u, 257u, 1024u, 1499u, 1500u}) {
    const std::vector<float> q = random.Normals(16);
    ExpectNear(context.Attend(kernels_, q, n), context.Exact(q, n), 3e-6);
  }
}

TEST_P(KernelsTest, AttentionHoldsForSharpScores) {
  Random random(3);
  for (const float deviation : {10.0f, 1000.0f, 30000.0f}) {
    const Context context(100, 16, KvType::kF32, random, deviation);
    for (const size_t n : {1u, 31u, 32u, 33u, 64u, 65u, 100u}) {
      SCOPED_TRACE(testing::Message() << n << " positions, " << deviation);
      const std::vector<float> q = random.Normals(16);
      // A score's error grows with the score, and so does its effect where two compete.
      ExpectNear(context.Attend(kernels_, q, n), context.Exact(q, n), 3e-6 * double{deviation});
    }
  }
}

TEST_P(KernelsTest, AttentionToOnePositionIsItsValue) {
  Random random(4);
  Context context(1, 8, KvType::kF32, random);
  const std::vector<float> value = {1, -2, 3.5f, 0, 1e30f, -1e-30f, 7, 8};
  context.Put(0, random.Normals(8, 100), value);
  EXPECT_EQ(context.Attend(kernels_, random.Normals(8, 100), 1), value);
}

// Later positions of the same block may hold anything.
TEST_P(KernelsTest, AttentionIgnoresWhatComesLater) {
  Random random(5);
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const size_t n : {1u, 5u, 31u, 32u, 33u, 63u}) {
      Context context(64, 8, type, random);
      const std::vector<float> q = random.Normals(8);
      const std::vector<float> before = context.Attend(kernels_, q, n);
      for (size_t position = n; position < 64; ++position) {
        context.Put(position, std::vector<float>(8, position % 2 == 0 ? kNaN : kInfinity),
                    std::vector<float>(8, kNaN));
      }
      SCOPED_TRACE(n);
      ExpectSameBits(context.Attend(kernels_, q, n), before);
    }
  }
}

TEST(SelectKernels, GivesACompleteTable) {
  for (const Kernels* table : Tables()) {
    EXPECT_STRNE(table->name, "");
    EXPECT_NE(table->matmul_f32, nullptr);
    EXPECT_NE(table->matmul_q80, nullptr);
    EXPECT_NE(table->quantize, nullptr);
    EXPECT_NE(table->rmsnorm, nullptr);
    EXPECT_NE(table->rope, nullptr);
    EXPECT_NE(table->attention, nullptr);
    EXPECT_NE(table->swiglu, nullptr);
    EXPECT_NE(table->add, nullptr);
    EXPECT_NE(table->softmax, nullptr);
  }
}

}  // namespace
}  // namespace clamma
