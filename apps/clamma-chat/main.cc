// SPDX-License-Identifier: MIT
// clamma-chat: a conversation. Answers go to stdout as they are generated, all other output to
// stderr.
//
// Exit codes: 0 the input ended; 1 the model could not be set up; 2 the command line is wrong;
// 3 an answer failed, or could not be written; 130 interrupted while waiting for a line that does
// not come from a terminal.
#include <clamma-extra.h>
#include <clamma.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "chat.h"
#include "chat_setup.h"
#include "command_line.h"
#include "conversation.h"
#include "json.h"
#include "notices.h"
#include "standard_streams.h"
#include "terminal.h"
#include "text_generation.h"

namespace {

using options::kExitSetup;
using options::kExitUsage;

struct Options {
  options::Model model;
  options::Sampling sampling;
  options::Prompt prompt;
  std::string arguments;  // JSON, for the template
  std::string think = "dim";
  bool extends_context = false;
  bool quiet = false;
};

void Declare(options::CommandLine& line, Options& o) {
  o.sampling.steps = 0;
  o.sampling.temperature = options::kChatTemperature;
  o.sampling.topp = options::kChatTopp;
  line.Add(o.model);
  options::AddTemplate(line, o.model);
  line.Add("--template-arguments", o.arguments,
           "Further values for the template, as JSON: '{\"enable_thinking\": false}'");
  line.Add("-c,--context", o.model.context,
           "Most tokens in the context of the conversation, 0 = as many as the model was trained "
           "for and as fit in memory")
      .WholeNumber()
      .ShowDefault();
  line.Add("--extend-context", o.extends_context,
           "Allow --context to be more than the model was trained for");
  line.Add("--think", o.think, "The model's reasoning before its answer: show, dim or hide it")
      .OneOf({"show", "dim", "hide"})
      .ShowDefault();
  line.Add(o.sampling);
  line.Add(o.prompt);
  line.Find("--prompt").Describe("First prompt");
  line.Find("--system").Describe("System prompt, which instructs the model how to answer");
  line.Find("--steps").Describe("Most tokens of an answer, 0 = until it ends");
  line.Add("-q,--quiet", o.quiet, "No banner and no figures on stderr");
}

void OnLog(void*, const char* message) { Tell(message); }

// Prints warnings about the model and its chat format. Returns false if a chat is not possible.
bool CheckModel(const txf* model, const Options& o) {
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model, &facts);
  if (facts.chat_format == nullptr) {
    Tell(
        "the chat format of this model is unknown: --template NAME or FILE gives one, and "
        "clamma-gen continues texts");
    return false;
  }
  if (facts.warning != nullptr) Tell(facts.warning);
  if (facts.chat_format_is_guessed != 0 && !o.quiet) {
    Tell("the file has no chat template: using that of " + std::string(facts.chat_format) +
         ", which its vocabulary shows");
  }
  if (facts.context > facts.trained_context) {
    if (!o.extends_context) {
      Tell("the model was trained for a context of " + std::to_string(facts.trained_context) +
           ": --extend-context allows more, but the answers may make no sense");
      return false;
    }
    Tell("the model was trained for a context of " + std::to_string(facts.trained_context) +
         ": beyond it the answers may make no sense");
  }
  return true;
}

ChatOptions OptionsOf(const txf* model, const Options& o, const std::string& desc) {
  ChatOptions chat;
  chat.quiet = o.quiet;
  chat.colour = terminal::TakesColour();
  chat.think = o.think == "show" ? Think::kShow : o.think == "dim" ? Think::kDim : Think::kHide;
  chat.description = desc;
  const HeldNotices held;
  const char* arguments = o.arguments.empty() ? nullptr : o.arguments.c_str();
  chat.thinks = options::BeginsInThoughts(model, o.model, arguments);
  HeldNotices::Drop();  // a later prompt that the template refuses reports it
  return chat;
}

int RunChat(const Options& o, const options::CommandLine& line) {
  std::string desc;
  const options::ModelPtr model = options::Open(o.model, OnLog, &desc, CLAMMA_MODEL_CHAT);
  if (model == nullptr || !CheckModel(model.get(), o)) return kExitSetup;
  options::Sampling sampling = o.sampling;
  options::TakeModelSampling(model.get(), line, &sampling);
  Conversation conversation(model.get(), o.model, sampling, o.arguments);
  if (!conversation.ready()) return kExitSetup;
  conversation.SetSystem(o.prompt.system);
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model.get(), &facts);
  if (conversation.context() < facts.context) {
    Tell("memory is short: the context has " + std::to_string(conversation.context()) +
         " tokens in place of " + std::to_string(facts.context));
  }
  const ChatOptions chat = OptionsOf(model.get(), o, desc);
  if (!o.quiet) {
    terminal::Print(
        options::Banner(desc) + "\nSession: " +
        options::DescribeSession(conversation.SessionFacts(), sampling, conversation.first_seed()) +
        "\n");
    if (isatty(STDIN_FILENO) != 0) terminal::Print("/help lists commands, Ctrl-D ends\n");
  }
  if (interrupted != 0) return options::kExitInterrupted;  // meanwhile
  return Chat(chat, &conversation).Run(o.prompt.given ? &o.prompt.text : nullptr);
}

int Run(int argc, char** argv) {
  Options o;
  options::CommandLine line(
      "clamma-chat", "Chats with a model, in its own chat format.",
      "Prompts come from -i, then from stdin, one per line; lines that begin with / are commands\n"
      "(/help lists them). Files are looked for in the working directory, then in the model\n"
      "directory.\n"
      "Exit codes: 0 the input ended, 1 set-up failed, 2 wrong command line, 3 an answer failed,\n"
      "130 interrupted.");
  Declare(line, o);
  if (const int code = line.Parse(argc, argv); code >= 0) return code;
  if (const std::string wrong = options::ReadTemplate(&o.model); !wrong.empty()) {
    Tell(wrong);
    return kExitUsage;
  }
  if (const std::optional<Json> values = Json::Parse(o.arguments);
      !o.arguments.empty() && (!values || !values->is_object())) {
    Tell("--template-arguments is not a JSON object: " + o.arguments);
    return kExitUsage;
  }
  KeepStandardStreams();
  HandleSignals();
  terminal::WatchSignals();
  return RunChat(o, line);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    Tell(e.what());
    return kExitSetup;
  }
}
