// SPDX-License-Identifier: MIT
// The rows of a pass that compute drafts: see speculation.h.
#ifndef CLAMMA_ENGINE_PASS_DRAFTS_H_
#define CLAMMA_ENGINE_PASS_DRAFTS_H_

#include <cstddef>

#include "engine/guards.h"
#include "engine/transformer.h"

namespace clamma {

// Whether the query of any session wants drafts.
bool AnyWantsDrafts(TurnHeld held, const PassEntry* entries, size_t n_sessions);

// Adds rows for drafts behind the first n_rows rows of a pass, as far as the pass has room and they
// are likely to pay: each takes a pass more time, but may make a later pass unnecessary. Those of
// each session are consecutive, in order of its entries. Sets `drafts` of the entries, and returns
// the new number of rows.
size_t AddDraftRows(TurnHeld held, Transformer& transformer, PassEntry* entries, size_t n_sessions,
                    size_t n_rows);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PASS_DRAFTS_H_
