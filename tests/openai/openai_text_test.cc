// SPDX-License-Identifier: MIT
// The parts of apps/openai that need no model: JSON, stop strings, reasoning, tool calls. Texts
// arrive in pieces; the result must not depend on where they are cut.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuts.h"
#include "openai/json_text.h"
#include "openai/json_value.h"
#include "openai/reasoning_split.h"
#include "openai/sampling.h"
#include "openai/stop_matcher.h"
#include "openai/tools/json_parser.h"
#include "openai/tools/xml_parser.h"

namespace clamma_test {
namespace {

using openai::Value;

// ---- JSON ----

std::string ReasonOf(const std::string& text, const openai::JsonLimits& limits = {}) {
  Value value;
  std::string reason;
  return openai::ParseJson(text, limits, &value, &reason) ? "" : reason;
}

std::string Again(const std::string& text) {
  Value value;
  std::string reason;
  return openai::ParseJson(text, {}, &value, &reason) ? value.Text() : reason;
}

TEST(OpenaiJsonTest, KeepsOrderAndNumbers) {
  for (const char* text :
       {R"({"b":1,"a":[true,false,null],"c":{"z":-5,"y":1.5}})", R"("\u0001\"\\é\n")",
        "18446744073709551615", "-9223372036854775808", "[]", "{}", "1e+300", "0.1"}) {
    EXPECT_EQ(Again(text), text);
  }
}

TEST(OpenaiJsonTest, OfMembersWithTheSameNameTheLastCounts) {
  EXPECT_EQ(Again(R"({"a":1,"b":2,"a":3,"c":4,"b":5})"), R"({"a":3,"c":4,"b":5})");
}

TEST(OpenaiJsonTest, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\"}", "nul", "\"\\ud800\"", "\"\xff\"", "1 2",
                           "'a'", "{\"a\":1}}", "1e999"}) {
    EXPECT_NE(ReasonOf(text), "") << text;
  }
}

TEST(OpenaiJsonTest, LimitsDepthAndNumberOfValuesWhileItParses) {
  const std::string deep = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(ReasonOf(deep), "");
  EXPECT_EQ(ReasonOf("[" + deep + "]"), "it is nested more than 64 deep");
  EXPECT_EQ(ReasonOf(std::string(1000000, '[')), "it is nested more than 64 deep");
  EXPECT_EQ(ReasonOf("[1,2,3]", {.depth = 64, .values = 4}), "");
  EXPECT_EQ(ReasonOf("[1,2,3]", {.depth = 64, .values = 3}), "it has more than 3 values");
}

TEST(OpenaiJsonTest, WrittenTextIsAlwaysUtf8) {
  std::string out;
  openai::AppendQuoted("a\xffz\xc3\xa9\xed\xa0\x80\x01\t", &out);
  EXPECT_EQ(out, "\"a\xef\xbf\xbdz\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0001\\t\"");
}

// ---- Pieces ----

void ExpectStopped(const std::vector<std::string>& stops, const std::string& text,
                   const std::string& expected, bool stops_there) {
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    openai::StopMatcher matcher(stops);
    std::string out;
    bool stopped = false;
    for (const std::string& piece : pieces) {
      if (!stopped) stopped = matcher.Add(piece, &out);
    }
    if (!stopped) matcher.Finish(&out);
    EXPECT_EQ(out, expected) << text;
    EXPECT_EQ(stopped, stops_there) << text;
  });
}

TEST(OpenaiStopTest, EndsBeforeTheFirstStopStringThatIsComplete) {
  ExpectStopped({}, "abc", "abc", false);
  ExpectStopped({"END"}, "The ENEND of it", "The EN", true);
  ExpectStopped({"END"}, "The EN", "The EN", false);
  ExpectStopped({"bcd", "c"}, "abcd", "ab", true);
  ExpectStopped({"ab", "aab"}, "xaab", "x", true);
  ExpectStopped({"\n\n", "."}, "a\nb\n\nc", "a\nb", true);
}

void ExpectSplit(bool inside, const std::string& text, const std::string& reasoning,
                 const std::string& content) {
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    openai::ReasoningSplit split(inside);
    std::string thought;
    std::string said;
    for (const std::string& piece : pieces) split.Add(piece, &thought, &said);
    split.Finish(&thought, &said);
    EXPECT_EQ(thought, reasoning) << text;
    EXPECT_EQ(said, content) << text;
  });
}

TEST(OpenaiReasoningTest, IsWhatStandsBetweenTheMarksAtTheBeginning) {
  ExpectSplit(false, "<think>\nLet me see.\n\nYes.\n</think>\n\nIt is 4.\n", "Let me see.\n\nYes.",
              "It is 4.\n");
  ExpectSplit(true, "\nLet me see.</think>It is 4.", "Let me see.", "It is 4.");
  ExpectSplit(false, "\n<think></think>Hi", "", "Hi");
  ExpectSplit(false, "Hello <think>no</think>", "", "Hello <think>no</think>");
  ExpectSplit(false, "  <thin air", "", "  <thin air");
  ExpectSplit(false, "<think>a < b </ c", "a < b </ c", "");
  ExpectSplit(true, "never ends \n", "never ends \n", "");
}

// ---- Seeds ----

TEST(OpenaiSeedTest, EachChoiceHasItsOwnAndNoneIsZero) {
  EXPECT_EQ(openai::SeedOf(42, 0), 42u);
  EXPECT_EQ(openai::SeedOf(-1, 0), UINT64_MAX);
  std::vector<uint64_t> seeds;
  for (const int64_t seed : {0, 1, -1, 42}) {
    for (size_t choice = 0; choice < 16; ++choice) seeds.push_back(openai::SeedOf(seed, choice));
  }
  std::sort(seeds.begin(), seeds.end());
  EXPECT_NE(seeds.front(), 0u);
  EXPECT_EQ(std::adjacent_find(seeds.begin(), seeds.end()), seeds.end());
}

}  // namespace
}  // namespace clamma_test
