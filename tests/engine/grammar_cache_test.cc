// SPDX-License-Identifier: MIT
// Compiled grammars that queries share, grammars that are checked ahead, loose schemas, and
// triggers that are tokens or repeat.
#include <string>
#include <thread>
#include <vector>

#include "session_fixture.h"

namespace clamma_test {
namespace {

constexpr char kPerson[] = R"({"type": "object", "properties": {"name": {"type": "string"}},
                              "required": ["name"], "additionalProperties": false})";
constexpr char kNot[] =
    R"({"type": "object", "properties": {"a": {"type": "string", "not": {"const": "x"}},
        "b": {"type": "array", "contains": {}, "maxItems": 2}}, "additionalProperties": false})";

struct Checked {
  int result = 0;
  std::string reason;
  std::string dropped;
};

Checked Check(const txf* model, clamma_txf_info_t info, size_t room = 256) {
  std::string desc(512, '\0');
  std::string dropped(room, '?');
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.desc = desc.data();
  info.desc_max = desc.size();
  info.dropped_constraints = dropped.data();
  info.dropped_constraints_max = dropped.size();
  const int result = clamma_grammar_check(model, &info);
  return {result, desc.c_str(), dropped.c_str()};
}

clamma_txf_info_t Schema(const char* schema, bool loose = false) {
  clamma_txf_info_t info = {};
  info.json_schema = schema;
  info.json_schema_loose = loose ? 1 : 0;
  return info;
}

class GrammarCacheTest : public FloatModelTest {
 protected:
  clamma_txf_facts_t Facts() const {
    clamma_txf_facts_t facts = {};
    EXPECT_EQ(clamma_txf_facts(model_.get(), &facts), 0);
    return facts;
  }
  // Runs a query to which `set` adds fields, and returns its text.
  template <typename Set>
  std::string Generate(const Ask& ask, Set set) {
    const SessionPtr session = NewSession(model_);
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, ask);
    set(&info);
    EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    return listener.text;
  }
};

TEST_F(GrammarCacheTest, QueriesOfEqualGrammarsCompileOnce) {
  const uint64_t before = Facts().memory_bytes;
  const auto query = [&](const char* schema, bool loose) {
    return Generate({.limit = 12, .seed = 3}, [=](auto* info) {
      info->json_schema = schema;
      info->json_schema_loose = loose ? 1 : 0;
    });
  };
  const std::string text = query(kPerson, false);
  EXPECT_EQ(query(kPerson, false), text);
  EXPECT_EQ(Check(model_.get(), Schema(kPerson)).result, 0);
  EXPECT_EQ(Facts().grammars_compiled, 1u);
  EXPECT_EQ(Facts().grammars, 1u);
  EXPECT_GT(Facts().grammar_bytes, 0u);
  EXPECT_GE(Facts().memory_bytes, before + Facts().grammar_bytes);
  query(kPerson, true);
  Generate({.limit = 3}, [](auto* info) {
    info->json_schema = kPerson;
    info->grammar_trigger = "x";
  });
  Generate({.limit = 3}, [](auto* info) { info->regex = "[a-z]{2}"; });
  EXPECT_EQ(Facts().grammars_compiled, 4u) << "another notation, option or trigger";
}

