// SPDX-License-Identifier: MIT
#include "line_input.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>

#include "completion.h"
#include "terminal.h"
#include "text_generation.h"
#include "text_output.h"

#ifdef CLAMMA_CHAT_HAS_LIBEDIT
#include <histedit.h>

#include "history_file.h"
#include "tty.h"
#include "wide_text.h"

namespace {

constexpr wchar_t kPasteEnd[] = L"\x1b[201~";
constexpr size_t kMaxChoices = 50;  // completions that are shown
// A text with more characters or lines is neither edited nor added to the history.
constexpr size_t kMaxEdited = 4000;
constexpr size_t kMaxEditedLines = 100;

// libedit writes beyond its image of the screen if a line is as high as the screen. So it is told
// that the screen has kRows, and a line that takes half of them accepts no more input: a key that
// inserts killed text at most doubles it.
constexpr size_t kRows = 5000;
constexpr wchar_t kRowsAsText[] = L"5000";

bool IsLong(std::wstring_view text) {
  return text.size() > kMaxEdited ||
         static_cast<size_t>(std::count(text.begin(), text.end(), L'\n')) >= kMaxEditedLines;
}

// An upper bound of the number of rows that the text takes on a terminal.
size_t RowsOf(std::wstring_view text, size_t columns) {
  size_t rows = 1;
  size_t column = 0;
  for (const wchar_t c : text) {
    const int width = wcwidth(c);
    column += width >= 0 ? static_cast<size_t>(width) : 8;  // a tab, or \U+1F600
    if (c != L'\n' && column < columns) continue;
    rows += 1 + column / columns;
    column = 0;
  }
  return rows;
}

// The position of the cursor after a text that begins at the left: from 0.
struct Place {
  size_t row = 0;
  size_t column = 0;
};

// The place of the cursor after the text as libedit writes it.
Place PlaceBehind(std::wstring_view text, size_t columns) {
  Place place;
  if (columns == 0) return place;
  const auto next_row = [&place] { place = {place.row + 1, 0}; };
  for (const wchar_t c : text) {
    size_t width = 0;
    if (c == L'\n') {
      next_row();
    } else if (c == L'\t') {
      width = 8 - place.column % 8;
    } else if (c < L' ' || c == L'\x7f') {
      width = 2;  // ^A
    } else {
      const int known = wcwidth(c);
      width = known >= 0 ? static_cast<size_t>(known) : 8;  // \U+1F600
      if (place.column + width > columns) next_row();
    }
    place.column += width;
    if (place.column >= columns && c != L'\n') {
      place = {place.row + place.column / columns, place.column % columns};
    }
  }
  return place;
}

// Keys that may make a line shorter, or end it.
bool MayShorten(wchar_t key) {
  constexpr wchar_t kKeys[] = L"\r\n\b\x7f\x04\x15\x17\x0b\x01\x05";
  return std::wcschr(kKeys, key) != nullptr;
}

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
    el_wset(line, EL_GETCFN, &GetKey);
    el_wset(line, EL_EDITOR, L"emacs");
    el_wset(line, EL_HIST, &history_w, history);
    el_wset(line, EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
    el_wset(line, EL_ADDFN, L"clamma-paste", L"insert what is pasted", &Paste);
    el_wset(line, EL_BIND, L"\\e[200~", L"clamma-paste", nullptr);
    el_wset(line, EL_ADDFN, L"clamma-complete", L"complete a command or file", &Complete);
    el_wset(line, EL_BIND, L"^I", L"clamma-complete", nullptr);
    Resize();
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
    // Text between two \1 has no width.
    static wchar_t coloured[] = L"\1\x1b[1;36m\1> ";
    static wchar_t coloured_more[] = L"\1\x1b[1;36m\1. ";
    static wchar_t plain[] = L"> ";
    static wchar_t plain_more[] = L". ";
    if (self->colour) return self->more ? coloured_more : coloured;
    return self->more ? plain_more : plain;
  }

  void Resize() {
    columns = narrowest = terminal::Columns();
    is_late = false;
    el_resize(line);
    el_wset(line, EL_SETTC, L"li", kRowsAsText, nullptr);
  }

