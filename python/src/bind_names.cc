// SPDX-License-Identifier: MIT
// Models by name: the catalogue and the folder of downloaded models, which the apps share.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "bind.h"
#include "models.h"

namespace nb = nanobind;

namespace clamma_python {
namespace {

// Throws an error that is not "".
void CheckName(const std::string& error) {
  if (!error.empty()) throw clamma::Error(error);
}

nb::object FileFacts(const models::File& file) {
  if (file.name == nullptr) return nb::none();
  constexpr const char* kSources[] = {"hub", "url", "wheel"};
  nb::dict facts;
  facts["name"] = file.name;
  facts["source"] = kSources[static_cast<size_t>(file.source)];
  facts["origin"] = file.origin;
  facts["place"] = file.place;
  facts["sha256"] = file.sha256;
  facts["bytes"] = file.bytes;
  facts["origin_sha256"] = file.origin_sha256;
  return facts;
}

nb::list Catalogue() {
  nb::list entries;
  for (const models::Entry& entry : models::Catalogue()) {
    nb::dict facts;
    facts["name"] = entry.name;
    facts["alias"] = entry.alias;
    facts["what"] = entry.what;
    facts["license"] = entry.license;
    facts["checkpoint"] = FileFacts(entry.checkpoint);
    facts["vocabulary"] = FileFacts(entry.vocabulary);
    entries.append(facts);
  }
  return entries;
}

}  // namespace

void BindNames(nb::module_& m) {
  m.def("catalogue", &Catalogue);
  m.def("cache_folder", &models::Folder);
  m.def("hub_endpoint", &models::HubEndpoint);
  m.def("canonical_name", &models::Canonical);
  m.def("found_path", &models::Found);
  m.def("is_safe_path", [](const std::string& path) { return models::IsSafePath(path); });
  m.def("files_below", &models::FilesBelow);
  m.def("readable_size", &models::ReadableSize);
  m.def("resolve", [](std::string checkpoint, std::string tokenizer) {
    CheckName(models::Resolve(&checkpoint, &tokenizer));
    return std::make_pair(std::move(checkpoint), std::move(tokenizer));
  });
  m.def("parse_hub_name", [](const std::string& name) {
    models::HubName hub;
    CheckName(models::ParseHubName(name, &hub));
    return std::make_pair(hub.repository, hub.wanted);
  });
  m.def("path_of_hub", &models::PathOfHub);
  m.def("path_of_url", [](const std::string& url) {
    std::string path;
    CheckName(models::PathOfUrl(url, &path));
    return path;
  });
  m.def("pick", [](const std::vector<std::string>& files, const std::string& wanted) {
    std::vector<std::string> picked;
    CheckName(models::Pick(files, wanted, &picked));
    return picked;
  });
}

}  // namespace clamma_python
