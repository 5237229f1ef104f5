// SPDX-License-Identifier: MIT
#include "models.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>

namespace models {
namespace {

namespace fs = std::filesystem;

#ifndef CLAMMA_GET  // the command that downloads models
#define CLAMMA_GET "clamma-get"
#endif

constexpr size_t kMaxName = 200;   // bytes of each part of a path
constexpr size_t kMaxListed = 30;  // names that a message lists

bool Exists(const fs::path& path) {
  std::error_code none_there;
  return fs::exists(path, none_there);
}

bool EqualButForCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && EqualButForCase(text.substr(text.size() - end.size()), end);
}

std::string_view LastPart(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Returns whether `quant` is a whole word of a file's name: Q4_K is not one of model-Q4_K_M.gguf.
bool HasWord(std::string_view path, std::string_view quant) {
  const auto ends_word = [](char c) {
    return std::string_view("-./ ").find(c) != std::string::npos;
  };
  const std::string_view name = LastPart(path);
  for (size_t i = 0; i + quant.size() < name.size(); ++i) {
    if (!EqualButForCase(name.substr(i, quant.size()), quant)) continue;
    if ((i == 0 || ends_word(name[i - 1])) && ends_word(name[i + quant.size()])) return true;
  }
  return false;
}

// A model in the list of a repository: a single file, or the parts of a split model.
struct Choice {
  std::vector<std::string> files;  // sorted; parts are in the order of their numbers
  size_t parts = 1;
};

// Parses a name such as model-00002-of-00003.gguf. Returns false if it is not that of a part.
bool SplitName(const std::string& file, std::string* stem, size_t* part, size_t* parts) {
  constexpr size_t kTail = sizeof("-00001-of-00002.gguf") - 1;
  if (file.size() <= kTail || !EndsWith(file, ".gguf")) return false;
  const std::string tail = file.substr(file.size() - kTail);
  const std::string digits = tail.substr(1, 5) + tail.substr(10, 5);
  const bool form = tail[0] == '-' && tail.compare(6, 4, "-of-") == 0 &&
                    digits.find_first_not_of("0123456789") == std::string::npos;
  if (!form) return false;
  *stem = file.substr(0, file.size() - kTail);
  *part = std::stoul(digits.substr(0, 5));
  *parts = std::stoul(digits.substr(5));
  return *part >= 1 && *part <= *parts;
}

// Groups a list of files by model: the parts of a split model belong together.
std::map<std::string, Choice> Group(const std::vector<std::string>& files) {
  std::map<std::string, Choice> choices;
  for (const std::string& file : files) {
    std::string stem;
    size_t part = 1;
    size_t parts = 1;
    const bool split = SplitName(file, &stem, &part, &parts);
    Choice& choice = choices[split ? stem + " of " + std::to_string(parts) : file];
    choice.parts = parts;
    choice.files.push_back(file);
  }
  for (auto& [name, choice] : choices) std::sort(choice.files.begin(), choice.files.end());
  return choices;
}

// Returns whether a file is a model: projectors (mmproj) and importance matrices are not.
bool IsModel(std::string_view file) {
  const std::string_view name = LastPart(file);
  return EndsWith(name, ".gguf") && !name.starts_with("mmproj") &&
         name.find("imatrix") == std::string_view::npos;
}

std::string Listed(const std::vector<const Choice*>& choices) {
  std::string text;
  size_t count = 0;
  for (const Choice* choice : choices) {
    if (++count > kMaxListed)
      return text + ", and " + std::to_string(choices.size() - kMaxListed) + " more";
    text += (text.empty() ? "" : ", ") + choice->files.front();
  }
  return text;
}

// Returns the models that have the quantisation in their names.
std::vector<const Choice*> With(const std::vector<const Choice*>& all, const std::string& quant) {
  std::vector<const Choice*> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Choice* choice) { return HasWord(choice->files.front(), quant); });
  return some;
}

// Returns the model with the file `wanted`: a path, or a name that only one file has.
const Choice* Named(const std::map<std::string, Choice>& choices, const std::string& wanted) {
  const Choice* by_name = nullptr;
  size_t count = 0;
  for (const auto& [stem, choice] : choices) {
    for (const std::string& file : choice.files) {
      if (file == wanted) return &choice;
      if (LastPart(file) != wanted) continue;
      by_name = &choice;
      ++count;
    }
  }
  return count == 1 ? by_name : nullptr;
}

// Returns the path of a stored file of the catalogue; "": it is not stored.
std::string Stored(const char* name) {
  std::vector<std::string> folders = ModelFolders();
  folders.insert(folders.begin(), Folder());
  for (const std::string& folder : folders) {
    const fs::path path = fs::path(folder) / name;
    if (!folder.empty() && Exists(path)) return path.string();
  }
  return "";
}

