// SPDX-License-Identifier: MIT
// What this build has, and how members that it has no use for are left out of it.
#ifndef CLAMMA_PLATFORM_FEATURES_H_
#define CLAMMA_PLATFORM_FEATURES_H_

#include <type_traits>

namespace clamma {

inline constexpr bool kHasPrefixCache = LIBCLAMMA_WITH_PREFIX_CACHE;  // engine/prefix_cache.h
inline constexpr bool kHasGrammar = LIBCLAMMA_WITH_GRAMMAR;           // engine/grammar/

// In place of a T: always T(). It forgets what is assigned.
template <typename T>
struct Absent {
  constexpr Absent(const T& /*value*/ = T()) {}  // NOLINT(google-explicit-constructor)
  constexpr operator T() const { return T(); }   // NOLINT(google-explicit-constructor)
};

// A T in builds for which the condition holds. In others it leaves no code behind and, as a member
// with [[no_unique_address]], takes no memory.
template <bool kIsThere, typename T>
using OnlyIf = std::conditional_t<kIsThere, T, Absent<T>>;

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FEATURES_H_
