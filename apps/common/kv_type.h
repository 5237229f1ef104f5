// SPDX-License-Identifier: MIT
// The names of the types in which sessions store keys and values.
#ifndef CLAMMA_APPS_COMMON_KV_TYPE_H_
#define CLAMMA_APPS_COMMON_KV_TYPE_H_

#include <clamma.h>

#include <string>

namespace options {

// Returns the type with this name; any other name means "auto".
inline clamma_kv_type_t KvTypeOf(const std::string& name) {
  if (name == "f32") return CLAMMA_KV_F32;
  if (name == "f16") return CLAMMA_KV_F16;
  return name == "q8" ? CLAMMA_KV_Q8 : CLAMMA_KV_AUTO;
}

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_KV_TYPE_H_
