// SPDX-License-Identifier: MIT
// Masks of tokens, compared with each token's bytes tried one by one, for real vocabularies.
#include <random>

#include "engine/grammar/token_masks.h"
#include "engine/grammar/trigger.h"
#include "engine/grammar/vocabulary_trie.h"
#include "gguf_fixture.h"
#include "grammar_fixture.h"
#include "test_data.h"

namespace clamma_test {
namespace {

using clamma::kNoMatch;
using clamma::MatchState;
using clamma::TokenId;
using clamma::Tokenizer;
using clamma::TokenMask;

// A vocabulary of the test data, with its trie.
class Vocabulary {
 public:
  explicit Vocabulary(const std::string& path) : bytes_(ReadBytes(path)) {
    clamma::Status status;
    if (path.ends_with(".gguf")) {
      parsed_ = std::make_unique<ParsedGguf>(bytes_);
      status = tokenizer_.Open(memory_, **parsed_);
    } else {
      const uint32_t size = path.find("512") != std::string::npos ? 512 : 32000;
      status = tokenizer_.Open(memory_, bytes_.data(), bytes_.size(), size);
    }
    EXPECT_TRUE(status.ok()) << status.message();
    status = trie_.Build(memory_, tokenizer_);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const clamma::VocabularyTrie& trie() const { return trie_; }

 private:
  std::vector<uint8_t> bytes_;
  clamma::Memory memory_;
  std::unique_ptr<ParsedGguf> parsed_;
  Tokenizer tokenizer_;
  clamma::VocabularyTrie trie_;
};

std::string VocabularyPath(const std::string& name) { return DataRoot() / "vocab" / name; }

// The text of a grammar compiled for a vocabulary, and its masks.
class Masked {
 public:
  Masked(const Vocabulary& vocabulary, const std::string& gbnf, const std::string& trigger = "")
      : vocabulary_(vocabulary) {
    clamma::Grammar grammar(memory_);
    clamma::Status status = clamma::ParseGbnf(gbnf, &grammar);
    if (status.ok() && !trigger.empty()) status = clamma::AddTrigger(trigger, false, &grammar);
    EXPECT_TRUE(status.ok()) << status.message();
    reason_ = matcher_.Compile(grammar, &vocabulary.tokenizer());
    if (!reason_.empty()) return;
    status = masks_.Init(memory_, vocabulary.trie(), vocabulary.tokenizer());
    EXPECT_TRUE(status.ok()) << status.message();
    state_ = automaton().start();
  }
  const std::string& reason() const { return reason_; }
  clamma::Automaton& automaton() { return matcher_.automaton(); }
  MatchState state() const { return state_; }

  TokenMask Find(bool strips_space = false) {
    TokenMask mask;
    const clamma::Status status = masks_.Find(automaton(), state_, strips_space, &mask);
    EXPECT_TRUE(status.ok()) << status.message();
    return mask;
  }
  void AdvanceByte(char byte) {
    EXPECT_TRUE(automaton().Next(state_, static_cast<uint8_t>(byte), &state_).ok());
  }
  void Advance(TokenId token, bool strips_space = false) {
    const clamma::Status status = masks_.Advance(automaton(), token, strips_space, &state_);
    EXPECT_TRUE(status.ok()) << status.message();
  }

  // Whether a token is allowed, by its bytes alone.
  bool IsAllowed(TokenId token, bool strips_space) {
    const Tokenizer& tokenizer = vocabulary_.tokenizer();
    if (!tokenizer.IsGenerated(token)) return false;
    if (tokenizer.EndsText(token)) return automaton().CanEnd(state_);
    std::string_view bytes = tokenizer.Bytes(token);
    if (bytes.empty()) return false;
    if (strips_space && bytes[0] == ' ') bytes.remove_prefix(1);
    return matcher_.Continues(state_, bytes);
  }
  void ExpectMaskOfBytes(bool strips_space) {
    const TokenMask mask = Find(strips_space);
    bool any = false;
    for (TokenId token = 0; token < static_cast<TokenId>(vocabulary_.tokenizer().vocab_size());
         ++token) {
      const bool expected = IsAllowed(token, strips_space);
      any |= expected;
      ASSERT_EQ(clamma::HasToken(mask.allowed, token), expected)
          << token << " " << vocabulary_.tokenizer().Piece(token);
    }
    EXPECT_EQ(mask.any, any);
  }
  // Returns any allowed token that does not end the text; kNoToken if there is none.
  TokenId RandomToken(std::mt19937& random, bool strips_space) {
    const TokenMask mask = Find(strips_space);
    std::vector<TokenId> tokens;
    for (TokenId token = 0; token < static_cast<TokenId>(vocabulary_.tokenizer().vocab_size());
         ++token) {
      if (clamma::HasToken(mask.allowed, token) && !vocabulary_.tokenizer().EndsText(token))
        tokens.push_back(token);
    }
    return tokens.empty() ? clamma::kNoToken : tokens[random() % tokens.size()];
  }

