// SPDX-License-Identifier: MIT
#include "text_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace {

constexpr int kPatience = 1000;  // milliseconds for a process to open a pipe for writing

// Adds at most n bytes to the text. Returns their number, 0 at the end of the file, or -1, as
// read() does.
ssize_t ReadMore(int descriptor, size_t n, std::string* text) {
  char piece[65536];
  const ssize_t size = read(descriptor, piece, std::min(n, sizeof(piece)));
  if (size > 0) text->append(piece, static_cast<size_t>(size));
  return size;
}

// Returns false if the descriptor, which does not block, is a pipe that nothing was written to and
// that no process has open for writing.
bool HasWriter(int descriptor, size_t max_bytes, std::string* text) {
  struct stat status = {};
  if (fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) return true;
  struct pollfd pipe = {descriptor, POLLIN, 0};
  if (poll(&pipe, 1, kPatience) != 0) return true;
  // Either the writer is slow, or there is none.
  return ReadMore(descriptor, max_bytes, text) != 0;
}

std::string Reason(const std::string& path) { return path + ": " + std::strerror(errno); }

// Reads to the end. Returns "" or the reason of a failure.
std::string ReadToEnd(const std::string& path, int descriptor, size_t max_bytes,
                      std::string* text) {
  while (text->size() <= max_bytes) {
    const ssize_t size = ReadMore(descriptor, max_bytes + 1 - text->size(), text);
    if (size < 0) return Reason(path);
    if (size == 0) break;
  }
  return "";
}

}  // namespace

std::string ReadTextFile(const std::string& path, size_t max_bytes, std::string* text) {
  text->clear();
  if (path == "-") return ReadToEnd(path, STDIN_FILENO, max_bytes, text);
  // Without O_NONBLOCK, open() itself would wait for the writer of a pipe.
  const int descriptor = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return Reason(path);
  std::string wrong;
  if (!HasWriter(descriptor, max_bytes, text)) {
    wrong = path + ": a pipe that no process writes to";
  } else if (fcntl(descriptor, F_SETFL, O_RDONLY) != 0) {
    wrong = Reason(path);
  } else {
    wrong = ReadToEnd(path, descriptor, max_bytes, text);
  }
  close(descriptor);
  return wrong;
}
