// SPDX-License-Identifier: MIT
#include "chat.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "completion.h"
#include "editor.h"
#include "options.h"
#include "story.h"

namespace {

constexpr char kWhiteSpace[] = " \t\r\n\v\f";
constexpr char kQuotes[] = "\"\"\"";

// Without the white space around it.
std::string Stripped(const std::string& text) {
  const size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

// A value of /set: where it goes, and its range.
struct Setting {
  const char* name;
  float options::Sampling::*number;
  float most;
};
constexpr Setting kSettings[] = {
    {"temperature", &options::Sampling::temperature, 100},
    {"topp", &options::Sampling::topp, 1},
    {"min-p", &options::Sampling::min_p, 1},
    {"repetition-penalty", &options::Sampling::repetition_penalty, 100},
    {"frequency-penalty", &options::Sampling::frequency_penalty, 100},
    {"presence-penalty", &options::Sampling::presence_penalty, 100},
};
struct WholeSetting {
  const char* name;
  void (*set)(options::Sampling* sampling, unsigned long value);
};
constexpr WholeSetting kWholeSettings[] = {
    {"top-k", [](options::Sampling* s, unsigned long v) { s->top_k = static_cast<unsigned>(v); }},
    {"steps", [](options::Sampling* s, unsigned long v) { s->steps = v; }},
    {"seed", [](options::Sampling* s, unsigned long v) { s->seed = v; }},
};

}  // namespace

void Tell(const std::string& what) { std::fprintf(stderr, "clamma-chat: %s\n", what.c_str()); }

const Chat::Command Chat::kCommands[] = {
    {"/help", "", "list the commands", &Chat::Help},
    {"/regenerate", "", "answer the last prompt once more", &Chat::Regenerate},
    {"/undo", "", "take back the last prompt and its answer", &Chat::Undo},
    {"/reset", "", "forget the conversation; the system prompt stays", &Chat::Reset},
    {"/system", "[TEXT]", "how the model is to answer from now on; without TEXT: tell it",
     &Chat::System},
    {"/set", "[NAME VALUE]", "a sampling option, as --temperature; without NAME: tell them",
     &Chat::Set},
    {"/edit", "[TEXT]", "write a prompt in $VISUAL or $EDITOR", &Chat::Edit},
    {"/info", "", "the model, and how full the context is", &Chat::Info},
    {"/save", "FILE", "save the conversation, to go on another day", &Chat::Save},
    {"/load", "FILE", "go on with a saved one", &Chat::Load},
    {"/quit", "", "end; so do /exit, /bye and Ctrl-D", &Chat::Quit},
    {"/exit", "", nullptr, &Chat::Quit},
    {"/bye", "", nullptr, &Chat::Quit},
};

std::vector<std::string> Chat::Completions() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    const bool file = std::string(command.argument) == "FILE";
    names.push_back(std::string(command.name) + (file ? " " : ""));
  }
  return names;
}

Chat::Chat(ChatOptions options, Conversation* conversation)
    : options_(std::move(options)),
      conversation_(*conversation),
      input_(Completions(), options_.colour) {}

int Chat::Run(const std::string* first) {
  if (first != nullptr) Say(Stripped(*first));
  std::string text;
  while (!ended_ && !broken_) {
    interrupted = 0;
    CatchInterrupts(0);  // a read that waits for a line (of no terminal) ends
    const LineInput::Result result = ReadMessage(&text);
    if (result == LineInput::Result::kAbandoned) continue;
    if (result == LineInput::Result::kEnd) break;
    Handle(Stripped(text));
  }
  if (broken_) return options::kExitGeneration;
  if (interrupted != 0) return options::kExitInterrupted;
  return failed_ ? options::kExitGeneration : 0;
}

// A line; or several: from """ to """, and behind a \ at the end of one.
LineInput::Result Chat::ReadMessage(std::string* text) {
  const LineInput::Result result = input_.Read(text);
  if (result != LineInput::Result::kLine) return result;
  std::string line;
  const size_t begin = std::min(text->find_first_not_of(kWhiteSpace), text->size());
  if (text->compare(begin, 3, kQuotes) == 0) {
    text->erase(0, begin + 3);
    while (text->find(kQuotes) == std::string::npos) {
      const LineInput::Result more = input_.Read(&line, true);
      if (more == LineInput::Result::kAbandoned) return more;
      if (more == LineInput::Result::kEnd) return LineInput::Result::kLine;
      *text += "\n" + line;
    }
    text->erase(text->find(kQuotes), 3);
    return result;
  }
  while (text->ends_with('\\')) {
    text->pop_back();
    const LineInput::Result more = input_.Read(&line, true);
    if (more == LineInput::Result::kAbandoned) return more;
    if (more == LineInput::Result::kEnd) break;
    *text += "\n" + line;
  }
  return result;
}

bool Chat::Handle(const std::string& text) {
  if (text.empty()) return true;
  if (text.starts_with('/') && !text.starts_with("//")) {
    Obey(text);
    return true;
  }
  return Say(text.starts_with("//") ? text.substr(1) : text);
}

// Tells how an answer ended.
bool Chat::Show(const Answer& answer, bool written) {
  if (!answer.started) {
    failed_ = true;
    return true;
  }
  if (std::fputc('\n', stdout) == EOF || std::fflush(stdout) != 0 || std::ferror(stdout) != 0 ||
      (!written && interrupted == 0)) {
    Tell("cannot write to stdout");
    broken_ = true;
    return false;
  }
  if (answer.n_forgotten > 0) {
    Tell("the context was full: the oldest " +
         (answer.n_forgotten == 2 ? std::string("turn is")
                                  : std::to_string(answer.n_forgotten / 2) + " turns are") +
         " forgotten");
  }
  if (answer.why == CLAMMA_DONE_CONTEXT_FULL) Tell("the answer has filled the context");
  if (answer.why == CLAMMA_DONE_ERROR) failed_ = true;
  if (!options_.quiet && answer.speed > 0) {
    std::fprintf(stderr, "achieved tok/s: %.1f\n", answer.speed);
  }
  return true;
}

