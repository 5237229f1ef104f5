// SPDX-License-Identifier: MIT
// Reads the files of a model repository of the hub (huggingface.co, or $HF_ENDPOINT).
#ifndef CLAMMA_APPS_CLAMMA_GET_HUB_H_
#define CLAMMA_APPS_CLAMMA_GET_HUB_H_

#include <cstdint>
#include <string>
#include <vector>

#include "http.h"

namespace get {

struct HubFile {
  std::string path;
  uint64_t bytes = 0;
  std::string sha256;  // "": the hub has none
};

struct Repository {
  std::string name;  // OWNER/REPO
  std::string revision = "main";
  std::string license;  // "": unknown
  std::vector<HubFile> files;

  std::vector<std::string> names() const;
  const HubFile& File(const std::string& path) const;  // `path` must exist
};

// Throws Failure if it cannot be read, or if the hub's reply is invalid.
Repository ReadRepository(Client& client, const std::string& name);

std::string AddressOnHub(const std::string& repository, const std::string& revision,
                         const std::string& path);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_HUB_H_
