// SPDX-License-Identifier: MIT
// One pass over a transformer's weights for all of its sessions that need one.
#ifndef CLAMMA_ENGINE_PASS_H_
#define CLAMMA_ENGINE_PASS_H_

#include <cstddef>

#include "engine/guards.h"
#include "engine/session.h"
#include "engine/transformer.h"

namespace clamma {

// Runs the first n_sessions of transformer.pass, which need a pass and stand in the order in which
// they are to be served, as one batch: each that generates gets a token, and what room is left goes
// to prompts, the first in line first. While others generate, prompts get the smaller chunks the
// more there are, so that they hold nobody up. The first session is always served.
void RunPass(TurnHeld held, Transformer& transformer, size_t n_sessions);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PASS_H_