// Returns whether the library finds the file, at this path or in a folder of models.
bool IsFound(const fs::path& path) {
  if (Exists(path)) return true;
  const std::vector<std::string> folders = ModelFolders();
  return path.is_relative() &&
         std::any_of(folders.begin(), folders.end(),
                     [&](const std::string& folder) { return Exists(folder / path); });
}

std::string ResolveEntry(const Entry& entry, bool is_default, std::string* checkpoint,
                         std::string* tokenizer) {
  const std::string name = is_default ? "default" : entry.name;
  const std::string model = Stored(entry.checkpoint.name);
  std::string vocabulary;
  if (entry.vocabulary.name != nullptr) vocabulary = Stored(entry.vocabulary.name);
  if (model.empty() || (entry.vocabulary.name != nullptr && vocabulary.empty())) {
    return (is_default ? "no model is named, and the default one" : name) +
           " is not there yet: \"" CLAMMA_GET " " + name + "\" gets it (" +
           ReadableSize(entry.checkpoint.bytes) + ")";
  }
  *checkpoint = model;
  if (tokenizer->empty()) *tokenizer = vocabulary;
  return "";
}

std::string ResolveHub(const std::string& name, std::string* checkpoint) {
  HubName hub;
  if (std::string wrong = ParseHubName(name, &hub); !wrong.empty()) return wrong;
  const fs::path folder = fs::path(Folder()) / PathOfHub(hub.repository);
  const std::vector<std::string> files = FilesBelow(folder.string());
  const std::string get = "\"" CLAMMA_GET " " + name + "\" gets it";
  if (files.empty()) return name + " is not there yet: " + get;
  std::vector<std::string> picked;
  if (const std::string wrong = Pick(files, hub.wanted, &picked); !wrong.empty()) {
    return name + ": of what is there, " + wrong + " (" + get + ")";
  }
  *checkpoint = (folder / picked.front()).string();
  return "";
}

}  // namespace

std::string Folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/clamma";
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] == '\0') {
    const passwd* user = getpwuid(geteuid());
    home = user == nullptr ? nullptr : user->pw_dir;
  }
  return home == nullptr || home[0] != '/' ? "" : std::string(home) + "/.cache/clamma";
}

std::vector<std::string> ModelFolders() {
  std::vector<std::string> folders;
#ifdef __linux__
  const char* asked = secure_getenv("CLAMMA_MODEL_DIR");
#else
  const bool privileged = getuid() != geteuid() || getgid() != getegid();
  const char* asked = privileged ? nullptr : std::getenv("CLAMMA_MODEL_DIR");
#endif
  if (asked != nullptr && *asked != '\0') folders.emplace_back(asked);
  folders.emplace_back(CLAMMA_MODEL_DIR);
  return folders;
}

bool IsHubName(std::string_view name) { return name.starts_with("hf:"); }

bool IsUrl(std::string_view name) {
  return EqualButForCase(name.substr(0, 7), "http://") ||
         EqualButForCase(name.substr(0, 8), "https://");
}

std::string HubEndpoint() {
  const char* given = std::getenv("HF_ENDPOINT");
  std::string endpoint = given == nullptr || *given == '\0' ? "https://huggingface.co" : given;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

std::string Canonical(const std::string& name) {
  const std::string hub = HubEndpoint() + "/";
  if (!name.starts_with(hub)) return name;
  const std::string path = name.substr(hub.size(), name.find_first_of("?#") - hub.size());
  for (const char* way : {"/resolve/main/", "/blob/main/"}) {
    const size_t at = path.find(way);
    if (at == std::string::npos ||
        std::count(path.begin(), path.begin() + static_cast<ptrdiff_t>(at), '/') != 1)
      continue;
    return "hf:" + path.substr(0, at) + ":" + path.substr(at + std::string_view(way).size());
  }
  return name;
}

bool IsSafePath(std::string_view path) {
  if (path.empty() || path.size() > 1000 || EndsWith(path, ".part") ||
      EndsWith(path, ".part.json")) {
    return false;
  }
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part.size() > kMaxName || part[0] == '.' || part[0] == '-') return false;
    begin = end + 1;
  }
  for (size_t i = 0; i < path.size(); ++i) {
    const auto c = static_cast<unsigned char>(path[i]);
    if (c < 0x20 || c == 0x7f || c == '\\') return false;
    // C1 characters, which control terminals.
    if (c == 0xc2 && i + 1 < path.size() && static_cast<unsigned char>(path[i + 1]) < 0xa0)
      return false;
  }
  return true;
}

