// SPDX-License-Identifier: MIT
// All formats of quantised blocks: a row of a table each.
#ifndef CLAMMA_KERNELS_FORMATS_ALL_H_
#define CLAMMA_KERNELS_FORMATS_ALL_H_

#include "kernels/formats/iq4_nl.h"
#include "kernels/formats/mxfp4.h"
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
      return body.template operator()<Q8_0>();
    case WeightType::kQ4_0:
      return body.template operator()<Q4_0>();
    case WeightType::kQ4_1:
      return body.template operator()<Q4_1>();
    case WeightType::kQ5_0:
      return body.template operator()<Q5_0>();
    case WeightType::kQ5_1:
      return body.template operator()<Q5_1>();
    case WeightType::kIQ4_NL:
      return body.template operator()<IQ4_NL>();
    case WeightType::kMXFP4:
      return body.template operator()<MXFP4>();
    default:
      return;
  }
}

// The same, if it has super-blocks of 256 columns.
template <typename Body>
inline void WithSuperBlocks(WeightType type, const Body& body) {
  switch (type) {
    case WeightType::kQ4_K:
      return body.template operator()<Q4_K>();
    case WeightType::kQ5_K:
      return body.template operator()<Q5_K>();
    case WeightType::kQ6_K:
      return body.template operator()<Q6_K>();
    default:
      return;
  }
}

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_ALL_H_
