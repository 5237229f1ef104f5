// SPDX-License-Identifier: MIT
#include "routes.h"

#include <array>

#include "http_parser.h"

namespace server {
namespace {

using openai::Endpoint;

struct Entry {
  std::string_view path;
  Place place;
  Endpoint endpoint;
  bool takes_body;
};

constexpr std::array<Entry, 13> kEntries = {{
    {"/v1/models", Place::kService, Endpoint::kModels, false},
    {"/v1/chat/completions", Place::kService, Endpoint::kChatCompletions, true},
    {"/v1/completions", Place::kService, Endpoint::kCompletions, true},
    {"/v1/responses", Place::kService, Endpoint::kResponses, true},
    {"/v1/embeddings", Place::kService, Endpoint::kEmbeddings, true},
    {"/tokenize", Place::kService, Endpoint::kTokenize, true},
    {"/detokenize", Place::kService, Endpoint::kDetokenize, true},
    {"/apply-template", Place::kService, Endpoint::kApplyTemplate, true},
    {"/props", Place::kService, Endpoint::kProps, false},
    {"/tokenizer_info", Place::kService, Endpoint::kTokenizerInfo, false},
    {"/health", Place::kHealth, Endpoint::kModels, false},
    {"/healthz", Place::kHealthz, Endpoint::kModels, false},
    {"/metrics", Place::kMetrics, Endpoint::kModels, false},
}};
constexpr std::string_view kModelPath = "/v1/models/";

}  // namespace

Route FindRoute(std::string_view path) {
  Route route;
  for (const Entry& entry : kEntries) {
    if (entry.path != path) continue;
    route.place = entry.place;
    route.endpoint = entry.endpoint;
    route.takes_body = entry.takes_body;
    route.name = entry.path.data();  // a literal, which ends with NUL
    return route;
  }
  if (path.starts_with(kModelPath) && DecodePercent(path.substr(kModelPath.size()), &route.model) &&
      !route.model.empty()) {
    route.place = Place::kService;
    route.endpoint = Endpoint::kModel;
    route.name = "/v1/models/{id}";
    return route;
  }
  const std::string_view name = path == "/" ? "index.html" : path.substr(path.empty() ? 0 : 1);
  for (const web::PageFile& file : web::PageFiles()) {
    if (file.name != name || (path != "/" && name == "index.html")) continue;
    route.place = Place::kPage;
    route.file = &file;
    route.name = "page";
    return route;
  }
  return route;
}

}  // namespace server
