// SPDX-License-Identifier: MIT
// The files of page/, which embed.cmake embeds into the program.
#ifndef CLAMMA_WS_DEMO_PAGE_H_
#define CLAMMA_WS_DEMO_PAGE_H_

#include <span>
#include <string_view>

namespace demo {

struct PageFile {
  std::string_view name;  // without a folder
  std::span<const unsigned char> bytes;
};

std::span<const PageFile> PageFiles();

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_PAGE_H_
