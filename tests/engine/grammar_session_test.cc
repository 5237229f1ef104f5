// SPDX-License-Identifier: MIT
// Queries with grammars: their texts match, and end by themselves.
#include <map>

#include "chat_models.h"
#include "grammar_fixture.h"
#include "session_fixture.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

struct Constrained {
  std::string text;
  clamma_done_t why = CLAMMA_DONE_ERROR;
  std::string reason;  // of a refusal
  uint64_t random = 0;
  std::vector<std::pair<tok_id_t, float>> logprobs;
};

// Runs a query to which `set` adds fields.
template <typename Set>
Constrained RunWith(txf_session* session, const Ask& ask, Set set) {
  Listener listener;
  Constrained result;
  clamma_txf_info_t info = QueryInfo(listener, ask);
  set(&info);
  char desc[256] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  if (clamma_session_query(session, &info) != 0) {
    EXPECT_TRUE(listener.ends.empty());
    result.reason = desc;
    return result;
  }
  StepAll();
  result.text = listener.text;
  result.why = listener.ends.at(0);
  result.random = Facts(session).rng_state;
  return result;
}

class GrammarSession : public FloatModelTest {
 protected:
  Constrained Generate(const char* grammar, const Ask& ask) {
    return RunWith(NewSession(model_).get(), ask, [=](auto* info) { info->grammar = grammar; });
  }
  Constrained GenerateRegex(const char* regex, const Ask& ask) {
    return RunWith(NewSession(model_).get(), ask, [=](auto* info) { info->regex = regex; });
  }
};

constexpr char kPerson[] =
    "root ::= \"{\" ws \"\\\"name\\\":\" ws name \",\" ws \"\\\"age\\\":\" ws [1-9] [0-9]? ws "
    "\"}\"\n"
    "name ::= \"\\\"\" [A-Z] [a-z]{1,8} (\" \" [A-Z] [a-z]{1,8})? \"\\\"\"\n"
    "ws ::= \" \"?\n";

TEST_F(GrammarSession, TextsMatchAndEndByThemselves) {
  Matcher person;
  ASSERT_EQ(person.Gbnf(kPerson), "");
  constexpr char kSentence[] = "[A-Z][a-z]{1,7}( [a-z]{1,8}){3,9}[.!?]";
  Matcher sentence;
  ASSERT_EQ(sentence.Regex(kSentence), "");
  std::map<std::string, int> texts;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const Ask ask = {.prompt = seed % 2 == 0 ? "" : "Once upon a time",
                     .temperature = seed % 3 == 0 ? 0.0f : 1.2f,
                     .topp = seed % 4 == 0 ? 0.9f : 0,
                     .seed = seed};
    const Constrained json = Generate(kPerson, ask);
    EXPECT_TRUE(person.Accepts(json.text)) << json.text;
    EXPECT_EQ(json.why, CLAMMA_DONE_END_OF_TEXT) << json.text;
    const Constrained words = GenerateRegex(kSentence, ask);
    EXPECT_TRUE(sentence.Accepts(words.text)) << words.text;
    EXPECT_EQ(words.why, CLAMMA_DONE_END_OF_TEXT) << words.text;
    ++texts[json.text];
    ++texts[words.text];
  }
  EXPECT_GT(texts.size(), 8u);
}

TEST_F(GrammarSession, EveryCharacterCanBeForced) {
  for (const char* text : {"X", " ", "\n", "  x", "{\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}"}) {
    for (const char* prompt : {"", "Once"}) {
      const std::string grammar = text[0] == '\n'  ? "root ::= \"\\n\""
                                  : text[0] == '{' ? "root ::= \"{\\\"\xc3\xa9\xe2\x82\xac\xf0\x9f"
                                                     "\x98\x80\\\"}\""
                                                   : std::string("root ::= \"") + text + "\"";
      const Constrained forced = Generate(grammar.c_str(), {.prompt = prompt});
      EXPECT_EQ(forced.text, text);
      EXPECT_EQ(forced.why, CLAMMA_DONE_END_OF_TEXT);
    }
  }
}

