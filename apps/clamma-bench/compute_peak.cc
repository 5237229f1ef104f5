// SPDX-License-Identifier: MIT
// Each loop keeps twelve independent sums in flight, which hides the latency of the multiply-adds
// (two units, 4 to 6 cycles each). They are assembly, so that they measure the processor and not
// how a compiler treats a loop without a result; the target attributes allow their operands.
#include "compute_peak.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace bench {
namespace {

// The instructions one(0) to one(11), where `one` takes a register's number.
#define TWELVE(one)                                                                         \
  one("0") one("1") one("2") one("3") one("4") one("5") one("6") one("7") one("8") one("9") \
      one("10") one("11")

#if defined(__x86_64__)

#define LOOP(one) "1:\n" TWELVE(one) "dec %0\njne 1b\n"
#define CLOBBERED                                                                                \
  "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11"

#define VNNI_512(n) "vpdpbusd %2, %1, %%zmm" n "\n"
__attribute__((target("avx512f,avx512vnni"))) void Vnni512(uint64_t loops) {
  const __m512i a = _mm512_set1_epi32(0x5a1793c4);
  const __m512i b = _mm512_set1_epi32(0x2be4718d);
  asm volatile(LOOP(VNNI_512) : "+r"(loops) : "v"(a), "v"(b) : CLOBBERED);
}

// The 256-bit form of processors without AVX-512: AVX-VNNI.
#define VNNI_256(n) "%{vex%} vpdpbusd %2, %1, %%ymm" n "\n"
__attribute__((target("avx2"))) void Vnni256(uint64_t loops) {
  const __m256i a = _mm256_set1_epi32(0x5a1793c4);
  const __m256i b = _mm256_set1_epi32(0x2be4718d);
  asm volatile(LOOP(VNNI_256) : "+r"(loops) : "x"(a), "x"(b) : CLOBBERED);
}

// The equivalent in AVX2: add pairs to 16 bits, pairs of these to 32 bits, and to the sum.
#define MADDUBS_256(n) \
  "vpmaddubsw %3, %2, %1\nvpmaddwd %4, %1, %1\nvpaddd %1, %%ymm" n ", %%ymm" n "\n"
__attribute__((target("avx2"))) void Maddubs256(uint64_t loops) {
  const __m256i a = _mm256_set1_epi32(0x5a1713c4);
  const __m256i b = _mm256_set1_epi32(0x2be4318d);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i pairs;
  asm volatile(LOOP(MADDUBS_256)
               : "+r"(loops), "=&x"(pairs)
               : "x"(a), "x"(b), "x"(ones)
               : CLOBBERED);
}

// Every x86-64 CPU has this: add int16 pairs to 32 bits, and to the sum.
#define MADD_128(n) "movdqa %2, %1\npmaddwd %3, %1\npaddd %1, %%xmm" n "\n"
void Madd128(uint64_t loops) {
  const __m128i a = _mm_set1_epi16(0x17);
  const __m128i b = _mm_set1_epi16(-0x35);
  __m128i pairs;
  asm volatile(LOOP(MADD_128) : "+r"(loops), "=&x"(pairs) : "x"(a), "x"(b) : CLOBBERED);
}

// x = x * 0.5 + 1 converges to 2: no overflow, no denormal numbers.
#define FMA_512(n) "vfmadd213ps %2, %1, %%zmm" n "\n"
__attribute__((target("avx512f"))) void Fma512(uint64_t loops) {
  const __m512 a = _mm512_set1_ps(0.5f);
  const __m512 b = _mm512_set1_ps(1.0f);
  asm volatile(LOOP(FMA_512) : "+r"(loops) : "v"(a), "v"(b) : CLOBBERED);
}

#define FMA_256(n) "vfmadd213ps %2, %1, %%ymm" n "\n"
__attribute__((target("avx2,fma"))) void Fma256(uint64_t loops) {
  const __m256 a = _mm256_set1_ps(0.5f);
  const __m256 b = _mm256_set1_ps(1.0f);
  asm volatile(LOOP(FMA_256) : "+r"(loops) : "x"(a), "x"(b) : CLOBBERED);
}

#define MUL_ADD_128(n) "mulps %1, %%xmm" n "\naddps %2, %%xmm" n "\n"
void MulAdd128(uint64_t loops) {
  const __m128 a = _mm_set1_ps(0.5f);
  const __m128 b = _mm_set1_ps(1.0f);
  asm volatile(LOOP(MUL_ADD_128) : "+r"(loops) : "x"(a), "x"(b) : CLOBBERED);
}

// Not in __builtin_cpu_supports() of all compilers.
bool HasAvxVnni() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & 16u) != 0 &&
         __builtin_cpu_supports("avx2");
}

