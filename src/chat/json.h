// SPDX-License-Identifier: MIT
// JSON texts as values of the template interpreter, read as Python's json.loads() does: NaN and
// Infinity are numbers, of equal keys the last value counts.
#ifndef CLAMMA_CHAT_JSON_H_
#define CLAMMA_CHAT_JSON_H_

#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/value.h"
#include "platform/status.h"

namespace clamma {

inline constexpr size_t kMaxJsonBytes = size_t{8} << 20;
inline constexpr unsigned kMaxJsonDepth = 32;  // of lists and objects within each other

// All strings, keys too, have this origin. A failure names the byte and what stands there. Integers
// beyond 64 bits, halves of UTF-16 pairs and invalid UTF-8 are refused.
Status ParseJson(Bump& bump, std::string_view text, Origin origin, Value* value);

}  // namespace clamma

#endif  // CLAMMA_CHAT_JSON_H_