TEST_F(GrammarSession, AGrammarOfAnyTextChangesNothing) {
  for (const float temperature : {0.0f, 0.8f}) {
    const Ask ask = {.prompt = "Lily", .limit = 60, .temperature = temperature, .seed = 3};
    const Constrained plain = RunWith(NewSession(model_).get(), ask, [](auto*) {});
    const Constrained any = Generate("root ::= .*", ask);
    EXPECT_EQ(any.text, plain.text);
    EXPECT_EQ(any.why, CLAMMA_DONE_LIMIT);
    EXPECT_EQ(any.random, plain.random);
  }
}

TEST_F(GrammarSession, ARandomNumberIsDrawnForEachToken) {
  const Ask ask = {.prompt = "Lily", .limit = 5, .temperature = 1, .seed = 9};
  const Constrained plain = RunWith(NewSession(model_).get(), ask, [](auto*) {});
  const Constrained forced = Generate("root ::= \"zzzzzzzzzzzzzzzzzzz\"", ask);
  EXPECT_EQ(forced.random, plain.random);
}

TEST_F(GrammarSession, TheMaskWinsOverBiasesAndFiltersWorkOnWhatItLeaves) {
  const clamma_logit_bias_t bias[] = {{TOK_EOS, 1e6f}, {400, 1e9f}};
  for (const auto& [top_k, min_p, topp] : {std::tuple{1u, 0.0f, 0.0f},
                                           {3u, 0.0f, 0.5f},
                                           {0u, 0.9f, 0.0f},
                                           {0u, 0.0f, 0.01f},
                                           {500u, 0.0f, 0.0f}}) {
    for (uint64_t seed = 1; seed < 6; ++seed) {
      const Constrained result =
          RunWith(NewSession(model_).get(), {.temperature = 2, .topp = topp, .seed = seed},
                  [&, k = top_k, p = min_p](auto* info) {
                    info->regex = "[0-9]{4}";
                    info->logit_bias = bias;
                    info->logit_bias_count = 2;
                    info->top_k = k;
                    info->min_p = p;
                  });
      EXPECT_EQ(result.text.size(), 4u) << result.text;
      EXPECT_EQ(result.text.find_first_not_of("0123456789"), std::string::npos) << result.text;
      EXPECT_EQ(result.why, CLAMMA_DONE_END_OF_TEXT);
    }
  }
}

TEST_F(GrammarSession, LogprobsAreThoseOfTheModel) {
  struct Seen {
    std::vector<float> chosen;
    std::vector<tok_id_t> tokens;
  };
  static Seen seen;
  const auto query = [&](const char* regex) {
    seen = {};
    RunWith(NewSession(model_).get(), {.prompt = "Once upon a", .limit = 1}, [=](auto* info) {
      info->regex = regex;
      info->top_logprobs = 1;
      info->logprobs_cb = [](void*, tok_id_t, float logprob, size_t, const tok_id_t* top,
                             const float*) {
        seen.chosen.push_back(logprob);
        seen.tokens.push_back(top[0]);
      };
    });
    return seen;
  };
  const Seen plain = query(nullptr);
  const Seen same = query(" time");
  const Seen other = query("Q");
  ASSERT_EQ(plain.chosen.size(), 1u);
  EXPECT_EQ(same.tokens, plain.tokens);
  EXPECT_EQ(other.tokens, plain.tokens) << "the likeliest need not be allowed";
  EXPECT_LT(other.chosen.at(0), -4.0f);
}

