// SPDX-License-Identifier: MIT
#include "line_input.h"

#include <termios.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

#include "completion.h"
#include "story.h"

#ifdef CLAMMA_CHAT_HAS_LIBEDIT
#include <histedit.h>

#include "history_file.h"
#endif

namespace {

bool CanEdit() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0 && terminal != nullptr;
}

}  // namespace

struct QuietKeys::Saved {
  termios before;
};

QuietKeys::QuietKeys() {
  termios now = {};
  if (isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, &now) != 0) return;
  saved_ = std::make_unique<Saved>(Saved{now});
  now.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
}

QuietKeys::~QuietKeys() {
  if (saved_ != nullptr) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_->before);
}

#ifdef CLAMMA_CHAT_HAS_LIBEDIT
namespace {

// A newline of a paste, as the line shows it.
constexpr char kNewlineMark[] = "\xe2\x8f\x8e";  // U+23CE
constexpr char kPasteEnd[] = "\x1b[201~";

void Replace(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text->find(from, at)) != std::string::npos; at += to.size()) {
    text->replace(at, from.size(), to);
  }
}

}  // namespace

struct LineInput::Editor {
  Editor(std::vector<std::string> its_commands, bool its_colour)
      : commands(std::move(its_commands)),
        colour(its_colour),
        line(el_init("clamma-chat", stdin, stdout, stderr)),
        history(history_init()),
        history_path(HistoryPath()) {
    HistEvent event;
    ::history(history, &event, H_SETSIZE, 500);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (!history_path.empty()) ::history(history, &event, H_LOAD, history_path.c_str());
    el_set(line, EL_CLIENTDATA, this);
    el_set(line, EL_PROMPT_ESC, &Prompt, '\1');
    el_set(line, EL_SIGNAL, 1);  // whatever ends or stops us finds the terminal as it was
    el_set(line, EL_EDITOR, "emacs");
    el_set(line, EL_HIST, &::history, history);
    el_set(line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(line, EL_ADDFN, "clamma-paste", "insert what is pasted", &Paste);
    el_set(line, EL_BIND, "\\e[200~", "clamma-paste", nullptr);
    el_set(line, EL_ADDFN, "clamma-complete", "complete a command or file", &Complete);
    el_set(line, EL_BIND, "^I", "clamma-complete", nullptr);
  }
  ~Editor() {
    history_end(history);
    el_end(line);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  static Editor* Of(EditLine* line) {
    void* self = nullptr;
    el_get(line, EL_CLIENTDATA, &self);
    return static_cast<Editor*>(self);
  }

  static char* Prompt(EditLine* line) {
    const Editor* self = Of(line);
    // What is between two \1 takes no room.
    static char coloured[] = "\1\x1b[1;36m\1> ";
    static char coloured_more[] = "\1\x1b[1;36m\1. ";
    static char plain[] = "> ";
    static char plain_more[] = ". ";
    if (self->colour) return self->more ? coloured_more : coloured;
    return self->more ? plain_more : plain;
  }

  // A paste is one piece of text, newlines among it.
  static unsigned char Paste(EditLine* line, int /*key*/) {
    std::string text;
    for (char c = 0; !text.ends_with(kPasteEnd) && el_getc(line, &c) == 1;) text += c;
    if (text.ends_with(kPasteEnd)) text.resize(text.size() - std::strlen(kPasteEnd));
    Replace(&text, "\r\n", "\n");
    Replace(&text, "\r", "\n");
    while (text.ends_with('\n')) text.pop_back();
    Replace(&text, "\n", kNewlineMark);
    Of(line)->pasted = true;
    return el_insertstr(line, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char Complete(EditLine* line, int /*key*/) {
    const LineInfo* info = el_line(line);
    const std::string text(info->buffer, static_cast<size_t>(info->cursor - info->buffer));
    // In what is said a tab is a tab.
    if (!text.starts_with('/')) return el_insertstr(line, "\t") == 0 ? CC_REFRESH : CC_ERROR;
    const Completion found = CompleteCommand(text, Of(line)->commands);
    if (found.added.empty()) {
      if (found.choices.size() < 2) return CC_REFRESH_BEEP;
      std::cout << '\n';
      for (const std::string& choice : found.choices) std::cout << choice << '\n';
      std::cout << std::flush;
      return CC_REDISPLAY;
    }
    return el_insertstr(line, found.added.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  Result Read(std::string* text, bool goes_on) {
    more = goes_on;
    pasted = false;
    int size = 0;
    interrupted = 0;
    std::cout << "\x1b[?2004h" << std::flush;  // pastes come in brackets
    const char* const read = el_gets(line, &size);
    std::cout << (colour ? "\x1b[0m\x1b[?2004l" : "\x1b[?2004l") << std::flush;
    if (read == nullptr || size <= 0) {
      const Result result = interrupted != 0 ? Result::kAbandoned : Result::kEnd;
      std::cout << std::endl;
      return result;
    }
    text->assign(read, static_cast<size_t>(size));
    if (text->ends_with('\n')) text->pop_back();
    if (!text->empty()) Remember(*text);
    if (text->find(kNewlineMark) != std::string::npos) Replace(text, kNewlineMark, "\n");
    return Result::kLine;
  }

  void Remember(const std::string& text) {
    HistEvent event;
    ::history(history, &event, H_ENTER, text.c_str());
    if (!history_path.empty()) ::history(history, &event, H_SAVE, history_path.c_str());
  }

  std::vector<std::string> commands;
  bool colour;
  bool more = false;
  bool pasted = false;
  EditLine* line;
  History* history;
  std::string history_path;
};

LineInput::LineInput(std::vector<std::string> commands, bool colour) {
  // So that a character is one, whatever its bytes. In the C locale, which is that of a container
  // and of whoever has set none, the editor would drop all but ASCII.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::strcmp(locale, "C") == 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  if (CanEdit()) editor_ = std::make_unique<Editor>(std::move(commands), colour);
}
#else
struct LineInput::Editor {
  static Result Read(std::string* /*text*/, bool /*more*/) { return Result::kEnd; }
};

LineInput::LineInput(std::vector<std::string> /*commands*/, bool /*colour*/) {}
#endif

LineInput::~LineInput() = default;

LineInput::Result LineInput::Read(std::string* line, bool more) {
  if (editor_ != nullptr) return editor_->Read(line, more);
  if (isatty(STDIN_FILENO) != 0) std::cout << (more ? ". " : "> ") << std::flush;
  if (!std::getline(std::cin, *line)) return Result::kEnd;
  if (line->ends_with('\r')) line->pop_back();  // of a file from Windows
  return Result::kLine;
}
