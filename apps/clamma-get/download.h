// SPDX-License-Identifier: MIT
// One file from its address to its place.
#ifndef CLAMMA_APPS_CLAMMA_GET_DOWNLOAD_H_
#define CLAMMA_APPS_CLAMMA_GET_DOWNLOAD_H_

#include <cstdint>
#include <string>

#include "http.h"
#include "part_file.h"

namespace get {

struct Wanted {
  std::string url;
  std::string path;    // where it is to be
  uint64_t bytes = 0;  // 0: not known
  std::string sha256;  // "": not known
};

struct Manner {
  bool quiet = false;
  unsigned tries = 5;  // attempts that bring nothing, before it is given up
  bool has_token = false;
};

// Throws Failure with what is wrong with the first bytes of a file: those of a web page, of an
// error message or of no model in place of the model that the name says.
void CheckHead(std::string_view head, const std::string& path);

// Throws Failure, and discards the file, if it is not what was wanted; else puts it in its place.
void Accept(PartFile& part, const std::string& sha256);

// Downloads it, from the end of an earlier attempt where that is possible. Returns whether it was
// there already.
bool Download(Client& client, const Wanted& wanted, const Manner& manner);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_DOWNLOAD_H_
