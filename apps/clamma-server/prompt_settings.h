// SPDX-License-Identifier: MIT
// The values of --date and --shared-prefix.
#ifndef CLAMMA_SERVER_PROMPT_SETTINGS_H_
#define CLAMMA_SERVER_PROMPT_SETTINGS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace server {

// Reads YYYY-MM-DD or YYYY-MM-DDTHH:MM, from 1971 on, as seconds since 1970-01-01. Returns false if
// the text is neither.
bool ReadDate(std::string_view text, int64_t* seconds);

// Reads a file of at most 1 MB, without the line break at its end. Returns "" or what is wrong.
std::string ReadSharedPrefix(const std::string& path, std::string* text);

}  // namespace server

#endif  // CLAMMA_SERVER_PROMPT_SETTINGS_H_
