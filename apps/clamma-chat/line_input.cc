// SPDX-License-Identifier: MIT
#include "line_input.h"

#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string_view>
#include <utility>

#include "completion.h"
#include "story.h"
#include "terminal.h"
#include "text_output.h"

#ifdef CLAMMA_CHAT_HAS_LIBEDIT
#include <histedit.h>

#include "history_file.h"
#include "wide_text.h"

namespace {

constexpr wchar_t kPasteEnd[] = L"\x1b[201~";
constexpr size_t kMaxChoices = 50;         // of Tab, that are shown
constexpr size_t kMaxRemembered = 100000;  // bytes of a line of the history

}  // namespace

struct LineInput::Editor {
  Editor(std::vector<std::string> its_commands, bool its_colour)
      : commands(std::move(its_commands)),
        colour(its_colour),
        line(el_init("clamma-chat", stdin, stdout, stderr)),
        history(history_winit()),
        history_path(HistoryPath()) {
    HistEventW event;
    history_w(history, &event, H_SETSIZE, 500);
    history_w(history, &event, H_SETUNIQUE, 1);
    if (!history_path.empty()) history_w(history, &event, H_LOAD, history_path.c_str());
    el_wset(line, EL_CLIENTDATA, this);
    el_wset(line, EL_PROMPT_ESC, &Prompt, L'\1');
    el_wset(line, EL_SIGNAL, 1);  // whatever ends or stops us finds the terminal as it was
    el_wset(line, EL_EDITOR, L"emacs");
    el_wset(line, EL_HIST, &history_w, history);
    el_wset(line, EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
    el_wset(line, EL_ADDFN, L"clamma-paste", L"insert what is pasted", &Paste);
    el_wset(line, EL_BIND, L"\\e[200~", L"clamma-paste", nullptr);
    el_wset(line, EL_ADDFN, L"clamma-complete", L"complete a command or file", &Complete);
    el_wset(line, EL_BIND, L"^I", L"clamma-complete", nullptr);
  }
  ~Editor() {
    terminal::BracketPastes(false);
    history_wend(history);
    el_end(line);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  static Editor* Of(EditLine* line) {
    void* self = nullptr;
    el_wget(line, EL_CLIENTDATA, &self);
    return static_cast<Editor*>(self);
  }

  static wchar_t* Prompt(EditLine* line) {
    const Editor* self = Of(line);
    // What is between two \1 takes no room.
    static wchar_t coloured[] = L"\1\x1b[1;36m\1> ";
    static wchar_t coloured_more[] = L"\1\x1b[1;36m\1. ";
    static wchar_t plain[] = L"> ";
    static wchar_t plain_more[] = L". ";
    if (self->colour) return self->more ? coloured_more : coloured;
    return self->more ? plain_more : plain;
  }

  static unsigned char Insert(EditLine* line, const std::wstring& text) {
    if (text.empty()) return CC_REFRESH;
    return el_winsertstr(line, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  // A paste is one piece of text, newlines among it, which Enter sends.
  static unsigned char Paste(EditLine* line, wint_t /*key*/) {
    std::wstring text;
    for (wchar_t c = 0; !text.ends_with(kPasteEnd) && el_wgetc(line, &c) == 1;) {
      if (c != L'\0') text += c;
    }
    if (text.ends_with(kPasteEnd)) text.resize(text.size() - std::wcslen(kPasteEnd));
    std::replace(text.begin(), text.end(), L'\r', L'\n');
    while (text.ends_with(L'\n')) text.pop_back();
    return Insert(line, text);
  }

  static unsigned char Complete(EditLine* line, wint_t /*key*/) {
    const LineInfoW* info = el_wline(line);
    const std::string text =
        ToUtf8({info->buffer, static_cast<size_t>(info->cursor - info->buffer)});
    // In what is said a tab is a tab.
    if (!text.starts_with('/') || Of(line)->more) return Insert(line, L"\t");
    const Completion found = CompleteCommand(text, Of(line)->commands);
    if (!found.added.empty()) return Insert(line, ToWide(found.added));
    if (found.choices.size() < 2) return CC_REFRESH_BEEP;
    Of(line)->Show(found.choices);
    return CC_REDISPLAY;
  }

  void Show(const std::vector<std::string>& choices) const {
    std::fputs(colour ? "\x1b[0m\n" : "\n", stdout);
    std::fflush(stdout);
    std::string list;
    for (size_t i = 0; i < std::min(choices.size(), kMaxChoices); ++i) list += choices[i] + '\n';
    if (choices.size() > kMaxChoices) {
      list += "and " + std::to_string(choices.size() - kMaxChoices) + " more\n";
    }
    TextOutput(stdout).Write(list.c_str());
  }

  Result Read(std::string* text, bool goes_on) {
    more = goes_on;
    int size = 0;
    interrupted = 0;
    terminal::BracketPastes(true);  // also while an answer comes
    const wchar_t* const read = el_wgets(line, &size);
    if (colour) std::fputs("\x1b[0m", stdout);
    std::fflush(stdout);
    if (read == nullptr || size <= 0) {
      const Result result = interrupted != 0 ? Result::kAbandoned : Result::kEnd;
      std::fputc('\n', stdout);
      std::fflush(stdout);
      return result;
    }
    *text = ToUtf8({read, static_cast<size_t>(size)});
    if (text->ends_with('\n')) text->pop_back();
    Remember(*text);
    return Result::kLine;
  }

  void Remember(const std::string& text) {
    if (text.empty() || text.size() > kMaxRemembered) return;
    HistEventW event;
    history_w(history, &event, H_ENTER, ToWide(text).c_str());
    if (!history_path.empty()) history_w(history, &event, H_SAVE, history_path.c_str());
  }

  std::vector<std::string> commands;
  bool colour;
  bool more = false;
  EditLine* line;
  HistoryW* history;
  std::string history_path;
};

LineInput::LineInput(std::vector<std::string> commands, bool colour) {
  // So that a character is one, whatever its bytes. In the C locale, which is that of a container
  // and of whoever has set none, the editor would drop all but ASCII.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::strcmp(locale, "C") == 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  if (terminal::TakesEscapes(STDIN_FILENO) && terminal::TakesEscapes(STDOUT_FILENO)) {
    editor_ = std::make_unique<Editor>(std::move(commands), colour);
  }
}
#else
struct LineInput::Editor {
  static Result Read(std::string* /*text*/, bool /*more*/) { return Result::kEnd; }
  static void Remember(const std::string& /*text*/) {}
};

LineInput::LineInput(std::vector<std::string> /*commands*/, bool /*colour*/) {}
#endif

LineInput::~LineInput() = default;

LineInput::Result LineInput::Read(std::string* line, bool more) {
  if (editor_ != nullptr) return editor_->Read(line, more);
  // stdout has answers and nothing else.
  if (isatty(STDIN_FILENO) != 0) std::cerr << (more ? ". " : "> ") << std::flush;
  if (!std::getline(std::cin, *line)) return Result::kEnd;
  if (line->ends_with('\r')) line->pop_back();  // of a file from Windows
  return Result::kLine;
}

void LineInput::Remember(const std::string& text) {
  if (editor_ != nullptr) editor_->Remember(text);
}
