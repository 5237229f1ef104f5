// SPDX-License-Identifier: MIT
// The family of chat formats to which a template belongs.
#ifndef CLAMMA_INFO_CHAT_FAMILY_H_
#define CLAMMA_INFO_CHAT_FAMILY_H_

#include <string_view>

namespace info {

// Determined by the control tokens in the template's text: "chatml", "llama3" ...; else "unknown".
const char* ChatFamilyOf(std::string_view text);

}  // namespace info

#endif  // CLAMMA_INFO_CHAT_FAMILY_H_
