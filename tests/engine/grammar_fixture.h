// SPDX-License-Identifier: MIT
// The code that the tests of grammars share.
#ifndef CLAMMA_TESTS_ENGINE_GRAMMAR_FIXTURE_H_
#define CLAMMA_TESTS_ENGINE_GRAMMAR_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "engine/grammar/automaton.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/program.h"
#include "engine/grammar/regex.h"
#include "platform/memory.h"

namespace clamma_test {

inline constexpr char kJsonGrammar[] =
    "root   ::= object\n"
    "value  ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
    "object ::= \"{\" ws ( string \":\" ws value (\",\" ws string \":\" ws value)* )? \"}\" ws\n"
    "array  ::= \"[\" ws ( value (\",\" ws value)* )? \"]\" ws\n"
    "string ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" "
    "[0-9a-fA-F]{4}) )* \"\\\"\" ws\n"
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9] "
    "[1-9]{0,15})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";

// A compiled grammar that follows texts.
class Matcher {
 public:
  // The reason why the grammar is refused; "": it is not.
  std::string Gbnf(const std::string& text) {
    clamma::Grammar grammar(memory_);
    const clamma::Status status = clamma::ParseGbnf(text, &grammar);
    return status.ok() ? Compile(grammar) : status.message();
  }
  std::string Regex(const std::string& text, const clamma::RegexOptions& options = {}) {
    clamma::Grammar grammar(memory_);
    clamma::RuleId root = 0;
    clamma::NodeId body = 0;
    EXPECT_TRUE(grammar.AddRule("root", &root).ok());
    const clamma::Status status = clamma::ParseRegex(text, options, &grammar, &body);
    if (!status.ok()) return status.message();
    EXPECT_TRUE(grammar.DefineRule(root, body).ok());
    return Compile(grammar);
  }
  std::string Compile(const clamma::Grammar& grammar,
                      const clamma::Tokenizer* tokenizer = nullptr) {
    automaton_ = std::make_unique<clamma::Automaton>();
    program_ = std::make_unique<clamma::Program>();
    clamma::Status status = program_->Compile(memory_, grammar, tokenizer);
    if (status.ok()) status = automaton_->Init(memory_, *program_);
    return status.ok() ? "" : status.message();
  }

  clamma::Automaton& automaton() { return *automaton_; }

  // The state behind a text that goes on from `state`.
  clamma::MatchState After(clamma::MatchState state, std::string_view text) {
    for (const char c : text) {
      const clamma::Status status = automaton_->Next(state, static_cast<uint8_t>(c), &state);
      EXPECT_TRUE(status.ok()) << status.message();
    }
    return state;
  }
  clamma::MatchState After(std::string_view text) { return After(automaton_->start(), text); }
  bool Continues(clamma::MatchState state, std::string_view text) {
    return After(state, text) != clamma::kNoMatch;
  }
  bool Ends(clamma::MatchState state, std::string_view text) {
    return automaton_->CanEnd(After(state, text));
  }
  bool Begins(std::string_view text) { return Continues(automaton_->start(), text); }
  bool Accepts(std::string_view text) { return Ends(automaton_->start(), text); }

 private:
  clamma::Memory memory_;
  std::unique_ptr<clamma::Program> program_;
  std::unique_ptr<clamma::Automaton> automaton_;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_ENGINE_GRAMMAR_FIXTURE_H_
