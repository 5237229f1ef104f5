// SPDX-License-Identifier: MIT
// GBNF: which texts a grammar matches, and which grammars are refused.
#include "grammar_fixture.h"

namespace clamma_test {
namespace {

struct Case {
  const char* grammar;
  std::vector<std::string> accepted;
  std::vector<std::string> refused;
};

TEST(GrammarGbnf, MatchesWhatItsTextSays) {
  const Case cases[] = {
      {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "y", "yesno", "Yes", "yes "}},
      {"root ::= \"a\"* \"b\"+ \"c\"?", {"b", "aab", "bbbc", "abc"}, {"", "a", "ac", "bcc", "ba"}},
      {"root ::= \"ab\"{2}", {"abab"}, {"ab", "ababab", "abb"}},
      {"root ::= [ab]{1,3} | \"x\"{2,}", {"a", "abb", "xx", "xxxx"}, {"", "aaaa", "x", "ax"}},
      {"root ::= \"a\"{0} \"b\"{0,1} [0-9]{ 2 , }", {"12", "b345"}, {"1", "a12", "bb12"}},
      {"root ::= [^a-c\\n]",
       {"d", "A", "\xc3\xa9", "\xf0\x9f\x98\x80"},
       {"a", "c", "\n", "", "dd"}},
      {"root ::= .", {"a", "\n", "\xe2\x82\xac"}, {"", "ab", "\xe2\x82", "\xff", "\xed\xa0\x80"}},
      {"root ::= \"\\x41\\u00e9\\U0001F600\\n\\t\\r\\\\\\\"\"",
       {"A\xc3\xa9\xf0\x9f\x98\x80\n\t\r\\\""},
       {"A"}},
      {"root ::= [\\]\\\\^-]", {"]", "\\", "^", "-"}, {"[", "a"}},
      {"root ::= [a-]", {"a", "-"}, {"b"}},
      {"root ::= \"\"", {""}, {"a"}},
      {"root ::=", {""}, {"a"}},
      {"root ::= (\"a\" | (\"b\"\n \"c\" # comment\n |\n \"d\"))+\n",
       {"a", "bc", "dbca"},
       {"b", "c"}},
      {"# first\nroot ::= x y\nx ::= \"1\"\n  | \"2\" # last\n\ny ::= \"!\"", {"1!", "2!"}, {"1"}},
      {"root ::= \"(\" root \")\" root | \"\"", {"", "()", "(())()"}, {"(", ")", "())"}},
      {"root ::= \"a\" root | \"b\"", {"b", "aaab"}, {"a", "ba"}},
      {"root ::= (\"a\"*)* \"b\"?", {"", "aaa", "ab"}, {"bb", "c"}},
      {"root ::= a-1_B\na-1_B ::= \"x\"+ ? *", {"", "xxx"}, {"y"}},
      {"root ::= [\\u00e0-\\u0101]", {"\xc3\xa0", "\xc4\x81"}, {"\xc3\x9f", "\xc4\x82", "\xc3"}},
  };
  for (const Case& c : cases) {
    Matcher matcher;
    ASSERT_EQ(matcher.Gbnf(c.grammar), "") << c.grammar;
    for (const std::string& text : c.accepted)
      EXPECT_TRUE(matcher.Accepts(text)) << c.grammar << ": " << text;
    for (const std::string& text : c.refused)
      EXPECT_FALSE(matcher.Accepts(text)) << c.grammar << ": " << text;
  }
}

TEST(GrammarGbnf, MatchesJson) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf(kJsonGrammar), "");
  for (const char* text :
       {"{}", "{\"a\":1}", "{\"a\": {\"b\":[1,2.5e3,\"\\u00e9\\\"\"]},\"c\":null}"}) {
    EXPECT_TRUE(matcher.Accepts(text)) << text;
  }
  for (const char* text : {"", "[1]", "{\"a\":}", "{\"a\":01}", "{\"a\":1,}", "{\"\x01\":1}"}) {
    EXPECT_FALSE(matcher.Accepts(text)) << text;
  }
}

TEST(GrammarGbnf, RefusalsNameTheLineAndTheColumn) {
  const auto refusal = [](const std::string& text) { return Matcher().Gbnf(text); };
  EXPECT_EQ(refusal(""), "grammar: there is no rule \"root\"");
  EXPECT_EQ(refusal("a ::= \"x\""), "grammar: there is no rule \"root\"");
  EXPECT_EQ(refusal("root ::= \"x\"\n ?"),
            "grammar, line 2, column 2: the name of a rule is expected");
  EXPECT_EQ(refusal("root = \"x\""), "grammar, line 1, column 6: \"::=\" is expected");
  EXPECT_EQ(refusal("root ::= \"x\"\nroot ::= \"y\""),
            "grammar, line 2, column 1: the rule \"root\" is defined twice");
  EXPECT_EQ(refusal("root ::= a\n  | b\na ::= \"x\""),
            "grammar, line 2, column 5: the rule \"b\" is not defined");
  EXPECT_EQ(refusal("root ::= \"x"), "grammar, line 1, column 10: this text is not closed");
  EXPECT_EQ(refusal("root ::= [x"), "grammar, line 1, column 10: this class is not closed");
  EXPECT_EQ(refusal("root ::= (\"x\""), "grammar, line 1, column 10: this group is not closed");
  EXPECT_EQ(refusal("root ::= \"x\")"), "grammar, line 1, column 13: no group is open here");
  EXPECT_EQ(refusal("root ::= \"\\q\""), "grammar, line 1, column 11: this escape is not known");
  EXPECT_EQ(refusal("root ::= \"\\x4\""),
            "grammar, line 1, column 11: an escape has too few hexadecimal digits");
  EXPECT_EQ(refusal("root ::= \"\\ud800\""),
            "grammar, line 1, column 11: an escape is not a character of Unicode");
  EXPECT_EQ(refusal("root ::= [b-a]"),
            "grammar, line 1, column 11: the range ends before it begins");
  EXPECT_EQ(refusal("root ::= \"\xff\""), "grammar, line 1, column 11: this is not UTF-8");
  EXPECT_EQ(refusal("root ::= *"), "grammar, line 1, column 10: there is nothing to repeat");
  EXPECT_EQ(refusal("root ::= \"x\"{,3}"), "grammar, line 1, column 14: a number is expected");
  EXPECT_EQ(refusal("root ::= \"x\"{3,2}"),
            "grammar, line 1, column 13: a repetition of at least 3 and at most 2");
  EXPECT_EQ(refusal("root ::= <x"), "grammar, line 1, column 10: this token is not closed");
  EXPECT_EQ(refusal("root ::= <x>"), "the vocabulary has no token \"<x>\"");
}

