// SPDX-License-Identifier: MIT
// The hub's interface is described at https://huggingface.co/docs/hub/api: /api/models/OWNER/REPO
// has the licence among its tags and the commit, /api/models/OWNER/REPO/tree/COMMIT the files with
// their sizes and, of those in LFS, their SHA-256; long lists come in pages that the header Link
// connects.
#include "hub.h"

#include <algorithm>
#include <optional>

#include "failure.h"
#include "json.h"
#include "models.h"

namespace get {
namespace {

constexpr int kMaxPages = 20;

Json ParseAnswer(const std::string& text, const std::string& url, Json::Kind kind) {
  std::optional<Json> json = Json::Parse(text);
  if (!json || json->kind() != kind) {
    throw Failure(
        kExitWrongFile,
        url + " does not answer as the hub does (a login, or a proxy?): " + Shown(text, 60));
  }
  return std::move(*json);
}

std::string TextOf(const Json* json) { return json == nullptr ? "" : json->text(); }

bool IsHex(const std::string& text, size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string LicenseOf(const Json& info) {
  constexpr std::string_view kTag = "license:";
  if (const Json* tags = info.Find("tags"); tags != nullptr) {
    for (const Json& tag : tags->items()) {
      if (tag.text().starts_with(kTag)) return Shown(tag.text().substr(kTag.size()), 80);
    }
  }
  const Json* card = info.Find("cardData");
  return card == nullptr ? "" : Shown(TextOf(card->Find("license")), 80);
}

HubFile FileOf(const Json& item) {
  HubFile file;
  file.path = TextOf(item.Find("path"));
  if (const Json* size = item.Find("size"); size != nullptr) file.bytes = size->whole();
  const Json* lfs = item.Find("lfs");
  if (lfs == nullptr || !lfs->is_object()) return file;
  if (const Json* size = lfs->Find("size"); size != nullptr) file.bytes = size->whole();
  std::string sum = TextOf(lfs->Find("oid"));
  if (sum.starts_with("sha256:")) sum.erase(0, 7);
  if (IsHex(sum, 64)) file.sha256 = sum;
  return file;
}

// The address of the next page in a header Link: <URL>; rel="next".
std::string NextPage(const std::string& link) {
  const size_t end = link.find('>');
  const bool next = link.starts_with('<') && end != std::string::npos &&
                    link.find("rel=\"next\"", end) != std::string::npos;
  return next ? link.substr(1, end - 1) : "";
}

}  // namespace

std::vector<std::string> Repository::names() const {
  std::vector<std::string> names;
  for (const HubFile& file : files) names.push_back(file.path);
  return names;
}

const HubFile& Repository::File(const std::string& path) const {
  return *std::find_if(files.begin(), files.end(),
                       [&](const HubFile& file) { return file.path == path; });
}

std::string AddressOnHub(const std::string& repository, const std::string& revision,
                         const std::string& path) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string address = models::HubEndpoint() + "/" + repository + "/resolve/" + revision + "/";
  for (const char c : path) {
    if (kPlain.find(c) != std::string_view::npos) {
      address += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      address += '%';
      address += "0123456789ABCDEF"[byte >> 4];
      address += "0123456789ABCDEF"[byte & 15];
    }
  }
  return address;
}

Repository ReadRepository(Client& client, const std::string& name) {
  Repository repository;
  repository.name = name;
  const std::string api = models::HubEndpoint() + "/api/models/" + name;
  Reply reply;
  const Json info = ParseAnswer(client.Text(api, &reply), api, Json::Kind::kObject);
  repository.license = LicenseOf(info);
  if (const std::string commit = TextOf(info.Find("sha")); IsHex(commit, 40)) {
    repository.revision = commit;
  }
  std::string page = api + "/tree/" + repository.revision + "?recursive=true";
  for (int pages = 0; !page.empty(); ++pages) {
    if (pages == kMaxPages) throw Failure(kExitNetwork, name + " has too long a list of files");
    const Json list = ParseAnswer(client.Text(page, &reply), page, Json::Kind::kArray);
    for (const Json& item : list.items()) {
      if (TextOf(item.Find("type")) != "file") continue;
      HubFile file = FileOf(item);
      if (models::IsSafePath(file.path)) repository.files.push_back(std::move(file));
    }
    page = NextPage(reply.Header("link"));
  }
  return repository;
}

}  // namespace get
