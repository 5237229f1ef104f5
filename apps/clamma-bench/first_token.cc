// SPDX-License-Identifier: MIT
#include "first_token.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX requires it

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// The command line of the process: program, this flag, checkpoint, tokenizer, threads, type of keys
// and values, prompt. It writes a byte to stdout when it has its first text.
constexpr char kFlag[] = "--first-token-of-process";
constexpr int kArguments = 7;

// Writes a vocabulary in memory to an unnamed file; nullptr if the source has none, or on failure.
std::unique_ptr<FILE, int (*)(FILE*)> VocabularyFile(const Source& source) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(nullptr, &std::fclose);
  if (source.vocabulary.empty()) return file;
  file.reset(std::tmpfile());
  const size_t size = source.vocabulary.size();
  if (file != nullptr && (std::fwrite(source.vocabulary.data(), 1, size, file.get()) != size ||
                          std::fflush(file.get()) != 0)) {
    file.reset();
  }
  if (file != nullptr) std::rewind(file.get());
  return file;
}

// Starts the process with its stdout connected to a pipe; *out is the pipe's reading end. Returns
// an errno.
int Start(const char* program, char* const* arguments, pid_t* child, int* out) {
  int ends[2];
  if (pipe(ends) != 0) return errno;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  const int error = posix_spawnp(child, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) close(ends[0]);
  *out = ends[0];
  return error;
}

}  // namespace

double FirstTokenOfProcess(const char* program, const Source& source, const std::string& prompt) {
  const auto vocabulary = VocabularyFile(source);
  std::string texts[] = {program,
                         kFlag,
                         source.checkpoint,
                         vocabulary != nullptr
                             ? "/dev/fd/" + std::to_string(fileno(vocabulary.get()))
                             : source.tokenizer,
                         std::to_string(source.threads),
                         source.kv,
                         prompt};
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);

  pid_t child = -1;
  int out = -1;
  const Clock::time_point start = Clock::now();
  if (const int error = Start(program, arguments.data(), &child, &out); error != 0) {
    std::fprintf(stderr, "clamma-bench: cannot start %s: %s\n", program, std::strerror(error));
    return 0;
  }
  char byte = 0;
  ssize_t n = 0;
  do {
    n = read(out, &byte, 1);
  } while (n < 0 && errno == EINTR);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  close(out);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return n == 1 ? seconds : 0;
}

bool RunFirstToken(int argc, char** argv, int* code) {
  if (argc != kArguments || std::strcmp(argv[1], kFlag) != 0) return false;
  Source source;
  source.checkpoint = argv[2];
  source.tokenizer = argv[3];
  source.threads = static_cast<unsigned>(std::strtoul(argv[4], nullptr, 10));
  source.kv = argv[5];
  *code = kExitMeasurement;
  double seconds = 0;
  const std::unique_ptr<Workload> workload = Workload::Load(source, &seconds);
  if (workload == nullptr || workload->FirstText(argv[6]) <= 0) return true;
  if (write(STDOUT_FILENO, "\n", 1) == 1) *code = 0;
  return true;
}

}  // namespace bench