TEST(GrammarGbnf, SchemasAreTermsWhoseTextsMayHaveSpaces) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf(R"(root ::= "[" (%json {"type": "object", "properties": {
    "}{": {"enum": [1, {"a": [2, 3]}]}, "b": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["}{"], "additionalProperties": false, "$defs": {"n": {"type": "integer"}}}
    | rest) "]"
rest ::= %json {"type": ["integer", "string"]}+)"),
            "");
  for (const char* text : {R"([{"}{": 1, "b": [1, 2]}])", R"([{"}{":1,"b":[1,2]}])",
                           R"([{"}{": {"a": [2, 3]}}])", R"([12"x"])"}) {
    EXPECT_TRUE(matcher.Accepts(text)) << text;
  }
  for (const char* text : {R"([{"}{": 2}])", R"([{"}{":  1}])", R"([{ "}{": 1}])", R"([{"b": []}])",
                           R"([{"}{": 1, "b": ["x"]}])", R"({"}{": 1})", "[]"}) {
    EXPECT_FALSE(matcher.Accepts(text)) << text;
  }
}

TEST(GrammarGbnf, SchemasAreRefusedWithTheirPlace) {
  const auto refusal = [](const std::string& text) { return Matcher().Gbnf(text); };
  EXPECT_EQ(refusal("root ::= %xml {}"), "grammar, line 1, column 10: \"%json\" is expected");
  EXPECT_EQ(refusal("root ::= %json []"),
            "grammar, line 1, column 16: a JSON schema, an object, is expected");
  EXPECT_EQ(refusal("root ::= %json {\"a\": \"}\""),
            "grammar, line 1, column 16: this schema is not closed");
  EXPECT_EQ(refusal("root ::= \"x\"\n  %json {\"type\": 7}").substr(0, 26),
            "grammar, line 2, column 3:");
  EXPECT_EQ(refusal("root ::= \"x\" |\n  %json {\"not\": {}}").substr(0, 46),
            "grammar, line 2, column 9: JSON schema, at /no");
}

TEST(GrammarGbnf, ManySchemasShareTheLimitOfTheirWork) {
  std::string schema = R"({"allOf": [)";
  for (int i = 0; i < 8; ++i) {
    schema += R"({"anyOf": [{"minLength": 1}, {"maxLength": )" + std::to_string(9 + i) + "}]},";
  }
  schema += R"({"type": "string"}]})";
  EXPECT_EQ(Matcher().Gbnf("root ::= %json " + schema), "");
  std::string many = "root ::= \"x\"";
  for (int i = 0; i < 2000; ++i) many += " | %json " + schema;
  EXPECT_EQ(Matcher().Gbnf(many),
            "JSON schema: it takes too much work: fewer alternatives, references or counts are "
            "needed");
}

TEST(GrammarGbnf, LeftRecursionIsRefusedByTheRulesName) {
  const auto refusal = [](const std::string& text) { return Matcher().Gbnf(text); };
  const std::string reason =
      "left recursion is not supported: the rule \"list\" begins with itself";
  EXPECT_EQ(refusal("root ::= \"(\" list \")\"\nlist ::= list \",\" | \"x\""), reason);
  EXPECT_EQ(refusal("root ::= list\nlist ::= empty (list \"a\"){0,2} \"b\"\nempty ::= \"e\"?"),
            reason);
  const std::string indirect = refusal("root ::= a\na ::= b \"x\" | \"y\"\nb ::= a \"z\"");
  EXPECT_TRUE(indirect.starts_with("left recursion is not supported: the rule \"")) << indirect;
}

TEST(GrammarGbnf, GrammarsThatMatchNothingAreRefused) {
  EXPECT_EQ(Matcher().Gbnf("root ::= \"a\" root"),
            "no text matches the grammar: its root \"root\" never ends");
  EXPECT_EQ(Matcher().Gbnf("root ::= \"a\" []"),
            "no text matches the grammar: its root \"root\" never ends");
}

TEST(GrammarGbnf, WhatNeverEndsIsLeftOut) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf("root ::= \"a\" (endless | \"b\")\nendless ::= \"c\" endless"), "");
  EXPECT_TRUE(matcher.Accepts("ab"));
  EXPECT_FALSE(matcher.Begins("ac"));
}

}  // namespace
}  // namespace clamma_test