#elif defined(__aarch64__)

#define LOOP(one) "1:\n" TWELVE(one) "subs %0, %0, #1\nb.ne 1b\n"
#define CLOBBERED "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11"

#if defined(__clang__)
#define WITH_DOTPROD __attribute__((target("dotprod")))
#else
#define WITH_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#define SDOT(n) "sdot v" n ".4s, %1.16b, %2.16b\n"
WITH_DOTPROD void Sdot(uint64_t loops) {
  const int8x16_t a = vdupq_n_s8(0x17);
  const int8x16_t b = vdupq_n_s8(-0x35);
  asm volatile(LOOP(SDOT) : "+r"(loops) : "w"(a), "w"(b) : CLOBBERED);
}

// The equivalent without it: 8 products to 16 bits, pairs of them added to 32 bits.
#define SMULL_SADALP(n) "smull %1.8h, %2.8b, %3.8b\nsadalp v" n ".4s, %1.8h\n"
void SmullSadalp(uint64_t loops) {
  const int8x16_t a = vdupq_n_s8(0x17);
  const int8x16_t b = vdupq_n_s8(-0x35);
  int16x8_t products;
  asm volatile(LOOP(SMULL_SADALP) : "+r"(loops), "=&w"(products) : "w"(a), "w"(b) : CLOBBERED);
}

// The sums grow to 2^22 and stay there.
#define FMLA(n) "fmla v" n ".4s, %1.4s, %2.4s\n"
void Fmla(uint64_t loops) {
  const float32x4_t a = vdupq_n_f32(0.5f);
  const float32x4_t b = vdupq_n_f32(0.5f);
  asm volatile(LOOP(FMLA) : "+r"(loops) : "w"(a), "w"(b) : CLOBBERED);
}

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

#else

// For unknown hardware: plain C++. The barriers keep the compiler from computing ahead.
void MulAddInt(uint64_t loops) {
  int32_t a = 0x17;
  int32_t sums[12] = {};
  for (; loops > 0; --loops) {
    asm volatile("" : "+r"(a));
    for (int32_t i = 0; i < 12; ++i) sums[i] += a * (i + 3);
  }
  asm volatile("" ::"r"(sums) : "memory");
}

void MulAddFloat(uint64_t loops) {
  float sums[12] = {};
  for (; loops > 0; --loops) {
    for (float& sum : sums) sum = sum * 0.5f + 1.0f;
  }
  asm volatile("" ::"r"(sums) : "memory");
}

#endif

// The operations of twelve instructions with this many multiply-adds each.
constexpr double Ops(int multiply_adds) { return 2.0 * 12 * multiply_adds; }

}  // namespace

PeakKernel Int8PeakKernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return {"vpdpbusd 512", Ops(64), Vnni512};
  if (HasAvxVnni()) return {"vpdpbusd 256", Ops(32), Vnni256};
  if (__builtin_cpu_supports("avx2")) return {"vpmaddubsw 256", Ops(32), Maddubs256};
  return {"pmaddwd 128", Ops(8), Madd128};
#elif defined(__aarch64__)
  if (HasDotProduct()) return {"sdot 128", Ops(16), Sdot};
  return {"smull, sadalp 128", Ops(8), SmullSadalp};
#else
  return {"scalar", Ops(1), MulAddInt};
#endif
}

PeakKernel FloatPeakKernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {"vfmadd 512", Ops(16), Fma512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"vfmadd 256", Ops(8), Fma256};
  }
  return {"mulps, addps 128", Ops(4), MulAdd128};
#elif defined(__aarch64__)
  return {"fmla 128", Ops(4), Fmla};
#else
  return {"scalar", Ops(1), MulAddFloat};
#endif
}

}  // namespace bench
