// SPDX-License-Identifier: MIT
// UTF-8 as the wide characters that a line editor takes, and back; of any locale.
#ifndef CLAMMA_APPS_CHAT_WIDE_TEXT_H_
#define CLAMMA_APPS_CHAT_WIDE_TEXT_H_

#include <string>
#include <string_view>

// Invalid characters become U+FFFD.
std::string ToUtf8(std::wstring_view text);
std::wstring ToWide(std::string_view text);

#endif  // CLAMMA_APPS_CHAT_WIDE_TEXT_H_
