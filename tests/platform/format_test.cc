// SPDX-License-Identifier: MIT
#include "platform/format.h"

#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace clamma {
namespace {

// The C library is the reference, also for the length.
template <typename... Args>
void ExpectAsSnprintf(const char* format, Args... args) {
  for (const size_t size : {0u, 1u, 2u, 5u, 10u, 200u}) {
    char expected[200];
    char text[200];
    std::memset(expected, 'x', sizeof(expected));
    std::memset(text, 'x', sizeof(text));
    const int length = std::snprintf(expected, size, format, args...);
    ASSERT_GE(length, 0);
    EXPECT_EQ(Format(text, size, format, args...), static_cast<size_t>(length));
    EXPECT_EQ(std::string(text, sizeof(text)), std::string(expected, sizeof(expected)))
        << format << " in " << size;
  }
}

#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-truncation"

TEST(Format, IsAsSnprintf) {
  ExpectAsSnprintf("");
  ExpectAsSnprintf("plain");
  ExpectAsSnprintf("100%%");
  ExpectAsSnprintf("%s and %s", "this", "");
  for (const int number : {0, 1, -1, 42, INT_MAX, INT_MIN}) ExpectAsSnprintf("<%d>", number);
  for (const unsigned number : {0u, 9u, 10u, 0xabcdefu, UINT_MAX}) {
    ExpectAsSnprintf("%u %x.", number, number);
  }
  for (const size_t number : {size_t{0}, size_t{12345}, SIZE_MAX}) {
    ExpectAsSnprintf("%zu %zx", number, number);
  }
  for (const unsigned long long number : {0ull, 1ull << 32, ULLONG_MAX}) {
    ExpectAsSnprintf("%llu %llx", number, number);
  }
  ExpectAsSnprintf("%s: %d of %zu, %u%%, %llu", "all", -7, size_t{8}, 9u, 10ull);
}

}  // namespace
}  // namespace clamma
