// SPDX-License-Identifier: MIT
// clamma-chat: a conversation. Answers go to stdout as they come, all else to stderr.
//
// Exit codes: 0 the input ended; 1 the model could not be set up; 2 the command line is wrong;
// 3 an answer failed on the way, or could not be written; 130 interrupted while waiting for a line
// that comes from no terminal.
#include <clamma-extra.h>
#include <clamma.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "command_line.h"
#include "conversation.h"
#include "line_input.h"
#include "standard_streams.h"
#include "story.h"

namespace {

using options::kExitGeneration;
using options::kExitInterrupted;
using options::kExitSetup;

struct Options {
  options::Model model;
  options::Sampling sampling;
  options::Prompt prompt;
  bool quiet = false;
};

constexpr char kHelp[] =
    "/reset        forget the conversation; the system prompt stays\n"
    "/save FILE    save it, to go on another day\n"
    "/load FILE    go on with a saved one\n"
    "/help         this\n"
    "/quit         end (Ctrl-D does, too); Ctrl-C stops an answer\n"
    "//...         say a line that begins with /\n";

int Parse(int argc, char** argv, Options& o) {
  options::CommandLine line(
      "clamma-chat", "Chats with a Llama model, in Llama 2's chat format.",
      "Prompts come from -i, then from stdin, a line each; lines that begin with / are commands\n"
      "(/help lists them). Files are looked for in the working directory, then in the model\n"
      "directory.\n"
      "Exit codes: 0 the input ended, 1 set-up failed, 2 wrong command line, 3 an answer failed,\n"
      "130 interrupted.");
  o.sampling.steps = 0;
  line.Add(o.model);
  line.Add(o.sampling);
  line.Add(o.prompt);
  line.Find("--prompt").Describe("First prompt");
  line.Find("--system").Describe("System prompt: how the model is to answer");
  line.Find("--steps").Describe("Most tokens of an answer, 0 = until it ends");
  line.Add("-q,--quiet", o.quiet, "No banner and no figures on stderr");
  return line.Parse(argc, argv);
}

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-chat: %s\n", message); }

void Tell(const std::string& what) { OnLog(nullptr, what.c_str()); }

constexpr char kWhiteSpace[] = " \t\r\n\v\f";

// Without the white space around it, much as Llama 2's reference does it.
// (https://github.com/meta-llama/llama, llama/generation.py: strip())
std::string Stripped(const std::string& text) {
  const size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

class Chat {
 public:
  Chat(const Options& o, Conversation& conversation) : o_(o), conversation_(conversation) {}

  // Goes on until the input ends; returns the exit code.
  int Run() {
    if (o_.prompt.given && !Say(Stripped(o_.prompt.text))) return kExitGeneration;
    LineInput input;
    std::string line;
    while (true) {
      interrupted = 0;
      CatchInterrupts(0);  // a read that waits for a line (of no terminal) ends
      const LineInput::Result result = input.Read(&line);
      if (result == LineInput::Result::kAbandoned) continue;
      if (result == LineInput::Result::kEnd) break;
      line = Stripped(line);
      if (line.empty()) continue;
      if (line == "/quit") break;
      if (line.starts_with('/') && !line.starts_with("//")) {
        Obey(line);
      } else if (!Say(line.starts_with("//") ? line.substr(1) : line)) {
        return kExitGeneration;
      }
    }
    if (interrupted != 0) return kExitInterrupted;
    return failed_ ? kExitGeneration : 0;
  }

 private:
  // False: there is no point in going on.
  bool Say(const std::string& prompt) {
    if (prompt.find('\0') != std::string::npos) {
      Tell("a prompt with a NUL byte in it is not said");
      failed_ = true;
      return true;
    }
    CatchInterrupts(static_cast<int>(SA_RESTART));  // the answer ends, and no write is cut short
    const Answer answer = conversation_.Say(prompt);
    if (!answer.started) {
      failed_ = true;
      return true;
    }
    if (std::fputc('\n', stdout) == EOF || std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      Tell("cannot write to stdout");
      return false;
    }
    if (answer.why == CLAMMA_DONE_CONTEXT_FULL) Tell("the answer has filled the context");
    if (answer.why == CLAMMA_DONE_ERROR) failed_ = true;
    if (!o_.quiet && answer.speed > 0) std::fprintf(stderr, "achieved tok/s: %.1f\n", answer.speed);
    return true;
  }

  void Obey(const std::string& line) {
    const size_t space = std::min(line.find_first_of(kWhiteSpace), line.size());
    const std::string name = line.substr(0, space);
    const std::string argument = Stripped(line.substr(space));
    // Of /quit only one with an argument comes here.
    const bool takes_none = name == "/help" || name == "/reset" || name == "/quit";
    if (takes_none && !argument.empty()) {
      Fail(name + " takes no argument");
    } else if (name == "/help") {
      std::fputs(kHelp, stderr);
    } else if (name == "/reset") {
      conversation_.Reset();
      Tell("the conversation is forgotten");
    } else if (name != "/save" && name != "/load") {
      Fail("there is no " + name + "; /help lists the commands");
    } else if (argument.empty()) {
      Fail(name + " needs a file");
    } else if (const std::string wrong =
                   name == "/save" ? conversation_.Save(argument) : conversation_.Load(argument);
               !wrong.empty()) {
      Fail(wrong);
    } else {
      Tell((name == "/save" ? "saved to " : "loaded from ") + argument);
    }
  }

  void Fail(const std::string& what) {
    Tell(what);
    failed_ = true;
  }

  const Options& o_;
  Conversation& conversation_;
  bool failed_ = false;
};

int Run(int argc, char** argv) {
  Options o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  KeepStandardStreams();
  HandleSignals();
  std::string desc;
  const options::ModelPtr model = options::Open(o.model, OnLog, &desc, CLAMMA_MODEL_CHAT);
  if (model == nullptr) return kExitSetup;  // OnLog told why
  Conversation conversation(model.get(), o.model, o.sampling, o.prompt.system);
  if (!conversation.ready()) return kExitSetup;
  if (!o.quiet) std::fprintf(stderr, "%s\n", desc.c_str());
  return Chat(o, conversation).Run();
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
