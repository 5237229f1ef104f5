// SPDX-License-Identifier: MIT
// For tests that allocate more memory than there is: makes the sanitizers return nullptr, as malloc
// does. Include it once in a program.
#ifndef CLAMMA_TESTS_SUPPORT_ALLOW_FAILED_ALLOCATIONS_H_
#define CLAMMA_TESTS_SUPPORT_ALLOW_FAILED_ALLOCATIONS_H_

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CLAMMA_TESTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define CLAMMA_TESTS_SANITIZED 1
#endif
#endif

#ifdef CLAMMA_TESTS_SANITIZED
extern "C" const char* __asan_default_options();
extern "C" const char* __tsan_default_options();
extern "C" const char* __msan_default_options();
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __msan_default_options() { return "allocator_may_return_null=1"; }
#endif

#endif  // CLAMMA_TESTS_SUPPORT_ALLOW_FAILED_ALLOCATIONS_H_
