// SPDX-License-Identifier: MIT
#include "line_input.h"

#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstring>
#include <iostream>

#ifdef CLAMMA_CHAT_HAS_LIBEDIT
#include <histedit.h>

struct LineInput::Editor {
  Editor() : line(el_init("clamma-chat", stdin, stdout, stderr)), history(history_init()) {
    HistEvent event;
    ::history(history, &event, H_SETSIZE, 500);
    ::history(history, &event, H_SETUNIQUE, 1);
    el_set(
        line, EL_PROMPT, +[](EditLine*) { return const_cast<char*>("> "); });
    el_set(line, EL_SIGNAL, 1);  // whatever ends or stops us finds the terminal as it was
    el_set(line, EL_EDITOR, "emacs");
    el_set(line, EL_HIST, &::history, history);
    el_set(line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  }
  ~Editor() {
    history_end(history);
    el_end(line);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  Result Read(std::string* text) {
    int size = 0;
    errno = 0;
    const char* const read = el_gets(line, &size);
    if (read == nullptr || size <= 0) {
      const Result result = errno == EINTR ? Result::kAbandoned : Result::kEnd;
      std::cout << std::endl;
      return result;
    }
    text->assign(read, static_cast<size_t>(size));
    if (text->ends_with('\n')) text->pop_back();
    HistEvent event;
    if (!text->empty()) ::history(history, &event, H_ENTER, text->c_str());
    return Result::kLine;
  }

  EditLine* line;
  History* history;
};

namespace {

bool CanEdit() { return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0; }

}  // namespace
#else
struct LineInput::Editor {
  static Result Read(std::string* /*text*/) { return Result::kEnd; }
};

namespace {

bool CanEdit() { return false; }

}  // namespace
#endif

LineInput::LineInput() {
  // So that a character is one, whatever its bytes. In the C locale, which is that of a container
  // and of whoever has set none, the editor would drop all but ASCII.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::strcmp(locale, "C") == 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  if (CanEdit()) editor_ = std::make_unique<Editor>();
}

LineInput::~LineInput() = default;

LineInput::Result LineInput::Read(std::string* line) {
  if (editor_ != nullptr) return editor_->Read(line);
  if (isatty(STDIN_FILENO) != 0) std::cout << "> " << std::flush;
  if (!std::getline(std::cin, *line)) return Result::kEnd;
  if (line->ends_with('\r')) line->pop_back();  // of a file from Windows
  return Result::kLine;
}
