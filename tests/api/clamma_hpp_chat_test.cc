// SPDX-License-Identifier: MIT
// clamma.hpp: chats, compared with the C API.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "clamma.hpp"
#include "clamma_hpp_fixture.h"

namespace clamma_test {
namespace {

class ClammaHppChatTest : public ClammaHppTest {
 protected:
  // Opens a model with a template that shows every field of a message.
  static clamma::Model OpenShowing() {
    return clamma::Model(
        {.checkpoint = ModelPath(kFloatModel),
         .tokenizer = ModelPath(kDictionary),
         .threads = 1,
         .chat_template =
             "{% for m in messages %}{{ m.role }}:{{ m.content }}:{{ m.name }}:"
             "{{ m.reasoning_content }}:{{ m.tool_calls }}:{{ m.tool_call_id }};{% endfor %}"
             "{{ tools }}{{ mood }}{{ '?' if add_generation_prompt }}",
         .context = 300});
  }
};

TEST_F(ClammaHppChatTest, EveryFieldReachesTheTemplate) {
  const clamma::Model model = OpenShowing();
  EXPECT_EQ(model.Facts().context, 300u);
  EXPECT_EQ(model.Facts().trained_context, 512u);
  const clamma::Chat chat = {
      .messages = {{.role = "user", .content = "hi", .name = "Tom"},
                   {.role = "assistant", .reasoning = "hm", .tool_calls = "[1]"},
                   {.role = "tool", .content_parts = "[2]", .tool_call_id = "7"}},
      .tools = "[3]",
      .arguments = "{\"mood\": 4}"};
  const std::string expected = "user:hi:Tom:::;assistant:::hm:[1]:;tool:[2]::::7;[3]4";
  EXPECT_EQ(model.RenderChat(chat), expected + "?");
  EXPECT_EQ(model.RenderChat(chat, false), expected);
  EXPECT_EQ(model.Decode(model.EncodeChat(chat)), expected + "?");
}

TEST_F(ClammaHppChatTest, AConversationGoesOn) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  clamma::Chat chat = {.messages = {{.role = "user", .content = "Who is Lily?"}}};
  const clamma::Query query = {.limit = 20};
  const std::string first = session.GenerateChat(chat, query);
  EXPECT_EQ(first, clamma::Session(model).GenerateChat(chat, query));
  chat.messages.push_back({.role = "assistant", .content = first});
  chat.messages.push_back({.role = "user", .content = "And Tom?"});
  std::string text;
  session.StartChat(chat, query, Into(text));
  clamma::Run();
  EXPECT_NE(text, "");
  // The first prompt stays in the context.
  EXPECT_LT(session.Facts().prompt_tokens, model.EncodeChat(chat).size());
}

TEST_F(ClammaHppChatTest, WhatCannotBeAChatThrowsTheReason) {
  const clamma::Model model = Open();
  clamma::Session session(model);
  const clamma::Chat none;
  EXPECT_EQ(ReasonOf([&] { session.GenerateChat(none); }), "a chat needs messages");
  const clamma::Chat nul = {.messages = {{.role = "user", .content = std::string("a\0b", 3)}}};
  EXPECT_NE(ReasonOf([&] { session.GenerateChat(nul); }), "");
  EXPECT_FALSE(session.running());
}

TEST_F(ClammaHppChatTest, TokensHaveTextsAndOnlyGgufModelsMetadata) {
  const clamma::Model model = Open();
  EXPECT_EQ(model.TokenText(TOK_BOS), "\n<s>\n");
  EXPECT_EQ(model.Metadata("general.license"), std::nullopt);
  EXPECT_EQ(model.Facts().bos, TOK_BOS);
  EXPECT_EQ(model.Facts().eos, TOK_EOS);
}

}  // namespace
}  // namespace clamma_test
