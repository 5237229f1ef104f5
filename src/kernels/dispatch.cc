// SPDX-License-Identifier: MIT
#include <cstdint>
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
struct CpuidAnswer {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
};
// Returns 0 in all registers if the CPU does not know the leaf.
CpuidAnswer Cpuid(unsigned leaf, unsigned subleaf) {
  CpuidAnswer r;
  return __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) != 0 ? r : CpuidAnswer();
}

// __builtin_cpu_supports() also checks that the operating system saves the registers.
bool HasAvx2() {
  constexpr unsigned kF16c = 1u << 29;
  return (Cpuid(1, 0).c & kF16c) != 0 && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("fma");
}
bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}
// Whether the vendor is "AuthenticAMD".
bool IsAmd() {
  const CpuidAnswer vendor = Cpuid(0, 0);
  return vendor.b == signature_AMD_ebx && vendor.c == signature_AMD_ecx &&
         vendor.d == signature_AMD_edx;
}
bool IsAmdWithAvx512() { return IsAmd() && HasAvx512(); }
bool IsOtherWithAvx512() { return !IsAmd() && HasAvx512(); }
#if defined(CLAMMA_HAVE_AMX)
// Whether the tile unit can be used. Changes the process: it asks Linux for the unit's registers,
// which the process then keeps until it ends. (Linux: Documentation/arch/x86/xstate.rst)
bool AcquireAmx() {
  constexpr unsigned kTilesAndInt8 = 3u << 24;
  constexpr int64_t kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int64_t kTileData = 18;
  return HasAvx512() && (Cpuid(7, 0).d & kTilesAndInt8) == kTilesAndInt8 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif
#if defined(CLAMMA_HAVE_AVX_VNNI)
bool HasAvxVnni() {
  constexpr unsigned kAvxVnni = 1u << 4;
  return HasAvx2() && (Cpuid(7, 1).a & kAvxVnni) != 0;
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
  bool (*is_usable)();  // may acquire registers, so it is called only for a table to be used
};

// Sorted, the best first.
constexpr Candidate kCandidates[] = {
#if defined(__x86_64__)
#if defined(CLAMMA_HAVE_AMX)
    {&kAmxKernels, AcquireAmx},
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

size_t TableCount() { return sizeof(kCandidates) / sizeof(kCandidates[0]); }

const Kernels* UsableTable(size_t i) {
  return kCandidates[i].is_usable() ? kCandidates[i].table : nullptr;
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
