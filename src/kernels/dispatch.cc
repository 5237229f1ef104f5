// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <cstring>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__AARCH64EL__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace clamma {
namespace {

#if defined(__x86_64__)
// The compiler's own function says also whether the operating system keeps the registers.
bool HasAvx2() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
  return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}
// "AuthenticAMD"
bool IsAmd() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0, &a, &b, &c, &d) != 0 && b == signature_AMD_ebx && c == signature_AMD_ecx &&
         d == signature_AMD_edx;
}
#if defined(CLAMMA_HAVE_AVX_VNNI)
bool HasAvxVnni() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return HasAvx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
}
#endif
#elif defined(__AARCH64EL__)
bool HasDotProduct() {
#if defined(__ARM_FEATURE_DOTPROD) || defined(__APPLE__)
  return true;
#elif defined(__linux__)
  constexpr unsigned long kDotProduct = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProduct) != 0;
#else
  return false;
#endif
}
#endif

}  // namespace

void UsableKernels(const Kernels* (&tables)[kMostTables]) {
  for (const Kernels*& table : tables) table = nullptr;
  size_t n = 0;
#if defined(__x86_64__)
  if (HasAvx512()) {
    const bool in_order = IsAmd();
    tables[n++] = in_order ? &kAvx512ZenKernels : &kAvx512Kernels;
    tables[n++] = in_order ? &kAvx512Kernels : &kAvx512ZenKernels;
  }
#if defined(CLAMMA_HAVE_AVX_VNNI)
  if (HasAvxVnni()) tables[n++] = &kAvxVnniKernels;
#endif
  if (HasAvx2()) tables[n++] = &kAvx2Kernels;
#elif defined(__AARCH64EL__)
  if (HasDotProduct()) tables[n++] = &kNeonDotKernels;
  tables[n++] = &kNeonKernels;
#endif
  tables[n] = &kScalarKernels;
}

const Kernels& SelectKernels() {
#if defined(__x86_64__) || defined(__AARCH64EL__)
  const Kernels* tables[kMostTables];
  UsableKernels(tables);
  if (const char* wanted = std::getenv("CLAMMA_CPU"); wanted != nullptr) {
    for (const Kernels* table : tables) {
      if (table != nullptr && std::strcmp(table->name, wanted) == 0) return *table;
    }
  }
  return *tables[0];
#else
  return kScalarKernels;  // nothing to choose from
#endif
}

}  // namespace clamma
