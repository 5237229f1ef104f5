// SPDX-License-Identifier: MIT
// ReadStream() prefetches a page ahead: the hardware's prefetchers do not cross pages, and the
// difference is about a tenth. ReadSideBySide() relies on them, because they follow several
// streams: an AMD Zen 3 reads a quarter more in this way. The values are added to sums that the
// compiler cannot remove.
#include "read_stream.h"

#include <sys/mman.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bench {
namespace {

constexpr size_t kStep = 256;    // bytes per iteration
constexpr size_t kAhead = 4096;  // bytes
constexpr size_t kLine = 64;     // bytes
constexpr size_t kParts = 4;     // read side by side

inline void PrefetchStep(const uint8_t* data) {
  for (size_t i = 0; i < kStep; i += kLine) __builtin_prefetch(data + kAhead + i);
}

#if defined(__x86_64__)

__attribute__((target("avx512f"))) void Read512(const uint8_t* data, const uint8_t* end) {
  __m512i sums[4] = {};
  for (; data != end; data += kStep) {
    PrefetchStep(data);
    for (size_t i = 0; i < 4; ++i) {
      sums[i] = _mm512_xor_si512(sums[i], _mm512_loadu_si512(data + 64 * i));
    }
  }
  for (const __m512i& sum : sums) asm volatile("" ::"v"(sum));
}

__attribute__((target("avx2"))) void Read256(const uint8_t* data, const uint8_t* end) {
  __m256i sums[8] = {};
  for (; data != end; data += kStep) {
    PrefetchStep(data);
    const auto* in = reinterpret_cast<const __m256i*>(data);
    for (int i = 0; i < 8; ++i) sums[i] = _mm256_xor_si256(sums[i], _mm256_loadu_si256(in + i));
  }
  for (const __m256i& sum : sums) asm volatile("" ::"x"(sum));
}

__attribute__((target("avx2"))) void ReadParts256(const uint8_t* data, size_t part) {
  __m256i sums[kParts] = {};
  for (size_t at = 0; at < part; at += kLine) {
    for (size_t i = 0; i < kParts; ++i) {
      const auto* in = reinterpret_cast<const __m256i*>(data + i * part + at);
      sums[i] = _mm256_xor_si256(
          sums[i], _mm256_xor_si256(_mm256_loadu_si256(in), _mm256_loadu_si256(in + 1)));
    }
  }
  for (const __m256i& sum : sums) asm volatile("" ::"x"(sum));
}

#endif

// The compiler vectorises this with 128-bit vectors, if there are any.
void ReadPartsPlain(const uint8_t* data, size_t part) {
  uint64_t sums[kLine / 8] = {};
  for (size_t at = 0; at < part; at += kLine) {
    for (size_t i = 0; i < kParts; ++i) {
      const auto* in = reinterpret_cast<const uint64_t*>(data + i * part + at);
      for (size_t k = 0; k < kLine / 8; ++k) sums[k] ^= in[k];
    }
  }
  for (const uint64_t sum : sums) asm volatile("" ::"r"(sum));
}

void ReadPlain(const uint8_t* data, const uint8_t* end) {
  uint64_t sums[8] = {};
  for (; data != end; data += kStep) {
    PrefetchStep(data);
    const auto* in = reinterpret_cast<const uint64_t*>(data);
    for (size_t i = 0; i < kStep / 8; ++i) sums[i % 8] ^= in[i];
  }
  for (const uint64_t sum : sums) asm volatile("" ::"r"(sum));
}

}  // namespace

const uint8_t* MakeReadBuffer(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  // Write to every page, because unwritten pages all share one zero page.
  auto* data = static_cast<uint8_t*>(memory);
  for (size_t i = 0; i < bytes; i += kReadBlock) data[i] = 1;
  return data;
}

void ReadStream(const uint8_t* data, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return Read512(data, data + bytes);
  if (__builtin_cpu_supports("avx2")) return Read256(data, data + bytes);
#endif
  ReadPlain(data, data + bytes);
}

void ReadSideBySide(const uint8_t* data, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return ReadParts256(data, bytes / kParts);
#endif
  ReadPartsPlain(data, bytes / kParts);
}

}  // namespace bench
