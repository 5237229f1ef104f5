// SPDX-License-Identifier: MIT
// All formats of quantised blocks: a row of a table each.
#ifndef CLAMMA_KERNELS_FORMATS_ALL_H_
#define CLAMMA_KERNELS_FORMATS_ALL_H_

#include "kernels/formats/iq4_nl.h"
#include "kernels/formats/iq4_xs.h"
#include "kernels/formats/mxfp4.h"
#include "kernels/formats/q2_k.h"
#include "kernels/formats/q3_k.h"
#include "kernels/formats/q4_0.h"
#include "kernels/formats/q4_1.h"
#include "kernels/formats/q4_k.h"
#include "kernels/formats/q5_0.h"
#include "kernels/formats/q5_1.h"
#include "kernels/formats/q5_k.h"
#include "kernels/formats/q6_k.h"
#include "kernels/formats/q8_0.h"

namespace clamma {
namespace {
namespace formats {

// Runs body<F>() for the format F of that type, if it has blocks of 32 columns.
template <typename Body>
inline void WithSmallBlocks(WeightType type, const Body& body) {
  switch (type) {
    case WeightType::kQ8_0:
      if constexpr (IsInBuild(WeightType::kQ8_0)) body.template operator()<Q8_0>();
      return;
    case WeightType::kQ4_0:
      if constexpr (IsInBuild(WeightType::kQ4_0)) body.template operator()<Q4_0>();
      return;
    case WeightType::kQ4_1:
      if constexpr (IsInBuild(WeightType::kQ4_1)) body.template operator()<Q4_1>();
      return;
    case WeightType::kQ5_0:
      if constexpr (IsInBuild(WeightType::kQ5_0)) body.template operator()<Q5_0>();
      return;
    case WeightType::kQ5_1:
      if constexpr (IsInBuild(WeightType::kQ5_1)) body.template operator()<Q5_1>();
      return;
    case WeightType::kIQ4_NL:
      if constexpr (IsInBuild(WeightType::kIQ4_NL)) body.template operator()<IQ4_NL>();
      return;
    case WeightType::kMXFP4:
      if constexpr (IsInBuild(WeightType::kMXFP4)) body.template operator()<MXFP4>();
      return;
    default:
      return;
  }
}

// The same, if it has super-blocks of 256 columns.
template <typename Body>
inline void WithSuperBlocks(WeightType type, const Body& body) {
  switch (type) {
    case WeightType::kQ4_K:
      if constexpr (IsInBuild(WeightType::kQ4_K)) body.template operator()<Q4_K>();
      return;
    case WeightType::kQ5_K:
      if constexpr (IsInBuild(WeightType::kQ5_K)) body.template operator()<Q5_K>();
      return;
    case WeightType::kQ6_K:
      if constexpr (IsInBuild(WeightType::kQ6_K)) body.template operator()<Q6_K>();
      return;
    case WeightType::kQ2_K:
      if constexpr (IsInBuild(WeightType::kQ2_K)) body.template operator()<Q2_K>();
      return;
    case WeightType::kQ3_K:
      if constexpr (IsInBuild(WeightType::kQ3_K)) body.template operator()<Q3_K>();
      return;
    case WeightType::kIQ4_XS:
      if constexpr (IsInBuild(WeightType::kIQ4_XS)) body.template operator()<IQ4_XS>();
      return;
    default:
      return;
  }
}

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_ALL_H_
