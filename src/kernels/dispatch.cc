// SPDX-License-Identifier: MIT
#include "kernels/kernels.h"

namespace clamma {

const Kernels& SelectKernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2Kernels;
#endif
  return kScalarKernels;
}

}  // namespace clamma