bool Chat::Say(const std::string& prompt) {
  if (prompt.find('\0') != std::string::npos) {
    Fail("a prompt with a NUL byte in it is not said");
    return true;
  }
  CatchInterrupts(static_cast<int>(SA_RESTART));  // the answer ends, and no write is cut short
  const QuietKeys quiet;
  AnswerOutput output(options_.think, options_.colour, options_.thinks);
  const Answer answer = conversation_.Say(prompt, &output);
  return Show(answer, output.Finish());
}

void Chat::Obey(const std::string& line) {
  const size_t space = std::min(line.find_first_of(kWhiteSpace), line.size());
  const std::string name = line.substr(0, space);
  const std::string argument = Stripped(line.substr(space));
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    const std::string takes = command.argument;
    if (takes.empty() && !argument.empty()) return Fail(name + " takes no argument");
    if (takes == "FILE" && argument.empty()) return Fail(name + " needs a file");
    (this->*command.run)(argument);
    return;
  }
  Fail("there is no " + name + "; /help lists the commands");
}

void Chat::Fail(const std::string& what) {
  Tell(what);
  failed_ = true;
}

void Chat::Help(const std::string&) {
  for (const Command& command : kCommands) {
    if (command.help == nullptr) continue;
    const std::string form = std::string(command.name) + " " + command.argument;
    std::fprintf(stderr, "%-19s %s\n", form.c_str(), command.help);
  }
  std::fputs(
      "//...               say a line that begins with /\n"
      "\"\"\" ... \"\"\"         a prompt of several lines; so is one whose lines end in \\\n"
      "Ctrl-C              stop an answer, or drop a line\n",
      stderr);
}

void Chat::Reset(const std::string&) {
  conversation_.Reset();
  Tell("the conversation is forgotten");
}

void Chat::System(const std::string& text) {
  if (text.empty()) {
    Tell(conversation_.system().empty() ? "there is no system prompt"
                                        : "the system prompt: " + conversation_.system());
    return;
  }
  conversation_.SetSystem(text);
  Tell("the system prompt is set");
}

void Chat::Regenerate(const std::string&) {
  if (!conversation_.CanAnswerAgain()) return Fail("there is no prompt to answer once more");
  CatchInterrupts(static_cast<int>(SA_RESTART));
  const QuietKeys quiet;
  AnswerOutput output(options_.think, options_.colour, options_.thinks);
  const Answer answer = conversation_.AnswerAgain(&output);
  Show(answer, output.Finish());
}

void Chat::Undo(const std::string&) {
  if (!conversation_.TakeBack()) return Fail("there is nothing to take back");
  Tell("the last prompt and its answer are taken back");
}

void Chat::Set(const std::string& what) {
  options::Sampling& sampling = conversation_.sampling();
  if (what.empty()) {
    for (const Setting& setting : kSettings) {
      std::fprintf(stderr, "%-19s %g\n", setting.name,
                   static_cast<double>(sampling.*setting.number));
    }
    std::fprintf(stderr, "%-19s %u\n%-19s %zu\n", "top-k", sampling.top_k, "steps", sampling.steps);
    return;
  }
  const size_t space = std::min(what.find_first_of(kWhiteSpace), what.size());
  const std::string name = what.substr(0, space);
  const std::string value = Stripped(what.substr(space));
  char* end = nullptr;
  for (const Setting& setting : kSettings) {
    if (name != setting.name) continue;
    const float number = std::strtof(value.c_str(), &end);
    if (value.empty() || *end != '\0' || !(number >= 0) || number > setting.most) {
      char range[64];
      std::snprintf(range, sizeof(range), "a number from 0 to %g",
                    static_cast<double>(setting.most));
      return Fail(name + " is " + range);
    }
    sampling.*setting.number = number;
    return Tell(name + " is " + value);
  }
  for (const WholeSetting& setting : kWholeSettings) {
    if (name != setting.name) continue;
    if (value.empty() || value.size() > 9 ||
        value.find_first_not_of("0123456789") != std::string::npos) {
      return Fail(name + " is a whole number of at most 9 digits");
    }
    setting.set(&sampling, std::strtoul(value.c_str(), nullptr, 10));
    return Tell(name + " is " + value);
  }
  Fail("there is no setting " + name + "; /set lists them");
}

void Chat::Info(const std::string&) {
  std::fprintf(stderr, "%s\n%zu turns, %zu of %zu tokens of context in use\n",
               options_.description.c_str(), conversation_.turns(), conversation_.tokens(),
               conversation_.context());
}

void Chat::Edit(const std::string& text) {
  std::string edited;
  const std::string wrong = EditText(text, &edited);
  if (!wrong.empty()) return Fail(wrong);
  edited = Stripped(edited);
  if (edited.empty()) return Tell("nothing was written");
  std::fprintf(stderr, "%s\n", edited.c_str());
  Say(edited);
}

void Chat::Save(const std::string& path) {
  const std::string wrong = conversation_.Save(ExpandHome(path));
  if (!wrong.empty()) return Fail(wrong);
  Tell("saved to " + path);
}

void Chat::Load(const std::string& path) {
  const std::string wrong = conversation_.Load(ExpandHome(path));
  if (!wrong.empty()) return Fail(wrong);
  Tell("loaded from " + path);
}

void Chat::Quit(const std::string&) { ended_ = true; }
