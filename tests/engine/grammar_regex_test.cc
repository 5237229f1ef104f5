// SPDX-License-Identifier: MIT
// Regular expressions: what they match, and which are refused.
#include <random>
#include <regex>

#include "grammar_fixture.h"

namespace clamma_test {
namespace {

using clamma::RegexOptions;

struct Case {
  const char* regex;
  std::vector<std::string> accepted;
  std::vector<std::string> refused;
};

void Check(const std::vector<Case>& cases, const RegexOptions& options) {
  for (const Case& c : cases) {
    Matcher matcher;
    ASSERT_EQ(matcher.Regex(c.regex, options), "") << c.regex;
    for (const std::string& text : c.accepted)
      EXPECT_TRUE(matcher.Accepts(text)) << c.regex << ": " << text;
    for (const std::string& text : c.refused)
      EXPECT_FALSE(matcher.Accepts(text)) << c.regex << ": " << text;
  }
}

TEST(GrammarRegex, MatchesTheWholeText) {
  Check(
      {
          {"", {""}, {"a"}},
          {"abc", {"abc"}, {"", "ab", "abcd", "xabc"}},
          {"a|bc|", {"a", "bc", ""}, {"b", "abc"}},
          {"^a|b$", {"a", "b"}, {"ab"}},
          {"^(a|b)$", {"a", "b"}, {"", "ab"}},
          {"(^a|b$)", {"a", "b"}, {"ab"}},
          {"a*b+c?", {"b", "aabbc"}, {"", "a", "bcc"}},
          {"a*?b+?c??", {"b", "aabbc"}, {"", "a", "bcc"}},
          {"(?:ab){2,3}", {"abab", "ababab"}, {"ab", "abababab"}},
          {"a{2}b{1,}c{0,1}", {"aab", "aabbc"}, {"ab", "aac"}},
          {"(?<year>\\d{4})-(?P<month>\\d\\d)", {"2024-05"}, {"24-05", "2024-5"}},
          {"[a-cx\\-]+", {"abc", "x-"}, {"", "d"}},
          {"[^a-c]", {"d", "\n", "\xe2\x82\xac"}, {"a", "", "dd"}},
          {".", {"a", "\xc3\xa9", "\t"}, {"\n", "\r", "\xe2\x80\xa8", ""}},
          {"\\w+\\s\\W\\S\\D", {"a_9 !xy"}, {"a!", "\xc3\xa9 !xy", "a_9 axy"}},
          {"\\s", {" ", "\t", "\n", "\v", "\f", "\r"}, {"\xc2\xa0", "\xef\xbb\xbf", "a"}},
          {"\\S", {"a", "\xc3\xa9"}, {" ", "\xc2\xa0", "\xef\xbb\xbf", "\x1c"}},
          {"[^\\s]", {"a", "\xc3\xa9"}, {" ", "\xc2\xa0", "\xef\xbb\xbf"}},
          {"[^\\S]", {" ", "\n"}, {"a", "\xc2\xa0"}},
          {"\\D", {"a"}, {"1", "\xd9\xa1"}},
          {"[\\d.]+", {"1.5"}, {"", "a", "\xd9\xa1"}},
          {"\\t\\n\\v\\f\\r\\0", {std::string("\t\n\v\f\r\0", 6)}, {""}},
          {"\\x41\\u0042\\u{1F600}\\uD83D\\uDE00\\cA",
           {"AB\xf0\x9f\x98\x80\xf0\x9f\x98\x80\x01"},
           {"AB"}},
          {"\\.\\*\\[\\]\\/\\\\\\-", {".*[]/\\-"}, {"a"}},
          {"[\\]\\\\^.$*]+", {"]\\^.$*"}, {"a"}},
          {"[\\b]", {"\b"}, {"b"}},
          {"]}", {"]}"}, {}},
          {"[+-]?\\d+(\\.\\d+)?([eE][+-]?\\d+)?", {"-1.5e+3", "42"}, {"1.", "e3"}},
          {"\\p{L}+\\p{Lu}\\P{L}", {"a\xc3\xa9Z1"}, {"az1", "aZb"}},
          {"\\p{Letter}[\\p{N}\\p{P}]", {"\xe4\xb8\xad!", "a1"}, {"aa"}},
          {"\xc3\xa9+", {"\xc3\xa9\xc3\xa9"}, {"\xc3"}},
          {"[\xc3\xa0-\xc4\x81]", {"\xc3\xa0", "\xc3\xbf", "\xc4\x80"}, {"\xc4\x82"}},
          {"[\\u{10000}-\\u{10ffff}]", {"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}, {"\xef\xbf\xbf"}},
      },
      {});
}

TEST(GrammarRegex, ASearchMatchesAnywhereButAtAnchors) {
  Check(
      {
          {"b", {"b", "abc", "\nb\n"}, {"", "ac"}},
          {"^b", {"b", "bc"}, {"", "ab"}},
          {"b$", {"b", "ab"}, {"", "bc"}},
          {"^b$", {"b"}, {"ab", "bc"}},
          {"^a|b$", {"a", "ax", "xb", "b"}, {"xa", "bx"}},
          {"(^a|b)c", {"ac", "acx", "xbcx", "bc"}, {"xac", "a"}},
          {"x(a|b$)", {"xa", "yxaz", "zxb"}, {"xbz"}},
          {"(^a$)|(c)", {"a", "xcx"}, {"ab", "xa"}},
          {"", {"", "anything"}, {}},
          {"^", {"", "x"}, {}},
          {"$", {"", "x"}, {}},
          {"^$", {""}, {"x"}},
          {"(a)+", {"xaay"}, {"x"}},
      },
      {.search = true});
}

TEST(GrammarRegex, CharactersOfJsonStringsAreEscaped) {
  Check(
      {
          {"a\"b\\\\", {"a\\\"b\\\\"}, {"a\"b\\"}},
          {"[^a]", {"b", "\\n", "\\\"", "\\u0001", "\xc3\xa9", "/"}, {"a", "\n", "\\u000a", "\\/"}},
          {"\\n\\x1f\\x7f", {"\\n\\u001f\x7f"}, {"\\n\\u001F\x7f"}},
          {".", {"\\t", "\\\\"}, {"\\n", "\\r", "\\"}},
      },
      {.json_string = true});
  Check({{"b\"", {"\\\\b\\\"\\n", "b\\\""}, {"\\b\\\"", "\"b\\\""}}},
        {.search = true, .json_string = true});
}

TEST(GrammarRegex, RefusalsNameWhatIsNotSupported) {
  const auto refusal = [](const std::string& text) { return Matcher().Regex(text); };
  const std::string at1 = "regular expression, column 1: ";
  const std::string at2 = "regular expression, column 2: ";
  EXPECT_EQ(refusal("(?=a)"), at1 + "look-ahead is not supported");
  EXPECT_EQ(refusal("a(?!a)"), at2 + "look-ahead is not supported");
  EXPECT_EQ(refusal("(?<=a)b"), at1 + "look-behind is not supported");
  EXPECT_EQ(refusal("(?<!a)b"), at1 + "look-behind is not supported");
  EXPECT_EQ(refusal("(a)\\1"), "regular expression, column 4: back references are not supported");
  EXPECT_EQ(refusal("\\k<a>"), at1 + "back references (\\k) are not supported");
  EXPECT_EQ(refusal("(?P=a)"), at1 + "back references are not supported");
  EXPECT_EQ(refusal("a\\b"), at2 + "word boundaries (\\b) are not supported");
  EXPECT_EQ(refusal("(?i)a"), at1 + "flags and groups of this kind are not supported");
  EXPECT_EQ(refusal("(a"), at1 + "this group is not closed");
  EXPECT_EQ(refusal("a)"), at2 + "no group is open here");
  EXPECT_EQ(refusal("[a"), at1 + "this class is not closed");
  EXPECT_EQ(refusal("[]"), at1 + "an empty class, or one that begins with \"]\"");
  EXPECT_EQ(refusal("[[:alpha:]]"), at2 + "classes such as [:alpha:] are not supported");
  EXPECT_EQ(refusal("[b-a]"), at2 + "the range ends before it begins");
  EXPECT_EQ(refusal("[\\d-a]"), at2 + "a range of classes");
  EXPECT_EQ(refusal("*a"), at1 + "there is nothing to repeat (a backslash makes it a character)");
  EXPECT_EQ(refusal("a**"), "regular expression, column 3: a repetition cannot be repeated");
  EXPECT_EQ(refusal("a{,2}"), at2 + "{m}, {m,} or {m,n} is expected");
  EXPECT_EQ(refusal("a{2,1}"), at2 + "a repetition of at least 2 and at most 1");
  EXPECT_EQ(refusal("a^b"), at2 + "\"^\" may stand only at the beginning");
  EXPECT_EQ(refusal("a$b"), "regular expression, column 3: \"$\" may stand only at the end");
  EXPECT_EQ(refusal("(a$)b"), "regular expression, column 3: \"$\" may stand only at the end");
  EXPECT_EQ(refusal("\\q"), at1 + "this escape is not supported");
  EXPECT_EQ(refusal("\\"), at1 + "a backslash is the last character");
  EXPECT_EQ(refusal("\\u{110000}"), at1 + "not a character of Unicode");
  EXPECT_EQ(refusal("\\ud800"), at1 + "half of a surrogate pair");
  EXPECT_EQ(refusal("\\p{Greek}"),
            at1 +
                "of \\p{...}, only the categories L, Lu, Ll, Lt, Lm, Lo, M, N, P and S are "
                "supported");
  EXPECT_EQ(refusal("\xff"), at1 + "this is not UTF-8");
}

// A random expression over few letters.
std::string RandomRegex(std::mt19937& random, int depth) {
  const auto pick = [&](unsigned n) { return random() % n; };
  switch (depth == 0 ? pick(3) : pick(8)) {
    case 0:
      return std::string(1, static_cast<char>('a' + pick(3)));
    case 1:
      return "[ab]";
    case 2:
      return "[^a]";
    case 3:
    case 4:
      return RandomRegex(random, depth - 1) + RandomRegex(random, depth - 1);
    case 5:
      return "(" + RandomRegex(random, depth - 1) + "|" + RandomRegex(random, depth - 1) + ")";
    case 6:
      return "(?:" + RandomRegex(random, depth - 1) + ")?";
    default:
      return "(" + RandomRegex(random, depth - 1) + "){1,3}";
  }
}

TEST(GrammarRegex, MatchesWhatTheStandardLibraryMatches) {
  std::mt19937 random(7);
  size_t accepted = 0;
  for (int i = 0; i < 150; ++i) {
    const std::string regex = RandomRegex(random, 3);
    const std::regex reference(regex);
    for (const bool search : {false, true}) {
      Matcher matcher;
      ASSERT_EQ(matcher.Regex(regex, {.search = search}), "") << regex;
      for (int k = 0; k < 60; ++k) {
        std::string text;
        for (unsigned n = random() % 8; n > 0; --n) text += static_cast<char>('a' + random() % 4);
        const bool expected =
            search ? std::regex_search(text, reference) : std::regex_match(text, reference);
        ASSERT_EQ(matcher.Accepts(text), expected) << regex << ": " << text << ", " << search;
        accepted += expected ? 1 : 0;
      }
    }
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace clamma_test