std::string ParseHubName(const std::string& name, HubName* parsed) {
  const std::string rest = name.substr(3);
  const size_t colon = rest.find(':');
  parsed->repository = rest.substr(0, colon);
  parsed->wanted = colon == std::string::npos ? "" : rest.substr(colon + 1);
  constexpr char kAllowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
  const std::string& repository = parsed->repository;
  const size_t slash = repository.find('/');
  if (!IsSafePath(repository) || slash == std::string::npos ||
      repository.find_first_not_of(kAllowed, slash + 1) != std::string::npos ||
      repository.find_first_not_of(kAllowed) != slash) {
    return name +
           " is no name of a model: hf:OWNER/REPOSITORY expected, and if need be :FILE or "
           ":QUANTISATION behind it";
  }
  if (colon != std::string::npos && !IsSafePath(parsed->wanted)) {
    return name + ": what is behind the second : is no name of a file or quantisation";
  }
  return "";
}

std::string PathOfHub(const std::string& repository) { return "hf/" + repository; }

std::string PathOfUrl(const std::string& url, std::string* path) {
  const size_t begin = url.find("//") + 2;
  const std::string place = url.substr(begin, url.find_first_of("?#", begin) - begin);
  const size_t slash = place.find('/');
  if (place.substr(0, slash).find('@') != std::string::npos) {
    return "an address with a user name in it is not taken";
  }
  if (slash == std::string::npos || place.ends_with('/')) return url + " names no file";
  if (!IsSafePath(place)) return url + " cannot be kept under its name";
  *path = "url/" + place;
  return "";
}

std::string Pick(const std::vector<std::string>& files, const std::string& wanted,
                 std::vector<std::string>* picked, bool all_parts) {
  const std::map<std::string, Choice> choices = Group(files);
  std::vector<const Choice*> all;
  for (const auto& [stem, choice] : choices) {
    if (IsModel(choice.files.front())) all.push_back(&choice);
  }
  const Choice* chosen = wanted.empty() ? nullptr : Named(choices, wanted);
  if (chosen == nullptr) {
    if (all.empty()) {
      return wanted.empty() ? "there is no GGUF file"
                            : "there is no " + wanted + ", nor any GGUF file";
    }
    std::vector<const Choice*> some = all;
    if (!wanted.empty() || all.size() > 1) some = With(all, wanted.empty() ? "Q4_K_M" : wanted);
    if (some.empty() && wanted.empty()) return "name one of these: " + Listed(all);
    if (some.empty()) return "there is no " + wanted + "; there are: " + Listed(all);
    if (some.size() > 1) return "several match, name one of these: " + Listed(some);
    chosen = some.front();
  }
  if (all_parts && chosen->files.size() != chosen->parts) {
    return "only " + std::to_string(chosen->files.size()) + " of " + std::to_string(chosen->parts) +
           " parts are there: " + chosen->files.front();
  }
  *picked = chosen->files;
  return "";
}

std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const std::string path = entry->path().lexically_relative(folder).string();
    if (entry->is_regular_file(ignored) && IsSafePath(path)) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string Resolve(std::string* checkpoint, std::string* tokenizer) {
  if (checkpoint->empty()) return ResolveEntry(DefaultEntry(), true, checkpoint, tokenizer);
  const fs::path path(*checkpoint);
  if (IsFound(path)) return "";
  const std::string name = Canonical(*checkpoint);
  if (const Entry* entry = FindEntry(name); entry != nullptr) {
    return ResolveEntry(*entry, false, checkpoint, tokenizer);
  }
  if (IsHubName(name)) return ResolveHub(name, checkpoint);
  if (!IsUrl(name)) return "";  // the library will report that there is no such file
  std::string place;
  if (std::string wrong = PathOfUrl(name, &place); !wrong.empty()) return wrong;
  const fs::path stored = fs::path(Folder()) / place;
  if (!Exists(stored)) return name + " is not there yet: \"" CLAMMA_GET " " + name + "\" gets it";
  *checkpoint = stored.string();
  return "";
}

std::string Found(const std::string& path) {
  if (Exists(path) || fs::path(path).is_absolute()) return path;
  for (const std::string& folder : ModelFolders()) {
    const fs::path there = fs::path(folder) / path;
    if (Exists(there)) return there.string();
  }
  return path;
}

std::vector<std::string> PartsOf(const std::string& path) {
  std::string stem;
  size_t part = 1;
  size_t parts = 1;
  if (!SplitName(path, &stem, &part, &parts)) return {path};
  std::vector<std::string> paths;
  for (part = 1; part <= parts; ++part) {
    char tail[64];
    std::snprintf(tail, sizeof(tail), "-%05zu-of-%05zu.gguf", part, parts);
    paths.push_back(stem + tail);
  }
  return paths;
}

std::string ReadableSize(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "kB", "MB", "GB", "TB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 999.5 && unit + 1 < std::size(kUnits)) {
    size /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), size < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", size,
                kUnits[unit]);
  return text;
}

}  // namespace models
