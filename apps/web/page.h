// SPDX-License-Identifier: MIT
// The files of a program's page/, which embed.cmake embeds into it, and how they are served.
#ifndef CLAMMA_APPS_WEB_PAGE_H_
#define CLAMMA_APPS_WEB_PAGE_H_

#include <array>
#include <span>
#include <string_view>

namespace web {

struct PageFile {
  std::string_view name;  // without a folder
  std::span<const unsigned char> bytes;
};

// Defined in the source that embed.cmake writes.
std::span<const PageFile> PageFiles();

// The media type for the name of a file.
std::string_view ContentType(std::string_view name);

struct Header {
  const char* name;  // in lower case
  const char* value;
};

// The headers of every reply that restrict what a browser may do with it: everything is loaded from
// the server itself.
inline constexpr std::array<Header, 5> kSecurityHeaders = {{
    {"content-security-policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
     "require-trusted-types-for 'script'; trusted-types 'none'"},
    {"x-content-type-options", "nosniff"},
    {"referrer-policy", "no-referrer"},
    {"cross-origin-resource-policy", "same-origin"},
    {"cross-origin-opener-policy", "same-origin"},
}};

}  // namespace web

#endif  // CLAMMA_APPS_WEB_PAGE_H_
