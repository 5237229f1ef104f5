// SPDX-License-Identifier: MIT
// Answers in channels, as gpt-oss generates them: which text is issued, and how the answers are
// written when they are sent back.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api_fixture.h"
#include "chat/channels.h"
#include "clamma-extra.h"
#include "gguf_models.h"
#include "temporary_folder.h"
#include "tokenizer_vocabularies.h"

namespace clamma_test {
namespace {

constexpr tok_id_t kReturn = kMore + 4;
constexpr tok_id_t kTokens = kMore + 7;

GgufBytes Vocabulary() {
  return ByteLevel({{"<|start|>", kControl},
                    {"<|channel|>", kControl},
                    {"<|message|>", kControl},
                    {"<|end|>", kControl},
                    {"<|return|>", kControl},
                    {"<|constrain|>", kControl},
                    {"<|call|>", kControl}},
                   {}, "gpt-2");
}

// A template like that of gpt-oss: of reasoning, only that of the last message is written.
constexpr char kTemplate[] =
    "{%- for m in messages -%}"
    "{%- if m.role == 'assistant' -%}"
    "{%- if loop.last and not add_generation_prompt and m.thinking is defined -%}"
    "{{- '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' -}}"
    "{%- endif -%}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' -}}"
    "{%- else -%}"
    "{{- '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif -%}";

std::vector<tok_id_t> Tokens(const std::string& text) {
  static OpenedGguf opened(Vocabulary());
  std::vector<tok_id_t> tokens;
  for (const tok_id_t token : opened.Encode(text, {.parse_control = true})) tokens.push_back(token);
  return tokens;
}

class Channels : public testing::Test {
 protected:
  // Returns the text that is issued for `answer` after `context`.
  std::string Issued(const std::string& context, const std::string& answer) const {
    const clamma::Tokenizer& tokenizer = opened_.tokenizer();
    const std::vector<tok_id_t> before = Tokens(context);
    clamma::ChannelReader reader(clamma::FindChannelMarks(tokenizer), tokenizer, before.data(),
                                 before.size());
    std::string text;
    for (const tok_id_t token : Tokens(answer)) {
      const clamma::ChannelReader::Output output = reader.Read(token, tokenizer.Bytes(token));
      EXPECT_LE(output.mark.size(), clamma::ChannelReader::kMaxMark);
      text += std::string(output.mark) + std::string(output.text);
    }
    return text;
  }

