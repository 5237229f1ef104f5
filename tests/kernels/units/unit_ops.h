// SPDX-License-Identifier: MIT
// The operations of a vector unit as functions from memory to memory, which tests can call without
// being compiled for its instruction set.
#ifndef CLAMMA_TESTS_KERNELS_UNITS_UNIT_OPS_H_
#define CLAMMA_TESTS_KERNELS_UNITS_UNIT_OPS_H_

#include <cstddef>
#include <cstdint>

#include "byte_ops.h"
#include "kernels/tuning.h"

namespace clamma_test {

// Floats and integers are arrays of `lanes`, unless stated otherwise. See units/unit.h.
struct UnitOps {
  using Unary = void (*)(float* out, const float* a);
  using Binary = void (*)(float* out, const float* a, const float* b);
  struct Dot {
    size_t steps, tiles, tokens;
    bool held;
    // sums (tokens, tiles, lanes), from StartSum(x_sums[t]) on; rows (tiles * lanes, row_stride)
    void (*run)(int32_t* sums, const uint8_t* rows, size_t row_stride, const int8_t* q,
                size_t q_stride, const int32_t* x_sums);
  };
  struct DotGroups {
    size_t group;
    void (*run)(int32_t* out, const uint8_t* weights, const int8_t* q, const int32_t* x_sums);
  };
  struct Transposition {
    size_t steps;
    void (*run)(int32_t* out, const uint8_t* rows, size_t stride);  // out (steps, lanes)
  };

  const char* name;
  size_t lanes;

  Unary copy;
  void (*load_bytes)(float* out, const uint8_t* p);
  void (*load_first)(float* out, const float* p, size_t n);
  void (*store_first)(float* out, const float* p, size_t n);
  void (*load_kv[2])(float* out, const uint8_t* p, size_t i);  // float, half
  void (*load_kv_first[2])(float* out, const uint8_t* p, size_t i, size_t n);
  void (*gather)(int32_t* out, const uint8_t* base, const int32_t* index);
  Transposition transpositions[5];
  void (*store_int8)(int8_t* out, const int32_t* x);

  void (*set1)(float* out, float x);
  Binary add, sub, mul, div, max, min;
  void (*fma)(float* out, const float* a, const float* b, const float* c);
  void (*fma_first)(float* sums, const uint8_t* a, const float* b, size_t n);
  Unary negate, abs, exp, to_power;
  void (*if_negative)(float* out, const float* sign, const float* a, const float* b);
  float (*reduce_max)(const float* a);
  float (*reduce_add)(const float* a);
  void (*join)(float* out, const float* sums);  // sums (lanes, 16)

  void (*set_int)(int32_t* out, int32_t x);
  void (*add_int)(int32_t* out, const int32_t* a, const int32_t* b);
  int32_t (*reduce_add_int)(const int32_t* a);
  void (*to_float)(float* out, const int32_t* a);
  void (*as_float)(float* out, const int32_t* a);
  void (*round_away)(int32_t* out, const float* a);

  Dot dots[6];
  DotGroups dot_groups[2];  // nullptr: the unit has none

  // Only units of 16 lanes have it; else nullptr.
  void (*load_lanes)(float* out, const float* p, uint16_t lanes);
  void (*fma_lanes)(float* sums, const uint8_t* a, const float* b, uint16_t lanes);

  ByteOps bytes;
};

extern const UnitOps kVector128Ops, kVector256Ops, kVector512Ops;
extern const UnitOps kAvx2Ops, kAvxVnniOps, kAvx512Ops, kNeonOps, kNeonDotOps;

namespace {

// kMinGroup: the smallest group of DotGroups().
template <typename V, size_t kMinGroup>
struct Operations {
  using Reg = typename V::Reg;
  using Int = typename V::Int;

  static Int LoadInts(const int32_t* p) {
    Int x;
    __builtin_memcpy(&x, p, sizeof(x));
    return x;
  }
  static void StoreInts(int32_t* p, Int x) { __builtin_memcpy(p, &x, sizeof(x)); }

