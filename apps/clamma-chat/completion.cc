// SPDX-License-Identifier: MIT
#include "completion.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace {

std::string CommonStart(const std::vector<std::string>& texts) {
  std::string common = texts.front();
  for (const std::string& text : texts) {
    const auto ends = std::mismatch(common.begin(), common.end(), text.begin(), text.end());
    common.erase(ends.first, common.end());
  }
  return common;
}

Completion Choose(const std::string& begun, std::vector<std::string> choices) {
  Completion completion;
  std::sort(choices.begin(), choices.end());
  if (!choices.empty()) completion.added = CommonStart(choices).substr(begun.size());
  completion.choices = std::move(choices);
  return completion;
}

// Files, and folders with a / at the end, whose path begins with `begun`.
std::vector<std::string> FilesFrom(const std::string& begun) {
  const size_t slash = begun.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : begun.substr(0, slash + 1);
  const std::string name = begun.substr(folder.size());
  std::vector<std::string> found;
  std::error_code error;
  const std::string where = folder.empty() ? "." : ExpandHome(folder);
  for (std::filesystem::directory_iterator entry(where, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (!file.starts_with(name) || (name.empty() && file.starts_with('.'))) continue;
    std::error_code unknown;
    found.push_back(folder + file + (entry->is_directory(unknown) ? "/" : ""));
  }
  return found;
}

}  // namespace

Completion CompleteCommand(const std::string& text, const std::vector<std::string>& commands) {
  const size_t space = text.find(' ');
  if (space == std::string::npos) {
    std::vector<std::string> choices;
    for (const std::string& command : commands) {
      if (command.starts_with(text)) choices.push_back(command);
    }
    return Choose(text, std::move(choices));
  }
  const std::string command = text.substr(0, space + 1);
  if (std::find(commands.begin(), commands.end(), command) == commands.end()) return {};
  const std::string begun = text.substr(std::min(text.find_first_not_of(' ', space), text.size()));
  return Choose(begun, FilesFrom(begun));
}

std::string ExpandHome(const std::string& path) {
  const char* home = std::getenv("HOME");
  if (home == nullptr || (path != "~" && !path.starts_with("~/"))) return path;
  return home + path.substr(1);
}