  OpenedGguf opened_{Vocabulary()};
};

constexpr char kAsked[] = "<|start|>user<|message|>2 + 2?<|end|><|start|>assistant";
constexpr char kAnalysis[] = "<|channel|>analysis<|message|>Add them.<|end|><|start|>assistant";

TEST_F(Channels, AnalysisIsIssuedAsReasoningAndFinalBehindIt) {
  EXPECT_EQ(Issued(kAsked, std::string(kAnalysis) + "<|channel|>final<|message|>4<|return|>"),
            "<think>\nAdd them.\n</think>\n\n4");
}

TEST_F(Channels, AnAnswerWithoutAnalysisIsIssuedAlone) {
  EXPECT_EQ(Issued(kAsked, "<|channel|>final<|message|>It is 4.<|return|>"), "It is 4.");
  EXPECT_EQ(Issued(kAsked, "<|message|>It is 4.<|return|>"), "It is 4.");
}

TEST_F(Channels, EmptyAnalysisIsNone) {
  EXPECT_EQ(Issued(kAsked,
                   "<|channel|>analysis<|message|><|end|><|start|>assistant"
                   "<|channel|>final<|message|>4<|return|>"),
            "4");
}

TEST_F(Channels, AnalysisInTwoMessagesIsOne) {
  EXPECT_EQ(Issued(kAsked, std::string(kAnalysis) +
                               "<|channel|>analysis<|message|>Four.<|end|><|start|>assistant"
                               "<|channel|>final<|message|>4<|return|>"),
            "<think>\nAdd them.\n\nFour.\n</think>\n\n4");
}

TEST_F(Channels, OtherChannelsAreSaidWithoutTheirNames) {
  EXPECT_EQ(Issued(kAsked, std::string(kAnalysis) +
                               "<|channel|>commentary to=functions.add <|constrain|>json"
                               "<|message|>{\"a\": 2}"),
            "<think>\nAdd them.\n</think>\n\n{\"a\": 2}");
  EXPECT_EQ(Issued(kAsked, "<|channel|>analysis_of_all_that<|message|>x"), "x");
  EXPECT_EQ(Issued(kAsked, "<|channel|>an<|message|>x"), "x");
}

TEST_F(Channels, AnAnswerGoesOnWhereItStopped) {
  const std::string final = "<|channel|>final<|message|>It is 4.";
  const std::string all = kAnalysis + final;
  // However the answer is split, the issued text is the same.
  const std::vector<std::string> parts = {
      "",
      "<|channel|>",
      "<|channel|>ana",
      "<|channel|>analysis<|message|>",
      "<|channel|>analysis<|message|>Add",
      "<|channel|>analysis<|message|>Add them.<|end|>",
      kAnalysis,
      std::string(kAnalysis) + "<|channel|>final",
      std::string(kAnalysis) + "<|channel|>final<|message|>",
      std::string(kAnalysis) + "<|channel|>final<|message|>It is"};
  for (const std::string& first : parts) {
    EXPECT_EQ(Issued(kAsked, first) + Issued(kAsked + first, all.substr(first.size())),
              "<think>\nAdd them.\n</think>\n\nIt is 4.")
        << first;
  }
}

TEST_F(Channels, TheNextAnswerHasReasoningOfItsOwn) {
  const std::string cut = std::string(kAsked) + "<|channel|>analysis<|message|>Add<|end|>";
  EXPECT_EQ(Issued(cut + kAsked, "<|channel|>final<|message|>4"), "4");
  EXPECT_EQ(Issued(cut + kAsked, std::string(kAnalysis) + "<|channel|>final<|message|>4"),
            "<think>\nAdd them.\n</think>\n\n4");
}

TEST_F(Channels, NoReasoningIsThatOfOthers) {
  EXPECT_EQ(Issued("", "<|start|>user<|channel|>analysis<|message|>x"), "x");
}

TEST_F(Channels, VocabulariesWithoutTheMarksHaveNone) {
  const OpenedGguf opened(
      ByteLevel({{"<|start|>", kControl}, {"<|message|>", kControl}}, {}, "gpt-2"));
  EXPECT_EQ(clamma::FindChannelMarks(opened.tokenizer()).format, nullptr);
  EXPECT_NE(clamma::FindChannelMarks(opened_.tokenizer()).format, nullptr);
}

struct Parted {
  bool has_reasoning;
  std::string reasoning, said;
  bool operator==(const Parted&) const = default;
};

Parted Part(std::string_view answer) {
  std::string_view reasoning;
  std::string_view said;
  const bool has = clamma::PartReasoning(answer, &reasoning, &said);
  return {has, std::string(reasoning), std::string(said)};
}

TEST(PartReasoning, GivesWhatWasPutTogether) {
  EXPECT_EQ(Part("<think>\nAdd them.\n\nFour.\n</think>\n\n4"),
            (Parted{true, "Add them.\n\nFour.", "4"}));
  EXPECT_EQ(Part("<think>\n\n x \n\n</think>\n\n\n4\n"), (Parted{true, "\n x \n", "\n4\n"}));
  EXPECT_EQ(Part("<think>\nAdd th"), (Parted{true, "Add th", ""}));
  EXPECT_EQ(Part("<think></think>"), (Parted{true, "", ""}));
  EXPECT_EQ(Part("<think>a</think>b"), (Parted{true, "a", "b"}));
  EXPECT_EQ(Part("4 <think>\nx\n</think>\n\n"), (Parted{false, "", ""}));
  EXPECT_EQ(Part(""), (Parted{false, "", ""}));
}

// --- Through the C API
// ----------------------------------------------------------------------------

class ChannelsApi : public testing::Test {
 protected:
  void SetUp() override {
    GgufBytes file = Vocabulary();
    const GgufSpec spec = {.vocab = kTokens, .context = 512};
    AddKeys(spec, &file);
    file.Add("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(kReturn));
    file.Add("tokenizer.chat_template", std::string(kTemplate));
    for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
      file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
    }
    folder_.Write("model.gguf", file.Build());
    path_ = folder_.path("model.gguf");
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.checkpoint_path = path_.c_str();
    info.model_type = CLAMMA_MODEL_CHAT;
    info.threads = 1;
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log_;
    model_.reset(clamma_txf_construct(&info));
    ASSERT_NE(model_, nullptr) << log_.last();
    session_ = NewSession(model_);
  }

