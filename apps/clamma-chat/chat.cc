// SPDX-License-Identifier: MIT
#include "chat.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include "completion.h"
#include "editor.h"
#include "notices.h"
#include "options.h"
#include "settings.h"
#include "terminal.h"
#include "text_generation.h"

namespace {

constexpr char kWhiteSpace[] = " \t\r\n\v\f";
constexpr char kQuotes[] = R"(""")";

// The text without white space at its ends.
std::string Stripped(const std::string& text) {
  const size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

}  // namespace

const Chat::Command Chat::kCommands[] = {
    {"/help", "", "list the commands", &Chat::Help},
    {"/regenerate", "", "replace the answer to the last prompt", &Chat::Regenerate},
    {"/undo", "", "take back the last prompt and its answer", &Chat::Undo},
    {"/reset", "", "drop the conversation; the system prompt stays", &Chat::Reset},
    {"/system", "[TEXT]", "set the system prompt (\"\": none), or show it", &Chat::System},
    {"/set", "[NAME VALUE]", "set a sampling option, or show them all", &Chat::Set},
    {"/edit", "[TEXT]", "write a prompt in $VISUAL or $EDITOR", &Chat::Edit},
    {"/info", "", "show the model, and how full the context is", &Chat::Info},
    {"/save", "FILE", "save the conversation, to continue it later", &Chat::Save},
    {"/load", "FILE", "continue a saved conversation", &Chat::Load},
    {"/quit", "", "end the program; also /exit, /bye and Ctrl-D", &Chat::Quit},
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
    CatchInterrupts(0);  // Ctrl-C ends a read that waits for a line, if stdin is not a terminal
    bool quoted = false;
    const LineInput::Result result = ReadMessage(&text, &quoted);
    if (result == LineInput::Result::kAbandoned) continue;
    if (result == LineInput::Result::kEnd) break;
    if (!quoted) {
      Handle(Stripped(text));
    } else if (!Stripped(text).empty()) {
      Say(text);
    }
  }
  if (broken_) return options::kExitGeneration;
  if (interrupted != 0) return options::kExitInterrupted;
  return failed_ ? options::kExitGeneration : 0;
}

// Reads a prompt: one line; or several lines from """ to """, which are used as they are; or
// several lines that each end in a \, except the last.
LineInput::Result Chat::ReadMessage(std::string* text, bool* quoted) {
  const LineInput::Result result = input_.Read(text);
  if (result != LineInput::Result::kLine) return result;
  const size_t begin = std::min(text->find_first_not_of(kWhiteSpace), text->size());
  *quoted = text->compare(begin, std::strlen(kQuotes), kQuotes) == 0;
  if (*quoted) {
    text->erase(0, begin + std::strlen(kQuotes));
    return ReadQuoted(text);
  }
  std::string line;
  while (text->ends_with('\\')) {
    text->pop_back();
    const LineInput::Result more = input_.Read(&line, true);
    if (more == LineInput::Result::kAbandoned) return more;
    if (more == LineInput::Result::kEnd) break;
    *text += "\n" + line;
  }
  return result;
}

// Reads the rest of a text in quotes, without the newlines beside the quotes.
LineInput::Result Chat::ReadQuoted(std::string* text) {
  std::string line;
  size_t end = text->find(kQuotes);
  while (end == std::string::npos) {
    const LineInput::Result more = input_.Read(&line, true);
    if (more == LineInput::Result::kAbandoned) return more;
    if (more == LineInput::Result::kEnd) break;
    const size_t line_begin = text->size() + 1;
    *text += "\n" + line;
    end = text->find(kQuotes, line_begin);
  }
  if (end != std::string::npos) text->erase(end, std::strlen(kQuotes));
  if (text->starts_with('\n')) text->erase(0, 1);
  if (text->ends_with('\n')) text->pop_back();
  return LineInput::Result::kLine;
}

const Chat::Command* Chat::FindCommand(const std::string& name) {
  const auto* const found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                         [&](const Command& c) { return name == c.name; });
  return found != std::end(kCommands) ? found : nullptr;
}

void Chat::Handle(const std::string& text) {
  if (text.empty()) return;
  const std::string word = text.substr(0, text.find_first_of(kWhiteSpace));
  // Several lines, such as pasted source code, may begin with a slash: only the name of a command
  // makes them one. A path such as /etc/passwd is not a command.
  const bool one_line = text.find('\n') == std::string::npos;
  const bool escaped = word.starts_with("//");
  const std::string name = escaped ? word.substr(1) : word;
  const bool commands = text.starts_with('/') && (one_line || FindCommand(name) != nullptr);
  if (commands && word.find('/', 1) == std::string::npos) {
    Obey(text);
  } else {
    Say(commands && escaped ? text.substr(1) : text);
  }
}

