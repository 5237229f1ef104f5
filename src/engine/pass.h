// SPDX-License-Identifier: MIT
// One pass over a transformer's weights, for all of its sessions that need one.
#ifndef CLAMMA_ENGINE_PASS_H_
#define CLAMMA_ENGINE_PASS_H_

#include <cstddef>

#include "engine/guards.h"
#include "engine/session.h"
#include "engine/transformer.h"

namespace clamma {

// Runs one batch for the first n_sessions entries of transformer.pass: sessions that need a pass,
// in the order in which to serve them. Each session that generates gets a token; prompts share the
// remaining rows, in that order. The more sessions generate, the smaller the chunks of prompts are,
// so that no session waits long for its next token. The first session is always served.
void RunPass(TurnHeld held, Transformer& transformer, size_t n_sessions);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PASS_H_
