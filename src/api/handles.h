// SPDX-License-Identifier: MIT
// Converts between the opaque C types and the engine's objects, which they stand for.
#ifndef CLAMMA_API_HANDLES_H_
#define CLAMMA_API_HANDLES_H_

#include "clamma.h"
#include "engine/session.h"
#include "engine/transformer.h"

namespace clamma {

inline txf* ToHandle(Transformer* transformer) { return reinterpret_cast<txf*>(transformer); }
inline txf_session* ToHandle(Session* session) { return reinterpret_cast<txf_session*>(session); }

// A const txf computes the same, but has working memory, which the scheduler guards.
inline Transformer* FromHandle(const txf* handle) {
  return reinterpret_cast<Transformer*>(const_cast<txf*>(handle));
}
inline Session* FromHandle(const txf_session* handle) {
  return reinterpret_cast<Session*>(const_cast<txf_session*>(handle));
}

}  // namespace clamma

#endif  // CLAMMA_API_HANDLES_H_