  // Removes the line from the terminal, whose size has changed, and leaves the cursor where the
  // line began. Most terminals rewrap a line for their width; others leave its rows as they are. If
  // that makes a difference, the cursor's column shows which it is.
  void ClearAfterResize() {
    const LineInfoW* info = el_wline(line);
    std::wstring before = L"> ";
    before.append(info->buffer, static_cast<size_t>(info->cursor - info->buffer));
    const size_t now = terminal::Columns();
    const Place kept = PlaceBehind(before, columns);
    const Place broken_anew = PlaceBehind(before, now);
    size_t up = kept.row;
    if (kept.row != broken_anew.row && answers) {
      const std::optional<size_t> column = terminal::CursorColumn(&typed);
      answers = column.has_value();
      const bool is_kept =
          column == std::min(kept.column, narrowest - 1) && column != broken_anew.column;
      if (answers && !is_kept) up = broken_anew.row;
    }
    if (up > 0) std::fprintf(stdout, "\x1b[%zuA", up);
    std::fputs("\r\x1b[J", stdout);
  }

  // Called when the terminal's size has changed. Of a line that is higher than the terminal, the
  // first rows are out of reach, and another copy would push them further away. So it stays as the
  // terminal has wrapped it until it fits, or a key is typed.
  void OnResize() {
    narrowest = std::min(narrowest, terminal::Columns());
    const LineInfoW* info = el_wline(line);
    const auto length = static_cast<size_t>(info->lastchar - info->buffer);
    const std::wstring text = L"> " + std::wstring(info->buffer, length);
    is_late = RowsOf(text, terminal::Columns()) > terminal::Rows();
    if (!is_late) DrawAnew();
  }

  void DrawAnew() {
    ClearAfterResize();
    Resize();
    el_wset(line, EL_REFRESH);
  }

  // libedit's own signal handlers are not used: they draw, and a resize during a refresh crashes
  // it.
  static int GetKey(EditLine* line, wchar_t* key) {
    Editor* const self = Of(line);
    for (;;) {
      switch (self->typed.empty() ? terminal::Wait() : terminal::Event::kInput) {
        case terminal::Event::kInterrupt:
          errno = EINTR;
          return -1;
        case terminal::Event::kResized:
          self->OnResize();
          continue;
        case terminal::Event::kContinued:
          if (self->is_late) self->Resize();
          std::fputs("\r\x1b[K", stdout);
          el_wset(line, EL_REFRESH);
          continue;
        case terminal::Event::kInput:
          if (self->is_late) self->DrawAnew();
          break;
      }
      char byte = 0;
      const ssize_t n = self->ReadByte(&byte);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return static_cast<int>(n);
      if (self->Decode(byte, key) && (MayShorten(*key) || !self->is_full())) return 1;
    }
  }

  // Like read(), but first returns keys that were read while waiting for the terminal's answer.
  ssize_t ReadByte(char* byte) {
    if (typed.empty()) return read(STDIN_FILENO, byte, 1);
    *byte = typed[0];
    typed.erase(0, 1);
    return 1;
  }

  // Whether a character ends with this byte. Invalid bytes are ignored.
  bool Decode(char byte, wchar_t* key) {
    constexpr auto kNone = static_cast<size_t>(-1);
    const bool begun = std::mbsinit(&decoding) == 0;
    size_t used = std::mbrtowc(key, &byte, 1, &decoding);
    if (used == kNone) {
      decoding = {};
      if (begun) used = std::mbrtowc(key, &byte, 1, &decoding);  // the first of another one
      if (used == kNone) decoding = {};
    }
    return used <= 1;
  }

  bool is_full() const {
    const LineInfoW* info = el_wline(line);
    const std::wstring_view text(info->buffer, static_cast<size_t>(info->lastchar - info->buffer));
    // A short text cannot take so many rows.
    return text.size() > kRows / 16 && !pastes && RowsOf(text, terminal::Columns()) > kRows / 2;
  }

