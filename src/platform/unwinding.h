// SPDX-License-Identifier: MIT
// Runs code when an exception of the host unwinds a function of ours. The library itself is
// compiled without exceptions.
#ifndef CLAMMA_PLATFORM_UNWINDING_H_
#define CLAMMA_PLATFORM_UNWINDING_H_

#include <cstdint>

// CLAMMA_CALL_WHEN_UNWOUND(NAME) can stand anywhere in a function. If an exception, or the end of
// the thread (pthread_exit()), unwinds that function's frame, the personality routine
// clamma_unwound_NAME runs the statement with which CLAMMA_DEFINE_UNWOUND(NAME, statement) defined
// it. This needs no run-time library. On systems other than those below it does nothing. (Itanium
// C++ ABI, "Exception Handling", Level I, 1.6: the personality routine)
#if defined(__ELF__) && defined(__GCC_HAVE_DWARF2_CFI_ASM) && \
    (defined(__x86_64__) || defined(__aarch64__))
// 0x1b: the routine is given by its relative address, in 32 bits (DW_EH_PE_pcrel |
// DW_EH_PE_sdata4).
#define CLAMMA_CALL_WHEN_UNWOUND(name) asm volatile(".cfi_personality 0x1b, clamma_unwound_" #name)
#define CLAMMA_DEFINE_UNWOUND(name, statement)                                         \
  extern "C" __attribute__((visibility("hidden"), used)) int clamma_unwound_##name(    \
      int /*version*/, int actions, uint64_t /*exception_class*/, void* /*exception*/, \
      void* /*context*/) {                                                             \
    constexpr int kCleanupPhase = 2;                                                   \
    constexpr int kContinueUnwind = 8;                                                 \
    if ((actions & kCleanupPhase) != 0) {                                              \
      statement;                                                                       \
    }                                                                                  \
    return kContinueUnwind;                                                            \
  }                                                                                    \
  static_assert(true, "for a semicolon")
#else
#define CLAMMA_CALL_WHEN_UNWOUND(name) static_cast<void>(0)
#define CLAMMA_DEFINE_UNWOUND(name, statement) static_assert(true, "for a semicolon")
#endif

#endif  // CLAMMA_PLATFORM_UNWINDING_H_