  template <Reg (*kF)(Reg)>
  static void Unary(float* out, const float* a) {
    V::Store(out, kF(V::Load(a)));
  }
  template <Reg (*kF)(Reg, Reg)>
  static void Binary(float* out, const float* a, const float* b) {
    V::Store(out, kF(V::Load(a), V::Load(b)));
  }
  template <bool kHalf>
  static void LoadKv(float* out, const uint8_t* p, size_t i) {
    V::Store(out, V::template LoadKv<kHalf>(p, i));
  }
  template <bool kHalf>
  static void LoadKvFirst(float* out, const uint8_t* p, size_t i, size_t n) {
    V::Store(out, V::template LoadKvFirst<kHalf>(p, i, n));
  }
  template <size_t kSteps>
  static void Transpose(int32_t* out, const uint8_t* rows, size_t stride) {
    Int v[kSteps];
    V::template LoadTransposed<kSteps>(v, rows, stride);
    for (size_t s = 0; s < kSteps; ++s) StoreInts(out + s * V::kLanes, v[s]);
  }
  static void Join(float* out, const float* sums) {
    Reg v[V::kLanes][16 / V::kLanes];
    for (size_t r = 0; r < V::kLanes; ++r) {
      for (size_t p = 0; p < 16 / V::kLanes; ++p) v[r][p] = V::Load(sums + 16 * r + V::kLanes * p);
    }
    V::Store(out, V::Join(v));
  }
  template <size_t kSteps, size_t kTiles, size_t kTokens, bool kHeld>
  static void Dot(int32_t* to, const uint8_t* rows, size_t row_stride, const int8_t* q,
                  size_t q_stride, const int32_t* x_sums) {
    typename V::template Tile<kSteps> tiles[kTiles];
    Int sums[kTokens][kTiles];
    for (size_t r = 0; r < kTiles; ++r) {
      tiles[r].Load(rows + r * V::kLanes * row_stride, row_stride);
      for (size_t t = 0; t < kTokens; ++t) sums[t][r] = V::StartSum(x_sums[t]);
    }
    V::template Dot<kHeld>(sums, tiles, q, q_stride, [] {});
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t r = 0; r < kTiles; ++r) StoreInts(to + (t * kTiles + r) * V::kLanes, sums[t][r]);
    }
  }
  template <size_t kSteps, size_t kTiles, size_t kTokens, bool kHeld>
  static constexpr UnitOps::Dot kDot = {kSteps, kTiles, kTokens, kHeld,
                                        Dot<kSteps, kTiles, kTokens, kHeld>};
  template <size_t kGroup>
  static constexpr UnitOps::DotGroups GroupsOf() {
    if constexpr (kGroup >= kMinGroup) {
      return {kGroup,
              [](int32_t* out, const uint8_t* weights, const int8_t* q, const int32_t* x_sums) {
                StoreInts(out, V::template DotGroups<kGroup, 512>(weights, q, x_sums));
              }};
    }
    return {kGroup, nullptr};
  }
};

