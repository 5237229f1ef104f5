// SPDX-License-Identifier: MIT
#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "platform/memory.h"

namespace clamma {
namespace {

struct Result {
  std::string shown;
  bool stopped = false;
};

// Returns the text that is shown if `text` arrives in pieces of these sizes; the last one repeats.
Result Show(const std::vector<const char*>& strings, const std::string& text,
            const std::vector<size_t>& sizes) {
  Memory memory;
  StopStrings stops;
  EXPECT_TRUE(stops.Set(memory, strings.data(), strings.size()).ok());
  EXPECT_TRUE(stops.Reserve(memory, text.size()).ok());
  Result result;
  size_t piece = 0;
  for (size_t at = 0; at < text.size() && !result.stopped;) {
    const size_t size = sizes[std::min(piece++, sizes.size() - 1)];
    result.shown += stops.Append(text.substr(at, size).c_str(), &result.stopped);
    at += size;
  }
  result.shown += stops.Flush();
  return result;
}

TEST(StopStringsTest, TextStopsBeforeTheStringHoweverItIsCut) {
  for (size_t size = 1; size <= 12; ++size) {
    const Result result = Show({"park"}, "in the park with", {size});
    EXPECT_EQ(result.shown, "in the ") << "pieces of " << size;
    EXPECT_TRUE(result.stopped) << "pieces of " << size;
  }
}

TEST(StopStringsTest, TheStringThatIsWholeFirstCounts) {
  for (size_t size = 1; size <= 4; ++size) {
    EXPECT_EQ(Show({"abcd", "bc"}, "xabcdx", {size}).shown, "xa");
    EXPECT_EQ(Show({"c", "abc", "bc"}, "xabcx", {size}).shown, "x") << "of one end, the longest";
  }
}

TEST(StopStringsTest, WhatOnlyLooksLikeABeginningIsShown) {
  for (size_t size = 1; size <= 9; ++size) {
    const Result result = Show({"aab", "aaac"}, "aaaaaaaaa aaa", {size});
    EXPECT_EQ(result.shown, "aaaaaaaaa aaa");
    EXPECT_FALSE(result.stopped);
  }
}

TEST(StopStringsTest, NothingOfAStringIsShownBeforeItIsDecided) {
  Memory memory;
  StopStrings stops;
  const char* strings[] = {"User:"};
  ASSERT_TRUE(stops.Set(memory, strings, 1).ok());
  ASSERT_TRUE(stops.Reserve(memory, 16).ok());
  bool stopped = false;
  EXPECT_STREQ(stops.Append("Hi Us", &stopped), "Hi ");
  EXPECT_STREQ(stops.Append("er", &stopped), "");
  EXPECT_STREQ(stops.Append(" U", &stopped), "User ");
  EXPECT_STREQ(stops.Append("ser", &stopped), "");
  EXPECT_FALSE(stopped);
  EXPECT_STREQ(stops.Append(": no", &stopped), "");
  EXPECT_TRUE(stopped);
  EXPECT_STREQ(stops.Flush(), "");
}

// Compares with a direct implementation: the first end of a string, and the longest one that ends
// there.
TEST(StopStringsTest, RandomTextsAgreeWithAPlainSearch) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> own(1 + random() % 3);
    for (std::string& s : own) {
      for (size_t n = 1 + random() % 4; n > 0; --n) s += static_cast<char>('a' + random() % 2);
    }
    std::vector<const char*> strings;
    for (const std::string& s : own) strings.push_back(s.c_str());
    std::string text;
    for (size_t n = random() % 24; n > 0; --n) text += static_cast<char>('a' + random() % 3);
    std::string expected = text;
    bool stops = false;
    for (size_t end = 1; end <= text.size() && !stops; ++end) {
      for (const std::string& s : own) {
        if (!std::string_view(text).substr(0, end).ends_with(s)) continue;
        stops = true;
        expected = std::min(expected, text.substr(0, end - s.size()));
      }
    }
    std::vector<size_t> sizes;
    for (int i = 0; i < 30; ++i) sizes.push_back(1 + random() % 5);
    const Result result = Show(strings, text, sizes);
    ASSERT_EQ(result.shown, expected) << text << " with " << own[0];
    ASSERT_EQ(result.stopped, stops) << text << " with " << own[0];
  }
}

TEST(StopStringsTest, EmptyMissingAndIllFormedStringsAreRefused) {
  Memory memory;
  StopStrings stops;
  for (const char* bad : {"", static_cast<const char*>(nullptr), "\x80", "a\xc3"}) {
    const char* strings[] = {"fine", bad};
    const Status status = stops.Set(memory, strings, 2);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(std::string(status.message()).find("stop string 1"), std::string::npos);
    EXPECT_FALSE(stops.any());
  }
}

}  // namespace
}  // namespace clamma
