// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <cstring>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(CLAMMA_HAVE_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif
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
bool IsAmdWithAvx512() { return IsAmd() && HasAvx512(); }
bool IsOtherWithAvx512() { return !IsAmd() && HasAvx512(); }
#if defined(CLAMMA_HAVE_AMX)
// Asks Linux for the tile unit's registers, for this process: it keeps them for no other.
// (Linux: Documentation/arch/x86/xstate.rst)
bool HasAmx() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kTilesAndInt8 = 3u << 24;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return HasAvx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
         (d & kTilesAndInt8) == kTilesAndInt8 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif
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

bool Always() { return true; }

struct Candidate {
  const Kernels* table;
  bool (*is_usable)();
};

// The best first.
constexpr Candidate kCandidates[] = {
#if defined(__x86_64__)
#if defined(CLAMMA_HAVE_AMX)
    {&kAmxKernels, HasAmx},
#endif
    {&kAvx512ZenKernels, IsAmdWithAvx512},
    {&kAvx512Kernels, HasAvx512},
    {&kAvx512ZenKernels, IsOtherWithAvx512},
#if defined(CLAMMA_HAVE_AVX_VNNI)
    {&kAvxVnniKernels, HasAvxVnni},
#endif
    {&kAvx2Kernels, HasAvx2},
#elif defined(__AARCH64EL__)
    {&kNeonDotKernels, HasDotProduct},
    {&kNeonKernels, Always},
#endif
    {&kScalarKernels, Always},
};

}  // namespace

void UsableKernels(const Kernels* (&tables)[kMostTables]) {
  for (const Kernels*& table : tables) table = nullptr;
  size_t n = 0;
  for (const Candidate& candidate : kCandidates) {
    if (candidate.is_usable()) tables[n++] = candidate.table;
  }
}

const Kernels& SelectKernels() {
#if defined(__x86_64__) || defined(__AARCH64EL__)
  if (const char* wanted = std::getenv("CLAMMA_CPU"); wanted != nullptr) {
    for (const Candidate& candidate : kCandidates) {
      if (std::strcmp(candidate.table->name, wanted) == 0 && candidate.is_usable()) {
        return *candidate.table;
      }
    }
  }
  for (const Candidate& candidate : kCandidates) {
    if (candidate.is_usable()) return *candidate.table;
  }
#endif
  return kScalarKernels;
}

}  // namespace clamma