template <typename V, size_t kMinGroup>
constexpr UnitOps OpsOf(const char* name) {
  using Ops = Operations<V, kMinGroup>;
  constexpr size_t kTiles = V::kRowTiles;
  constexpr size_t kFew = V::kTokensOfHeldTile > 0 ? V::kTokensOfHeldTile : V::kTokensAtOnce;
  UnitOps ops = {
      .name = name,
      .lanes = V::kLanes,
      .copy = [](float* out, const float* a) { V::Store(out, V::Load(a)); },
      .load_bytes = [](float* out, const uint8_t* p) { V::Store(out, V::LoadBytes(p)); },
      .load_first = [](float* out, const float* p, size_t n) { V::Store(out, V::LoadFirst(p, n)); },
      .store_first = [](float* out, const float* p,
                        size_t n) { V::StoreFirst(out, V::Load(p), n); },
      .load_kv = {Ops::template LoadKv<false>, Ops::template LoadKv<true>},
      .load_kv_first = {Ops::template LoadKvFirst<false>, Ops::template LoadKvFirst<true>},
      .gather = [](int32_t* out, const uint8_t* base,
                   const int32_t* index) { Ops::StoreInts(out, V::Gather(base, index)); },
      .transpositions = {{1, Ops::template Transpose<1>},
                         {2, Ops::template Transpose<2>},
                         {4, Ops::template Transpose<4>},
                         {8, Ops::template Transpose<8>},
                         {16, Ops::template Transpose<16>}},
      .store_int8 = [](int8_t* out, const int32_t* x) { V::StoreInt8(out, Ops::LoadInts(x)); },
      .set1 = [](float* out, float x) { V::Store(out, V::Set1(x)); },
      .add = Ops::template Binary<V::Add>,
      .sub = Ops::template Binary<V::Sub>,
      .mul = Ops::template Binary<V::Mul>,
      .div = Ops::template Binary<V::Div>,
      .max = Ops::template Binary<V::Max>,
      .min = Ops::template Binary<V::Min>,
      .fma = [](float* out, const float* a, const float* b,
                const float* c) { V::Store(out, V::Fma(V::Load(a), V::Load(b), V::Load(c))); },
      .fma_first = [](float* sums, const uint8_t* a, const float* b,
                      size_t n) { V::Store(sums, V::FmaFirst(a, b, V::Load(sums), n)); },
      .negate = Ops::template Unary<V::Negate>,
      .abs = Ops::template Unary<V::Abs>,
      .exp = Ops::template Unary<V::Exp>,
      .to_power = Ops::template Unary<V::ToPower>,
      .if_negative =
          [](float* out, const float* sign, const float* a, const float* b) {
            V::Store(out, V::IfNegative(V::Load(sign), V::Load(a), V::Load(b)));
          },
      .reduce_max = [](const float* a) { return V::ReduceMax(V::Load(a)); },
      .reduce_add = [](const float* a) { return V::ReduceAdd(V::Load(a)); },
      .join = Ops::Join,
      .set_int = [](int32_t* out, int32_t x) { Ops::StoreInts(out, V::SetInt(x)); },
      .add_int =
          [](int32_t* out, const int32_t* a, const int32_t* b) {
            Ops::StoreInts(out, V::AddInt(Ops::LoadInts(a), Ops::LoadInts(b)));
          },
      .reduce_add_int = [](const int32_t* a) { return V::ReduceAddInt(Ops::LoadInts(a)); },
      .to_float = [](float* out, const int32_t* a) { V::Store(out, V::ToFloat(Ops::LoadInts(a))); },
      .as_float = [](float* out, const int32_t* a) { V::Store(out, V::AsFloat(Ops::LoadInts(a))); },
      .round_away = [](int32_t* out,
                       const float* a) { Ops::StoreInts(out, V::RoundAway(V::Load(a))); },
      .dots = {Ops::template kDot<1, 1, 1, true>, Ops::template kDot<8, 1, kFew, true>,
               Ops::template kDot<16, 1, kFew, true>, Ops::template kDot<16, 1, 1, true>,
               Ops::template kDot<8, kTiles, V::kTokensAtOnce, false>,
               Ops::template kDot<16, kTiles, 1, false>},
      .dot_groups = {Ops::template GroupsOf<32>(), Ops::template GroupsOf<64>()},
      .load_lanes = nullptr,
      .fma_lanes = nullptr,
      .bytes = ByteOpsOf<V>(),
  };
  if constexpr (V::kLanes == 16) {
    ops.load_lanes = [](float* out, const float* p, uint16_t lanes) {
      V::Store(out, V::LoadLanes(p, lanes));
    };
    ops.fma_lanes = [](float* sums, const uint8_t* a, const float* b, uint16_t lanes) {
      V::Store(sums, V::FmaLanes(a, V::Load(b), V::Load(sums), lanes));
    };
  }
  return ops;
}

}  // namespace
}  // namespace clamma_test

#endif  // CLAMMA_TESTS_KERNELS_UNITS_UNIT_OPS_H_
