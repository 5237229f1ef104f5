// SPDX-License-Identifier: MIT
// Grammars that nest or explode: bounded in memory and time, with a reason.
#include "grammar_fixture.h"

namespace clamma_test {
namespace {

using clamma::GrammarLimits;
using clamma::kNoMatch;
using clamma::MatchState;
using clamma::NodeId;
using clamma::RuleId;

std::string Repeat(const std::string& text, size_t n) {
  std::string all;
  for (size_t i = 0; i < n; ++i) all += text;
  return all;
}

// Reads a text as far as limits allow. Returns the reason for which it stops; "": it does not.
std::string Read(Matcher& matcher, const std::string& text) {
  MatchState state = matcher.automaton().start();
  for (const char c : text) {
    matcher.automaton().ResetWork();
    clamma::Status status = matcher.automaton().Next(state, static_cast<uint8_t>(c), &state);
    if (status.code() == clamma::StatusCode::kLimit) {
      const MatchState before = state;
      EXPECT_TRUE(matcher.automaton().Trim(&state).ok()) << before;
      status = matcher.automaton().Next(state, static_cast<uint8_t>(c), &state);
    }
    if (!status.ok()) return status.message();
    if (state == kNoMatch) return "no match";
  }
  return "";
}

TEST(GrammarLimits, DeeplyNestedTextsEndWithAReason) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf("root ::= \"(\" root \")\" | \"x\""), "");
  EXPECT_EQ(Read(matcher, Repeat("(", 4000) + "x" + Repeat(")", 4000)), "");
  EXPECT_EQ(Read(matcher, Repeat("(", 5000)),
            "the text is nested too deeply for its grammar: more than 4096 open rules");
}

TEST(GrammarLimits, EndlessTextsTakeBoundedMemory) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf("root ::= \"a\" root | \"b\""), "");
  EXPECT_EQ(Read(matcher, Repeat("a", 100000) + "b"), "");
  EXPECT_LT(matcher.automaton().n_states(), 10u);
  Matcher counted;
  ASSERT_EQ(counted.Gbnf("root ::= \"a\"{0,100000}"), "");
  EXPECT_EQ(Read(counted, Repeat("a", 100000)), "") << "states are dropped when there are too many";
  EXPECT_EQ(Read(counted, Repeat("a", 100001)), "no match");
}

TEST(GrammarLimits, AmbiguousGrammarsEndWithAReason) {
  // Each rule doubles the number of stacks.
  std::string text = "root ::= r0\n";
  for (int i = 0; i < 20; ++i) {
    const std::string next = "r" + std::to_string(i + 1);
    text += "r" + std::to_string(i) + " ::= " + next + " \"x\" | " + next + " \"y\"\n";
  }
  text += "r20 ::= \"a\"\n";
  EXPECT_EQ(Matcher().Gbnf(text),
            "the grammar is too ambiguous: a text may match it in too many ways");
  // As many positions as characters have been read.
  Matcher matcher;
  ASSERT_EQ(matcher.Regex("(a|b)*a(a|b){5000}"), "");
  EXPECT_EQ(Read(matcher, Repeat("a", 5000)),
            "the grammar is too ambiguous: a text may match it in too many ways");
}

TEST(GrammarLimits, WorkForOneStateIsBounded) {
  // 3900 positions, each with 10,000 edges. One of both alone is no problem.
  const auto grammar = [](size_t calls, size_t classes) {
    return "root ::= \"x\"" + Repeat(" | big \"c\"", calls) + "\nbig ::= \"x\"" +
           Repeat(" | [bdfhjlnprt]", classes) + "\n";
  };
  Matcher matcher;
  EXPECT_EQ(matcher.Gbnf(grammar(3900, 10)), "");
  EXPECT_EQ(matcher.Gbnf(grammar(10, 1000)), "");
  EXPECT_EQ(matcher.Gbnf(grammar(3900, 1000)),
            "the grammar is too ambiguous: a text may match it in too many ways");
}

TEST(GrammarLimits, NestedRepetitionsAddUp) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf("root ::= (((\"ab\" [c]){1000}){1000}){1000}"), "");
  EXPECT_TRUE(matcher.Begins(Repeat("abc", 3000)));
  EXPECT_FALSE(matcher.Begins(Repeat("abc", 3000) + "b"));
  EXPECT_EQ(Matcher().Gbnf("root ::= \"a\"{131073}"),
            "grammar, line 1, column 13: a repetition may have at most 131072 times, not 131073");
  EXPECT_EQ(Matcher().Gbnf("root ::= \"a\"{131072} \"b\"{131072}"),
            "the grammar is too large: it compiles to more than 262144 states or 1048576 edges");
}

TEST(GrammarLimits, DeeplyNestedGrammarsAreRefused) {
  EXPECT_EQ(Matcher().Gbnf("root ::= " + Repeat("(", 99) + "\"x\"" + Repeat(")", 99)), "");
  EXPECT_EQ(Matcher().Gbnf("root ::= " + Repeat("(", 200000)),
            "grammar, line 1, column 110: groups are nested too deeply");
  EXPECT_EQ(Matcher().Gbnf("root ::= \"x\"" + Repeat("?", 300)),
            "the grammar is nested too deeply: more than 250 levels");
  EXPECT_EQ(Matcher().Regex(Repeat("(", 60000)),
            "regular expression, column 81: groups are nested too deeply");
  EXPECT_EQ(Matcher().Regex(Repeat("a", 65537)), "a regular expression has more than 65536 bytes");
}

TEST(GrammarLimits, LargeClassesAreBounded) {
  const std::string refusal = Matcher().Regex(Repeat("\\D", 30000));
  EXPECT_TRUE(refusal.starts_with("the grammar is too large: ")) << refusal;
}

// The same node many times over: what Grammar allows its users, and the notations do not.
TEST(GrammarLimits, NodesThatShareTheirPartsAreBounded) {
  clamma::Memory memory;
  clamma::Grammar grammar(memory);
  RuleId root = 0;
  ASSERT_TRUE(grammar.AddRule("root", &root).ok());
  NodeId node = 0;
  ASSERT_TRUE(grammar.AddChoice(nullptr, 0, &node).ok());
  for (int i = 0; i < 200; ++i) {
    const NodeId twice[] = {node, node};
    ASSERT_TRUE(grammar.AddChoice(twice, 2, &node).ok());
  }
  ASSERT_TRUE(grammar.DefineRule(root, node).ok());
  EXPECT_EQ(Matcher().Compile(grammar),
            "the grammar is too large: it compiles to more than 262144 states or 1048576 edges");
}

}  // namespace
}  // namespace clamma_test
