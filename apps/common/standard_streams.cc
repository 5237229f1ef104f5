// SPDX-License-Identifier: MIT
#include "standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

void KeepStandardStreams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return;
  }
}
