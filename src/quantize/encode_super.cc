// SPDX-License-Identifier: MIT
// Encoders of super-blocks of 256 columns. The scales (and minima) of the groups are fitted first,
// then rounded to the integers that the block stores. These integers are moved by one step each
// while the error falls; between such rounds, the block's own scales are fitted to all its columns.
#include "quantize/block_values.h"
#include "quantize/encode_blocks.h"
#include "quantize/fit.h"

namespace clamma {
namespace {

using quantize::BlockValues;
using quantize::Fit;
using quantize::FitScale;
using quantize::FitScaleAndMin;
using quantize::IntegerRange;
using quantize::Search;
using quantize::StoreScale;
using quantize::StoreScaleUpwards;

constexpr size_t kCols = 256;
constexpr int kRounds = 3;
constexpr int kMaxSteps = 4;  // of one group in one round
using Values = BlockValues<kCols>;

int RoundInto(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return low;
  if (value >= static_cast<float>(high)) return high;
  return static_cast<int>(value + (value < 0 ? -0.5f : 0.5f));
}

// Improves a block while its error falls, at most kRounds times: improve(&next) moves the groups'
// integers to their neighbours, and solve(&next) fits the block's own scales to all columns, if
// that is possible. Both set next.error.
template <typename Block, typename Improve, typename Solve>
void ImproveInTurns(const Improve& improve, const Solve& solve, Block* block) {
  for (int round = 0; round < kRounds; ++round) {
    Block next = *block;
    improve(&next);
    if (next.error < block->error) *block = next;
    next = *block;
    if (!solve(&next) || !(next.error < block->error)) return;
    *block = next;
  }
}

// Encodes a block of x: fits it with fit(values, &block) and stores it with store(block).
template <typename Block, typename Fitter, typename Store>
EncodeResult EncodeBlock(const float* x, const float* importance, const Fitter& fit,
                         const Store& store) {
  Values values;
  EncodeResult result = values.Set(x, importance);
  if (result != EncodeResult::kOk) return result;
  Block block;
  result = fit(values, &block);
  if (result == EncodeResult::kOk) store(block);
  return result;
}

// --- Q4_K and Q5_K: d s q - dmin m --------------------------------------------------------------

constexpr size_t kGroupCols = 32;
constexpr size_t kGroups = kCols / kGroupCols;
constexpr int kMaxSixBits = 63;

struct MinBlock {
  float d = 0, dmin = 0;     // in the values' unit
  uint8_t bytes[4] = {};     // d and dmin as halves
  int scales[kGroups] = {};  // 0 .. 63
  int mins[kGroups] = {};
  float q[kCols] = {};
  float error = 0;

