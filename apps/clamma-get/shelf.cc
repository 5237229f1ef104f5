// SPDX-License-Identifier: MIT
#include "shelf.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>
#include <vector>

#include "failure.h"
#include "models.h"

namespace get {
namespace {

namespace fs = std::filesystem;

constexpr char kPart[] = ".part";

uint64_t SizeOf(const fs::path& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  return error ? 0 : size;
}

bool Exists(const fs::path& path) {
  std::error_code none_there;
  return fs::exists(path, none_there);
}

// The paths of files below a folder: of complete files, and of incomplete ones without their
// ".part".
std::vector<std::string> AllBelow(const fs::path& folder) {
  std::set<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string path = entry->path().lexically_relative(folder).string();
    if (path.ends_with(kPart)) path.resize(path.size() - sizeof(kPart) + 1);
    std::error_code ignored;
    if (entry->is_regular_file(ignored) && models::IsSafePath(path)) files.insert(path);
  }
  return {files.begin(), files.end()};
}

// "there", "partly (3 MB)" or "".
std::string StateOf(const fs::path& file) {
  if (Exists(file)) return "there";
  const fs::path part = file.string() + kPart;
  return Exists(part) ? "partly (" + models::ReadableSize(SizeOf(part)) + ")" : "-";
}

void PrintLine(const std::string& name, const std::string& size, const std::string& license,
               const std::string& state, const std::string& what) {
  std::printf("%-12s %8s  %-10s  %-16s %s\n", name.c_str(), size.c_str(), license.c_str(),
              state.c_str(), what.c_str());
}

// The names of files outside the catalogue: hf:OWNER/REPO:FILE and https://HOST/PATH.
std::string NameOf(const std::string& path) {
  if (path.starts_with("url/")) return "https://" + path.substr(4);
  const size_t owner = path.find('/', 3);
  const size_t file = owner == std::string::npos ? owner : path.find('/', owner + 1);
  if (!path.starts_with("hf/") || file == std::string::npos) return "";
  return "hf:" + path.substr(3, file - 3) + ":" + path.substr(file + 1);
}

void RemoveEmptyFolders(fs::path folder, const fs::path& top) {
  std::error_code error;
  while (folder != top && folder.string().starts_with(top.string()) && fs::remove(folder, error)) {
    folder = folder.parent_path();
  }
}

// Removes a file, complete or not. Returns whether there was one.
bool RemoveFile(const fs::path& file) {
  const fs::path part = file.string() + kPart;
  const int fd = open(part.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    throw Failure(kExitHere, "another clamma-get is getting " + file.string());
  }
  bool any = false;
  std::error_code error;
  std::error_code ignored;
  fs::remove_all(part.string() + ".wheel", ignored);
  for (const fs::path& path : {fs::path(part.string() + ".json"), part, file}) {
    any = fs::remove(path, error) || any;
    if (!error) continue;
    if (fd >= 0) close(fd);
    throw Failure(kExitHere, path.string() + ": " + error.message());
  }
  if (fd >= 0) close(fd);
  return any;
}

// The files, below the folder of models, to which a name refers.
std::vector<std::string> FilesOf(const std::string& name, const fs::path& top) {
  if (const models::Entry* entry = models::FindEntry(name); entry != nullptr) {
    std::vector<std::string> files = {entry->checkpoint.name};
    if (entry->vocabulary.name == nullptr) return files;
    // A vocabulary stays while another model needs it.
    const bool needed = std::any_of(
        models::Catalogue().begin(), models::Catalogue().end(), [&](const models::Entry& other) {
          return &other != entry && other.vocabulary.name != nullptr &&
                 std::string_view(other.vocabulary.name) == entry->vocabulary.name &&
                 Exists(top / other.checkpoint.name);
        });
    if (!needed) files.emplace_back(entry->vocabulary.name);
    return files;
  }
  std::string wrong;
  std::string path;
  if (models::IsHubName(name)) {
    models::HubName hub;
    wrong = models::ParseHubName(name, &hub);
    if (!wrong.empty()) throw Failure(kExitUsage, wrong);
    const std::string folder = models::PathOfHub(hub.repository);
    const std::vector<std::string> all = AllBelow(top / folder);
    std::vector<std::string> picked = all;
    if (!hub.wanted.empty() && !all.empty()) {
      wrong = models::Pick(all, hub.wanted, &picked, false);
      if (!wrong.empty()) throw Failure(kExitUsage, name + ": of what is there, " + wrong);
    }
    for (std::string& file : picked) file.insert(0, folder + "/");
    return picked;
  }
  if (!models::IsUrl(name)) throw Failure(kExitUsage, "there is no model \"" + Shown(name) + "\"");
  wrong = models::PathOfUrl(name, &path);
  if (!wrong.empty()) throw Failure(kExitUsage, wrong);
  return {path};
}

}  // namespace

void List() {
  const fs::path top = models::Folder();
  PrintLine("NAME", "SIZE", "LICENCE", "STATE", "");
  for (const models::Entry& entry : models::Catalogue()) {
    std::string what = entry.what;
    if (entry.alias[0] != '\0') what += std::string(" (also: ") + entry.alias + ")";
    PrintLine(entry.name, models::ReadableSize(entry.checkpoint.bytes), entry.license,
              StateOf(top / entry.checkpoint.name), what);
  }
  for (const std::string& path : AllBelow(top)) {
    const std::string name = NameOf(path);
    if (name.empty()) continue;
    const bool whole = Exists(top / path);
    PrintLine(name, whole ? models::ReadableSize(SizeOf(top / path)) : "-", "-",
              StateOf(top / path), "");
  }
  std::printf("in %s\n", top.c_str());
}

void Remove(const std::string& name, bool quiet) {
  const fs::path top = models::Folder();
  bool any = false;
  for (const std::string& file : FilesOf(name, top)) {
    if (!RemoveFile(top / file)) continue;
    any = true;
    RemoveEmptyFolders((top / file).parent_path(), top);
    if (!quiet) std::fprintf(stderr, "clamma-get: removed %s\n", (top / file).c_str());
  }
  if (!any) throw Failure(kExitHere, name + " is not there");
}

}  // namespace get