TEST_F(GrammarSession, StopStringsAndStopTokens) {
  const char* const stops[] = {"b"};
  const tok_id_t end = 261;  // some token with text
  const auto with_stops = [&](auto* info) {
    info->regex = "abc";
    info->stop_strings = stops;
    info->stop_string_count = 1;
    info->stop_tokens = &end;
    info->stop_token_count = 1;
  };
  const Constrained result = RunWith(NewSession(model_).get(), {}, with_stops);
  EXPECT_EQ(result.text, "abc");
  EXPECT_EQ(result.why, CLAMMA_DONE_END_OF_TEXT);
  // A stop token comes only where the text may end.
  const Constrained forced = RunWith(NewSession(model_).get(), {}, [&](auto* info) {
    static const clamma_logit_bias_t bias = {261, 1e6f};
    info->regex = "(.|\\n){3,}";
    info->stop_tokens = &end;
    info->stop_token_count = 1;
    info->logit_bias = &bias;
    info->logit_bias_count = 1;
  });
  EXPECT_GE(forced.text.size(), 3u);
  EXPECT_LT(forced.text.size(), 12u);
  EXPECT_EQ(forced.why, CLAMMA_DONE_END_OF_TEXT);
}

TEST_F(GrammarSession, TheGrammarBeginsBehindItsTrigger) {
  const Constrained free =
      RunWith(NewSession(model_).get(), {.prompt = "Once", .limit = 80}, [](auto*) {});
  const size_t at = free.text.find("named");
  ASSERT_NE(at, std::string::npos) << free.text;
  const char* const stops[] = {"Q"};
  const Constrained result = RunWith(NewSession(model_).get(), {.prompt = "Once"}, [&](auto* info) {
    info->regex = ": [0-9]{3}Q!";
    info->grammar_trigger = "named";
    info->stop_strings = stops;
    info->stop_string_count = 1;
  });
  EXPECT_EQ(result.text.substr(0, at + 5), free.text.substr(0, at + 5));
  Matcher rest;
  ASSERT_EQ(rest.Regex(": [0-9]{3}Q!"), "");
  EXPECT_TRUE(rest.Accepts(result.text.substr(at + 5))) << result.text;
  EXPECT_EQ(result.why, CLAMMA_DONE_END_OF_TEXT);
  // Before it, stop strings act.
  const char* const early[] = {"upon", "time", "girl"};
  const Constrained stopped =
      RunWith(NewSession(model_).get(), {.prompt = "Once"}, [&](auto* info) {
        info->regex = "x";
        info->grammar_trigger = "named";
        info->stop_strings = early;
        info->stop_string_count = 3;
      });
  EXPECT_EQ(stopped.why, CLAMMA_DONE_STOP_STRING);
}

// The trigger ends within a token. What follows it there belongs to the match.
TEST_F(GrammarSession, StopStringsDoNotActBehindTheTriggerInItsToken) {
  std::vector<std::string> pieces;
  Listener listener;
  listener.on_text = [&] {
    size_t size = 0;
    for (const std::string& piece : pieces) size += piece.size();
    pieces.push_back(listener.text.substr(size));
    return 0;
  };
  const SessionPtr session = NewSession(model_);
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Once", .limit = 20}), 0);
  StepAll();
  std::string before;
  size_t i = 0;
  while (i < pieces.size() && (pieces[i].size() < 3 || i < 3)) before += pieces[i++];
  ASSERT_LT(i, pieces.size());
  const std::string trigger = before + pieces[i][0];
  const std::string stop = pieces[i].substr(1);
  ASSERT_EQ(before.find(stop), std::string::npos) << before;
  const char* const stops[] = {stop.c_str()};
  const std::string regex = stop + "[0-9]{3}";
  const Constrained result = RunWith(NewSession(model_).get(), {.prompt = "Once"}, [&](auto* info) {
    info->regex = regex.c_str();
    info->grammar_trigger = trigger.c_str();
    info->stop_strings = stops;
    info->stop_string_count = 1;
  });
  EXPECT_EQ(result.why, CLAMMA_DONE_END_OF_TEXT);
  EXPECT_EQ(result.text.size(), before.size() + pieces[i].size() + 3) << result.text;
  EXPECT_EQ(result.text.substr(0, before.size() + pieces[i].size()), before + pieces[i]);
}

