// SPDX-License-Identifier: MIT
// Chats without memory: each allocation of parsing and rendering a template, of encoding, and of a
// chat's query fails in turn. Each failure has a reason, leaks nothing and leaves the session
// unchanged.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "chat_models.h"
#include "faulty_heap.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

// Conversations whose messages use all fields.
std::vector<clamma_message_t> Messages(bool with_more_turns) {
  std::vector<clamma_message_t> list(with_more_turns ? 7 : 2, clamma_message_t{});
  list[0].role = "system";
  list[0].content = "Be \"kind\" to <|im_start|>.";
  list[1].role = "user";
  list[1].content = "hi";
  if (!with_more_turns) return list;
  list[2].role = "assistant";
  list[2].content = "aaaa";
  list[2].reasoning = "They greet.";
  list[3].role = "user";
  list[3].content_parts = "[{\"type\": \"text\", \"text\": \"What is \\u00e9?\"}]";
  list[4].role = "assistant";
  list[4].content = "Let me see.";
  list[4].tool_calls =
      "[{\"id\": \"abcdefgh1\", \"type\": \"function\", \"function\": {\"name\": \"look\", "
      "\"arguments\": {\"letter\": \"\\u00e9\", \"times\": [1, 2.5, null, true]}}}]";
  list[5].role = "tool";
  list[5].name = "look";
  list[5].tool_call_id = "abcdefgh1";
  list[5].content = "{\"it\": \"is a letter\"}";
  list[6].role = "user";
  list[6].content = "Thanks.";
  return list;
}

class AllocFailureChat : public testing::Test {
 protected:
  void TearDown() override { Heap().FailAllocation(0); }

  clamma_txf_info_t Info(const std::string& chat_template) {
    template_ = chat_template;
    path_ = folder_.Write("model.gguf", MakeChatModel(kTemplate, 2048).Build());
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.checkpoint_path = path_.c_str();
    info.chat_template = template_.c_str();
    info.threads = 1;
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log_;
    return info;
  }

  // The other arguments of a chat.
  static clamma_txf_info_t More() {
    clamma_txf_info_t more = {};
    more.chat_tools =
        "[{\"type\": \"function\", \"function\": {\"name\": \"look\", \"description\": \"Looks\", "
        "\"parameters\": {\"type\": \"object\", \"properties\": {}}}}]";
    more.chat_arguments =
        "{\"mood\": \"sad\", \"enable_thinking\": false, \"functions\": \"[]\", \"datetime\": "
        "\"now\"}";
    return more;
  }

  // Calls call(), which returns 0 for success, again and again, while its n-th allocation fails
  // (and all later ones, if `for_good`), for each n. Returns the number of allocations.
  size_t FailEach(bool for_good, const std::function<int()>& call) {
    const size_t blocks = Heap().live_blocks();
    const size_t bytes = Heap().live_bytes();
    for (size_t n = 1; n < 5000; ++n) {
      SCOPED_TRACE(testing::Message()
                   << "allocation " << n << (for_good ? " and all after it" : "") << " fails");
      log_.lines.clear();
      Heap().FailAllocation(n, for_good);
      const int failed = call();
      const bool happened = Heap().failed();
      Heap().FailAllocation(0);
      EXPECT_EQ(failed != 0, happened) << log_.last();
      EXPECT_EQ(Heap().live_blocks(), blocks);
      EXPECT_EQ(Heap().live_bytes(), bytes);
      EXPECT_EQ(log_.lines.size(), happened ? 1u : 0u);
      if (!happened) return n - 1;
      EXPECT_NE(log_.last().find("memory"), std::string::npos) << log_.last();
      if (testing::Test::HasFailure()) return n;
    }
    ADD_FAILURE() << "this never ends";
    return 0;
  }

  // Calls FailEach() both ways, and expects at least `least` allocations.
  void FailEveryAllocation(size_t least, const std::function<int()>& call) {
    EXPECT_GE(FailEach(false, call), least);
    EXPECT_GE(FailEach(true, call), least);
  }

