// SPDX-License-Identifier: MIT
// Encoders of blocks of 32 columns.
#include "kernels/formats/iq4_nl.h"
#include "quantize/block_values.h"
#include "quantize/encode_blocks.h"
#include "quantize/fit.h"

namespace clamma {
namespace {

using quantize::BestFit;
using quantize::BlockValues;
using quantize::Extreme;
using quantize::F4;
using quantize::Fit;
using quantize::FitScale;
using quantize::FitScaleAndMin;
using quantize::ForEachOffset;
using quantize::IntegerRange;
using quantize::Load;
using quantize::Search;
using quantize::Set;
using quantize::Store;
using quantize::StoreScale;
using quantize::Sum;

constexpr size_t kCols = 32;
using Values = BlockValues<kCols>;

// Stores nibbles in the layout of kernels/formats/format.h: byte j has column j in its low nibble
// and column j + 16 in its high nibble.
void StoreNibbles(const uint8_t* q, uint8_t* out) {
  for (size_t j = 0; j < 16; ++j) {
    out[j] = static_cast<uint8_t>((q[j] & 15) | (q[j + 16] & 15) << 4);
  }
}

void StoreFifthBits(const uint8_t* q, uint8_t* out) {
  for (size_t i = 0; i < 4; ++i) {
    unsigned bits = 0;
    for (size_t j = 0; j < 8; ++j) bits |= static_cast<unsigned>(q[8 * i + j] >> 4 & 1) << j;
    out[i] = static_cast<uint8_t>(bits);
  }
}

// Converts integers to bytes, after adding `zero`.
void ToBytes(const float* q, int zero, uint8_t* out) {
  for (size_t k = 0; k < kCols; ++k) {
    out[k] = static_cast<uint8_t>(static_cast<int>(q[k]) + zero);
  }
}

// The importance of values if none is given.
enum class Weighing { kEven, kByMagnitude };

// Encodes values as d q.
EncodeResult EncodeScaled(const float* x, const float* importance, Weighing weighing,
                          IntegerRange range, const Search& search, uint8_t* d_out, float* q) {
  Values values;
  const EncodeResult result = values.Set(x, importance);
  if (result != EncodeResult::kOk) return result;
  if (weighing == Weighing::kByMagnitude && !values.is_weighted) values.WeighByMagnitude();
  float scale = FitScale<kCols>(values.y, values.w, range, search).scale;
  if (!StoreScale(values.unit, &scale, d_out)) return EncodeResult::kTooLarge;
  quantize::Quantize<kCols>(values.y, values.w, scale, 0, range, q);
  return EncodeResult::kOk;
}

// Encodes values as d q + m.
EncodeResult EncodeWithMin(const float* x, const float* importance, float largest,
                           const Search& search, uint8_t* d_out, float* q) {
  Values values;
  const EncodeResult result = values.Set(x, importance);
  if (result != EncodeResult::kOk) return result;
  Fit fit = FitScaleAndMin<kCols, false>(values.y, values.w, largest, search);
  if (!StoreScale(values.unit, &fit.scale, d_out)) return EncodeResult::kTooLarge;
  const IntegerRange range = {0, largest};
  quantize::Quantize<kCols>(values.y, values.w, fit.scale, fit.min, range, q);
  // The best minimum for the stored scale.
  float sum = 0;
  float weight = 0;
  for (size_t k = 0; k < kCols; ++k) {
    sum += values.w[k] * (values.y[k] - fit.scale * q[k]);
    weight += values.w[k];
  }
  fit.min = sum / weight;
  if (!StoreScale(values.unit, &fit.min, d_out + 2)) return EncodeResult::kTooLarge;
  quantize::Quantize<kCols>(values.y, values.w, fit.scale, fit.min, range, q);
  return EncodeResult::kOk;
}

// The table's entry nearest to each value: its index and its number.
using Table = formats::IQ4_NL;
struct Nearest {
  F4 index;
  F4 number;
};
[[gnu::always_inline]] inline Nearest FindNearest(F4 value) {
  Nearest nearest = {Set(0), Set(Table::kTable[0])};
#pragma GCC unroll 16
  for (size_t i = 0; i < 15; ++i) {
    const auto low = static_cast<float>(Table::kTable[i]);
    const auto high = static_cast<float>(Table::kTable[i + 1]);
    const auto above = value > Set(0.5f * (low + high));
    nearest.number = above ? Set(high) : nearest.number;
    nearest.index = above ? Set(static_cast<float>(i + 1)) : nearest.index;
  }
  return nearest;
}

// EvaluateScale() for the table's numbers; `index`, if not nullptr, receives their indices.
Fit EvaluateTable(const float* y, const float* w, float scale, float* index) {
  const F4 up = Set(scale == 0 ? 0 : 1.0f / scale);
  const F4 down = Set(scale);
  F4 rr = Set(0);
  F4 qr = Set(0);
  F4 qq = Set(0);
  for (size_t k = 0; k < kCols; k += 4) {
    const F4 value = Load(y + k);
    const Nearest nearest = FindNearest(value * up);
    const F4 r = value - nearest.number * down;
    const F4 wq = Load(w + k) * nearest.number;
    qr += wq * r;
    qq += wq * nearest.number;
    rr += Load(w + k) * r * r;
    if (index != nullptr) Store(index + k, nearest.index);
  }
  const float change = Sum(qq) > 0 ? Sum(qr) / Sum(qq) : 0;
  return {scale + change, 0, Sum(rr) - change * Sum(qr)};
}

Fit FitTable(const float* y, const float* w, const Search& search) {
  const float extreme = Extreme<kCols>(y);
  if (!(extreme < -1e-12f || extreme > 1e-12f)) return Fit();
  BestFit best;
  const auto consider = [&](float scale) {
    const Fit fit = EvaluateTable(y, w, scale, nullptr);
    return best.Take(fit, fit.scale != 0);
  };
  ForEachOffset(search, [&](float offset) {
    consider(extreme / (static_cast<float>(Table::kTable[0]) - offset));
    consider(extreme / (static_cast<float>(Table::kTable[15]) + offset));
  });
  best.Refine([&] { return consider(best.fit().scale); });
  return best.fit();
}

// Stores unsigned integers of kBits bits; with five bits, all fifth bits come first.
template <int kBits>
void StoreBits(const uint8_t* q, uint8_t* out) {
  if constexpr (kBits == 5) {
    StoreFifthBits(q, out);
    out += 4;
  }
  StoreNibbles(q, out);
}

// Encodes values as d (q - 2^(kBits - 1)).
template <int kBits>
EncodeResult EncodeCentred(const float* x, const float* importance, uint8_t* out) {
  constexpr int kZero = 1 << (kBits - 1);
  constexpr IntegerRange kRange = {-kZero, kZero - 1};
  float q[kCols];
  uint8_t bytes[kCols];
  const EncodeResult result =
      EncodeScaled(x, importance, Weighing::kEven, kRange, {-1.0f, 0.25f, 13}, out, q);
  if (result != EncodeResult::kOk) return result;
  ToBytes(q, kZero, bytes);
  StoreBits<kBits>(bytes, out + 2);
  return result;
}

// Encodes values as d q + m.
template <int kBits>
EncodeResult EncodeFromMin(const float* x, const float* importance, uint8_t* out) {
  constexpr float kLargest = (1 << kBits) - 1;
  float q[kCols];
  uint8_t bytes[kCols];
  const EncodeResult result = EncodeWithMin(x, importance, kLargest, {-1.0f, 0.25f, 11}, out, q);
  if (result != EncodeResult::kOk) return result;
  ToBytes(q, 0, bytes);
  StoreBits<kBits>(bytes, out + 4);
  return result;
}

}  // namespace

EncodeResult EncodeQ8_0(const float* x, const float* importance, uint8_t* out) {
  float q[kCols];
  const EncodeResult result =
      EncodeScaled(x, importance, Weighing::kByMagnitude, {-127, 127}, {-0.5f, 0.25f, 5}, out, q);
  if (result == EncodeResult::kOk) ToBytes(q, 0, out + 2);
  return result;
}

EncodeResult EncodeQ4_0(const float* x, const float* importance, uint8_t* out) {
  return EncodeCentred<4>(x, importance, out);
}

EncodeResult EncodeQ5_0(const float* x, const float* importance, uint8_t* out) {
  return EncodeCentred<5>(x, importance, out);
}

EncodeResult EncodeQ4_1(const float* x, const float* importance, uint8_t* out) {
  return EncodeFromMin<4>(x, importance, out);
}

EncodeResult EncodeQ5_1(const float* x, const float* importance, uint8_t* out) {
  return EncodeFromMin<5>(x, importance, out);
}

EncodeResult EncodeIQ4_NL(const float* x, const float* importance, uint8_t* out) {
  Values values;
  const EncodeResult result = values.Set(x, importance);
  if (result != EncodeResult::kOk) return result;
  if (!values.is_weighted) values.WeighByMagnitude();
  float scale = FitTable(values.y, values.w, {-12.0f, 6.0f, 8}).scale;
  if (!StoreScale(values.unit, &scale, out)) return EncodeResult::kTooLarge;
  float index[kCols];
  uint8_t bytes[kCols];
  EvaluateTable(values.y, values.w, scale, index);
  ToBytes(index, 0, bytes);
  StoreNibbles(bytes, out + 2);
  return result;
}

}  // namespace clamma