  float scale(size_t j) const { return d * static_cast<float>(scales[j]); }
  float min(size_t j) const { return -dmin * static_cast<float>(mins[j]); }
};

// Sets the integers of a group, and returns its error.
float QuantizeGroup(const Values& values, size_t j, float largest, MinBlock* block) {
  const size_t at = j * kGroupCols;
  return quantize::Quantize<kGroupCols>(values.y + at, values.w + at, block->scale(j),
                                        block->min(j), {0, largest}, block->q + at);
}

void QuantizeGroups(const Values& values, float largest, MinBlock* block) {
  block->error = 0;
  for (size_t j = 0; j < kGroups; ++j) block->error += QuantizeGroup(values, j, largest, block);
}

// Moves a group's scale and minimum to their best neighbours. Returns false if none is better.
bool StepGroup(const Values& values, size_t j, float largest, float* best, MinBlock* block) {
  const size_t at = j * kGroupCols;
  const int scale = block->scales[j];
  const int min = block->mins[j];
  bool moved = false;
  for (int s = scale - 1; s <= scale + 1; ++s) {
    for (int m = min - 1; m <= min + 1; ++m) {
      if (s < 0 || s > kMaxSixBits || m < 0 || m > kMaxSixBits) continue;
      if (s == scale && m == min) continue;
      float q[kGroupCols];
      const float error = quantize::Quantize<kGroupCols>(
          values.y + at, values.w + at, block->d * static_cast<float>(s),
          -block->dmin * static_cast<float>(m), {0, largest}, q);
      if (!(error < *best)) continue;
      *best = error;
      block->scales[j] = s;
      block->mins[j] = m;
      moved = true;
    }
  }
  return moved;
}

void ImproveGroup(const Values& values, size_t j, float largest, MinBlock* block) {
  float best = QuantizeGroup(values, j, largest, block);
  for (int step = 0; step < kMaxSteps; ++step) {
    if (!StepGroup(values, j, largest, &best, block)) return;
  }
}

// Sets d and dmin to the nearest halves. Returns false if one is too large.
bool SetBlockScales(float unit, float d, float dmin, MinBlock* block) {
  block->d = d;
  block->dmin = dmin;
  return StoreScale(unit, &block->d, block->bytes) &&
         StoreScale(unit, &block->dmin, block->bytes + 2);
}

// Computes the best d and dmin for the block's integers.
void SolveBlockScales(const Values& values, const MinBlock& block, float* d, float* dmin) {
  double aa = 0;
  double ab = 0;
  double bb = 0;
  double ay = 0;
  double by = 0;
  for (size_t j = 0; j < kGroups; ++j) {
    const auto b = static_cast<double>(-block.mins[j]);
    for (size_t k = j * kGroupCols; k < (j + 1) * kGroupCols; ++k) {
      const auto w = static_cast<double>(values.w[k]);
      const auto y = static_cast<double>(values.y[k]);
      const double a = static_cast<double>(block.scales[j]) * static_cast<double>(block.q[k]);
      aa += w * a * a;
      ab += w * a * b;
      bb += w * b * b;
      ay += w * a * y;
      by += w * b * y;
    }
  }
  const double determinant = aa * bb - ab * ab;
  *d = block.d;
  *dmin = block.dmin;
  if (determinant > 1e-9 * aa * bb) {
    *d = static_cast<float>((ay * bb - by * ab) / determinant);
    *dmin = static_cast<float>((by * aa - ay * ab) / determinant);
  } else if (aa > 0 && bb == 0) {
    *d = static_cast<float>(ay / aa);
  }
}

// Fits the scales and minima of the groups, and the block's scales for them.
EncodeResult FitGroups(const Values& values, float largest, const Search& search, MinBlock* block) {
  Fit fits[kGroups];
  float max_scale = 0;
  float max_min = 0;
  for (size_t j = 0; j < kGroups; ++j) {
    const size_t at = j * kGroupCols;
    fits[j] = FitScaleAndMin<kGroupCols, true>(values.y + at, values.w + at, largest, search);
    if (fits[j].min > 0) fits[j].min = 0;
    max_scale = fits[j].scale > max_scale ? fits[j].scale : max_scale;
    max_min = -fits[j].min > max_min ? -fits[j].min : max_min;
  }
  block->d = max_scale / kMaxSixBits;
  block->dmin = max_min / kMaxSixBits;
  if (!StoreScaleUpwards(values.unit, &block->d, block->bytes) ||
      !StoreScaleUpwards(values.unit, &block->dmin, block->bytes + 2)) {
    return EncodeResult::kTooLarge;
  }
  for (size_t j = 0; j < kGroups; ++j) {
    block->scales[j] = block->d > 0 ? RoundInto(fits[j].scale / block->d, 0, kMaxSixBits) : 0;
    block->mins[j] = block->dmin > 0 ? RoundInto(-fits[j].min / block->dmin, 0, kMaxSixBits) : 0;
  }
  QuantizeGroups(values, largest, block);
  return EncodeResult::kOk;
}

EncodeResult FitMinBlock(const Values& values, float largest, MinBlock* block) {
  const EncodeResult result = FitGroups(values, largest, {-1.0f, 0.25f, 9}, block);
  if (result != EncodeResult::kOk) return result;
  const auto improve = [&](MinBlock* next) {
    for (size_t j = 0; j < kGroups; ++j) ImproveGroup(values, j, largest, next);
    QuantizeGroups(values, largest, next);
  };
  const auto solve = [&](MinBlock* next) {
    float d = 0;
    float dmin = 0;
    SolveBlockScales(values, *next, &d, &dmin);
    if (!(d > 0) || !(dmin >= 0) || !SetBlockScales(values.unit, d, dmin, next)) return false;
    QuantizeGroups(values, largest, next);
    return true;
  };
  ImproveInTurns(improve, solve, block);
  return EncodeResult::kOk;
}

// Stores the scales as DecodeSixBitScales() reads them.
void StoreSixBitScales(const MinBlock& block, uint8_t* out) {
  for (size_t i = 0; i < 4; ++i) out[i] = block.bytes[i];
  for (size_t j = 0; j < 4; ++j) {
    const int s = block.scales[j];
    const int m = block.mins[j];
    const int s4 = block.scales[j + 4];
    const int m4 = block.mins[j + 4];
    out[4 + j] = static_cast<uint8_t>(s | s4 >> 4 << 6);
    out[8 + j] = static_cast<uint8_t>(m | m4 >> 4 << 6);
    out[12 + j] = static_cast<uint8_t>((s4 & 15) | (m4 & 15) << 4);
  }
}

// Each 32 bytes hold 64 columns: the first 32 in the low nibbles, the others in the high ones.
void StoreNibblesBy64(const float* q, uint8_t* out) {
  for (size_t k = 0; k < kCols; k += 64, out += 32) {
    for (size_t l = 0; l < 32; ++l) {
      const int low = static_cast<int>(q[k + l]) & 15;
      const int high = static_cast<int>(q[k + 32 + l]) & 15;
      out[l] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

// Byte l has the fifth bits of column l of each group.
void StoreFifthBits(const float* q, uint8_t* out) {
  for (size_t l = 0; l < kGroupCols; ++l) {
    unsigned bits = 0;
    for (size_t j = 0; j < kGroups; ++j) {
      bits |= (static_cast<unsigned>(q[j * kGroupCols + l]) >> 4 & 1) << j;
    }
    out[l] = static_cast<uint8_t>(bits);
  }
}

// --- Q6_K: d s (q - 32) -------------------------------------------------------------------------

constexpr size_t kCols6 = 16;  // of a group
constexpr size_t kGroups6 = kCols / kCols6;
constexpr IntegerRange kRange6 = {-32, 31};

struct ScaledBlock {
  float d = 0;
  uint8_t bytes[2] = {};
  int scales[kGroups6] = {};  // -128 .. 127
  float q[kCols] = {};        // -32 .. 31
  float error = 0;

  float scale(size_t j) const { return d * static_cast<float>(scales[j]); }
};

float GroupError6(const Values& values, size_t j, float scale, float* q) {
  return quantize::Quantize<kCols6>(values.y + j * kCols6, values.w + j * kCols6, scale, 0, kRange6,
                                    q);
}

void QuantizeGroups6(const Values& values, ScaledBlock* block) {
  block->error = 0;
  for (size_t j = 0; j < kGroups6; ++j) {
    block->error += GroupError6(values, j, block->scale(j), block->q + j * kCols6);
  }
}

void ImproveGroup6(const Values& values, size_t j, ScaledBlock* block) {
  float q[kCols6];
  float best = GroupError6(values, j, block->scale(j), q);
  for (int step = 0; step < kMaxSteps; ++step) {
    const int scale = block->scales[j];
    for (int s = scale - 1; s <= scale + 1; s += 2) {
      if (s < -128 || s > 127) continue;
      const float error = GroupError6(values, j, block->d * static_cast<float>(s), q);
      if (!(error < best)) continue;
      best = error;
      block->scales[j] = s;
    }
    if (block->scales[j] == scale) return;
  }
}

// Returns the best d for the block's integers.
float SolveBlockScale6(const Values& values, const ScaledBlock& block) {
  double aa = 0;
  double ay = 0;
  for (size_t k = 0; k < kCols; ++k) {
    const size_t group = k / kCols6;
    const auto w = static_cast<double>(values.w[k]);
    const double a = static_cast<double>(block.scales[group]) * static_cast<double>(block.q[k]);
    aa += w * a * a;
    ay += w * a * static_cast<double>(values.y[k]);
  }
  return aa > 0 ? static_cast<float>(ay / aa) : 0;
}

// Fits the scales of the groups, and the block's scale for them.
EncodeResult FitGroups6(const Values& values, ScaledBlock* block) {
  float scales[kGroups6];
  float extreme = 0;
  for (size_t j = 0; j < kGroups6; ++j) {
    const size_t at = j * kCols6;
    scales[j] = FitScale<kCols6>(values.y + at, values.w + at, kRange6, {-1.0f, 0.25f, 13}).scale;
    if ((scales[j] < 0 ? -scales[j] : scales[j]) > (extreme < 0 ? -extreme : extreme)) {
      extreme = scales[j];
    }
  }
  block->d = extreme / -128;
  if (!StoreScaleUpwards(values.unit, &block->d, block->bytes)) return EncodeResult::kTooLarge;
  for (size_t j = 0; j < kGroups6; ++j) {
    block->scales[j] = block->d != 0 ? RoundInto(scales[j] / block->d, -128, 127) : 0;
  }
  QuantizeGroups6(values, block);
  return EncodeResult::kOk;
}

EncodeResult FitScaledBlock(const Values& values, ScaledBlock* block) {
  const EncodeResult result = FitGroups6(values, block);
  if (result != EncodeResult::kOk) return result;
  const auto improve = [&](ScaledBlock* next) {
    for (size_t j = 0; j < kGroups6; ++j) ImproveGroup6(values, j, next);
    QuantizeGroups6(values, next);
  };
  const auto solve = [&](ScaledBlock* next) {
    next->d = SolveBlockScale6(values, *next);
    if (!StoreScale(values.unit, &next->d, next->bytes)) return false;
    QuantizeGroups6(values, next);
    return true;
  };
  ImproveInTurns(improve, solve, block);
  return EncodeResult::kOk;
}

void StoreQ6_K(const ScaledBlock& block, uint8_t* out) {
  for (size_t half = 0; half < 2; ++half) {
    const float* q = block.q + 128 * half;
    const auto number = [q](size_t k) { return static_cast<int>(q[k]) + 32; };
    uint8_t* l = out + 64 * half;
    uint8_t* h = out + 128 + 32 * half;
    for (size_t j = 0; j < 32; ++j) {
      const int a = number(j);
      const int b = number(j + 32);
      const int c = number(j + 64);
      const int d = number(j + 96);
      l[j] = static_cast<uint8_t>((a & 15) | (c & 15) << 4);
      l[j + 32] = static_cast<uint8_t>((b & 15) | (d & 15) << 4);
      h[j] = static_cast<uint8_t>(a >> 4 | b >> 4 << 2 | c >> 4 << 4 | d >> 4 << 6);
    }
  }
  for (size_t j = 0; j < kGroups6; ++j) out[192 + j] = static_cast<uint8_t>(block.scales[j]);
  out[208] = block.bytes[0];
  out[209] = block.bytes[1];
}

}  // namespace

EncodeResult EncodeQ4_K(const float* x, const float* importance, uint8_t* out) {
  return EncodeBlock<MinBlock>(
      x, importance,
      [](const Values& values, MinBlock* block) { return FitMinBlock(values, 15, block); },
      [out](const MinBlock& block) {
        StoreSixBitScales(block, out);
        StoreNibblesBy64(block.q, out + 16);
      });
}

EncodeResult EncodeQ5_K(const float* x, const float* importance, uint8_t* out) {
  return EncodeBlock<MinBlock>(
      x, importance,
      [](const Values& values, MinBlock* block) { return FitMinBlock(values, 31, block); },
      [out](const MinBlock& block) {
        StoreSixBitScales(block, out);
        StoreFifthBits(block.q, out + 16);
        StoreNibblesBy64(block.q, out + 48);
      });
}

EncodeResult EncodeQ6_K(const float* x, const float* importance, uint8_t* out) {
  return EncodeBlock<ScaledBlock>(x, importance, FitScaledBlock,
                                  [out](const ScaledBlock& block) { StoreQ6_K(block, out); });
}

}  // namespace clamma
