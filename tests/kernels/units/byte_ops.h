// SPDX-License-Identifier: MIT
// The operations of a vector unit for quantised blocks, as functions from memory to memory: see
// units/unit.h.
#ifndef CLAMMA_TESTS_KERNELS_UNITS_BYTE_OPS_H_
#define CLAMMA_TESTS_KERNELS_UNITS_BYTE_OPS_H_

#include <cstddef>
#include <cstdint>

namespace clamma_test {

// Integers and floats are arrays of `lanes`, unless stated otherwise.
struct ByteOps {
  using Unary = void (*)(int32_t* out, const int32_t* a);
  using Binary = void (*)(int32_t* out, const int32_t* a, const int32_t* b);
  using Halves = void (*)(float* out, const int32_t* a);

  void (*set_bytes)(int32_t* out, uint8_t x);
  Binary bit_and, bit_or, bit_xor;
  void (*shift_left)(int32_t* out, const int32_t* a, size_t n);
  void (*shift_right)(int32_t* out, const int32_t* a, size_t n);
  Unary low_nibbles, high_nibbles;
  void (*look_up)(int32_t* out, const int8_t (&table)[16], const int32_t* index);
  Unary spread_bits[8];

  void (*load_f16)(float* out, const uint8_t* p);
  void (*load_bf16)(float* out, const uint8_t* p);
  void (*load_halves)(float* out, const uint8_t* p, size_t stride);
  Halves low_halves, high_halves;
  void (*round_even)(int32_t* out, const float* x);

  Unary pair_of_bytes[2], pair_of_signed_bytes[2];
  Binary mul_pairs, sub_int;
  Unary shift_lanes_left;  // by 5

  bool signed_weights;
  int max_weight;
  size_t (*max_depth)(int max_weight);
  // out = total + scale * (the sum of the products of w and x, each (depth, lanes)). The scale is 1
  // for fold, SetScale(scale) for fold_scale, byte k of each lane of `scales` for fold_bytes[k],
  // and byte k as an int8 for fold_bytes[4 + k].
  void (*fold)(int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x,
               size_t depth);
  void (*fold_scale)(int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x,
                     size_t depth, int scale);
  void (*fold_bytes[8])(int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x,
                        size_t depth, const int32_t* scales);
  // out = total + scale * (the products of four weights); nullptr: the unit has none.
  using SignedDot = void (*)(int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x,
                             int scale);
  SignedDot add_signed_dot4;
};

namespace {

template <typename V>
struct ByteOperations {
  using Reg = typename V::Reg;
  using Int = typename V::Int;

  static Int Load(const int32_t* p) {
    Int x;
    __builtin_memcpy(&x, p, sizeof(x));
    return x;
  }
  static void Store(int32_t* p, Int x) { __builtin_memcpy(p, &x, sizeof(x)); }

