// SPDX-License-Identifier: MIT
#include "platform/quoted.h"

#include <gtest/gtest.h>

#include <string>

namespace clamma {
namespace {

std::string Quote(const std::string& text) { return Quoted(text).c_str(); }

TEST(Quoted, LeavesAsciiAsItIs) {
  EXPECT_EQ(Quote(""), "\"\"");
  EXPECT_EQ(Quote("blk.0.attn_q.weight"), "\"blk.0.attn_q.weight\"");
  EXPECT_EQ(Quote(" ~"), "\" ~\"");
}

TEST(Quoted, EscapesAllElse) {
  EXPECT_EQ(Quote("\"\\"), R"("\"\\")");
  EXPECT_EQ(Quote("\n\t\r"), R"("\n\t\r")");
  EXPECT_EQ(Quote(std::string("\0\x1f\x7f\x80\xff", 5)), R"("\x00\x1f\x7f\x80\xff")");
}

TEST(Quoted, CutsBetweenCharacters) {
  EXPECT_EQ(Quote(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
  EXPECT_EQ(Quote(std::string(81, 'x')), "\"" + std::string(80, 'x') + "\"...");
  EXPECT_EQ(Quote(std::string(78, 'x') + "\x01"), "\"" + std::string(78, 'x') + "\"...");
  EXPECT_EQ(Quote(std::string(76, 'x') + "\x01"), "\"" + std::string(76, 'x') + "\\x01\"");
}

}  // namespace
}  // namespace clamma