TEST_F(GrammarSession, EachQueryBeginsAMatch) {
  const SessionPtr session = NewSession(model_);
  const auto digits = [](auto* info) { info->regex = "[0-9]{8}"; };
  const Constrained first = RunWith(session.get(), {.limit = 3}, digits);
  EXPECT_EQ(first.why, CLAMMA_DONE_LIMIT);
  EXPECT_LT(first.text.size(), 8u);
  const Constrained second = RunWith(session.get(), {.prompt = nullptr}, digits);
  EXPECT_EQ(second.text.size(), 8u) << second.text;
  EXPECT_EQ(second.why, CLAMMA_DONE_END_OF_TEXT);
  const Constrained third = RunWith(session.get(), {.limit = 4}, [](auto*) {});
  EXPECT_EQ(third.why, CLAMMA_DONE_LIMIT);
  EXPECT_NE(third.text.find_first_not_of("0123456789"), std::string::npos) << "no grammar is left";
}

TEST_F(GrammarSession, AMatchDoesNotBeginWithAnUnfinishedCharacterOfTheTextBefore) {
  const SessionPtr session = NewSession(model_);
  static const clamma_logit_bias_t bias = {3 + 0xc3, 1e6f};
  const Constrained first =
      RunWith(session.get(), {.prompt = "Once", .limit = 1}, [](clamma_txf_info_t* info) {
        info->logit_bias = &bias;
        info->logit_bias_count = 1;
      });
  EXPECT_EQ(first.text, "") << "the first byte of a character";
  const Constrained digits =
      RunWith(session.get(), {.prompt = nullptr}, [](auto* info) { info->regex = "[0-9]{3}"; });
  EXPECT_EQ(digits.text.find_first_not_of("0123456789"), std::string::npos) << digits.text;
  EXPECT_EQ(digits.text.size(), 3u);
}

TEST_F(GrammarSession, RefusalsSayWhatIsWrong) {
  const SessionPtr session = NewSession(model_);
  const auto refusal = [&](const char* grammar, const char* regex, const char* trigger) {
    return RunWith(session.get(), {.limit = 2},
                   [=](auto* info) {
                     info->grammar = grammar;
                     info->regex = regex;
                     info->grammar_trigger = trigger;
                   })
        .reason;
  };
  EXPECT_EQ(refusal("root ::= \"a\"", "a", nullptr),
            "grammar, regex and json_schema exclude each other");
  EXPECT_EQ(refusal(nullptr, nullptr, "x"),
            "grammar_trigger is given, and no grammar, regex or json_schema");
  EXPECT_EQ(refusal("", nullptr, nullptr), "grammar: there is no rule \"root\"");
  EXPECT_EQ(refusal("root ::= \"a\n", nullptr, nullptr),
            "grammar, line 1, column 10: this text is not closed");
  EXPECT_EQ(refusal(nullptr, "a(?=b)", nullptr),
            "regular expression, column 2: look-ahead is not supported");
  EXPECT_EQ(refusal(nullptr, "a", std::string(257, 'x').c_str()),
            "a trigger has 1 to 256 bytes, not 257");
  EXPECT_EQ(refusal("root ::= <s>", nullptr, nullptr), "the vocabulary has no token \"<s>\"");
  EXPECT_EQ(RunWith(session.get(), {.limit = 2}, [](auto*) {}).why, CLAMMA_DONE_LIMIT);
}

TEST_F(GrammarSession, TextsDoNotDependOnThreadsOrNeighbours) {
  const auto texts = [&](unsigned threads) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.threads = threads;
    const TxfPtr model = Open(info);
    constexpr size_t kSessions = 5;
    std::vector<SessionPtr> sessions;
    std::vector<Listener> listeners(kSessions);
    for (size_t i = 0; i < kSessions; ++i) {
      sessions.push_back(NewSession(model));
      clamma_txf_info_t query = QueryInfo(
          listeners[i], {.prompt = "One day", .limit = 60, .temperature = 1, .seed = i + 1});
      if (i % 2 == 0) query.grammar = kPerson;
      EXPECT_EQ(clamma_session_query(sessions[i].get(), &query), 0);
    }
    StepAll();
    std::vector<std::string> result;
    for (const Listener& listener : listeners) result.push_back(listener.text);
    return result;
  };
  const std::vector<std::string> expected = texts(1);
  EXPECT_EQ(texts(4), expected);
  EXPECT_EQ(Generate(kPerson, {.prompt = "One day", .limit = 60, .temperature = 1, .seed = 3}).text,
            expected[2]);
}

