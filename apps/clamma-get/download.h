// SPDX-License-Identifier: MIT
// Downloads a file to its place.
#ifndef CLAMMA_APPS_CLAMMA_GET_DOWNLOAD_H_
#define CLAMMA_APPS_CLAMMA_GET_DOWNLOAD_H_

#include <cstdint>
#include <string>

#include "http.h"
#include "part_file.h"

namespace get {

struct Wanted {
  std::string url;
  std::string path;    // of the complete file
  uint64_t bytes = 0;  // 0: unknown
  std::string sha256;  // "": unknown
};

struct Manner {
  bool quiet = false;
  unsigned tries = 5;  // failed attempts in a row before giving up
  bool has_token = false;
};

// Throws Failure if the first bytes of a file are those of a web page, of an error message, or of
// anything else than the model that the name promises.
void CheckHead(std::string_view head, const std::string& path);

// Finishes the file if it is the expected one; otherwise discards it and throws Failure.
void Accept(PartFile& part, const std::string& sha256);

// Downloads a file, and resumes an earlier attempt if possible. Returns whether the file was there
// already.
bool Download(Client& client, const Wanted& wanted, const Manner& manner);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_DOWNLOAD_H_
