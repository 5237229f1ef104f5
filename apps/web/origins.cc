// SPDX-License-Identifier: MIT
#include "origins.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace web {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// A host in lower case, without the default port of `scheme`.
std::string Canonical(std::string_view host, std::string_view scheme) {
  const std::string_view port = scheme == "https" ? ":443" : ":80";
  if (host.ends_with(port)) host.remove_suffix(port.size());
  return LowerCase(host);
}

// Returns a numeric IPv6 address as inet_ntop() writes it; any other text unchanged.
std::string CanonicalAddress(const std::string& text) {
  in6_addr address = {};
  std::array<char, INET6_ADDRSTRLEN> canonical = {};
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return text;
  return inet_ntop(AF_INET6, &address, canonical.data(), canonical.size());
}

}  // namespace

bool Origins::Split(std::string_view text, Origin& origin) {
  const size_t end = text.find("://");
  if (end == std::string_view::npos) return false;
  origin.scheme = LowerCase(text.substr(0, end));
  if (origin.scheme != "http" && origin.scheme != "https") return false;
  origin.host = Canonical(text.substr(end + 3), origin.scheme);
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-._:[]";
  return !origin.host.empty() && origin.host.find_first_not_of(kAllowed) == std::string::npos;
}

bool Origins::IsOrigin(std::string_view text) {
  constexpr size_t kMaxBytes = 260;  // a host name has at most 253
  Origin origin;
  return text.size() <= kMaxBytes && Split(text, origin);
}

std::string Origins::Add(std::string_view text) {
  Origin origin;
  if (!Split(text, origin)) {
    return std::string(text) + " is not an origin such as https://stories.example.org";
  }
  added_.push_back(origin);
  return "";
}

bool Origins::Serves(std::string_view host, const LocalAddress& local) const {
  for (const Origin& origin : added_) {
    if (Canonical(host, origin.scheme) == origin.host) return true;
  }
  std::string_view name = host;
  std::string_view port = "80";
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    name = host.substr(0, colon);
    port = host.substr(colon + 1);
  }
  if (port != std::to_string(local.port)) return false;
  if (local.loopback && LowerCase(name) == "localhost") return true;
  if (local.address.find(':') == std::string::npos) return name == local.address;
  return name.size() > 2 && name.front() == '[' && name.back() == ']' &&
         CanonicalAddress(std::string(name.substr(1, name.size() - 2))) == local.address;
}

bool Origins::Allows(std::string_view text, std::string_view host) const {
  Origin origin;
  if (!Split(text, origin)) return false;
  if (origin.host == Canonical(host, origin.scheme)) return true;
  return std::any_of(added_.begin(), added_.end(), [&origin](const Origin& other) {
    return other.scheme == origin.scheme && other.host == origin.host;
  });
}

}  // namespace web
