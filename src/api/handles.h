// SPDX-License-Identifier: MIT
// The opaque C types are the engine's objects under another name.
#ifndef CLAMMA_API_HANDLES_H_
#define CLAMMA_API_HANDLES_H_

#include "clamma.h"
#include "engine/session.h"
#include "engine/transformer.h"

namespace clamma {

inline txf* ToHandle(Transformer* transformer) { return reinterpret_cast<txf*>(transformer); }
inline txf_session* ToHandle(Session* session) { return reinterpret_cast<txf_session*>(session); }

// A const txf is constant in what it computes; the working memory behind it is guarded by the
// scheduler.
inline Transformer* FromHandle(const txf* handle) {
  return reinterpret_cast<Transformer*>(const_cast<txf*>(handle));
}
inline Session* FromHandle(const txf_session* handle) {
  return reinterpret_cast<Session*>(const_cast<txf_session*>(handle));
}

}  // namespace clamma

#endif  // CLAMMA_API_HANDLES_H_