  // Answers a prompt, with each token forced by a query of its own. The token `stop` ends the text.
  std::string Answer(const std::vector<clamma_message_t>& messages, const std::string& tokens,
                     const tok_id_t* stop = nullptr) {
    Listener listener;
    bool first = true;
    for (const tok_id_t token : Tokens(tokens)) {
      const clamma_logit_bias_t bias = {token, 1e6f};
      clamma_txf_info_t info = QueryInfo(listener, {.prompt = nullptr, .limit = 1});
      info.logit_bias = &bias;
      info.logit_bias_count = 1;
      info.stop_tokens = stop;
      info.stop_token_count = stop == nullptr ? 0 : 1;
      const int refused =
          first ? clamma_chat_query(session_.get(), &info, messages.data(), messages.size())
                : clamma_session_query(session_.get(), &info);
      EXPECT_EQ(refused, 0) << log_.last();
      if (refused != 0) break;
      StepAll();
      first = false;
    }
    return listener.text;
  }

  std::string Render(const std::vector<clamma_message_t>& messages, bool opens_answer) {
    std::string text(4000, '\0');
    size_t size = 0;
    EXPECT_EQ(clamma_chat_render(model_.get(), nullptr, messages.data(), messages.size(),
                                 opens_answer ? 1 : 0, text.data(), text.size(), &size),
              0)
        << log_.last();
    return text.substr(0, size);
  }

  static clamma_message_t Message(const char* role, const char* content) {
    clamma_message_t message = {};
    message.role = role;
    message.content = content;
    return message;
  }