  template <Int (*kF)(Int)>
  static void Unary(int32_t* out, const int32_t* a) {
    Store(out, kF(Load(a)));
  }
  template <Int (*kF)(Int, Int)>
  static void Binary(int32_t* out, const int32_t* a, const int32_t* b) {
    Store(out, kF(Load(a), Load(b)));
  }
  template <Reg (*kF)(Int)>
  static void Halves(float* out, const int32_t* a) {
    V::Store(out, kF(Load(a)));
  }
  static Int Sums(const int32_t* w, const int32_t* x, size_t depth) {
    Int sums = V::Dot4(Load(w), Load(x));
    for (size_t i = 1; i < depth; ++i) {
      sums = V::AddDot4(sums, Load(w + i * V::kLanes), Load(x + i * V::kLanes));
    }
    return sums;
  }
  template <typename V::Scale (*kScaleOf)(Int)>
  static void FoldBytes(int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x,
                        size_t depth, const int32_t* scales) {
    Store(out, V::Fold(Load(total), Sums(w, x, depth), kScaleOf(Load(scales))));
  }
  static constexpr ByteOps::SignedDot AddSignedDot4() {
    if constexpr (requires(Int a) { V::AddSignedDot4(a, a, a, V::SetScale(1)); }) {
      return [](int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x, int scale) {
        Store(out, V::AddSignedDot4(Load(total), Load(w), Load(x), V::SetScale(scale)));
      };
    } else {
      return nullptr;
    }
  }
};

template <typename V>
constexpr ByteOps ByteOpsOf() {
  using Ops = ByteOperations<V>;
  return {
      .set_bytes = [](int32_t* out, uint8_t x) { Ops::Store(out, V::SetBytes(x)); },
      .bit_and = Ops::template Binary<V::And>,
      .bit_or = Ops::template Binary<V::Or>,
      .bit_xor = Ops::template Binary<V::Xor>,
      .shift_left = [](int32_t* out, const int32_t* a,
                       size_t n) { Ops::Store(out, V::ShiftLeft(Ops::Load(a), n)); },
      .shift_right = [](int32_t* out, const int32_t* a,
                        size_t n) { Ops::Store(out, V::ShiftRight(Ops::Load(a), n)); },
      .low_nibbles = Ops::template Unary<V::LowNibbles>,
      .high_nibbles = Ops::template Unary<V::HighNibbles>,
      .look_up = [](int32_t* out, const int8_t(&table)[16],
                    const int32_t* index) { Ops::Store(out, V::LookUp(table, Ops::Load(index))); },
      .spread_bits = {Ops::template Unary<V::template SpreadBits<0>>,
                      Ops::template Unary<V::template SpreadBits<1>>,
                      Ops::template Unary<V::template SpreadBits<2>>,
                      Ops::template Unary<V::template SpreadBits<3>>,
                      Ops::template Unary<V::template SpreadBits<4>>,
                      Ops::template Unary<V::template SpreadBits<5>>,
                      Ops::template Unary<V::template SpreadBits<6>>,
                      Ops::template Unary<V::template SpreadBits<7>>},
      .load_f16 = [](float* out, const uint8_t* p) { V::Store(out, V::LoadF16(p)); },
      .load_bf16 = [](float* out, const uint8_t* p) { V::Store(out, V::LoadBF16(p)); },
      .load_halves = [](float* out, const uint8_t* p,
                        size_t stride) { V::Store(out, V::LoadHalves(p, stride)); },
      .low_halves = Ops::template Halves<V::LowHalves>,
      .high_halves = Ops::template Halves<V::HighHalves>,
      .round_even = [](int32_t* out, const float* x) { Ops::Store(out, V::RoundEven(V::Load(x))); },
      .pair_of_bytes = {Ops::template Unary<V::template PairOfBytes<0>>,
                        Ops::template Unary<V::template PairOfBytes<1>>},
      .pair_of_signed_bytes = {Ops::template Unary<V::template PairOfSignedBytes<0>>,
                               Ops::template Unary<V::template PairOfSignedBytes<1>>},
      .mul_pairs = Ops::template Binary<V::MulPairs>,
      .sub_int = Ops::template Binary<V::SubInt>,
      .shift_lanes_left = Ops::template Unary<V::template ShiftLanesLeft<5>>,
      .signed_weights = V::kSignedWeights,
      .max_weight = V::kMaxWeight,
      .max_depth = V::MaxDepth,
      .fold =
          [](int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x, size_t depth) {
            Ops::Store(out, V::Fold(Ops::Load(total), Ops::Sums(w, x, depth)));
          },
      .fold_scale =
          [](int32_t* out, const int32_t* total, const int32_t* w, const int32_t* x, size_t depth,
             int scale) {
            Ops::Store(out, V::Fold(Ops::Load(total), Ops::Sums(w, x, depth), V::SetScale(scale)));
          },
      .fold_bytes = {Ops::template FoldBytes<V::template ScaleOfByte<0>>,
                     Ops::template FoldBytes<V::template ScaleOfByte<1>>,
                     Ops::template FoldBytes<V::template ScaleOfByte<2>>,
                     Ops::template FoldBytes<V::template ScaleOfByte<3>>,
                     Ops::template FoldBytes<V::template SignedScaleOfByte<0>>,
                     Ops::template FoldBytes<V::template SignedScaleOfByte<1>>,
                     Ops::template FoldBytes<V::template SignedScaleOfByte<2>>,
                     Ops::template FoldBytes<V::template SignedScaleOfByte<3>>},
      .add_signed_dot4 = Ops::AddSignedDot4(),
  };
}

}  // namespace
}  // namespace clamma_test

#endif  // CLAMMA_TESTS_KERNELS_UNITS_BYTE_OPS_H_
