// SPDX-License-Identifier: MIT
#include "editor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace {

std::string EditorCommand() {
  for (const char* name : {"VISUAL", "EDITOR"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && value[0] != '\0') return value;
  }
  return "vi";
}

// Runs the editor on a file, through a shell because the command may have arguments.
bool RunEditor(const std::string& path) {
  const std::string command = EditorCommand() + " \"$1\"";
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    for (const int signal : {SIGINT, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command.c_str(), "sh", path.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

std::string EditText(const std::string& text, std::string* edited) {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "clamma-chat.XXXXXX").string();
  const int fd = error ? -1 : mkstemp(path.data());
  if (fd < 0) return std::string("cannot create a file to edit: ") + std::strerror(errno);
  close(fd);
  std::ofstream(path, std::ios::binary) << text;
  std::string wrong;
  if (RunEditor(path)) {
    std::ifstream file(path, std::ios::binary);
    edited->assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (file.bad()) wrong = path + ": cannot be read";
  } else {
    wrong = "the editor failed: " + EditorCommand() + " (see $VISUAL and $EDITOR)";
  }
  std::filesystem::remove(path, error);
  return wrong;
}