  TemporaryFolder folder_;
  std::string path_;
  LogCollector log_;
  TxfPtr model_ = nullptr;
  SessionPtr session_ = nullptr;
};

constexpr char kWhole[] =
    "<|channel|>analysis<|message|>Add them.<|end|><|start|>assistant"
    "<|channel|>final<|message|>It is 4.<|return|>";

TEST_F(ChannelsApi, CallbacksGetReasoningBetweenMarks) {
  EXPECT_EQ(Answer({Message("user", "2 + 2?")}, kWhole),
            "<think>\nAdd them.\n</think>\n\nIt is 4.");
}

TEST_F(ChannelsApi, AStopTokenThatBeginsAChannelIsNotShownButItsMarkIs) {
  const clamma_message_t message = Message("user", "2 + 2?");
  const tok_id_t add = Tokens("A")[0];
  EXPECT_EQ(Answer({message}, "<|channel|>analysis<|message|>A", &add), "<think>\n");
  const tok_id_t it = Tokens("I")[0];
  EXPECT_EQ(Answer({message}, std::string(kAnalysis) + "<|channel|>final<|message|>I", &it),
            "<think>\nAdd them.\n</think>\n\n");
}

TEST_F(ChannelsApi, AnAnswerGoesOnBehindAStopTokenThatBeginsAChannel) {
  const tok_id_t it = Tokens("I")[0];
  EXPECT_EQ(Answer({Message("user", "2 + 2?")}, kWhole, &it),
            "<think>\nAdd them.\n</think>\n\nt is 4.");
}

TEST_F(ChannelsApi, AnAnswerGoesOnInTransformersForTexts) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = path_.c_str();
  info.threads = 1;
  session_.reset();
  model_.reset(clamma_txf_construct(&info));
  ASSERT_NE(model_, nullptr);
  session_ = NewSession(model_);
  EXPECT_EQ(Answer({Message("user", "2 + 2?")}, kWhole),
            "<think>\nAdd them.\n</think>\n\nIt is 4.");
}

TEST_F(ChannelsApi, ReasoningOfAnAnswerThatComesBackIsApart) {
  const std::string answer = Answer({Message("user", "2 + 2?")}, kWhole);
  const std::vector<clamma_message_t> messages = {
      Message("user", "2 + 2?"), Message("assistant", answer.c_str()), Message("user", "Sure?")};
  EXPECT_EQ(Render(messages, true),
            "<|start|>user<|message|>2 + 2?<|end|>"
            "<|start|>assistant<|channel|>final<|message|>It is 4.<|end|>"
            "<|start|>user<|message|>Sure?<|end|><|start|>assistant");
  EXPECT_EQ(Render({messages[0], messages[1]}, false),
            "<|start|>user<|message|>2 + 2?<|end|>"
            "<|start|>assistant<|channel|>analysis<|message|>Add them.<|end|>"
            "<|start|>assistant<|channel|>final<|message|>It is 4.<|end|>");
}

TEST_F(ChannelsApi, ReasoningThatIsGivenApartStaysAndNoMessageOfUsersIsParted) {
  clamma_message_t answer = Message("assistant", "<think>x</think>4");
  answer.reasoning = "Why not?";
  EXPECT_EQ(Render({answer}, false),
            "<|start|>assistant<|channel|>analysis<|message|>Why not?<|end|>"
            "<|start|>assistant<|channel|>final<|message|><think>x</think>4<|end|>");
  EXPECT_EQ(Render({Message("user", "<think>x</think>4")}, false),
            "<|start|>user<|message|><think>x</think>4<|end|>");
}

TEST_F(ChannelsApi, ACharacterThatReasoningLeavesUnfinishedIsReplaced) {
  std::vector<tok_id_t> cut = Tokens("<|channel|>analysis<|message|>x");
  cut.push_back(0xc3);
  for (const tok_id_t token : Tokens("<|end|><|start|>assistant<|message|>4")) cut.push_back(token);
  Listener listener;
  bool first = true;
  const clamma_message_t message = Message("user", "2 + 2?");
  for (const tok_id_t token : cut) {
    const clamma_logit_bias_t bias = {token, 1e6f};
    clamma_txf_info_t info = QueryInfo(listener, {.prompt = nullptr, .limit = 1});
    info.logit_bias = &bias;
    info.logit_bias_count = 1;
    ASSERT_EQ(first ? clamma_chat_query(session_.get(), &info, &message, 1)
                    : clamma_session_query(session_.get(), &info),
              0);
    StepAll();
    first = false;
  }
  EXPECT_EQ(listener.text, "<think>\nx\xef\xbf\xbd\n</think>\n\n4");
}

TEST_F(ChannelsApi, TextsThatAreNoChatsAreIssuedAsTheyAre) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = path_.c_str();
  info.threads = 1;
  const TxfPtr model(clamma_txf_construct(&info));
  ASSERT_NE(model, nullptr);
  const SessionPtr session = NewSession(model);
  Listener listener;
  for (const tok_id_t token : Tokens("<|channel|>final<|message|>4")) {
    const clamma_logit_bias_t bias = {token, 1e6f};
    clamma_txf_info_t query = QueryInfo(listener, {.prompt = "x", .limit = 1});
    query.logit_bias = &bias;
    query.logit_bias_count = 1;
    ASSERT_EQ(clamma_session_query(session.get(), &query), 0);
    StepAll();
  }
  EXPECT_EQ(listener.text, "final4");
}

}  // namespace
}  // namespace clamma_test