  static unsigned char Insert(EditLine* line, const std::wstring& text) {
    if (text.empty()) return CC_REFRESH;
    return el_winsertstr(line, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  // The placeholder for a long paste, by its number.
  static std::wstring NameOfPaste(size_t number) {
    return L"[paste " + std::to_wstring(number) + L"]";
  }

  // A paste is one piece of text, including its newlines; Enter sends it.
  static unsigned char Paste(EditLine* line, wint_t /*key*/) {
    std::wstring text;
    Of(line)->pastes = true;
    for (wchar_t c = 0; !text.ends_with(kPasteEnd) && el_wgetc(line, &c) == 1;) {
      if (c != L'\0') text += c;
    }
    Of(line)->pastes = false;
    if (text.ends_with(kPasteEnd)) text.resize(text.size() - std::wcslen(kPasteEnd));
    std::replace(text.begin(), text.end(), L'\r', L'\n');
    while (text.ends_with(L'\n')) text.pop_back();
    if (!IsLong(text)) return Insert(line, text);
    Of(line)->long_pastes.push_back(text);
    return Insert(line, NameOfPaste(Of(line)->long_pastes.size()));
  }

  static unsigned char Complete(EditLine* line, wint_t /*key*/) {
    const LineInfoW* info = el_wline(line);
    const std::string text =
        ToUtf8({info->buffer, static_cast<size_t>(info->cursor - info->buffer)});
    // In a prompt a tab is a tab.
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
    decoding = {};
    terminal::BracketPastes(true);  // stays on during the answer
    const terminal::Modes modes;
    const wchar_t* const read = el_wgets(line, &size);
    if (colour) std::fputs("\x1b[0m", stdout);
    std::fflush(stdout);
    if (read == nullptr || size <= 0) {
      // 0 is the end of the input, even if there was a signal; otherwise the read was interrupted.
      const Result result = size < 0 && interrupted != 0 ? Result::kAbandoned : Result::kEnd;
      interrupted = 0;
      long_pastes.clear();
      std::fputc('\n', stdout);
      std::fflush(stdout);
      return result;
    }
    *text = ToUtf8(WithPastes({read, static_cast<size_t>(size)}));
    if (text->ends_with('\n')) text->pop_back();
    Remember(*text);
    return Result::kLine;
  }

  // The line with the long pastes in place of their placeholders; clears the list of pastes.
  std::wstring WithPastes(std::wstring text) {
    for (size_t i = long_pastes.size(); i > 0; --i) {
      const std::wstring name = NameOfPaste(i);
      if (const size_t at = text.find(name); at != std::wstring::npos) {
        text.replace(at, name.size(), long_pastes[i - 1]);
      }
    }
    long_pastes.clear();
    return text;
  }

  void Remember(const std::string& text) {
    const std::wstring wide = ToWide(text);
    if (text.empty() || IsLong(wide)) return;
    HistEventW event;
    history_w(history, &event, H_ENTER, wide.c_str());
    if (!history_path.empty()) history_w(history, &event, H_SAVE, history_path.c_str());
  }

  std::vector<std::string> commands;
  bool colour;
  bool more = false;
  bool pastes = false;                    // a paste is being read
  std::vector<std::wstring> long_pastes;  // of this line
  std::mbstate_t decoding = {};           // of the character that is being typed
  size_t columns = 80;                    // of the terminal when the line was drawn
  size_t narrowest = 80;                  // the fewest columns since then
  bool is_late = false;                   // the line is drawn for an earlier size of the terminal
  bool answers = true;                    // the terminal reports the position of its cursor
  std::string typed;                      // keys that are read but not used yet
  EditLine* line;
  HistoryW* history;
  std::string history_path;
};

LineInput::LineInput(std::vector<std::string> commands, bool colour) {
  // The editor needs a UTF-8 locale. In the C locale, which containers and users without a setting
  // have, it would drop all characters except ASCII.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::strcmp(locale, "C") == 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  if (tty::TakesEscapes(STDIN_FILENO) && tty::TakesEscapes(STDOUT_FILENO)) {
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
  // The prompt goes to stderr: stdout has only answers.
  if (isatty(STDIN_FILENO) != 0) std::cerr << (more ? ". " : "> ") << std::flush;
  if (!std::getline(std::cin, *line)) return Result::kEnd;
  if (line->ends_with('\r')) line->pop_back();  // of a file from Windows
  return Result::kLine;
}

void LineInput::Remember(const std::string& text) {
  if (editor_ != nullptr) editor_->Remember(text);
}