 private:
  const Vocabulary& vocabulary_;
  clamma::Memory memory_;
  Matcher matcher_;
  clamma::TokenMasks masks_;
  std::string reason_;
  MatchState state_ = kNoMatch;
};

// A random grammar. A rule refers to later rules, or after a letter to any.
std::string RandomGrammar(std::mt19937& random) {
  const auto pick = [&](unsigned n) { return random() % n; };
  const unsigned n_rules = 2 + pick(4);
  std::string text;
  for (unsigned rule = 0; rule < n_rules; ++rule) {
    text += rule == 0 ? "root ::= " : "r" + std::to_string(rule) + " ::= ";
    for (unsigned alternatives = 1 + pick(3); alternatives > 0; --alternatives) {
      static constexpr const char* kItems[] = {
          "\"th\"", "[a-z]",       "[^\"\\\\\\x00-\\x1f]", "\"\\\"\"", "[ \\n]{0,3}",
          ".",      "\"\\u00e9\"", "[A-Z]{2,5}",           "[0-9]+",   "(\"the \" | \"a\")"};
      for (unsigned items = 1 + pick(3); items > 0; --items) {
        text += kItems[pick(10)];
        if (pick(3) == 0) text += pick(2) == 0 ? "*" : "?";
        text += " ";
      }
      if (pick(2) == 0 && rule + 1 < n_rules) text += "r" + std::to_string(rule + 1);
      if (pick(3) == 0) text += " (\"(\" root \")\")?";
      if (alternatives > 1) text += " | ";
    }
    text += "\n";
  }
  return text;
}

TEST(GrammarMasks, EqualTheBytesOfEachToken) {
  std::mt19937 random(5);
  for (const std::string& path :
       {ModelPath("tok512.bin"), ModelPath("tokenizer.bin"),
        VocabularyPath("ggml-vocab-gpt-2.gguf"), VocabularyPath("ggml-vocab-llama-spm.gguf")}) {
    CLAMMA_NEED_FILE(path);
    SCOPED_TRACE(path);
    const Vocabulary vocabulary(path);
    std::vector<std::string> grammars = {kJsonGrammar, "root ::= [a-z ]{3,20} \"\\n\" .*"};
    for (int i = 0; i < 6; ++i) grammars.push_back(RandomGrammar(random));
    for (const std::string& grammar : grammars) {
      SCOPED_TRACE(grammar);
      Masked masked(vocabulary, grammar);
      ASSERT_EQ(masked.reason(), "");
      for (int step = 0; step < 6; ++step) {
        const bool strips_space = step == 0 && random() % 2 == 0;
        masked.ExpectMaskOfBytes(strips_space);
        if (HasFatalFailure()) return;
        const TokenId token = masked.RandomToken(random, strips_space);
        if (token == clamma::kNoToken) break;
        masked.Advance(token, strips_space);
        ASSERT_NE(masked.state(), kNoMatch);
      }
    }
  }
}

TEST(GrammarMasks, InStringsOfEachLengthEqualTheBytes) {
  const std::string path = VocabularyPath("ggml-vocab-gpt-2.gguf");
  CLAMMA_NEED_FILE(path);
  const Vocabulary vocabulary(path);
  for (const char* count : {"{0,3}", "{5}", "{0,31}", "{32}", "{2,40}", "*"}) {
    SCOPED_TRACE(count);
    Masked masked(vocabulary,
                  std::string("root ::= \"\\\"\" [^\"\\\\\\x00-\\x1f]") + count + " \"\\\"\"");
    masked.Advance(vocabulary.tokenizer().Find("\""));
    masked.ExpectMaskOfBytes(false);
  }
}

// Strings in which the characters so far decide what may follow, so that masks follow many states.
TEST(GrammarMasks, InStringsWithConditionsEqualTheBytes) {
  const std::string path = VocabularyPath("ggml-vocab-gpt-2.gguf");
  CLAMMA_NEED_FILE(path);
  const Vocabulary vocabulary(path);
  const std::pair<const char*, const char*> cases[] = {
      // Keys whose first characters lead to different values.
      {"root ::= \"{\\\"\" (a | b | c) \"}\"\na ::= \"a\" rest \"\\\":1\"\n"
       "b ::= [b-~] rest \"\\\":2\"\nc ::= [\\u007f-\\U0010ffff] rest \"\\\":3\"\n"
       "rest ::= [^\"\\\\\\x00-\\x1f]*",
       "{\"b"},
      // One of two texts must occur.
      {"root ::= \"\\\"\" any (\"bar\" any | \"f\" any \"o\") \"\\\"\"\nany ::= "
       "[^\"\\\\\\x00-\\x1f]*",
       "\"fuba"},
      // Only ASCII; only some characters beyond it; not one of them; a limit behind one.
      {"root ::= \"\\\"\" [ !#-Z^-~]* \"\\\"\"", "\"a b"},
      {"root ::= \"\\\"\" [ !#-Z^-~\\u00c0-\\u00ff]* \"\\\"\"", "\"\xc3\xa9"},
      {"root ::= \"\\\"\" [^\"\\\\\\x00-\\x1f\\u00e9]* \"\\\"\"", "\"e"},
      {"root ::= \"\\\"\" [ -!]* (\"\\u00e9\" [^\"\\\\\\x00-\\x1f]{1,3})? \"\\\"\"",
       "\" \xc3\xa9x"},
      // Each character is a rule of its own.
      {"root ::= \"\\\"\" char* \"\\\"\"\nchar ::= [^\"\\\\\\x00-\\x1f] | \"\\\\\" [\"\\\\]",
       "\"x\\\""},
      {"root ::= \"\\\"\" (char char)+ \"\\\"\"\nchar ::= [^\"\\\\\\x00-\\x1f]", "\"xyz"}};
  for (const auto& [grammar, text] : cases) {
    SCOPED_TRACE(grammar);
    Masked masked(vocabulary, grammar);
    ASSERT_EQ(masked.reason(), "");
    for (const char* byte = text;; ++byte) {
      masked.ExpectMaskOfBytes(false);
      if (HasFatalFailure() || *byte == '\0') break;
      masked.AdvanceByte(*byte);
      ASSERT_NE(masked.state(), kNoMatch) << byte;
    }
  }
}

TEST(GrammarMasks, TrimmedStatesGoOnAsBefore) {
  const std::string path = ModelPath("tok512.bin");
  CLAMMA_NEED_FILE(path);
  const Vocabulary vocabulary(path);
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf(kJsonGrammar), "");
  MatchState state = matcher.After("{\"a\": [1, {\"b\": \"x");
  const uint32_t before = matcher.automaton().n_states();
  ASSERT_TRUE(matcher.automaton().Trim(&state).ok());
  EXPECT_LT(matcher.automaton().n_states(), before);
  EXPECT_TRUE(matcher.Ends(state, "y\"}, null]}"));
  EXPECT_FALSE(matcher.Ends(state, "y\"}, null}]"));
  EXPECT_TRUE(matcher.Accepts("{}"));
}

TEST(GrammarMasks, TokenTermsMatchTokensAndTextDoesNot) {
  const std::string path = VocabularyPath("ggml-vocab-phi-3.gguf");
  CLAMMA_NEED_FILE(path);
  const Vocabulary vocabulary(path);
  const Tokenizer& tokenizer = vocabulary.tokenizer();
  const TokenId system = tokenizer.Find("<|system|>");
  ASSERT_NE(system, clamma::kNoToken);
  ASSERT_TRUE(tokenizer.IsSilent(system));
  const auto n_allowed = [&](const TokenMask& mask) {
    size_t n = 0;
    for (TokenId id = 0; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id)
      n += clamma::HasToken(mask.allowed, id) ? 1 : 0;
    return n;
  };
  Masked named(vocabulary, "root ::= <|system|> \"x\"");
  EXPECT_EQ(n_allowed(named.Find()), 1u);
  EXPECT_TRUE(clamma::HasToken(named.Find().allowed, system));
  named.Advance(system);
  EXPECT_TRUE(clamma::HasToken(named.Find().allowed, tokenizer.Find("x")));
  EXPECT_FALSE(clamma::HasToken(named.Find().allowed, system));

  Masked numbered(vocabulary, "root ::= <[" + std::to_string(system) + "]>*");
  numbered.Advance(system);
  EXPECT_TRUE(clamma::HasToken(numbered.Find().allowed, system));
  EXPECT_TRUE(clamma::HasToken(numbered.Find().allowed, tokenizer.eos()));

  Masked negated(vocabulary, "root ::= !<|system|>* <|system|> \"x\"");
  EXPECT_EQ(n_allowed(negated.Find()), [&] {
    size_t n = 0;  // all that may be generated, except for those that end the text
    for (TokenId id = 0; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id)
      n += tokenizer.IsGenerated(id) && !tokenizer.EndsText(id) ? 1 : 0;
    return n;
  }());
  negated.Advance(tokenizer.Find("x"));
  negated.Advance(system);
  EXPECT_LT(n_allowed(negated.Find()), 4u);  // "x", and the tokens of this byte

  Masked text(vocabulary, "root ::= .*");
  EXPECT_FALSE(clamma::HasToken(text.Find().allowed, system));

  EXPECT_EQ(Masked(vocabulary, "root ::= <nonesuch>").reason(),
            "the vocabulary has no token \"<nonesuch>\"");
  EXPECT_EQ(Masked(vocabulary, "root ::= <[99999999]>").reason(),
            "the vocabulary has no token 99999999");
  EXPECT_EQ(Masked(vocabulary, "root ::= <|end|>").reason(),
            "the token \"<|end|>\" ends texts: it is allowed where the grammar ends");
}

TEST(GrammarMasks, SeveralTermsForAnyTokenButOneAddUp) {
  const std::string path = VocabularyPath("ggml-vocab-phi-3.gguf");
  CLAMMA_NEED_FILE(path);
  const Vocabulary vocabulary(path);
  const TokenId system = vocabulary.tokenizer().Find("<|system|>");
  const TokenId x = vocabulary.tokenizer().Find("x");
  const auto allows = [&](const std::string& gbnf, TokenId token) {
    Masked masked(vocabulary, gbnf);
    return clamma::HasToken(masked.Find().allowed, token);
  };
  const std::string no_system = "!<|system|>";
  const std::string no_x = "!<[" + std::to_string(x) + "]>";
  EXPECT_FALSE(allows("root ::= " + no_system + " | " + no_system, system));
  EXPECT_TRUE(allows("root ::= " + no_system + " | " + no_system, x));
  for (const TokenId token : {system, x}) {
    EXPECT_TRUE(allows("root ::= " + no_system + " | " + no_x, token));
    EXPECT_TRUE(allows("root ::= " + no_x + " | " + no_system + " | " + no_x, token));
  }
  EXPECT_TRUE(allows("root ::= " + no_system + " | <|system|>", system));
  EXPECT_TRUE(allows("root ::= " + no_x + " | \"x\"", x));
}

TEST(GrammarMasks, BeforeTheTriggerTheTextIsFree) {
  const std::string path = VocabularyPath("ggml-vocab-phi-3.gguf");
  CLAMMA_NEED_FILE(path);
  const Vocabulary vocabulary(path);
  const Tokenizer& tokenizer = vocabulary.tokenizer();
  Masked masked(vocabulary, "root ::= \"{}\"", "aab");
  EXPECT_TRUE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("<|system|>")));
  EXPECT_TRUE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("x")));
  EXPECT_TRUE(clamma::HasToken(masked.Find().allowed, tokenizer.eos()));
  for (const char* token : {"x", "a", "a", "a"}) masked.Advance(tokenizer.Find(token));
  EXPECT_TRUE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("b")));
  EXPECT_TRUE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("c")));
  EXPECT_FALSE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("bb")));
  masked.Advance(tokenizer.Find("b"));
  EXPECT_TRUE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("{")));
  EXPECT_FALSE(clamma::HasToken(masked.Find().allowed, tokenizer.Find("x")));
  EXPECT_FALSE(clamma::HasToken(masked.Find().allowed, tokenizer.eos()));
}

TEST(GrammarTrigger, IsFoundWhereItOccursFirst) {
  const auto found_after = [](const std::string& trigger, const std::string& text) {
    clamma::TriggerSearch search(trigger);
    for (size_t i = 0; i < text.size(); ++i) {
      if (search.found()) return i;
      search.Append({&text[i], 1});
    }
    return search.found() ? text.size() : text.size() + 1;
  };
  EXPECT_EQ(found_after("aab", "aaabaab"), 4u);
  EXPECT_EQ(found_after("abab", "abacabab"), 8u);
  EXPECT_EQ(found_after("xyz", "xyxyz"), 5u);
  EXPECT_EQ(found_after("xyz", "xyxy"), 5u);
  EXPECT_EQ(found_after("", "x"), 0u);
}

}  // namespace
}  // namespace clamma_test
