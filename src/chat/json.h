// SPDX-License-Identifier: MIT
// Parses JSON texts to values of the template interpreter, as Python's json.loads() does: NaN and
// Infinity are numbers, and the last of several equal keys applies.
#ifndef CLAMMA_CHAT_JSON_H_
#define CLAMMA_CHAT_JSON_H_

#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/value.h"
#include "platform/status.h"

namespace clamma {

inline constexpr size_t kMaxJsonBytes = size_t{8} << 20;
inline constexpr unsigned kMaxJsonDepth = 32;  // nested lists and objects

// All strings, including keys, get this origin. A failure names the byte and the text there.
// Integers beyond 64 bits, unpaired UTF-16 surrogates and invalid UTF-8 are refused.
Status ParseJson(Bump& bump, std::string_view text, Origin origin, Value* value);

}  // namespace clamma

#endif  // CLAMMA_CHAT_JSON_H_
