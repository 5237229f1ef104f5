// SPDX-License-Identifier: MIT
// Which family of chat formats a template is of.
#ifndef CLAMMA_INFO_CHAT_FAMILY_H_
#define CLAMMA_INFO_CHAT_FAMILY_H_

#include <string_view>

namespace info {

// By the control tokens in the template's text: "chatml", "llama3" ...; "unknown" for others.
const char* ChatFamilyOf(std::string_view text);

}  // namespace info

#endif  // CLAMMA_INFO_CHAT_FAMILY_H_