  TemporaryFolder folder_;
  std::string path_;
  std::string template_;
  LogCollector log_;
};

TEST_F(AllocFailureChat, ConstructionWithATemplateOfItsOwnMayFail) {
  const clamma_txf_info_t info = Info(kTemplate);
  FailEveryAllocation(10, [&] {
    const TxfPtr model(clamma_txf_construct(&info));
    return model == nullptr ? 1 : 0;
  });
}

TEST_F(AllocFailureChat, RenderingMayFail) {
  const clamma_txf_info_t info = Info(kTemplate);
  const TxfPtr model(clamma_txf_construct(&info));
  ASSERT_NE(model, nullptr) << log_.last();
  const std::vector<clamma_message_t> list = Messages(false);
  const clamma_txf_info_t more = More();
  const std::string expected =
      "<|im_start|>tools\n[{\"type\": \"function\", \"function\": {\"name\": \"look\", "
      "\"description\": \"Looks\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}}]"
      "<|im_end|>\n<|im_start|>system\nBe \"kind\" to <|im_start|>.<|im_end|>\n"
      "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nsad";
  FailEveryAllocation(3, [&] {
    char text[1000] = "";
    size_t size = 0;
    const int failed = clamma_chat_render(model.get(), &more, list.data(), list.size(), 1, text,
                                          sizeof(text), &size);
    EXPECT_EQ(std::string(text, size), failed != 0 ? "" : expected);
    return failed;
  });
}

TEST_F(AllocFailureChat, RenderingByTheTemplatesOfRealModelsMayFail) {
  const std::filesystem::path folder = DataRoot() / "templates";
  CLAMMA_NEED_FILE(folder);
  size_t rendered = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const clamma_txf_info_t info = Info(ReadText(entry.path().string()));
    const TxfPtr model(clamma_txf_construct(&info));
    ASSERT_NE(model, nullptr) << log_.last();
    const clamma_txf_info_t more = More();
    // Some templates refuse conversations with tool calls, with their own messages.
    std::vector<clamma_message_t> list = Messages(true);
    size_t size = 0;
    const auto render = [&] {
      return clamma_chat_render(model.get(), &more, list.data(), list.size(), 1, nullptr, 0, &size);
    };
    if (render() != 0) list = Messages(false);
    ASSERT_EQ(render(), 0) << log_.last();
    FailEveryAllocation(4, render);
    ++rendered;
  }
  EXPECT_GT(rendered, 5u);
}

TEST_F(AllocFailureChat, EncodingMayFail) {
  const clamma_txf_info_t info = Info(kTemplate);
  const TxfPtr model(clamma_txf_construct(&info));
  const std::vector<clamma_message_t> list = Messages(false);
  const clamma_txf_info_t more = More();
  std::vector<tok_id_t> expected;
  FailEveryAllocation(5, [&] {
    std::vector<tok_id_t> tokens(1000);
    size_t count = 0;
    const int failed = clamma_chat_encode(model.get(), &more, list.data(), list.size(), 1,
                                          tokens.data(), tokens.size(), &count);
    tokens.resize(count);
    if (failed == 0) {
      EXPECT_GT(count, 50u);
      if (expected.empty()) expected = tokens;
      EXPECT_EQ(tokens, expected);
    }
    return failed;
  });
}

std::vector<tok_id_t> TokensOf(const txf_session* session) {
  size_t count = 0;
  EXPECT_EQ(clamma_session_get_tokens(session, nullptr, 0, &count), 0);
  std::vector<tok_id_t> tokens(count);
  EXPECT_EQ(clamma_session_get_tokens(session, tokens.data(), count, &count), 0);
  return tokens;
}