TEST(GrammarChat, AnAnswerMatchesAndEndsWithTheTurn) {
  TemporaryFolder folder;
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  const std::string path = folder.Write("chat.gguf", MakeChatModel(kTemplate).Build());
  info.checkpoint_path = path.c_str();
  info.threads = 1;
  info.log_cb = clamma_log_silent;
  const TxfPtr model = Open(info);
  const auto answer = [&](const char* grammar) {
    const SessionPtr session = NewSession(model);
    Listener listener;
    clamma_txf_info_t query = QueryInfo(listener, {.limit = 40});
    query.grammar = grammar;
    clamma_message_t message = {};
    message.role = "user";
    message.content = "Hello";
    EXPECT_EQ(clamma_chat_query(session.get(), &query, &message, 1), 0);
    StepAll();
    return std::pair(listener.text, listener.ends.at(0));
  };
  EXPECT_EQ(answer("root ::= \"aaa\" | \"b\" \"c\""),
            std::pair(std::string("aaa"), CLAMMA_DONE_END_OF_TEXT));
  EXPECT_EQ(answer("root ::= <|im_start|> \"c\""),
            std::pair(std::string("c"), CLAMMA_DONE_END_OF_TEXT));
}

TEST_F(GrammarSession, AJsonSchemaGivesValidDocuments) {
  constexpr char kSchema[] =
      "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\", "
      "\"pattern\": \"^[A-Z][a-z]{2,8}$\"}, \"age\": {\"type\": \"integer\", "
      "\"minimum\": 1, \"maximum\": 99}}, \"required\": [\"name\", \"age\"], "
      "\"additionalProperties\": false}";
  Matcher expected;
  ASSERT_EQ(expected.Regex("\\{\"name\":\"[A-Z][a-z]{2,8}\",\"age\":[1-9][0-9]?\\}"), "");
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Constrained result = RunWith(NewSession(model_).get(), {.temperature = 1, .seed = seed},
                                       [&](auto* info) { info->json_schema = kSchema; });
    EXPECT_TRUE(expected.Accepts(result.text)) << result.text;
    EXPECT_EQ(result.why, CLAMMA_DONE_END_OF_TEXT);
  }
  const Constrained refused = RunWith(NewSession(model_).get(), {}, [](auto* info) {
    info->json_schema = "{\"type\": \"nonsense\"}";
  });
  EXPECT_NE(refused.reason.find("type"), std::string::npos) << refused.reason;
}

// A vocabulary without ends, in which bytes are tokens.
TEST(GrammarEnd, WithoutATokenThatEndsTextsTheQueryEndsWithTheGrammar) {
  GgufBytes file = ByteLevel({{"aa"}}, {"a a"}, "gpt-2");
  GgufSpec spec = {.vocab = kMore + 1, .context = 64};
  AddKeys(spec, &file);
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
  }
  TemporaryFolder folder;
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  const std::string path = folder.Write("endless.gguf", file.Build());
  info.checkpoint_path = path.c_str();
  info.threads = 1;
  info.log_cb = clamma_log_silent;
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  const Constrained result = RunWith(session.get(), {.prompt = "a", .limit = 40},
                                     [](auto* query) { query->regex = "xyz"; });
  EXPECT_EQ(result.text, "xyz");
  EXPECT_EQ(result.why, CLAMMA_DONE_END_OF_TEXT);
  // A byte without a token.
  const Constrained next = RunWith(session.get(), {.prompt = "a", .limit = 2},
                                   [](auto* query) { query->regex = "[xy]*"; });
  EXPECT_EQ(next.why, CLAMMA_DONE_LIMIT);
}

}  // namespace
}  // namespace clamma_test
