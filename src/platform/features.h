// SPDX-License-Identifier: MIT
// The features of this build, and how it leaves out members that it does not use.
#ifndef CLAMMA_PLATFORM_FEATURES_H_
#define CLAMMA_PLATFORM_FEATURES_H_

#include <type_traits>

namespace clamma {

inline constexpr bool kHasPrefixCache = LIBCLAMMA_WITH_PREFIX_CACHE;  // engine/prefix_cache.h
inline constexpr bool kHasGrammar = LIBCLAMMA_WITH_GRAMMAR;           // engine/grammar/
inline constexpr bool kHasSpeculation = LIBCLAMMA_WITH_SPECULATION;   // engine/speculation.h

// Takes the place of a T: its value is always T(), and assignments have no effect.
template <typename T>
struct Absent {
  constexpr Absent(const T& /*value*/ = T()) {}  // NOLINT(google-explicit-constructor)
  constexpr operator T() const { return T(); }   // NOLINT(google-explicit-constructor)
};

// A T in builds for which the condition holds. In others it adds no code and, as a member with
// [[no_unique_address]], takes no memory.
template <bool kIsThere, typename T>
using OnlyIf = std::conditional_t<kIsThere, T, Absent<T>>;

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FEATURES_H_