// Reports how an answer ended.
void Chat::Show(const Answer& answer, bool written) {
  if (!answer.started) {
    failed_ = true;
    return;
  }
  if (!written && (interrupted == 0 || std::ferror(stdout) != 0)) {
    Tell("cannot write to stdout");
    broken_ = true;
    return;
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
    char speed[64];
    std::snprintf(speed, sizeof(speed), "achieved tok/s: %.1f\n", answer.speed);
    terminal::Print(speed);
  }
}

void Chat::Say(const std::string& prompt) {
  if (prompt.find('\0') != std::string::npos) {
    return Fail("a prompt must not contain a NUL byte");
  }
  Generate(&prompt);
}

// Sends the prompt or, if it is nullptr, replaces the answer to the last one.
void Chat::Generate(const std::string* prompt) {
  CatchInterrupts(static_cast<int>(SA_RESTART));  // Ctrl-C ends the answer, but interrupts no write
  const terminal::QuietKeys quiet;
  Answer answer;
  bool written = false;
  {
    const HeldNotices held;
    AnswerOutput output(options_.think, options_.colour, options_.thinks);
    answer = prompt != nullptr ? conversation_.Say(*prompt, &output)
                               : conversation_.AnswerAgain(&output);
    written = output.Finish();
    if (answer.started) written = std::fputc('\n', stdout) != EOF && written;
    written = std::fflush(stdout) == 0 && written;
  }
  Show(answer, written);
}

void Chat::Obey(const std::string& line) {
  const size_t space = std::min(line.find_first_of(kWhiteSpace), line.size());
  const std::string name = line.substr(0, space);
  const std::string argument = Stripped(line.substr(space));
  const Command* const command = FindCommand(name);
  if (command == nullptr) return Fail("there is no " + name + "; /help lists the commands");
  const std::string takes = command->argument;
  if (takes.empty() && !argument.empty()) return Fail(name + " takes no argument");
  if (takes == "FILE" && argument.empty()) return Fail(name + " needs a file");
  (this->*command->run)(argument);
}

void Chat::Fail(const std::string& what) {
  Tell(what);
  failed_ = true;
}

// A member, like the other commands.
// NOLINTNEXTLINE(readability-convert-member-functions-to-static)
void Chat::Help(const std::string&) {
  for (const Command& command : kCommands) {
    if (command.help == nullptr) continue;
    const std::string form = std::string(command.name) + " " + command.argument;
    std::fprintf(stderr, "%-19s %s\n", form.c_str(), command.help);
  }
  std::fputs(
      "//...               send a line that begins with /\n"
      "\"\"\" ... \"\"\"         a prompt of several lines; or end its lines with \\\n"
      "Ctrl-C              stop an answer, or drop a line\n",
      stderr);
}

void Chat::Reset(const std::string&) {
  conversation_.Reset();
  Tell("the conversation is forgotten");
}

void Chat::System(const std::string& text) {
  if (text.empty()) {
    return Tell(conversation_.system().empty() ? "there is no system prompt"
                                               : "the system prompt: " + conversation_.system());
  }
  if (text.find('\0') != std::string::npos) {
    return Fail("a system prompt must not contain a NUL byte");
  }
  if (text == "\"\"") {
    conversation_.SetSystem("");
    return Tell("the system prompt is removed");
  }
  conversation_.SetSystem(text);
  Tell("the system prompt is set");
}

void Chat::Regenerate(const std::string&) {
  if (!conversation_.CanAnswerAgain()) return Fail("there is no prompt to answer again");
  Generate(nullptr);
}

void Chat::Undo(const std::string&) {
  if (!conversation_.TakeBack()) return Fail("there is nothing to take back");
  Tell("the last prompt and its answer are taken back");
}

void Chat::Set(const std::string& what) {
  options::Sampling sampling = conversation_.sampling();
  if (what.empty()) return terminal::Print(ListSettings(sampling));
  const size_t space = std::min(what.find_first_of(kWhiteSpace), what.size());
  const std::string name = what.substr(0, space);
  const std::string value = Stripped(what.substr(space));
  const std::string wrong = SetByName(name, value, &sampling);
  if (!wrong.empty()) return Fail(wrong);
  conversation_.SetSampling(sampling);
  Tell(name + " is " + value);
}

void Chat::Info(const std::string&) {
  const size_t turns = conversation_.turns();
  terminal::Print(options_.description + "\n" + std::to_string(turns) +
                  (turns == 1 ? " turn, " : " turns, ") + std::to_string(conversation_.tokens()) +
                  " of " + std::to_string(conversation_.context()) + " tokens of context in use\n");
}

void Chat::Edit(const std::string& text) {
  if (isatty(STDIN_FILENO) == 0) return Fail("/edit needs a terminal");
  std::string edited;
  std::string wrong;
  {
    const terminal::Modes modes;     // a failing editor may not restore the modes
    terminal::BracketPastes(false);  // the editor sets this itself
    wrong = EditText(text, &edited);
  }
  if (!wrong.empty()) return Fail(wrong);
  edited = Stripped(edited);
  if (edited.empty()) return Tell("nothing was written");
  terminal::Print(edited + "\n");
  input_.Remember(edited);
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