// A chat's query and its answer: the first one of an empty session, or one that replaces the
// session's tokens.
struct Answer {
  int refused = 0;
  clamma_done_t why = CLAMMA_DONE_ERROR;
  std::string text;
};
Answer Ask(txf_session* session, const std::vector<clamma_message_t>& list,
           const clamma_txf_info_t& more) {
  static const clamma_logit_bias_t bias = {'a', 1e6f};
  static const char* const stops[] = {"never"};
  static const tok_id_t stop_tokens[] = {'z'};
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 4});
  info.chat_tools = more.chat_tools;
  info.chat_arguments = more.chat_arguments;
  info.logit_bias = &bias;
  info.logit_bias_count = 1;
  info.stop_strings = stops;
  info.stop_string_count = 1;
  info.stop_tokens = stop_tokens;
  info.stop_token_count = 1;
  Answer answer;
  answer.refused = clamma_chat_query(session, &info, list.data(), list.size());
  StepAll();
  answer.text = listener.text;
  if (listener.ended()) answer.why = listener.ends[0];
  EXPECT_EQ(listener.ends.size(), answer.refused != 0 ? 0u : 1u);
  return answer;
}

TEST_F(AllocFailureChat, FirstQueryOfAChatMayFail) {
  const clamma_txf_info_t info = Info(kTemplate);
  const TxfPtr model(clamma_txf_construct(&info));
  const std::vector<clamma_message_t> list = Messages(false);
  // The transformer allocates the memory for attention scores here, and keeps it.
  Ask(NewSession(model).get(), list, More());
  FailEveryAllocation(8, [&] {
    const SessionPtr session = NewSession(model);
    if (session == nullptr) return 1;
    const Answer answer = Ask(session.get(), list, More());
    if (answer.refused == 0 && answer.why == CLAMMA_DONE_LIMIT) {
      EXPECT_EQ(answer.text, "aaaa");
      return 0;
    }
    EXPECT_EQ(answer.text, "");
    EXPECT_EQ(TokensOf(session.get()).size(), 0u);
    return 1;
  });
}

TEST_F(AllocFailureChat, FurtherQueryThatFailsLeavesTheConversationAsItWas) {
  const clamma_txf_info_t info = Info(kTemplate);
  const TxfPtr model(clamma_txf_construct(&info));
  const std::vector<clamma_message_t> list = Messages(false);
  std::vector<clamma_message_t> other = list;
  other[1].content = "What is this? It is a longer question, which displaces the one before.";
  const SessionPtr fresh = NewSession(model);
  ASSERT_EQ(Ask(fresh.get(), other, More()).text, "aaaa");
  const std::vector<tok_id_t> expected = TokensOf(fresh.get());
  for (const bool for_good : {false, true}) {
    for (size_t n = 1;; ++n) {
      SCOPED_TRACE(testing::Message()
                   << "allocation " << n << (for_good ? " and all after it" : ""));
      const SessionPtr session = NewSession(model);
      ASSERT_EQ(Ask(session.get(), list, More()).text, "aaaa");
      const std::vector<tok_id_t> before = TokensOf(session.get());
      log_.lines.clear();
      Heap().FailAllocation(n, for_good);
      const Answer answer = Ask(session.get(), other, More());
      const bool happened = Heap().failed();
      Heap().FailAllocation(0);
      if (!happened) {
        EXPECT_EQ(answer.text, "aaaa");
        EXPECT_EQ(TokensOf(session.get()), expected);
        EXPECT_GE(n, 8u);
        break;
      }
      EXPECT_TRUE(answer.refused != 0 || answer.why == CLAMMA_DONE_ERROR);
      EXPECT_EQ(log_.lines.size(), 1u);
      EXPECT_NE(log_.last().find("memory"), std::string::npos) << log_.last();
      if (answer.text.empty()) {
        EXPECT_EQ(TokensOf(session.get()), before);
      }
      EXPECT_EQ(Ask(session.get(), other, More()).text, "aaaa") << "it can be asked again";
      EXPECT_EQ(TokensOf(session.get()), expected);
      ASSERT_LT(n, 5000u) << "this never ends";
    }
  }
}

}  // namespace
}  // namespace clamma_test