TEST_F(GrammarCacheTest, ThreadsThatStartTogetherCompileOnce) {
  std::string schema = R"({"enum": [)";
  for (int i = 0; i < 3000; ++i) schema += "\"value number " + std::to_string(i) + "\", ";
  schema += "0]}";
  for (const bool is_valid : {true, false}) {
    const std::string text = is_valid ? schema : schema + "]";
    const uint64_t before = Facts().grammars_compiled;
    std::vector<std::thread> threads;
    std::vector<Checked> checked(6);
    for (Checked& one : checked) {
      threads.emplace_back([&] { one = Check(model_.get(), Schema(text.c_str())); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Checked& one : checked) {
      EXPECT_EQ(one.result, is_valid ? 0 : 1) << one.reason;
      EXPECT_EQ(one.reason, checked[0].reason);
    }
    EXPECT_GE(Facts().grammars_compiled, before + 1);
    if (is_valid) {
      EXPECT_EQ(Facts().grammars_compiled, before + 1);
    }
  }
  EXPECT_EQ(Facts().grammars, 1u) << "what is refused is not kept";
}

TEST_F(GrammarCacheTest, GrammarsWithoutAQueryAreBounded) {
  for (int i = 0; i < 300; ++i) {
    const std::string regex = "a{" + std::to_string(i) + "}";
    clamma_txf_info_t info = {};
    info.regex = regex.c_str();
    ASSERT_EQ(Check(model_.get(), info).result, 0) << regex;
  }
  EXPECT_EQ(Facts().grammars, 256u);
  EXPECT_EQ(Facts().grammars_compiled, 300u);
  const auto compiles = [&](const char* regex) {
    const uint64_t before = Facts().grammars_compiled;
    clamma_txf_info_t info = {};
    info.regex = regex;
    EXPECT_EQ(Check(model_.get(), info).result, 0);
    return Facts().grammars_compiled != before;
  };
  EXPECT_FALSE(compiles("a{44}"));
  EXPECT_TRUE(compiles("a{43}")) << "the least recently used ones are gone";
  EXPECT_FALSE(compiles("a{44}"));
}

TEST_F(GrammarCacheTest, WhatAQueryHasStays) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t query = QueryInfo(listener, {.limit = 20});
  query.regex = "[0-9]{30}";
  ASSERT_EQ(clamma_session_query(session.get(), &query), 0);
  for (int i = 0; i < 300; ++i) {
    const std::string regex = "a{" + std::to_string(i) + "}";
    clamma_txf_info_t info = {};
    info.regex = regex.c_str();
    ASSERT_EQ(Check(model_.get(), info).result, 0);
  }
  EXPECT_EQ(Facts().grammars, 257u);
  StepAll();
  EXPECT_EQ(Facts().grammars, 256u);
  EXPECT_EQ(listener.text.find_first_not_of("0123456789"), std::string::npos) << listener.text;
}

TEST_F(GrammarCacheTest, InAnArenaNothingIsKept) {
  std::vector<uint8_t> arena(size_t{64} << 20);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.arena = arena.data();
  info.arena_size = arena.size();
  const TxfPtr model = Open(info);
  const auto facts = [&] {
    clamma_txf_facts_t all = {};
    EXPECT_EQ(clamma_txf_facts(model.get(), &all), 0);
    return all;
  };
  const size_t before = facts().arena_in_use;
  EXPECT_EQ(Check(model.get(), Schema(kPerson)).result, 0);
  EXPECT_EQ(Check(model.get(), Schema(kNot, true)).result, 0);
  EXPECT_EQ(facts().arena_in_use, before);
  EXPECT_EQ(facts().grammars, 0u);
}

TEST_F(GrammarCacheTest, ALooseSchemaNamesWhatItDrops) {
  const Checked strict = Check(model_.get(), Schema(kNot));
  EXPECT_EQ(strict.result, 1);
  EXPECT_NE(strict.reason.find("/properties/a/not"), std::string::npos) << strict.reason;
  EXPECT_EQ(strict.dropped, "");
  const Checked loose = Check(model_.get(), Schema(kNot, true));
  EXPECT_EQ(loose.result, 0) << loose.reason;
  EXPECT_EQ(loose.dropped, "/properties/a/not\n/properties/b/contains");
  EXPECT_EQ(Check(model_.get(), Schema(kNot, true), 41).dropped, loose.dropped);
  EXPECT_EQ(Check(model_.get(), Schema(kNot, true), 40).dropped, "/properties/a/not");
  EXPECT_EQ(Check(model_.get(), Schema(kNot, true), 18).dropped, "/properties/a/not");
  EXPECT_EQ(Check(model_.get(), Schema(kNot, true), 17).dropped, "");
  EXPECT_EQ(Check(model_.get(), Schema(kPerson, true)).dropped, "");
  std::string dropped(100, '?');
  const std::string text = Generate({.seed = 5}, [&](auto* info) {
    info->json_schema = kNot;
    info->json_schema_loose = 1;
    info->dropped_constraints = dropped.data();
    info->dropped_constraints_max = dropped.size();
  });
  EXPECT_EQ(dropped.c_str(), loose.dropped);
  EXPECT_EQ(text.substr(0, 1), "{");
}

TEST_F(GrammarCacheTest, ChecksSayWhatIsWrong) {
  const auto reason = [&](auto set) {
    clamma_txf_info_t info = {};
    set(&info);
    const Checked checked = Check(model_.get(), info);
    EXPECT_EQ(checked.result, 1);
    return checked.reason;
  };
  static const tok_id_t token = 300;
  static const tok_id_t absent = 1 << 20;
  static const tok_id_t end = TOK_EOS;
  EXPECT_EQ(reason([](auto* info) { info->regex = "a(?=b)"; }),
            "regular expression, column 2: look-ahead is not supported");
  EXPECT_EQ(reason([](auto*) {}),
            "clamma_grammar_check() needs a grammar, regex or json_schema, and a build with "
            "grammars");
  EXPECT_EQ(reason([](auto* info) { info->grammar_trigger_token = &token; }),
            "grammar_trigger_token is given, and no grammar, regex or json_schema");
  EXPECT_EQ(reason([](auto* info) {
              info->regex = "a";
              info->grammar_trigger = "x";
              info->grammar_trigger_token = &token;
            }),
            "grammar_trigger and grammar_trigger_token exclude each other");
  EXPECT_EQ(reason([](auto* info) {
              info->regex = "a";
              info->grammar_repeats = 1;
            }),
            "grammar_repeats is given, and no trigger");
  EXPECT_EQ(reason([](auto* info) {
              info->regex = "a";
              info->grammar_trigger_token = &absent;
            }),
            "the vocabulary has no token 1048576");
  EXPECT_NE(reason([](auto* info) {
              info->regex = "a";
              info->grammar_trigger_token = &end;
            }).find("ends texts"),
            std::string::npos);
}

TEST_F(GrammarCacheTest, ATriggerMayBeATokenAndRepeat) {
  // The bias makes a token likely wherever it is allowed.
  static const tok_id_t token = 300;
  static const clamma_logit_bias_t bias = {token, 1e9f};
  size_t size = 0;
  char piece[64] = "";
  ASSERT_EQ(clamma_decode(model_.get(), &token, 1, piece, sizeof(piece), &size), 0);
  const std::string trigger(piece, size);
  const auto generate = [&](bool repeats, bool by_text) {
    return Generate({.prompt = "Once", .limit = 13}, [&](auto* info) {
      info->regex = "[Q][Z]";
      info->logit_bias = &bias;
      info->logit_bias_count = 1;
      if (by_text) {
        info->grammar_trigger = trigger.c_str();
      } else {
        info->grammar_trigger_token = &token;
      }
      info->grammar_repeats = repeats ? 1 : 0;
    });
  };
  for (const bool by_text : {false, true}) {
    SCOPED_TRACE(by_text);
    EXPECT_EQ(generate(false, by_text), trigger + "QZ");
    const std::string text = generate(true, by_text);
    EXPECT_EQ(text.substr(0, 3 * (trigger.size() + 2)),
              trigger + "QZ" + trigger + "QZ" + trigger + "QZ");
  }
}

TEST_F(GrammarCacheTest, FreeTextBehindAMatchMayEnd) {
  const tok_id_t token = 300;
  const clamma_logit_bias_t biases[] = {{token, 500}, {TOK_EOS, 1000}};
  const auto query = [&](size_t n_biases) {
    return Generate({.prompt = "Once", .limit = 40}, [&](auto* info) {
      info->regex = "QZ";
      info->grammar_trigger_token = &token;
      info->grammar_repeats = 1;
      info->logit_bias = biases;
      info->logit_bias_count = n_biases;
    });
  };
  EXPECT_EQ(query(2), "") << "free text may end at once";
  EXPECT_GT(query(1).size(), 10u);
}

}  // namespace
}  // namespace clamma_test
