// SPDX-License-Identifier: MIT
// The file that keeps the history of lines.
#ifndef CLAMMA_APPS_CHAT_HISTORY_FILE_H_
#define CLAMMA_APPS_CHAT_HISTORY_FILE_H_

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

// Returns ${XDG_STATE_HOME:-~/.local/state}/clamma/chat_history, readable only by its owner, and
// creates it and its folders if needed. Returns "" if that is not possible.
inline std::string HistoryPath() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path folder;
  if (state != nullptr && state[0] == '/') {
    folder = state;
  } else if (home != nullptr && home[0] == '/') {
    folder = std::filesystem::path(home) / ".local" / "state";
  } else {
    return "";
  }
  folder /= "clamma";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return "";
  const std::string path = (folder / "chat_history").string();
  // A file that is overwritten keeps its mode.
  const mode_t before = umask(077);
  if (std::FILE* file = std::fopen(path.c_str(), "ab"); file != nullptr) std::fclose(file);
  umask(before);
  return path;
}

#endif  // CLAMMA_APPS_CHAT_HISTORY_FILE_H_
